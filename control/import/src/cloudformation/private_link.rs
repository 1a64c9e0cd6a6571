//! How do VPNs become a topology's?

use serde_json::json;

use super::resource::Resource;
use super::vpc::owner;
use crate::properties::Given;
use crate::report::NoteKind;
use crate::val::Val;

pub(super) fn vpn_gateway(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.properties.silent(&["Type"]);
    r.mapping.number("AmazonSideAsn", "amazon_side_asn");
    r.home();
    r.tags();
    r.mapping.put("vpn_gateways");
    r.finish()
}

pub(super) fn customer_gateway(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["CertificateArn"]);
    m.number("BgpAsn", "bgp_asn");
    m.number("BgpAsnExtended", "bgp_asn");
    m.text("Type", "type");
    m.text("DeviceName", "device_name");
    // An elastic address of the templates is named here: its address is meant.
    match m.properties.take("IpAddress") {
        Some(Val::Name(named)) => {
            let address = r.evaluator.public_address(&named.name);
            m.write("ip_address", address);
        }
        Some(Val::Text(text)) => m.write("ip_address", text.trim()),
        // The model chooses nothing: the address of a device elsewhere decides no packet's way.
        Some(Val::Unknown(unknown)) => m.assigned("IpAddress", unknown),
        _ => {}
    }
    r.home();
    r.tags();
    r.mapping.put("customer_gateways");
    r.finish()
}

pub(super) fn vpn_connection(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&[
        "Type",
        "EnableAcceleration",
        "PreSharedKeyStorage",
        "TransportTransitGatewayAttachmentId",
        "TunnelBandwidth",
    ]);
    m.reference("VpnGatewayId", "vpn_gateway", "vpn_gateways");
    m.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
    m.reference("CustomerGatewayId", "customer_gateway", "customer_gateways");
    m.boolean("StaticRoutesOnly", "static_routes_only");
    for key in
        ["LocalIpv4NetworkCidr", "RemoteIpv4NetworkCidr", "LocalIpv6NetworkCidr", "RemoteIpv6NetworkCidr"]
    {
        match m.properties.text(key) {
            Given::Absent => {}
            Given::Known(block) if matches!(block.as_str(), "0.0.0.0/0" | "::/0") => {}
            _ => m.note(
                NoteKind::Omitted,
                format!("{key} narrows what the tunnels carry, which is not modelled"),
            ),
        }
    }
    if m.properties.text("TunnelInsideIpVersion") == Given::Known("ipv6".to_owned()) {
        m.note(NoteKind::Omitted, "IPv6 in tunnels is not modelled");
    }
    m.properties.silent(&["VpnTunnelOptionsSpecifications", "OutsideIpAddressType", "VpnConcentratorId"]);
    r.tags();
    r.mapping.put("vpn_connections");
    r.finish()
}

pub(super) fn vpn_connection_route(mut r: Resource<'_>) -> Result<(), String> {
    let connection = owner(&mut r, "VpnConnectionId", "vpn_connections")?;
    let m = &mut r.mapping;
    match m.properties.text("DestinationCidrBlock") {
        Given::Known(block) => {
            m.estate.push("vpn_connections", &connection, "routes", json!(block.trim()), &m.by);
        }
        Given::Absent => return Err("it has no DestinationCidrBlock".to_owned()),
        Given::Unknown(unknown) => {
            m.matters("DestinationCidrBlock", &unknown);
            let why = format!("its route {} is not known", m.by.address);
            m.estate.doubt("vpn_connections", &connection, why, &m.by);
        }
    }
    m.became_part_of("vpn_connections", &connection);
    r.finish()
}
