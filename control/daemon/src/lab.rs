//! What is a running lab, and who may change it?
//!
//! One [`State`] behind a lock for whoever changes the lab, one change at a time; beside it what readers see without
//! waiting for a change: the declaration in force and a mirror of the guests. Left to others: the changes themselves
//! ([`crate::replace`], [`crate::attach`]) and who asks for them ([`crate::server`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use vpclab_api::{
    ApiError, Attachment, AttachmentTarget, Counters, DropCount, Health, InstanceState, InterfaceState,
    PortCounters, RunState, Shutdown,
};
use vpclab_engine::{Engine, Fabric, Port};
use vpclab_model::{Document, HostName, Topology, resolve};
use vpclab_tap::link;

use crate::blueprint::{Blueprint, GuestKey, blueprints};
use crate::files;
use crate::foreign::{Foreign, describe_target};
use crate::guest::{Ground, Guest, GuestCause, GuestError, RunningDevice};
use crate::inhabitants::{OwnHome, inhabitants};
use crate::leftovers;
use crate::line::{Line, Snapshot};
use crate::remember::{self, Attached};
use crate::slug::{hostname, slug};
use crate::worker::{Report, Worker, WorkerLost};

/// How many guests are made at a time: the kernel does most of it under one lock.
const MAKERS: usize = 4;

/// A running lab.
pub(crate) struct Lab {
    pub(crate) ground: Ground,
    pub(crate) worker: Worker,
    state: Mutex<State>,
    declared: ArcSwap<Declared>,
    mirror: DashMap<GuestKey, InstanceState>,
    started: Instant,
    ready_after: Duration,
    /// Set when the lab ends: nothing is changed any more.
    closed: AtomicBool,
    /// Called when the engine is lost, however that was found out.
    on_lost: OnLost,
}

/// What ends a lab whose engine is lost.
pub(crate) type OnLost = Arc<dyn Fn() + Send + Sync>;

/// What a change changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) declared: Arc<Declared>,
    pub(crate) guests: BTreeMap<GuestKey, Guest>,
    /// Devices that are no longer read, as last shown.
    pub(crate) failed_lines: usize,
    /// Attachments of a dead daemon that no guest has taken over: still to be undone.
    stale: Vec<Attached>,
    epoch: u64,
}

/// A configuration in force.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) document: Document,
    pub(crate) topology: Topology,
    pub(crate) fabric: Arc<Fabric>,
}

impl Lab {
    /// Makes every guest of `declared`, with what a former daemon has left of them, and starts the engine.
    ///
    /// # Errors
    /// What stands in the way; nothing that was not there before is left then.
    pub(crate) fn start(
        ground: Ground,
        declared: Declared,
        engine: Engine,
        started: Instant,
        on_lost: OnLost,
    ) -> Result<Self, GuestErrorOrIo> {
        let blueprints = blueprints(ground.paths.lab(), &declared.topology, &declared.fabric);
        let (resumed, stale) = resume(remember::previous_attachments(&ground.paths), &blueprints);
        let orders = orders(blueprints, &BTreeSet::new(), |key| {
            resumed.iter().find(|attached| attached.is_of(key)).map(|attached| attached.foreign.clone())
        });
        let guests = build_all(&ground, orders)?;
        let guests: BTreeMap<_, _> = guests.into_iter().map(|guest| (guest.key().clone(), guest)).collect();
        let lines: Vec<Arc<Line>> = guests.values().flat_map(Guest::lines).collect();
        let snapshot = Snapshot::new(1, declared.fabric.clone(), lines);
        let on_end = {
            let on_lost = on_lost.clone();
            move || on_lost()
        };
        let worker = match Worker::start(snapshot, engine, on_end) {
            Ok(worker) => worker,
            Err(error) => {
                guests.into_values().for_each(|guest| ground.undo(guest));
                return Err(error.into());
            }
        };
        let declared = Arc::new(declared);
        let state = State { declared: declared.clone(), guests, failed_lines: 0, stale, epoch: 1 };
        let lab = Self {
            ground,
            worker,
            declared: ArcSwap::new(declared),
            mirror: DashMap::new(),
            started,
            ready_after: started.elapsed(),
            closed: AtomicBool::new(false),
            on_lost,
            state: Mutex::new(state),
        };
        if let Ok(state) = lab.lock() {
            lab.show(&state);
            lab.remember_attachments(&state);
            lab.remember_topology(&state.declared);
        }
        Ok(lab)
    }

