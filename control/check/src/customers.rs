//! Who is in the user's own networks, where no host is declared?
//!
//! Whatever lies behind a VPN connection or a virtual interface may hold hosts that nobody has declared. One is supposed
//! for each range of its blocks that rules and routes tell apart, in a topology of its own, so that no other answer
//! changes. What always holds: of a network that is not declared, which is known by the routes that lead to it alone, and
//! of a host that is not, as a destination, nothing is said to pass. Left to others: the walks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_api::{ApiError, Assumed, Explanation, LegVerdict, Unmodelled};
use vpclab_engine::Fabric;
use vpclab_engine::explain::End;
use vpclab_model::{
    CustomerHost, CustomerHostName, CustomerNetwork, CustomerNetworkName, CustomerRoute, LinkName, Topology,
    address_after, not_public,
};

use crate::addresses::named_blocks;
use crate::answer::{at_each_address, in_each_family};
use crate::fate::{Fate, is_alike};
use crate::question::{EndKind, NamedEnd, Question};
use crate::{behind, undeclared};

/// Ranges of one network that are told apart at most.
const MOST_RANGES: usize = 64;
/// Hosts named at most that fare as another one does.
const MOST_NAMED: usize = 4;
/// What hosts behind a default route have for addresses, as far as anybody can say.
pub(crate) const PRIVATE: [IpNet; 5] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 16, 0, 0), 12)),
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(100, 64, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)),
];

/// The topology with the hosts that are supposed.
pub(crate) struct Customers {
    topology: Topology,
    fabric: Fabric,
    /// By the names they go by.
    networks: BTreeMap<String, Network>,
}

/// A network of the user's own.
struct Network {
    /// The network, or the customer gateway or virtual interface behind which none is declared.
    is_declared: bool,
    /// Whether it has hosts that are declared.
    has_hosts: bool,
    hosts: Vec<(CustomerHostName, IpAddr)>,
    /// Whether that is all: no more ranges are told apart than are asked.
    is_all: bool,
    /// Whether its blocks are known, so that what answers it is sure to find no way back where there is none.
    is_routed: bool,
}

/// The questions about each host of a network, and where they are asked.
pub(crate) struct Asked<'a> {
    pub(crate) fabric: &'a Fabric,
    pub(crate) topology: &'a Topology,
    pub(crate) questions: Vec<Question>,
    /// What is not known of any answer that nothing denies.
    pub(crate) unknown: Option<Unmodelled>,
    /// Why nothing is known of some of its hosts, if so: there are more than are asked.
    pub(crate) not_asked: Option<Unmodelled>,
}

impl PartialEq for Customers {
    fn eq(&self, other: &Self) -> bool {
        self.networks.keys().eq(other.networks.keys())
    }
}

impl Eq for Customers {}

impl fmt::Debug for Customers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.networks.keys()).finish()
    }
}

