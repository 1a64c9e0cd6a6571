//! Which rules are found to change nothing, or to let too much in?

use vpclab_api::Severity;

use crate::lint::{findings, found, one};

/// An ACL with these inbound entries, each `number action protocol ports block`.
fn acl(entries: &[&str]) -> String {
    let entry = |text: &&str| {
        let mut words = text.split(' ');
        let (number, action) = (words.next().unwrap(), words.next().unwrap());
        let (protocol, ports, block) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let key = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
        let ports = match (protocol, ports.split_once('-')) {
            ("icmp", _) => format!("icmp_type: {ports}, icmp_code: -1"),
            (_, Some((from, to))) => format!("from_port: {from}, to_port: {to}"),
            (_, None) => format!("from_port: {ports}, to_port: {ports}"),
        };
        format!("{{rule_no: {number}, action: {action}, protocol: '{protocol}', {ports}, {key}: '{block}'}}")
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, network_acl: edge}}}}\n\
         network_acls: {{edge: {{vpc: v, ingress: [{}]}}}}\n",
        entries.join(", ")
    )
}

#[test]
fn an_acl_rule_is_shadowed_only_where_rules_before_it_decide_all_of_it_otherwise() {
    let cases: [(&[&str], &[&str]); 10] = [
        (&["100 deny -1 0-0 0.0.0.0/0", "200 allow tcp 443 10.0.0.0/8"], &["network_acls.edge ingress 200"]),
        (&["100 deny -1 0-0 ::/0", "200 allow tcp 443 10.0.0.0/8"], &[]),
        (&["100 deny -1 0-0 ::/0", "200 allow tcp 443 2001:db8::/32"], &["network_acls.edge ingress 200"]),
        (&["100 deny tcp 0-65535 0.0.0.0/0", "200 allow -1 0-0 10.0.0.0/8"], &[]),
        (
            &["100 deny tcp 400-500 10.0.0.0/8", "200 allow tcp 443 10.1.0.0/16"],
            &["network_acls.edge ingress 200"],
        ),
        (&["100 deny tcp 444-500 10.0.0.0/8", "200 allow tcp 443 10.1.0.0/16"], &[]),
        (
            &["100 deny tcp 443 10.0.0.0/9", "110 deny tcp 443 10.128.0.0/9", "200 allow tcp 443 10.0.0.0/8"],
            &["network_acls.edge ingress 200"],
        ),
        (
            &[
                "100 deny tcp 443 10.0.0.0/9",
                "110 deny tcp 443 10.128.0.0/10",
                "200 allow tcp 443 10.0.0.0/8",
            ],
            &[],
        ),
        (&["100 allow -1 0-0 10.0.0.0/8", "200 deny icmp 8 10.0.0.0/8"], &["network_acls.edge ingress 200"]),
        // One half is decided the same, the other not: it never matches, and somebody may think it does.
        (
            &[
                "100 allow tcp 443 10.0.0.0/9",
                "110 deny tcp 443 10.128.0.0/9",
                "200 allow tcp 443 10.0.0.0/8",
            ],
            &["network_acls.edge ingress 200"],
        ),
    ];
    for (entries, expected) in cases {
        assert_eq!(found(&acl(entries), "shadowed-rule"), expected, "{entries:?}");
    }
}

