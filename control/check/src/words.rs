//! How is what the engine decided said in words?
//!
//! Names for its indices, sentences for its reasons. What always holds: who is named in a sentence is named by the
//! word the user chose.

use std::net::IpAddr;

use vpclab_engine::explain::{Class, NAT_PORTS};
use vpclab_engine::plan::Egress;
use vpclab_engine::{
    AttachmentIdx, Direction, DropReason, Eni, EniIdx, Fabric, Role, RouteTarget, SecurityGroupIdx,
};
use vpclab_model::{
    NetworkAclEntry, Peer, PeeringState, Route, RouteState, RuleAction, Topology, Traffic, not_public,
};
use vpclab_wire::Protocol;

use vpclab_api::{Partial, RuleReference};

/// `ingress` or `egress`, as rules call the directions.
pub(crate) fn direction(direction: Direction) -> String {
    match direction {
        Direction::Inbound => "ingress",
        Direction::Outbound => "egress",
    }
    .to_owned()
}

/// The name of a protocol, else its number.
pub(crate) fn protocol(protocol: Protocol) -> String {
    match protocol {
        Protocol::TCP => "tcp".to_owned(),
        Protocol::UDP => "udp".to_owned(),
        Protocol::ICMP => "icmp".to_owned(),
        Protocol::ICMPV6 => "icmpv6".to_owned(),
        Protocol(number) => number.to_string(),
    }
}

/// `443`, or `1024-65535`.
pub(crate) fn ports(from: u16, to: u16) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}

/// The number of a network ACL's rule; `*` stands for the last one, which denies.
pub(crate) fn acl_rule(rule: Option<u16>) -> RuleReference {
    rule.map_or_else(|| RuleReference::Text("*".to_owned()), RuleReference::Number)
}

/// Where a route leads.
pub(crate) fn target(fabric: &Fabric, target: RouteTarget) -> String {
    match target {
        RouteTarget::Local => "local".to_owned(),
        RouteTarget::InternetGateway(gateway) => fabric.internet_gateways[gateway].name.to_string(),
        RouteTarget::NetworkInterface(eni) => fabric.enis[eni].name.to_string(),
        RouteTarget::EgressOnly(gateway) => fabric.egress_only[gateway].name.to_string(),
        RouteTarget::NatGateway(gateway) => fabric.nat_gateways[gateway].name.to_string(),
        RouteTarget::Endpoint(endpoint) => fabric.vpc_endpoints[endpoint].name.to_string(),
        RouteTarget::NotModelled(resource) => fabric.not_modelled[resource].name.to_string(),
        RouteTarget::VpnGateway(gateway) => fabric.vpn_gateways[gateway].name.to_string(),
        RouteTarget::Peering(peering) => fabric.peerings[peering].name.to_string(),
        RouteTarget::TransitGateway(attachment) => gateway_of(fabric, attachment),
    }
}

/// The transit gateway of an attachment.
fn gateway_of(fabric: &Fabric, attachment: AttachmentIdx) -> String {
    fabric.transit_gateways[fabric.transit_attachments[attachment].gateway].name.to_string()
}

/// A security group's rule, as in `web ingress[0]: tcp 443 from 0.0.0.0/0`. `about` is the family of the packet: a
/// declared rule with several peers is several rules, and one of the packet's family is shown.
pub(crate) fn group_rule(
    fabric: &Fabric,
    topology: &Topology,
    group: SecurityGroupIdx,
    way: Direction,
    declared_at: usize,
) -> String {
    let name = &fabric.security_groups[group].name;
    let place = format!("{name} {}[{declared_at}]", direction(way));
    let Some(group) = topology.security_groups.get(name) else { return place };
    let rules = match way {
        Direction::Inbound => &group.ingress,
        Direction::Outbound => &group.egress,
    };
    let meant: Vec<_> = rules.iter().filter(|rule| rule.declared_at == declared_at).collect();
    let Some(first) = meant.first() else { return place };
    format!("{place}: {}", group_permission(way, &first.traffic, meant.iter().map(|rule| &rule.peer)))
}

