//! What may a Direct Connect gateway join? (area DX)
//!
//! A gateway is of one kind: it joins private virtual interfaces with virtual private gateways, or transit virtual
//! interfaces with transit gateways. What always holds: the first association by name says which, and each one that
//! does not fit is reported once.

use std::collections::BTreeMap;

use super::{AMAZON_ASN, Behind, CUSTOMER_ASN, INVALID, Links};
use super::{amazon_asn, announced, asn, aws_end, noun_of, transit_gateway_asn};
use crate::declared::{DeclaredDxGateway, DeclaredDxGatewayAssociation, DeclaredVirtualInterface};
use crate::home::DEFAULT_OWNER;
use crate::name::{CustomerNetworkName, DxGatewayAssociationName, DxGatewayName, VpcName, VpnGatewayName};
use crate::reader::{Given, Written};
use crate::register::Context;
use crate::resources::{
    AwsEnd, CustomerNetwork, DxGateway, DxGatewayAssociation, LinkName, LinkState, VirtualInterface,
    VirtualInterfaceEnd, Vpc,
};
use crate::rules::peering::overlap;

/// The one code that Direct Connect has for a request it refuses.
const REFUSED: &str = "DirectConnectClientException";

/// What a Direct Connect gateway serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    /// Virtual private gateways, by private virtual interfaces.
    Private,
    /// Transit gateways, by transit virtual interfaces.
    Transit,
}

impl Serves {
    fn of(gateway: &AwsEnd) -> Self {
        match gateway {
            AwsEnd::VpnGateway(_) => Self::Private,
            AwsEnd::TransitGateway(_) => Self::Transit,
        }
    }
}

/// The Direct Connect gateways.
pub(super) fn gateways(cx: &Context<'_>) -> BTreeMap<DxGatewayName, DxGateway> {
    let build = |declared: &DeclaredDxGateway| DxGateway {
        owner: declared.owner.value().map_or(DEFAULT_OWNER, |account| account.0.as_str()).to_owned(),
        amazon_side_asn: amazon_asn(cx, &declared.amazon_side_asn),
        labels: declared.labels.clone(),
    };
    cx.declared.dx_gateways.iter().map(|(name, declared)| (name.clone(), build(declared))).collect()
}

/// What is associated with them.
pub(super) fn associations(
    cx: &Context<'_>,
    links: &Links,
    vpcs: &BTreeMap<VpcName, Vpc>,
) -> BTreeMap<DxGatewayAssociationName, DxGatewayAssociation> {
    let mut associations: BTreeMap<DxGatewayAssociationName, DxGatewayAssociation> = BTreeMap::new();
    for (name, declared) in &cx.declared.dx_gateway_associations {
        let reference = declared.dx_gateway.written();
        let dx_gateway = reference.and_then(|r| cx.registers.dx_gateways.resolve(cx.log, r));
        let end = aws_end(cx, &declared.at, &declared.vpn_gateway, &declared.transit_gateway);
        let (Some(dx_gateway), Some(gateway)) = (dx_gateway, end) else { continue };
        let allowed = &declared.allowed_prefixes;
        if matches!(gateway, AwsEnd::TransitGateway(_)) && allowed.items.is_empty() && allowed.complete {
            // DX-07
            let problem = "a transit gateway announces exactly its allowed prefixes, and needs one";
            cx.log.report(&allowed.at, "MissingParameter", problem, "give `allowed_prefixes`");
        }
        let allowed_prefixes =
            allowed.given.then(|| allowed.items.iter().map(|written| written.value).collect());
        let labels = declared.labels.clone();
        let association =
            DxGatewayAssociation { dx_gateway, gateway, allowed_prefixes, routes: Vec::new(), labels };
        check(cx, links, vpcs, (declared, &association), &associations);
        associations.insert(name.clone(), association);
    }
    associations
}

