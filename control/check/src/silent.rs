//! Does a denial say anything of the network?
//!
//! Whoever is stopped, is plugged in nowhere or does not exist is reached by nobody, whatever the rules are. What always
//! holds: where nothing else denies, the denial proves nothing, and a test that expects it fails unless it names that very
//! reason. What else denies whoever is stopped is asked of a copy of the network in which he runs. Left to others: the
//! walks, and the rest of the verdict.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use vpclab_api::{Blocker, Explanation};
use vpclab_engine::explain::End;
use vpclab_engine::{DropReason, EniIdx, Fabric, Role};
use vpclab_model::{InstanceName, InstanceState, PublicIp, RouteTarget, Topology};

use crate::answer::{at_each_address, in_each_family};
use crate::codes::BAD_STATE;
use crate::customers::Customers;
use crate::explain::behind_nat64;
use crate::fate::Fate;
use crate::question::{EndKind, NamedEnd, Question};
use crate::testfile::Because;
use crate::words;

/// What denies because something does not run.
const OF_STATE: [&str; 2] = [BAD_STATE, "BAD_STATE_ROUTE"];
/// What packets meet where nobody has an address.
const NOBODY_THERE: [&str; 3] =
    ["NO_POSSIBLE_DESTINATION", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", "UNANSWERED_RESOLUTION"];
/// What packets meet at an interface that is plugged in nowhere.
const PLUGGED_IN_NOWHERE: [&str; 2] = ["BAD_STATE_ATTACHMENT", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"];

/// Why an end cannot be reached, or send, whatever the rules are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silent {
    /// Its instance is stopped.
    Stopped(EniIdx),
    /// It is an interface of no instance.
    Detached(EniIdx),
    /// No interface and no host has the address.
    Nobody(IpAddr),
}

/// Which ends of a question are silent by themselves.
pub(crate) fn ends(fabric: &Fabric, question: &Question) -> Vec<Silent> {
    let from = of_end(fabric, &question.from).filter(|silent| !matches!(silent, Silent::Nobody(_)));
    from.into_iter().chain(of_end(fabric, &question.to)).collect()
}

fn of_end(fabric: &Fabric, end: &NamedEnd) -> Option<Silent> {
    if matches!(end.kind, EndKind::Block(_) | EndKind::Internet) || end.beyond.is_some() {
        return None;
    }
    match end.end {
        End::Interface(eni, _) => of_interface(fabric, eni),
        End::Address(address) => {
            let meant = behind_nat64(address);
            if let Some(mapping) = fabric.public_mapping(meant) {
                return of_interface(fabric, mapping.eni);
            }
            let holder = fabric.enis.iter().find(|(_, eni)| {
                eni.owns(meant) || eni.public_addresses.iter().any(|(_, public)| IpAddr::V4(*public) == meant)
            });
            match holder {
                Some((eni, _)) => of_interface(fabric, eni),
                None => fabric.only_host_at(meant).is_none().then_some(Silent::Nobody(address)),
            }
        }
        End::Host(_) | End::Internet => None,
    }
}

fn of_interface(fabric: &Fabric, eni: EniIdx) -> Option<Silent> {
    let interface = &fabric.enis[eni];
    if !interface.running {
        return Some(Silent::Stopped(eni));
    }
    let is_loose = interface.role == Role::Guest && interface.attachment.is_none();
    is_loose.then_some(Silent::Detached(eni))
}

impl Silent {
    /// Whether it is all that this blocker says that the end is silent.
    fn is_told_by(self, fabric: &Fabric, blocker: &Blocker) -> bool {
        let code = blocker.code.as_str();
        match self {
            Self::Stopped(_) => OF_STATE.contains(&code),
            Self::Detached(eni) => {
                let has_public = !fabric.enis[eni].public_addresses.is_empty();
                PLUGGED_IN_NOWHERE.contains(&code) && (has_public || code == PLUGGED_IN_NOWHERE[0])
            }
            Self::Nobody(_) => NOBODY_THERE.contains(&code),
        }
    }

    /// Whether a reason that is expected names this one.
    fn is_meant(self, because: &Because, blockers: &[Blocker]) -> bool {
        let Some(code) = because.code.as_deref() else { return false };
        match self {
            Self::Stopped(_) => code == BAD_STATE,
            Self::Detached(_) | Self::Nobody(_) => blockers.iter().any(|blocker| blocker.code == code),
        }
    }

    /// What it is, in words, and the code that names it.
    fn words(self, fabric: &Fabric, blockers: &[Blocker]) -> (String, String) {
        let met = |own: &str| {
            let is_own = blockers.iter().any(|blocker| blocker.code == own);
            let first = blockers.first().filter(|_| !is_own);
            first.map_or_else(|| own.to_owned(), |blocker| blocker.code.clone())
        };
        match self {
            Self::Stopped(eni) => {
                (words::tell(fabric, &DropReason::InstanceStopped { eni }).message, BAD_STATE.to_owned())
            }
            Self::Detached(eni) => {
                (words::tell(fabric, &DropReason::NotAttached { eni }).message, met(PLUGGED_IN_NOWHERE[0]))
            }
            Self::Nobody(address) => (format!("nobody has the address {address}"), met(NOBODY_THERE[0])),
        }
    }
}

/// A network with more of its instances running.
type Woken = Rc<(Topology, Fabric)>;

/// Copies of a network in which instances run that are stopped.
pub(crate) struct Waker<'a> {
    topology: &'a Topology,
    fabric: &'a Fabric,
    /// The last copy: there may be as many as pairs of whoever is stopped, and each is as large as the network.
    last: RefCell<Option<(BTreeSet<InstanceName>, Woken)>>,
}