    /// The state, for one change.
    ///
    /// # Errors
    /// When a former change ended in a panic: what it left half done is not to be built on. When the lab is ending.
    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, State>, ApiError> {
        let state = self.state.lock().map_err(|_| {
            ApiError::new(
                "InternalError",
                "a former change failed unexpectedly and left the lab undefined; restart it",
            )
        })?;
        // Asked with the lock in hand: who waited for it may find that everything is gone.
        if self.closed.load(Ordering::SeqCst) {
            return Err(ApiError::new("Unavailable", "the lab is shutting down; nothing was changed"));
        }
        Ok(state)
    }

    /// The state, unless somebody is changing it or the lab is ending.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        self.state.try_lock().ok().filter(|_| !self.closed.load(Ordering::SeqCst))
    }

    /// Lets no further change begin.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The configuration in force.
    pub(crate) fn declared(&self) -> Arc<Declared> {
        self.declared.load_full()
    }

    /// Makes the state what every frame from now on meets.
    pub(crate) fn publish(&self, state: &mut State) -> Result<(), WorkerLost> {
        state.epoch += 1;
        let lines = state.guests.values().flat_map(Guest::lines);
        let snapshot = Snapshot::new(state.epoch, state.declared.fabric.clone(), lines.collect::<Vec<_>>());
        self.worker.publish(snapshot).inspect_err(|_| (self.on_lost)())?;
        self.declared.store(state.declared.clone());
        Ok(())
    }

    /// Takes from NAT gateways the addresses whose flows are over, unless somebody changes the lab right now: the fabric
    /// knows no time, and keeps them until it is told. What is declared stays, and with it the generation.
    pub(crate) fn release_drained(&self) {
        let Some(mut state) = self.try_lock().filter(|state| state.declared.fabric.is_draining()) else {
            return;
        };
        let Ok(report) = self.report() else { return };
        let Declared { document, topology, fabric } = &*state.declared;
        let Some(fabric) = fabric.release(topology, &report.drained) else { return };
        let (document, topology) = (document.clone(), topology.clone());
        state.declared = Arc::new(Declared { document, topology, fabric: Arc::new(fabric) });
        if self.publish(&mut state).is_ok() {
            tracing::info!("addresses that NAT gateways had lost are free");
        }
    }

    /// Brings what readers see of the guests to the state.
    pub(crate) fn show(&self, state: &State) {
        self.mirror.retain(|key, _| state.guests.contains_key(key));
        for (key, guest) in &state.guests {
            self.mirror.insert(key.clone(), self.describe(guest));
        }
    }

    /// The guest of this name or id, an instance before a host outside every VPC.
    pub(crate) fn find_guest(&self, state: &State, reference: &str) -> Result<GuestKey, ApiError> {
        let topology = &state.declared.topology;
        let instance =
            resolve(&topology.instances, reference).map(|(name, _)| GuestKey::Instance(name.clone()));
        let host =
            || resolve(&topology.internet_hosts, reference).map(|(name, _)| HostName::Internet(name.clone()));
        let customer_host =
            || resolve(&topology.customer_hosts, reference).map(|(name, _)| HostName::Customer(name.clone()));
        let service =
            || resolve(&topology.services, reference).map(|(name, _)| HostName::Service(name.clone()));
        let outside = || host().or_else(customer_host).or_else(service).map(GuestKey::Host);
        instance.or_else(outside).ok_or_else(|| no_such_guest(reference))
    }

    /// How a guest runs.
    pub(crate) fn state_of(&self, key: &GuestKey) -> Result<InstanceState, ApiError> {
        self.mirror.get(key).map(|state| state.clone()).ok_or_else(|| no_such_guest(key.name()))
    }

    /// How all guests run: instances, then internet hosts, each by name.
    pub(crate) fn instances(&self) -> Vec<InstanceState> {
        let mut states: Vec<_> =
            self.mirror.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        states.sort_by(|(one, _), (other, _)| one.cmp(other));
        states.into_iter().map(|(_, state)| state).collect()
    }

    /// How the guest of this name or id runs, an instance before an internet host.
    pub(crate) fn instance(&self, reference: &str) -> Result<InstanceState, ApiError> {
        let states = self.instances();
        let by_name = states.iter().find(|state| state.name == reference);
        let found = by_name.or_else(|| states.iter().find(|state| state.id == reference));
        found.cloned().ok_or_else(|| no_such_guest(reference))
    }

    /// How the lab is.
    pub(crate) fn health(&self) -> Health {
        let status = match self.report() {
            Ok(_) => "ok".to_owned(),
            Err(lost) => lost.to_string(),
        };
        let gone = self.instances().into_iter().filter(|state| state.state == RunState::Gone);
        let gone =
            gone.map(|state| format!("{} ({})", state.name, describe_target(&state.attachment.target)));
        Health {
            lab: self.ground.paths.lab().to_owned(),
            status,
            gone: gone.collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            generation: self.declared().fabric.generation,
            uptime_secs: self.started.elapsed().as_secs(),
            ready_after_ms: u64::try_from(self.ready_after.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// What the engine and the kernel have counted.
    pub(crate) fn counters(&self) -> Result<Counters, ApiError> {
        let report = self.report()?;
        let state = self.lock()?;
        let fabric = &state.declared.fabric;
        let name = |port: Port| match port {
            Port::Interface(eni) => fabric.enis.get(eni).map(|eni| eni.name.to_string()),
            Port::Host(host) => fabric.hosts.get(host).map(|host| host.name.to_string()),
        };
        let dropped = report.counters.dropped.iter().map(|(&(port, reason), &frames)| DropCount {
            port: name(port).unwrap_or_else(|| "(removed)".to_owned()),
            reason: reason.to_owned(),
            frames,
        });
        Ok(Counters {
            received: report.counters.received,
            forwarded: report.counters.forwarded,
            answered: report.counters.answered,
            born: report.counters.born,
            write_failures: report.write_failures,
            flows: u64::try_from(report.flows).unwrap_or(u64::MAX),
            dropped: dropped.collect(),
            devices: state.guests.values().flat_map(device_counters).collect(),
        })
    }

    /// Who lives in the lab and what becomes of them when it ends.
    pub(crate) fn farewell(&self) -> Result<Shutdown, ApiError> {
        let state = self.lock()?;
        let (foreign, own): (Vec<&Guest>, Vec<_>) =
            state.guests.values().partition(|guest| guest.home.foreign.is_some());
        let own = own.into_iter().map(|guest| OwnHome {
            netns: &guest.home.netns,
            files: self.ground.directory(&guest.slug),
            instance: guest.key().name().to_owned(),
        });
        let inhabitants = inhabitants(&own.collect::<Vec<_>>());
        let unplugged = foreign.into_iter().filter_map(Guest::unplugged);
        let left = inhabitants.strangers.into_iter().chain(unplugged).collect();
        Ok(Shutdown { status: "shutting down".to_owned(), ended: inhabitants.programs, left })
    }

    /// Stops the engine and removes all that is the lab's.
    pub(crate) fn shut_down(&self) {
        let guests = self.end();
        // Who is asked for the end has told all of it before.
        let _ = self.ground.remove_all(guests);
    }

    /// Stops the engine and removes what this start has made; what it found stays for the next.
    pub(crate) fn abandon(&self) {
        self.end().into_iter().for_each(|guest| self.ground.undo(guest));
    }

    /// Undoes the attachments of a dead daemon that no guest has taken over, and completes the others. To be called
    /// once, when the start cannot fail any more and before anybody may attach: what is left is put back before what is
    /// resumed is changed, as both may show one file.
    pub(crate) fn settle(&self) {
        let Ok(mut state) = self.lock() else { return };
        let stale = std::mem::take(&mut state.stale);
        let has_stale = !stale.is_empty();
        stale.into_iter().for_each(|attached| leftovers::release(&self.ground, attached));
        for guest in state.guests.values_mut().filter(|guest| guest.home.foreign.is_some()) {
            guest.problems = guest.dress();
            self.ground.clear_former_home(&guest.slug);
        }
        if has_stale {
            self.remember_attachments(&state);
        }
        self.show(&state);
    }

    /// Writes down the attachments. A failure costs the next daemon their knowledge, no packet.
    pub(crate) fn remember_attachments(&self, state: &State) {
        let attached: Vec<Attached> = attachments(state).collect();
        if let Err(error) = remember::attachments(&self.ground.paths, &attached) {
            tracing::error!(%error, "the attachments could not be written down");
        }
    }

    /// Writes down the attachments there are and the one that is about to be made: after a crash the last one of a
    /// guest that still lives is restored and any other undone.
    pub(crate) fn remember_intent(&self, state: &State, key: &GuestKey, foreign: &Foreign) -> io::Result<()> {
        let intent = Attached::new(key, foreign.clone());
        let attached: Vec<Attached> = attachments(state).chain([intent]).collect();
        remember::attachments(&self.ground.paths, &attached)
    }

    /// Writes down the configuration in force, likewise.
    pub(crate) fn remember_topology(&self, declared: &Declared) {
        if let Err(error) = remember::topology(&self.ground.paths, &declared.document, &declared.topology) {
            tracing::error!(%error, "the topology could not be written down");
        }
    }

    /// Ends the engine and takes over what is to be removed.
    fn end(&self) -> Vec<Guest> {
        self.close();
        self.worker.stop();
        // A state that a failed change has left undefined is still the list of what to remove.
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut state.guests).into_values().collect()
    }

    fn report(&self) -> Result<Report, WorkerLost> {
        self.worker.report().inspect_err(|_| (self.on_lost)())
    }

    fn describe(&self, guest: &Guest) -> InstanceState {
        let key = guest.key();
        let own_path = || format!("/run/netns/{}", self.ground.namespace_name(&guest.slug));
        let foreign = guest.home.foreign.as_ref();
        let shows_files = foreign.is_none_or(|foreign| foreign.pid.is_none());
        let directory = self.ground.directory(&guest.slug);
        let device_of = |alias: &str| guest.devices.iter().find(|device| device.config.alias == alias);
        let interfaces = guest.blueprint.devices.iter().map(|blueprint| InterfaceState {
            name: blueprint.name.clone(),
            id: blueprint.id.clone(),
            device: device_of(blueprint.alias()).map(|device| device.config.name.clone()).unwrap_or_default(),
            mac_address: blueprint.mac().to_string(),
            addresses: blueprint.addresses().map(|address| address.to_string()).collect(),
            public_ips: blueprint
                .public_ips
                .iter()
                .map(|(private, public)| (private.to_string(), public.to_string()))
                .collect(),
            mtu: blueprint.mtu(),
        });
        InstanceState {
            name: key.name().to_owned(),
            id: key.id(),
            kind: key.kind().to_owned(),
            state: if guest.gone { RunState::Gone } else { RunState::Running },
            attachment: Attachment {
                target: foreign.map_or(AttachmentTarget::Namespace, |foreign| foreign.target.clone()),
                netns: foreign.map_or_else(own_path, |foreign| foreign.netns_path().display().to_string()),
                pid: foreign.and_then(|foreign| foreign.pid),
                hostname: hostname(key.name(), key.fingerprint()),
                files: if shows_files { files::list(&directory) } else { Vec::new() },
            },
            interfaces: interfaces.collect(),
            warnings: guest.warnings(),
        }
    }
}

/// Why a lab did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestErrorOrIo {
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error("starting the packet engine: {0}")]
    Io(#[from] io::Error),
}

