//! Does what an explanation proposes take its blocker away?

use serde_json::{Value, json};
use vpclab_api::Expected;
use vpclab_check::remedies;
use vpclab_engine::Fabric;

use crate::{Network, case, one, request};

/// A network where little passes.
fn document() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" },
                  "w": { "cidr_block": "10.1.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "vpc_peering_connections": { "pcx": { "vpc": "v", "peer_vpc": "w" } },
        "internet_hosts": { "out": { "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64", "route_table": "t" },
            "b": { "vpc": "v", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64", "network_acl": "acl" },
            "far": { "vpc": "w", "cidr_block": "10.1.1.0/24" } },
        "route_tables": { "t": { "vpc": "v", "routes": [] }, "v/main": { "routes": [] },
            "w/main": { "routes": [] } },
        "network_acls": { "acl": { "vpc": "v", "ingress": [
            { "rule_no": 50, "action": "deny", "protocol": "-1", "cidr_block": "10.0.0.0/8" } ], "egress": [] } },
        "security_groups": {
            "front": { "vpc": "v", "ingress": [], "egress": [] },
            "back": { "vpc": "v", "ingress": [] },
            "there": { "vpc": "w", "ingress": [] } },
        "instances": {
            "web": { "subnet": "a", "security_groups": ["front"], "ipv6_addresses": ["2001:db8:1:1::10"] },
            "db": { "subnet": "b", "security_groups": ["back"], "ipv6_addresses": ["2001:db8:1:2::10"] },
            "off": { "subnet": "a", "security_groups": ["back"], "state": "stopped" },
            "host": { "subnet": "far", "security_groups": ["there"] } } })
}

#[test]
fn one_change_after_the_other_makes_it_work() {
    for (from, to, family) in [
        ("web", "db:5432", 4),
        ("web", "db:5432", 6),
        ("web", "db/icmp", 4),
        ("web", "db/icmp", 6),
        ("web", "db:53/udp", 4),
        ("web", "db", 4),
        ("web", "db/50", 4),
        ("web", "out:443", 4),
        ("web", "out:443", 6),
        ("out", "web:443", 4),
        ("db", "web:80", 4),
        ("web", "off:80", 4),
        ("web", "host:22", 4),
        ("host", "web:22", 4),
    ] {
        let mut network = Network::new(&vpclab_model::Document::from(document()));
        let mut done = Vec::new();
        loop {
            let request = vpclab_api::ExplainRequest { family: Some(family), ..request(from, to) };
            let told = network.ask(&request).unwrap();
            if told.reachable == Some(true) {
                break;
            }
            let changes = remedies(&network.fabric, &network.topology, &request).unwrap();
            let texts: Vec<String> = told.blockers.iter().filter_map(|b| b.remedy.clone()).collect();
            assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
            let change = changes.first().unwrap_or_else(|| panic!("{from} to {to}: nothing helps: {told:?}"));
            let denied = |told: &vpclab_api::Explanation| -> Vec<(String, String, Option<String>)> {
                let all = told.blockers.iter();
                all.map(|b| (b.code.clone(), b.direction.clone(), b.resource.clone())).collect()
            };
            let before = denied(&told);
            assert!(change.apply(&mut network.topology));
            network.fabric = Fabric::compile(&network.topology, None);
            let after = denied(&network.ask(&request).unwrap());
            assert!(after != before, "{from} to {to}: `{change}` changes nothing: {after:?}");
            done.push(change.to_string());
            assert!(done.len() < 12, "{from} to {to}: {done:#?}");
        }
        assert!(!done.is_empty(), "{from} to {to} works already");
    }
}