impl Customers {
    /// Those of a topology, told apart at the edges of these blocks, too; none without any network of the user's own.
    pub(crate) fn of(topology: &Topology, fabric: &Fabric, edges: &[IpNet]) -> Option<Arc<Self>> {
        let mut supposed = topology.clone();
        let mut networks: BTreeMap<String, Network> = BTreeMap::new();
        for name in topology.customer_networks.keys() {
            let has_hosts = topology.customer_hosts.values().any(|host| host.customer_network == *name);
            let network =
                Network { is_declared: true, has_hosts, hosts: Vec::new(), is_all: true, is_routed: true };
            networks.insert(name.to_string(), network);
        }
        for name in undeclared_networks(&mut supposed) {
            let network = Network {
                is_declared: false,
                has_hosts: false,
                hosts: Vec::new(),
                is_all: true,
                is_routed: true,
            };
            networks.insert(name, network);
        }
        if networks.is_empty() {
            return None;
        }
        let mut cuts = named_blocks(fabric);
        cuts.extend(edges);
        let taken: BTreeSet<IpAddr> =
            topology.customer_hosts.values().flat_map(CustomerHost::addresses).collect();
        for (name, network) in &mut networks {
            let key = CustomerNetworkName::new(name.as_str());
            if let Some(own) = supposed.customer_networks.get_mut(&key).filter(|_| network.is_declared) {
                // What it announces beyond its own blocks is behind it.
                for block in behind::announced(topology, &key) {
                    match block {
                        _ if own.blocks().any(|own| own.contains(&block)) => {}
                        IpNet::V4(block) => own.cidr_blocks.push(block),
                        IpNet::V6(block) => own.ipv6_cidr_blocks.push(block),
                    }
                }
            }
            let blocks: Vec<IpNet> =
                supposed.customer_networks.get(&key).map(|own| own.blocks().collect()).unwrap_or_default();
            network.is_routed = !blocks.is_empty();
            // Of which nothing is announced may have any address.
            let everywhere = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
            let blocks = if blocks.is_empty() { everywhere.to_vec() } else { blocks };
            // Where its links lead, a VPC's addresses are the VPC's, unless a block says that they are here too.
            let joined = behind::vpcs(&supposed, &key);
            let is_theirs = |address: IpAddr| {
                let own = blocks.iter().filter(|block| block.contains(&address));
                let own = own.map(IpNet::prefix_len).max().unwrap_or_default();
                let vpcs = fabric.vpcs.iter().filter(|(_, vpc)| joined.contains(&vpc.name));
                let mut theirs = vpcs.flat_map(|(_, vpc)| &vpc.cidr_blocks);
                theirs.any(|block| block.contains(&address) && own < block.prefix_len())
            };
            let mut addresses = ranges(&blocks, &cuts);
            addresses.retain(|address| !taken.contains(address) && !is_theirs(*address));
            network.is_all = addresses.len() <= MOST_RANGES;
            for address in addresses.into_iter().take(MOST_RANGES) {
                let host = CustomerHostName::new(format!("{name}/{address}"));
                let (v4, v6) = match address {
                    IpAddr::V4(v4) => (Some(v4), None),
                    IpAddr::V6(v6) => (None, Some(v6)),
                };
                supposed.customer_hosts.insert(
                    host.clone(),
                    CustomerHost {
                        customer_network: key.clone(),
                        address: v4,
                        ipv6_address: v6,
                        tags: BTreeMap::new(),
                    },
                );
                network.hosts.push((host, address));
            }
        }
        let fabric = Fabric::compile(&supposed, None);
        Some(Arc::new(Self { topology: supposed, fabric, networks }))
    }

    /// Each network as an end; `all` says whether also those that have declared hosts.
    pub(crate) fn ends(self: &Arc<Self>, all: bool) -> Vec<NamedEnd> {
        let meant = self.networks.iter().filter(|(_, network)| all || !network.has_hosts);
        meant.map(|(name, _)| self.end(name, EndKind::Customers(None))).collect()
    }

    /// The network of this name as an end, if it is one of those.
    pub(crate) fn find(self: &Arc<Self>, name: &str) -> Option<NamedEnd> {
        self.networks.contains_key(name).then(|| self.end(name, EndKind::Customers(None)))
    }

    /// Who of each network has an address of a block; `all` says whether also of those that have declared hosts.
    pub(crate) fn inside(self: &Arc<Self>, block: IpNet, all: bool) -> Vec<NamedEnd> {
        let is_inside = |network: &&Network| network.hosts.iter().any(|(_, address)| block.contains(address));
        let meant = self.networks.iter();
        let meant = meant.filter(|(_, network)| is_inside(network) && (all || !network.has_hosts));
        meant.map(|(name, _)| self.end(name, EndKind::Customers(Some(block)))).collect()
    }

    /// Who of each network has an address. Of which of the public ones are beyond a link nobody knows but who declares it.
    pub(crate) fn at(self: &Arc<Self>, address: IpAddr) -> Vec<NamedEnd> {
        let block = IpNet::from(address);
        let meant = self.networks.iter().filter(|(_, network)| {
            (network.is_declared || not_public(address).is_some())
                && network.hosts.iter().any(|(_, own)| *own == address)
        });
        meant.map(|(name, _)| self.end(name, EndKind::Customers(Some(block)))).collect()
    }

    /// Whether somebody is supposed to be what an end is, or not all are that may be.
    pub(crate) fn is_anybody(&self, end: &NamedEnd) -> bool {
        let EndKind::Customers(within) = end.kind else { return false };
        let is_in = |address: &IpAddr| within.is_none_or(|block| block.contains(address));
        let network = self.networks.get(&end.name);
        network.is_some_and(|own| !own.is_all || own.hosts.iter().any(|(_, address)| is_in(address)))
    }

