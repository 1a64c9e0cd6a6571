//! Which networks do questions about gateways start from?

use vpclab_api::{ExplainRequest, Explanation, RuleReference};

use crate::{request, yaml};

/// A private host behind a NAT gateway.
pub(crate) const NAT: &str = "\
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
pub(crate) const PEERING: &str = "\
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
pub(crate) const TRANSIT: &str = "\
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
pub(crate) const PRIVATE: &str = "\
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
pub(crate) const EGRESS_ONLY: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 2001:db8:1::/56}}
egress_only_internet_gateways: {eigw: {vpc: v}}
route_tables: {v/main: {routes: [{ipv6_cidr_block: '::/0', egress_only_gateway: eigw}]}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 2001:db8:1:1::/64}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', ipv6_cidr_blocks: ['::/0']}]}}
instances: {a: {subnet: s, ipv6_addresses: ['2001:db8:1:1::a'], security_groups: [open]}}
internet_hosts: {h: {ipv6_address: '2001:db8:ffff::7'}}
";

/// The gateway's table leads the web server's subnet by a middlebox, BOX.
pub(crate) const EDGE: &str = "\
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
pub(crate) const ENDPOINTS: &str = "\
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

pub(crate) fn transit(associated: &str, routes: &str) -> String {
    TRANSIT.replace("ASSOCIATED", associated).replace("ROUTES", routes)
}

pub(crate) fn edge(way_out: &str, middlebox: &str) -> String {
    EDGE.replace("WAY_OUT", way_out).replace("]BOX", &format!("]{middlebox}"))
}

pub(crate) fn ask(document: &str, from: &str, to: &str, family: Option<u8>) -> Explanation {
    let request = ExplainRequest { family, ..request(from, to) };
    yaml(document).ask(&request).unwrap_or_else(|error| panic!("{from} → {to}: {error}"))
}

/// `CODE direction resource [rule]: sentence` of every blocker.
pub(crate) fn denials(answer: &Explanation) -> Vec<String> {
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
