//! Is whoever nobody has declared among everybody?

use vpclab_api::{Expected, Outcome};
use vpclab_check::{TestCase, VirtualProber};

use crate::{Network, case, one, request, yaml};

fn only(to: &str, only: &[&str]) -> TestCase {
    let only = only.iter().map(|name| (*name).to_owned()).collect();
    TestCase { only, request: request("*", to), ..case("*", to, Expected::Only) }
}

fn failures(network: &Network, test: &TestCase) -> Vec<String> {
    let mut guests = VirtualProber::new(&network.topology);
    let sent = one(network, test.clone(), Some(&mut guests));
    assert_eq!(sent.passed, sent.failures.is_empty());
    let explained = one(network, test.clone(), None);
    assert_eq!(explained.failures, sent.failures);
    explained.failures
}

/// A database whose group lets `rules` in, and what `beyond` says of the rest.
fn network(rules: &str, beyond: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, w: {{cidr_block: 10.9.0.0/16{}}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, f: {{vpc: w, cidr_block: 10.9.0.0/24}}}}
security_groups: {{app: {{vpc: v}}, db: {{vpc: v, ingress: [{rules}]}}, far: {{vpc: w}}}}
instances: {{app: {{subnet: s, security_groups: [app]}}, db: {{subnet: s, security_groups: [db]}}}}
{}
"#,
        if beyond.contains("#unknown") { ", not_modelled: elsewhere" } else { "" },
        beyond
    ))
}

const FROM_APP: &str = "{protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [app]}";
const FROM_FAR: &str = "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.9.3.0/24]}";

fn peered(more: &str) -> String {
    format!(
        "route_tables: {{v/main: {{routes: [{{cidr_block: 10.9.0.0/16, vpc_peering_connection: pcx}}]}}}}\n\
         vpc_peering_connections: {{pcx: {{vpc: v, peer_vpc: w, auto_accept: true{more}}}}}"
    )
}

#[test]
fn of_a_peer_of_which_nothing_is_known_somebody_may_ask() {
    let unknown = format!("{} #unknown", peered(""));
    for (name, beyond) in [("w", unknown.as_str()), ("pcx", &peered(", not_modelled: whose"))] {
        let open = network(&format!("{FROM_APP}, {FROM_FAR}"), beyond);
        let told = one(&open, only("db:22", &[]), None);
        assert_eq!(told.outcome, Some(Outcome::Unknown));
        assert_eq!(told.failures.len(), 1, "{:?}", told.failures);
        let says = format!(
            "{name} → db: explain cannot tell: it depends on {name} (who is behind it is not declared"
        );
        assert!(told.failures[0].starts_with(&says), "{:?}", told.failures);
        assert_eq!(
            failures(&open, &only("db:5432", &["app"])),
            [""; 0],
            "what denies everybody there does so"
        );
        assert_eq!(failures(&network(FROM_APP, beyond), &only("db:22", &[])), [""; 0]);
    }
    // A rule for a group that is there may be for somebody.
    let group = "{protocol: tcp, from_port: 22, to_port: 22, security_groups: [far]}";
    assert_eq!(failures(&network(group, &unknown), &only("db:22", &[])).len(), 1);
    // Where all is declared nobody else is there, and that is said.
    let known = network(FROM_FAR, &peered(""));
    let told = one(&known, only("db:22", &[]), None);
    assert!(told.passed, "{:?}", told.failures);
    let assumed = told.explanation.unwrap().assumed;
    assert!(
        assumed.iter().any(|told| told.resource == "w" && told.assumption.starts_with("nobody is in it")),
        "{assumed:#?}"
    );
}

