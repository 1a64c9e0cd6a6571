//! Which ways are found to lead nowhere, not back, or elsewhere?

use vpclab_api::Severity;

use crate::lint::{found, one};
use crate::networks::PEERING;

/// A server on 443 behind an ACL that lets its replies go where EGRESS says.
pub(crate) fn replies(egress: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\n\
         subnets:\n  a: {{vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1:1::/64', assign_ipv6_address_on_creation: true}}\n  \
           b: {{vpc: v, cidr_block: 10.0.1.0/24, ipv6_cidr_block: '2001:db8:1:2::/64', assign_ipv6_address_on_creation: true, network_acl: edge}}\n\
         network_acls:\n  edge:\n    vpc: v\n    ingress:\n    \
           - {{rule_no: 100, action: allow, protocol: tcp, from_port: 443, to_port: 443, cidr_block: 10.0.0.0/16}}\n    \
           - {{rule_no: 101, action: allow, protocol: tcp, from_port: 443, to_port: 443, ipv6_cidr_block: '2001:db8:1::/56'}}\n    \
           - {{rule_no: 102, action: allow, protocol: udp, from_port: 53, to_port: 53, cidr_block: 10.0.0.0/16}}\n    \
           egress: [{egress}]\n\
         security_groups:\n  web: {{vpc: v, ingress: [{{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}}, SERVES]}}\n\
         instances: {{client: {{subnet: a}}, server: {{subnet: b, security_groups: [web]}}}}\n"
    )
    .replace(", SERVES", "")
}

fn allow(number: u16, protocol: &str, ports: (u16, u16), block: &str) -> String {
    let key = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
    let (from, to) = ports;
    format!(
        "{{rule_no: {number}, action: allow, protocol: {protocol}, from_port: {from}, to_port: {to}, {key}: '{block}'}}"
    )
}

#[test]
fn a_reply_that_an_acl_denies_is_found_in_the_family_where_it_is_denied() {
    let (v4, v6) = ("10.0.0.0/16", "2001:db8:1::/56");
    let all = (1024, 65535);
    let both = [allow(100, "tcp", all, v4), allow(101, "tcp", all, v6)].join(", ");
    let edge = |count: usize| vec!["network_acls.edge egress *".to_owned(); count];
    for (egress, expected) in [
        (both, 0),
        (allow(100, "tcp", all, v4), 1),
        (allow(101, "tcp", all, v6), 1),
        (String::new(), 2),
        ([allow(100, "tcp", (49152, 65535), v4), allow(101, "tcp", all, v6)].join(", "), 1),
        ([allow(100, "tcp", (32768, 60999), v4), allow(101, "tcp", all, v6)].join(", "), 0),
        // To somebody else.
        ([allow(100, "tcp", all, "10.0.7.0/24"), allow(101, "tcp", all, v6)].join(", "), 1),
    ] {
        assert_eq!(found(&replies(&egress), "reply-blocked-by-acl"), edge(expected), "{egress}");
    }
    let some = [allow(100, "tcp", (49152, 65535), v4), allow(101, "tcp", all, v6)].join(", ");
    let finding = one(&replies(&some), "reply-blocked-by-acl");
    assert!(finding.reason.contains("where the client sends from port 32768-49151"), "{}", finding.reason);
    assert_eq!(finding.remedy, "allow tcp 1024-65535 to 10.0.0.0/24 in `egress` of edge");
    assert_eq!(
        (finding.severity, finding.facts),
        (Severity::Error, vec!["NACL-04".to_owned(), "NACL-19".to_owned()])
    );
}

#[test]
fn a_reply_over_udp_is_a_note_and_a_request_by_a_rule_for_replies_is_none() {
    let all = (1024, 65535);
    let egress =
        [allow(100, "tcp", all, "10.0.0.0/16"), allow(101, "tcp", all, "2001:db8:1::/56")].join(", ");
    let udp = replies(&egress).replace(
        "ingress: [{protocol: tcp",
        "ingress: [{protocol: udp, from_port: 53, to_port: 53, cidr_blocks: [10.0.0.0/16]}, {protocol: tcp",
    );
    assert_eq!(one(&udp, "reply-blocked-by-acl").severity, Severity::Note);
    // The client listens on 8080, which the server's ACL lets out as if it were a reply.
    let listens = replies(&egress).replace("client: {subnet: a}", "client: {subnet: a, security_groups: [eight]}").replace(
        "security_groups:\n",
        "security_groups:\n  eight: {vpc: v, ingress: [{protocol: tcp, from_port: 8080, to_port: 8080, cidr_blocks: [0.0.0.0/0]}]}\n",
    );
    assert!(found(&listens, "reply-blocked-by-acl").is_empty());
}

#[test]
fn within_one_subnet_and_of_what_is_not_known_no_reply_is_found_blocked() {
    let together = replies("").replace("client: {subnet: a}", "client: {subnet: b}");
    let one_subnet =
        together.lines().filter(|line| !line.trim_start().starts_with("a: {vpc")).collect::<Vec<_>>();
    assert!(found(&one_subnet.join("\n"), "reply-blocked-by-acl").is_empty());
    let unknown = replies("")
        .replace("    vpc: v\n    ingress", "    vpc: v\n    not_modelled: more later\n    ingress");
    assert_ne!(unknown, replies(""));
    assert!(found(&unknown, "reply-blocked-by-acl").is_empty());
}

/// Two peers with these routes of each; `there` and `back` are routes of v/main and w/main.
pub(crate) fn peers(there: &str, back: &str) -> String {
    let routes = |text: &str| text.to_owned();
    let lines = PEERING.lines().map(|line| {
        if line.trim_start().starts_with("v/main") {
            format!("  v/main: {{routes: [{}]}}", routes(there))
        } else if line.trim_start().starts_with("w/main") {
            format!("  w/main: {{routes: [{}]}}", routes(back))
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
        + "\ntransit_gateways: {hub: {}}\ntransit_gateway_vpc_attachments:\n  at-v: {transit_gateway: hub, vpc: v, subnets: [s], ipv6_support: enable}\n  \
           at-w: {transit_gateway: hub, vpc: w, subnets: [t], ipv6_support: enable}\n"
}

pub(crate) const V4_THERE: &str = "{cidr_block: 10.1.0.0/16, vpc_peering_connection: p}";
const V6_THERE: &str = "{ipv6_cidr_block: '2001:db8:2::/56', vpc_peering_connection: p}";
const V4_BACK: &str = "{cidr_block: 10.0.0.0/16, vpc_peering_connection: p}";
const V6_BACK: &str = "{ipv6_cidr_block: '2001:db8:1::/56', vpc_peering_connection: p}";
const V4_BY_HUB: &str = "{cidr_block: 10.0.0.0/16, transit_gateway: hub}";
const V6_BY_HUB: &str = "{ipv6_cidr_block: '2001:db8:1::/56', transit_gateway: hub}";

#[test]
fn a_way_there_without_a_way_back_is_found() {
    let main =
        |names: &[&str]| names.iter().map(|name| format!("route_tables.{name}/main")).collect::<Vec<_>>();
    for (there, back, expected) in [
        (V4_THERE, V4_BACK, main(&[])),
        (V4_THERE, "", main(&["w"])),
        ("", V4_BACK, main(&["v"])),
        (V6_THERE, "", main(&["w"])),
        (V6_THERE, V6_BACK, main(&[])),
        (V6_THERE, V4_BACK, main(&["v", "w"])),
        // Only part of it comes back, and somebody lives in that part.
        (V4_THERE, "{cidr_block: 10.0.0.0/24, vpc_peering_connection: p}", main(&[])),
        ("", "", main(&[])),
    ] {
        assert_eq!(found(&peers(there, back), "missing-return-route"), expected, "{there} and {back}");
    }
    let finding = one(&peers(V4_THERE, ""), "missing-return-route");
    assert_eq!(finding.remedy, "give w/main a route back to VPC v");
}

#[test]
fn a_public_address_needs_a_route_to_the_internet() {
    let network = |routes: &str| {
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             route_tables: {{private: {{vpc: v, routes: [{routes}]}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: private}}}}\n\
             instances: {{a: {{subnet: s, associate_public_ip_address: true}}}}\n"
        )
    };
    let finding = one(&network(""), "missing-return-route");
    assert_eq!((finding.resource.name.as_str(), finding.facts), ("private", vec!["IGW-05".to_owned()]));
    assert!(found(&network("{cidr_block: 0.0.0.0/0, gateway: igw}"), "missing-return-route").is_empty());
}

#[test]
fn a_reply_that_takes_another_way_is_found() {
    for (there, back, expected) in [
        (V4_THERE, V4_BY_HUB, 2),
        (V6_THERE, V6_BY_HUB, 2),
        (V4_THERE, V4_BACK, 0),
        (V6_THERE, V6_BACK, 0),
        (V4_THERE, "", 0),
    ] {
        let all = found(&peers(there, back), "asymmetric-route");
        assert_eq!(all.len(), expected, "{there} and {back}: {all:?}");
        assert!(all.iter().all(|place| place.starts_with("route_tables.")), "{all:?}");
    }
}

#[test]
fn a_route_to_what_takes_no_packets_is_a_blackhole() {
    let pending = peers(V4_THERE, V4_BACK).replace(", auto_accept: true", "");
    assert_eq!(
        found(&pending, "blackhole-route"),
        ["route_tables.v/main 10.1.0.0/16", "route_tables.w/main 10.0.0.0/16"]
    );
    let six = peers(V6_THERE, "").replace(", auto_accept: true", "");
    assert_eq!(found(&six, "blackhole-route"), ["route_tables.v/main 2001:db8:2::/56"]);
    assert!(found(&peers(V4_THERE, V4_BACK), "blackhole-route").is_empty());
    // One that is declared is meant.
    let declared = peers("", "")
        + "transit_gateway_route_tables: {hub/default: {routes: [{destination_cidr_block: 10.9.0.0/16, blackhole: true}]}}\n";
    assert!(found(&declared, "blackhole-route").is_empty());
    let unknown =
        pending.replace("peer_vpc: w}", "peer_vpc: w, not_modelled: its state is known after apply}");
    assert_ne!(unknown, pending);
    assert!(found(&unknown, "blackhole-route").is_empty());
    let finding = one(&pending.replace(V4_BACK, ""), "blackhole-route");
    assert!(finding.reason.contains("VPC peering connection p is pending acceptance"), "{}", finding.reason);
}

/// A subnet whose default route leads to a NAT gateway in a subnet with ROUTES.
fn nat(routes: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         egress_only_internet_gateways: {{eigw: {{vpc: v}}}}\n\
         eips: {{e: {{public_ip: 203.0.113.9}}}}\nnat_gateways: {{nat: {{subnet: pub, allocation: e}}}}\n\
         route_tables:\n  pub: {{vpc: v, routes: [{routes}]}}\n  \
           in: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, nat_gateway: nat}}, {{ipv6_cidr_block: '::/0', egress_only_gateway: eigw}}]}}\n\
         subnets:\n  pub: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: pub}}\n  \
           in: {{vpc: v, cidr_block: 10.0.1.0/24, ipv6_cidr_block: '2001:db8:1:1::/64', route_table: in}}\n"
    )
}