#[test]
fn an_acl_rule_is_redundant_only_where_the_list_decides_the_same_without_it() {
    let cases: [(&[&str], &[&str]); 10] = [
        (
            &["100 allow -1 0-0 10.0.0.0/8", "200 allow tcp 443 10.1.0.0/16"],
            &["network_acls.edge ingress 200"],
        ),
        (
            &["100 allow tcp 443 10.1.0.0/16", "200 allow -1 0-0 10.0.0.0/8"],
            &["network_acls.edge ingress 100"],
        ),
        (
            &[
                "100 allow tcp 443 10.1.0.0/16",
                "150 deny tcp 0-1023 10.1.0.0/16",
                "200 allow -1 0-0 10.0.0.0/8",
            ],
            &[],
        ),
        (
            &["100 allow tcp 443 2001:db8::/48", "200 allow -1 0-0 2001:db8::/32"],
            &["network_acls.edge ingress 100"],
        ),
        (&["100 allow tcp 443 2001:db8::/48", "200 allow -1 0-0 10.0.0.0/8"], &[]),
        // Nothing allows it anyway.
        (
            &["100 deny tcp 22 172.16.0.0/12", "200 allow -1 0-0 10.0.0.0/8"],
            &["network_acls.edge ingress 100"],
        ),
        (&["100 deny tcp 22 10.1.0.0/16", "200 allow -1 0-0 10.0.0.0/8"], &[]),
        // What it keeps from deciding would decide.
        (
            &["100 allow tcp 443 10.1.0.0/16", "150 deny tcp 443 10.1.0.0/16", "200 allow -1 0-0 10.0.0.0/8"],
            &[],
        ),
        // What `*` says, said aloud.
        (&["100 allow tcp 443 10.0.0.0/8", "200 deny -1 0-0 0.0.0.0/0"], &[]),
        // Of two alike one could go.
        (
            &["100 allow tcp 443 10.0.0.0/8", "200 allow tcp 443 10.0.0.0/8"],
            &["network_acls.edge ingress 200"],
        ),
    ];
    for (entries, expected) in cases {
        assert_eq!(found(&acl(entries), "redundant-rule"), expected, "{entries:?}");
    }
}

#[test]
fn nothing_is_said_of_a_list_that_is_not_wholly_known() {
    let known = acl(&["100 deny -1 0-0 0.0.0.0/0", "200 allow tcp 443 10.0.0.0/8"]);
    let unknown = known.replace("edge: {vpc: v,", "edge: {vpc: v, not_modelled: more after apply,");
    assert_eq!(found(&known, "shadowed-rule").len(), 1);
    assert!(found(&unknown, "shadowed-rule").is_empty());
}

/// A group with these inbound rules.
fn group(rules: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, six: {{cidr_block: 10.1.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
         vpc_peering_connections: {{p: {{vpc: v, peer_vpc: six, auto_accept: true}}}}\n\
         managed_prefix_lists: {{offices: {{address_family: IPv4, max_entries: 5, entries: [{{cidr: 10.9.0.0/16}}]}}}}\n\
         security_groups: {{other: {{vpc: v}}, far: {{vpc: six}}, g: {{vpc: v, ingress: [{rules}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [g, other]}}}}\n"
    )
}

#[test]
fn a_group_rule_is_redundant_only_where_others_allow_all_that_it_may_allow() {
    let tcp =
        |port: &str, peers: &str| format!("{{protocol: tcp, from_port: {port}, to_port: {port}, {peers}}}");
    let all = |peers: &str| format!("{{protocol: '-1', {peers}}}");
    let first = vec!["security_groups.g ingress[0]".to_owned()];
    let third = vec!["security_groups.g ingress[2]".to_owned()];
    let none: Vec<String> = Vec::new();
    for (rules, expected) in [
        (vec![tcp("22", "cidr_blocks: [10.0.0.0/16]"), tcp("22", "cidr_blocks: [10.0.0.0/8]")], &first),
        (vec![tcp("22", "cidr_blocks: [10.0.0.0/16]"), tcp("23", "cidr_blocks: [10.0.0.0/8]")], &none),
        (
            vec![
                tcp("22", "ipv6_cidr_blocks: ['2001:db8::/48']"),
                tcp("22", "ipv6_cidr_blocks: ['2001:db8::/32']"),
            ],
            &first,
        ),
        (
            vec![tcp("22", "ipv6_cidr_blocks: ['2001:db8::/48']"), tcp("22", "cidr_blocks: [0.0.0.0/0]")],
            &none,
        ),
        // Two halves make a whole.
        (
            vec![
                all("cidr_blocks: [10.128.0.0/9]"),
                tcp("22", "cidr_blocks: [10.0.0.0/9]"),
                tcp("22", "cidr_blocks: [10.0.0.0/8]"),
            ],
            &third,
        ),
        // Members come and go: only rules for everybody, or for the same group, cover a group.
        (vec![tcp("22", "security_groups: [other]"), tcp("22", "cidr_blocks: [10.0.0.0/16]")], &none),
        (vec![tcp("22", "security_groups: [other]"), tcp("22", "cidr_blocks: [0.0.0.0/0]")], &first),
        (vec![tcp("22", "security_groups: [other]"), all("security_groups: [other]")], &first),
        (vec![tcp("22", "security_groups: [far]"), tcp("22", "cidr_blocks: [0.0.0.0/0]")], &none),
        (vec![tcp("22", "security_groups: [other]"), all("self: true")], &none),
        // So do entries of a list.
        (vec![tcp("22", "prefix_lists: [offices]"), tcp("22", "cidr_blocks: [10.9.0.0/16]")], &none),
        (vec![tcp("22", "cidr_blocks: [10.9.0.0/16]"), tcp("22", "prefix_lists: [offices]")], &none),
        (vec![tcp("22", "prefix_lists: [offices]"), tcp("22", "cidr_blocks: [0.0.0.0/0]")], &first),
    ] {
        assert_eq!(&found(&group(&rules.join(", ")), "redundant-rule"), expected, "{rules:?}");
    }
}

#[test]
fn of_a_rule_with_several_peers_only_those_that_others_cover_could_go() {
    let rules = "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.0/16, 192.168.0.0/16]}, \
                 {protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.0/8]}";
    let finding = one(&group(rules), "redundant-rule");
    assert_eq!(finding.remedy, "take 10.0.0.0/16 out of it");
    assert_eq!(finding.severity, Severity::Note);
    assert_eq!(finding.facts, ["SG-01"]);
}

#[test]
fn a_rule_whose_peer_is_gone_is_stale() {
    let network = |state: &str| {
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, w: {{cidr_block: 10.1.0.0/16}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
             vpc_peering_connections: {{p: {{vpc: v, peer_vpc: w, state: {state}}}}}\n\
             security_groups: {{far: {{vpc: w}}, g: {{vpc: v, ingress: [{{protocol: '-1', security_groups: [far]}}]}}}}\n\
             instances: {{a: {{subnet: s, security_groups: [g]}}}}\n"
        )
    };
    assert_eq!(found(&network("deleted"), "stale-rule"), ["security_groups.g ingress[0]"]);
    assert!(found(&network("active"), "stale-rule").is_empty());
}

/// A host in a public subnet, ADDRESS, in a group with RULE.
fn host(rule: &str, address: &str) -> String {
    format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\n\
         internet_gateways: {{igw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}, {{ipv6_cidr_block: '::/0', gateway: igw}}]}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1:1::/64'}}}}\n\
         managed_prefix_lists: {{all: {{address_family: IPv4, max_entries: 5, entries: [{{cidr: 0.0.0.0/1}}, {{cidr: 128.0.0.0/1}}]}}}}\n\
         security_groups: {{g: {{vpc: v, ingress: [{rule}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [g], {address}}}}}\n"
    )
}

