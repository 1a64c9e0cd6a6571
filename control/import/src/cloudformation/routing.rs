//! How do route tables, routes and what they lead to become a topology's?

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::token::Token;
use super::vpc::{made_up, owner};
use crate::properties::Given;
use crate::report::NoteKind;
use crate::val::Unknown;

/// Targets of a route: their attribute, ours, and the kind that it refers to.
const TARGETS: &[(&str, &str, &str)] = &[
    ("InstanceId", "instance", "instances"),
    ("NetworkInterfaceId", "network_interface", "network_interfaces"),
    ("NatGatewayId", "nat_gateway", "nat_gateways"),
    ("VpcPeeringConnectionId", "vpc_peering_connection", "vpc_peering_connections"),
    ("TransitGatewayId", "transit_gateway", "transit_gateways"),
    ("EgressOnlyInternetGatewayId", "egress_only_gateway", "egress_only_internet_gateways"),
    ("CarrierGatewayId", "carrier_gateway", "carrier_gateways"),
    ("LocalGatewayId", "local_gateway", "local_gateways"),
    ("CoreNetworkArn", "core_network", "core_networks"),
    ("OdbNetworkArn", "odb_network", "odb_networks"),
];

pub(super) fn route_table(mut r: Resource<'_>) -> Result<(), String> {
    r.vpc();
    r.tags();
    r.mapping.put("route_tables");
    r.finish()
}

pub(super) fn route(mut r: Resource<'_>) -> Result<(), String> {
    let table = owner(&mut r, "RouteTableId", "route_tables")?;
    let mut route = Map::new();
    let mut doubts: Vec<(&str, Unknown)> = Vec::new();
    for (theirs, ours) in
        [("DestinationCidrBlock", "cidr_block"), ("DestinationIpv6CidrBlock", "ipv6_cidr_block")]
    {
        match r.mapping.properties.text(theirs) {
            Given::Known(block) if block.trim().is_empty() => {}
            Given::Known(block) => {
                route.insert(ours.to_owned(), json!(block.trim()));
            }
            Given::Absent => {}
            Given::Unknown(unknown) => doubts.push((theirs, unknown)),
        }
    }
    let mut reference = |r: &mut Resource<'_>, theirs: &'static str, ours: &str, kind: &'static str| match r
        .mapping
        .name_of(theirs, kind)
    {
        Given::Known(name) => {
            route.insert(ours.to_owned(), json!(name));
        }
        Given::Absent => {}
        Given::Unknown(unknown) => doubts.push((theirs, unknown)),
    };
    reference(&mut r, "DestinationPrefixListId", "destination_prefix_list", "managed_prefix_lists");
    for (theirs, ours, kind) in TARGETS {
        reference(&mut r, theirs, ours, kind);
    }
    let endpoint = kind_of(&r, "VpcEndpointId", &[("AWS::NetworkFirewall::Firewall", "network_firewalls")]);
    reference(&mut r, "VpcEndpointId", "vpc_endpoint", endpoint.unwrap_or("vpc_endpoints"));
    // `local` is a word, and no resource.
    let gateway = r.evaluator.property(r.stack, r.logical, "GatewayId").and_then(|value| value.text());
    match gateway.as_deref() {
        Some("local") => {
            r.mapping.properties.silent(&["GatewayId"]);
            route.insert("gateway".to_owned(), json!("local"));
        }
        text => {
            let found = kind_of(
                &r,
                "GatewayId",
                &[
                    ("AWS::EC2::VPNGateway", "vpn_gateways"),
                    ("AWS::EC2::EgressOnlyInternetGateway", "egress_only_internet_gateways"),
                    ("AWS::EC2::CarrierGateway", "carrier_gateways"),
                    ("AWS::EC2::VPCEndpoint", "vpc_endpoints"),
                ],
            );
            let kind = match (found, text) {
                (Some(kind), _) => kind,
                (None, Some(text)) if text.starts_with("vgw-") => "vpn_gateways",
                (None, Some(text)) if text.starts_with("vpce-") => "vpc_endpoints",
                _ => "internet_gateways",
            };
            let ours = match kind {
                "egress_only_internet_gateways" => "egress_only_gateway",
                "carrier_gateways" => "carrier_gateway",
                "vpc_endpoints" => "vpc_endpoint",
                _ => "gateway",
            };
            match r.mapping.name_of("GatewayId", kind) {
                Given::Known(name) => {
                    route.insert(ours.to_owned(), json!(name));
                }
                Given::Absent => {}
                Given::Unknown(unknown) => doubts.push(("GatewayId", unknown)),
            }
        }
    }
    let m = &mut r.mapping;
    if m.uncertain.is_some() {
        // Everything that the table decides is doubted for it.
    } else if doubts.is_empty() {
        m.estate.push("route_tables", &table, "routes", Value::Object(route), &m.by);
    } else {
        for (theirs, unknown) in &doubts {
            m.matters(theirs, unknown);
        }
        let why = format!("its route {} is not known", m.by.address);
        m.estate.doubt("route_tables", &table, why, &m.by);
    }
    m.became_part_of("route_tables", &table);
    r.finish()
}

/// The kind of the resource that an attribute refers to, where its type is one of these.
fn kind_of(r: &Resource<'_>, property: &str, kinds: &[(&str, &'static str)]) -> Option<&'static str> {
    let Some(Token::Resource { of_type, .. }) = r.token(property) else { return None };
    kinds.iter().find(|(name, _)| *name == of_type).map(|(_, kind)| *kind)
}