#[test]
fn a_route_by_which_nothing_arrives_is_a_dead_end() {
    let finding = one(&nat(""), "dead-end-route");
    assert_eq!((finding.resource.name.as_str(), finding.rule.as_deref()), ("in", Some("0.0.0.0/0")));
    assert!(finding.remedy.contains("give the subnet of nat a route there"), "{}", finding.remedy);
    assert!(found(&nat("{cidr_block: 0.0.0.0/0, gateway: igw}"), "dead-end-route").is_empty());
    // Peering leads to the peer and no further, in both families.
    let further = [V4_THERE, "{cidr_block: 10.2.0.0/16, vpc_peering_connection: p}"].join(", ");
    assert_eq!(found(&peers(&further, V4_BACK), "dead-end-route"), ["route_tables.v/main 10.2.0.0/16"]);
    let further = [V6_THERE, "{ipv6_cidr_block: '2001:db8:3::/56', vpc_peering_connection: p}"].join(", ");
    assert_eq!(found(&peers(&further, V6_BACK), "dead-end-route"), ["route_tables.v/main 2001:db8:3::/56"]);
    // A block of the peer in which nobody lives yet is no dead end.
    let nobody = "{cidr_block: 10.1.9.0/24, vpc_peering_connection: p}";
    assert!(found(&peers(nobody, V4_BACK), "dead-end-route").is_empty());
}