/// Whether the two can be associated, next to those of before: the first thing that is in the way.
fn check(
    cx: &Context<'_>,
    links: &Links,
    vpcs: &BTreeMap<VpcName, Vpc>,
    (declared, association): (&DeclaredDxGatewayAssociation, &DxGatewayAssociation),
    before: &BTreeMap<DxGatewayAssociationName, DxGatewayAssociation>,
) {
    let DxGatewayAssociation { dx_gateway, gateway, .. } = association;
    let refuse = |problem: &str, remedy: &str| cx.log.report(&declared.at, REFUSED, problem, remedy);
    let here = || before.values().filter(|other| other.dx_gateway == *dx_gateway);
    if here().any(|other| other.gateway == *gateway) {
        refuse("the two are associated already", "keep one association");
        return;
    }
    if here().any(|other| Serves::of(&other.gateway) != Serves::of(gateway)) {
        let problem = "a Direct Connect gateway serves virtual private gateways or transit gateways";
        refuse(problem, "use a Direct Connect gateway for each kind");
        return;
    }
    match gateway {
        AwsEnd::TransitGateway(transit_gateway) => {
            let asn_of_dx = links.dx_gateways.get(dx_gateway).map_or(AMAZON_ASN, |dx| dx.amazon_side_asn);
            if transit_gateway_asn(cx, transit_gateway) == Some(asn_of_dx) {
                let problem = format!(
                    "the Direct Connect gateway {dx_gateway} and {} have the autonomous system number {asn_of_dx}",
                    noun_of(gateway)
                );
                let remedy =
                    "give one of the two another `amazon_side_asn`: where none is given, both have 64512";
                refuse(&problem, remedy);
            }
        }
        AwsEnd::VpnGateway(vpn_gateway) => {
            if let Some(other) = before.values().find(|other| other.gateway == *gateway) {
                let problem = format!(
                    "the virtual private gateway {vpn_gateway} is associated with {} already",
                    other.dx_gateway
                );
                refuse(&problem, "a virtual private gateway has one Direct Connect gateway: keep one");
                return;
            }
            let block_of = |gateway: &VpnGatewayName| {
                let name = links.vpn_gateways.get(gateway)?.vpc.as_ref()?;
                vpcs.get_key_value(name)
            };
            let Some((name, vpc)) = block_of(vpn_gateway) else {
                let is_attached = cx.declared.vpn_gateways.get(vpn_gateway).map(|gateway| &gateway.vpc);
                // A VPC that does not exist has been reported.
                if is_attached.is_some_and(Given::is_absent) {
                    let problem = format!("the virtual private gateway {vpn_gateway} is attached to no VPC");
                    refuse(&problem, "attach it: give it a `vpc`");
                }
                return;
            };
            let overlapping = here().find_map(|other| match &other.gateway {
                AwsEnd::VpnGateway(other) => {
                    block_of(other).filter(|(other_name, other)| *other_name != name && overlap(vpc, other))
                }
                AwsEnd::TransitGateway(_) => None,
            });
            if let Some((other, _)) = overlapping {
                let problem = format!("VPC {name} overlaps VPC {other}, which {dx_gateway} serves already");
                refuse(&problem, "VPCs of one Direct Connect gateway have blocks that do not overlap");
            }
        }
    }
}

/// The virtual interfaces of both kinds.
pub(super) fn virtual_interfaces(
    cx: &Context<'_>,
    behind: &Behind,
    networks: &BTreeMap<CustomerNetworkName, CustomerNetwork>,
    links: &mut Links,
) {
    for (name, declared) in &cx.declared.dx_private_virtual_interfaces {
        let network = behind.virtual_interfaces.get(&LinkName::Private(name.clone()));
        let built = virtual_interface(cx, links, declared, network, networks, Serves::Private);
        links.dx_private_virtual_interfaces.extend(built.map(|built| (name.clone(), built)));
    }
    for (name, declared) in &cx.declared.dx_transit_virtual_interfaces {
        let network = behind.virtual_interfaces.get(&LinkName::Transit(name.clone()));
        let built = virtual_interface(cx, links, declared, network, networks, Serves::Transit);
        links.dx_transit_virtual_interfaces.extend(built.map(|built| (name.clone(), built)));
    }
}

