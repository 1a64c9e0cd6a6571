//! Blocks of VPCs and subnets, and what AWS makes with them (areas ADDR and RT).

use serde_json::{Value, json};
use vpclab_model::Topology;

use crate::{check, lab, merge, mistakes, patched};

fn vpc(attributes: Value) -> Value {
    json!({"vpcs": {"n": attributes}})
}

#[test]
fn blocks_of_a_vpc() {
    const PRIMARY: &[&str] = &["InvalidVpc.Range vpcs.n.cidr_block"];
    const SECOND: &[&str] = &["InvalidVpc.Range vpcs.n.secondary_cidr_blocks[0]"];
    const V6: &[&str] = &["InvalidVpc.Range vpcs.n.ipv6_cidr_block"];
    let secondary =
        |first: &str, second: &str| vpc(json!({"cidr_block": first, "secondary_cidr_blocks": [second]}));
    let ipv6 = |block: &str| vpc(json!({"cidr_block": "10.9.0.0/16", "ipv6_cidr_block": block}));
    check(vec![
        ("ADDR-01", vpc(json!({"cidr_block": "10.9.0.0/16"})), &[]),
        ("ADDR-01", vpc(json!({"cidr_block": "10.9.0.0/28"})), &[]),
        ("ADDR-01", vpc(json!({"cidr_block": "10.0.0.0/15"})), PRIMARY),
        ("ADDR-01", vpc(json!({"cidr_block": "10.9.0.0/29"})), PRIMARY),
        ("ADDR-02", vpc(json!({"cidr_block": "100.68.0.18/18"})), &[]),
        ("ADDR-03", vpc(json!({"cidr_block": "0.1.0.0/16"})), PRIMARY),
        ("ADDR-03", vpc(json!({"cidr_block": "127.0.0.0/16"})), PRIMARY),
        ("ADDR-03", vpc(json!({"cidr_block": "169.254.0.0/16"})), PRIMARY),
        ("ADDR-03", vpc(json!({"cidr_block": "230.0.0.0/16"})), PRIMARY),
        ("ADDR-04", vpc(json!({"cidr_block": "203.0.113.0/24"})), &[]),
        ("ADDR-05", vpc(json!({"cidr_block": "172.17.0.0/16"})), &[]),
        ("ADDR-07", secondary("10.9.0.0/16", "10.9.4.0/24"), SECOND),
        ("ADDR-09", secondary("10.9.0.0/16", "172.16.0.0/16"), SECOND),
        ("ADDR-09", secondary("10.9.0.0/16", "198.19.0.0/16"), SECOND),
        ("ADDR-09", secondary("10.9.0.0/16", "10.10.0.0/16"), &[]),
        ("ADDR-09", secondary("10.9.0.0/16", "100.64.0.0/16"), &[]),
        ("ADDR-10", secondary("10.1.0.0/16", "10.0.4.0/24"), SECOND),
        ("ADDR-10", secondary("10.2.0.0/16", "10.0.4.0/24"), &[]),
        ("ADDR-11", secondary("172.16.0.0/16", "172.31.4.0/24"), SECOND),
        ("ADDR-11", secondary("172.16.0.0/16", "192.168.0.0/16"), SECOND),
        ("ADDR-11", secondary("172.16.0.0/16", "172.20.0.0/16"), &[]),
        ("ADDR-12", secondary("192.168.0.0/24", "10.9.0.0/16"), SECOND),
        ("ADDR-12", secondary("192.168.0.0/24", "192.168.9.0/24"), &[]),
        ("ADDR-13", secondary("198.19.0.0/24", "10.9.0.0/16"), SECOND),
        ("ADDR-14", secondary("100.64.0.0/16", "10.9.0.0/16"), SECOND),
        ("ADDR-14", secondary("203.0.113.0/24", "198.19.0.0/16"), SECOND),
        ("ADDR-14", secondary("100.64.0.0/16", "100.65.0.0/16"), &[]),
        ("ADDR-20", ipv6("2001:db8:10::/44"), &[]),
        ("ADDR-20", ipv6("2001:db8:10::/60"), &[]),
        ("ADDR-20", ipv6("2001:db8:10::/58"), V6),
        ("ADDR-20", ipv6("2001:db8:10::/64"), V6),
        (
            "ADDR-20",
            vpc(
                json!({"cidr_block": "10.9.0.0/16", "ipv6_cidr_block": "2001:db8:10::/48", "assign_generated_ipv6_cidr_block": true}),
            ),
            V6,
        ),
        ("ERR-04", vpc(json!({"cidr_block": "10.9.0.0"})), &["InvalidParameterValue vpcs.n.cidr_block"]),
        ("ERR-35", vpc(json!({})), &["MissingParameter vpcs.n.cidr_block"]),
        (
            "ERR-35",
            vpc(json!({"cidr_block": "10.9.0.0/16", "tenancy": "default"})),
            &["UnknownParameter vpcs.n.tenancy"],
        ),
    ]);
    assert_eq!(
        lab(vpc(json!({"cidr_block": "100.68.0.18/18"}))).vpcs["n"].cidr_block,
        "100.68.0.0/18".parse().unwrap()
    );
    let generated = lab(
        json!({"vpcs": {"v": {"ipv6_cidr_block": null, "assign_generated_ipv6_cidr_block": true}, "n": {"cidr_block": "10.9.0.0/16", "assign_generated_ipv6_cidr_block": true}}, "subnets": {"a": {"ipv6_cidr_block": null}}}),
    );
    assert_eq!(generated.vpcs["n"].ipv6_cidr_blocks, ["2001:db8::/56".parse().unwrap()]);
    assert_eq!(generated.vpcs["v"].ipv6_cidr_blocks, ["2001:db8:0:100::/56".parse().unwrap()]);
}

