//! Which ends fare alike, so that one of them answers for all?
//!
//! Two interfaces are alike if nothing that a packet meets can tell them apart: they are in one subnet and the same
//! groups, and every block of addresses that any table or rule names holds both or neither. Pairs of them go further:
//! inside a VPC, where both routes are local, a pair meets nothing but the rules and entries that match the other end, so
//! pairs with equal matches fare alike whatever their subnets and groups are called; elsewhere pairs of the same two subnets
//! do, whatever their groups are called. What always holds: this decides which pairs are walked and never what becomes of
//! one; a doubt makes an end stand alone.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::explain::End;
use vpclab_engine::{
    Direction, EniIdx, Fabric, Forwards, NetworkAclIdx, NotModelledIdx, Peer, PolicyIdx, Role, RouteTarget,
    SecurityGroupIdx, SubnetIdx, VpcIdx,
};
use vpclab_model::{RouteState, RuleAction, Traffic};

use crate::addresses::{self, named_blocks};
use crate::question::NamedEnd;

/// Values by number, each known once.
#[derive(Debug)]
struct Known<T> {
    numbers: HashMap<T, usize>,
}

impl<T: Hash + Eq> Known<T> {
    fn new() -> Self {
        Self { numbers: HashMap::new() }
    }

    fn number(&mut self, value: T) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(value).or_insert(next)
    }
}

/// The classes of ends, and what pairs of them meet.
pub(crate) struct Alike<'f> {
    fabric: &'f Fabric,
    blocks: BTreeSet<IpNet>,
    /// Interfaces that something names or that do more than send and receive.
    alone: BTreeSet<EniIdx>,
    /// Groups that rules name of those on the way: who sends on what others sent.
    named_on_the_way: BTreeSet<SecurityGroupIdx>,
    /// Those under whose addresses packets of others may arrive: NAT gateways, and guests that translate.
    translators: Vec<(EniIdx, IpAddr)>,
    marks: Known<Vec<usize>>,
    addresses: Known<Vec<Address>>,
    faces: Known<Face>,
    classes: Known<Class>,
    /// By class: an interface of it, and its face.
    of_class: Vec<Option<(EniIdx, usize)>>,
    matches: Known<Vec<Match>>,
    entries: Known<Vec<Entry>>,
    about_translators: Known<Vec<About>>,
    known_about: HashMap<PolicyIdx, usize>,
    known_matches: HashMap<(PolicyIdx, Direction, usize, Option<NotModelledIdx>), usize>,
    known_entries: HashMap<(NetworkAclIdx, Direction, usize), usize>,
}

/// What rules see of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Face {
    groups: Vec<SecurityGroupIdx>,
    /// Of each of its addresses.
    addresses: Vec<Address>,
}

/// What tables and rules see of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Address {
    is_ipv6: bool,
    /// Which blocks hold it.
    own: usize,
    /// Which hold the public address that stands for it.
    public: Option<usize>,
    is_public: bool,
}

/// What packets can tell of an end.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Class {
    Alone(String),
    Like { subnet: SubnetIdx, face: usize, running: bool, unknown: Option<NotModelledIdx> },
}

/// A rule of a group that may let an end through: for its IPv4 address, for its IPv6 one, as a member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Match {
    traffic: Traffic,
    families: [bool; 2],
    by_group: bool,
    for_everybody: bool,
    unknown: Option<NotModelledIdx>,
}

/// A rule that is about a translator: its direction, whom of them it is about, and whether that is everybody.
type About = (Direction, Traffic, usize, bool);

/// An entry of a network ACL that may decide about an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    traffic: Traffic,
    allows: bool,
    families: [bool; 2],
    unknown: Option<NotModelledIdx>,
}

/// What decides about a pair: pairs with equal ones fare alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum PairKey {
    /// The classes of both, if they are in one subnet or not.
    Of(usize, usize),
    /// Both routes are local.
    Local(Box<Local>),
    /// Packets leave the VPC, or pass somebody inside it.
    Far(Box<Far>),
}

/// All that a pair inside a VPC meets.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Local {
    vpc: VpcIdx,
    same_subnet: bool,
    running: [bool; 2],
    unknown: [Option<NotModelledIdx>; 4],
    families: [[bool; 2]; 2],
    rules: [[usize; 2]; 2],
    entries: [[usize; 2]; 2],
}

/// All that a pair meets whose packets are routed: what is between two subnets can tell ends apart by their addresses.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Far {
    subnets: [SubnetIdx; 2],
    addresses: [usize; 2],
    running: [bool; 2],
    unknown: [Option<NotModelledIdx>; 2],
    rules: [[usize; 2]; 2],
    /// Which rules of each are about whoever may lend packets an address on the way.
    about_translators: [usize; 2],
    groups: [Vec<SecurityGroupIdx>; 2],
}