#[test]
fn the_change_is_the_narrowest_and_is_said_in_the_words_of_rules() {
    let network = Network::new(&vpclab_model::Document::from(document()));
    let says = |from: &str, to: &str| -> Vec<String> {
        network.explain(from, to).blockers.into_iter().filter_map(|blocker| blocker.remedy).collect()
    };
    let web_to_db = says("web", "db:5432");
    for sentence in [
        "add to security group front an egress rule: tcp 5432 to 10.0.2.4/32, or to the security group back",
        "add to security group back an ingress rule: tcp 5432 from 10.0.1.5/32, or from the security group front",
        "add to network ACL acl an ingress rule with a number below 50, such as 49: allow tcp 5432 from 10.0.1.5/32",
        "add to network ACL acl an egress rule with a number, such as 100: allow tcp 32768-60999 to 10.0.1.5/32",
    ] {
        assert!(web_to_db.iter().any(|said| said == sentence), "{sentence}: {web_to_db:#?}");
    }
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(
        network.explain("web", "db:5432"),
    )));
    assert!(text.contains("→  add to security group front"), "{text}");
}

#[test]
fn a_test_is_told_a_remedy_only_where_it_expected_packets_to_pass() {
    let network = Network::new(&vpclab_model::Document::from(document()));
    for (expected, is_told) in [(Expected::Allowed, true), (Expected::Denied, false)] {
        let result = one(&network, case("web", "db:5432", expected), None);
        let blockers = result.explanation.unwrap().blockers;
        assert_eq!(blockers.len(), 4, "{blockers:#?}");
        assert!(blockers.iter().all(|blocker| blocker.remedy.is_some() == is_told), "{blockers:#?}");
    }
}

#[test]
fn behind_a_nat_gateway_nothing_is_said_of_filters() {
    let mut document = document();
    document["eips"] = json!({ "e": {} });
    document["subnets"]["n"] =
        json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "route_table": "out", "network_acl": "acl" });
    document["route_tables"]["out"] =
        json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
    document["nat_gateways"] = json!({ "nat": { "subnet": "n", "allocation": "e" } });
    document["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }]);
    let network = Network::new(&vpclab_model::Document::from(document));
    let told = network.explain("web", "out:443");
    assert_eq!(told.reachable, Some(false));
    assert!(
        told.blockers.iter().any(|b| b.code == "SUBNET_ACL_RESTRICTION" && b.remedy.is_none()),
        "{told:#?}"
    );
}

/// What an answer proposes, in the order of its blockers.
fn proposed(document: &Value, from: &str, to: &str, family: Option<u8>) -> Vec<String> {
    let network = Network::new(&vpclab_model::Document::from(document.clone()));
    let request = vpclab_api::ExplainRequest { family, ..request(from, to) };
    let told = network.ask(&request).unwrap();
    told.blockers.into_iter().filter_map(|blocker| blocker.remedy).collect()
}

/// A way to `dst` through a middlebox.
fn through_a_middlebox(forwards: &str, rules: Value) -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "route_table": "ra" },
            "m": { "vpc": "v", "cidr_block": "10.0.2.0/24" },
            "b": { "vpc": "v", "cidr_block": "10.0.3.0/24" } },
        "route_tables": {
            "ra": { "vpc": "v", "routes": [{ "cidr_block": "10.0.3.0/24", "network_interface": "mb" }] } },
        "security_groups": {
            "open": { "vpc": "v", "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] },
            "shut": { "vpc": "v", "ingress": rules } },
        "instances": {
            "src": { "subnet": "a", "security_groups": ["open"], "private_ip": "10.0.1.4" },
            "mb": { "subnet": "m", "security_groups": ["open"], "private_ip": "10.0.2.4",
                    "source_dest_check": false, "forwards": forwards },
            "dst": { "subnet": "b", "security_groups": ["shut"], "private_ip": "10.0.3.9" } } })
}