    /// The blocks of a network.
    pub(crate) fn blocks(&self, name: &str) -> Vec<IpNet> {
        let network = self.topology.customer_networks.get(&CustomerNetworkName::new(name));
        network.map(|network| network.blocks().collect()).unwrap_or_default()
    }

    fn end(self: &Arc<Self>, name: &str, kind: EndKind) -> NamedEnd {
        NamedEnd { beyond: Some(Arc::clone(self)), ..NamedEnd::new(name, kind, End::Internet) }
    }

    /// The same end in the topology with the hosts that are supposed: each of them, or itself.
    fn here(&self, fabric: &Fabric, end: &NamedEnd) -> Vec<NamedEnd> {
        let EndKind::Customers(within) = end.kind else {
            let own = match end.end {
                End::Interface(eni, address) => self
                    .fabric
                    .enis
                    .find(fabric.enis[eni].name.as_str())
                    .map(|eni| End::Interface(eni, address)),
                End::Host(host) => self.fabric.hosts.find(fabric.hosts[host].name.as_str()).map(End::Host),
                other => Some(other),
            };
            return own.map(|own| NamedEnd { end: own, beyond: None, ..end.clone() }).into_iter().collect();
        };
        let Some(network) = self.networks.get(&end.name) else { return Vec::new() };
        let meant =
            network.hosts.iter().filter(|(_, address)| within.is_none_or(|block| block.contains(address)));
        let host = |(name, _): &(CustomerHostName, IpAddr)| {
            let host = self.fabric.hosts.find(name.as_str())?;
            Some(NamedEnd {
                end: End::Host(host),
                kind: EndKind::CustomerHost,
                beyond: None,
                name: name.to_string(),
                ..end.clone()
            })
        };
        meant.filter_map(host).collect()
    }

    /// What is asked of a question about one of these networks.
    pub(crate) fn asked(&self, fabric: &Fabric, question: &Question) -> Asked<'_> {
        let unknown = self.unknown(question);
        let is_all = self.is_all(&question.from) && self.is_all(&question.to);
        let not_asked = (!is_all).then(|| {
            unknown.clone().unwrap_or_else(|| Unmodelled {
                resource: network_of(question).name.clone(),
                kind: "customer_network".to_owned(),
                reason: "rules and routes tell more ranges of it apart than are asked one by one".to_owned(),
            })
        });
        let questions = self.questions(fabric, question);
        Asked { fabric: &self.fabric, topology: &self.topology, questions, unknown, not_asked }
    }

    /// The questions about each host that an end is.
    fn questions(&self, fabric: &Fabric, question: &Question) -> Vec<Question> {
        let mut questions = Vec::new();
        for from in self.here(fabric, &question.from) {
            for to in self.here(fabric, &question.to) {
                let question = Question { from: from.clone(), to, ..question.clone() };
                questions.extend(in_each_family(&self.fabric, &question));
            }
        }
        questions
    }

    /// Whether there is anybody to ask about.
    pub(crate) fn is_asked(&self, fabric: &Fabric, question: &Question) -> bool {
        !self.questions(fabric, question).is_empty()
            || !self.is_all(&question.from)
            || !self.is_all(&question.to)
    }

    /// What is not known of a question about one of these networks; nothing where all is.
    fn unknown(&self, question: &Question) -> Option<Unmodelled> {
        let network = |end: &NamedEnd| {
            self.networks.get(&end.name).filter(|_| matches!(end.kind, EndKind::Customers(_)))
        };
        let (from, to) = (network(&question.from), network(&question.to));
        let end = if from.is_some() { &question.from } else { &question.to };
        let own = from.or(to)?;
        let told = |reason: &str| Unmodelled {
            resource: end.name.clone(),
            kind: "customer_network".to_owned(),
            reason: reason.to_owned(),
        };
        if !own.is_declared {
            return Some(told(
                "no network is declared at the customer's end; declare it under `customer_networks`",
            ));
        }
        to.map(|_| told("no host of it is declared; declare one under `customer_hosts`"))
    }

    /// Whether the blocks of an end are known.
    fn is_routed(&self, end: &NamedEnd) -> bool {
        let is_network = matches!(end.kind, EndKind::Customers(_));
        let network = self.networks.get(&end.name).filter(|_| is_network);
        network.is_none_or(|network| network.is_routed)
    }

    /// Whether every host of an end is asked about.
    fn is_all(&self, end: &NamedEnd) -> bool {
        let is_network = matches!(end.kind, EndKind::Customers(_));
        self.networks.get(&end.name).filter(|_| is_network).is_none_or(|network| network.is_all)
    }
}

