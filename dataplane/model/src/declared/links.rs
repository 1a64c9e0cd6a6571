//! Virtual private gateways, customer gateways, VPN connections and Direct Connect, as written.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Map, Value};

use crate::declared::DeclaredHome;
use crate::log::{Log, Place};
use crate::name::{
    CustomerGatewayName, DxGatewayAssociationName, DxGatewayName, Kind, Name, VpnConnectionName,
    VpnGatewayName,
};
use crate::reader::{Given, List, Reader, Written, object};
use crate::resources::{Labels, LinkState, LocalPreference, Tags, TunnelEncryption};
use crate::shape::{Account, Shape};

/// The highest autonomous system number (RFC 6793).
const LAST_ASN: i64 = 4_294_967_294;

/// A virtual private gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredVpnGateway {
    pub(crate) home: DeclaredHome,
    pub(crate) vpc: Given<String>,
    pub(crate) amazon_side_asn: Given<i64>,
    pub(crate) labels: Labels,
}

/// A customer gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredCustomerGateway {
    pub(crate) home: DeclaredHome,
    pub(crate) bgp_asn: Given<i64>,
    pub(crate) ip_address: Given<Ipv4Addr>,
    pub(crate) tags: Tags,
}

/// A route that a customer announces, as written.
#[derive(Debug)]
pub(crate) struct DeclaredBgpRoute {
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) ipv6_cidr_block: Given<Ipv6Net>,
    pub(crate) as_path: List<i64>,
    pub(crate) med: Given<i64>,
    pub(crate) local_preference: Given<LocalPreference>,
    pub(crate) at: Place,
}

/// The destination of a static VPN connection, as written: a block, or a map that holds one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StaticRoute(pub(crate) Ipv4Net);

impl Shape for StaticRoute {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let Value::Object(object) = value else { return Ipv4Net::read(value, at, log).map(Self) };
        let mut reader = Reader::new(log, at.clone(), object, "a static route");
        let names = &["cidr_block", "destination_cidr_block"];
        let given = reader.require(names, "a block such as 192.168.0.0/16");
        reader.finish();
        given.value().copied().map(Self)
    }
}

/// A VPN connection as written.
#[derive(Debug)]
pub(crate) struct DeclaredVpnConnection {
    pub(crate) at: Place,
    pub(crate) vpn_gateway: Given<String>,
    pub(crate) transit_gateway: Given<String>,
    pub(crate) customer_gateway: Given<String>,
    pub(crate) static_routes_only: bool,
    pub(crate) routes: List<StaticRoute>,
    /// None where nothing is written.
    pub(crate) bgp_routes: Option<Vec<DeclaredBgpRoute>>,
    pub(crate) tunnels: List<LinkState>,
    pub(crate) tunnel_inside_cidrs: Vec<Given<Ipv4Net>>,
    pub(crate) encryption: Given<TunnelEncryption>,
    pub(crate) nat_traversal: bool,
    pub(crate) mss_clamping: bool,
    pub(crate) labels: Labels,
}

/// A Direct Connect gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredDxGateway {
    pub(crate) owner: Given<Account>,
    pub(crate) amazon_side_asn: Given<i64>,
    pub(crate) labels: Labels,
}

/// An association of a Direct Connect gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredDxGatewayAssociation {
    pub(crate) at: Place,
    pub(crate) dx_gateway: Given<String>,
    pub(crate) vpn_gateway: Given<String>,
    pub(crate) transit_gateway: Given<String>,
    pub(crate) allowed_prefixes: List<IpNet>,
    pub(crate) labels: Labels,
}

/// A virtual interface of Direct Connect as written, of either kind.
#[derive(Debug)]
pub(crate) struct DeclaredVirtualInterface {
    pub(crate) at: Place,
    pub(crate) vpn_gateway: Given<String>,
    pub(crate) dx_gateway: Given<String>,
    pub(crate) bgp_asn: Given<i64>,
    pub(crate) mtu: Given<i64>,
    pub(crate) bgp_routes: Option<Vec<DeclaredBgpRoute>>,
    pub(crate) state: Given<LinkState>,
    pub(crate) labels: Labels,
}

impl DeclaredVpnGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &VpnGatewayName) -> Self {
        // Where its one endpoint lies decides nothing about packets.
        let _ = reader.take::<String>(&["availability_zone"]);
        Self {
            home: DeclaredHome::read(reader),
            vpc: reader.take(&["vpc", "vpc_id"]),
            amazon_side_asn: reader.number(&["amazon_side_asn"], 1..=LAST_ASN),
            labels: reader.labels(),
        }
    }
}