/// What a security group's rule allows, as in `tcp 443 from 0.0.0.0/0`; on the way out it is `to`.
pub fn group_permission<'a>(
    way: Direction,
    traffic: &Traffic,
    peers: impl IntoIterator<Item = &'a Peer>,
) -> String {
    let peers = peers.into_iter().map(ToString::to_string);
    format!("{traffic} {} {}", preposition(way), peers.collect::<Vec<_>>().join(", "))
}

/// An entry of a network ACL, as in `100 allow tcp 443 from 0.0.0.0/0`; on the way out it is `to`.
pub fn acl_entry(way: Direction, entry: &NetworkAclEntry) -> String {
    let action = match entry.action {
        RuleAction::Allow => "allow",
        RuleAction::Deny => "deny",
    };
    let NetworkAclEntry { rule_number, traffic, cidr, .. } = entry;
    format!("{rule_number} {action} {traffic} {} {cidr}", preposition(way))
}

fn preposition(way: Direction) -> &'static str {
    match way {
        Direction::Inbound => "from",
        Direction::Outbound => "to",
    }
}

/// A declared route, as in `0.0.0.0/0 → igw`.
pub fn route(route: &Route) -> String {
    let list = route.prefix_list.as_ref().map(|list| format!(" ({list})")).unwrap_or_default();
    let state = if route.state == RouteState::Blackhole { " (blackhole)" } else { "" };
    let unused = if route.overridden { " (unused: HIGHER_PRIORITY_ROUTE)" } else { "" };
    format!("{}{list} → {}{state}{unused}", route.destination, route.target)
}

/// How far a peering connection has come.
pub(crate) fn peering_state(state: PeeringState) -> &'static str {
    match state {
        PeeringState::Active => "active",
        PeeringState::PendingAcceptance => "pending acceptance",
        PeeringState::Failed => "failed",
        PeeringState::Rejected => "rejected",
        PeeringState::Expired => "expired",
        PeeringState::Deleted => "deleted",
    }
}

/// The interface that has a public IPv4 address in a VPC where no internet gateway takes packets for it.
pub(crate) fn without_gateway(fabric: &Fabric, address: IpAddr) -> Option<&Eni> {
    let has = |eni: &Eni| eni.public_addresses.iter().any(|(_, public)| IpAddr::V4(*public) == address);
    let owner = fabric.enis.iter().map(|(_, eni)| eni).find(|eni| has(eni))?;
    let mut gateways = fabric.internet_gateways.iter();
    (!gateways.any(|(_, gateway)| gateway.vpc == Some(owner.vpc))).then_some(owner)
}

/// Why nobody is reached at a public address: nobody has it, or whoever does is in a VPC without an internet gateway.
fn no_public_mapping(fabric: &Fabric, address: IpAddr) -> String {
    match without_gateway(fabric, address) {
        Some(eni) => {
            let vpc = &fabric.vpcs[eni.vpc].name;
            format!(
                "the VPC {vpc} of {}, which has the public address {address}, has no internet gateway",
                eni.name
            )
        }
        None => format!("the public address {address} belongs to no attached interface"),
    }
}

/// The groups of an interface.
pub(crate) fn groups(fabric: &Fabric, eni: EniIdx) -> Vec<String> {
    fabric.enis[eni]
        .security_groups
        .iter()
        .map(|&group| fabric.security_groups[group].name.to_string())
        .collect()
}

/// Some of the packets asked about.
pub(crate) fn partial(class: &Class, ipv6: bool) -> Partial {
    let bytes = |(from, to): (u8, u8)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    match *class {
        Class::Ports { protocol: number, source_ports, nat_ports, ports: destination } => Partial {
            protocol: protocol(number),
            source_ports: Some(ports(source_ports.from, source_ports.to)),
            nat_ports: (nat_ports != NAT_PORTS).then(|| ports(nat_ports.from, nat_ports.to)),
            ports: Some(ports(destination.from, destination.to)),
        },
        Class::Icmp { icmp_type, code } => Partial {
            protocol: protocol(class.protocol(ipv6)),
            source_ports: None,
            nat_ports: None,
            ports: Some(format!("type {} code {}", bytes(icmp_type), bytes(code))),
        },
        Class::Protocols { numbers } => {
            Partial { protocol: bytes(numbers), source_ports: None, nat_ports: None, ports: None }
        }
    }
}

