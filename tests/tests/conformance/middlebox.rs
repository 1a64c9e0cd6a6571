//! Areas PIPE and SG: what does a packet meet on its way through an instance that forwards?

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use vpclab_engine::Step;
use vpclab_engine::explain::{self, End, Explanation, TrafficQuestion};
use vpclab_lab::{GuestRef, Lab, LabOptions, Ping, TcpDial};
use vpclab_tests::harness::{Net, mistakes, topology};
use vpclab_tests::packet::syn;
use vpclab_wire::Protocol;

use crate::networks::{
    DB, DB_V6, WEB, WEB_PUBLIC, WEB_V6, all_of, document, everything, packet, refused, with,
};

/// Packets between `web` and `db` go by `box`, in a subnet of its own, both ways.
fn inspect(d: &mut Value) {
    d["subnets"]["middle"] =
        json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "ipv6_cidr_block": "2001:db8:1:3::/64" });
    d["instances"]["box"] = json!({ "subnet": "middle", "private_ip": "10.0.3.10",
        "ipv6_addresses": ["2001:db8:1:3::10"], "source_dest_check": false, "security_groups": ["open"] });
    let routes = |v4: &str, v6: &str| {
        json!([
            { "cidr_block": v4, "network_interface": "box" }, { "ipv6_cidr_block": v6, "network_interface": "box" }])
    };
    d["route_tables"]["public"]["routes"] = routes("10.0.2.0/24", "2001:db8:1:2::/64");
    d["route_tables"]["private"] = json!({ "vpc": "v", "subnets": ["private"],
        "routes": routes("10.0.1.0/24", "2001:db8:1:1::/64") });
}

fn inspected(change: impl FnOnce(&mut Value)) -> Net {
    with(|d| {
        inspect(d);
        change(d);
    })
}

/// What an explanation says of TCP port 80 from `web` to `db`.
fn explained(net: &Net, ipv6: bool) -> Explanation {
    let end = |name: &str| End::Interface(net.fabric().enis.find(name).expect("a guest"), None);
    let traffic =
        TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(80), source_port: Some(50_000) };
    explain::ask(net.fabric(), end("web"), end("db"), Some(ipv6), traffic).unwrap()
}

fn codes(told: &Explanation) -> Vec<&'static str> {
    told.blockers.iter().map(|blocker| blocker.reason.code()).collect()
}

#[test]
fn a_conversation_passes_a_guest_that_forwards_and_meets_its_filters_both_ways() {
    // proves: PIPE-08, RT-43
    let dial = |address: &str| TcpDial::new(SocketAddr::new(address.parse::<IpAddr>().unwrap(), 80));
    let converses = |change: &dyn Fn(&mut Value), address: &str| {
        let mut document = document();
        inspect(&mut document);
        change(&mut document);
        let mut lab = Lab::new(&topology(&document, None).unwrap(), LabOptions::default());
        let outcome = lab.tcp(GuestRef::Instance("web"), &dial(address)).unwrap();
        assert_eq!(
            outcome.is_success(),
            lab.ping(GuestRef::Instance("web"), &Ping::new(address.parse().unwrap())).unwrap().is_success()
        );
        let forwarded = lab.guest_counters(GuestRef::Instance("box")).unwrap().forwarded;
        (outcome.is_success(), forwarded > 0)
    };
    let group = |ingress: Value, egress: Value| {
        move |d: &mut Value| {
            d["security_groups"]["box"] = json!({ "vpc": "v", "ingress": ingress, "egress": egress });
            d["instances"]["box"]["security_groups"] = json!(["box"]);
        }
    };
    for address in [DB, DB_V6] {
        assert_eq!(converses(&|_| {}, address), (true, true), "{address}");
        // The middlebox has filters of its own, asked on the way in and on the way out.
        assert_eq!(converses(&group(json!([]), json!([everything()])), address), (false, false));
        assert_eq!(converses(&group(json!([everything()]), json!([])), address), (false, true));
        assert_eq!(
            converses(&|d| d["instances"]["box"]["forwards"] = json!("none"), address),
            (false, false)
        );
        let closed = |d: &mut Value| {
            d["network_acls"] = json!({ "acl": { "vpc": "v" } });
            d["subnets"]["middle"]["network_acl"] = json!("acl");
        };
        assert_eq!(converses(&closed, address), (false, false));
    }
}