#[test]
fn what_is_rarely_meant_for_everybody_is_found_where_everybody_may() {
    let public = "associate_public_ip_address: true";
    let six = "ipv6_addresses: ['2001:db8:1:1::a']";
    let tcp = |from: u16, to: u16, peers: &str| {
        format!("{{protocol: tcp, from_port: {from}, to_port: {to}, {peers}}}")
    };
    let (v4, v6) = ("cidr_blocks: [0.0.0.0/0]", "ipv6_cidr_blocks: ['::/0']");
    for (rule, address, expected) in [
        (tcp(22, 22, v4), public, Some(Severity::Error)),
        (tcp(22, 22, v4), "associate_public_ip_address: false", Some(Severity::Note)),
        (tcp(22, 22, v6), six, Some(Severity::Error)),
        (tcp(22, 22, v6), public, Some(Severity::Note)),
        (tcp(443, 443, v4), public, None),
        (tcp(8080, 8090, v4), public, None),
        (tcp(3000, 6000, v4), public, Some(Severity::Error)),
        (tcp(22, 22, "cidr_blocks: [198.51.100.0/24]"), public, None),
        (tcp(22, 22, "cidr_blocks: [10.0.0.0/8]"), public, None),
        (tcp(22, 22, "cidr_blocks: [0.0.0.0/1, 128.0.0.0/1]"), public, Some(Severity::Error)),
        (tcp(22, 22, "prefix_lists: [all]"), public, Some(Severity::Error)),
        (format!("{{protocol: '-1', {v4}}}"), public, Some(Severity::Error)),
        (format!("{{protocol: udp, from_port: 0, to_port: 65535, {v4}}}"), public, Some(Severity::Error)),
        (format!("{{protocol: udp, from_port: 51820, to_port: 51820, {v4}}}"), public, None),
        (format!("{{protocol: icmp, from_port: -1, to_port: -1, {v4}}}"), public, None),
    ] {
        let all = findings(&host(&rule, address));
        let severity =
            all.iter().find(|finding| finding.id == "open-to-the-world").map(|finding| finding.severity);
        assert_eq!(severity, expected, "{rule} {address}: {all:#?}");
    }
}