/// A virtual interface, whose packets are 1500 bytes or jumbo ones (DX-01).
fn virtual_interface(
    cx: &Context<'_>,
    links: &Links,
    declared: &DeclaredVirtualInterface,
    network: Option<&CustomerNetworkName>,
    networks: &BTreeMap<CustomerNetworkName, CustomerNetwork>,
    serves: Serves,
) -> Option<VirtualInterface> {
    const USUAL: u16 = 1500;
    let jumbo: u16 = if serves == Serves::Transit { 8500 } else { 9001 };
    let end = end_of(cx, declared, serves);
    let mtu = match declared.mtu.written() {
        Some(Written { at, value }) if ![i64::from(USUAL), i64::from(jumbo)].contains(value) => {
            let problem = format!("{value} is not an MTU of such a virtual interface");
            cx.log.report(at, INVALID, problem, format!("give {USUAL} or {jumbo}"));
            USUAL
        }
        Some(written) => u16::try_from(written.value).unwrap_or(USUAL),
        None => USUAL,
    };
    let bgp_asn = asn(&declared.bgp_asn, CUSTOMER_ASN);
    let behind = network.and_then(|network| networks.get(network));
    let bgp_routes = announced(cx, declared.bgp_routes.as_deref(), bgp_asn, behind, false);
    let end = end?;
    check_end(cx, links, declared, &end, bgp_asn, serves);
    Some(VirtualInterface {
        end,
        bgp_asn,
        mtu,
        bgp_routes,
        state: declared.state.value().copied().unwrap_or(LinkState::Up),
        customer_network: network.cloned(),
        labels: declared.labels.clone(),
    })
}

fn end_of(
    cx: &Context<'_>,
    declared: &DeclaredVirtualInterface,
    serves: Serves,
) -> Option<VirtualInterfaceEnd> {
    let is_transit = serves == Serves::Transit;
    match (&declared.vpn_gateway, &declared.dx_gateway) {
        (Given::Right(reference), _) if is_transit => {
            let problem = "a transit virtual interface ends at a Direct Connect gateway";
            cx.log.report(&reference.at, INVALID, problem, "give `dx_gateway`");
            None
        }
        (Given::Right(reference), Given::Absent) => {
            cx.registers.vpn_gateways.resolve(cx.log, reference).map(VirtualInterfaceEnd::VpnGateway)
        }
        (Given::Absent, Given::Right(reference)) => {
            cx.registers.dx_gateways.resolve(cx.log, reference).map(VirtualInterfaceEnd::DxGateway)
        }
        (Given::Absent, Given::Absent) => {
            let remedy = if is_transit { "give `dx_gateway`" } else { "give `vpn_gateway` or `dx_gateway`" };
            cx.log.report(&declared.at, "MissingParameter", "a virtual interface ends somewhere", remedy);
            None
        }
        (Given::Right(_), Given::Right(other)) => {
            let problem = "a virtual interface ends at one gateway";
            cx.log.report(&other.at, "InvalidParameterCombination", problem, "keep one of the two");
            None
        }
        (Given::Wrong, _) | (_, Given::Wrong) => None,
    }
}

/// Whether the gateway serves such interfaces, and is another autonomous system than the user's end.
fn check_end(
    cx: &Context<'_>,
    links: &Links,
    declared: &DeclaredVirtualInterface,
    end: &VirtualInterfaceEnd,
    bgp_asn: u32,
    serves: Serves,
) {
    let amazon_side_asn = match end {
        VirtualInterfaceEnd::VpnGateway(name) => links.vpn_gateways.get(name).map(|end| end.amazon_side_asn),
        VirtualInterfaceEnd::DxGateway(name) => links.dx_gateways.get(name).map(|end| end.amazon_side_asn),
    };
    if amazon_side_asn == Some(bgp_asn) {
        let problem = format!("both ends have the autonomous system number {bgp_asn}");
        cx.log.report(&declared.at.attribute("bgp_asn"), REFUSED, problem, "give the user's end another");
    }
    let VirtualInterfaceEnd::DxGateway(name) = end else { return };
    let associated = links.dx_gateway_associations.values().find(|other| other.dx_gateway == *name);
    let by_association = associated.map(|other| Serves::of(&other.gateway));
    // Private interfaces are there before transit ones.
    let by_interface = links.dx_private_virtual_interfaces.values().any(|other| other.end == *end);
    let (what, fits) = match by_association.or(by_interface.then_some(Serves::Private)) {
        Some(Serves::Private) if serves == Serves::Transit => ("virtual private gateways", "private"),
        Some(Serves::Transit) if serves == Serves::Private => ("transit gateways", "transit"),
        _ => return,
    };
    let problem = format!("the Direct Connect gateway {name} serves {what}");
    let remedy = format!("use a {fits} virtual interface, or a Direct Connect gateway of its own");
    cx.log.report(&declared.at.attribute("dx_gateway"), REFUSED, problem, remedy);
}