#[test]
fn a_packet_meets_the_middleboxs_acl_and_groups_and_then_its_route_table() {
    // proves: PIPE-08
    let net = inspected(|_| {});
    for ipv6 in [false, true] {
        let told = explained(&net, ipv6);
        assert_eq!(told.reachable, Some(true), "{:?}", told.blockers);
        let of = |steps: &[Step]| -> Vec<&'static str> {
            let named = |step: &Step| match step {
                Step::Leave { .. } => Some("leave"),
                Step::SecurityGroup { .. } => Some("group"),
                Step::NetworkAcl { .. } => Some("acl"),
                Step::Route { .. } => Some("route"),
                Step::Forward { .. } => Some("forward"),
                Step::Arrive { .. } => Some("arrive"),
                _ => None,
            };
            steps.iter().filter_map(named).collect()
        };
        let whole = [
            "leave", "group", "acl", "route", "acl", "group", "arrive", "forward", "leave", "group", "acl",
            "route", "acl", "group", "arrive",
        ];
        assert_eq!(of(&told.forward.steps), whole);
        assert_eq!(of(&told.back.unwrap().steps), whole, "and so does the answer");
    }
}

#[test]
fn references_to_groups_do_not_match_behind_a_middlebox() {
    // proves: SG-13
    let net = |rule: Value| {
        inspected(|d| {
            d["security_groups"]["callers"] = json!({ "vpc": "v" });
            d["instances"]["web"]["security_groups"] = json!(["callers", "open"]);
            d["security_groups"]["db"] = json!({ "vpc": "v", "ingress": [rule] });
            d["instances"]["db"]["security_groups"] = json!(["db"]);
        })
    };
    let by_group = json!({ "protocol": "-1", "security_groups": ["callers"] });
    for (block, ipv6, source, destination) in
        [("10.0.1.0/24", false, WEB, DB), ("2001:db8:1:1::/64", true, WEB_V6, DB_V6)]
    {
        let mut refused = net(by_group.clone());
        let request = packet(source, destination, syn(50_000, 80));
        refused.send("web", &request).arrives_at("box");
        refused.send("box", &request).dies_of("security-group");
        assert_eq!(codes(&explained(&refused, ipv6)), ["SG_REFERENCES_NOT_PRESERVED"]);
        let mut allowed = net(all_of(block));
        allowed.send("box", &request).arrives_at("db");
        assert_eq!(explained(&allowed, ipv6).reachable, Some(true));
        // Straight there the reference holds.
        refused.change(|d| d["route_tables"]["public"]["routes"] = json!([]));
        refused.send("web", &request).arrives_at("db");
    }
}

#[test]
fn a_route_to_an_interface_of_a_stopped_instance_is_a_black_hole() {
    // proves: RT-25, RT-26
    let request = packet(WEB, DB, syn(50_000, 80));
    let mut net = inspected(|_| {});
    net.send("web", &request).arrives_at("box");
    net.change(|d| d["instances"]["box"]["state"] = json!("stopped"));
    net.send("web", &request).dies_of("blackhole");
    // OQ-27: with the other answer the packet dies at the instance.
    net.change(|d| d["settings"] = json!({ "stopped_instance_blackhole": false }));
    net.send("web", &request).dies_of("instance-stopped");
    net.change(|d| d["instances"]["box"]["state"] = json!("running"));
    net.send("web", &request).arrives_at("box");
    // A stopped instance neither sends nor takes.
    let mut net = with(|d| d["instances"]["web"]["state"] = json!("stopped"));
    net.send("web", &packet(WEB, DB, syn(1, 2))).dies_of("instance-stopped");
    // Its automatic address is nobody's while it is stopped (L2-20).
    net.send("client", &packet(crate::networks::CLIENT, WEB_PUBLIC, syn(1, 2))).dies_of("no-public-mapping");
}

#[test]
fn an_instance_forwards_by_interfaces_of_its_own() {
    for word in ["same_interface", "nat", "none", "box"] {
        let mut document = document();
        inspect(&mut document);
        document["instances"]["box"]["forwards"] = json!(word);
        assert_eq!(mistakes(&document), [""; 0], "{word}");
    }
    refused("instances.box.forwards", "InvalidParameterValue", |d| {
        inspect(d);
        d["instances"]["box"]["forwards"] = json!("web");
    });
}
