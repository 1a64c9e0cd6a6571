//! Whose namespace can an instance run in, and is it still theirs?
//!
//! A [`Foreign`] is a namespace of a process, of a name or of a container, with what identifies it: process ids and
//! names are reused, start times, container ids and inodes are not. What always holds: the host's own network is
//! never attached, nor one that has another way out; what is changed there besides the lab's devices (a container's
//! `resolv.conf` and host name, a named namespace's loopback and right to ping) is looked at before and put back.
//! Left to others: making it an instance ([`crate::attach`]).

use std::fs;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::unistd::{gethostname, sethostname};
use serde::{Deserialize, Serialize};
use vpclab_api::{ApiError, AttachBody, AttachmentTarget};
use vpclab_tap::link::{self, LinkInfo, NamespaceSettings};
use vpclab_tap::{Netns, NetnsError};

use crate::blueprint::{Blueprint, alias_prefix};
use crate::borrowed::Borrowed;
use crate::docker::{self, DockerError};
use crate::files;
use crate::slug::hostname;

/// Somebody else's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Foreign {
    pub(crate) target: AttachmentTarget,
    /// The process that lives in it, for processes and containers.
    pub(crate) pid: Option<i32>,
    pub(crate) inode: u64,
    /// When that process started, in clock ticks since the machine did.
    started: Option<u64>,
    container_id: Option<String>,
    /// Where Docker keeps the container's `resolv.conf`.
    resolv_conf: Option<PathBuf>,
    originals: Originals,
}

/// What a guest was last given to wear. What has not changed since is not put on again: it is the guest's own to change.
#[derive(Debug, Default)]
pub(crate) struct Attire {
    resolv_conf: Option<String>,
    hostname: Option<String>,
}

/// What is changed, as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Originals {
    resolv_conf: Option<Borrowed>,
    hostname: Option<String>,
    ping_group_range: Option<String>,
    loopback_up: Option<bool>,
}