/// The end that is a network of the user's own.
fn network_of(question: &Question) -> &NamedEnd {
    if question.from.beyond.is_some() { &question.from } else { &question.to }
}

/// The answers to a question about a network of the user's own: one for all of its hosts that fare alike.
pub(crate) fn answers(
    customers: &Customers,
    fabric: &Fabric,
    question: &Question,
) -> Result<Vec<(Question, Explanation)>, ApiError> {
    let Asked { fabric: supposed, topology, questions, unknown, not_asked } =
        customers.asked(fabric, question);
    let is_routed = customers.is_routed(&question.from) && customers.is_routed(&question.to);
    let mut answers = Vec::new();
    for own in questions {
        for (own, mut told) in at_each_address(supposed, topology, &own, true)? {
            let may_return = !is_routed && told.forward.verdict == LegVerdict::Delivered;
            if let Some(unknown) = &unknown
                && (Fate::of(&told) != Fate::Dies || may_return)
            {
                told = Explanation { unmodelled: Vec::new(), ..told };
                told.reachable = None;
                told.blockers.clear();
                told.not_denied.clear();
                told.by_choice = false;
                told.unmodelled.push(unknown.clone());
            }
            answers.push((own, told));
        }
    }
    if let Some(not_asked) = not_asked {
        answers.push((question.clone(), undeclared::unanswered(question, vec![not_asked])));
    }
    let is_one_host = answers.len() == 1 && is_one_address(network_of(question));
    // Those who fare alike, each with the names of the others.
    let mut known: Vec<(Question, Explanation, Vec<String>)> = Vec::new();
    for (own, told) in answers {
        let name = network_of_asked(question, &own).name.clone();
        match known.iter_mut().find(|(_, like, _)| is_alike(like, &told)) {
            Some((.., others)) => others.push(name),
            None => known.push((own, told, vec![name])),
        }
    }
    let is_one = known.len() == 1;
    let told = known.into_iter().map(|(mut own, mut told, names)| {
        if is_one && !is_one_host {
            told.from.name.clone_from(&question.from.name);
            told.to.name.clone_from(&question.to.name);
            own.from.name.clone_from(&question.from.name);
            own.to.name.clone_from(&question.to.name);
        } else {
            told.assumed.extend(stands_for(&names));
        }
        (own, told)
    });
    Ok(told.collect())
}

/// The end of a question about one host that is one of a network's.
fn network_of_asked<'q>(question: &Question, own: &'q Question) -> &'q NamedEnd {
    if question.from.beyond.is_some() { &own.from } else { &own.to }
}

/// Whether one address of a network is asked about.
fn is_one_address(end: &NamedEnd) -> bool {
    matches!(end.kind, EndKind::Customers(Some(block)) if block.prefix_len() == block.max_prefix_len())
}

/// That the first of these hosts speaks for the others.
fn stands_for(names: &[String]) -> Option<Assumed> {
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.dedup();
    let (first, others) = all.split_first()?;
    let told: Vec<&str> = others.iter().take(MOST_NAMED).copied().collect();
    let more = match others.len().checked_sub(MOST_NAMED) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    let assumption = format!("stands for {}{more}, too, who fare alike", told.join(", "));
    (!others.is_empty()).then(|| Assumed { resource: (*first).to_owned(), assumption })
}