impl<'f> Alike<'f> {
    pub(crate) fn of(fabric: &'f Fabric) -> Self {
        let mut alike = Self::empty(fabric);
        let passed = fabric.enis.iter().filter(|(eni, _)| !alike.is_plain(*eni));
        let policies: BTreeSet<PolicyIdx> = passed.map(|(_, interface)| interface.policy).collect();
        for policy in policies {
            for way in [Direction::Inbound, Direction::Outbound] {
                let named = fabric.policies[policy].of(way).rules.iter().filter_map(|rule| match rule.peer {
                    Peer::Group(group) => Some(group),
                    Peer::Cidr(_) | Peer::Nobody => None,
                });
                alike.named_on_the_way.extend(named);
            }
        }
        alike
    }

    fn empty(fabric: &'f Fabric) -> Self {
        Self {
            fabric,
            named_on_the_way: BTreeSet::new(),
            translators: translators(fabric),
            about_translators: Known::new(),
            known_about: HashMap::new(),
            addresses: Known::new(),
            blocks: named_blocks(fabric),
            alone: named_interfaces(fabric),
            marks: Known::new(),
            faces: Known::new(),
            classes: Known::new(),
            of_class: Vec::new(),
            matches: Known::new(),
            entries: Known::new(),
            known_matches: HashMap::new(),
            known_entries: HashMap::new(),
        }
    }

    /// The class of an end: ends of one class fare alike towards whoever else there is.
    pub(crate) fn class(&mut self, end: &NamedEnd) -> usize {
        let like = match (end.end, &end.via) {
            (End::Interface(eni, None), None) if self.is_plain(eni) => Some(eni),
            _ => None,
        };
        let Some(eni) = like else {
            let class = self.classes.number(Class::Alone(format!("{end:?}")));
            self.of_class.resize(self.of_class.len().max(class + 1), None);
            return class;
        };
        let interface = &self.fabric.enis[eni];
        let (subnet, running, unknown) = (interface.subnet, interface.running, interface.unknown);
        let face = self.face(eni);
        let class = self.classes.number(Class::Like { subnet, face, running, unknown });
        self.of_class.resize(self.of_class.len().max(class + 1), None);
        self.of_class[class].get_or_insert((eni, face));
        class
    }

    /// Whether all that an interface does is to send and receive under addresses that nobody else has.
    fn is_plain(&self, eni: EniIdx) -> bool {
        let interface = &self.fabric.enis[eni];
        let Some((instance, _)) = interface.attachment else { return false };
        let is_elsewhere = |address: IpAddr| {
            let mut others = self.fabric.vpcs.iter().map(|(vpc, _)| vpc).filter(|vpc| *vpc != interface.vpc);
            others.any(|vpc| self.fabric.interface_at(vpc, address).is_some())
        };
        interface.role == Role::Guest
            && interface.source_dest_check
            && self.fabric.instances[instance].interfaces.len() == 1
            && !self.alone.contains(&eni)
            && !interface.addresses.iter().any(|address| is_elsewhere(*address))
    }

    fn face(&mut self, eni: EniIdx) -> usize {
        let addresses = self.addresses_of(eni);
        let mut groups = self.fabric.enis[eni].security_groups.clone();
        groups.sort_unstable();
        groups.dedup();
        self.faces.number(Face { groups, addresses })
    }

    fn addresses_of(&mut self, eni: EniIdx) -> Vec<Address> {
        let fabric = self.fabric;
        let interface = &fabric.enis[eni];
        let mut addresses = Vec::new();
        for own in addresses::of_interface(fabric, eni) {
            let public = match own {
                IpAddr::V4(private) => interface.public_address_of(private).map(IpAddr::V4),
                IpAddr::V6(_) => None,
            };
            let is_public = match own {
                IpAddr::V4(_) => public.is_some(),
                IpAddr::V6(_) => fabric.public_mapping(own).is_some(),
            };
            let public = public.map(|public| self.mark(public));
            addresses.push(Address { is_ipv6: own.is_ipv6(), own: self.mark(own), public, is_public });
        }
        addresses
    }

    /// Which blocks hold an address.
    fn mark(&mut self, address: IpAddr) -> usize {
        let holding = self.blocks.iter().enumerate().filter(|(_, block)| block.contains(&address));
        let holding = holding.map(|(place, _)| place).collect();
        self.marks.number(holding)
    }

    /// What decides about packets between ends of two classes.
    pub(crate) fn pair(&mut self, from: usize, to: usize) -> PairKey {
        if let Some(local) = self.local(from, to) {
            return PairKey::Local(Box::new(local));
        }
        match self.far(from, to) {
            Some(far) => PairKey::Far(Box::new(far)),
            None => PairKey::Of(from, to),
        }
    }

