//! Whom does a text name?
//!
//! One host, or all those a set holds: a subnet, a group, what a gateway leads to. What always holds: a text that can be
//! read in two ways is refused with both readings; a set has members, or it is a mistake. Whom sets hold is the next
//! module's; what is asked of them, the question's.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use vpclab_api::ApiError;
use vpclab_engine::Fabric;
use vpclab_engine::explain::End;
use vpclab_model::{InstanceName, NetworkInterfaceName, Topology, nearest, not_public};

use crate::customers::Customers;
use crate::question::{EndKind, NamedEnd, conflict, invalid, readings};
use crate::{names, sets, undeclared};

/// On which side of a question an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It asks.
    From,
    /// It is asked.
    To,
}

/// Those whom a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Each of them; never none.
    pub(crate) members: Vec<NamedEnd>,
    /// What they are, where they are several by their nature, as in `the subnet public-a`.
    pub(crate) set: Option<String>,
    /// Whether members of one VPC are no pair: what lies between VPCs is asked about.
    pub(crate) between_vpcs: bool,
}

/// Why a text is no end.
pub(crate) enum Refusal {
    /// Nothing is called that.
    Unknown,
    /// It means something that cannot be asked about, or several things.
    Said(ApiError),
}

impl From<NamedEnd> for Ends {
    fn from(end: NamedEnd) -> Self {
        Self { members: vec![end], set: None, between_vpcs: false }
    }
}

impl Ends {
    /// What they are, in words.
    pub(crate) fn words(&self) -> String {
        match (&self.set, self.members.as_slice()) {
            (Some(set), _) => set.clone(),
            (None, [end]) => format!("{} `{}`", end.kind.word().replace('_', " "), end.name),
            (None, _) => "several ends".to_owned(),
        }
    }
}

/// What names stand for.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) fabric: &'a Fabric,
    pub(crate) topology: &'a Topology,
}