#[test]
fn a_rule_is_for_the_addresses_that_the_packet_has_where_it_dies() {
    let add = "add to security group shut an ingress rule: tcp 80 from";
    let of_sender =
        json!([{ "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.1.4/32"] }]);
    let of_group =
        json!([{ "protocol": "tcp", "from_port": 80, "to_port": 80, "security_groups": ["open"] }]);
    for (forwards, rules, said) in [
        // A middlebox sends from its own address, and under its own groups.
        ("nat", json!([]), format!("{add} 10.0.2.4/32, or from the security group open")),
        ("nat", of_sender, format!("{add} 10.0.2.4/32, or from the security group open")),
        // References look at nothing that it sends on unchanged (SG-13).
        ("same_interface", json!([]), format!("{add} 10.0.1.4/32")),
        ("same_interface", of_group, format!("{add} 10.0.1.4/32")),
    ] {
        assert_eq!(
            proposed(&through_a_middlebox(forwards, rules), "src", "dst:80", None),
            [said],
            "{forwards}"
        );
    }
    // An internet gateway changes the source, be it that both are in one VPC, and of one who asks himself.
    let document = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "route_tables": { "t": { "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] } },
        "subnets": { "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "route_table": "t" } },
        "security_groups": { "g": { "vpc": "v", "ingress": [
            { "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.0.0/16"] }] } },
        "eips": { "e1": { "public_ip": "203.0.113.30", "instance": "w" },
                  "e2": { "public_ip": "203.0.113.40", "instance": "q" } },
        "instances": { "w": { "subnet": "a", "security_groups": ["g"] },
                       "q": { "subnet": "a", "security_groups": ["g"] } } });
    let add = "add to security group g an ingress rule: tcp 80 from";
    assert_eq!(proposed(&document, "q", "203.0.113.30:80", None), [format!("{add} 203.0.113.40/32")]);
    assert_eq!(proposed(&document, "w", "203.0.113.30:80", None), [format!("{add} 203.0.113.30/32")]);
}

#[test]
fn who_is_stopped_is_to_be_started_and_over_ipv6_no_ipv4_address_helps() {
    let mut document = document();
    document["instances"]["web"]["associate_public_ip_address"] = json!(true);
    document["instances"]["web"]["state"] = json!("stopped");
    assert_eq!(
        proposed(&document, "out", "web:443", Some(4)),
        ["start web: an automatic public address comes back with that"]
    );
    document["instances"]["web"]["state"] = json!("running");
    document["internet_gateways"] = json!({});
    let over_ipv6 = proposed(&document, "out", "web:443", Some(6));
    assert!(over_ipv6.iter().all(|said| !said.contains("public address")), "{over_ipv6:?}");
}

#[test]
fn what_has_no_public_address_goes_out_by_what_only_lets_out() {
    let mut document = document();
    document["eips"] = json!({ "e": {} });
    document["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
    document["subnets"]["n"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "route_table": "out" });
    document["route_tables"]["out"] =
        json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
    document["security_groups"]["front"] = json!({ "vpc": "v" });
    let says = |document: &Value, family| proposed(document, "web", "out:443", Some(family));
    let add = "add to route table t the route";
    assert_eq!(says(&document, 4), [format!("{add} 0.0.0.0/0 → igw")]);
    assert_eq!(says(&document, 6), [format!("{add} ::/0 → eigw")]);
    document["nat_gateways"] = json!({ "nat": { "subnet": "n", "allocation": "e" } });
    assert_eq!(says(&document, 4), [format!("{add} 0.0.0.0/0 → nat")]);
    // With a route, but no address, both help.
    document["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
    assert_eq!(says(&document, 4), ["give web a public address, or route its subnet by the NAT gateway nat"]);
    document["nat_gateways"] = json!({});
    assert_eq!(says(&document, 4), ["give web a public address"]);
    document["instances"]["web"]["associate_public_ip_address"] = json!(true);
    document["route_tables"]["t"]["routes"] = json!([]);
    document["nat_gateways"] = json!({ "nat": { "subnet": "n", "allocation": "e" } });
    assert_eq!(says(&document, 4), [format!("{add} 0.0.0.0/0 → igw")]);
}

#[test]
fn what_does_not_take_its_blocker_away_is_not_said() {
    // Nothing leads into a VPC without an internet gateway, whatever address there is.
    let mut document = document();
    assert_eq!(proposed(&document, "out", "web:443", Some(4)), ["give web a public address"]);
    document["internet_gateways"] = json!({});
    assert_eq!(proposed(&document, "out", "web:443", Some(4)), Vec::<String>::new());
}

#[test]
fn a_reply_that_central_egress_sends_to_the_internet_needs_a_route_back() {
    let document = json!({
        "vpcs": { "a": { "cidr_block": "10.0.0.0/16" }, "e": { "cidr_block": "10.2.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "e" } },
        "subnets": {
            "as": { "vpc": "a", "cidr_block": "10.0.1.0/24", "route_table": "ra" },
            "et": { "vpc": "e", "cidr_block": "10.2.1.0/24", "route_table": "rt" },
            "ep": { "vpc": "e", "cidr_block": "10.2.2.0/24", "route_table": "rp" } },
        "eips": { "x": {} },
        "nat_gateways": { "nat": { "subnet": "ep", "allocation": "x" } },
        "transit_gateways": { "tgw": {} },
        "transit_gateway_vpc_attachments": {
            "ta": { "transit_gateway": "tgw", "vpc": "a", "subnets": ["as"] },
            "te": { "transit_gateway": "tgw", "vpc": "e", "subnets": ["et"] } },
        "transit_gateway_route_tables": { "d": { "transit_gateway": "tgw",
            "routes": [{ "cidr_block": "0.0.0.0/0", "attachment": "te" }],
            "associations": ["ta", "te"], "propagations": ["ta", "te"] } },
        "route_tables": {
            "ra": { "vpc": "a", "routes": [{ "cidr_block": "0.0.0.0/0", "transit_gateway": "tgw" }] },
            "rt": { "vpc": "e", "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" },
                { "cidr_block": "10.0.0.0/8", "transit_gateway": "tgw" }] },
            "rp": { "vpc": "e", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] } },
        "instances": { "a-1": { "subnet": "as" } } });
    let said = proposed(&document, "a-1", "internet:443", None);
    assert_eq!(said, ["add to route table rp the route 10.0.0.0/16 → tgw"]);
}