#[test]
fn blocks_of_a_subnet() {
    let subnet = |attributes: Value| {
        let mut patch = json!({"subnets": {"n": {"vpc": "v"}}});
        merge(&mut patch["subnets"]["n"], &attributes);
        patch
    };
    const RANGE: &[&str] = &["InvalidSubnet.Range subnets.n.cidr_block"];
    const RANGE6: &[&str] = &["InvalidSubnet.Range subnets.n.ipv6_cidr_block"];
    const CONFLICT: &[&str] = &["InvalidSubnet.Conflict subnets.n.cidr_block"];
    const ZONE: &[&str] = &["InvalidParameterValue subnets.n.availability_zone"];
    check(vec![
        ("ADDR-24", subnet(json!({"cidr_block": "10.0.2.0/24"})), &[]),
        ("ADDR-24", subnet(json!({"cidr_block": "10.0.2.0/29"})), RANGE),
        ("ADDR-24", subnet(json!({"cidr_block": "10.2.0.0/24"})), RANGE),
        ("ADDR-24", subnet(json!({"cidr_block": "10.0.0.0/15"})), RANGE),
        (
            "ADDR-24",
            json!({"vpcs": {"n": {"cidr_block": "10.9.0.0/16"}}, "subnets": {"n": {"vpc": "n", "cidr_block": "10.9.0.0/16"}}}),
            &[],
        ),
        ("ADDR-25", subnet(json!({"cidr_block": "10.0.1.128/25"})), CONFLICT),
        ("ADDR-25", subnet(json!({"cidr_block": "10.0.0.0/16"})), CONFLICT),
        (
            "ADDR-21",
            subnet(json!({"cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:10::/60"})),
            &[],
        ),
        (
            "ADDR-21",
            subnet(json!({"cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/66"})),
            RANGE6,
        ),
        (
            "ADDR-21",
            subnet(json!({"cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:2:2::/64"})),
            RANGE6,
        ),
        (
            "ADDR-25",
            subnet(json!({"cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64"})),
            &["InvalidSubnet.Conflict subnets.n.ipv6_cidr_block"],
        ),
        ("ADDR-26", subnet(json!({"cidr_block": "10.0.2.0/24", "availability_zone": "us-east-1f"})), &[]),
        (
            "ADDR-26",
            subnet(json!({"cidr_block": "10.0.2.0/24", "availability_zone": "us-east-1-bos-1a"})),
            &[],
        ),
        ("ADDR-26", subnet(json!({"cidr_block": "10.0.2.0/24", "availability_zone": "us-west-2a"})), ZONE),
        ("ADDR-26", subnet(json!({"cidr_block": "10.0.2.0/24", "availability_zone": "us-east-1"})), ZONE),
        ("ADDR-32", subnet(json!({"ipv6_native": true, "ipv6_cidr_block": "2001:db8:1:2::/64"})), &[]),
        ("ADDR-32", subnet(json!({})), &["MissingParameter subnets.n.cidr_block"]),
        ("ADDR-32", subnet(json!({"ipv6_native": true})), &["MissingParameter subnets.n.ipv6_cidr_block"]),
        (
            "ADDR-32",
            subnet(
                json!({"ipv6_native": true, "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64"}),
            ),
            &["InvalidParameterCombination subnets.n.ipv6_native"],
        ),
        (
            "ADDR-32",
            subnet(json!({"cidr_block": "10.0.2.0/24", "assign_ipv6_address_on_creation": true})),
            &["InvalidParameterCombination subnets.n.assign_ipv6_address_on_creation"],
        ),
        (
            "ERR-31",
            json!({"subnets": {"n": {"vpc": "V1", "cidr_block": "10.0.2.0/24"}}}),
            &["InvalidVpcID.NotFound subnets.n.vpc"],
        ),
        (
            "NACL-05",
            subnet(json!({"cidr_block": "10.0.2.0/24", "network_acl": "w/default"})),
            &["InvalidParameterValue subnets.n.network_acl"],
        ),
        (
            "RT-02",
            subnet(json!({"cidr_block": "10.0.2.0/24", "route_table": "main", "network_acl": "default"})),
            &[],
        ),
        (
            "RT-02",
            json!({"subnets": {"a": {"route_table": "t"}}, "route_tables": {"t": {"vpc": "v"}, "u": {"vpc": "v", "subnets": ["a"]}}}),
            &["Resource.AlreadyAssociated route_tables.u.subnets[0]"],
        ),
        (
            "RT-02",
            json!({"subnets": {"a": {"route_table": "t"}}, "route_tables": {"t": {"vpc": "v", "subnets": ["a"]}}}),
            &[],
        ),
        (
            "RT-02",
            json!({"subnets": {"a": {"route_table": "t"}}, "route_tables": {"t": {"vpc": "w"}}}),
            &["InvalidParameterValue subnets.a.route_table"],
        ),
    ]);
    assert_eq!(lab(json!({"region": "eu-west-3"})).subnets["a"].availability_zone, "eu-west-3a");
}

