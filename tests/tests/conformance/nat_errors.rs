//! Area NAT: whom does a NAT gateway tell of what, and in whose name?

use serde_json::json;
use vpclab_tests::packet::{ErrorKind, Flags, Packet, ping, tcp, udp};

use crate::nat_networks::{APP, APP_V6, CLIENT, CLIENT_NAT64, FAR, NAT, NAT_PUBLIC, dies_untold, told, with};
use crate::networks::packet;

/// A host between the client and the gateway.
const ON_THE_WAY: &str = "192.0.2.33";

#[test]
fn a_reset_is_not_answered_by_another() {
    // proves: NAT-10
    let mut net = with(|_| {});
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        let stray = packet(source, destination, tcp(40_000, 443, Flags::Ack));
        assert_eq!(told(&net.send("app", &stray), "app").tcp_flags.unwrap() & 4, 4, "a reset");
        let reset = packet(source, destination, tcp(40_000, 443, Flags::Rst));
        dies_untold(&mut net, "app", &reset, 100, "nat-no-mapping");
    }
}

#[test]
fn an_error_comes_in_the_name_of_whoever_reports_it() {
    // proves: NAT-38, NAT-28
    let mut net = with(|d| d["internet_hosts"]["hop"] = json!({ "address": ON_THE_WAY }));
    let cases = [(APP, CLIENT, ON_THE_WAY), (APP_V6, CLIENT_NAT64, "64:ff9b::c000:221")];
    for (app, client, reporter) in cases {
        for body in [udp(40_000, 53), ping(7)] {
            let request = packet(app, client, body);
            let seen = net.send("app", &request).arrives_at("client");
            let body = if seen.protocol == 17 { udp(seen.ports.0, 53) } else { ping(seen.ports.0) };
            let about = packet(NAT_PUBLIC, CLIENT, body);
            let error = about.error(ErrorKind::TimeExceeded).unwrap();
            let error = Packet { src: ON_THE_WAY.parse().unwrap(), ..error };
            let got = net.send("hop", &error).arrives_at("app");
            assert_eq!((got.src.to_string(), got.dst.to_string()), (reporter.to_owned(), app.to_owned()));
            let (from, to) = got.quoted.unwrap();
            assert_eq!((from.to_string(), to.to_string()), (app.to_owned(), client.to_owned()));
            assert_eq!(got.quoted_ports.unwrap().0, if seen.protocol == 17 { 40_000 } else { 7 });
        }
    }
}

#[test]
fn behind_a_nat_gateway_nobody_is_known_by_a_group() {
    // proves: SG-08, NAT-24
    let mut net = with(|d| {
        d["security_groups"]["there"]["ingress"] = json!([{ "protocol": "-1", "security_groups": ["open"] }]);
        d["instances"]["edge"] =
            json!({ "subnet": "edge", "private_ip": "10.0.0.5", "security_groups": ["open"] });
        d["route_tables"]["w/main"] =
            json!({ "routes": [{ "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] });
    });
    net.send("edge", &packet("10.0.0.5", FAR, udp(1, 2))).arrives_at("far");
    net.send("app", &packet(APP, FAR, udp(1, 2))).dies_of("security-group");
}

#[test]
fn a_client_that_asks_the_gateway_itself_finds_nobody() {
    // proves: NAT-12
    let mut net = with(|_| {});
    for destination in [NAT_PUBLIC, NAT] {
        net.send("app", &packet(APP, destination, udp(1, 2))).dies_of("nat-no-mapping");
    }
}