#[test]
fn what_leads_into_a_loop_or_is_for_a_host_that_is_only_supposed_is_no_remedy() {
    let network = |routes: Value| {
        json!({
            "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
            "internet_gateways": { "igw": { "vpc": "v" } },
            "eips": { "e": {} },
            "nat_gateways": { "nat": { "subnet": "s", "allocation": "e" } },
            "route_tables": { "t": { "vpc": "v", "routes": routes } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24", "route_table": "t" } },
            "instances": { "a": { "subnet": "s" } } })
    };
    // The NAT gateway is in that subnet itself.
    let by_gateway = network(json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]));
    assert_eq!(proposed(&by_gateway, "a", "internet:443", None), ["give a a public address"]);
    let without = network(json!([]));
    assert_eq!(
        proposed(&without, "a", "internet:443", None),
        ["add to route table t the route 0.0.0.0/0 → igw"]
    );
    let office = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "vpn_gateways": { "vgw": { "vpc": "v" } },
        "route_tables": { "t": { "vpc": "v", "propagating_vgws": ["vgw"] } },
        "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24", "route_table": "t" } },
        "security_groups": { "g": { "vpc": "v" } },
        "instances": { "a": { "subnet": "s", "security_groups": ["g"] } },
        "customer_gateways": { "cgw": { "bgp_asn": 65001, "ip_address": "198.51.100.1" } },
        "vpn_connections": { "vpn": { "vpn_gateway": "vgw", "customer_gateway": "cgw" } },
        "customer_networks": { "office": { "cidr_blocks": ["192.168.0.0/16"], "customer_gateways": ["cgw"] } } });
    let told = Network::new(&vpclab_model::Document::from(office.clone())).pairs("office", "a:443");
    let blockers: Vec<_> = told.answers.into_iter().flat_map(|told| told.blockers).collect();
    assert!(!blockers.is_empty() && blockers.iter().all(|blocker| blocker.remedy.is_none()), "{blockers:#?}");
    let mut declared = office;
    declared["customer_hosts"] =
        json!({ "desk": { "customer_network": "office", "address": "192.168.1.7" } });
    assert_eq!(
        proposed(&declared, "desk", "a:443", None),
        ["add to security group g an ingress rule: tcp 443 from 192.168.1.7/32"]
    );
}