#[test]
fn what_aws_makes_by_itself_is_there_under_its_qualified_name() {
    // ADDR-36, RT-02, RT-03, NACL-05, SG-06
    let topology = lab(json!({}));
    assert!(topology.route_tables["v/main"].main && topology.network_acls["v/default"].default);
    assert_eq!(topology.subnets["a"].route_table.as_str(), "v/main");
    assert_eq!(topology.subnets["a"].network_acl.as_str(), "v/default");
    assert_eq!(json!(topology.network_interfaces["i"].security_groups), json!(["v/default"]));
    assert_eq!(topology.security_groups["v/default"].group_name, "default");

    let replaced = json!({"vpcs": {"v": {"main_route_table": "t"}}, "route_tables": {"t": {"vpc": "v"}},
                          "subnets": {"b": {"vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "main"}}});
    let topology = lab(replaced.clone());
    assert!(topology.route_tables["t"].main && !topology.route_tables.contains_key("v/main"));
    assert_eq!(topology.subnets["a"].route_table.as_str(), "t");
    assert_eq!(topology.subnets["b"].route_table.as_str(), "t");
    let mut both = replaced;
    merge(&mut both, &json!({"route_tables": {"v/main": {}}}));
    assert_eq!(mistakes(&both), ["InvalidParameterCombination vpcs.v.main_route_table"]);
    assert_eq!(
        mistakes(&json!({"vpcs": {"w": {"main_route_table": "v/main"}}})),
        ["InvalidParameterValue vpcs.w.main_route_table"]
    );
    assert_eq!(
        mistakes(&json!({"route_tables": {"nope/main": {}}})),
        ["InvalidVpcID.NotFound route_tables.nope/main"]
    );
}

#[test]
fn a_subnet_as_large_as_no_vpc_is_wrong_also_where_the_block_of_its_vpc_is() {
    check(vec![(
        "ADDR-21",
        json!({"vpcs": {"n": {"cidr_block": "10.9.0.0/16", "ipv6_cidr_block": "2001:db8::/40"}},
            "subnets": {"n": {"vpc": "n", "cidr_block": "10.9.1.0/24", "ipv6_cidr_block": "2001:db8::/40"}}}),
        &["InvalidVpc.Range vpcs.n.ipv6_cidr_block", "InvalidSubnet.Range subnets.n.ipv6_cidr_block"],
    )]);
}

#[test]
fn a_block_that_aws_has_chosen_stays_while_it_is_free() {
    let asks = json!({"cidr_block": "10.9.0.0/16", "assign_generated_ipv6_cidr_block": true});
    let block = |topology: &Topology, name: &str| topology.vpcs[name].ipv6_cidr_blocks[0].to_string();
    let next = |patch: Value, previous: &Topology| {
        Topology::from_document(&patched(&patch), Some(previous)).unwrap()
    };
    let first = lab(json!({"vpcs": {"n": asks}}));
    assert_eq!(block(&first, "n"), "2001:db8::/56");
    // Another VPC that comes before it by name takes nothing from it, and what goes leaves its block to others.
    let second = next(json!({"vpcs": {"n": asks, "m": asks}}), &first);
    assert_eq!(
        (block(&second, "m"), block(&second, "n")),
        ("2001:db8:0:100::/56".into(), block(&first, "n"))
    );
    let third = next(json!({"vpcs": {"m": asks, "o": asks}}), &second);
    assert_eq!((block(&third, "m"), block(&third, "o")), (block(&second, "m"), block(&first, "n")));
    // Somebody states it: then it is that one's, and AWS chooses anew.
    let stated = json!({"cidr_block": "10.8.0.0/16", "ipv6_cidr_block": "2001:db8:0:100::/56"});
    let fourth = next(json!({"vpcs": {"m": asks, "s": stated}}), &third);
    assert_eq!(block(&fourth, "m"), "2001:db8::/56");
    let host = json!({"h": {"ipv6_address": "2001:db8::7"}});
    let fifth = next(json!({"vpcs": {"m": asks}, "internet_hosts": host}), &fourth);
    assert_eq!(block(&fifth, "m"), "2001:db8:0:100::/56");
    // A block that the user had stated, of another length or from elsewhere, is none that AWS gives.
    for stated in ["2001:db8:40::/48", "2001:db9::/56"] {
        let own = json!({"cidr_block": "10.9.0.0/16", "ipv6_cidr_block": stated});
        let before = lab(json!({"vpcs": {"n": own}}));
        assert_eq!(block(&next(json!({"vpcs": {"n": asks}}), &before), "n"), "2001:db8::/56");
    }
}