impl From<WorkerLost> for ApiError {
    fn from(lost: WorkerLost) -> Self {
        ApiError::new("InternalError", lost.to_string())
    }
}

/// A guest to be made: its slug, and whose namespace it is to live in.
pub(crate) type Order = (Blueprint, String, Option<Foreign>);

/// Orders for `blueprints`, whose slugs differ from each other and from `taken`.
pub(crate) fn orders(
    blueprints: Vec<Blueprint>,
    taken: &BTreeSet<String>,
    foreign: impl Fn(&GuestKey) -> Option<Foreign>,
) -> Vec<Order> {
    let mut taken = taken.clone();
    let order = |blueprint: Blueprint| {
        let slug = slug(blueprint.key.name(), blueprint.key.fingerprint(), &taken);
        taken.insert(slug.clone());
        let foreign = foreign(&blueprint.key);
        (blueprint, slug, foreign)
    };
    blueprints.into_iter().map(order).collect()
}

/// Makes guests, several at a time: all of them, or none.
pub(crate) fn build_all(ground: &Ground, orders: Vec<Order>) -> Result<Vec<Guest>, GuestError> {
    let (guests, failure) =
        several_at_a_time(orders, |(blueprint, slug, foreign)| ground.build(blueprint, slug, foreign));
    match failure {
        None => Ok(guests),
        Some(error) => {
            guests.into_iter().for_each(|guest| ground.undo(guest));
            Err(error)
        }
    }
}