#[test]
fn an_instance_that_is_to_forward_must_not_check_addresses() {
    let network = |check: bool| {
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             route_tables:\n  pub: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}\n  \
               in: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, instance: box}}]}}\n\
             subnets: {{pub: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: pub}}, in: {{vpc: v, cidr_block: 10.0.1.0/24, route_table: in}}}}\n\
             security_groups: {{all: {{vpc: v, ingress: [{{protocol: '-1', cidr_blocks: [10.0.0.0/8]}}]}}}}\n\
             instances: {{box: {{subnet: pub, security_groups: [all], source_dest_check: {check}, forwards: nat, associate_public_ip_address: true}}, a: {{subnet: in}}}}\n"
        )
    };
    let finding = one(&network(true), "dead-end-route");
    assert!(finding.remedy.contains("source_dest_check"), "{}", finding.remedy);
    assert_eq!(finding.facts, ["L2-12"]);
    assert!(found(&network(false), "dead-end-route").is_empty());
}

/// A subnet of this name whose table has these routes.
fn subnet(name: &str, routes: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{routes: [{routes}]}}}}\n\
         subnets: {{{name}: {{vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1:1::/64'}}}}\n"
    )
}

#[test]
fn a_subnet_is_what_its_name_says_by_whom_the_internet_reaches() {
    let v4 = "{cidr_block: 0.0.0.0/0, gateway: igw}";
    let v6 = "{ipv6_cidr_block: '::/0', gateway: igw}";
    for (name, routes, private_is_public, public_is_private) in [
        ("private-a", v4, true, false),
        ("PrivateSubnet1", v6, true, false),
        ("private-a", "", false, false),
        ("public-a", v4, false, false),
        ("public-a", v6, false, false),
        ("public-a", "", false, true),
        ("web", "", false, false),
        ("privateer", v4, false, false),
        ("public-or-private", "", false, false),
    ] {
        let network = subnet(name, routes);
        assert_eq!(
            found(&network, "private-subnet-is-public").len(),
            usize::from(private_is_public),
            "{name} {routes}"
        );
        assert_eq!(
            found(&network, "public-subnet-is-private").len(),
            usize::from(public_is_private),
            "{name} {routes}"
        );
    }
    // Names may be tags.
    let tagged = subnet("a", v4).replace("{a: {vpc: v,", "{a: {vpc: v, tags: {Name: App Private A},");
    assert_eq!(found(&tagged, "private-subnet-is-public"), ["subnets.a"]);
    let unknown = tagged.replace("v/main: {", "v/main: {not_modelled: later, ");
    assert!(found(&unknown, "private-subnet-is-public").is_empty());
    assert!(found(&unknown, "public-subnet-is-private").is_empty());
}

#[test]
fn a_private_subnet_is_public_if_part_of_the_internet_reaches_it_or_if_it_is_full() {
    let network = |block: &str, size: u8, residents: usize| {
        let residents: String = (0..residents).map(|n| format!("i{n}: {{subnet: private-a}}, ")).collect();
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             route_tables: {{v/main: {{routes: [{{cidr_block: {block}, gateway: igw}}]}}}}\n\
             subnets: {{private-a: {{vpc: v, cidr_block: 10.0.0.0/{size}}}}}\ninstances: {{{residents}}}\n"
        )
    };
    let full = network("0.0.0.0/0", 28, 11);
    assert_eq!(one(&full, "private-subnet-is-public").severity, Severity::Error);
    let half = one(&network("128.0.0.0/1", 24, 0), "private-subnet-is-public");
    assert!(half.reason.contains("part of the internet, such as 128.0.0.0, reaches"), "{}", half.reason);
    assert_eq!(half.severity, Severity::Error);
    let named = one(&network("8.8.0.0/16", 24, 0), "private-subnet-is-public");
    assert!(named.reason.contains("of the internet 8.8.0.0/16 reaches"), "{}", named.reason);
    assert_eq!(named.severity, Severity::Warning);
    let public = network("8.8.0.0/16", 24, 0).replace("private-a", "public-a");
    assert!(found(&public, "public-subnet-is-private").is_empty());
}

/// A web server for PEERS whose ACL has these entries.
pub(crate) fn web(peers: &str, ingress: &str, egress: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
         network_acls: {{v/default: {{ingress: [{ingress}], egress: [{egress}]}}}}\n\
         security_groups: {{web: {{vpc: v, ingress: [{{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [{peers}]}}]}}}}\n\
         instances: {{w: {{subnet: s, security_groups: [web], associate_public_ip_address: true}}}}\n"
    )
}