#[test]
fn behind_a_gateway_that_is_not_known_somebody_may_ask() {
    let route = |target: &str| {
        format!("route_tables: {{v/main: {{routes: [{{cidr_block: 10.9.0.0/16, {target}}}]}}}}\n")
    };
    let transit = |of_gateway: &str, more: &str| {
        format!(
            "{}transit_gateways: {{hub: {of_gateway}}}\n\
             transit_gateway_vpc_attachments: {{a: {{transit_gateway: hub, vpc: v, subnets: [s]}}{more}}}",
            route("transit_gateway: hub")
        )
    };
    let to_far = ", b: {transit_gateway: hub, vpc: w, subnets: [f]}";
    for (name, beyond) in [
        ("hub", transit("{not_modelled: elsewhere} ", " #unknown\n")),
        ("hub", transit("{}", " #unknown\n")),
        ("w", format!("{} #unknown", transit("{}", to_far))),
        (
            "vgw",
            format!(
                "{}vpn_gateways: {{vgw: {{vpc: v, not_modelled: elsewhere}}}} #unknown",
                route("gateway: vgw")
            ),
        ),
        ("vgw", format!("{}vpn_gateways: {{vgw: {{vpc: v}}}} #unknown", route("gateway: vgw"))),
    ] {
        let beyond = beyond.replace(" #unknown\n}", "} #unknown");
        let open = network(&format!("{FROM_APP}, {FROM_FAR}"), &beyond);
        let told = failures(&open, &only("db:22", &[]));
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert!(told[0].starts_with(&format!("{name} → db: explain cannot tell")), "{told:?}");
        assert_eq!(failures(&open, &only("db:5432", &["app"])), [""; 0], "{name}");
    }
    // The blocks that it is declared with may be no more known than the rest of it.
    let elsewhere = transit("{}", to_far).replace("10.9.0.0/16", "10.8.0.0/16");
    let open = network(&FROM_FAR.replace("10.9.3", "10.8.3"), &format!("{elsewhere} #unknown"));
    assert_eq!(failures(&open, &only("db:22", &[])).len(), 1);
    let known = network(FROM_FAR, &transit("{}", to_far));
    assert_eq!(failures(&known, &only("db:22", &[])), [""; 0]);
}

#[test]
fn an_address_of_a_delegated_block_asks_too() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}
security_groups: {db: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.40/32]}]}}
instances: {node: {subnet: s, private_ip: 10.0.0.8, ipv4_prefixes: [10.0.0.32/28]}, db: {subnet: s, security_groups: [db]}}
"#,
    );
    let told = failures(&network, &only("db:22", &[]));
    assert_eq!(told, ["node/10.0.0.40 → db: expected denied, and it is allowed"]);
    assert_eq!(failures(&network, &only("db:23", &[])), [""; 0]);
}

/// NAT-28: 64:ff9b::/96 leads to a NAT gateway, which asks over IPv4.
#[test]
fn who_sends_over_ipv6_asks_by_nat64_too() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: "2001:db8:1::/56"}}
internet_gateways: {igw: {vpc: v}}
subnets:
  p: {vpc: v, cidr_block: 10.0.0.0/24, route_table: p}
  six: {vpc: v, ipv6_native: true, ipv6_cidr_block: "2001:db8:1:6::/64", route_table: six}
  d: {vpc: v, cidr_block: 10.0.2.0/24}
route_tables:
  p: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  six: {vpc: v, routes: [{ipv6_cidr_block: "64:ff9b::/96", nat_gateway: nat}]}
eips: {e: {public_ip: 203.0.113.50}}
nat_gateways: {nat: {subnet: p, allocation: e}}
security_groups: {db: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.0/24]}]}}
instances: {a6: {subnet: six}, db: {subnet: d, private_ip: 10.0.2.9, security_groups: [db]}}
"#,
    );
    let says = ["a6 → db/64:ff9b::a00:209: expected denied, and it is allowed"];
    assert_eq!(failures(&network, &only("db:22", &[])), says);
    assert_eq!(failures(&network, &case("a6", "db:22", Expected::Denied)), says);
    assert_eq!(failures(&network, &case("a6", "[64:ff9b::a00:209]:22", Expected::Allowed)), [""; 0]);
    assert_eq!(failures(&network, &only("db:23", &[])), [""; 0]);
}