/// Makes something of each order. Returns what was made, in any order, and the first failure; a panic is one.
fn several_at_a_time<O: Send, T: Send>(
    orders: Vec<O>,
    make: impl Fn(O) -> Result<T, GuestError> + Sync,
) -> (Vec<T>, Option<GuestError>) {
    let queue = Mutex::new(orders.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let panicked = || GuestError { guest: "an instance".to_owned(), cause: GuestCause::Panicked };
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(order) = next() {
            let outcome = catch_unwind(AssertUnwindSafe(|| make(order)));
            outcomes.push(outcome.unwrap_or_else(|_| Err(panicked())));
        }
        outcomes
    };
    let outcomes: Vec<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS).map(|_| scope.spawn(work)).collect();
        makers.into_iter().flat_map(|maker| maker.join().unwrap_or_else(|_| vec![Err(panicked())])).collect()
    });
    let (mut made, mut failure) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok(one) => made.push(one),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (made, failure)
}

/// Which attachments of a dead daemon are restored, and which are to be undone: of several of one guest the last was
/// the intent, and what is gone, or of a guest that is no longer declared, is nobody's home.
fn resume(attached: Vec<Attached>, blueprints: &[Blueprint]) -> (Vec<Attached>, Vec<Attached>) {
    let (mut resumed, mut stale) = (Vec::<Attached>::new(), Vec::new());
    for attached in attached.into_iter().rev() {
        let declared = blueprints.iter().any(|blueprint| attached.is_of(&blueprint.key));
        let superseded =
            resumed.iter().any(|other| (&other.kind, &other.name) == (&attached.kind, &attached.name));
        if declared && !superseded && attached.foreign.is_alive() {
            resumed.push(attached);
            continue;
        }
        if declared && !superseded {
            tracing::warn!(instance = attached.name, "what it was attached to is gone");
        }
        stale.push(attached);
    }
    (resumed, stale)
}

