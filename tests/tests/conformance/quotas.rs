//! Areas QUOTA and ERR: what is more than AWS grants?

use serde_json::{Value, json};
use vpclab_model::QUOTAS;
use vpclab_tests::harness::mistakes;

use crate::quota_cases::{CASES, Case, acl_entry, list, many, one_vpc, prefix, tcp, vpc};

/// What is wrong with a document under these quotas.
fn under(quotas: Value, mut document: Value) -> Vec<String> {
    document["quotas"] = quotas;
    mistakes(&document)
}

fn only(name: &str, limit: u32) -> Value {
    json!({ name: limit })
}

#[test]
fn quotas_are_what_the_sheet_says() {
    // proves: QUOTA-01, QUOTA-02, QUOTA-03, QUOTA-04, QUOTA-06, QUOTA-09, QUOTA-10, QUOTA-16, EPG-13, NAT-20, PCX-20, IGW-25, ADDR-19
    // proves: QUOTA-01, QUOTA-02, QUOTA-03, QUOTA-04, QUOTA-06, QUOTA-09, QUOTA-11, QUOTA-16, TGW-35, VPN-14, NAT-20, PCX-20, IGW-25, ADDR-19
    for case in CASES {
        let quota = QUOTAS.iter().find(|quota| quota.name == case.name).expect(case.name);
        assert_eq!((quota.default, quota.most), (case.default, case.most), "{}", case.name);
        // AWS grants no more than that.
        let most = quota.most.unwrap_or(u32::MAX);
        assert_eq!(under(only(case.name, most), json!({})), [""; 0]);
        if let Some(beyond) = most.checked_add(1) {
            let refused = format!(".quotas.{}: InvalidParameterValue", case.name);
            assert_eq!(under(only(case.name, beyond), json!({})), [refused]);
        }
    }
}

#[test]
fn the_documentation_lists_every_quota() {
    let guide = include_str!("../../../docs/topology.md");
    for quota in QUOTAS {
        let most = quota.most.map(|most| most.to_string()).unwrap_or_default();
        let row =
            format!("| `{}` | {} | {most} | `{}` | {} |", quota.name, quota.default, quota.code, quota.fact);
        assert!(guide.contains(&row), "{row}");
    }
}

