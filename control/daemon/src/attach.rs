//! Whose namespace can an instance run in, and is it still theirs?
//!
//! A [`Foreign`] is a namespace of a process, of a name or of a container, with what identifies it: process ids and
//! names are reused, start times, container ids and inodes are not. What always holds: the host's own network is
//! never attached; of somebody else's files only a container's `resolv.conf` and host name are changed, and they are
//! put back.

use std::fs;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::unistd::{gethostname, sethostname};
use serde::{Deserialize, Serialize};
use vpclab_api::{ApiError, AttachRequest, AttachmentTarget, InstanceState};
use vpclab_tap::{Netns, NetnsError, link};

use crate::blueprint::{Blueprint, GuestKey};
use crate::docker::{self, DockerError};
use crate::files::{self, Original};
use crate::guest::{Guest, describe};
use crate::lab::{Lab, State};
use crate::slug::hostname;

/// Somebody else's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Foreign {
    pub(crate) target: AttachmentTarget,
    /// The process that lives in it, for processes and containers.
    pub(crate) pid: Option<i32>,
    /// When that process started, in clock ticks since the machine did.
    started: Option<u64>,
    container_id: Option<String>,
    resolv_conf: Option<PathBuf>,
    inode: u64,
    /// Files to put back.
    #[serde(default)]
    originals: Vec<Original>,
    /// The host name to put back.
    #[serde(default)]
    original_hostname: Option<String>,
}

impl Foreign {
    /// What `target` stands for now.
    pub(crate) fn resolve(target: &AttachmentTarget) -> Result<Option<Self>, ApiError> {
        let mut foreign = Self {
            target: target.clone(),
            pid: None,
            started: None,
            container_id: None,
            resolv_conf: None,
            inode: 0,
            originals: Vec::new(),
            original_hostname: None,
        };
        match target {
            AttachmentTarget::Namespace => return Ok(None),
            AttachmentTarget::Netns(_) => {}
            AttachmentTarget::Process(pid) => foreign.pid = Some(*pid),
            AttachmentTarget::Container(name) => {
                let container = docker::inspect(name).map_err(|error| docker_error(&error))?;
                let Some(pid) = container.pid else {
                    let sentence =
                        format!("container {name} is not running; start it first, with --network none");
                    return Err(ApiError::new("IncorrectState", sentence));
                };
                foreign.pid = Some(pid);
                foreign.container_id = Some(container.id);
                foreign.resolv_conf = container.resolv_conf;
                check_container_network(name, pid, &container.network_mode)?;
            }
        }
        foreign.started = foreign.pid.and_then(start_time);
        let netns = foreign.open_any().map_err(|error| netns_error(&error))?;
        if Netns::host().is_ok_and(|host| host.is_same(&netns)) {
            let sentence = format!(
                "{} is in the host's own network namespace, which cannot become an instance; start it with a network namespace of its own",
                describe_target(target)
            );
            return Err(ApiError::new("InvalidParameterValue", sentence));
        }
        foreign.inode = netns.inode();
        Ok(Some(foreign))
    }

    /// Opens the namespace, if it is the one that was attached.
    pub(crate) fn open(&self) -> Result<Netns, NetnsError> {
        let netns = self.open_any()?;
        let same_process = self.started == self.pid.and_then(start_time);
        if netns.inode() != self.inode || !same_process {
            return Err(NetnsError::NotFound(describe_target(&self.target)));
        }
        Ok(netns)
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        self.open().is_ok()
    }

    /// A path that opens the namespace.
    pub(crate) fn netns_path(&self) -> PathBuf {
        match (&self.target, self.pid) {
            (AttachmentTarget::Netns(name), _) if name.contains('/') => PathBuf::from(name),
            (AttachmentTarget::Netns(name), _) => PathBuf::from("/run/netns").join(name),
            (_, pid) => PathBuf::from(format!("/proc/{}/ns/net", pid.unwrap_or_default())),
        }
    }

