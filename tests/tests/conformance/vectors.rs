//! Area VEC: do the ready-made vectors come out as documented?
//!
//! Those here have the addresses of the vectors; others stand where their subject is tested.

use serde_json::{Value, json};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Flags, Packet, ping, syn, tcp};

use crate::networks::{
    CLIENT_V6, WEB, WEB_PUBLIC, WEB_V6, all_of, entry, everything, packet, tcp_entry, tcp_of, with,
};

/// The network whose `client` has this address, with a change.
fn with_client(address: &str, change: impl FnOnce(&mut Value)) -> Net {
    with(|d| {
        d["internet_hosts"]["client"]["address"] = json!(address);
        change(d);
    })
}

/// The group of `web` alone.
fn group(d: &mut Value, ingress: Value, egress: Value) {
    d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": ingress, "egress": egress });
    d["instances"]["web"]["security_groups"] = json!(["web"]);
}

#[test]
fn an_allow_of_a_lower_number_hides_the_deny_behind_it() {
    // proves: VEC-06
    let ingress = json!([
        tcp_entry(100, "allow", (80, 80), "0.0.0.0/0"),
        tcp_entry(105, "deny", (80, 80), "192.0.2.0/24"),
        tcp_entry(110, "allow", (443, 443), "0.0.0.0/0"),
    ]);
    let mut net = with_client("192.0.2.5", |d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": ingress,
            "egress": [entry(100, "allow", "0.0.0.0/0")] } });
        d["subnets"]["public"]["network_acl"] = json!("acl");
    });
    let to = |port| packet("192.0.2.5", WEB_PUBLIC, syn(50_000, port));
    assert!(net.converses("client", &to(80)) && net.converses("client", &to(443)));
    net.send("client", &to(22)).dies_of("network-acl");
    // The other way round it is denied, and only to those hosts.
    net.change(|d| d["network_acls"]["acl"]["ingress"][1]["rule_no"] = json!(99));
    net.send("client", &to(80)).dies_of("network-acl");
    net.change(|d| d["internet_hosts"]["client"]["address"] = json!("198.51.100.5"));
    net.send("client", &packet("198.51.100.5", WEB_PUBLIC, syn(50_000, 80))).arrives_at("web");
}

#[test]
fn ssh_and_ping_outlive_their_rules_and_http_from_everywhere_does_not() {
    // proves: VEC-07
    let opened = |request: &Packet| {
        let mut net = with_client("203.0.113.1", |d| {
            let six =
                json!({ "protocol": "tcp", "from_port": 80, "to_port": 80, "ipv6_cidr_blocks": ["::/0"] });
            let icmp =
                json!({ "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] });
            let ingress = json!([tcp_of(22, "203.0.113.1/32"), tcp_of(80, "0.0.0.0/0"), six, icmp]);
            group(d, ingress, json!([everything()]));
        });
        assert!(net.converses("client", request), "it opens");
        net.change(|d| d["security_groups"]["web"]["ingress"] = json!([]));
        net
    };
    let of_host = |body| packet("203.0.113.1", WEB_PUBLIC, body);
    let mut ssh = opened(&of_host(syn(50_000, 22)));
    ssh.send("client", &of_host(tcp(50_000, 22, Flags::Ack))).arrives_at("web");
    ssh.send("web", &packet(WEB, "203.0.113.1", tcp(22, 50_000, Flags::Ack))).arrives_at("client");
    ssh.send("client", &of_host(syn(50_001, 22))).dies_of("security-group");
    let mut icmp = opened(&of_host(ping(1)));
    icmp.send("client", &of_host(ping(1))).arrives_at("web");
    let mut http = opened(&of_host(syn(50_000, 80)));
    http.send("client", &of_host(tcp(50_000, 80, Flags::Ack))).dies_of("security-group");
    let six = |body| packet(CLIENT_V6, WEB_V6, body);
    let mut http = opened(&six(syn(50_000, 80)));
    http.send("client", &six(tcp(50_000, 80, Flags::Ack))).dies_of("security-group");
}

#[test]
fn an_untracked_inbound_session_falls_with_its_rule_and_the_instances_own_session_stays() {
    // proves: VEC-21
    let client = "198.51.100.7";
    let outside = |port: u16, far: u16| packet(client, WEB_PUBLIC, tcp(far, port, Flags::Ack));
    let opened = || {
        let mut net = with(|d| group(d, json!([tcp_of(443, "0.0.0.0/0")]), json!([all_of("0.0.0.0/0")])));
        assert!(net.converses("client", &packet(client, WEB_PUBLIC, syn(50_000, 443))));
        assert!(net.converses("web", &packet(WEB, client, syn(40_000, 5432))));
        net.send("client", &outside(443, 50_000)).arrives_at("web");
        net
    };
    // The outbound rule goes: the session that the instance opened stays, both ways.
    let mut net = opened();
    net.change(|d| d["security_groups"]["web"]["egress"] = json!([]));
    net.send("web", &packet(WEB, client, tcp(40_000, 5432, Flags::Ack))).arrives_at("client");
    net.send("client", &outside(40_000, 5432)).arrives_at("web");
    net.send("web", &packet(WEB, client, syn(40_001, 5432))).dies_of("security-group");
    // The inbound rule goes: that session is cut, and no other.
    let mut net = opened();
    net.change(|d| d["security_groups"]["web"]["ingress"] = json!([]));
    net.send("client", &outside(443, 50_000)).dies_of("security-group");
    net.send("client", &outside(40_000, 5432)).arrives_at("web");
}
