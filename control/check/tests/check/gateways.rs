//! Through each gateway: what does the receiver see when it works, and who is named when it does not?

use vpclab_api::{ExplainRequest, Explanation, RuleReference};

use crate::{Network, request, yaml};

/// A private host behind a NAT gateway.
const NAT: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}}
internet_gateways: {igw: {vpc: v}}
eips: {e: {public_ip: 203.0.113.9}}
nat_gateways: {nat: {subnet: pub, allocation: e, private_ip: 10.0.0.220}}
route_tables:
  pub: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  in: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}, {ipv6_cidr_block: '64:ff9b::/96', nat_gateway: nat}]}
subnets:
  pub: {vpc: v, cidr_block: 10.0.0.0/24, route_table: pub}
  in: {vpc: v, cidr_block: 10.0.1.0/24, ipv6_cidr_block: 2001:db8:1:1::/64, route_table: in}
instances: {a: {subnet: in, ipv6_addresses: ['2001:db8:1:1::a']}}
internet_hosts: {h: {address: 198.51.100.7}}
";

/// Two peers; `w` has a host, and `v` ways on to the internet and to a NAT gateway.
const PEERING: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}, w: {cidr_block: 10.1.0.0/16, ipv6_cidr_block: 2001:db8:2::/56}}
internet_gateways: {igw: {vpc: v}}
eips: {e: {public_ip: 203.0.113.9}}
nat_gateways: {nat: {subnet: s, allocation: e, private_ip: 10.0.0.220}}
vpc_peering_connections: {p: {vpc: v, peer_vpc: w, auto_accept: true}}
route_tables:
  v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {cidr_block: 10.1.0.0/16, vpc_peering_connection: p}, {ipv6_cidr_block: '2001:db8:2::/56', vpc_peering_connection: p}]}
  w/main: {routes: [{cidr_block: 0.0.0.0/0, vpc_peering_connection: p}, {ipv6_cidr_block: '2001:db8:1::/56', vpc_peering_connection: p}]}
subnets:
  s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 2001:db8:1:1::/64}
  t: {vpc: w, cidr_block: 10.1.0.0/24, ipv6_cidr_block: 2001:db8:2:1::/64}
security_groups:
  v: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}]}
  w: {vpc: w, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}]}
instances:
  a: {subnet: s, private_ip: 10.0.0.10, ipv6_addresses: ['2001:db8:1:1::a'], security_groups: [v]}
  b: {subnet: t, private_ip: 10.1.0.10, ipv6_addresses: ['2001:db8:2:1::b'], security_groups: [w]}
internet_hosts: {h: {address: 198.51.100.7}}
";

/// Two VPCs at a transit gateway whose tables, ASSOCIATED and ROUTES, a test says. `far` is in a zone of its own.
const TRANSIT: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}, w: {cidr_block: 10.1.0.0/16, ipv6_cidr_block: 2001:db8:2::/56}}
transit_gateways: {hub: {default_route_table_association: disable, default_route_table_propagation: disable}}
transit_gateway_vpc_attachments:
  at-v: {transit_gateway: hub, vpc: v, subnets: [s], ipv6_support: enable}
  at-w: {transit_gateway: hub, vpc: w, subnets: [t], ipv6_support: enable}
transit_gateway_route_tables:
  table: {transit_gateway: hub, associations: ASSOCIATED, propagations: [at-v], routes: ROUTES}
route_tables:
  v/main: {routes: [{cidr_block: 10.0.0.0/8, transit_gateway: hub}, {ipv6_cidr_block: '2001:db8::/32', transit_gateway: hub}]}
  w/main: {routes: [{cidr_block: 10.0.0.0/8, transit_gateway: hub}, {ipv6_cidr_block: '2001:db8::/32', transit_gateway: hub}]}
subnets:
  s: {vpc: v, availability_zone: us-east-1a, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 2001:db8:1:1::/64}
  far: {vpc: v, availability_zone: us-east-1b, cidr_block: 10.0.1.0/24}
  t: {vpc: w, availability_zone: us-east-1a, cidr_block: 10.1.0.0/24, ipv6_cidr_block: 2001:db8:2:1::/64}