impl DeclaredCustomerGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &CustomerGatewayName) -> Self {
        let _ = reader.take::<String>(&["type"]);
        let _ = reader.take::<String>(&["device_name"]);
        Self {
            home: DeclaredHome::read(reader),
            bgp_asn: reader.number(&["bgp_asn"], 1..=LAST_ASN),
            ip_address: reader.take(&["ip_address"]),
            tags: reader.tags(),
        }
    }
}

impl DeclaredVpnConnection {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, _: &VpnConnectionName) -> Self {
        let _ = reader.take::<String>(&["type"]);
        Self {
            at: reader.at().clone(),
            vpn_gateway: reader.take(&["vpn_gateway", "vpn_gateway_id"]),
            transit_gateway: reader.take(&["transit_gateway", "transit_gateway_id"]),
            customer_gateway: reader
                .require(&["customer_gateway", "customer_gateway_id"], "the name of a customer gateway"),
            static_routes_only: reader.flag(&["static_routes_only"], false),
            routes: reader.list(&["routes"]),
            bgp_routes: bgp_routes(reader, log),
            tunnels: reader.list(&["tunnels"]),
            tunnel_inside_cidrs: vec![
                reader.take(&["tunnel1_inside_cidr"]),
                reader.take(&["tunnel2_inside_cidr"]),
            ],
            encryption: reader.take(&["encryption"]),
            nat_traversal: reader.flag(&["nat_traversal"], false),
            mss_clamping: reader.flag(&["mss_clamping"], true),
            labels: reader.labels(),
        }
    }
}

impl DeclaredDxGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &DxGatewayName) -> Self {
        let _ = reader.take::<String>(&["name"]);
        Self {
            owner: DeclaredHome::read_owner(reader),
            amazon_side_asn: reader.number(&["amazon_side_asn"], 1..=LAST_ASN),
            labels: reader.labels(),
        }
    }
}

impl DeclaredDxGatewayAssociation {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &DxGatewayAssociationName) -> Self {
        Self {
            at: reader.at().clone(),
            dx_gateway: reader
                .require(&["dx_gateway", "dx_gateway_id"], "the name of a Direct Connect gateway"),
            vpn_gateway: reader.take(&["vpn_gateway", "vpn_gateway_id"]),
            transit_gateway: reader.take(&["transit_gateway", "transit_gateway_id"]),
            allowed_prefixes: reader.list(&["allowed_prefixes"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredVirtualInterface {
    pub(super) fn read<K: Kind>(reader: &mut Reader<'_>, log: &Log, _: &Name<K>) -> Self {
        Self {
            at: reader.at().clone(),
            vpn_gateway: reader.take(&["vpn_gateway", "vpn_gateway_id"]),
            dx_gateway: reader.take(&["dx_gateway", "dx_gateway_id"]),
            bgp_asn: reader.number(&["bgp_asn"], 1..=LAST_ASN),
            mtu: reader.take(&["mtu"]),
            bgp_routes: bgp_routes(reader, log),
            state: reader.take(&["state"]),
            labels: reader.labels(),
        }
    }
}

fn bgp_routes(reader: &mut Reader<'_>, log: &Log) -> Option<Vec<DeclaredBgpRoute>> {
    let nothing = Map::new();
    let read = |(at, value): (Place, &Value)| {
        // A block alone is a route without more.
        let block = if value.is_string() { IpNet::read(value, &at, log) } else { None };
        let object = if value.is_string() { Some(&nothing) } else { object(value, &at, log) }?;
        let mut reader = Reader::new(log, at.clone(), object, "a BGP route");
        let route = DeclaredBgpRoute {
            cidr_block: match block {
                Some(IpNet::V4(value)) => Given::Right(Written { at: at.clone(), value }),
                None if value.is_string() => Given::Wrong,
                _ => reader.take(&["cidr_block"]),
            },
            ipv6_cidr_block: match block {
                Some(IpNet::V6(value)) => Given::Right(Written { at, value }),
                _ => reader.take(&["ipv6_cidr_block"]),
            },
            as_path: reader.list(&["as_path"]),
            med: reader.number(&["med"], 0..=i64::from(u32::MAX)),
            local_preference: reader.take(&["local_preference", "community"]),
            at: reader.at().clone(),
        };
        reader.finish();
        Some(route)
    };
    let routes = reader.values(&["bgp_routes"])?;
    Some(routes.into_iter().filter_map(read).collect())
}
