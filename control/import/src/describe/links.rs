//! The private links of a dump: virtual private gateways, VPN connections, Direct Connect.
//!
//! Nobody lists what the other end announces; what route tables have learnt from a gateway is what its links announce.

use std::collections::BTreeSet;

use serde_json::json;

use crate::describe::facts::{Facts, gone as gone_state, home};
use crate::describe::gather::Item;
use crate::describe::{begin, end, gone};
use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::report::NoteKind;
use crate::val::Val;

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    facts.dump.all("VpnGateways").for_each(|(id, item)| vpn_gateway(facts, id, item, estate));
    facts.dump.all("CustomerGateways").for_each(|(id, item)| customer_gateway(facts, id, item, estate));
    facts.dump.all("VpnConnections").for_each(|(id, item)| vpn_connection(facts, id, item, estate));
    facts.dump.all("DirectConnectGateways").for_each(|(id, item)| dx_gateway(facts, id, item, estate));
    for (id, item) in facts.dump.all("DirectConnectGatewayAssociations") {
        dx_association(facts, id, item, estate);
    }
    facts.dump.all("VirtualInterfaces").for_each(|(id, item)| virtual_interface(facts, id, item, estate));
}

fn text(item: &Item, key: &str) -> Option<String> {
    item.body.get(key).and_then(Val::text).filter(|text| !text.is_empty())
}

/// Whether there is a link at the virtual private gateway that can announce what tables have learnt.
pub(super) fn announces(facts: &Facts, gateway: &str) -> bool {
    links(facts, gateway) > 0
}

/// How many links end at the virtual private gateway, by a Direct Connect gateway too.
fn links(facts: &Facts, gateway: &str) -> usize {
    let at = |item: &Item, key: &str| text(item, key).as_deref() == Some(gateway);
    let vpns = facts
        .dump
        .all("VpnConnections")
        .filter(|(_, item)| gone_state(item).is_none() && at(item, "VpnGatewayId"));
    let direct = facts.dump.all("VirtualInterfaces").filter(|(_, item)| at(item, "VirtualGatewayId"));
    let dx: BTreeSet<String> = facts
        .dump
        .all("DirectConnectGatewayAssociations")
        .filter(|(_, item)| associated(item).as_deref() == Some(gateway))
        .filter_map(|(_, item)| text(item, "DirectConnectGatewayId"))
        .collect();
    let by_dx = facts.dump.all("VirtualInterfaces").filter(|(_, item)| {
        text(item, "DirectConnectGatewayId").is_some_and(|gateway| dx.contains(&gateway))
    });
    vpns.count() + direct.count() + by_dx.count()
}

/// The gateway that a Direct Connect gateway is associated with.
fn associated(item: &Item) -> Option<String> {
    text(item, "VirtualGatewayId").or_else(|| item.body.get("AssociatedGateway")?.text_of("Id"))
}

/// What route tables have learnt from a virtual private gateway.
fn learnt(facts: &Facts, gateway: &str) -> BTreeSet<String> {
    let mut learnt = BTreeSet::new();
    for (_, table) in facts.dump.all("RouteTables") {
        for route in table.body.get("Routes").map_or(&[][..], Val::items) {
            let propagated = route.text_of("Origin").as_deref() == Some("EnableVgwRoutePropagation");
            if propagated && route.text_of("GatewayId").as_deref() == Some(gateway) {
                learnt.extend(route.text_of("DestinationCidrBlock"));
            }
        }
    }
    // What is listed as static is not announced.
    for (_, item) in facts.dump.all("VpnConnections") {
        if text(item, "VpnGatewayId").as_deref() == Some(gateway) {
            let listed = static_routes(item);
            learnt.retain(|block| !listed.contains(block));
        }
    }
    learnt
}

/// Whether what a virtual private gateway has learnt is in the dump: a table that takes its routes shows each (RT-06, RT-34).
fn is_shown(facts: &Facts, gateway: &str) -> bool {
    facts.dump.all("RouteTables").any(|(_, table)| {
        let takes = table.body.get("PropagatingVgws").map_or(&[][..], Val::items);
        takes.iter().any(|one| one.text_of("GatewayId").as_deref() == Some(gateway))
    })
}

fn not_shown(gateway: &str) -> String {
    format!("what it announces to {gateway}: no route table in the dump takes its routes")
}

/// Whether AWS has taken no route from the other end of a connection, by either tunnel.
fn announces_nothing(connection: &Item) -> bool {
    let tunnels = connection.body.get("VgwTelemetry").map_or(&[][..], Val::items);
    !tunnels.is_empty()
        && tunnels.iter().all(|tunnel| tunnel.text_of("AcceptedRouteCount").as_deref() == Some("0"))
}

fn static_routes(item: &Item) -> Vec<String> {
    let routes = item.body.get("Routes").map_or(&[][..], Val::items).iter();
    let live = routes.filter(|route| route.text_of("State").is_none_or(|state| state == "available"));
    live.filter_map(|route| route.text_of("DestinationCidrBlock")).collect()
}