    fn far(&mut self, from: usize, to: usize) -> Option<Far> {
        let (a, b) = (self.of_class[from]?, self.of_class[to]?);
        if from == to || !self.has_one_address(a.0) || !self.has_one_address(b.0) {
            return None;
        }
        let rules = self.rules_between(a, b);
        let interfaces = [a.0, b.0].map(|eni| &self.fabric.enis[eni]);
        let about_translators = interfaces.map(|interface| self.about_translators(interface.policy));
        let addresses = [a.0, b.0].map(|eni| {
            let addresses = self.addresses_of(eni);
            self.addresses.number(addresses)
        });
        let named = |eni: usize| {
            let own = interfaces[eni].security_groups.iter().copied();
            let mut named: Vec<_> = own.filter(|group| self.named_on_the_way.contains(group)).collect();
            named.sort_unstable();
            named
        };
        Some(Far {
            subnets: interfaces.map(|interface| interface.subnet),
            addresses,
            running: interfaces.map(|interface| interface.running),
            unknown: interfaces.map(|interface| interface.unknown),
            rules,
            about_translators,
            groups: [named(0), named(1)],
        })
    }

    /// Which rules of each of two interfaces, with their faces, are about the other one, outwards and inwards.
    fn rules_between(&mut self, a: (EniIdx, usize), b: (EniIdx, usize)) -> [[usize; 2]; 2] {
        [(a, b), (b, a)].map(|((own, _), (far, face))| {
            let policy = self.fabric.enis[own].policy;
            [Direction::Outbound, Direction::Inbound].map(|way| self.rules(policy, way, face, far))
        })
    }

    fn local(&mut self, from: usize, to: usize) -> Option<Local> {
        let ((a, face_a), (b, face_b)) = (self.of_class[from]?, self.of_class[to]?);
        let (eni_a, eni_b) = (&self.fabric.enis[a], &self.fabric.enis[b]);
        if !self.has_one_address(a) || !self.has_one_address(b) {
            return None;
        }
        if eni_a.vpc != eni_b.vpc || !self.is_routed_locally(a, b) || !self.is_routed_locally(b, a) {
            return None;
        }
        let subnets = [&self.fabric.subnets[eni_a.subnet], &self.fabric.subnets[eni_b.subnet]];
        let (into, out) = (Direction::Inbound, Direction::Outbound);
        let rules = self.rules_between((a, face_a), (b, face_b));
        let acls = subnets.map(|subnet| subnet.network_acl);
        let about_b = [out, into].map(|way| self.entries(acls[0], way, face_b, b));
        let about_a = [out, into].map(|way| self.entries(acls[1], way, face_a, a));
        let has =
            |eni: EniIdx| [false, true].map(|ipv6| self.fabric.enis[eni].primary_address(ipv6).is_some());
        let families = [has(a), has(b)];
        Some(Local {
            vpc: eni_a.vpc,
            same_subnet: eni_a.subnet == eni_b.subnet,
            running: [eni_a.running, eni_b.running],
            unknown: [eni_a.unknown, eni_b.unknown, subnets[0].unknown, subnets[1].unknown],
            families,
            rules,
            entries: [about_b, about_a],
        })
    }

    /// Whether an interface has one address of each family at most.
    fn has_one_address(&self, eni: EniIdx) -> bool {
        let interface = &self.fabric.enis[eni];
        let of = |ipv6: bool| interface.addresses.iter().filter(|address| address.is_ipv6() == ipv6).count();
        interface.prefixes.is_empty() && of(false) < 2 && of(true) < 2
    }

    /// Whether the table of the subnet of `eni` leaves packets for `other` to the VPC.
    fn is_routed_locally(&self, eni: EniIdx, other: EniIdx) -> bool {
        let table = &self.fabric.route_tables[self.fabric.subnets[self.fabric.enis[eni].subnet].route_table];
        let mut addresses =
            [false, true].into_iter().filter_map(|ipv6| self.fabric.enis[other].primary_address(ipv6));
        table.unknown.is_none()
            && addresses.all(|address| {
                table.lookup(address).is_some_and(|route| {
                    route.target == RouteTarget::Local
                        && route.state == RouteState::Active
                        && route.prefix_list.is_none()
                })
            })
    }