#[test]
fn replies_to_who_is_named_and_to_part_of_the_internet_are_asked_about() {
    let anybody = "0.0.0.0/0";
    let (all_in, https_out) = (allow(1, "'-1'", (0, 0), anybody), allow(1, "tcp", (443, 443), anybody));
    let all_in = all_in.replace("from_port: 0, to_port: 0, ", "");
    let office = web("198.51.100.0/24", &all_in, &https_out);
    let client = format!("{office}internet_hosts: {{client: {{address: 198.51.100.7}}}}\n");
    let half = web(
        anybody,
        &[allow(1, "tcp", (443, 443), "0.0.0.0/1"), allow(2, "tcp", (1024, 65535), anybody)].join(", "),
        &[allow(1, "tcp", (443, 443), anybody), allow(2, "tcp", (1024, 65535), "128.0.0.0/1")].join(", "),
    );
    let secondary = office.replace(
        "associate_public_ip_address: true",
        "secondary_private_ips: [10.0.0.11], private_ip: 10.0.0.10, associate_public_ip_address: false",
    ) + "eips: {e: {public_ip: 203.0.113.9, network_interface: w, private_ip: 10.0.0.11}}\n";
    for (network, told) in [
        (&office, "what 198.51.100.0/24 sends to tcp 443 of w arrives, and the reply dies"),
        (&client, "what client sends to tcp 443 of w arrives"),
        (&half, "what part of the internet, such as 1.0.0.0, sends to tcp 443 of w arrives"),
        (&secondary, "what 198.51.100.0/24 sends to tcp 443 of w (10.0.0.11) arrives"),
    ] {
        let finding = one(network, "reply-blocked-by-acl");
        assert_eq!((finding.severity, finding.rule.as_deref()), (Severity::Error, Some("egress *")));
        assert!(finding.reason.contains(told), "{}", finding.reason);
    }
    assert_eq!(
        one(&office, "reply-blocked-by-acl").remedy,
        "allow tcp 1024-65535 to 198.51.100.0/24 in `egress` of v/default"
    );
    assert!(found(&web("198.51.100.0/24", &all_in, &all_in), "reply-blocked-by-acl").is_empty());
}