/// Writes what a link at the gateway announces.
fn announce(mapping: &mut Mapping<'_>, facts: &Facts, gateway: &str) {
    let learnt = learnt(facts, gateway);
    if !is_shown(facts, gateway) {
        mapping.doubt(not_shown(gateway));
    }
    if links(facts, gateway) > 1 && !learnt.is_empty() {
        let text = format!(
            "{gateway} has several links; which of them announces which block is not in a dump: all do"
        );
        mapping.note(NoteKind::Approximated, text);
    }
    mapping.write("bgp_routes", json!(learnt));
}

fn vpn_gateway(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "vpn-gateway", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&["VpnGatewayId", "State", "Type", "VpcAttachments", "AvailabilityZone"]);
    let attachments = item.body.get("VpcAttachments").map_or(&[][..], Val::items).iter();
    let live = |one: &&Val| !matches!(one.text_of("State").as_deref(), Some("detached" | "detaching"));
    let mut home = home(item);
    if let Some(vpc) = attachments.filter(live).find_map(|one| one.text_of("VpcId")) {
        home = facts.homes.get(&vpc).cloned().unwrap_or(home);
        let vpc = mapping.estate.refer("vpcs", &vpc, &item.by);
        mapping.write("vpc", vpc);
    }
    mapping.number("AmazonSideAsn", "amazon_side_asn");
    mapping.write("region", home.region);
    mapping.write("owner", home.account);
    end(mapping, "vpn_gateways", id, item, facts);
}

fn customer_gateway(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "customer-gateway", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&["CustomerGatewayId", "State", "Type", "CertificateArn", "DeviceName"]);
    mapping.number("BgpAsn", "bgp_asn");
    mapping.properties.silent(&["BgpAsnExtended"]);
    match text(item, "IpAddress") {
        Some(address) if is_private(&address) => {
            mapping.properties.silent(&["IpAddress"]);
            mapping.note(
                NoteKind::Approximated,
                format!("IpAddress {address}: the connection over it is not modelled"),
            );
        }
        _ => mapping.text("IpAddress", "ip_address"),
    }
    let mut home = home(item);
    // It lies where the gateway does that it is connected to.
    for (_, connection) in facts.dump.all("VpnConnections") {
        if text(connection, "CustomerGatewayId").as_deref() == Some(id) {
            home = far_end(facts, connection).unwrap_or(home);
            break;
        }
    }
    mapping.write("region", home.region);
    mapping.write("owner", home.account);
    end(mapping, "customer_gateways", id, item, facts);
}

/// The home of AWS's end of a VPN connection.
fn far_end(facts: &Facts, connection: &Item) -> Option<crate::describe::facts::Home> {
    if let Some(gateway) = text(connection, "TransitGatewayId") {
        return facts.dump.get("TransitGateways", &gateway).map(home);
    }
    let gateway = facts.dump.get("VpnGateways", &text(connection, "VpnGatewayId")?)?;
    let attachments = gateway.body.get("VpcAttachments").map_or(&[][..], Val::items).iter();
    let vpc = attachments.filter_map(|one| one.text_of("VpcId")).next();
    Some(vpc.and_then(|vpc| facts.homes.get(&vpc).cloned()).unwrap_or_else(|| home(gateway)))
}

fn vpn_connection(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "vpn-connection", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&[
        "VpnConnectionId",
        "State",
        "Type",
        "Category",
        "CustomerGatewayConfiguration",
        "Options",
        "Routes",
        "VgwTelemetry",
        "GatewayAssociationState",
        "CoreNetworkArn",
        "CoreNetworkAttachmentArn",
        "PreSharedKeyArn",
        "VpnConcentratorId",
    ]);
    mapping.reference("CustomerGatewayId", "customer_gateway", "customer_gateways");
    let other = text(item, "CustomerGatewayId")
        .and_then(|id| text(facts.dump.get("CustomerGateways", &id)?, "IpAddress"));
    if let Some(address) = other.filter(|address| is_private(address)) {
        mapping.doubt(format!("VPN to the private address {address} is not modelled"));
    }
    let options = item.body.get("Options");
    let is_static =
        options.and_then(|options| options.text_of("StaticRoutesOnly")).as_deref() == Some("true");
    mapping.write("static_routes_only", is_static);
    if let Some(gateway) = text(item, "TransitGatewayId") {
        mapping.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
        match super::transit::learnt(facts, id) {
            _ if is_static => {}
            Some(learnt) => mapping.write("bgp_routes", json!(learnt)),
            None => mapping.doubt(format!(
                "what it announces to {gateway}: add `aws ec2 search-transit-gateway-routes`"
            )),
        }
        mapping.properties.silent(&["VpnGatewayId"]);
    } else if let Some(gateway) = text(item, "VpnGatewayId") {
        mapping.reference("VpnGatewayId", "vpn_gateway", "vpn_gateways");
        if is_static {
            mapping.write("routes", static_routes(item));
        } else if announces_nothing(item) {
            mapping.write("bgp_routes", json!([]));
        } else {
            announce(&mut mapping, facts, &gateway);
        }
    } else {
        return gone(mapping, "it ends at no gateway");
    }
    let mut telemetry: Vec<&Val> = item.body.get("VgwTelemetry").map_or(&[][..], Val::items).iter().collect();
    telemetry.sort_by_key(|tunnel| tunnel.text_of("OutsideIpAddress"));
    let up = |tunnel: &&Val| if tunnel.text_of("Status").as_deref() == Some("DOWN") { "down" } else { "up" };
    if telemetry.len() == 2 {
        mapping.write("tunnels", telemetry.iter().map(up).collect::<Vec<_>>());
    }
    end(mapping, "vpn_connections", id, item, facts);
}

