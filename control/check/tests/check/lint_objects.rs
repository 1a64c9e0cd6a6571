//! What is found unused, overlapping, or more than AWS grants?

use vpclab_api::Severity;

use crate::lint::{findings, found, one};

const USED: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.1.0.0/16}}
internet_gateways: {igw: {vpc: v}}
egress_only_internet_gateways: {eigw: {vpc: v}}
eips: {e: {public_ip: 203.0.113.9}, f: {public_ip: 203.0.113.10, instance: a}}
nat_gateways: {nat: {subnet: s, allocation: e}}
vpc_peering_connections: {p: {vpc: v, peer_vpc: w, auto_accept: true}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments: {at: {transit_gateway: hub, vpc: v, subnets: [s]}}
transit_gateway_route_tables: {table: {transit_gateway: hub}}
managed_prefix_lists: {list: {address_family: IPv4, max_entries: 5, entries: [{cidr: 10.9.0.0/16}]}}
vpn_gateways: {vgw: {vpc: v}}
route_tables:
  t:
    vpc: v
    routes:
    - {cidr_block: 0.0.0.0/0, gateway: igw}
    - {ipv6_cidr_block: '::/0', egress_only_gateway: eigw}
    - {cidr_block: 10.1.0.0/16, vpc_peering_connection: p}
    - {cidr_block: 192.168.0.0/16, gateway: vgw}
    - {destination_prefix_list: list, transit_gateway: hub}
  u: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}
network_acls: {acl: {vpc: v}}
subnets:
  s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: t, network_acl: acl}
  r: {vpc: v, cidr_block: 10.0.1.0/24, route_table: u}
security_groups:
  g: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, security_groups: [h]}]}
  h: {vpc: v}
network_interfaces: {eth: {subnet: s}}
instances: {a: {subnet: s, security_groups: [g]}, b: {network_interfaces: [{network_interface: eth, device_index: 0}]}}
";

fn unused(yaml: &str) -> Vec<String> {
    let all = findings(yaml).into_iter().filter(|finding| finding.id.starts_with("unused-"));
    all.map(|finding| {
        assert_eq!(finding.severity, Severity::Note);
        format!("{} {}", finding.id, finding.resource.name)
    })
    .collect()
}

#[test]
fn what_is_used_is_not_found_and_what_is_not_is() {
    assert_eq!(unused(USED), ["unused-transit-gateway-route-table table"]);
    for (written, instead, expected) in [
        ("table: {transit_gateway: hub}", "table: {transit_gateway: hub, associations: [at]}", ""),
        ("    - {cidr_block: 0.0.0.0/0, gateway: igw}\n", "", "unused-internet-gateway igw"),
        (
            "    - {ipv6_cidr_block: '::/0', egress_only_gateway: eigw}\n",
            "",
            "unused-egress-only-internet-gateway eigw",
        ),
        ("{cidr_block: 0.0.0.0/0, nat_gateway: nat}", "", "unused-nat-gateway nat"),
        (
            "    - {cidr_block: 10.1.0.0/16, vpc_peering_connection: p}\n",
            "",
            "unused-vpc-peering-connection p",
        ),
        ("    - {cidr_block: 192.168.0.0/16, gateway: vgw}\n", "", "unused-vpn-gateway vgw"),
        (
            "    - {destination_prefix_list: list, transit_gateway: hub}\n",
            "",
            "unused-managed-prefix-list list",
        ),
        (", route_table: u", "", "unused-route-table u"),
        (", network_acl: acl", "", "unused-network-acl acl"),
        (", security_groups: [h]", ", cidr_blocks: [10.0.0.0/8]", "unused-security-group h"),
        (
            ", b: {network_interfaces: [{network_interface: eth, device_index: 0}]}",
            "",
            "unused-network-interface eth",
        ),
        (", instance: a", "", "unused-eip f"),
    ] {
        assert!(USED.contains(written), "{written}");
        let all = unused(&USED.replace(written, instead));
        let others: Vec<&String> =
            all.iter().filter(|one| *one != "unused-transit-gateway-route-table table").collect();
        assert_eq!(others, if expected.is_empty() { vec![] } else { vec![expected] }, "without {written}");
    }
    let alone = format!("{USED}\n").replace("hub: {}}", "hub: {}, other: {}}");
    assert!(unused(&alone).contains(&"unused-transit-gateway other".to_owned()));
}

#[test]
fn two_groups_that_name_each_other_and_nobody_has_are_unused() {
    let round = USED.replace("  h: {vpc: v}\n", "  h: {vpc: v}\n  x: {vpc: v, ingress: [{protocol: '-1', security_groups: [y]}]}\n  y: {vpc: v, ingress: [{protocol: '-1', security_groups: [x]}]}\n");
    assert_eq!(found(&round, "unused-security-group"), ["security_groups.x", "security_groups.y"]);
}