    /// Gives a container the resolver and host name of the instance. Others keep their own.
    pub(crate) fn dress(&mut self, blueprint: &Blueprint) {
        let AttachmentTarget::Container(name) = &self.target else { return };
        if let Some(path) = &self.resolv_conf {
            match files::replace(path, &files::resolv_conf(blueprint.resolver.as_ref())) {
                Ok(original) if self.originals.is_empty() => self.originals.push(original),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(container = name, %error, "its resolv.conf could not be written");
                }
            }
        }
        let Some(pid) = self.pid else { return };
        let new = hostname(blueprint.key.name(), blueprint.key.fingerprint());
        match set_hostname(pid, &new) {
            Ok(before) if self.original_hostname.is_none() => self.original_hostname = before,
            Ok(_) => {}
            Err(error) => tracing::warn!(container = name, %error, "its host name could not be set"),
        }
    }

    /// Puts back what [`Foreign::dress`] changed.
    pub(crate) fn restore(&self) {
        for original in &self.originals {
            if let Err(error) = original.restore() {
                tracing::warn!(file = %original.path.display(), %error, "the file could not be put back");
            }
        }
        if let (Some(pid), Some(name), true) = (self.pid, &self.original_hostname, self.is_alive())
            && let Err(error) = set_hostname(pid, name)
        {
            tracing::warn!(pid, %error, "the host name could not be put back");
        }
    }

    fn open_any(&self) -> Result<Netns, NetnsError> {
        match self.pid {
            Some(pid) => match u32::try_from(pid) {
                Ok(pid) => Netns::of_process(pid),
                Err(_) => Err(NetnsError::NoSuchProcess(0)),
            },
            None => Netns::open_path(&self.netns_path()),
        }
    }
}

impl Lab {
    /// Makes `request.target` the instance `name`; every frame from then on comes and goes there.
    pub(crate) fn attach(&self, name: &str, request: &AttachRequest) -> Result<InstanceState, ApiError> {
        let mut state = self.lock()?;
        let key = self.find_guest(&state, name)?;
        let foreign = Foreign::resolve(&request.target)?;
        if let Some(foreign) = &foreign {
            let host = state.guests.values().find(|other| {
                !other.gone && *other.key() != key && other.home.netns.inode() == foreign.inode
            });
            if let Some(other) = host {
                let sentence = format!(
                    "{} is instance {} already; detach that first",
                    describe_target(&request.target),
                    other.key().name()
                );
                return Err(ApiError::new("Resource.AlreadyAssociated", sentence));
            }
            let home = state.guests.get(&key).filter(|guest| !guest.gone).map(|guest| &guest.home);
            if home.is_some_and(|home| home.netns.inode() == foreign.inode) {
                return self.state_of(&key);
            }
        }
        self.rehome(&mut state, &key, foreign)
    }

    /// Gives the instance `name` a namespace of its own again.
    pub(crate) fn detach(&self, name: &str) -> Result<InstanceState, ApiError> {
        let mut state = self.lock()?;
        let key = self.find_guest(&state, name)?;
        self.rehome(&mut state, &key, None)
    }

    /// Takes the devices out of guests whose process, container or namespace has ended.
    pub(crate) fn retire_gone(&self) {
        let Some(mut state) = self.try_lock() else { return };
        let ended = |guest: &&mut Guest| {
            !guest.gone && guest.home.foreign.as_ref().is_some_and(|foreign| !foreign.is_alive())
        };
        let mut devices = Vec::new();
        for guest in state.guests.values_mut().filter(ended) {
            tracing::warn!(instance = guest.key().name(), "what it ran in has ended; it has no network now");
            guest.gone = true;
            devices.push((guest.key().clone(), std::mem::take(&mut guest.devices)));
        }
        if devices.is_empty() || self.publish(&mut state).is_err() {
            return;
        }
        for (key, devices) in devices {
            if let Some(guest) = state.guests.get(&key) {
                self.ground.unplug(&guest.home, devices);
            }
        }
        self.show(&state);
    }

    fn rehome(
        &self,
        state: &mut State,
        key: &GuestKey,
        foreign: Option<Foreign>,
    ) -> Result<InstanceState, ApiError> {
        let Some(old) = state.guests.get(key) else { return self.state_of(key) };
        if old.home.foreign.is_none() {
            if foreign.is_none() {
                return self.state_of(key);
            }
            let inside = old.home.netns.processes();
            if !inside.is_empty() {
                let sentence = format!(
                    "processes live in the namespace of instance {}: {}; end them first",
                    key.name(),
                    describe(&inside)
                );
                return Err(ApiError::new("DependencyViolation", sentence));
            }
        }
        let (blueprint, slug) = (old.blueprint.clone(), old.slug.clone());
        let mut new = self
            .ground
            .build(blueprint, slug, foreign)
            .map_err(|error| ApiError::new("IncorrectState", error.to_string()))?;
        if let Some(foreign) = &mut new.home.foreign {
            foreign.dress(&new.blueprint);
        }
        let old = state.guests.insert(key.clone(), new);
        self.publish(state)?;
        if let Some(old) = old {
            self.ground.vacate(old);
        }
        self.remember_attachments(state);
        self.show(state);
        self.state_of(key)
    }
}