#[test]
fn one_more_than_a_quota_is_refused_with_its_code() {
    // proves: ERR-05, ERR-10, ERR-20, ERR-22
    for Case { name, refused, make, .. } in CASES {
        assert_eq!(under(only(name, 2), make(2)), [""; 0], "{name}");
        let found = under(only(name, 2), make(3));
        let expected: &[&str] = match *name {
            // Both VPCs have a peer, and both are over it.
            "network_address_usage_with_peers" => {
                &["vpcs.v0: ResourceCountExceeded", "vpcs.v1: ResourceCountExceeded"]
            }
            _ => std::slice::from_ref(refused),
        };
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn quotas_apply_only_where_they_are_asked_for() {
    // proves: ERR-05
    for Case { name, default, most, make, .. } in CASES.iter().filter(|case| case.default <= 60) {
        let beyond = make(*default as usize + 1);
        for free in [json!("none"), json!({}), Value::Null] {
            assert_eq!(under(free, beyond.clone()), [""; 0], "{name}");
        }
        assert!(!under(json!("aws-default"), beyond.clone()).is_empty(), "{name}");
        assert!(!under(only(name, *default), beyond.clone()).is_empty(), "{name}");
        if most.is_some_and(|most| most > *default) {
            assert_eq!(under(json!("aws-max"), beyond), [""; 0], "{name}");
        }
    }
    assert_eq!(under(json!("aws"), json!({})), [".quotas: InvalidParameterValue"]);
    assert_eq!(under(json!({ "vpcs": 3 }), json!({})), [".quotas.vpcs: UnknownParameter"]);
}

#[test]
fn each_region_and_each_account_has_its_own() {
    // proves: QUOTA-01
    let vpcs = |third: Value| {
        let mut vpcs = many("v", 2, vpc);
        let mut other = vpc(2);
        other.as_object_mut().unwrap().extend(third.as_object().unwrap().clone());
        vpcs.insert("v2".into(), other);
        json!({ "vpcs": vpcs })
    };
    let two = only("vpcs_per_region", 2);
    assert_eq!(under(two.clone(), vpcs(json!({}))), ["vpcs.v2: VpcLimitExceeded"]);
    assert_eq!(under(two.clone(), vpcs(json!({ "region": "eu-west-1" }))), [""; 0]);
    assert_eq!(under(two, vpcs(json!({ "owner": "210987654321" }))), [""; 0]);
}

#[test]
fn a_session_takes_so_many_routes_of_each_family_and_a_table_so_many_from_all_sessions() {
    // proves: VGW-06, VGW-07, DX-02
    for name in [
        "propagated_routes_per_route_table",
        "static_routes_per_vpn_connection",
        "bgp_routes_per_vpn_connection_of_vpn_gateway",
        "bgp_routes_per_vpn_connection_of_transit_gateway",
        "bgp_routes_per_virtual_interface",
    ] {
        let case = CASES.iter().find(|case| case.name == name).expect(name);
        let most = case.default as usize;
        assert_eq!(under(json!("aws-default"), (case.make)(most)), [""; 0], "{name}");
        assert_eq!(under(json!("aws-max"), (case.make)(most + 1)), [case.refused], "{name}");
    }
    // Each family on its own, over a private and over a transit interface.
    let both = |ipv4: usize, ipv6: usize| {
        let six = |n: usize| json!({ "ipv6_cidr_block": format!("2001:db8:{n}::/48") });
        [list(ipv4, prefix), list(ipv6, six)].concat()
    };
    let transit = |routes: Vec<Value>| {
        json!({ "dx_gateways": { "g": {} }, "dx_transit_virtual_interfaces": { "x":
            { "dx_gateway": "g", "bgp_asn": 65_010, "bgp_routes": routes } } })
    };
    assert_eq!(under(json!("aws-max"), transit(both(100, 100))), [""; 0]);
    let refused = ["dx_transit_virtual_interfaces.x.bgp_routes: RouteLimitExceeded"];
    assert_eq!(under(json!("aws-max"), transit(both(1, 101))), refused);
    assert_eq!(under(json!("aws-max"), transit(both(101, 1))), refused);
}

#[test]
fn routes_count_by_family_and_prefix_lists_by_their_weight() {
    // proves: RT-21, RT-46, QUOTA-07, ERR-11
    let table = |routes: Value| {
        let mut d = one_vpc("route_tables", json!({ "t": { "vpc": "v", "routes": routes } }));
        d["managed_prefix_lists"] = json!({ "l": { "address_family": "IPv4", "max_entries": 4,
            "entries": [{ "cidr": "192.0.2.0/24" }, { "cidr": "198.51.100.0/24" }] } });
        d
    };
    let ipv4 = |n: u8| json!({ "cidr_block": format!("172.16.{n}.0/24"), "gateway": "g" });
    let ipv6 = |n: u8| json!({ "ipv6_cidr_block": format!("2001:db8:f{n}::/48"), "gateway": "g" });
    let listed = json!({ "destination_prefix_list": "l", "gateway": "g" });
    let five = only("routes_per_route_table", 5);
    let too_many = "route_tables.t.routes: RouteLimitExceeded";
    assert_eq!(
        under(five.clone(), table(json!([ipv4(1), ipv4(2), ipv4(3), ipv4(4), ipv4(5), ipv6(1), ipv6(2)]))),
        [""; 0]
    );
    assert_eq!(
        under(five.clone(), table(json!([ipv4(1), ipv4(2), ipv4(3), ipv4(4), ipv4(5), ipv4(6)]))),
        [too_many]
    );
    // Four, and not the two that there are, in its own family.
    assert_eq!(under(five.clone(), table(json!([listed, ipv4(1)]))), [""; 0]);
    assert_eq!(under(five.clone(), table(json!([listed, ipv4(1), ipv4(2)]))), [too_many]);
    assert_eq!(under(five, table(json!([listed, ipv4(1), ipv6(1), ipv6(2), ipv6(3)]))), [""; 0]);
}

#[test]
fn rules_of_a_network_acl_count_by_direction_and_as_the_lab_reads_the_quota() {
    // proves: NACL-16, QUOTA-05, ERR-15
    let entries = |ipv4: usize, ipv6: usize| {
        let mut all = list(ipv4, |n| acl_entry(n, "cidr_block", "0.0.0.0/0"));
        all.extend(list(ipv6, |n| acl_entry(100 + n, "ipv6_cidr_block", "::/0")));
        all
    };
    let fits = |counts: &str, ipv4: usize, ipv6: usize| {
        let acl = json!({ "a": { "vpc": "v", "ingress": entries(ipv4, ipv6), "egress": entries(1, 1) } });
        let mut d = one_vpc("network_acls", acl);
        d["settings"] = json!({ "network_acl_quota_counts": counts });
        let found = under(json!("aws-default"), d);
        assert!(found.is_empty() || found == ["network_acls.a.ingress: NetworkAclEntryLimitExceeded"]);
        found.is_empty()
    };
    // Twenty of each family; with the final `*` among them; twenty in all.
    for (counts, most, both) in
        [("each_family", 20, true), ("each_family_and_default_rule", 19, true), ("both_families", 20, false)]
    {
        assert!(fits(counts, most, 0) && !fits(counts, most + 1, 0), "{counts}");
        assert!(fits(counts, 0, most) && !fits(counts, 0, most + 1), "{counts}");
        assert_eq!(fits(counts, most, most), both, "{counts}");
    }
}

#[test]
fn rules_of_a_security_group_count_by_direction_and_family() {
    // proves: SG-15, QUOTA-08, VEC-19
    let group = |ingress: Vec<Value>, egress: Vec<Value>| {
        let mut d =
            one_vpc("security_groups", json!({ "g": { "vpc": "v", "ingress": ingress, "egress": egress } }));
        d["managed_prefix_lists"] = json!({ "l": { "address_family": "IPv4", "max_entries": 20 } });
        d
    };
    let sixty = json!("aws-default");
    let refused = |way: &str| [format!("security_groups.g.{way}: RulesPerSecurityGroupLimitExceeded")];
    assert_eq!(under(sixty.clone(), group(list(60, tcp), list(60, tcp))), [""; 0]);
    assert_eq!(under(sixty.clone(), group(list(61, tcp), vec![])), refused("ingress"));
    assert_eq!(under(sixty.clone(), group(vec![], list(61, tcp))), refused("egress"));
    let with = |mut rules: Vec<Value>, more: Value| {
        rules.push(more);
        rules
    };
    let ipv6 = json!({ "protocol": "-1", "ipv6_cidr_blocks": ["::/0"] });
    let reference = json!({ "protocol": "-1", "self": true });
    assert_eq!(under(sixty.clone(), group(with(list(60, tcp), ipv6), vec![])), [""; 0]);
    assert_eq!(under(sixty.clone(), group(with(list(60, tcp), reference), vec![])), refused("ingress"));
    // VEC-19: twenty by the list's most entries, and it has none.
    let prefix_list = json!({ "protocol": "-1", "prefix_lists": ["l"] });
    assert_eq!(under(sixty.clone(), group(with(list(40, tcp), prefix_list.clone()), vec![])), [""; 0]);
    assert_eq!(
        under(sixty.clone(), group(with(list(41, tcp), prefix_list.clone()), vec![])),
        refused("ingress")
    );
    // A list of IPv6 blocks counts among those.
    let six =
        |n: usize| json!({ "protocol": "tcp", "from_port": n, "to_port": n, "ipv6_cidr_blocks": ["::/0"] });
    for (count, fits) in [(40, true), (41, false)] {
        let mut d = group(with(list(count, six), prefix_list.clone()), list(60, tcp));
        d["managed_prefix_lists"]["l"]["address_family"] = json!("IPv6");
        assert_eq!(under(sixty.clone(), d).is_empty(), fits, "{count}");
    }
}

#[test]
fn groups_of_an_interface_times_rules_of_a_group_are_a_thousand_at_most() {
    // proves: SG-16
    let both = |groups: u32, rules: u32| json!({ "security_groups_per_network_interface": groups, "rules_per_security_group": rules });
    assert_eq!(under(both(10, 100), json!({})), [""; 0]);
    assert_eq!(under(both(10, 101), json!({})), [".quotas.rules_per_security_group: InvalidParameterValue"]);
    // With the most of both, it is what an interface really has that counts.
    let interface = |groups: usize, rules: usize| {
        let mut d = one_vpc(
            "security_groups",
            many("g", groups, |_| json!({ "vpc": "v", "ingress": list(rules, tcp) })),
        );
        d["network_interfaces"] =
            json!({ "i": { "subnet": "s", "security_groups": list(groups, |n| json!(format!("g{n}"))) } });
        under(json!("aws-max"), d)
    };
    assert_eq!(interface(10, 100), [""; 0]);
    assert_eq!(
        interface(10, 101),
        ["network_interfaces.i.security_groups: RulesPerSecurityGroupLimitExceeded"]
    );
}

#[test]
fn gateways_count_six_times_as_much_as_an_address() {
    // proves: ADDR-38, QUOTA-14
    let d = || {
        let mut d =
            one_vpc("nat_gateways", json!({ "n": { "subnet": "s", "connectivity_type": "private" } }));
        d["subnets"]["s"]["ipv6_cidr_block"] = json!("2001:db8:0:1::/64");
        d["instances"] = json!({ "i": { "subnet": "s", "secondary_private_ips": ["10.0.0.20"], "ipv6_address_count": 1 } });
        d["network_interfaces"] =
            json!({ "k": { "subnet": "s", "attachment": { "instance": "i", "device_index": 1 } } });
        d
    };
    // Six of the gateway, three addresses of one interface, one of the other and the other itself.
    let units = 6 + 3 + 1 + 1;
    assert_eq!(under(only("network_address_usage_per_vpc", units), d()), [""; 0]);
    assert_eq!(
        under(only("network_address_usage_per_vpc", units - 1), d()),
        ["vpcs.v: ResourceCountExceeded"]
    );
}

#[test]
fn peers_of_another_region_do_not_count_with_a_vpc() {
    // proves: ADDR-38
    let case = CASES.iter().find(|case| case.name == "network_address_usage_with_peers").unwrap();
    for (region, counts) in [("us-east-1", true), ("eu-west-1", false)] {
        let mut d = (case.make)(3);
        d["vpcs"]["v1"]["region"] = json!(region);
        assert_eq!(under(only(case.name, 2), d).is_empty(), !counts, "{region}");
    }
}

#[test]
fn a_nat_gateway_that_has_failed_does_not_count() {
    // proves: NAT-20
    let d = || {
        let public = |n: usize| json!({ "subnet": "s", "allocation": format!("e{n}") });
        let mut d = one_vpc("nat_gateways", many("n", 3, public));
        d["eips"] = many("e", 3, |_| json!({})).into();
        d
    };
    let two = || only("nat_gateways_per_availability_zone", 2);
    assert_eq!(under(two(), d()), ["nat_gateways.n2: NatGatewayLimitExceeded"]);
    let mut failed = d();
    failed["internet_gateways"] = json!({});
    assert_eq!(under(two(), failed), [""; 0]);
}