pub(super) fn gateway_association(mut r: Resource<'_>) -> Result<(), String> {
    let table = owner(&mut r, "RouteTableId", "route_tables")?;
    let kind = kind_of(&r, "GatewayId", &[("AWS::EC2::VPNGateway", "vpn_gateways")]);
    let gateway = owner(&mut r, "GatewayId", kind.unwrap_or("internet_gateways"))?;
    let m = &mut r.mapping;
    m.estate.push("route_tables", &table, "gateways", json!(gateway), &m.by);
    m.became_part_of("route_tables", &table);
    r.finish()
}

pub(super) fn propagation(mut r: Resource<'_>) -> Result<(), String> {
    let gateway = owner(&mut r, "VpnGatewayId", "vpn_gateways")?;
    let m = &mut r.mapping;
    match m.names_of("RouteTableIds", "route_tables", 1) {
        Given::Known(tables) => {
            for table in tables {
                m.estate.push("route_tables", &table, "propagating_vgws", json!(gateway), &m.by);
                m.became_part_of("route_tables", &table);
            }
        }
        Given::Absent => return Err("it names no route table".to_owned()),
        Given::Unknown(unknown) => return Err(format!("RouteTableIds is not known: {}", unknown.why)),
    }
    r.finish()
}

pub(super) fn internet_gateway(mut r: Resource<'_>) -> Result<(), String> {
    r.tags();
    r.mapping.put("internet_gateways");
    r.finish()
}

pub(super) fn egress_only_internet_gateway(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.reference("VpcId", "vpc", "vpcs");
    r.tags();
    r.mapping.put("egress_only_internet_gateways");
    r.finish()
}

pub(super) fn nat_gateway(mut r: Resource<'_>) -> Result<(), String> {
    let mode = r.mapping.properties.text("AvailabilityMode");
    if mode == Given::Known("regional".to_owned()) {
        let why = "NAT gateways of a region are not modelled";
        made_up(&mut r, "nat_gateways", why);
        return Err(why.to_owned());
    }
    let m = &mut r.mapping;
    m.properties.silent(&["VpcId", "AvailabilityZoneAddresses"]);
    m.reference("SubnetId", "subnet", "subnets");
    m.text("ConnectivityType", "connectivity_type");
    m.reference("AllocationId", "allocation", "eips");
    m.assignable("PrivateIpAddress", "private_ip");
    m.texts("SecondaryPrivateIpAddresses", "secondary_private_ips");
    m.number("SecondaryPrivateIpAddressCount", "secondary_private_ip_address_count");
    m.references("SecondaryAllocationIds", "secondary_allocations", "eips");
    m.number("MaxDrainDurationSeconds", "max_drain_duration_seconds");
    r.tags();
    r.mapping.put("nat_gateways");
    r.finish()
}

pub(super) fn eip(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["Domain", "PublicIpv4Pool", "NetworkBorderGroup", "TransferAddress", "IpamPoolId"]);
    m.assignable("Address", "public_ip");
    m.reference("InstanceId", "instance", "instances");
    r.home();
    r.tags();
    r.mapping.put("eips");
    r.finish()
}

pub(super) fn eip_association(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    let eip = match m.name_of("AllocationId", "eips") {
        Given::Absent => m.name_of("EIP", "eips"),
        given => {
            m.properties.silent(&["EIP"]);
            given
        }
    };
    let Given::Known(eip) = eip else {
        for (theirs, kind) in [("NetworkInterfaceId", "network_interfaces"), ("InstanceId", "instances")] {
            if let Given::Known(holder) = m.name_of(theirs, kind) {
                let why = format!("{} gives it an address that is not known", m.by.address);
                m.unknown_of(kind, &holder, &why);
            }
        }
        return Err("the address that it associates is not known".to_owned());
    };
    let address = match m.properties.text("PrivateIpAddress") {
        Given::Known(address) => Some(address),
        Given::Absent => None,
        Given::Unknown(unknown) => {
            // With another address it would be another association: its interface has the address somewhere.
            for (theirs, kind) in [("InstanceId", "instances"), ("NetworkInterfaceId", "network_interfaces")]
            {
                if let Given::Known(holder) = m.name_of(theirs, kind) {
                    let why = format!("{} gives it {eip} at an address that is not known", m.by.address);
                    m.estate.doubt(kind, &holder, why, &m.by);
                }
            }
            m.note(NoteKind::Unknown, format!("PrivateIpAddress is not known: {}", unknown.why));
            m.became_part_of("eips", &eip);
            return r.finish();
        }
    };
    let mut is_known = false;
    for (theirs, ours, kind) in [
        // An interface says more than its instance.
        ("NetworkInterfaceId", "network_interface", "network_interfaces"),
        ("InstanceId", "instance", "instances"),
    ] {
        match m.name_of(theirs, kind) {
            Given::Known(name) if !is_known => {
                m.estate.set("eips", &eip, ours, json!(name), &m.by);
                is_known = true;
            }
            Given::Known(_) | Given::Absent => {}
            Given::Unknown(unknown) => m.matters(theirs, &unknown),
        }
    }
    if let Some(address) = address {
        m.estate.set("eips", &eip, "associate_with_private_ip", json!(address), &m.by);
    }
    if !is_known {
        m.note(NoteKind::Unknown, "whose address it is is not known");
        let why = format!("{} gives it to somebody who is not known", m.by.address);
        m.unknown_of("eips", &eip, &why);
    }
    m.became_part_of("eips", &eip);
    r.finish()
}