/// The attachments as they are, those to be undone first.
fn attachments(state: &State) -> impl Iterator<Item = Attached> + '_ {
    let of_guests = state.guests.values().filter_map(|guest| {
        let foreign = guest.home.foreign.clone().filter(|_| !guest.gone)?;
        Some(Attached::new(guest.key(), foreign))
    });
    state.stale.iter().cloned().chain(of_guests)
}

/// What the kernel has counted at the devices of a guest. A namespace that is gone counts nothing.
fn device_counters(guest: &Guest) -> Vec<PortCounters> {
    if guest.devices.is_empty() {
        return Vec::new();
    }
    let links = link::list(&guest.home.netns).unwrap_or_default();
    let stats: HashMap<&str, _> = links.iter().map(|link| (link.alias.as_str(), link.stats)).collect();
    let counters = |device: &RunningDevice| {
        let stats = stats.get(device.config.alias.as_str())?;
        Some(PortCounters {
            port: device.line.label.clone(),
            sent: stats.tx_packets,
            received: stats.rx_packets,
            kernel_dropped: stats.tx_dropped,
        })
    };
    guest.devices.iter().filter_map(counters).collect()
}

fn no_such_guest(reference: &str) -> ApiError {
    ApiError::new(
        "InvalidInstanceID.NotFound",
        format!("there is no instance or internet host named {reference}; `vpclab get instances` lists them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_guests_are_made_is_a_failure_and_what_was_made_is_known() {
        let make = |number: u32| {
            assert!(number != 7, "the seventh fails");
            Ok(number)
        };
        let (mut made, failure) = several_at_a_time((0..20).collect(), make);
        made.sort_unstable();
        assert_eq!(made, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
        assert!(failure.is_some_and(|error| error.to_string().contains("unexpectedly")));
        let (made, failure) = several_at_a_time((0..20).collect(), |number: u32| Ok(number));
        assert!(made.len() == 20 && failure.is_none());
    }
}
