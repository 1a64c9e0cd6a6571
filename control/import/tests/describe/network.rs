//! How do VPCs, subnets, routes and prefix lists of a dump come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Files, dump, fate, notes, resource, together};

#[test]
fn a_vpc_has_the_blocks_that_are_associated_and_is_where_its_subnets_are() {
    let imported = dump(json!({ "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": "111122223333",
        "CidrBlockAssociationSet": [
            { "CidrBlock": "10.0.0.0/16", "CidrBlockState": { "State": "associated" } },
            { "CidrBlock": "10.1.0.0/16", "CidrBlockState": { "State": "associated" } },
            { "CidrBlock": "10.2.0.0/16", "CidrBlockState": { "State": "disassociated" } }],
        "Ipv6CidrBlockAssociationSet": [{ "Ipv6CidrBlock": "2001:db8:1::/56", "Ipv6CidrBlockState": { "State": "associated" } }] }] }))
    .imported();
    assert_eq!(
        *resource(&imported, "vpcs", "vpc-1"),
        json!({ "cidr_block": "10.0.0.0/16", "secondary_cidr_blocks": ["10.1.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56"],
            "region": "eu-west-1", "owner": "111122223333", "main_route_table": "rtb-main" })
    );
}

#[test]
fn ids_of_main_tables_and_default_filters_are_kept() {
    let imported = dump(json!({
        "RouteTables": [{ "RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{ "SubnetId": "subnet-b", "AssociationState": { "State": "associated" } }], "Routes": [] }],
        "SecurityGroups": [{ "GroupId": "sg-default", "GroupName": "default", "VpcId": "vpc-1",
            "IpPermissions": [{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": "sg-default", "UserId": "111122223333" }] }], "IpPermissionsEgress": [] }],
    }))
    .imported();
    assert_eq!(resource(&imported, "vpcs", "vpc-1")["main_route_table"], "rtb-main");
    assert_eq!(resource(&imported, "subnets", "subnet-b")["route_table"], "rtb-2");
    assert_eq!(resource(&imported, "subnets", "subnet-a")["network_acl"], "acl-1");
    assert_eq!(
        resource(&imported, "security_groups", "sg-default")["ingress"],
        json!([{ "protocol": "-1", "security_groups": ["sg-default"] }])
    );
    assert!(notes(&imported, "sg-default").contains("the VPC's default group"));
}

/// The routes of a table with one that is not local.
#[track_caller]
fn route(route: Value, more: Value) -> Value {
    let mut all = more;
    all["RouteTables"] = json!([{ "RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [], "Routes": [route,
        { "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active" }] }]);
    resource(&dump(all).imported(), "route_tables", "rtb-2")["routes"].clone()
}

#[test]
fn a_route_leads_to_each_kind_of_target() {
    let igw = json!({ "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }] });
    let nat = json!({ "NatGateways": [{ "NatGatewayId": "nat-1", "SubnetId": "subnet-a", "VpcId": "vpc-1", "State": "available", "ConnectivityType": "private", "NatGatewayAddresses": [{ "PrivateIp": "10.0.1.9" }] }] });
    let eni = json!({ "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-1", "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.8", "Status": "available", "Groups": [{ "GroupId": "sg-1" }] }] });
    let peer = json!({ "Vpcs": [{ "VpcId": "vpc-2", "CidrBlock": "10.9.0.0/16" }], "VpcPeeringConnections": [{ "VpcPeeringConnectionId": "pcx-1", "Status": { "Code": "active" },
        "RequesterVpcInfo": { "VpcId": "vpc-1" }, "AccepterVpcInfo": { "VpcId": "vpc-2" } }] });
    for (written, more, expected) in [
        (
            json!({ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active" }),
            igw,
            json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw-1" }),
        ),
        (
            json!({ "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active" }),
            nat,
            json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat-1" }),
        ),
        (
            json!({ "DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": "eni-1", "InstanceId": "i-9", "State": "active" }),
            eni,
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": "eni-1" }),
        ),
        (
            json!({ "DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1" }),
            json!({ "EgressOnlyInternetGateways": [{ "EgressOnlyInternetGatewayId": "eigw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "attached" }] }] }),
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw-1" }),
        ),
        (
            json!({ "DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1" }),
            peer,
            json!({ "cidr_block": "10.9.0.0/16", "vpc_peering_connection": "pcx-1" }),
        ),
        (
            json!({ "DestinationCidrBlock": "0.0.0.0/0", "CarrierGatewayId": "cagw-1" }),
            json!({ "CarrierGateways": [{ "CarrierGatewayId": "cagw-1", "VpcId": "vpc-1" }] }),
            json!({ "cidr_block": "0.0.0.0/0", "carrier_gateway": "cagw-1" }),
        ),
    ] {
        assert_eq!(route(written.clone(), more), json!([expected]), "{written}");
    }
}

#[test]
fn a_route_to_what_is_gone_is_a_black_hole() {
    let deleted = json!({ "NatGateways": [{ "NatGatewayId": "nat-1", "SubnetId": "subnet-a", "State": "deleted", "NatGatewayAddresses": [] }] });
    for more in [json!({}), deleted] {
        let routes = route(
            json!({ "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole" }),
            more,
        );
        assert_eq!(routes, json!([{ "cidr_block": "0.0.0.0/0", "gateway": "nat-1" }]));
    }
    let nameless = route(json!({ "DestinationCidrBlock": "0.0.0.0/0", "State": "blackhole" }), json!({}));
    assert_eq!(nameless, json!([{ "cidr_block": "0.0.0.0/0", "gateway": "rtb-2-gone" }]));
}

#[test]
fn an_active_route_shows_that_its_internet_gateway_is_attached() {
    let imported = dump(json!({ "RouteTables": [{ "RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [], "Routes": [{ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-7", "State": "active" }] }] })).imported();
    assert_eq!(resource(&imported, "internet_gateways", "igw-7")["vpc"], "vpc-1");
    assert_eq!(fate(&imported, "rtb-2"), Fate::Approximated);
}

#[test]
fn a_table_may_be_a_gateways() {
    let imported = dump(json!({
        "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }],
        "RouteTables": [{ "RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{ "GatewayId": "igw-1" }], "Routes": [] }],
    }))
    .imported();
    assert_eq!(resource(&imported, "route_tables", "rtb-2")["gateways"], json!(["igw-1"]));
}

#[test]
fn prefix_lists_have_their_entries_or_are_not_known() {
    let list = json!({ "PrefixListId": "pl-1", "PrefixListName": "mine", "AddressFamily": "IPv4", "MaxEntries": 5, "State": "create-complete", "OwnerId": "111122223333" });
    let imported = dump(json!({ "ManagedPrefixLists": [list], "PrefixListId": "pl-1", "Entries": [{ "Cidr": "192.168.0.0/16", "Description": "office" }] })).imported();
    assert_eq!(
        resource(&imported, "managed_prefix_lists", "pl-1")["entries"],
        json!([{ "cidr": "192.168.0.0/16", "description": "office" }])
    );
    let without = dump(json!({ "ManagedPrefixLists": [list] })).imported();
    assert!(
        resource(&without, "managed_prefix_lists", "pl-1")["not_modelled"]
            .as_str()
            .unwrap()
            .contains("get-managed-prefix-list-entries")
    );
}

#[test]
fn a_list_of_aws_goes_by_its_name_and_is_its_services() {
    let imported = dump(json!({
        "PrefixLists": [{ "PrefixListId": "pl-63a5400a", "PrefixListName": "com.amazonaws.eu-west-1.s3", "Cidrs": ["52.218.0.0/17", "3.5.64.0/21"] }],
        "VpcEndpoints": [{ "VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1", "ServiceName": "com.amazonaws.eu-west-1.s3", "State": "available", "RouteTableIds": ["rtb-main"] }],
        "RouteTables": [{ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true }], "Routes": [{ "DestinationPrefixListId": "pl-63a5400a", "GatewayId": "vpce-1", "State": "active" }] }],
        "SecurityGroups": [{ "GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": [{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{ "PrefixListId": "pl-63a5400a" }] }] }],
    }))
    .imported();
    assert_eq!(
        resource(&imported, "services", "com.amazonaws.eu-west-1.s3")["cidr_blocks"],
        json!(["52.218.0.0/17", "3.5.64.0/21"])
    );
    assert_eq!(resource(&imported, "route_tables", "rtb-main")["routes"], json!([]));
    assert_eq!(
        resource(&imported, "security_groups", "sg-1")["egress"][0]["prefix_lists"],
        json!(["com.amazonaws.eu-west-1.s3"])
    );
}

#[test]
fn a_vpc_that_no_file_has_is_stood_in_for_where_its_subnet_is() {
    let files = dump(
        json!({ "Subnets": [{ "SubnetId": "subnet-x", "VpcId": "vpc-lost", "CidrBlock": "10.8.1.0/24", "AvailabilityZone": "us-west-2c", "OwnerId": "444455556666" }] }),
    );
    assert!(files.run(false).unwrap_err().to_string().contains("no source holds vpc-lost"));
    let imported = files.run(true).unwrap();
    let vpc = resource(&imported, "vpcs", "vpc-lost");
    assert_eq!((&vpc["region"], &vpc["owner"]), (&json!("us-west-2"), &json!("444455556666")));
}

/// A route that AWS calls active leads to something, though the dump does not show it: what crosses it is not known.
#[test]
fn what_a_route_leads_to_and_no_dump_shows_is_not_known() {
    for (key, target, attribute, kind) in [
        ("NatGatewayId", "nat-1", "nat_gateway", "nat_gateways"),
        ("GatewayId", "nat-1", "nat_gateway", "nat_gateways"),
        ("GatewayId", "vgw-1", "gateway", "vpn_gateways"),
        ("TransitGatewayId", "tgw-1", "transit_gateway", "transit_gateways"),
        ("GatewayId", "tgw-1", "transit_gateway", "transit_gateways"),
        ("VpcPeeringConnectionId", "pcx-1", "vpc_peering_connection", "vpc_peering_connections"),
        ("GatewayId", "pcx-1", "vpc_peering_connection", "vpc_peering_connections"),
        ("GatewayId", "vpce-1", "vpc_endpoint", "vpc_endpoints"),
        ("EgressOnlyInternetGatewayId", "eigw-1", "egress_only_gateway", "egress_only_internet_gateways"),
        ("NetworkInterfaceId", "eni-1", "network_interface", "network_interfaces"),
        ("GatewayId", "eni-1", "network_interface", "network_interfaces"),
        ("InstanceId", "i-1", "instance", "instances"),
        ("LocalGatewayId", "lgw-1", "local_gateway", "local_gateways"),
        ("CarrierGatewayId", "cagw-1", "carrier_gateway", "carrier_gateways"),
        ("CoreNetworkArn", "arn:aws:networkmanager::1:core-network/c-1", "core_network", "core_networks"),
        ("OdbNetworkArn", "arn:aws:odb:eu-west-1:1:odb-network/o-1", "odb_network", "odb_networks"),
    ] {
        let block = if target == "eigw-1" { "DestinationIpv6CidrBlock" } else { "DestinationCidrBlock" };
        let to = if target == "eigw-1" { "2600::/16" } else { "192.0.2.0/24" };
        let files = dump(
            json!({ "RouteTables": [{ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true }],
            "Routes": [{ block: to, key: target, "Origin": "CreateRoute", "State": "active" }] }] }),
        );
        let problem = files.run(false).map(|_| ()).unwrap_err().to_string();
        assert!(problem.contains(target) && problem.contains("--stand-ins"), "{key} {target}: {problem}");
        let imported = files.run(true).unwrap_or_else(|error| panic!("{key} {target}: {error}"));
        assert_eq!(resource(&imported, "route_tables", "rtb-main")["routes"][0][attribute], target, "{key}");
        assert!(resource(&imported, kind, target)["not_modelled"].is_string(), "{key} {target}");
        assert!(
            imported.document.get("internet_gateways").is_none_or(|all| all.get(target).is_none()),
            "{target}"
        );
    }
}

#[test]
fn a_route_that_aws_calls_a_black_hole_is_one_though_its_target_is_there() {
    let igw = json!({ "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }] });
    for (state, expected) in [("blackhole", "rtb-2-blackhole"), ("active", "igw-1")] {
        let written = json!({ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": state });
        let routes = route(written, igw.clone());
        assert_eq!(routes, json!([{ "cidr_block": "0.0.0.0/0", "gateway": expected }]));
    }
}

#[test]
fn a_target_that_nobody_knows_is_not_known() {
    let routed = |route: serde_json::Value| {
        dump(json!({ "RouteTables": [{ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true }],
            "Routes": [route] }] }))
        .imported()
    };
    let by_id =
        routed(json!({ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "xyz-1", "State": "active" }));
    assert!(resource(&by_id, "internet_gateways", "xyz-1")["not_modelled"].is_string());
    for route in [
        json!({ "DestinationCidrBlock": "0.0.0.0/0", "NewThingId": "n-1", "State": "active" }),
        json!({ "GatewayId": "igw-1" }),
    ] {
        assert!(
            resource(&routed(route.clone()), "route_tables", "rtb-main")["not_modelled"].is_string(),
            "{route}"
        );
    }
    // Of an internet gateway nothing else is to be known.
    let known =
        routed(json!({ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active" }));
    assert_eq!(resource(&known, "internet_gateways", "igw-1"), &json!({ "vpc": "vpc-1" }));
}

#[test]
fn a_vpc_whose_main_table_is_not_listed_has_one_that_is_not_known() {
    let table = |main: bool| {
        let association = if main { json!({ "Main": true }) } else { json!({ "SubnetId": "subnet-b" }) };
        let table = json!({ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [association], "Routes": [] });
        dump(json!({ "RouteTables": [table] })).imported()
    };
    assert!(resource(&table(false), "route_tables", "vpc-1/main")["not_modelled"].is_string());
    assert!(table(true).document["route_tables"].get("vpc-1/main").is_none());
}

#[test]
fn what_goes_on_in_another_page_is_told_and_doubted() {
    let imported = dump(json!({ "NextToken": "x" })).imported();
    assert!(imported.report.has_omissions());
    assert!(imported.report.sources[0].notes[0].text.contains("AWS had more of NetworkAcls, RouteTables, "));
    assert!(resource(&imported, "subnets", "subnet-a")["not_modelled"].is_string());
    for whole in [json!({ "NextToken": "" }), json!({ "NextToken": null })] {
        let imported = dump(whole).imported();
        assert!(!imported.report.has_omissions());
        assert!(resource(&imported, "subnets", "subnet-a").get("not_modelled").is_none());
    }
}

#[test]
fn a_subnet_whose_table_two_files_show_differently_is_doubted() {
    let tables = |subnet: &str| json!({ "RouteTables": [{ "RouteTableId": "rtb-own", "VpcId": "vpc-1", "Associations": [{ "Main": false, "SubnetId": subnet }], "Routes": [] }] });
    let imported = Files::new(&[
        ("a.json", together(json!({}))),
        ("b.json", tables("subnet-a")),
        ("c.json", tables("subnet-b")),
    ])
    .imported();
    for (kind, name) in [("route_tables", "rtb-own"), ("subnets", "subnet-a"), ("subnets", "subnet-b")] {
        assert!(resource(&imported, kind, name)["not_modelled"].is_string(), "{name}");
    }
    assert!(resource(&imported, "vpcs", "vpc-1").get("not_modelled").is_none());
}

#[test]
fn a_list_of_aws_that_goes_on_elsewhere_is_doubted() {
    let lists = json!({ "ManagedPrefixLists": [{ "PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.global.cloudfront.origin-facing", "AddressFamily": "IPv4" }] });
    let entries =
        |token: Option<&str>| json!({ "NextToken": token, "Entries": [{ "Cidr": "130.176.0.0/17" }] });
    for (token, doubted) in [(Some("more"), true), (None, false)] {
        let imported = Files::new(&[
            ("a.json", together(lists.clone())),
            ("get-managed-prefix-list-entries-pl-1.json", entries(token)),
        ])
        .imported();
        let list =
            resource(&imported, "managed_prefix_lists", "com.amazonaws.global.cloudfront.origin-facing");
        assert_eq!(list.get("not_modelled").is_some(), doubted, "{list}");
        assert_eq!(list["entries"][0]["cidr"], "130.176.0.0/17");
    }
}

#[test]
fn an_active_route_of_a_gateway_endpoint_is_there_without_the_endpoint() {
    let tables = json!({ "RouteTables": [{ "RouteTableId": "rtb-own", "VpcId": "vpc-1", "Associations": [{ "Main": false, "SubnetId": "subnet-a" }],
        "Routes": [{ "DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active" }] }] });
    let named = json!({ "PrefixLists": [{ "PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.eu-west-1.s3", "Cidrs": ["52.218.0.0/17"] }] });
    let with = |more: &Value| {
        let mut all = tables.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        dump(all).imported()
    };
    let imported = with(&named);
    assert_eq!(
        *resource(&imported, "vpc_endpoints", "vpce-1"),
        json!({ "vpc": "vpc-1", "vpc_endpoint_type": "Gateway", "service_name": "com.amazonaws.eu-west-1.s3", "route_tables": ["rtb-own"] })
    );
    assert!(notes(&imported, "rtb-own").contains("it is a gateway endpoint of vpc-1"));
    let unnamed = with(&json!({}));
    assert!(resource(&unnamed, "vpc_endpoints", "vpce-1")["not_modelled"].is_string());
}