#[test]
fn an_open_group_behind_a_closed_acl_lets_nobody_in_as_things_are() {
    let rule = "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}";
    let open = host(rule, "associate_public_ip_address: true");
    let closed = format!(
        "{open}network_acls: {{v/default: {{ingress: [{{rule_no: 1, action: deny, protocol: tcp, from_port: 22, to_port: 22, cidr_block: 0.0.0.0/0}}, \
         {{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}], egress: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]}}}}\n"
    );
    assert_eq!(one(&open, "open-to-the-world").severity, Severity::Error);
    assert_eq!(one(&closed, "open-to-the-world").severity, Severity::Note);
    let unknown = open.replace("{s: {vpc: v,", "{s: {vpc: v, not_modelled: later,");
    assert_ne!(unknown, open);
    assert_eq!(one(&unknown, "open-to-the-world").severity, Severity::Warning);
}

/// A host whose group opens RULE, behind an ACL with these TCP entries.
fn behind(rule: &str, ingress: &[(u16, u16)], egress: &[(u16, u16)]) -> String {
    let entries = |ports: &[(u16, u16)]| {
        let entry = |(number, (from, to)): (usize, &(u16, u16))| {
            format!(
                "{{rule_no: {}, action: allow, protocol: tcp, from_port: {from}, to_port: {to}, cidr_block: 0.0.0.0/0}}",
                number + 1
            )
        };
        ports.iter().enumerate().map(entry).collect::<Vec<_>>().join(", ")
    };
    let host = host(rule, "associate_public_ip_address: true");
    let (ingress, egress) = (entries(ingress), entries(egress));
    format!("{host}network_acls: {{v/default: {{ingress: [{ingress}], egress: [{egress}]}}}}\n")
}

#[test]
fn of_many_open_ports_all_are_asked_that_an_acl_tells_apart() {
    let tcp = "{protocol: tcp, from_port: 0, to_port: 65535, cidr_blocks: [0.0.0.0/0]}";
    let all = "{protocol: '-1', cidr_blocks: [0.0.0.0/0]}";
    let everywhere: &[(u16, u16)] = &[(0, 65535)];
    for (rule, ingress, severity, told) in [
        (tcp, vec![(443, 443), (32768, 65535)], Severity::Error, "the internet reaches tcp 32768-65535 of a"),
        (all, vec![(443, 443), (32768, 65535)], Severity::Error, "the internet reaches tcp 32768-65535 of a"),
        (tcp, vec![(20, 30)], Severity::Error, "the internet reaches tcp 22 of a"),
        // A web server is nobody's business.
        (tcp, vec![(443, 443)], Severity::Note, "of that the internet reaches no more than tcp 443 of a"),
        (tcp, vec![], Severity::Note, "nobody on the internet gets that far"),
        (all, vec![], Severity::Note, "nobody on the internet gets that far by tcp or udp"),
    ] {
        let finding = one(&behind(rule, &ingress, everywhere), "open-to-the-world");
        assert_eq!(finding.severity, severity, "{ingress:?}: {}", finding.reason);
        assert!(finding.reason.contains(told), "{ingress:?}: {}", finding.reason);
    }
}

#[test]
fn who_wants_to_get_in_sends_from_where_replies_are_let_out_to() {
    let ssh = "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}";
    for (egress, severity, told) in [
        ((1024, 65535), Severity::Error, "the internet reaches tcp 22 of a"),
        ((61000, 65535), Severity::Error, "the internet reaches tcp 22 of a, sending from port 61000-65535"),
        ((443, 443), Severity::Error, "the internet reaches tcp 22 of a, sending from port 443"),
    ] {
        let finding = one(&behind(ssh, &[(22, 22)], &[egress]), "open-to-the-world");
        assert_eq!(finding.severity, severity, "{egress:?}: {}", finding.reason);
        assert!(finding.reason.ends_with(told), "{egress:?}: {}", finding.reason);
    }
    let none = one(&behind(ssh, &[(22, 22)], &[]), "open-to-the-world");
    assert!(none.reason.ends_with("nobody on the internet gets that far"), "{}", none.reason);
}