/// Puts a network behind each customer gateway and virtual interface that has none, of the blocks that are said to be
/// there; returns the names.
fn undeclared_networks(topology: &mut Topology) -> Vec<String> {
    let mut blocks: BTreeMap<String, (BTreeSet<IpNet>, Vec<LinkName>)> = BTreeMap::new();
    let free = |topology: &Topology, name: &str| {
        let is_taken = topology.customer_networks.contains_key(&CustomerNetworkName::new(name));
        if is_taken { format!("{name}/customer") } else { name.to_owned() }
    };
    for (link, vpn) in &topology.vpn_connections {
        let gateway = topology.customer_gateways.get(&vpn.customer_gateway);
        if gateway.is_none_or(|gateway| gateway.customer_network.is_some()) {
            continue;
        }
        let (own, links) = blocks.entry(free(topology, vpn.customer_gateway.as_str())).or_default();
        own.extend(vpn.routes.iter().copied().map(IpNet::V4));
        own.extend(vpn.bgp_routes.iter().map(|route| route.destination));
        links.push(LinkName::Vpn(link.clone()));
    }
    let private = topology.dx_private_virtual_interfaces.iter();
    let private = private.map(|(name, own)| (LinkName::Private(name.clone()), own));
    let transit = topology.dx_transit_virtual_interfaces.iter();
    let transit = transit.map(|(name, own)| (LinkName::Transit(name.clone()), own));
    for (link, interface) in private.chain(transit).filter(|(_, own)| own.customer_network.is_none()) {
        let (own, links) = blocks.entry(free(topology, link.as_str())).or_default();
        own.extend(interface.bgp_routes.iter().map(|route| route.destination));
        links.push(link);
    }
    for (name, (own, links)) in &blocks {
        let network = CustomerNetworkName::new(name.as_str());
        for link in links {
            match link {
                LinkName::Vpn(vpn) => {
                    let gateway = topology.vpn_connections.get(vpn).map(|vpn| vpn.customer_gateway.clone());
                    let gateway = gateway.and_then(|gateway| topology.customer_gateways.get_mut(&gateway));
                    gateway.into_iter().for_each(|gateway| gateway.customer_network = Some(network.clone()));
                }
                LinkName::Private(name) => {
                    let own = topology.dx_private_virtual_interfaces.get_mut(name);
                    own.into_iter().for_each(|own| own.customer_network = Some(network.clone()));
                }
                LinkName::Transit(name) => {
                    let own = topology.dx_transit_virtual_interfaces.get_mut(name);
                    own.into_iter().for_each(|own| own.customer_network = Some(network.clone()));
                }
            }
        }
        // Which way its devices send is theirs to know: any of its links.
        let everywhere = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
        let routes = everywhere.into_iter().flat_map(|destination| {
            links.iter().enumerate().map(move |(place, link)| CustomerRoute {
                destination,
                link: link.clone(),
                declared: true,
                in_use: place == 0,
                equal: place > 0,
            })
        });
        let v4 = own.iter().filter_map(|block| if let IpNet::V4(v4) = block { Some(*v4) } else { None });
        let v6 = own.iter().filter_map(|block| if let IpNet::V6(v6) = block { Some(*v6) } else { None });
        topology.customer_networks.insert(
            network,
            CustomerNetwork {
                cidr_blocks: v4.collect(),
                ipv6_cidr_blocks: v6.collect(),
                routes: routes.collect(),
                mtu: 1500,
                tags: BTreeMap::new(),
            },
        );
    }
    blocks.into_keys().collect()
}

/// An address of each range of `blocks` that `cuts` tell apart.
pub(crate) fn ranges(blocks: &[IpNet], cuts: &BTreeSet<IpNet>) -> Vec<IpAddr> {
    let mut addresses = BTreeSet::new();
    for block in blocks {
        // Behind a default route is anybody, and of the internet others speak.
        let own = match block.prefix_len() {
            0..8 => PRIVATE.iter().copied().filter(|private| block.contains(private)).collect(),
            _ => vec![*block],
        };
        for block in own {
            let inside: Vec<&IpNet> = cuts.iter().filter(|cut| block.contains(*cut)).collect();
            let edges = inside.iter().flat_map(|cut| [Some(cut.network()), address_after(cut.broadcast())]);
            let mut starts: BTreeSet<IpAddr> = edges.flatten().filter(|edge| block.contains(edge)).collect();
            starts.insert(block.network());
            for start in &starts {
                // The first address of a block is seldom a host's.
                let next =
                    address_after(*start).filter(|next| block.contains(next) && !starts.contains(next));
                addresses.insert(next.unwrap_or(*start));
            }
        }
    }
    addresses.into_iter().collect()
}