fn dx_gateway(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "direct-connect-gateway", id, estate);
    mapping.properties.silent(&[
        "DirectConnectGatewayId",
        "DirectConnectGatewayName",
        "DirectConnectGatewayState",
        "OwnerAccount",
        "StateChangeError",
    ]);
    mapping.number("AmazonSideAsn", "amazon_side_asn");
    end(mapping, "dx_gateways", id, item, facts);
}

fn dx_association(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "direct-connect-gateway-association", id, estate);
    let state = text(item, "AssociationState").unwrap_or_else(|| "associated".to_owned());
    if state.starts_with("disassociat") {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&[
        "AssociationId",
        "AssociationState",
        "StateChangeError",
        "DirectConnectGatewayOwnerAccount",
        "AssociatedGateway",
        "VirtualGatewayId",
        "VirtualGatewayRegion",
        "VirtualGatewayOwnerAccount",
        "AllowedPrefixesToDirectConnectGateway",
        "AssociatedCoreNetwork",
    ]);
    mapping.reference("DirectConnectGatewayId", "dx_gateway", "dx_gateways");
    match associated(item) {
        Some(gateway) if gateway.starts_with("tgw-") => {
            let gateway = mapping.estate.refer("transit_gateways", &gateway, &item.by);
            mapping.write("transit_gateway", gateway);
        }
        Some(gateway) => {
            let gateway = mapping.estate.refer("vpn_gateways", &gateway, &item.by);
            mapping.write("vpn_gateway", gateway);
        }
        None => return gone(mapping, "it ends at no gateway"),
    }
    let allowed = item.body.get("AllowedPrefixesToDirectConnectGateway").map_or(&[][..], Val::items).iter();
    let allowed: Vec<String> = allowed.filter_map(|prefix| prefix.text_of("Cidr")).collect();
    if !allowed.is_empty() {
        mapping.write("allowed_prefixes", allowed);
    }
    end(mapping, "dx_gateway_associations", id, item, facts);
}

fn virtual_interface(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "virtual-interface", id, estate);
    let state = text(item, "VirtualInterfaceState").unwrap_or_else(|| "available".to_owned());
    if matches!(state.as_str(), "deleted" | "deleting" | "rejected") {
        return gone(mapping, &format!("it is {state}"));
    }
    let of_type = text(item, "VirtualInterfaceType").unwrap_or_else(|| "private".to_owned());
    let kind = match of_type.as_str() {
        "private" => "dx_private_virtual_interfaces",
        "transit" => "dx_transit_virtual_interfaces",
        _ => return gone(mapping, &format!("a {of_type} virtual interface leads to no VPC")),
    };
    mapping.number("Asn", "bgp_asn");
    mapping.number("Mtu", "mtu");
    let peers = item.body.get("BgpPeers").map_or(&[][..], Val::items);
    let all_down =
        !peers.is_empty() && peers.iter().all(|peer| peer.text_of("BgpStatus").as_deref() == Some("down"));
    if all_down || state == "down" {
        mapping.write("state", "down");
    }
    if let Some(gateway) = text(item, "VirtualGatewayId") {
        mapping.reference("VirtualGatewayId", "vpn_gateway", "vpn_gateways");
        if all_down {
            mapping.write("bgp_routes", json!([]));
        } else {
            announce(&mut mapping, facts, &gateway);
        }
    } else if let Some(gateway) = text(item, "DirectConnectGatewayId") {
        mapping.reference("DirectConnectGatewayId", "dx_gateway", "dx_gateways");
        let at_gateway = facts
            .dump
            .all("DirectConnectGatewayAssociations")
            .filter(|(_, one)| text(one, "DirectConnectGatewayId").as_deref() == Some(&gateway));
        let beyond: BTreeSet<String> = at_gateway.filter_map(|(_, one)| associated(one)).collect();
        if kind == "dx_transit_virtual_interfaces" {
            mapping.doubt("what it announces is not in the dump");
        } else {
            let all: BTreeSet<String> = beyond.iter().flat_map(|gateway| learnt(facts, gateway)).collect();
            mapping.write("bgp_routes", json!(all));
            // Each virtual private gateway behind it learns the same.
            if !all_down && !beyond.iter().any(|gateway| is_shown(facts, gateway)) {
                mapping.doubt(not_shown(&gateway));
            }
        }
    } else {
        return gone(mapping, "it ends at no gateway");
    }
    // What else is said is about the line, and its BGP.
    mapping.properties.silence();
    end(mapping, kind, id, item, facts);
}

/// Whether an address is one that the model knows no VPN to.
fn is_private(address: &str) -> bool {
    address.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_private())
}