#[test]
fn whom_an_acl_keeps_out_by_name_nobody_means_to_ask() {
    let all = "action: allow, protocol: '-1', cidr_block: 0.0.0.0/0";
    let ingress = format!(
        "{{rule_no: 1, action: deny, protocol: '-1', cidr_block: 198.51.100.0/24}}, {{rule_no: 9, {all}}}"
    );
    let listed = web("0.0.0.0/0", &ingress, &format!("{{rule_no: 9, {all}}}"));
    assert!(found(&listed, "reply-blocked-by-acl").is_empty());
    // Half of everybody is no list.
    let half = listed.replace("cidr_block: 198.51.100.0/24", "cidr_block: 128.0.0.0/1");
    assert_eq!(found(&half, "reply-blocked-by-acl").len(), 2, "TCP and UDP");
    let meant = listed.replace(
        "web: {vpc: v,",
        "web: {vpc: v, egress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [198.51.100.0/24]}],",
    );
    let finding = one(&meant, "reply-blocked-by-acl");
    assert!(
        finding.reason.contains("what w sends to tcp 443 of 198.51.100.0/24 arrives"),
        "{}",
        finding.reason
    );
    assert_eq!(finding.rule.as_deref(), Some("ingress 1"));
}

#[test]
fn replies_to_the_internet_go_to_the_ports_of_every_kind_of_client() {
    let ingress = allow(1, "tcp", (443, 443), "0.0.0.0/0");
    let network = |ports| web("0.0.0.0/0", &ingress, &allow(1, "tcp", ports, "0.0.0.0/0"));
    for (ports, expected) in [
        (
            (32768, 60999),
            Some((Severity::Warning, "from port 61000-65535: Windows and macOS send from 49152-65535")),
        ),
        ((1024, 65000), Some((Severity::Warning, "from port 65001-65535"))),
        // One finding says it all.
        ((49152, 65000), Some((Severity::Error, "from port 32768-49151"))),
        ((32768, 65535), None),
        ((1024, 65535), None),
    ] {
        let network = network(ports);
        let Some((severity, told)) = expected else {
            assert!(found(&network, "reply-blocked-by-acl").is_empty(), "{ports:?}");
            continue;
        };
        let finding = one(&network, "reply-blocked-by-acl");
        assert!(finding.reason.contains(told), "{ports:?}: {}", finding.reason);
        assert_eq!(finding.severity, severity, "{ports:?}");
        assert_eq!(finding.facts, ["NACL-04", "NACL-19"]);
        assert_eq!(finding.remedy, "allow tcp 1024-65535 to 0.0.0.0/0 in `egress` of v/default");
    }
}