impl Foreign {
    /// What a request means now; none for a namespace of the lab's own. Asks Docker about containers.
    pub(crate) fn resolve(request: &AttachBody, lab: &str) -> Result<Option<Self>, ApiError> {
        let target = &request.target;
        let mut foreign = Self {
            target: target.clone(),
            pid: None,
            inode: 0,
            started: None,
            container_id: None,
            resolv_conf: None,
            originals: Originals::default(),
        };
        let mut network_mode = None;
        match target {
            AttachmentTarget::Namespace => return Ok(None),
            AttachmentTarget::Netns(_) => {}
            AttachmentTarget::Process(pid) => foreign.pid = Some(*pid),
            AttachmentTarget::Container(name) => {
                let container = docker::inspect(name, request.docker_host.as_deref());
                let container = container.map_err(|error| docker_error(&error))?;
                let Some(pid) = container.pid else {
                    let sentence =
                        format!("container {name} is not running; start it first, with --network none");
                    return Err(ApiError::new("IncorrectState", sentence));
                };
                foreign.pid = Some(pid);
                foreign.container_id = Some(container.id);
                foreign.resolv_conf = container.resolv_conf;
                network_mode = Some(container.network_mode);
            }
        }
        foreign.started = foreign.pid.and_then(start_time);
        let netns = foreign.open_any().map_err(|error| netns_error(&error))?;
        refuse_other_ways_out(target, &netns, lab, network_mode.as_deref())?;
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

    /// Looks at everything that becoming an instance is going to change. To be called, and written down, before the
    /// first change.
    pub(crate) fn observe(&mut self) {
        let name = describe_target(&self.target);
        if let (AttachmentTarget::Container(_), Some(pid)) = (&self.target, self.pid) {
            match Borrowed::resolv_conf(pid, self.resolv_conf.as_deref()) {
                Ok(borrowed) => self.originals.resolv_conf = Some(borrowed),
                Err(error) => tracing::warn!(name, %error, "its resolv.conf stays as it is"),
            }
            match own_hostname(pid) {
                Ok(before) => self.originals.hostname = before,
                Err(error) => tracing::warn!(name, %error, "its host name stays as it is"),
            }
        }
        // Only a namespace with a name is prepared.
        let named = self.open().ok().filter(|netns| netns.name().is_some());
        if let Some(settings) = named.and_then(|netns| link::settings(&netns).ok()) {
            self.originals.ping_group_range = Some(settings.ping_group_range);
            self.originals.loopback_up = Some(settings.loopback_up);
        }
    }

    /// Gives a container the resolver and host name of the instance, where they were observed and are others than it
    /// has worn; others keep their own. Returns what failed.
    pub(crate) fn dress(&self, blueprint: &Blueprint, worn: &mut Attire) -> Vec<String> {
        let mut problems = Vec::new();
        let new = Some(files::resolv_conf(blueprint.resolver.as_ref()));
        if let (Some(borrowed), Some(content)) = (&self.originals.resolv_conf, &new)
            && worn.resolv_conf != new
        {
            match borrowed.write(self.pid, content) {
                Ok(()) => worn.resolv_conf = new,
                Err(error) => problems.push(format!("its resolv.conf could not be written: {error}")),
            }
        }
        let new = Some(hostname(blueprint.key.name(), blueprint.key.fingerprint()));
        if let (Some(_), Some(pid), Some(name)) = (&self.originals.hostname, self.pid, &new)
            && worn.hostname != new
        {
            match set_hostname(pid, name) {
                Ok(()) => worn.hostname = new,
                Err(error) => problems.push(format!("its host name could not be set: {error}")),
            }
        }
        problems
    }

    /// Puts back what becoming an instance has changed, but for the devices, and forgets it.
    pub(crate) fn restore(&mut self) {
        let originals = std::mem::take(&mut self.originals);
        let Originals { resolv_conf, hostname, ping_group_range, loopback_up } = originals;
        let name = describe_target(&self.target);
        let netns = self.open().ok();
        let pid = self.pid.filter(|_| netns.is_some());
        if let Some(borrowed) = &resolv_conf
            && let Err(error) = borrowed.restore(pid)
        {
            tracing::warn!(name, file = borrowed.path(), %error, "the file could not be put back");
        }
        if let (Some(pid), Some(before)) = (pid, hostname)
            && let Err(error) = set_hostname(pid, &before)
        {
            tracing::warn!(name, %error, "the host name could not be put back");
        }
        if let (Some(netns), Some(ping_group_range), Some(loopback_up)) =
            (netns, ping_group_range, loopback_up)
        {
            let before = NamespaceSettings { ping_group_range, loopback_up };
            if let Err(error) = link::restore(&netns, &before) {
                tracing::warn!(name, %error, "its settings could not be put back");
            }
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

/// Refuses the host's own network, and one with other links that have addresses: what leads out by them would bypass
/// the engine.
fn refuse_other_ways_out(
    target: &AttachmentTarget,
    netns: &Netns,
    lab: &str,
    network_mode: Option<&str>,
) -> Result<(), ApiError> {
    let name = describe_target(target);
    // The host's is the one of its first process; in a container it is ours.
    let of_the_host = [Netns::host(), Netns::of_process(1)];
    if of_the_host.into_iter().flatten().any(|host| host.is_same(netns)) {
        let remedy = match network_mode {
            Some(_) => "--network none",
            None => "a network namespace of its own",
        };
        let sentence = format!(
            "{name} is in the host's own network namespace, which cannot become an instance; start it with {remedy}"
        );
        return Err(ApiError::new("InvalidParameterValue", sentence));
    }
    let links = link::addressed(netns).map_err(|error| {
        ApiError::new("IncorrectState", format!("{name}: its links cannot be read: {error}"))
    })?;
    let own = alias_prefix(lab);
    let is_other = |link: &LinkInfo| link.name != "lo" && !link.alias.starts_with(&own);
    let others: Vec<String> = links
        .into_iter()
        .filter(|(link, _)| is_other(link))
        .map(|(link, addresses)| {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{} ({})", link.name, addresses.join(", "))
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let others = others.join(", ");
    let remedy = match network_mode {
        Some(mode) => format!("its network is {mode}; start it with --network none"),
        None => "attach one that has no addresses but the loopback's".to_owned(),
    };
    let sentence = format!("{name} has a network already, which would bypass the VPC: {others}; {remedy}");
    Err(ApiError::new("IncorrectState", sentence))
}

/// The target as a sentence names it.
pub(crate) fn describe_target(target: &AttachmentTarget) -> String {
    match target {
        AttachmentTarget::Namespace => "a namespace of the lab's own".to_owned(),
        AttachmentTarget::Netns(name) => format!("network namespace {name}"),
        AttachmentTarget::Process(pid) => format!("process {pid}"),
        AttachmentTarget::Container(name) => format!("container {name}"),
    }
}

fn docker_error(error: &DockerError) -> ApiError {
    let code = match error {
        DockerError::NotHere(_) => "InvalidParameterValue",
        DockerError::NotFound { .. } => "InvalidAttachmentTarget.NotFound",
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

/// The host name where process `pid` lives, unless that is where we live.
fn own_hostname(pid: i32) -> std::io::Result<Option<String>> {
    let identity = |path: &str| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    if identity(&format!("/proc/{pid}/ns/uts"))? == identity("/proc/self/ns/uts")? {
        return Ok(None);
    }
    Ok(among_its_names(pid, gethostname)?.into_string().ok())
}

/// Sets the host name where process `pid` lives.
fn set_hostname(pid: i32, name: &str) -> std::io::Result<()> {
    among_its_names(pid, || sethostname(name))
}

/// Runs `work` where the host name is that of process `pid`.
fn among_its_names<T: Send>(pid: i32, work: impl FnOnce() -> nix::Result<T> + Send) -> std::io::Result<T> {
    let namespace = File::open(format!("/proc/{pid}/ns/uts"))?;
    // The thread enters and ends; this process stays where it is.
    let outcome = thread::scope(|scope| {
        let entered = || setns(namespace, CloneFlags::CLONE_NEWUTS).and_then(|()| work());
        let thread = thread::Builder::new().name("in-uts".to_owned()).spawn_scoped(scope, entered)?;
        thread.join().map_err(|_| std::io::Error::other("the thread inside failed unexpectedly"))
    })?;
    Ok(outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(target: AttachmentTarget) -> ApiError {
        Foreign::resolve(&AttachBody { target, docker_host: None }, "lab").unwrap_err()
    }

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
        for target in [AttachmentTarget::Process(own), AttachmentTarget::Netns(format!("/proc/{own}/ns/net"))]
        {
            let error = resolve(target);
            assert!(error.error.message.contains("host's own network"), "{error}");
        }
    }

    #[test]
    fn what_does_not_exist_is_said_in_a_sentence() {
        for target in
            [AttachmentTarget::Process(i32::MAX), AttachmentTarget::Netns("no-such-netns".to_owned())]
        {
            let error = resolve(target);
            assert_eq!(error.error.code, "InvalidAttachmentTarget.NotFound", "{error}");
        }
    }

    #[test]
    fn a_docker_engine_elsewhere_is_refused() {
        let target = AttachmentTarget::Container("web".to_owned());
        let body = AttachBody { target, docker_host: Some("tcp://10.0.0.1:2375".to_owned()) };
        let error = Foreign::resolve(&body, "lab").unwrap_err();
        assert_eq!(error.error.code, "InvalidParameterValue");
        assert!(error.error.message.contains("tcp://10.0.0.1:2375"), "{error}");
    }
}