security_groups: {w: {vpc: w, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}]}}
instances:
  a: {subnet: s, private_ip: 10.0.0.10, ipv6_addresses: ['2001:db8:1:1::a']}
  c: {subnet: far, private_ip: 10.0.1.10}
  b: {subnet: t, private_ip: 10.1.0.10, ipv6_addresses: ['2001:db8:2:1::b'], security_groups: [w]}
";

/// An office behind a virtual private gateway, and a VPC that reaches the gateway's by a transit gateway.
const PRIVATE: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.1.0.0/16}}
vpn_gateways: {vgw: {vpc: v}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments:
  at-v: {transit_gateway: hub, vpc: v, subnets: [s]}
  at-w: {transit_gateway: hub, vpc: w, subnets: [t]}
transit_gateway_route_tables: {hub/default: {routes: [{destination_cidr_block: 192.168.0.0/16, attachment: at-v}]}}
route_tables:
  v/main: {propagating_vgws: [vgw], routes: [{cidr_block: 10.1.0.0/16, transit_gateway: hub}]}
  w/main: {routes: [{cidr_block: 0.0.0.0/0, transit_gateway: hub}]}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: w, cidr_block: 10.1.0.0/24}}
security_groups: {v: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances: {a: {subnet: s, private_ip: 10.0.0.10, security_groups: [v]}, b: {subnet: t, private_ip: 10.1.0.10}}
customer_gateways: {cgw: {bgp_asn: 65001, ip_address: 198.51.100.1}}
vpn_connections: {vpn: {vpn_gateway: vgw, customer_gateway: cgw, tunnels: [up, up]}}
customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}
customer_hosts: {desk: {customer_network: office, address: 192.168.0.7}}
";

/// A host that IPv6 leaves from, and nobody enters to.
const EGRESS_ONLY: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}}
egress_only_internet_gateways: {eigw: {vpc: v}}
route_tables: {v/main: {routes: [{ipv6_cidr_block: '::/0', egress_only_gateway: eigw}]}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 2001:db8:1:1::/64}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', ipv6_cidr_blocks: ['::/0']}]}}
instances: {a: {subnet: s, ipv6_addresses: ['2001:db8:1:1::a'], security_groups: [open]}}
internet_hosts: {h: {ipv6_address: '2001:db8:ffff::7'}}
";

/// The gateway's table leads the web server's subnet by a middlebox, BOX.
const EDGE: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
route_tables:
  edge: {vpc: v, gateways: [igw], routes: [{cidr_block: 10.0.1.0/24, network_interface: box}]}
  web: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, WAY_OUT}]}
  middle: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
subnets: {web: {vpc: v, cidr_block: 10.0.1.0/24, route_table: web}, middle: {vpc: v, cidr_block: 10.0.2.0/24, route_table: middle}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances:
  web: {subnet: web, public_ip: 203.0.113.10, associate_public_ip_address: true, security_groups: [open]}
  box: {subnet: middle, source_dest_check: false, security_groups: [open]BOX}
internet_hosts: {h: {address: 198.51.100.7}}
";

/// S3 by a gateway endpoint, a queue by an interface endpoint.
const ENDPOINTS: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 2001:db8:1:1::/64}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}]}}
instances: {a: {subnet: s, private_ip: 10.0.0.10, ipv6_addresses: ['2001:db8:1:1::a'], security_groups: [open]}}
services:
  com.amazonaws.us-east-1.s3: {address: 52.216.10.20, ipv6_address: '2600:1fa0:4000::5', cidr_blocks: [52.216.0.0/15], ipv6_cidr_blocks: ['2600:1fa0:4000::/40']}
  com.amazonaws.us-east-1.sqs: {address: 10.9.0.9, ipv6_address: '2600:1fa0:9000::9'}
vpc_endpoints:
  s3: {vpc: v, service_name: com.amazonaws.us-east-1.s3, route_tables: [v/main], ip_address_type: dualstack}
  sqs: {vpc: v, vpc_endpoint_type: Interface, service_name: com.amazonaws.us-east-1.sqs, subnets: [s], security_groups: [open], ip_address_type: dualstack}