/// Central egress: what is behind a VPN connection goes out by the NAT gateway of a VPC.
#[test]
fn the_users_own_networks_ask_the_internet_and_public_addresses_too() {
    let egress = |of_web: &str| {
        yaml(&format!(
            r#"
vpcs: {{e: {{cidr_block: 10.0.0.0/16}}, w: {{cidr_block: 10.5.0.0/16}}}}
internet_gateways: {{igw: {{vpc: e}}, iw: {{vpc: w}}}}
subnets:
  out: {{vpc: e, cidr_block: 10.0.0.0/24, route_table: out}}
  at: {{vpc: e, cidr_block: 10.0.1.0/24, route_table: at}}
  web: {{vpc: w, cidr_block: 10.5.0.0/24, route_table: web}}
route_tables:
  out: {{vpc: e, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}, {{cidr_block: 192.168.0.0/16, transit_gateway: hub}}]}}
  at: {{vpc: e, routes: [{{cidr_block: 0.0.0.0/0, nat_gateway: nat}}, {{cidr_block: 192.168.0.0/16, transit_gateway: hub}}]}}
  web: {{vpc: w, routes: [{{cidr_block: 0.0.0.0/0, gateway: iw}}]}}
eips: {{n: {{public_ip: 203.0.113.50}}}}
nat_gateways: {{nat: {{subnet: out, allocation: n}}}}
transit_gateways: {{hub: {{}}}}
transit_gateway_vpc_attachments: {{a: {{transit_gateway: hub, vpc: e, subnets: [at]}}}}
transit_gateway_route_tables:
  hub/default: {{routes: [{{cidr_block: 0.0.0.0/0, attachment: a}}]}}
customer_networks: {{office: {{cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw], routes: [{{cidr_block: 0.0.0.0/0, link: vpn}}]}}}}
customer_gateways: {{cgw: {{ip_address: 198.51.100.1, bgp_asn: 65000}}}}
vpn_connections: {{vpn: {{customer_gateway: cgw, transit_gateway: hub}}}}
security_groups: {{web: {{vpc: w, ingress: [{of_web}]}}}}
instances: {{web: {{subnet: web, security_groups: [web], associate_public_ip_address: true, public_ip: 203.0.113.60}}}}
internet_hosts: {{client: {{address: 198.51.100.7}}}}
"#
        ))
    };
    let from_nat = "{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [203.0.113.50/32]}";
    let open = egress(from_nat);
    assert_eq!(
        one(&open, only("client:443", &["web"]), None).failures,
        ["office → client: expected denied, and it is allowed"]
    );
    assert_eq!(
        one(&open, only("web:443", &[]), None).failures,
        ["office → web/203.0.113.60: expected denied, and it is allowed"]
    );
    let told = one(&egress(""), only("web:443", &[]), None).failures;
    assert_eq!(told, [""; 0]);
    // Of a network of which one block alone may ask every other range is asked, and no block without a host.
    let floor = "{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [203.0.113.50/32]}";
    let told = one(&egress(floor), only("client:443", &["web", "192.168.5.0/24"]), None);
    assert!(told.outcome.is_some(), "{:?}", told.failures);
    assert!(
        told.failures.iter().all(|failure| failure.starts_with("office → client: ")),
        "{:?}",
        told.failures
    );
    assert!(!told.passed);
}

/// Who has IPv6 alone asks who has IPv4 alone by NAT64, and may be named as one who may.
#[test]
fn who_asks_by_nat64_may_be_named() {
    let path = format!("{}/../../configs/dual-stack-nat64.json", env!("CARGO_MANIFEST_DIR"));
    let network = Network::new(&vpclab_model::Document::from_path(path).unwrap());
    let only = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        one(&network, TestCase { only: names, ..case("", "old:443", Expected::Only) }, None)
    };
    assert!(!only(&["dual-1"]).passed, "six-1 reaches it, too");
    let both = only(&["dual-1", "six-1"]);
    assert!(both.passed, "{:?}", both.failures);
}