/// Who takes a packet that leaves the engine.
pub(crate) fn receiver(fabric: &Fabric, egress: Egress) -> String {
    match egress {
        Egress::Interface(eni, _) => fabric.enis[eni].name.to_string(),
        Egress::Host(host) => fabric.hosts[host].name.to_string(),
        Egress::Internet(address) => format!("a host of the internet with the address {address}"),
    }
}

/// What a reason is about: the resource, the rule, and a sentence that names both.
pub(crate) struct Told {
    /// The declared name of the resource that denies.
    pub(crate) resource: Option<String>,
    /// The rule.
    pub(crate) rule: Option<RuleReference>,
    /// The groups, for security groups.
    pub(crate) groups: Vec<String>,
    /// The sentence.
    pub(crate) message: String,
}

/// Tells why a packet died.
pub(crate) fn tell(fabric: &Fabric, reason: &DropReason) -> Told {
    let plain = |resource: Option<String>, message: String| Told {
        resource,
        rule: None,
        groups: Vec::new(),
        message,
    };
    let eni_name = |eni: EniIdx| fabric.enis[eni].name.to_string();
    match *reason {
        DropReason::NetworkAcl { network_acl, subnet, direction: way, rule } => {
            let acl = fabric.network_acls[network_acl].name.to_string();
            let at = &fabric.subnets[subnet].name;
            let verb = if way == Direction::Inbound { "entering" } else { "leaving" };
            let (number, why) = match rule {
                Some(number) => (number.to_string(), ""),
                None => ("*".to_owned(), ": no numbered rule matches"),
            };
            let message = format!("network ACL {acl} rule {number} denies it on {verb} subnet {at}{why}");
            Told { resource: Some(acl), rule: Some(acl_rule(rule)), groups: Vec::new(), message }
        }
        DropReason::SecurityGroup { eni, lost_reference: true, .. } => {
            let groups = groups(fabric, eni);
            let name = eni_name(eni);
            let message = format!(
                "{name} refuses it: rules that refer to a security group do not match what another instance has \
                 forwarded; allow the sender's block instead"
            );
            Told { resource: Some(name), rule: None, groups, message }
        }
        DropReason::SecurityGroup { eni, direction: way, has_rules, .. } => {
            let groups = groups(fabric, eni);
            let name = eni_name(eni);
            let (noun, verb) = match groups.len() {
                1 => ("security group", "has"),
                _ => ("security groups", "have"),
            };
            let what = if has_rules { "rule that allows it" } else { "rule at all" };
            let message =
                format!("{noun} {} of {name} {verb} no {} {what}", groups.join(", "), direction(way));
            Told { resource: Some(name), rule: None, groups, message }
        }
        DropReason::SourceDestCheck { eni, direction: way } => {
            let name = eni_name(eni);
            let end = if way == Direction::Inbound { "destination" } else { "source" };
            let message = format!(
                "{name} refuses it: its {end} is not {name}'s own address (source/destination check)"
            );
            plain(Some(name), message)
        }
        DropReason::InstanceStopped { eni } => {
            let name = eni_name(eni);
            let message = format!("the instance of {name} is stopped");
            plain(Some(name), message)
        }
        DropReason::SteeredBack { subnet } => {
            plain(Some(fabric.subnets[subnet].name.to_string()), reason.to_string())
        }
        DropReason::NotForwarded { eni } => {
            let name = eni_name(eni);
            let message = format!("{name} gets it and sends on nothing that is not its own (`forwards`)");
            plain(Some(name), message)
        }
        DropReason::MiddleboxNotPublic { eni } => {
            let name = eni_name(eni);
            let message = format!("{name}, to which the gateway's route table leads, has no public address");
            plain(Some(name), message)
        }
        DropReason::RedirectedSubnet { gateway, subnet, middlebox } => {
            let gateway = fabric.internet_gateways[gateway].name.to_string();
            let (subnet, middlebox) = (&fabric.subnets[subnet].name, eni_name(middlebox));
            let message = format!(
                "{gateway} takes nothing directly from subnet {subnet}: its route table sends what is for the subnet to \
                 {middlebox}, so the way out must lead there too"
            );
            plain(Some(gateway), message)
        }
        DropReason::NoRoute { route_table } => {
            let table = fabric.route_tables[route_table].name.to_string();
            let message = format!("route table {table} has no route to the destination");
            plain(Some(table), message)
        }
        DropReason::Blackhole { route_table, destination } => {
            let table = fabric.route_tables[route_table].name.to_string();
            let message = format!("the route {destination} of route table {table} is a blackhole");
            let rule = Some(RuleReference::Text(destination.to_string()));
            Told { resource: Some(table), rule, groups: Vec::new(), message }
        }
        DropReason::NoSuchAddress { vpc, address } => {
            let vpc = fabric.vpcs[vpc].name.to_string();
            let message = format!("no interface of VPC {vpc} has the address {address}");
            plain(Some(vpc), message)
        }
        DropReason::NotAttached { eni } => {
            let name = eni_name(eni);
            let message = format!("network interface {name} is attached to no instance");
            plain(Some(name), message)
        }
        DropReason::NoPublicAddress { gateway, eni, ipv6: Some(source) } => {
            let gateway = fabric.internet_gateways[gateway].name.to_string();
            let why = not_public(IpAddr::V6(source)).unwrap_or("is not public");
            let message = format!(
                "{} sends from {source}, which {why}, so internet gateway {gateway} cannot send it out",
                eni_name(eni)
            );
            plain(Some(gateway), message)
        }
        DropReason::NoPublicAddress { gateway, eni, ipv6: None } => {
            let gateway = fabric.internet_gateways[gateway].name.to_string();
            let message = format!(
                "{} has no public IPv4 address, so internet gateway {gateway} cannot send it out",
                eni_name(eni)
            );
            plain(Some(gateway), message)
        }
        DropReason::NoPublicAddressForIngress { eni } => {
            let name = eni_name(eni);
            let message = format!("{name} has no public address that the internet can reach");
            plain(Some(name), message)
        }
        DropReason::NoPublicMapping { address } => {
            plain(None, no_public_mapping(fabric, address))
        }
        DropReason::SpoofedSource { gateway }
        | DropReason::PrivateDestination { gateway }
        | DropReason::SharedDestination { gateway } => {
            let gateway = fabric.internet_gateways[gateway].name.to_string();
            let why = match reason {
                DropReason::PrivateDestination { .. } => "does not forward to private (RFC 1918) addresses",
                DropReason::SharedDestination { .. } => "does not forward to 100.64.0.0/10 (RFC 6598)",
                _ => "takes only what interfaces of its VPC send as their own",
            };
            let message = format!("internet gateway {gateway} {why}");
            plain(Some(gateway), message)
        }
        DropReason::NonPublicDestination { address } => {
            let why = not_public(address).map_or_else(String::new, |why| format!(": it {why}"));
            plain(None, format!("the internet has no route to {address}{why}"))
        }
        DropReason::OutboundSmtp => plain(
            None,
            "AWS blocks TCP to port 25 of public IPv4 addresses until the account asks for it (settings.outbound_smtp)"
                .to_owned(),
        ),
        DropReason::EgressOnlyIpv6 { gateway } | DropReason::EgressOnlyUnsolicited { gateway } => {
            let name = fabric.egress_only[gateway].name.to_string();
            let why = match reason {
                DropReason::EgressOnlyIpv6 { .. } => "forwards public IPv6 only",
                _ => "lets in only what belongs to a flow opened from inside",
            };
            let message = format!("egress-only internet gateway {name} {why}");
            plain(Some(name), message)
        }
        DropReason::NatProtocol { gateway }
        | DropReason::NatIpv6 { gateway }
        | DropReason::NatFragment { gateway }
        | DropReason::NatNoMapping { gateway, .. }
        | DropReason::NatForeignClient { gateway }
        | DropReason::NatPortAllocation { gateway }
        | DropReason::NatUnavailable { gateway } => {
            let name = fabric.nat_gateways[gateway].name.to_string();
            let why = match reason {
                DropReason::NatProtocol { .. } => "translates TCP, UDP and ICMP only",
                DropReason::NatIpv6 { .. } => "translates IPv6 to 64:ff9b::/96 only",
                DropReason::NatFragment { .. } => "does not forward fragments of TCP or ICMP",
                DropReason::NatForeignClient { .. } => "serves only who is inside its VPC",
                DropReason::NatPortAllocation { .. } => "has no port left for this destination (ErrorPortAllocation)",
                DropReason::NatUnavailable { .. } => "has failed",
                _ => "has no flow that this belongs to",
            };
            let message = format!("NAT gateway {name} {why}");
            plain(Some(name), message)
        }
        DropReason::EndpointUnavailable { endpoint }
        | DropReason::EndpointProtocol { endpoint, .. }
        | DropReason::EndpointForeignClient { endpoint }
        | DropReason::EndpointSource { endpoint }
        | DropReason::EndpointNoFlow { endpoint }
        | DropReason::EndpointPortAllocation { endpoint }
        | DropReason::EndpointInitiates { endpoint } => {
            let endpoint = &fabric.vpc_endpoints[endpoint];
            let service = &fabric.hosts[endpoint.service].name;
            let why = match *reason {
                DropReason::EndpointUnavailable { .. } => "is not available".to_owned(),
                DropReason::EndpointProtocol { by_route: true, .. } => {
                    "forwards TCP and echo requests only, and TCP and echo replies back".to_owned()
                }
                DropReason::EndpointProtocol { .. } => format!("forwards only what service {service} offers"),
                DropReason::EndpointForeignClient { .. } => "serves the interfaces of its own VPC only".to_owned(),
                DropReason::EndpointSource { .. } => {
                    "lets only sources in its service's prefix list back".to_owned()
                }
                DropReason::EndpointPortAllocation { .. } => {
                    "has no port left for this target (PortAllocationErrorCount)".to_owned()
                }
                DropReason::EndpointInitiates { .. } => "opens no connection into its own VPC".to_owned(),
                _ => "has no flow that this belongs to".to_owned(),
            };
            let name = endpoint.name.to_string();
            let message = format!("VPC endpoint {name} {why}");
            plain(Some(name), message)
        }
        DropReason::EndpointUnsolicited { host } => {
            let name = fabric.hosts[host].name.to_string();
            let message = format!("service {name} opens no connection into its clients' VPCs");
            plain(Some(name), message)
        }
        DropReason::PeeringInactive { peering } => {
            let name = fabric.peerings[peering].name.to_string();
            let message = format!("VPC peering connection {name} is not active");
            plain(Some(name), message)
        }
        DropReason::PeeringForeignDestination { peering, vpc } => {
            let name = fabric.peerings[peering].name.to_string();
            let vpc = &fabric.vpcs[vpc].name;
            let message = format!(
                "VPC peering connection {name} leads into VPC {vpc} and no further, and the destination is not in it"
            );
            plain(Some(name), message)
        }
        DropReason::PeeringForeignSource { peering, vpc } => {
            let name = fabric.peerings[peering].name.to_string();
            let vpc = &fabric.vpcs[vpc].name;
            let message = format!(
                "VPC peering connection {name} takes only what VPC {vpc} itself sends, and the packet came by a transit gateway"
            );
            plain(Some(name), message)
        }
        DropReason::VpnGatewayForeignSource { gateway }
        | DropReason::VpnGatewayForeignDestination { gateway }
        | DropReason::VpnGatewayNoRoute { gateway } => {
            let name = fabric.vpn_gateways[gateway].name.to_string();
            let why = match reason {
                DropReason::VpnGatewayForeignSource { .. } => {
                    "refuses a source that belongs to no interface of its VPC"
                }
                DropReason::VpnGatewayForeignDestination { .. } => {
                    "leads to interfaces of its VPC and no further, and the destination is none of them"
                }
                _ => "has learnt no route to the destination",
            };
            let message = format!("virtual private gateway {name} {why}");
            plain(Some(name), message)
        }
        DropReason::PrivateLinkDown { link } => {
            let name = fabric.links[link].name.to_string();
            let message = format!("private link {name} is down");
            plain(Some(name), message)
        }
        DropReason::PrivateLinkNoRoute { link } => {
            let name = fabric.links[link].name.to_string();
            let message =
                format!("at the other end of private link {name} no gateway of AWS announces the destination");
            plain(Some(name), message)
        }
        DropReason::TransitZone { attachment, subnet } => {
            let gateway = gateway_of(fabric, attachment);
            let name = &fabric.transit_attachments[attachment].name;
            let subnet = &fabric.subnets[subnet];
            let (zone, subnet) = (&subnet.availability_zone, &subnet.name);
            let message = format!(
                "transit gateway {gateway} cannot be used from subnet {subnet}: attachment {name} has no subnet in {zone}"
            );
            plain(Some(gateway), message)
        }
        DropReason::TransitNotAssociated { attachment } => {
            let name = fabric.transit_attachments[attachment].name.to_string();
            let gateway = gateway_of(fabric, attachment);
            let message = format!("attachment {name} is associated with no route table of transit gateway {gateway}");
            plain(Some(name), message)
        }
        DropReason::TransitNoRoute { table } => {
            let table = fabric.transit_tables[table].name.to_string();
            let message = format!("transit gateway route table {table} has no route to the destination");
            plain(Some(table), message)
        }
        DropReason::TransitBlackhole { table, destination } => {
            let table = fabric.transit_tables[table].name.to_string();
            let message = format!("the route {destination} of transit gateway route table {table} is a blackhole");
            let rule = Some(RuleReference::Text(destination.to_string()));
            Told { resource: Some(table), rule, groups: Vec::new(), message }
        }
        DropReason::DxGatewayHairpin { attachment } => {
            let name = fabric.transit_attachments[attachment].name.to_string();
            let message = format!(
                "the Direct Connect gateway of attachment {name} forwards nothing from one of its virtual interfaces to another"
            );
            plain(Some(name), message)
        }
        DropReason::TransitTtlExpired { gateway } => {
            let gateway = fabric.transit_gateways[gateway].name.to_string();
            let message = format!("time to live exceeded at transit gateway {gateway}");
            plain(Some(gateway), message)
        }
        DropReason::TransitInterface { eni } => {
            let name = eni_name(eni);
            let message = format!("{name} is a transit gateway's interface, which takes no packets for itself");
            plain(Some(name), message)
        }
        DropReason::CustomerNoRoute { network } => {
            let name = fabric.customer_networks[network].name.to_string();
            let message = format!("customer network {name} has no route to the destination");
            plain(Some(name), message)
        }
        DropReason::Misdelivered { reached } => match reached {
            Some(egress) => {
                let name = receiver(fabric, egress);
                let message = format!("it arrives at {name}, and not where it was asked from");
                plain(Some(name), message)
            }
            None => plain(None, "a router takes it for its own".to_owned()),
        },
        DropReason::AnsweredFromElsewhere { from } => {
            let owner = fabric.public_mapping(from).map(|mapping| mapping.eni);
            let owner = owner.map(|eni| match fabric.enis[eni].role {
                Role::NatGateway(gateway) => fabric.nat_gateways[gateway].name.to_string(),
                _ => eni_name(eni),
            });
            let of = owner.as_ref().map_or_else(String::new, |owner| format!(" (of {owner})"));
            plain(owner, format!("it arrives from {from}{of}, which is not the address that was asked"))
        }
        DropReason::MidStreamTcp { eni } | DropReason::ConnectionLimit { eni } => {
            plain(Some(eni_name(eni)), reason.to_string())
        }
        DropReason::NotModelled(resource) => {
            let resource = &fabric.not_modelled[resource];
            plain(Some(resource.name.to_string()), resource.reason.to_string())
        }
        ref other => plain(None, other.to_string()),
    }
}