impl<'a> Waker<'a> {
    pub(crate) fn new(topology: &'a Topology, fabric: &'a Fabric) -> Self {
        Self { topology, fabric, last: RefCell::default() }
    }

    /// The copy in which these run.
    fn with(&self, asleep: &[EniIdx]) -> Woken {
        let instance = |eni: &EniIdx| {
            let (instance, _) = self.fabric.enis[*eni].attachment?;
            Some(self.fabric.instances[instance].name.clone())
        };
        let instances: BTreeSet<InstanceName> = asleep.iter().filter_map(instance).collect();
        if let Some((of, woken)) = self.last.borrow().as_ref()
            && *of == instances
        {
            return Rc::clone(woken);
        }
        let mut topology = self.topology.clone();
        for name in &instances {
            if let Some(instance) = topology.instances.get_mut(name) {
                instance.state = InstanceState::Running;
            }
        }
        for eni in asleep.iter().filter(|eni| self.may_have_lost_address(**eni)) {
            let free = self.free_address(&topology);
            let interface = topology.network_interfaces.get_mut(&self.fabric.enis[*eni].name);
            if let (Some(interface), Some(address)) = (interface, free)
                && let Some(private) = interface.private_ip
            {
                interface.public_ips.insert(private, PublicIp { address, eip: None });
            }
        }
        let fabric = Fabric::compile(&topology, None);
        let woken = Rc::new((topology, fabric));
        *self.last.borrow_mut() = Some((instances, Rc::clone(&woken)));
        woken
    }

    /// A public address that nobody has.
    fn free_address(&self, topology: &Topology) -> Option<Ipv4Addr> {
        let is_free = |address: &Ipv4Addr| {
            let public = IpAddr::V4(*address);
            let mut interfaces = topology.network_interfaces.values();
            !self.fabric.belongs_to_aws(public)
                && self.fabric.host_at(public).is_none()
                && !interfaces.any(|eni| eni.public_ips.values().any(|own| own.address == *address))
        };
        (0..=255).rev().map(|last| Ipv4Addr::new(203, 255, 255, last)).find(is_free)
    }

    /// Whether a stopped instance may have had a public address that it gave back (L2-20): its only interface was made with
    /// it, has none now, and is where one would be of use.
    fn may_have_lost_address(&self, eni: EniIdx) -> bool {
        let interface = &self.fabric.enis[eni];
        let Some(declared) = self.topology.network_interfaces.get(&interface.name) else { return false };
        let Some(subnet) = self.topology.subnets.get(&declared.subnet) else { return false };
        let table = self.topology.route_tables.get(&subnet.route_table);
        let mut routes = table.into_iter().flat_map(|table| &table.routes);
        let leads_out = routes.any(|route| matches!(route.target, RouteTarget::InternetGateway(_)));
        let instance = interface.attachment.map(|(instance, _)| &self.fabric.instances[instance]);
        let is_alone = instance.is_some_and(|instance| instance.interfaces.len() == 1);
        declared.implied && is_alone && declared.public_ips.is_empty() && leads_out
    }

