//! Of equal private links one is used, and nothing says which: does an explanation ask about each? (VGW-05, TGW-19)

use serde_json::{Value, json};
use vpclab_api::{ExplainRequest, Explained, Explanation};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::udp;

use crate::networks::packet;
use crate::private_networks::{APP, DESK, twin, with};

fn asked(net: &Net, from: &str, to: &str) -> Explanation {
    let request = ExplainRequest { from: from.to_owned(), to: to.to_owned(), ..ExplainRequest::default() };
    match vpclab_check::explain(net.fabric(), &net.topology, &request).unwrap() {
        Explained::One(told) => *told,
        Explained::Many(_) => panic!("one pair of ends has one answer"),
    }
}

/// Whether something passes whichever link is used: what denies it, and whether it is the choice that decides.
fn fares(net: &Net, from: &str, to: &str) -> (Option<bool>, bool, Vec<String>) {
    let told = asked(net, from, to);
    let codes = told.blockers.iter().map(|blocker| blocker.code.clone()).collect();
    (told.reachable, told.by_choice, codes)
}

/// A second connection to the same office, as good as the first.
fn second_link(d: &mut Value) {
    d["customer_gateways"]["cgw2"] = json!({ "bgp_asn": 65001, "ip_address": "198.51.100.2" });
    d["vpn_connections"]["vpn2"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw2" });
    d["customer_networks"]["office"]["customer_gateways"] = json!(["cgw", "cgw2"]);
}

#[test]
fn where_equal_vpn_connections_lead_to_two_sites_no_answer_about_one_of_them_is_a_yes() {
    // proves: VGW-05
    let mut net = with(twin);
    // Packets take one of the two, always the same; AWS may take the other.
    net.send("app", &packet(APP, DESK, udp(1, 2))).arrives_at("desk");
    for site in ["desk", "till"] {
        let (reachable, by_choice, codes) = fares(&net, "app", &format!("{site}:443"));
        assert_eq!((reachable, by_choice), (Some(false), true), "{site}");
        assert_eq!(codes, ["MISDELIVERED"], "{site}");
    }
    // Both may ask; the answers to one of them go elsewhere, on one of the two ways.
    let (reachable, by_choice, codes) = fares(&net, "till", "app:443");
    assert_eq!((reachable, by_choice, codes), (Some(false), true, vec!["MISDELIVERED".to_owned()]));
    // The one with the shorter path is no choice.
    net.change(|d| {
        d["vpn_connections"]["vpn2"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16", "as_path": [65002, 65002, 65002] }]);
    });
    assert_eq!(fares(&net, "app", "desk:443"), (Some(true), false, vec![]));
}

#[test]
fn where_equal_vpn_connections_lead_to_one_site_it_is_reached_by_either() {
    let net = with(second_link);
    assert_eq!(fares(&net, "app", "desk:443"), (Some(true), false, vec![]));
    assert_eq!(fares(&net, "desk", "app:443"), (Some(true), false, vec![]));
    let gateway = serde_json::to_value(&net.topology.vpn_gateways["vgw"]).unwrap();
    let marks: Vec<_> = gateway["routes"].as_array().unwrap().iter().collect();
    assert_eq!((&marks[0]["in_use"], &marks[0]["equal"]), (&json!(true), &Value::Null));
    assert_eq!((&marks[1]["in_use"], &marks[1]["equal"]), (&json!(false), &json!(true)));
}

#[test]
fn which_of_its_equal_links_a_customer_takes_is_asked_for_each() {
    // The second link leads to the gateway of another VPC with the same block, where nobody has the address.
    let elsewhere = |d: &mut Value| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16" });
        d["vpn_gateways"]["wgw"] = json!({ "vpc": "w" });
        d["customer_gateways"]["cgw2"] = json!({ "bgp_asn": 65001, "ip_address": "198.51.100.2" });
        d["vpn_connections"]["vpn2"] = json!({ "vpn_gateway": "wgw", "customer_gateway": "cgw2" });
        d["customer_networks"]["office"]["customer_gateways"] = json!(["cgw", "cgw2"]);
    };
    let mut net = with(elsewhere);
    net.send("desk", &packet(DESK, APP, udp(1, 2))).arrives_at("app");
    let (reachable, by_choice, codes) = fares(&net, "desk", "app:443");
    assert_eq!((reachable, by_choice), (Some(false), true));
    assert_eq!(codes, ["VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"]);
    // A route of its own says which.
    net.change(|d| {
        d["customer_networks"]["office"]["routes"] = json!([{ "cidr_block": "10.0.0.0/16", "link": "vpn" }]);
    });
    assert_eq!(fares(&net, "desk", "app:443"), (Some(true), false, vec![]));
}

#[test]
fn where_flows_are_shared_a_site_that_some_of_them_miss_is_no_yes() {
    // DX-08: the hash of a flow decides, and explanations ask about either.
    let net = with(|d| {
        d["dx_private_virtual_interfaces"] = json!({ "one": { "vpn_gateway": "vgw", "bgp_asn": 65010 }, "two": { "vpn_gateway": "vgw", "bgp_asn": 65010 } });
        for name in ["one", "two"] {
            d["customer_networks"][format!("site-{name}")] =
                json!({ "cidr_blocks": ["192.168.0.0/16"], "virtual_interfaces": [name] });
            d["customer_hosts"][format!("host-{name}")] =
                json!({ "customer_network": format!("site-{name}"), "address": DESK });
        }
    });
    for host in ["host-one", "host-two"] {
        let (reachable, by_choice, codes) = fares(&net, "app", &format!("{host}:443"));
        assert_eq!(
            (reachable, by_choice, codes),
            (Some(false), true, vec!["MISDELIVERED".to_owned()]),
            "{host}"
        );
    }
}

#[test]
fn of_equal_connections_that_a_transit_gateway_does_not_share_flows_over_each_is_asked() {
    // proves: TGW-19
    let hub = |vpn_ecmp_support: &str| {
        with(|d| {
            d["vpn_gateways"] = json!({});
            d["transit_gateways"] = json!({ "hub": { "vpn_ecmp_support": vpn_ecmp_support } });
            d["transit_gateway_vpc_attachments"] =
                json!({ "v": { "transit_gateway": "hub", "vpc": "v", "subnets": ["a"] } });
            d["route_tables"]["t"] = json!({ "vpc": "v", "routes": [{ "cidr_block": "192.168.0.0/16", "transit_gateway": "hub" }] });
            twin(d);
            for name in ["vpn", "vpn2"] {
                let customer = d["vpn_connections"][name]["customer_gateway"].clone();
                d["vpn_connections"][name] = json!({ "transit_gateway": "hub", "customer_gateway": customer,
                    "bgp_routes": [{ "cidr_block": "192.168.0.0/16", "as_path": [65001] }] });
            }
        })
    };
    for support in ["enable", "disable"] {
        let (reachable, by_choice, codes) = fares(&hub(support), "app", "desk:443");
        assert_eq!(
            (reachable, by_choice, codes),
            (Some(false), true, vec!["MISDELIVERED".to_owned()]),
            "{support}"
        );
    }
}

#[test]
fn a_connection_as_good_as_those_that_share_the_flows_is_asked_too() {
    // Two are to one site, with one path, and share; the third, of another path as long, leads elsewhere (TGW-19).
    let net = with(|d| {
        d["vpn_gateways"] = json!({});
        d["transit_gateways"] = json!({ "hub": { "vpn_ecmp_support": "enable" } });
        d["transit_gateway_vpc_attachments"] =
            json!({ "v": { "transit_gateway": "hub", "vpc": "v", "subnets": ["a"] } });
        d["route_tables"]["t"] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "192.168.0.0/16", "transit_gateway": "hub" }] });
        twin(d);
        let twin = d["vpn_connections"]["vpn2"]["customer_gateway"].clone();
        for (name, customer, path) in
            [("vpn", json!("cgw"), 65001), ("vpn1", json!("cgw"), 65001), ("vpn2", twin, 65009)]
        {
            d["vpn_connections"][name] = json!({ "transit_gateway": "hub", "customer_gateway": customer,
                "bgp_routes": [{ "cidr_block": "192.168.0.0/16", "as_path": [path] }] });
        }
    });
    let (reachable, by_choice, codes) = fares(&net, "app", "desk:443");
    assert_eq!((reachable, by_choice, codes), (Some(false), true, vec!["MISDELIVERED".to_owned()]));
}