/// A host whose one interface has a second private address with a public one of its own.
fn secondary(rule: &str) -> String {
    host(
        rule,
        "private_ip: 10.0.0.10, secondary_private_ips: [10.0.0.11], associate_public_ip_address: false",
    ) + "eips: {e: {public_ip: 203.0.113.9, network_interface: a, private_ip: 10.0.0.11}}\n"
}

#[test]
fn what_part_of_the_internet_may_do_is_found_as_well() {
    let ssh = |peers: &str| format!("{{protocol: tcp, from_port: 22, to_port: 22, {peers}}}");
    let public = "associate_public_ip_address: true";
    let open = host(&ssh("cidr_blocks: [0.0.0.0/0]"), public);
    let acl = |block: &str| {
        format!(
            "{open}network_acls: {{v/default: {{ingress: [{{rule_no: 1, action: allow, protocol: '-1', cidr_block: {block}}}], \
             egress: [{{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]}}}}\n"
        )
    };
    let route = |block: &str| {
        open.replace(
            "{cidr_block: 0.0.0.0/0, gateway: igw}",
            &format!("{{cidr_block: {block}, gateway: igw}}"),
        )
    };
    let fifths: Vec<String> = (0..28).map(|n| format!("{}.0.0.0/5", n * 8)).collect();
    let whole = ssh(&format!("cidr_blocks: [{}]", fifths.join(", ")));
    let pieces: Vec<String> = fifths.iter().map(|block| ssh(&format!("cidr_blocks: [{block}]"))).collect();
    for (network, severity, told) in [
        (
            host(&ssh("cidr_blocks: [0.0.0.0/1]"), public),
            Severity::Error,
            "such as 1.0.0.0, reaches tcp 22 of a",
        ),
        (host(&ssh("cidr_blocks: [128.0.0.0/2]"), public), Severity::Error, "such as 128.0.0.0"),
        (host(&whole, public), Severity::Error, "and 25 more` lets everybody connect to SSH (tcp 22)"),
        (
            host(&pieces.join(", "), public),
            Severity::Error,
            "ingress[0], ingress[1], ingress[2] and 25 more together let everybody connect to SSH",
        ),
        (acl("0.0.0.0/1"), Severity::Error, "part of the internet, such as 1.0.0.0, reaches"),
        (
            acl("8.8.0.0/16"),
            Severity::Warning,
            "of the internet only 8.8.0.0/16 gets that far, to tcp 22 of a",
        ),
        (acl("10.0.0.0/8"), Severity::Note, "nobody on the internet gets that far"),
        (route("128.0.0.0/1"), Severity::Error, "part of the internet, such as 128.0.0.0, reaches"),
        (route("8.8.0.0/16"), Severity::Warning, "of the internet only 8.8.0.0/16 gets that far"),
        // By this rule nobody gets that far, whom another one lets in.
        (
            host(
                &[ssh("cidr_blocks: [0.0.0.0/1]"), ssh("cidr_blocks: [198.51.100.0/24]")].join(", "),
                "associate_public_ip_address: true",
            ) + "network_acls: {v/default: {ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 198.51.100.0/24}], \
                 egress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n",
            Severity::Note,
            "nobody on the internet gets that far",
        ),
        (
            secondary(&ssh("cidr_blocks: [0.0.0.0/0]")),
            Severity::Error,
            "the internet reaches tcp 22 of a (10.0.0.11)",
        ),
    ] {
        let finding = one(&network, "open-to-the-world");
        assert_eq!(finding.severity, severity, "{network}: {}", finding.reason);
        assert!(finding.reason.contains(told), "{told}: {}", finding.reason);
    }
    let together = one(&host(&pieces.join(", "), public), "open-to-the-world");
    assert_eq!(together.rule.as_deref(), Some("ingress"));
    // Some of them are not the world, nor are all private addresses.
    let few = [pieces[1].clone(), ssh("cidr_blocks: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]")].join(", ");
    assert!(found(&host(&few, public), "open-to-the-world").is_empty());
    // Each lets another half in, to another port.
    let apart = [
        ssh("cidr_blocks: [8.0.0.0/5]"),
        "{protocol: tcp, from_port: 3389, to_port: 3389, cidr_blocks: [16.0.0.0/5]}".to_owned(),
    ];
    assert!(found(&host(&apart.join(", "), public), "open-to-the-world").is_empty());
}
