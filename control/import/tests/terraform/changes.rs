//! Is what a plan takes away from others gone from them, and what it leaves alone still there?

use serde_json::{Map, Value, json};
use vpclab_import::{Imported, Options};

use crate::fixture::{imported, parts, resource, state, state_resource};

const VPC: &str = "vpc-0aaaaaaaaaaaaaaa1";
const SUBNET: &str = "subnet-0aaaaaaaaaaaaaa1";
const TABLE: &str = "rtb-0aaaaaaaaaaaaaaa1";
const OTHER: &str = "rtb-0aaaaaaaaaaaaaaa2";
const ACL: &str = "acl-0aaaaaaaaaaaaaaa1";
const DEFAULT: &str = "sg-0aaaaaaaaaaaaaaa0";
const WEB: &str = "sg-0aaaaaaaaaaaaaaa1";
const ADMIN: &str = "sg-0aaaaaaaaaaaaaaa2";
const GATEWAY: &str = "igw-0aaaaaaaaaaaaaaa1";
const ONE: &str = "i-0aaaaaaaaaaaaaaa1";
const TWO: &str = "i-0aaaaaaaaaaaaaaa2";
const INTERFACE: &str = "eni-0aaaaaaaaaaaaaaa1";

type Named = (&'static str, Value);

/// A VPC with a subnet, a gateway, two groups and two instances, as a state has them.
fn base() -> Vec<Named> {
    let group =
        |id: &str, name: &str| json!({ "id": id, "name": name, "vpc_id": VPC, "ingress": [], "egress": [] });
    let instance = |id: &str, interface: &str, at: u8| {
        json!({ "id": id, "subnet_id": SUBNET, "private_ip": format!("10.0.1.{at}"), "primary_network_interface_id": interface,
            "vpc_security_group_ids": [WEB], "associate_public_ip_address": false, "instance_state": "running" })
    };
    vec![
        (
            "aws_vpc.main",
            json!({ "id": VPC, "cidr_block": "10.0.0.0/16", "main_route_table_id": TABLE, "default_route_table_id": TABLE,
                "default_network_acl_id": ACL, "default_security_group_id": DEFAULT }),
        ),
        (
            "aws_subnet.a",
            json!({ "id": SUBNET, "vpc_id": VPC, "cidr_block": "10.0.1.0/24", "availability_zone": "us-east-1a" }),
        ),
        ("aws_internet_gateway.g", json!({ "id": GATEWAY, "vpc_id": VPC })),
        ("aws_security_group.web", group(WEB, "web")),
        ("aws_security_group.admin", group(ADMIN, "admin")),
        ("aws_instance.one", instance(ONE, INTERFACE, 10)),
        ("aws_instance.two", instance(TWO, "eni-0aaaaaaaaaaaaaaa2", 11)),
    ]
}

/// A plan from one state to another one, in whose configuration these attributes are written.
fn plan(before: &[Named], after: &[Named], written: &[(&str, &str)]) -> Value {
    let of = |all: &[Named]| -> Vec<Value> {
        all.iter().map(|(address, values)| state_resource(address, values.clone())).collect()
    };
    let configuration = after.iter().map(|(address, _)| {
        let (of_type, name, _) = parts(address);
        let keys = written.iter().filter(|(of, _)| of == address);
        let expressions: Map<String, Value> = keys.map(|(_, key)| ((*key).to_owned(), json!({}))).collect();
        json!({ "mode": "managed", "type": of_type, "name": name, "expressions": expressions })
    });
    let changes = after.iter().map(|(address, values)| {
        let is_new = !before.iter().any(|(then, _)| then == address);
        let unknown = if is_new && values.get("id").is_none() { json!({ "id": true }) } else { json!({}) };
        json!({ "address": address, "change": { "actions": [if is_new { "create" } else { "no-op" }], "after_unknown": unknown } })
    });
    json!({
        "format_version": "1.2", "terraform_version": "1.9.0",
        "planned_values": { "root_module": { "resources": of(after) } },
        "resource_changes": changes.collect::<Vec<_>>(),
        "prior_state": { "values": { "root_module": { "resources": of(before) } } },
        "configuration": { "root_module": { "resources": configuration.collect::<Vec<_>>() } },
    })
}

/// The base with these changed or added.
fn with(changed: &[Named]) -> Vec<Named> {
    let mut all = base();
    for (address, values) in changed {
        let Some((_, there)) = all.iter_mut().find(|(other, _)| other == address) else {
            all.push((*address, values.clone()));
            continue;
        };
        values.as_object().unwrap().iter().for_each(|(key, value)| there[key] = value.clone());
    }
    all
}

#[track_caller]
fn planned(before: &[Named], after: &[Named], written: &[(&str, &str)]) -> Imported {
    imported(&plan(before, after, written), &Options { stand_ins: true, ..Options::default() })
}

#[track_caller]
fn read(all: &[Named]) -> Imported {
    imported(&state(all), &Options { stand_ins: true, ..Options::default() })
}

#[test]
fn what_comes_with_a_vpc_and_is_managed_is_called_by_the_vpc() {
    let managed = [
        (
            "aws_default_route_table.d",
            json!({ "id": TABLE, "default_route_table_id": TABLE, "vpc_id": VPC,
            "route": [{ "cidr_block": "0.0.0.0/0", "gateway_id": GATEWAY }] }),
        ),
        (
            "aws_default_network_acl.d",
            json!({ "id": ACL, "default_network_acl_id": ACL, "vpc_id": VPC, "ingress": [], "egress": [] }),
        ),
        (
            "aws_default_security_group.d",
            json!({ "id": DEFAULT, "vpc_id": VPC, "ingress": [], "egress": [] }),
        ),
    ];
    let all = with(&managed);
    for imported in [read(&all), planned(&all, &all, &[])] {
        let table = resource(&imported, "route_tables", "aws_vpc.main/main");
        assert_eq!(table["routes"][0]["gateway"], "aws_internet_gateway.g");
        assert_eq!(resource(&imported, "network_acls", "aws_vpc.main/default")["ingress"], json!([]));
        assert_eq!(resource(&imported, "security_groups", "aws_vpc.main/default")["egress"], json!([]));
    }
    // No source has the VPC.
    for (address, values) in managed {
        let mut values = values;
        values["route"] = json!([]);
        let imported = read(&[(address, values)]);
        assert!(resource(&imported, "vpcs", VPC)["not_modelled"].is_string(), "{address}");
    }
}

#[test]
fn a_peering_connection_that_is_only_accepted_here_is_called_by_its_id() {
    let peering = "pcx-0aaaaaaaaaaaaaaa1";
    let imported = read(&with(&[
        (
            "aws_vpc_peering_connection_accepter.a",
            json!({ "id": peering, "vpc_peering_connection_id": peering, "auto_accept": true }),
        ),
        (
            "aws_route.r",
            json!({ "route_table_id": TABLE, "destination_cidr_block": "10.9.0.0/16", "vpc_peering_connection_id": peering }),
        ),
    ]));
    let routes = &resource(&imported, "route_tables", "aws_vpc.main/main")["routes"];
    assert_eq!(routes[0]["vpc_peering_connection"], peering);
    assert!(resource(&imported, "vpc_peering_connections", peering)["not_modelled"].is_string());
}

const ADDRESS: &str = "eipalloc-0aaaaaaaaaaaaaaa1";

#[test]
fn an_elastic_address_stands_for_nobody_once_its_association_goes() {
    let address = (
        "aws_eip.e",
        json!({ "id": ADDRESS, "public_ip": "52.1.2.3", "instance": ONE, "network_interface": INTERFACE }),
    );
    let shown = ("aws_instance.one", json!({ "associate_public_ip_address": true, "public_ip": "52.1.2.3" }));
    let association = |instance: &str| {
        ("aws_eip_association.x", json!({ "allocation_id": ADDRESS, "instance_id": instance }))
    };
    let there = with(&[address.clone(), shown.clone()]);
    let before = with(&[address.clone(), shown.clone(), association(ONE)]);
    let holder = |imported: &Imported| resource(imported, "eips", "aws_eip.e").get("instance").cloned();
    assert_eq!(holder(&read(&before)), Some(json!("aws_instance.one")));
    // Whether the instance has an address of its own then, its subnet says.
    let gone = planned(&before, &there, &[]);
    assert_eq!(holder(&gone), None);
    assert!(resource(&gone, "instances", "aws_instance.one").get("associate_public_ip_address").is_none());
    let stays = planned(&before, &before, &[]);
    assert_eq!(holder(&stays), Some(json!("aws_instance.one")));
    // It moves; it is written beside the address itself.
    let moved = with(&[address.clone(), shown, association(TWO)]);
    assert_eq!(holder(&planned(&before, &moved, &[])), Some(json!("aws_instance.two")));
    let written = planned(&before, &there, &[("aws_eip.e", "instance")]);
    assert_eq!(holder(&written), Some(json!("aws_instance.one")));
}

#[test]
fn what_is_detached_belongs_to_nobody_and_what_stays_attached_does() {
    let vpn = "vgw-0aaaaaaaaaaaaaaa1";
    let interface = json!({ "id": "eni-9", "subnet_id": SUBNET, "private_ip": "10.0.1.20", "security_groups": [WEB, ADMIN],
        "attachment": [{ "instance": ONE, "device_index": 1 }] });
    let there = with(&[
        ("aws_network_interface.n", interface),
        ("aws_vpn_gateway.v", json!({ "id": vpn, "vpc_id": VPC })),
        ("aws_instance.one", json!({ "vpc_security_group_ids": [WEB, ADMIN] })),
    ]);
    let parts = [
        ("aws_internet_gateway_attachment.x", json!({ "internet_gateway_id": GATEWAY, "vpc_id": VPC })),
        ("aws_vpn_gateway_attachment.x", json!({ "vpn_gateway_id": vpn, "vpc_id": VPC })),
        (
            "aws_network_interface_attachment.x",
            json!({ "network_interface_id": "eni-9", "instance_id": ONE, "device_index": 1 }),
        ),
        (
            "aws_network_interface_sg_attachment.x",
            json!({ "network_interface_id": "eni-9", "security_group_id": ADMIN }),
        ),
        (
            "aws_network_interface_sg_attachment.y",
            json!({ "network_interface_id": INTERFACE, "security_group_id": ADMIN }),
        ),
    ];
    let before: Vec<Named> = there.iter().chain(&parts).cloned().collect();
    let said = |imported: &Imported| {
        let of = |kind: &str, name: &str, key: &str| resource(imported, kind, name).get(key).cloned();
        [
            of("internet_gateways", "aws_internet_gateway.g", "vpc"),
            of("vpn_gateways", "aws_vpn_gateway.v", "vpc"),
            of("network_interfaces", "aws_network_interface.n", "attachment"),
            of("network_interfaces", "aws_network_interface.n", "security_groups"),
            of("instances", "aws_instance.one", "security_groups"),
        ]
    };
    let (one, both) =
        (json!(["aws_security_group.web"]), json!(["aws_security_group.web", "aws_security_group.admin"]));
    let vpc = Some(json!("aws_vpc.main"));
    let attached = Some(json!({ "instance": "aws_instance.one", "device_index": 1 }));
    let whole = [vpc.clone(), vpc, attached, Some(both.clone()), Some(both)];
    assert_eq!(said(&read(&before)), whole);
    assert_eq!(said(&planned(&before, &before, &[])), whole);
    assert_eq!(said(&planned(&before, &there, &[])), [None, None, None, Some(one.clone()), Some(one)]);
    // What is written beside them is what is planned.
    let written = [
        ("aws_internet_gateway.g", "vpc_id"),
        ("aws_vpn_gateway.v", "vpc_id"),
        ("aws_network_interface.n", "attachment"),
        ("aws_network_interface.n", "security_groups"),
        ("aws_instance.one", "vpc_security_group_ids"),
    ];
    assert_eq!(said(&planned(&before, &there, &written)), whole);
}

#[test]
fn an_instance_that_is_started_runs() {
    let stopped = with(&[("aws_instance.one", json!({ "instance_state": "stopped" }))]);
    let state = |word: &str| ("aws_ec2_instance_state.s", json!({ "instance_id": ONE, "state": word }));
    for (word, expected) in [("running", None), ("stopped", Some(json!("stopped")))] {
        let after: Vec<Named> = stopped.iter().cloned().chain([state(word)]).collect();
        let imported = planned(&stopped, &after, &[]);
        assert_eq!(
            resource(&imported, "instances", "aws_instance.one").get("state"),
            expected.as_ref(),
            "{word}"
        );
    }
}

/// A second VPC, and a peering connection to it.
fn peered(values: Value, more: &[Named]) -> Vec<Named> {
    let mut peering = json!({ "id": "pcx-1", "vpc_id": VPC, "peer_vpc_id": "vpc-2" });
    values.as_object().unwrap().iter().for_each(|(key, value)| peering[key] = value.clone());
    let mut all = with(&[
        ("aws_vpc.peer", json!({ "id": "vpc-2", "cidr_block": "10.1.0.0/16" })),
        ("aws_vpc_peering_connection.p", peering),
    ]);
    all.extend(more.iter().cloned());
    all
}

fn accepter(values: Value) -> Named {
    let mut accepter = json!({ "id": "pcx-1", "vpc_peering_connection_id": "pcx-1" });
    values.as_object().unwrap().iter().for_each(|(key, value)| accepter[key] = value.clone());
    ("aws_vpc_peering_connection_accepter.a", accepter)
}

#[track_caller]
fn peering(imported: &Imported) -> &str {
    resource(imported, "vpc_peering_connections", "aws_vpc_peering_connection.p")["state"].as_str().unwrap()
}

#[test]
fn a_peering_connection_is_accepted_by_who_is_told_to_and_by_nobody_else() {
    for (accepter_says, expected) in [
        (json!({}), "pending-acceptance"),
        (json!({ "auto_accept": false }), "pending-acceptance"),
        (json!({ "auto_accept": true }), "active"),
    ] {
        assert_eq!(
            peering(&read(&peered(json!({}), &[accepter(accepter_says.clone())]))),
            expected,
            "{accepter_says}"
        );
    }
    // The side that asks shows at the next refresh only what the other one has accepted.
    let pending = json!({ "accept_status": "pending-acceptance" });
    let active = [accepter(json!({ "auto_accept": true, "accept_status": "active" }))];
    assert_eq!(peering(&read(&peered(pending.clone(), &active))), "active");
    // A plan accepts what it tells to accept, and does nothing more where that was told in vain.
    let told = json!({ "accept_status": "pending-acceptance", "auto_accept": true });
    let before = peered(pending.clone(), &[]);
    assert_eq!(peering(&planned(&before, &peered(told.clone(), &[]), &[])), "active");
    let after = peered(pending.clone(), &[accepter(json!({ "auto_accept": true }))]);
    assert_eq!(peering(&planned(&before, &after, &[])), "active");
    let told = peered(told, &[]);
    assert_eq!(peering(&planned(&told, &told, &[])), "pending-acceptance");
    // What is gone is not there because somebody once accepted it.
    let deleted = json!({ "accept_status": "deleted" });
    assert_eq!(peering(&read(&peered(deleted, &active))), "deleted");
    // Who does not manage it any more does not undo it.
    let accepted = peered(json!({ "accept_status": "active" }), &active);
    assert_eq!(
        peering(&planned(&accepted, &peered(json!({ "accept_status": "active" }), &[]), &[])),
        "active"
    );
}

#[test]
fn what_comes_with_a_vpc_stays_as_it_is_when_nobody_manages_it_any_more() {
    let route = json!([{ "cidr_block": "0.0.0.0/0", "gateway_id": GATEWAY }]);
    let managed = [
        (
            "aws_default_security_group.d",
            json!({ "id": DEFAULT, "vpc_id": VPC, "ingress": [], "egress": [] }),
        ),
        (
            "aws_default_network_acl.d",
            json!({ "id": ACL, "default_network_acl_id": ACL, "vpc_id": VPC, "ingress": [], "egress": [] }),
        ),
        (
            "aws_default_route_table.d",
            json!({ "id": TABLE, "default_route_table_id": TABLE, "vpc_id": VPC, "route": route }),
        ),
    ];
    let imported = planned(&with(&managed), &base(), &[]);
    for (kind, name) in
        [("security_groups", "aws_vpc.main/default"), ("network_acls", "aws_vpc.main/default")]
    {
        assert_eq!(resource(&imported, kind, name)["ingress"], json!([]), "{kind}");
        assert_eq!(resource(&imported, kind, name)["egress"], json!([]), "{kind}");
    }
    let table = resource(&imported, "route_tables", "aws_vpc.main/main");
    assert_eq!(table["routes"].as_array().unwrap().len(), 1);
    // What was a rule of its own goes with it, also from what is only forgotten.
    let rule = json!({ "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"] });
    let mut own = rule.clone();
    own["security_group_id"] = json!(DEFAULT);
    own["type"] = json!("ingress");
    let open = json!({ "id": DEFAULT, "vpc_id": VPC, "ingress": [rule], "egress": [] });
    let before = with(&[("aws_default_security_group.d", open), ("aws_security_group_rule.ssh", own)]);
    let imported = planned(&before, &base(), &[]);
    assert_eq!(resource(&imported, "security_groups", "aws_vpc.main/default")["ingress"], json!([]));
    // It goes with the VPC.
    let imported = planned(&with(&managed), &[], &[]);
    assert!(imported.document.get("security_groups").is_none(), "{:#}", imported.document);
}