";

fn transit(associated: &str, routes: &str) -> String {
    TRANSIT.replace("ASSOCIATED", associated).replace("ROUTES", routes)
}

fn edge(way_out: &str, middlebox: &str) -> String {
    EDGE.replace("WAY_OUT", way_out).replace("]BOX", &format!("]{middlebox}"))
}

fn ask(document: &str, from: &str, to: &str, family: Option<u8>) -> Explanation {
    let request = ExplainRequest { family, ..request(from, to) };
    yaml(document).ask(&request).unwrap_or_else(|error| panic!("{from} → {to}: {error}"))
}

/// The document, who asks whom in which family, and what denies it.
type Refused<'a> = (String, &'a str, &'a str, Option<u8>, &'a [&'a str]);

/// The same, and what the receiver sees by which gateways, then what the asker sees of the reply and by which.
type Passing<'a> = (&'a str, &'a str, &'a str, Option<u8>, [&'a str; 4]);

/// `CODE direction resource [rule]: sentence` of every blocker.
fn denials(answer: &Explanation) -> Vec<String> {
    let told = answer.blockers.iter().map(|blocker| {
        let rule = match &blocker.rule {
            None => String::new(),
            Some(RuleReference::Number(number)) => format!(" [{number}]"),
            Some(RuleReference::Text(text)) => format!(" [{text}]"),
        };
        let resource = blocker.resource.as_deref().unwrap_or("-");
        format!("{} {} {resource}{rule}: {}", blocker.code, blocker.direction, blocker.message)
    });
    told.collect()
}

#[test]
fn each_gateways_refusal_has_its_code_its_resource_and_its_sentence() {
    let both = "[at-v, at-w]";
    let peering_broken = PEERING.replace("auto_accept: true", "state: pending-acceptance");
    let cases: Vec<Refused<'_>> = vec![
        (
            NAT.to_owned(),
            "a",
            "h/esp",
            None,
            &["PROTOCOL_RESTRICTION forward nat: NAT gateway nat translates TCP, UDP and ICMP only"],
        ),
        (
            NAT.to_owned(),
            "h",
            "203.0.113.9:443",
            None,
            &["NGW_NO_MAPPING forward nat: NAT gateway nat has no flow that this belongs to"],
        ),
        (
            PEERING.to_owned(),
            "b",
            "10.0.0.220:443",
            None,
            &["NGW_REQUIRES_SOURCE_IN_VPC forward nat: NAT gateway nat serves only who is inside its VPC"],
        ),
        (
            PEERING.to_owned(),
            "b",
            "h:443",
            None,
            &[
                "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR forward p: VPC peering connection p leads into VPC v and no further, and the destination is not in it",
            ],
        ),
        (
            peering_broken,
            "b",
            "a:443",
            Some(4),
            &[
                "BAD_STATE_ROUTE forward w/main [0.0.0.0/0]: the route 0.0.0.0/0 of route table w/main is a blackhole",
            ],
        ),
        (
            transit(both, "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "c",
            "b:443",
            None,
            &[
                "TGW_ROUTE_AZ_RESTRICTION forward hub: transit gateway hub cannot be used from subnet far: attachment at-v has no subnet in us-east-1b",
            ],
        ),
        (
            transit("[at-w]", "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION forward at-v: attachment at-v is associated with no route table of transit gateway hub",
            ],
        ),
        (
            transit("[at-v]", "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION return at-w: attachment at-w is associated with no route table of transit gateway hub",
            ],
        ),
        (
            transit(both, "[]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_RTB_NO_ROUTE_TO_TGW_ATTACHMENT forward table: transit gateway route table table has no route to the destination",
            ],
        ),
        (
            transit(both, "[{destination_cidr_block: '2001:db8:2::/56', blackhole: true}]"),
            "a",
            "b:443",
            Some(6),
            &[
                "TGW_RTB_BAD_STATE_ROUTE forward table [2001:db8:2::/56]: the route 2001:db8:2::/56 of transit gateway route table table is a blackhole",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "b",
            "desk:443",
            None,
            &[
                "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS forward vgw: virtual private gateway vgw refuses a source that belongs to no interface of its VPC",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "desk",
            "10.0.0.99:443",
            None,
            &[
                "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS forward vgw: virtual private gateway vgw leads to interfaces of its VPC and no further, and the destination is none of them",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "desk",
            "b:443",
            None,
            &[
                "NO_ROUTE_TO_DESTINATION forward office: customer network office has no route to the destination",
            ],
        ),
        (
            EGRESS_ONLY.to_owned(),
            "h",
            "a:443",
            None,
            &[
                "EGRESS_ONLY_INTERNET_GATEWAY_INGRESS forward eigw: egress-only internet gateway eigw lets in only what belongs to a flow opened from inside",
            ],
        ),
        (
            edge("network_interface: box", ""),
            "h",
            "web:443",
            None,
            &[
                "INGRESS_RTB_NO_PUBLIC_IP forward box: box, to which the gateway's route table leads, has no public address",
            ],
        ),
        (
            edge("gateway: igw", ", public_ip: 203.0.113.30, associate_public_ip_address: true"),
            "web",
            "h:443",
            None,
            &[
                "INGRESS_RTB_TRAFFIC_REDIRECTION forward igw: igw takes nothing directly from subnet web: its route table sends what is for the subnet to box, so the way out must lead there too",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "a",
            "com.amazonaws.us-east-1.s3:443/udp",
            Some(4),
            &[
                "VPCE_GATEWAY_PROTOCOL_RESTRICTION forward s3: VPC endpoint s3 forwards TCP and echo requests only, and TCP and echo replies back",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "a",
            "vpce/sqs/s:443/udp",
            Some(4),
            &[
                "PROTOCOL_RESTRICTION forward sqs: VPC endpoint sqs forwards only what service com.amazonaws.us-east-1.sqs offers",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "com.amazonaws.us-east-1.sqs",
            "a:443",
            Some(4),
            &[
                "VPCE_INTRA_VPC_TRAFFIC forward com.amazonaws.us-east-1.sqs: service com.amazonaws.us-east-1.sqs opens no connection into its clients' VPCs",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "vpce/sqs/s",
            "a:443",
            Some(4),
            &["VPCE_INTRA_VPC_TRAFFIC forward sqs: VPC endpoint sqs opens no connection into its own VPC"],
        ),
        (
            ENDPOINTS.replace("[open], ip_address_type", "[open], state: pending, ip_address_type"),
            "a",
            "vpce/sqs/s:443",
            Some(4),
            &["BAD_STATE forward sqs: VPC endpoint sqs is not available"],
        ),
    ];
    let mut wrong = Vec::new();
    for (document, from, to, family, expected) in cases {
        let answer = ask(&document, from, to, family);
        let told = denials(&answer);
        if told != expected || answer.reachable != Some(false) {
            wrong
                .push(format!("{from} → {to}: {:?}\n  {told:#?}\n  and not {expected:#?}", answer.reachable));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `ADDRESS PORT → ADDRESS PORT` as the receiver sees it.
fn seen(leg: &vpclab_api::Leg) -> String {
    let Some(observed) = &leg.observed else { return "nobody".to_owned() };
    let end =
        |end: &vpclab_api::ObservedEnd| format!("{} {}", end.address, end.port.as_deref().unwrap_or("-"));
    format!("{} → {}", end(&observed.source), end(&observed.destination))
}

/// The components of a way that are no interface, filter or route table.
fn gateways(leg: &vpclab_api::Leg) -> String {
    let known = ["network_interface", "source_dest_check", "security_group", "network_acl", "route_table"];
    let steps = leg.steps.iter().filter(|step| !known.contains(&step.component.as_str()));
    steps.map(|step| format!("{} {}", step.component, step.resource)).collect::<Vec<_>>().join(", ")
}

#[test]
fn through_each_gateway_both_ends_see_what_they_should_and_the_reply_takes_its_way_back() {
    let ways = transit(
        "[at-v, at-w]",
        "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}, {destination_cidr_block: '2001:db8:2::/56', attachment: at-w}]",
    );
    let boxed =
        edge("network_interface: box", ", public_ip: 203.0.113.30, associate_public_ip_address: true");
    let cases: Vec<Passing<'_>> = vec![
        (
            NAT,
            "a",
            "h:443",
            Some(4),
            [
                "203.0.113.9 1024-65535 → 198.51.100.7 443",
                "nat_gateway nat, internet_gateway igw, internet h",
                "198.51.100.7 443 → 10.0.1.4 32768-60999",
                "internet_gateway igw, nat_gateway nat",
            ],
        ),
        (
            NAT,
            "a",
            "[64:ff9b::c633:6407]:443",
            None,
            [
                "203.0.113.9 1024-65535 → 198.51.100.7 443",
                "nat_gateway nat, internet_gateway igw, internet h",
                "64:ff9b::c633:6407 443 → 2001:db8:1:1::a 32768-60999",
                "internet_gateway igw, nat_gateway nat",
            ],
        ),
        (
            PEERING,
            "b",
            "a:443",
            Some(4),
            [
                "10.1.0.10 32768-60999 → 10.0.0.10 443",
                "vpc_peering_connection p",
                "10.0.0.10 443 → 10.1.0.10 32768-60999",
                "vpc_peering_connection p",
            ],
        ),
        (
            PEERING,
            "b",
            "a:443",
            Some(6),
            [
                "2001:db8:2:1::b 32768-60999 → 2001:db8:1:1::a 443",
                "vpc_peering_connection p",
                "2001:db8:1:1::a 443 → 2001:db8:2:1::b 32768-60999",
                "vpc_peering_connection p",
            ],
        ),
        (
            &ways,
            "a",
            "b:443",
            Some(4),
            [
                "10.0.0.10 32768-60999 → 10.1.0.10 443",
                "transit_gateway_route_table table, transit_gateway hub",
                "10.1.0.10 443 → 10.0.0.10 32768-60999",
                "transit_gateway_route_table table, transit_gateway hub",
            ],
        ),
        (
            &ways,
            "a",
            "b:443",
            Some(6),
            [
                "2001:db8:1:1::a 32768-60999 → 2001:db8:2:1::b 443",
                "transit_gateway_route_table table, transit_gateway hub",
                "2001:db8:2:1::b 443 → 2001:db8:1:1::a 32768-60999",
                "transit_gateway_route_table table, transit_gateway hub",
            ],
        ),
        (
            PRIVATE,
            "a",
            "desk:443",
            None,
            [
                "10.0.0.10 32768-60999 → 192.168.0.7 443",
                "vpn_gateway vgw, vpn_connection vpn, customer_host desk",
                "192.168.0.7 443 → 10.0.0.10 32768-60999",
                "customer_network office, vpn_connection vpn, vpn_gateway vgw",
            ],
        ),
        (
            PRIVATE,
            "desk",
            "a:443",
            None,
            [
                "192.168.0.7 32768-60999 → 10.0.0.10 443",
                "customer_network office, vpn_connection vpn, vpn_gateway vgw",
                "10.0.0.10 443 → 192.168.0.7 32768-60999",
                "vpn_gateway vgw, vpn_connection vpn, customer_host desk",
            ],
        ),
        (
            EGRESS_ONLY,
            "a",
            "h:443",
            None,
            [
                "2001:db8:1:1::a 32768-60999 → 2001:db8:ffff::7 443",
                "egress_only_internet_gateway eigw, internet h",
                "2001:db8:ffff::7 443 → 2001:db8:1:1::a 32768-60999",
                "egress_only_internet_gateway eigw",
            ],
        ),
        (
            &boxed,
            "h",
            "web:443",
            None,
            [
                "198.51.100.7 32768-60999 → 10.0.1.4 443",
                "internet_gateway igw, guest box",
                "203.0.113.10 443 → 198.51.100.7 32768-60999",
                "guest box, internet_gateway igw, internet h",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "com.amazonaws.us-east-1.s3:443",
            Some(4),
            [
                "10.0.0.10 32768-60999 → 52.216.10.20 443",
                "vpc_endpoint s3, service com.amazonaws.us-east-1.s3",
                "52.216.10.20 443 → 10.0.0.10 32768-60999",
                "vpc_endpoint s3",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "com.amazonaws.us-east-1.s3:443",
            Some(6),
            [
                "2001:db8:1:1::a 32768-60999 → 2600:1fa0:4000::5 443",
                "vpc_endpoint s3, service com.amazonaws.us-east-1.s3",
                "2600:1fa0:4000::5 443 → 2001:db8:1:1::a 32768-60999",
                "vpc_endpoint s3",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "vpce/sqs/s:443",
            Some(4),
            [
                "100.64.0.1 1024-65535 → 10.9.0.9 443",
                "vpc_endpoint sqs, service com.amazonaws.us-east-1.sqs",
                "10.0.0.4 443 → 10.0.0.10 32768-60999",
                "vpc_endpoint sqs",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (document, from, to, family, expected) in cases {
        let answer = ask(document, from, to, family);
        let back = answer.back.as_ref();
        let told = [
            seen(&answer.forward),
            gateways(&answer.forward),
            back.map(seen).unwrap_or_default(),
            back.map(gateways).unwrap_or_default(),
        ];
        if answer.reachable != Some(true) || told != expected {
            let why = denials(&answer);
            wrong.push(format!(
                "{from} → {to}: {:?} {why:?}\n  {told:#?}\n  and not {expected:#?}",
                answer.reachable
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The false green of every NAT gateway: a network ACL around it that forgets part of the ports it lends.
#[test]
fn an_acl_that_lets_only_part_of_the_lent_ports_through_is_no_with_the_ports_that_die() {
    for (direction, open) in [("ingress", "egress"), ("egress", "ingress")] {
        let ports = if direction == "ingress" {
            "from_port: 32768, to_port: 60999"
        } else {
            "from_port: 443, to_port: 443"
        };
        let guarded = NAT.replace("pub: {vpc: v, cidr_block", "pub: {vpc: v, network_acl: edge, cidr_block")
            + &format!(
                "network_acls: {{edge: {{vpc: v, {open}: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}],\n\
                   {direction}: [{{rule_no: 90, action: allow, protocol: '-1', cidr_block: 10.0.0.0/16}},\n\
                     {{rule_no: 100, action: allow, protocol: tcp, {ports}, cidr_block: 0.0.0.0/0}}]}}}}\n"
            );
        let answer = ask(&guarded, "a", "h:443", Some(4));
        if direction == "egress" {
            assert_eq!(answer.reachable, Some(true), "{answer:#?}");
            continue;
        }
        assert_eq!(answer.reachable, Some(false));
        let [blocker] = answer.blockers.as_slice() else { panic!("{answer:#?}") };
        assert_eq!((blocker.code.as_str(), blocker.direction.as_str()), ("SUBNET_ACL_RESTRICTION", "return"));
        let lent: Vec<_> = blocker.partial.iter().map(|part| part.nat_ports.as_deref().unwrap()).collect();
        assert_eq!(lent, ["1024-32767", "61000-65535"]);
        let passing: Vec<_> = answer.not_denied.iter().map(|part| part.nat_ports.as_deref()).collect();
        assert_eq!(passing, [Some("32768-60999")]);
        let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
        assert!(text.contains("where a NAT gateway lends port 1024-32767"), "{text}");
    }
}

/// An attachment whose VPC has a subnet without the firewall's route: a flow from another zone takes any of the two.
fn network_with_two_doors(allowed: &str) -> Network {
    let document = transit(
        "[at-v, at-w]",
        "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]",
    )
    .replace("subnets: [t], ", "subnets: [t1, t2], ")
    .replace(
        "  t: {vpc: w, availability_zone: us-east-1a,",
        &format!(
            "  t1: {{vpc: w, availability_zone: us-east-1c, cidr_block: 10.1.1.0/24, ipv6_cidr_block: 2001:db8:2:2::/64}}\n  \
             t2: {{vpc: w, availability_zone: us-east-1d, cidr_block: 10.1.2.0/24, ipv6_cidr_block: 2001:db8:2:3::/64, network_acl: {allowed}}}\n  \
             t: {{vpc: w, availability_zone: us-east-1c,"
        ),
    ) + "network_acls: {shut: {vpc: w}, open: {vpc: w, ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}], egress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n";
    yaml(&document)
}

#[test]
fn what_depends_on_a_random_choice_of_gateways_is_never_a_plain_yes_or_no() {
    let four = ExplainRequest { family: Some(4), ..request("a", "b:443") };
    let answer = network_with_two_doors("open").ask(&four).unwrap();
    assert_eq!((answer.reachable, answer.by_choice), (Some(true), false), "{:#?}", denials(&answer));
    let network = network_with_two_doors("shut");
    let answer = network.ask(&four).unwrap();
    assert_eq!((answer.reachable, answer.by_choice), (Some(false), true), "{answer:#?}");
    assert!(answer.blockers.iter().all(|blocker| blocker.by_choice), "{answer:#?}");
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
    assert!(text.contains("partial") && text.contains("only on some of the ways"), "{text}");
    let tests = [vpclab_api::Expected::Allowed, vpclab_api::Expected::Denied].map(|expected| {
        vpclab_check::TestCase {
            name: "by chance".to_owned(),
            request: four.clone(),
            expected,
            because: vpclab_check::Because::default(),
            source_seen: None,
        }
    });
    for result in vpclab_check::run(&network.topology, &network.fabric, "a.tests.json", &tests, None, |_| {})
    {
        assert!(!result.passed, "{:?}", result.expected);
    }
}

#[test]
fn a_source_that_a_gateway_picks_at_random_is_told_with_the_others() {
    let two = NAT
        .replace(
            "private_ip: 10.0.0.220}",
            "private_ip: 10.0.0.220, secondary_allocations: [f], secondary_private_ips: [10.0.0.221]}",
        )
        .replace("eips: {", "eips: {f: {public_ip: 203.0.113.8}, ");
    let answer = ask(&two, "a", "h:443", Some(4));
    assert_eq!(answer.reachable, Some(true));
    let observed = answer.forward.observed.unwrap();
    let mut sources = vec![observed.source.address];
    sources.extend(observed.other_sources);
    sources.sort();
    assert_eq!(sources, ["203.0.113.8", "203.0.113.9"]);
    let network = yaml(&two);
    let test = vpclab_check::TestCase {
        name: "source".to_owned(),
        request: request("a", "h:443"),
        expected: vpclab_api::Expected::Allowed,
        because: vpclab_check::Because::default(),
        source_seen: Some("203.0.113.9".parse().unwrap()),
    };
    let results =
        vpclab_check::run(&network.topology, &network.fabric, "a.tests.json", &[test], None, |_| {});
    assert!(!results[0].passed && results[0].failures[0].contains("at random"), "{:?}", results[0].failures);
}

#[test]
fn the_internet_is_nobody_whom_a_gateway_knows() {
    // A black hole for half of the internet at the transit gateway, and a customer network of public addresses.
    let hole = "[{destination_cidr_block: 0.0.0.0/0, attachment: at-w}, {destination_cidr_block: 128.0.0.0/1, blackhole: true}]";
    let document = transit("[at-v, at-w]", hole)
        .replace("10.0.0.0/8, transit_gateway: hub}, {ipv6_cidr_block: '2001:db8::/32', transit_gateway: hub}]}\n  w/main", "0.0.0.0/0, transit_gateway: hub}]}\n  w/main")
        .replace("w/main: {routes: [", "w/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, ")
        + "internet_gateways: {igw: {vpc: w}}\n";
    let answer = ask(&document, "a", "internet:443", Some(4));
    assert_eq!(answer.reachable, Some(false));
    let codes: Vec<_> = answer.blockers.iter().map(|blocker| blocker.code.as_str()).collect();
    assert!(
        codes.contains(&"TGW_RTB_BAD_STATE_ROUTE") || codes.contains(&"GATEWAY_REJECTS_SPOOFED_TRAFFIC"),
        "{codes:?}"
    );
    let office = NAT.to_owned()
        + "vpn_gateways: {vgw: {vpc: v}}\ncustomer_gateways: {cgw: {bgp_asn: 65001, ip_address: 198.51.100.1}}\n\
           vpn_connections: {vpn: {vpn_gateway: vgw, customer_gateway: cgw}}\n\
           customer_networks: {office: {cidr_blocks: [192.0.2.0/24], customer_gateways: [cgw]}}\n\
           customer_hosts: {desk: {customer_network: office, address: 192.0.2.1}}\n";
    let answer = ask(&office, "a", "internet:443", Some(4));
    assert_eq!(answer.reachable, Some(true), "{:#?}", denials(&answer));
    let address = answer.to.address.unwrap();
    assert!(!address.starts_with("192.0.2."), "{address}");
}

#[test]
fn an_undeclared_service_behind_an_endpoint_is_unknown() {
    let undeclared = ENDPOINTS.replace(
        "  com.amazonaws.us-east-1.sqs: {address: 10.9.0.9, ipv6_address: '2600:1fa0:9000::9'}\n",
        "",
    );
    let network = yaml(&undeclared);
    let four = ExplainRequest { family: Some(4), ..request("a", "10.0.0.4:443") };
    let answer = network.ask(&four).unwrap();
    assert_eq!(answer.reachable, None, "{answer:#?}");
    for expected in [vpclab_api::Expected::Allowed, vpclab_api::Expected::Denied] {
        let test = vpclab_check::TestCase {
            name: "unknown".to_owned(),
            request: four.clone(),
            expected,
            because: vpclab_check::Because::default(),
            source_seen: None,
        };
        let results =
            vpclab_check::run(&network.topology, &network.fabric, "a.tests.json", &[test], None, |_| {});
        assert!(!results[0].passed, "{expected:?}");
    }
}

#[test]
fn ends_that_make_no_question_are_refused_in_words_that_are_true_of_them() {
    let network = yaml(&(PRIVATE.to_owned() + "internet_hosts: {h: {address: 198.51.100.7}}\n"));
    // A customer's host is not on the internet: that nothing leads there is an answer.
    for (from, to) in [
        ("h", "desk:443"),
        ("internet:198.51.100.9", "192.168.0.7:443"),
        ("desk", "h:443"),
        ("desk", "internet:443"),
    ] {
        let answer = network.explain(from, to);
        assert_eq!(answer.reachable, Some(false), "{from} → {to}: {answer:#?}");
        assert!(!answer.blockers.is_empty());
    }
    let error = network.refusal("h", "internet:443");
    assert!(error.error.message.contains("both on the internet"), "{}", error.error.message);
}

#[test]
fn a_choice_between_prefix_lists_that_aws_makes_at_random_is_assumed_aloud() {
    let lists = PEERING.replace(
        "{cidr_block: 0.0.0.0/0, vpc_peering_connection: p}, ",
        "{destination_prefix_list: one, vpc_peering_connection: p}, {destination_prefix_list: two, network_interface: c}, ",
    ) + "  c: {subnet: t, source_dest_check: false}\n\
         managed_prefix_lists:\n\
         \x20 one: {address_family: IPv4, max_entries: 2, entries: [{cidr: 10.0.0.0/16}]}\n\
         \x20 two: {address_family: IPv4, max_entries: 2, entries: [{cidr: 10.0.0.0/16}]}\n";
    let lists = lists.replace("internet_hosts: {h: {address: 198.51.100.7}}\n", "");
    let answer = ask(&lists, "b", "a:443", Some(4));
    let told = answer.assumed.iter().find(|assumed| assumed.resource == "w/main").unwrap();
    assert!(told.assumption.contains("at random") && told.assumption.contains("one"), "{}", told.assumption);
}

#[test]
fn a_virtual_private_gateway_is_read_as_sending_to_its_link_and_taking_from_it() {
    let answer = ask(PRIVATE, "a", "desk:443", None);
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("virtual private gateway")).collect();
    let [there, back] = lines.as_slice() else { panic!("{text}") };
    assert!(there.ends_with("to vpn") && back.ends_with("from vpn"), "{text}");
}