    /// What denies a question where these run: nothing, if not all of it is denied, or by nothing but that something else
    /// does not run either.
    fn denials(&self, question: &Question, asleep: &[EniIdx], silent: &[Silent]) -> Option<Vec<Blocker>> {
        let woken = self.with(asleep);
        let (topology, fabric) = &*woken;
        let here = |end: &NamedEnd| -> Option<NamedEnd> {
            let own = match end.end {
                End::Interface(eni, address) => {
                    End::Interface(fabric.enis.find(self.fabric.enis[eni].name.as_str())?, address)
                }
                End::Host(host) if end.beyond.is_none() => {
                    End::Host(fabric.hosts.find(self.fabric.hosts[host].name.as_str())?)
                }
                other => other,
            };
            let edges: Vec<_> = match end.kind {
                EndKind::Customers(block) => block.into_iter().collect(),
                _ => Vec::new(),
            };
            let beyond = end.beyond.as_ref().and_then(|_| Customers::of(topology, fabric, &edges));
            Some(NamedEnd { end: own, beyond, ..end.clone() })
        };
        let question = Question { from: here(&question.from)?, to: here(&question.to)?, ..question.clone() };
        let mut all = Vec::new();
        for question in in_each_family(fabric, &question) {
            for (_, told) in at_each_address(fabric, topology, &question, true).ok()? {
                let is_empty =
                    |blocker: &Blocker| silent.iter().any(|silent| silent.is_told_by(self.fabric, blocker));
                if Fate::of(&told) != Fate::Dies || told.blockers.iter().all(is_empty) {
                    return None;
                }
                all.extend(told.blockers.into_iter().filter(|blocker| !is_empty(blocker)));
            }
        }
        (!all.is_empty()).then_some(all)
    }
}

/// That a denial says nothing of the network, if so, and how to say that it is meant. What would deny it if both ends ran
/// is told with the answer. `whole` is the question as it was asked, and `question` the part of it that is answered.
pub(crate) fn says_nothing(
    waker: &Waker<'_>,
    whole: &Question,
    question: &Question,
    told: &mut Explanation,
    because: &Because,
) -> Option<String> {
    let fabric = waker.fabric;
    if told.reachable != Some(false) || told.blockers.is_empty() {
        return None;
    }
    let silent = ends(fabric, question);
    let asleep: Vec<EniIdx> = silent
        .iter()
        .filter_map(|silent| match silent {
            Silent::Stopped(eni) => Some(*eni),
            _ => None,
        })
        .collect();
    if asleep.is_empty() {
        let is_empty = |blocker: &Blocker| silent.iter().any(|silent| silent.is_told_by(fabric, blocker));
        if !told.blockers.iter().all(is_empty) {
            return None;
        }
    } else {
        tell_state(fabric, &asleep, told);
        let is_beyond = whole.beyond().is_some();
        if let Some(denials) = waker.denials(if is_beyond { whole } else { question }, &asleep, &silent) {
            let known = |blocker: &Blocker| {
                let (code, direction) = (&blocker.code, &blocker.direction);
                told.blockers.iter().any(|own| {
                    (&own.code, &own.direction, &own.resource) == (code, direction, &blocker.resource)
                })
            };
            let new: Vec<Blocker> = denials.into_iter().filter(|blocker| !known(blocker)).collect();
            told.blockers.extend(new);
            return None;
        }
    }
    if silent.iter().any(|one| one.is_meant(because, &told.blockers)) {
        return None;
    }
    let stopped = silent.iter().find(|silent| matches!(silent, Silent::Stopped(_)));
    let (message, code) = stopped.or(silent.first())?.words(fabric, &told.blockers);
    Some(format!(
        "it is denied by nothing but that {message}, which says nothing of the network: if that is meant, expect it with \
         `because: {{ code: {code} }}`"
    ))
}

/// Says of a denial whose end is stopped that it is, where only what comes of that has been met: that the internet knows no
/// address of it.
fn tell_state(fabric: &Fabric, asleep: &[EniIdx], told: &mut Explanation) {
    if told.blockers.iter().any(|blocker| blocker.code == BAD_STATE) {
        return;
    }
    for &eni in asleep {
        let state = words::tell(fabric, &DropReason::InstanceStopped { eni });
        told.blockers.push(Blocker {
            code: BAD_STATE.to_owned(),
            direction: "forward".to_owned(),
            resource: state.resource,
            rule: None,
            groups: Vec::new(),
            message: state.message,
            partial: Vec::new(),
            by_choice: false,
            line: None,
            remedy: None,
        });
    }
}