#[test]
fn of_twins_the_one_that_is_known_is_asked() {
    let known = replies("");
    let expected = ["network_acls.edge egress *", "network_acls.edge egress *"];
    assert_eq!(found(&known, "reply-blocked-by-acl"), expected);
    for twin in ["a-server", "z-server"] {
        let twins = known.replace(
            "server: {subnet: b,",
            &format!("{twin}: {{subnet: b, security_groups: [web], not_modelled: known after apply}}, server: {{subnet: b,"),
        );
        assert_eq!(found(&twins, "reply-blocked-by-acl"), expected, "{twin}");
    }
}

#[test]
fn the_internet_is_told_apart_for_every_port_that_is_asked() {
    let http =
        "{rule_no: 50, action: deny, protocol: tcp, from_port: 80, to_port: 80, cidr_block: 1.0.0.0/8}";
    let all = "{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}";
    let ssh = web("198.0.0.0/8", &format!("{http}, {all}"), &allow(1, "tcp", (443, 443), "0.0.0.0/0"))
        .replace("from_port: 443, to_port: 443, cidr_blocks", "from_port: 22, to_port: 22, cidr_blocks")
        .replace("web: {vpc: v,", "web: {vpc: v, egress: [],");
    let finding = one(&ssh, "reply-blocked-by-acl");
    assert!(
        finding.reason.contains("part of the internet, such as 198.0.0.0, sends to tcp 22 of w arrives"),
        "{}",
        finding.reason
    );
}

/// A web server for an office behind a VPN; its ACL lets replies out to REPLIES_TO.
pub(crate) fn office(replies_to: &str, hosts: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\nvpn_gateways: {{vgw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{propagating_vgws: [vgw]}}}}\nsubnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
         network_acls: {{v/default: {{ingress: [{{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}], \
         egress: [{{rule_no: 1, action: allow, protocol: '-1', cidr_block: {replies_to}}}]}}}}\n\
         security_groups: {{web: {{vpc: v, egress: [], ingress: [{{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [192.168.0.0/16]}}]}}}}\n\
         instances: {{w: {{subnet: s, security_groups: [web]}}}}\n\
         customer_gateways: {{cgw: {{bgp_asn: 65001, ip_address: 198.51.100.1}}}}\n\
         vpn_connections: {{vpn: {{vpn_gateway: vgw, customer_gateway: cgw}}}}\n\
         customer_networks: {{office: {{cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}}}\n{hosts}"
    )
}

#[test]
fn every_range_of_a_customer_network_is_asked_be_a_host_declared_there_or_not() {
    let hosts = "customer_hosts: {d1: {customer_network: office, address: 192.168.1.7}, d2: {customer_network: office, address: 192.168.2.7}}\n";
    for (network, told, remedy) in [
        (office("192.168.1.0/24", hosts), "what d2 sends to tcp 443 of w arrives", "192.168.2.7"),
        (
            office("192.168.1.0/24", ""),
            "what 192.168.0.1 of office sends to tcp 443 of w arrives",
            "192.168.0.0/16",
        ),
    ] {
        let finding = one(&network, "reply-blocked-by-acl");
        assert!(finding.reason.contains(told), "{}", finding.reason);
        assert_eq!(finding.remedy, format!("allow tcp 1024-65535 to {remedy} in `egress` of v/default"));
    }
    assert!(found(&office("192.168.0.0/16", ""), "reply-blocked-by-acl").is_empty());
}