/// The container must be without a network: what else leads out of it would bypass the engine.
fn check_container_network(name: &str, pid: i32, mode: &str) -> Result<(), ApiError> {
    if mode == "none" {
        return Ok(());
    }
    let netns = u32::try_from(pid).ok().and_then(|pid| Netns::of_process(pid).ok());
    let links = netns.and_then(|netns| link::list(&netns).ok()).unwrap_or_default();
    let others: Vec<String> = links
        .into_iter()
        .filter(|link| link.up && link.name != "lo" && !link.alias.starts_with("vpclab:"))
        .map(|link| link.name)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "container {name} has a network already ({mode}: {}), which would bypass the VPC; start it with --network none",
        others.join(", ")
    );
    Err(ApiError::new("IncorrectState", sentence))
}

fn describe_target(target: &AttachmentTarget) -> String {
    match target {
        AttachmentTarget::Namespace => "a namespace of the lab's own".to_owned(),
        AttachmentTarget::Netns(name) => format!("network namespace {name}"),
        AttachmentTarget::Process(pid) => format!("process {pid}"),
        AttachmentTarget::Container(name) => format!("container {name}"),
    }
}

fn docker_error(error: &DockerError) -> ApiError {
    let code = match error {
        DockerError::NotFound(_) => "InvalidAttachmentTarget.NotFound",
        DockerError::Unreachable { .. } | DockerError::Refused { .. } => "Unavailable",
    };
    ApiError::new(code, error.to_string())
}

fn netns_error(error: &NetnsError) -> ApiError {
    let code = match error {
        NetnsError::NotFound(_) | NetnsError::NoSuchProcess(_) | NetnsError::Refused { .. } => {
            "InvalidAttachmentTarget.NotFound"
        }
        _ => "InvalidParameterValue",
    };
    ApiError::new(code, error.to_string())
}

/// When a process started, in clock ticks since the machine did: the 22nd field of its `stat`, of which the second
/// may hold spaces and parentheses. None for one that is gone or has ended and waits for its parent.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let living = !matches!(state, "Z" | "X" | "x");
    fields.nth(18).filter(|_| living)?.parse().ok()
}

/// Sets the host name where process `pid` lives, unless that is where we live, and returns the one before.
fn set_hostname(pid: i32, name: &str) -> std::io::Result<Option<String>> {
    let path = format!("/proc/{pid}/ns/uts");
    let identity = |path: &str| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    if identity(&path)? == identity("/proc/self/ns/uts")? {
        return Ok(None);
    }
    let namespace = File::open(path)?;
    let name = name.to_owned();
    // The thread enters and ends; this process stays where it is.
    let thread = thread::Builder::new().name("set-hostname".to_owned()).spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWUTS)?;
        let before = gethostname()?;
        sethostname(&name)?;
        Ok(before.into_string().ok())
    })?;
    let outcome: Result<Option<String>, nix::errno::Errno> =
        thread.join().map_err(|_| std::io::Error::other("the thread did not end"))?;
    Ok(outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time_whatever_it_is_called() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_time(own), start_time(own));
        assert_eq!(start_time(i32::MAX), None);
    }

    #[test]
    fn the_hosts_own_network_cannot_become_an_instance() {
        let own = i32::try_from(std::process::id()).unwrap();
        let error = Foreign::resolve(&AttachmentTarget::Process(own)).unwrap_err();
        assert!(error.error.message.contains("host's own network"), "{error}");
    }

    #[test]
    fn what_does_not_exist_is_said_in_a_sentence() {
        for target in
            [AttachmentTarget::Process(i32::MAX), AttachmentTarget::Netns("no-such-netns".to_owned())]
        {
            let error = Foreign::resolve(&target).unwrap_err();
            assert_eq!(error.error.code, "InvalidAttachmentTarget.NotFound", "{error}");
        }
    }
}
