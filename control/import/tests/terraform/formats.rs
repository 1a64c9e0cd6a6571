//! Which files are read, which side of them, and what do region and account come from?

use serde_json::json;
use vpclab_import::{Fate, Options, Side};

use crate::fixture::{Plan, fate, imported, resource, run, state};

#[test]
fn a_plan_has_two_sides() {
    let plan = Plan::vpc()
        .before("aws_vpc.old", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.9.0.0/16" }))
        .before("data.aws_region.here", json!({ "id": "us-east-1", "name": "us-east-1" }));
    let after = plan.side(Side::After);
    let names = |imported: &vpclab_import::Imported| {
        imported.document["vpcs"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&after), ["aws_vpc.main"]);
    // What a data source has said already stands in the state before.
    assert_eq!(fate(&after, "data.aws_region.here"), Fate::NotNetwork);
    assert_eq!(names(&plan.side(Side::Before)), ["aws_vpc.old"]);
    assert_eq!(Plan::vpc().side(Side::Before).document, json!({}));
}

#[test]
fn a_state_refers_by_id_and_by_arn() {
    let imported = imported(
        &state(&[
            (
                "aws_vpc.main",
                json!({ "id": "vpc-0123456789abcdef0", "arn": "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" }),
            ),
            (
                "aws_subnet.a",
                json!({ "id": "subnet-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "cidr_block": "10.0.1.0/24", "availability_zone": "eu-west-1a" }),
            ),
            (
                "aws_lb.l",
                json!({ "arn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/l/1", "subnets": ["subnet-0123456789abcdef0"], "internal": true }),
            ),
            (
                "aws_lb_listener.x",
                json!({ "load_balancer_arn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/l/1", "port": 80, "protocol": "HTTP" }),
            ),
        ]),
        &Options::default(),
    );
    let vpc = resource(&imported, "vpcs", "aws_vpc.main");
    assert_eq!((&vpc["region"], &vpc["owner"]), (&json!("eu-west-1"), &json!("111122223333")));
    assert_eq!(resource(&imported, "subnets", "aws_subnet.a")["vpc"], "aws_vpc.main");
    assert_eq!(resource(&imported, "listeners", "aws_lb_listener.x")["load_balancer"], "aws_lb.l");
}

#[test]
fn terraforms_own_state_file_is_read_too() {
    let file = json!({ "version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": "x", "outputs": {}, "resources": [
        { "mode": "managed", "type": "aws_vpc", "name": "main", "provider": "p", "instances": [{ "attributes": { "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" } }] },
        { "module": "module.net", "mode": "managed", "type": "aws_subnet", "name": "s", "provider": "p", "instances": [
            { "index_key": "x", "attributes": { "id": "subnet-1", "vpc_id": "vpc-0123456789abcdef0", "cidr_block": "10.0.1.0/24" } }] }] });
    let imported = imported(&file, &Options::default());
    assert_eq!(resource(&imported, "subnets", "module.net.aws_subnet.s[\"x\"]")["vpc"], "aws_vpc.main");
    let old = json!({ "version": 3, "terraform_version": "0.11.0", "modules": [] });
    assert!(run(&old, &Options::default()).unwrap_err().to_string().contains("old Terraform"));
}

#[test]
fn powershell_writes_utf_16() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(Plan::vpc().json().to_string().encode_utf16().flat_map(u16::to_le_bytes));
    std::fs::write(&path, bytes).unwrap();
    let source = path.to_str().unwrap().parse().unwrap();
    let imported = vpclab_import::import(&[source], &Options::default()).unwrap();
    assert_eq!(imported.document["vpcs"]["aws_vpc.main"]["cidr_block"], "10.0.0.0/16");
}

#[test]
fn the_region_is_the_providers() {
    let mut plan = Plan::vpc();
    plan.provider = json!({ "references": ["var.region"] });
    plan.variables.insert("region".to_owned(), json!({ "value": "us-east-1" }));
    assert_eq!(plan.imported().document["vpcs"]["aws_vpc.main"]["region"], "us-east-1");
    let mut plan = Plan::new().and("aws_vpc.main", json!({ "cidr_block": "10.0.0.0/16" }), json!({}));
    plan.provider = json!({ "constant_value": "eu-north-1" });
    assert_eq!(plan.imported().document["vpcs"]["aws_vpc.main"]["region"], "eu-north-1");
}

#[test]
fn each_type_has_its_fate() {
    for (address, expected) in [
        ("aws_iam_role.x", Fate::NotNetwork),
        ("aws_s3_bucket.x", Fate::NotNetwork),
        ("aws_db_cluster_snapshot.x", Fate::NotNetwork),
        ("aws_flow_log.x", Fate::NotNetwork),
        ("aws_launch_template.x", Fate::NotNetwork),
        ("google_compute_network.x", Fate::NotNetwork),
        ("random_id.x", Fate::NotNetwork),
        ("awscc_ec2_vpc.x", Fate::LeftOut),
        ("awscc_iam_role.x", Fate::NotNetwork),
        ("aws_something_new.x", Fate::LeftOut),
        ("data.aws_ami.x", Fate::NotNetwork),
    ] {
        let imported = Plan::new().and(address, json!({}), json!({})).imported();
        assert_eq!(fate(&imported, address), expected, "{address}");
        assert_eq!(imported.report.has_omissions(), expected == Fate::LeftOut, "{address}");
    }
}

#[test]
fn a_key_with_a_slash_makes_a_name_that_the_document_can_have() {
    let imported = Plan::vpc()
        .and(
            "aws_subnet.each[\"10.0.7.0/24\"]",
            json!({ "cidr_block": "10.0.7.0/24" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .imported();
    resource(&imported, "subnets", "aws_subnet.each[\"10.0.7.0/24\"]");
    assert_eq!(fate(&imported, "aws_subnet.each[\"10.0.7.0/24\"]"), Fate::Approximated);
}

#[test]
fn the_report_and_the_topology_say_the_region_that_all_is_in() {
    let mut plan = Plan::vpc();
    plan.provider = json!({ "constant_value": "us-east-2" });
    let mut document = plan.json();
    let resources = document["planned_values"]["root_module"]["resources"].as_array_mut().unwrap();
    for resource in resources.iter_mut().filter(|resource| resource["type"] == "aws_subnet") {
        resource["values"]["availability_zone"] = json!("us-east-2a");
    }
    let imported = imported(&document, &Options::default());
    assert_eq!(imported.report.sources[0].region, "us-east-2");
    assert_eq!(imported.document["region"], "us-east-2");
}

#[test]
fn what_one_state_holds_another_one_refers_to_by_its_id() {
    let (vpc, subnet, table) = ("vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "rtb-0123456789abcdef0");
    let (group, instance) = ("sg-0123456789abcdef0", "i-0123456789abcdef0");
    let net = state(&[
        (
            "aws_vpc.main",
            json!({ "id": vpc, "cidr_block": "10.0.0.0/16", "main_route_table_id": table, "default_route_table_id": table }),
        ),
        ("aws_subnet.a", json!({ "id": subnet, "vpc_id": vpc, "cidr_block": "10.0.1.0/24" })),
        (
            "aws_eip.e",
            json!({ "id": "eipalloc-0123456789abcdef0", "public_ip": "52.1.2.3", "instance": instance }),
        ),
        ("aws_internet_gateway.g", json!({ "id": "igw-0123456789abcdef0", "vpc_id": vpc })),
    ]);
    let app = state(&[
        ("data.aws_subnet.a", json!({ "id": subnet, "vpc_id": vpc })),
        ("aws_security_group.web", json!({ "id": group, "vpc_id": vpc, "ingress": [], "egress": [] })),
        ("aws_instance.w", json!({ "id": instance, "subnet_id": subnet, "vpc_security_group_ids": [group] })),
        (
            "aws_route.r",
            json!({ "route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-0123456789abcdef0" }),
        ),
        (
            "aws_default_route_table.d",
            json!({ "id": table, "default_route_table_id": table, "vpc_id": vpc, "route": [] }),
        ),
        ("aws_unheard_of.x", json!({ "subnet_id": subnet })),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let sources = [("net", net), ("app", app)].map(|(name, document)| {
        let path = folder.path().join(format!("{name}.json"));
        std::fs::write(&path, document.to_string()).unwrap();
        path.to_str().unwrap().parse::<vpclab_import::Source>().unwrap()
    });
    // Whichever is read first.
    for sources in [sources.clone(), [sources[1].clone(), sources[0].clone()]] {
        let imported = vpclab_import::import(&sources, &Options::default()).unwrap();
        let instance = resource(&imported, "instances", "app/aws_instance.w");
        assert_eq!(instance["subnet"], "net/aws_subnet.a");
        assert_eq!(
            resource(&imported, "security_groups", "app/aws_security_group.web")["vpc"],
            "net/aws_vpc.main"
        );
        assert_eq!(resource(&imported, "eips", "net/aws_eip.e")["instance"], "app/aws_instance.w");
        let routes = &resource(&imported, "route_tables", "net/aws_vpc.main/main")["routes"];
        assert_eq!(routes[0]["gateway"], "net/aws_internet_gateway.g");
        let why = resource(&imported, "subnets", "net/aws_subnet.a")["not_modelled"].as_str().unwrap();
        assert!(why.contains("aws_unheard_of.x refers to it"), "{why}");
    }
}