    /// Which rules of a policy are about the interface `far`, which has this face.
    fn rules(&mut self, policy: PolicyIdx, direction: Direction, face: usize, far: EniIdx) -> usize {
        let fabric = self.fabric;
        let far = &fabric.enis[far];
        let place = (policy, direction, face, far.unknown);
        if let Some(&known) = self.known_matches.get(&place) {
            return known;
        }
        let addresses = [false, true].map(|ipv6| far.primary_address(ipv6));
        let policy_rules = fabric.policies[policy].of(direction);
        let mut matches: Vec<Match> = Vec::new();
        for rule in &policy_rules.rules {
            let mut unknown = None;
            let (families, by_group, for_everybody) = match rule.peer {
                Peer::Cidr(block) => (
                    addresses.map(|address| address.is_some_and(|address| block.contains(address))),
                    false,
                    block.net().prefix_len() == 0,
                ),
                Peer::Group(group) => {
                    let is_member = far.security_groups.contains(&group);
                    // Of whom not all is known, who may be a member of any group.
                    unknown = far.unknown.filter(|_| !is_member);
                    ([is_member || unknown.is_some(); 2], true, false)
                }
                Peer::Nobody => ([false; 2], false, false),
            };
            if families != [false; 2] {
                let traffic = rule.traffic;
                matches.push(Match { traffic, families, by_group, for_everybody, unknown });
            }
        }
        if policy_rules.unknown.is_some() {
            let unknown = policy_rules.unknown;
            let (by_group, for_everybody) = (false, false);
            matches.push(Match {
                traffic: Traffic::All,
                families: [true; 2],
                by_group,
                for_everybody,
                unknown,
            });
        }
        matches.sort_unstable();
        matches.dedup();
        let number = self.matches.number(matches);
        self.known_matches.insert(place, number);
        number
    }

    /// Which rules of a policy are about translators.
    fn about_translators(&mut self, policy: PolicyIdx) -> usize {
        if let Some(&known) = self.known_about.get(&policy) {
            return known;
        }
        let mut about: Vec<About> = Vec::new();
        for way in [Direction::Outbound, Direction::Inbound] {
            for rule in &self.fabric.policies[policy].of(way).rules {
                for (place, &(eni, address)) in self.translators.iter().enumerate() {
                    let (is_about, is_everybody) = match rule.peer {
                        Peer::Cidr(block) => (block.contains(address), block.net().prefix_len() == 0),
                        Peer::Group(group) => (self.fabric.enis[eni].security_groups.contains(&group), false),
                        Peer::Nobody => (false, false),
                    };
                    if is_about {
                        about.push((way, rule.traffic, place, is_everybody));
                    }
                }
            }
        }
        about.sort_unstable();
        about.dedup();
        let number = self.about_translators.number(about);
        self.known_about.insert(policy, number);
        number
    }

    /// Which entries of a network ACL are about the interface `far`, which has this face.
    fn entries(&mut self, acl: NetworkAclIdx, direction: Direction, face: usize, far: EniIdx) -> usize {
        if let Some(&known) = self.known_entries.get(&(acl, direction, face)) {
            return known;
        }
        let addresses = [false, true].map(|ipv6| self.fabric.enis[far].primary_address(ipv6));
        let acl_entries = &self.fabric.network_acls[acl];
        let mut entries = Vec::new();
        for entry in acl_entries.entries.of(direction) {
            let families =
                addresses.map(|address| address.is_some_and(|address| entry.cidr.contains(address)));
            if families != [false; 2] {
                let allows = entry.action == RuleAction::Allow;
                entries.push(Entry { traffic: entry.traffic, allows, families, unknown: None });
            }
        }
        if acl_entries.unknown.is_some() {
            let unknown = acl_entries.unknown;
            entries.push(Entry { traffic: Traffic::All, allows: false, families: [true; 2], unknown });
        }
        let number = self.entries.number(entries);
        self.known_entries.insert((acl, direction, face), number);
        number
    }
}

/// The addresses that NAT gateways and guests that translate have.
fn translators(fabric: &Fabric) -> Vec<(EniIdx, IpAddr)> {
    let translates = |eni: &vpclab_engine::Eni| {
        let by_guest = eni
            .attachment
            .is_some_and(|(instance, _)| matches!(fabric.instances[instance].forwards, Forwards::Nat));
        matches!(eni.role, Role::NatGateway(_)) || by_guest
    };
    let all = fabric.enis.iter().filter(|(_, interface)| translates(interface));
    all.flat_map(|(eni, interface)| interface.addresses.iter().map(move |address| (eni, *address))).collect()
}

/// The interfaces that routes lead to, or that guests send on by.
fn named_interfaces(fabric: &Fabric) -> BTreeSet<EniIdx> {
    let routes = fabric.route_tables.iter().flat_map(|(_, table)| &table.routes);
    let targets = routes.filter_map(|route| match route.target {
        RouteTarget::NetworkInterface(eni) => Some(eni),
        _ => None,
    });
    let ways_on = fabric.instances.iter().filter_map(|(_, instance)| match instance.forwards {
        Forwards::Interface(eni) => Some(eni),
        _ => None,
    });
    targets.chain(ways_on).collect()
}