impl Names<'_> {
    /// Those whom `text` names, if it is one thing.
    pub(crate) fn find(&self, text: &str, side: Side) -> Result<Ends, Refusal> {
        let mut found: Vec<(Ends, String)> = Vec::new();
        if text == "internet" {
            let end = NamedEnd::new(text, EndKind::Internet, End::Internet);
            found.push((end.into(), "the internet".to_owned()));
        }
        self.hosts(text, side, &mut found)?;
        if found.is_empty() && undeclared::endpoints(self.topology, text).next().is_some() {
            // Nobody is there to ask; the answer says so.
            return Ok(NamedEnd::new(text, EndKind::Undeclared, End::Internet).into());
        }
        if found.is_empty() {
            sets::by_name(*self, text, side, &mut found)?;
        }
        if found.is_empty() {
            sets::by_alias(*self, text, side, &mut found)?;
        }
        if found.len() > 1 {
            let meanings: Vec<String> = found.into_iter().map(|(_, meaning)| meaning).collect();
            let message = format!("`{text}` can mean {}; give the id", meanings.join(" or "));
            return Err(Refusal::Said(conflict(message)));
        }
        match found.pop() {
            Some((ends, _)) => Ok(ends),
            None => self.address(text, side),
        }
    }

    /// The hosts of this name or id.
    pub(crate) fn hosts(
        &self,
        text: &str,
        side: Side,
        found: &mut Vec<(Ends, String)>,
    ) -> Result<(), Refusal> {
        let instance = self.topology.find_instance(text);
        if let Some((name, _)) = instance {
            let ends = self.instance(name, side).map_err(Refusal::Said)?;
            found.push((ends, format!("the instance {}", name.id())));
        }
        if let Some((name, interface)) = self.topology.find_interface(text) {
            let is_primary = instance.is_some_and(|(instance, _)| {
                interface.attachment.as_ref().is_some_and(|a| a.instance == *instance && a.device_index == 0)
            });
            if !is_primary {
                let end = self.interface(name).map_err(Refusal::Said)?;
                found.push((end.into(), format!("the network interface {}", name.id())));
            }
        }
        let mut host = |name: &str, kind: EndKind, meaning: String| {
            let host = self.fabric.hosts.find(name).ok_or(Refusal::Unknown)?;
            found.push((NamedEnd::new(name, kind, End::Host(host)).into(), meaning));
            Ok(())
        };
        if let Some((name, _)) = self.topology.find_internet_host(text) {
            host(name.as_str(), EndKind::InternetHost, format!("the internet host {}", name.id()))?;
        }
        if let Some((name, _)) = self.topology.find_customer_host(text) {
            host(name.as_str(), EndKind::CustomerHost, format!("the customer host {}", name.id()))?;
        }
        if let Some((name, _)) = self.topology.find_service(text) {
            host(name.as_str(), EndKind::Service, format!("the service {}", name.id()))?;
        }
        Ok(())
    }

    /// An instance: who asks is the instance, and asked is each of its interfaces.
    pub(crate) fn instance(&self, name: &InstanceName, side: Side) -> Result<Ends, ApiError> {
        let interfaces = self.topology.instances.get(name).map(|instance| &instance.network_interfaces);
        let mut all = interfaces.into_iter().flat_map(|all| all.iter());
        let Some((_, primary)) = all.next() else {
            let message = format!("the instance {name} has no network interface");
            return Err(ApiError::new("IncorrectInstanceState", message));
        };
        let others: Vec<&NetworkInterfaceName> = all.map(|(_, interface)| interface).collect();
        if side == Side::From || others.is_empty() {
            let end = self.interface(primary)?.end;
            return Ok(NamedEnd::new(name.as_str(), EndKind::Instance, end).into());
        }
        let members = std::iter::once(primary).chain(others).map(|interface| self.interface(interface));
        Ok(Ends {
            members: members.collect::<Result<_, _>>()?,
            set: Some(format!("each interface of the instance {name}")),
            between_vpcs: false,
        })
    }

    pub(crate) fn interface(&self, name: &NetworkInterfaceName) -> Result<NamedEnd, ApiError> {
        let eni = self.fabric.enis.find(name.as_str()).ok_or_else(|| self.unknown(name.as_str()))?;
        Ok(NamedEnd::new(name.as_str(), EndKind::NetworkInterface, End::Interface(eni, None)))
    }

    /// Ends by address: one, bare, inside a VPC, or on the internet; or a block of them.
    fn address(&self, text: &str, side: Side) -> Result<Ends, Refusal> {
        if let Some(address) = bare_address(text) {
            return self
                .customers_at(address, side)
                .map_or_else(|| self.anywhere(address).map(Ends::from), Ok);
        }
        if let Some(address) = text.strip_prefix("internet:") {
            // What is no address may be a port: another reading takes it off.
            let address = bare_address(address).ok_or(Refusal::Unknown)?;
            return self.outside(address).map(Ends::from);
        }
        if let Some((vpc, rest)) = text.rsplit_once('/')
            && let (Some((vpc, _)), Some(address)) = (self.topology.find_vpc(vpc), bare_address(rest))
        {
            let eni = self
                .fabric
                .vpcs
                .iter()
                .find(|(_, compiled)| compiled.name == *vpc)
                .and_then(|(index, _)| self.fabric.interface_at(index, address));
            let Some(eni) = eni else {
                let message = format!("no interface of the VPC {vpc} has the address {address}");
                return Err(Refusal::Said(ApiError::new("InvalidNetworkInterfaceID.NotFound", message)));
            };
            let name = format!("{vpc}/{address}");
            return Ok(NamedEnd::at(&name, EndKind::Address, End::Interface(eni, Some(address))).into());
        }
        if let Some((name, rest)) = text.rsplit_once('/')
            && let Some(address) = bare_address(rest)
            && let Some(end) = self.own(name, address)
        {
            return Ok(NamedEnd::at(&format!("{name}/{address}"), EndKind::Address, end).into());
        }
        match text.parse::<IpNet>() {
            Ok(block) if block.trunc() == block => sets::block(*self, text, block, side),
            // With bits beyond its prefix it may be a slip of something else.
            Ok(_) | Err(_) => Err(Refusal::Unknown),
        }
    }

    /// An address of the instance or interface of this name: one of its own, or a public one that stands for such.
    fn own(&self, name: &str, address: IpAddr) -> Option<End> {
        let of_instance = self.topology.find_instance(name).into_iter();
        let of_instance = of_instance.flat_map(|(_, instance)| instance.network_interfaces.values());
        let itself = self.topology.find_interface(name).map(|(name, _)| name);
        let mut all = of_instance.chain(itself).filter_map(|name| self.fabric.enis.find(name.as_str()));
        all.find_map(|eni| {
            let interface = &self.fabric.enis[eni];
            let is_public = |public: &Ipv4Addr| IpAddr::V4(*public) == address;
            if interface.owns(address) {
                Some(End::Interface(eni, Some(address)))
            } else {
                let mut public = interface.public_addresses.iter();
                public.any(|(_, public)| is_public(public)).then_some(End::Address(address))
            }
        })
    }

    /// Whoever sends from an address that is in a network of the user's own and no declared host's.
    fn customers_at(&self, address: IpAddr, side: Side) -> Option<Ends> {
        let is_interfaces = || {
            let mut vpcs = self.fabric.vpcs.iter();
            vpcs.any(|(vpc, _)| self.fabric.interface_at(vpc, address).is_some())
        };
        let is_ours = || self.fabric.public_mapping(address).is_some();
        if side == Side::To || self.fabric.host_at(address).is_some() || is_ours() || is_interfaces() {
            return None;
        }
        let customers = Customers::of(self.topology, self.fabric, &[IpNet::from(address)])?;
        let members = customers.at(address);
        let set = (members.len() > 1).then(|| format!("whoever has the address {address}"));
        (!members.is_empty()).then_some(Ends { members, set, between_vpcs: false })
    }

    /// An address without a VPC: the one interface that has it, or an address as packets carry it.
    fn anywhere(&self, address: IpAddr) -> Result<NamedEnd, Refusal> {
        let owners: Vec<_> = self
            .fabric
            .vpcs
            .iter()
            .filter_map(|(vpc, compiled)| Some((&compiled.name, self.fabric.interface_at(vpc, address)?)))
            .collect();
        let end = match owners.as_slice() {
            // A host's address too: the host may have another one, of the other family, that is not meant.
            [] => End::Address(address),
            [(_, eni)] => End::Interface(*eni, Some(address)),
            several => {
                let names: Vec<String> = several.iter().map(|(vpc, _)| format!("{vpc}/{address}")).collect();
                let message =
                    format!("several VPCs have the address {address}; ask for {}", names.join(" or "));
                return Err(Refusal::Said(conflict(message)));
            }
        };
        Ok(NamedEnd::at(&address.to_string(), EndKind::Address, end))
    }

    /// An address that is to be on the internet.
    fn outside(&self, address: IpAddr) -> Result<NamedEnd, Refusal> {
        if let Some(why) = not_public(address) {
            let message = format!(
                "{address} is not a public address (it {why}), so no host of the internet can have it"
            );
            return Err(Refusal::Said(invalid(message)));
        }
        Ok(NamedEnd::new(&address.to_string(), EndKind::Address, End::Address(address)))
    }

    /// Whether `text` would be a destination if nothing stood behind it.
    pub(crate) fn is_end_and_port(&self, text: &str) -> bool {
        readings(text)
            .iter()
            .any(|reading| reading.protocol.is_none() && self.find(reading.end, Side::To).is_ok())
    }

    /// What to say of a text that names nobody.
    pub(crate) fn unknown(&self, text: &str) -> ApiError {
        if let Some(address) = text.strip_prefix("internet:") {
            return invalid(format!("`{address}` is not an address; write internet:198.51.100.7"));
        }
        let topology = self.topology;
        let known: Vec<&str> = topology
            .instances
            .keys()
            .map(|name| name.as_str())
            .chain(topology.network_interfaces.keys().map(|name| name.as_str()))
            .chain(topology.internet_hosts.keys().map(|name| name.as_str()))
            .chain(topology.customer_hosts.keys().map(|name| name.as_str()))
            .chain(topology.services.keys().map(|name| name.as_str()))
            .chain(["internet"])
            .collect();
        // A slip of a set's name is found, and the list of what there is stays that of hosts.
        let sets = topology
            .subnets
            .keys()
            .map(|name| name.as_str())
            .chain(topology.security_groups.keys().map(|name| name.as_str()))
            .chain(topology.vpcs.keys().map(|name| name.as_str()));
        let slip = nearest(text, known.iter().copied().chain(sets));
        let remedy =
            slip.map_or_else(|| names::remedy(text, known), |meant| format!("did you mean `{meant}`?"));
        let code = if text.starts_with("eni-") {
            "InvalidNetworkInterfaceID.NotFound"
        } else {
            "InvalidInstanceID.NotFound"
        };
        ApiError::new(code, format!("nothing that can be asked about is called `{text}`; {remedy}"))
    }
}

/// An address, with or without brackets.
pub(crate) fn bare_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}