#[test]
fn a_route_goes_to_the_table_that_it_names_whichever_is_the_main_one() {
    let table = |id: &str| json!({ "id": id, "vpc_id": VPC, "route": [] });
    let route = |table: &str| json!({ "route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "gateway_id": GATEWAY });
    let other =
        [("aws_vpc.main", json!({ "main_route_table_id": OTHER })), ("aws_route_table.x", table(OTHER))];
    let association = (
        "aws_main_route_table_association.m",
        json!({ "vpc_id": VPC, "route_table_id": OTHER, "original_route_table_id": TABLE }),
    );
    for with_association in [false, true] {
        let mut all = with(&other);
        all.extend(with_association.then(|| association.clone()));
        all.push(("aws_route.first", route(TABLE)));
        let imported = read(&all);
        assert_eq!(resource(&imported, "vpcs", "aws_vpc.main")["main_route_table"], "aws_route_table.x");
        assert_eq!(resource(&imported, "route_tables", "aws_route_table.x")["routes"], json!([]));
        let first = resource(&imported, "route_tables", "aws_vpc.main/default");
        assert_eq!((&first["vpc"], first["routes"].as_array().unwrap().len()), (&json!("aws_vpc.main"), 1));
    }
    // Managed, the first table is the same one.
    let mut all = with(&other);
    all.push((
        "aws_default_route_table.d",
        json!({ "id": TABLE, "default_route_table_id": TABLE, "vpc_id": VPC, "route": [] }),
    ));
    assert_eq!(resource(&read(&all), "route_tables", "aws_vpc.main/default")["vpc"], "aws_vpc.main");
    // An association that goes gives the first one back, one that comes takes another, whatever the VPC shows.
    let before = {
        let mut all = with(&other);
        all.push(association.clone());
        all
    };
    let imported = planned(&before, &with(&other), &[]);
    assert!(resource(&imported, "vpcs", "aws_vpc.main").get("main_route_table").is_none());
    let third = ("aws_route_table.y", table("rtb-0aaaaaaaaaaaaaaa3"));
    let moved =
        json!({ "vpc_id": VPC, "route_table_id": "rtb-0aaaaaaaaaaaaaaa3", "original_route_table_id": TABLE });
    let after: Vec<Named> =
        with(&other).into_iter().chain([third, ("aws_main_route_table_association.m", moved)]).collect();
    let imported = planned(&before, &after, &[]);
    assert_eq!(resource(&imported, "vpcs", "aws_vpc.main")["main_route_table"], "aws_route_table.y");
}

#[test]
fn a_route_that_is_a_blackhole_leads_nowhere_until_its_target_is_mended() {
    let inline = json!([{ "cidr_block": "10.1.0.0/16", "vpc_peering_connection_id": "pcx-1" }]);
    let route = json!({ "route_table_id": OTHER, "destination_cidr_block": "10.1.0.0/16", "vpc_peering_connection_id": "pcx-1", "state": "blackhole" });
    let all = |peering: Value| {
        peered(
            peering,
            &[
                ("aws_route_table.x", json!({ "id": OTHER, "vpc_id": VPC, "route": inline })),
                ("aws_route.r", route.clone()),
            ],
        )
    };
    let there = all(json!({ "accept_status": "active" }));
    for imported in [read(&there), planned(&there, &there, &[])] {
        let routes = resource(&imported, "route_tables", "aws_route_table.x")["routes"].as_array().unwrap();
        assert_eq!(routes, &[json!({ "cidr_block": "10.1.0.0/16", "gateway": "aws_route.r-blackhole" })]);
        assert!(resource(&imported, "internet_gateways", "aws_route.r-blackhole").get("vpc").is_none());
    }
    // The plan accepts the peering connection.
    let pending = all(json!({ "accept_status": "pending-acceptance" }));
    let accepted = all(json!({ "accept_status": "pending-acceptance", "auto_accept": true }));
    let imported = planned(&pending, &accepted, &[]);
    let routes = &resource(&imported, "route_tables", "aws_route_table.x")["routes"];
    assert_eq!(routes[0]["vpc_peering_connection"], "aws_vpc_peering_connection.p");
}

#[test]
fn rules_that_a_list_leaves_out_go_from_a_group() {
    let rule = |id: &str| json!({ "id": id, "security_group_rule_id": id, "security_group_id": WEB, "ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0" });
    let by_hand = json!({ "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"] });
    let listed = json!({ "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["0.0.0.0/0"] });
    let before = with(&[
        ("aws_security_group.web", json!({ "ingress": [by_hand, listed] })),
        ("aws_vpc_security_group_ingress_rule.https", rule("sgr-0123456789abcdef0")),
    ]);
    let list = |ids: Value| {
        let exclusive = json!({ "security_group_id": WEB, "ingress_rule_ids": ids, "egress_rule_ids": [] });
        before
            .iter()
            .cloned()
            .chain([("aws_vpc_security_group_rules_exclusive.x", exclusive)])
            .collect::<Vec<_>>()
    };
    let after = planned(&before, &list(json!(["sgr-0123456789abcdef0"])), &[]);
    let group = resource(&after, "security_groups", "aws_security_group.web");
    let ports: Vec<&Value> =
        group["ingress"].as_array().unwrap().iter().map(|rule| &rule["from_port"]).collect();
    assert_eq!((ports, group.get("not_modelled")), (vec![&json!(443)], None));
    // A rule that one resource makes and the list takes away.
    let after = planned(&before, &list(json!([])), &[]);
    let why = resource(&after, "security_groups", "aws_security_group.web")["not_modelled"].as_str().unwrap();
    assert!(why.contains("ingress_rule.https away"), "{why}");
    // What a state shows is what there is.
    let group = read(&list(json!(["sgr-0123456789abcdef0"])));
    let group = resource(&group, "security_groups", "aws_security_group.web");
    assert_eq!(group["ingress"].as_array().unwrap().len(), 2);
}

#[test]
fn addresses_of_a_state_that_leave_the_module_out_are_those_of_the_plan() {
    let group = |address: &str| {
        json!({ "address": address, "mode": "managed", "type": "aws_default_security_group", "name": "d",
            "values": { "id": DEFAULT, "vpc_id": VPC, "ingress": [], "egress": [] } })
    };
    let module = |address: &str| json!({ "address": "module.net", "resources": [group(address)] });
    let mut document = plan(&base(), &base(), &[]);
    document["planned_values"]["root_module"]["child_modules"] =
        json!([module("module.net.aws_default_security_group.d")]);
    document["prior_state"]["values"]["root_module"]["child_modules"] =
        json!([module("aws_default_security_group.d")]);
    let imported = imported(&document, &Options::default());
    let own = imported.report.resources.iter().filter(|one| one.of_type == "aws_default_security_group");
    assert_eq!(own.count(), 1);
}