/// Two VPCs whose way to the internet is the NAT gateway of a third; its subnet has these routes.
#[test]
fn a_nat_gateway_for_other_vpcs_needs_a_route_back_to_them() {
    let network = |routes: &str| {
        format!(
            "vpcs: {{a: {{cidr_block: 10.0.0.0/16}}, e: {{cidr_block: 10.2.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: e}}}}\n\
             subnets:\n  as: {{vpc: a, cidr_block: 10.0.1.0/24}}\n  et: {{vpc: e, cidr_block: 10.2.1.0/24, route_table: rt}}\n  \
               ep: {{vpc: e, cidr_block: 10.2.2.0/24, route_table: rp}}\n\
             eips: {{x: {{public_ip: 203.0.113.9}}}}\nnat_gateways: {{nat: {{subnet: ep, allocation: x}}}}\ntransit_gateways: {{tgw: {{}}}}\n\
             transit_gateway_vpc_attachments: {{ta: {{transit_gateway: tgw, vpc: a, subnets: [as]}}, te: {{transit_gateway: tgw, vpc: e, subnets: [et]}}}}\n\
             transit_gateway_route_tables: {{tgw/default: {{routes: [{{destination_cidr_block: 0.0.0.0/0, attachment: te}}]}}}}\n\
             route_tables:\n  a/main: {{routes: [{{cidr_block: 0.0.0.0/0, transit_gateway: tgw}}]}}\n  \
               rt: {{vpc: e, routes: [{{cidr_block: 0.0.0.0/0, nat_gateway: nat}}, {{cidr_block: 10.0.0.0/16, transit_gateway: tgw}}]}}\n  \
               rp: {{vpc: e, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}{routes}]}}\n\
             instances: {{a-1: {{subnet: as}}}}\n"
        )
    };
    let finding = one(&network(""), "missing-return-route");
    assert_eq!((finding.resource.kind.as_str(), finding.resource.name.as_str()), ("route_tables", "rp"));
    assert_eq!(finding.remedy, "give rp a route back to VPC a");
    assert!(finding.reason.contains("sends to the internet arrives"), "{}", finding.reason);
    let whole = network(", {cidr_block: 10.0.0.0/16, transit_gateway: tgw}");
    assert!(found(&whole, "missing-return-route").is_empty());
}

#[test]
fn a_way_back_is_missed_for_part_of_the_internet_too() {
    let network = |low: &str, high: &str| {
        let route = |block: &str, target: &str| match target {
            "" => String::new(),
            target => format!("{{cidr_block: {block}, {target}}}, "),
        };
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             eips: {{e: {{public_ip: 203.0.113.9}}}}\nnat_gateways: {{nat: {{subnet: n, allocation: e}}}}\n\
             route_tables:\n  v/main: {{routes: [{}{}]}}\n  n: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, n: {{vpc: v, cidr_block: 10.0.1.0/24, route_table: n}}}}\n\
             instances: {{w: {{subnet: s, associate_public_ip_address: true}}}}\n",
            route("0.0.0.0/1", low),
            route("128.0.0.0/1", high),
        )
    };
    let (igw, nat) = ("gateway: igw", "nat_gateway: nat");
    for (low, high, missing) in
        [(igw, igw, 0), (igw, "", 1), ("", igw, 1), (nat, igw, 1), (igw, nat, 1), ("", "", 1)]
    {
        let network = network(low, high);
        assert_eq!(found(&network, "missing-return-route").len(), missing, "{low} and {high}");
        // Nobody has an address in 0.0.0.0/8: others of the block are asked.
        assert!(found(&network, "dead-end-route").is_empty(), "{low} and {high}");
    }
    let finding = one(&network(nat, igw), "missing-return-route");
    assert!(finding.reason.contains("what 1.0.0.0 on the internet sends to w arrives"), "{}", finding.reason);
}

/// Every subnet with IPv6 has public addresses, whether or not anybody outside is to reach it.
#[test]
fn a_private_ipv6_subnet_misses_no_way_back_to_another_vpc_over_the_internet() {
    let network = "vpcs: {a: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:a::/56'}, b: {cidr_block: 10.1.0.0/16, ipv6_cidr_block: '2001:db8:b::/56'}}\n\
         internet_gateways: {iga: {vpc: a}, igb: {vpc: b}}\n\
         subnets:\n  \
           a: {vpc: a, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:a::/64', assign_ipv6_address_on_creation: true, route_table: out}\n  \
           b: {vpc: b, cidr_block: 10.1.0.0/24, ipv6_cidr_block: '2001:db8:b::/64', assign_ipv6_address_on_creation: true}\n\
         route_tables: {out: {vpc: a, routes: [{ipv6_cidr_block: '::/0', gateway: iga}]}}\n\
         instances: {x: {subnet: a}, y: {subnet: b}}\n";
    assert!(found(network, "missing-return-route").is_empty());
}