#[test]
fn what_something_unknown_may_use_is_not_found_unused() {
    let none = USED.replace(", security_groups: [h]", ", cidr_blocks: [10.0.0.0/8]");
    assert_eq!(found(&none, "unused-security-group"), ["security_groups.h"]);
    let unknown = none.replace(
        "a: {subnet: s, security_groups: [g]}",
        "a: {subnet: s, security_groups: [g], not_modelled: groups after apply}",
    );
    assert!(found(&unknown, "unused-security-group").is_empty());
    let subnet = USED.replace(", network_acl: acl", "");
    assert_eq!(found(&subnet, "unused-network-acl").len(), 1);
    let unknown = subnet.replace("r: {vpc: v,", "r: {vpc: v, not_modelled: later,");
    assert!(found(&unknown, "unused-network-acl").is_empty());
}

#[test]
fn peers_with_the_same_addresses_are_found() {
    let network = |block: &str, six: &str| {
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}, w: {{cidr_block: {block}, ipv6_cidr_block: '{six}'}}}}\n\
             vpc_peering_connections: {{p: {{vpc: v, peer_vpc: w, auto_accept: true}}}}\n"
        )
    };
    assert_eq!(
        found(&network("10.0.0.0/20", "2001:db8:2::/56"), "overlapping-peers"),
        ["vpc_peering_connections.p"]
    );
    assert!(found(&network("10.1.0.0/16", "2001:db8:2::/56"), "overlapping-peers").is_empty());
    assert_eq!(one(&network("10.0.0.0/20", "2001:db8:2::/56"), "overlapping-peers").facts, ["PCX-01"]);
}

#[test]
fn two_peers_of_one_vpc_that_overlap_are_found_where_both_are_routed() {
    let network = |routes: &str| {
        format!(
            "vpcs: {{hub: {{cidr_block: 10.9.0.0/16}}, one: {{cidr_block: 10.0.0.0/16}}, two: {{cidr_block: 10.0.0.0/16}}}}\n\
             vpc_peering_connections: {{p: {{vpc: hub, peer_vpc: one, auto_accept: true}}, q: {{vpc: hub, peer_vpc: two, auto_accept: true}}}}\n\
             route_tables: {{hub/main: {{routes: [{{cidr_block: 10.0.0.0/16, vpc_peering_connection: p}}{routes}]}}}}\n"
        )
    };
    let both = network(", {cidr_block: 10.0.1.0/24, vpc_peering_connection: q}");
    let finding = one(&both, "overlapping-peers");
    assert_eq!((finding.resource.name.as_str(), finding.severity), ("hub", Severity::Warning));
    assert!(found(&network(""), "overlapping-peers").is_empty());
}

#[test]
fn what_a_transit_gateway_does_not_propagate_is_found_where_it_was_to() {
    let network = |block: &str, propagation: &str| {
        format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, w: {{cidr_block: {block}}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, t: {{vpc: w, cidr_block: {}}}}}\n\
             transit_gateways: {{hub: {{default_route_table_propagation: {propagation}}}}}\n\
             transit_gateway_vpc_attachments: {{at-v: {{transit_gateway: hub, vpc: v, subnets: [s]}}, at-w: {{transit_gateway: hub, vpc: w, subnets: [t]}}}}\n",
            block.replace("/16", "/24")
        )
    };
    let finding = one(&network("10.0.0.0/16", "enable"), "overlapping-peers");
    assert_eq!((finding.resource.name.as_str(), finding.facts), ("at-w", vec!["TGW-11".to_owned()]));
    assert!(found(&network("10.0.0.0/16", "disable"), "overlapping-peers").is_empty());
    assert!(found(&network("10.1.0.0/16", "enable"), "overlapping-peers").is_empty());
}

#[test]
fn more_than_aws_grants_unasked_is_found_unless_the_document_speaks_of_quotas() {
    let vpcs = |count: usize| {
        let vpcs: Vec<String> = (0..count).map(|n| format!("v{n}: {{cidr_block: 10.{n}.0.0/16}}")).collect();
        format!("vpcs: {{{}}}\n", vpcs.join(", "))
    };
    assert!(found(&vpcs(5), "beyond-default-quota").is_empty());
    let finding = one(&vpcs(6), "beyond-default-quota");
    assert_eq!((finding.resource.kind.as_str(), finding.facts), ("vpcs", vec!["QUOTA-01".to_owned()]));
    for quotas in ["none", "aws-max", "{vpcs_per_region: 10}"] {
        let spoken = format!("quotas: {quotas}\n{}", vpcs(6));
        assert!(found(&spoken, "beyond-default-quota").is_empty(), "{quotas}");
    }
}
