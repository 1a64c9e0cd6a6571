//! How does a blueprint become a guest: a namespace with devices in it?
//!
//! Made, taken over from a daemon that died, changed, removed. A device is plugged first, which nothing inside sees,
//! and settled with all others of its guest when those it replaces are gone. What always holds: making a guest either
//! succeeds or leaves what was there before; a device is known by its alias, whatever its name; a namespace that is not
//! the lab's own loses nothing but the lab's devices. Left to others: which guests there are ([`crate::replace`]),
//! whose namespace it is ([`crate::attach`]).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vpclab_tap::link::{self, LinkConfig, LinkError, WantedLink};
use vpclab_tap::{Netns, NetnsError, TapError};

use crate::blueprint::{Blueprint, DeviceBlueprint, Forwarding, GuestKey, alias_prefix};
use crate::files;
use crate::foreign::{Attire, Foreign, describe_target};
use crate::inhabitants::{self, OwnHome};
use crate::line::{Line, Tap, Tokens};
use crate::paths::LabPaths;

/// What all guests of a lab stand on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) paths: LabPaths,
    /// Whether devices go without virtio header and offloads.
    pub(crate) plain_devices: bool,
    pub(crate) tokens: Arc<Tokens>,
}

/// A living guest.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) blueprint: Blueprint,
    pub(crate) slug: String,
    pub(crate) home: Home,
    pub(crate) devices: Vec<RunningDevice>,
    /// Whether what it ran in has ended: it has no devices then.
    pub(crate) gone: bool,
    /// What of it is not as its blueprint says, in sentences.
    pub(crate) problems: Vec<String>,
    /// Whether its namespace was made for it, and not found.
    created: bool,
    attire: Attire,
}

/// Where a guest lives.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) netns: Netns,
    /// Somebody else's namespace; none for one of the lab's own.
    pub(crate) foreign: Option<Foreign>,
}

/// A device that frames go through.
#[derive(Debug, Clone)]
pub(crate) struct RunningDevice {
    /// The configuration its link has, or was last meant to have.
    pub(crate) config: LinkConfig,
    pub(crate) line: Arc<Line>,
    /// The device index that its name was chosen by; none as long as it has the name that was free.
    named_for: Option<u8>,
    /// Whether its link has that configuration.
    settled: bool,
    /// Whether it was there before.
    adopted: bool,
}

/// What became of who lived in guests that are gone, in sentences.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// Programs of the lab, as in `nc (42) in web-1`.
    pub(crate) ended: Vec<String>,
    /// Who goes on without the lab's network.
    pub(crate) left: Vec<String>,
}

/// Why a guest cannot be as it should.
#[derive(Debug, thiserror::Error)]
#[error("{guest}: {cause}")]
pub(crate) struct GuestError {
    pub(crate) guest: String,
    pub(crate) cause: GuestCause,
}

/// What stood in the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestCause {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Tap(#[from] TapError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("writing its files: {0}")]
    Files(#[from] io::Error),
    #[error(
        "a network namespace named {0} exists that is not this lab's; delete it with `ip netns delete {0}` or choose another lab name"
    )]
    ForeignNamespace(String),
    #[error("its making failed unexpectedly; the log says why")]
    Panicked,
}

impl Ground {
    /// The name of the namespace that the guest with this slug has of its own.
    pub(crate) fn namespace_name(&self, slug: &str) -> String {
        format!("vpclab-{}-{slug}", self.paths.lab())
    }

    /// The directory of a guest's files. While it exists, the namespace of that slug is this lab's.
    pub(crate) fn directory(&self, slug: &str) -> PathBuf {
        self.paths.instances.join(slug)
    }

    /// Makes a guest in `foreign` or in a namespace of its own, with whatever of it a former daemon has left.
    pub(crate) fn build(
        &self,
        blueprint: Blueprint,
        slug: String,
        foreign: Option<Foreign>,
    ) -> Result<Guest, GuestError> {
        let guest = format!("{} {}", blueprint.key.kind().replace('_', " "), blueprint.key.name());
        self.try_build(blueprint, slug, foreign).map_err(|cause| GuestError { guest, cause })
    }

    fn try_build(
        &self,
        blueprint: Blueprint,
        slug: String,
        foreign: Option<Foreign>,
    ) -> Result<Guest, GuestCause> {
        let (netns, created) = match &foreign {
            Some(foreign) => (foreign.open()?, false),
            None => self.open_own(&slug)?,
        };
        let mut guest = Guest {
            home: Home { netns, foreign },
            devices: Vec::new(),
            gone: false,
            problems: Vec::new(),
            created,
            attire: Attire::default(),
            slug,
            blueprint: Blueprint { devices: Vec::new(), ..blueprint.clone() },
        };
        // A panic is told by its thread; here it is a failure like any other, and what was made is removed.
        let furnish = AssertUnwindSafe(|| self.furnish(&mut guest, &blueprint));
        let outcome = catch_unwind(furnish).unwrap_or(Err(GuestCause::Panicked));
        if let Err(cause) = outcome {
            self.undo(guest);
            return Err(cause);
        }
        guest.blueprint = blueprint;
        Ok(guest)
    }

    fn furnish(&self, guest: &mut Guest, blueprint: &Blueprint) -> Result<(), GuestCause> {
        self.clear_strangers(&guest.home.netns, blueprint)?;
        for device in &blueprint.devices {
            let device = self.plug(&guest.home.netns, device)?;
            guest.devices.push(device);
        }
        if let Some((_, error)) = settle(&guest.home.netns, &mut guest.devices, blueprint).into_iter().next()
        {
            return Err(error.into());
        }
        if guest.created {
            forget_masquerade(&self.masquerade_mark(&guest.slug))?;
        }
        self.forward(guest, blueprint.forwarding)?;
        // What a dead daemon has left on and cannot be switched off is no reason to do without the guest.
        if let Err(error) = self.end_masquerade(guest, blueprint.forwarding) {
            let problem = not_forwarding(&error);
            tracing::error!(instance = blueprint.key.name(), problem, "it is not as declared");
            guest.problems.push(problem);
        }
        Ok(files::write(&self.directory(&guest.slug), blueprint)?)
    }

    /// Has a guest do with packets for others what its instance declares. In somebody else's namespace that is left to
    /// them. That it translates is written down first: whoever takes the namespace over has to know.
    fn forward(&self, guest: &Guest, forwarding: Forwarding) -> Result<(), GuestCause> {
        if guest.home.foreign.is_some() {
            return Ok(());
        }
        link::set_forwarding(&guest.home.netns, forwarding != Forwarding::Off)?;
        if forwarding == Forwarding::Masqueraded {
            let mark = self.masquerade_mark(&guest.slug);
            let is_first = !mark.exists();
            fs::write(&mark, "")?;
            let outcome = link::set_masquerade(&guest.home.netns, true);
            if outcome.is_err() && is_first {
                forget_masquerade(&mark)?;
            }
            outcome?;
        }
        Ok(())
    }

    /// Has a guest that may translate what it forwards, and is not to, do so no longer.
    fn end_masquerade(&self, guest: &Guest, forwarding: Forwarding) -> Result<(), GuestCause> {
        let mark = self.masquerade_mark(&guest.slug);
        if guest.home.foreign.is_some() || forwarding == Forwarding::Masqueraded || !mark.exists() {
            return Ok(());
        }
        link::set_masquerade(&guest.home.netns, false)?;
        Ok(forget_masquerade(&mark)?)
    }

    /// The file that is there while a guest's own namespace may translate what it forwards.
    fn masquerade_mark(&self, slug: &str) -> PathBuf {
        self.directory(slug).join("masquerades")
    }

    /// Opens or makes the guest's own namespace; says whether it was made.
    fn open_own(&self, slug: &str) -> Result<(Netns, bool), GuestCause> {
        let name = self.namespace_name(slug);
        let directory = self.directory(slug);
        let known = directory.exists();
        // The directory comes first: whatever happens next, a later `down` knows the namespace is ours.
        fs::create_dir_all(&directory)?;
        let opened = match Netns::create(&name) {
            Ok(netns) => Ok((netns, true)),
            Err(NetnsError::Exists(_)) => match Netns::open_name(&name) {
                Ok(netns) if known || self.recognises(&netns)? => Ok((netns, false)),
                Ok(_) => Err(GuestCause::ForeignNamespace(name)),
                // A crash between the two steps of its creation left a file that is no namespace.
                Err(NetnsError::NotANamespace(_)) if known => {
                    Netns::delete(&name)?;
                    Ok((Netns::create(&name)?, true))
                }
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        };
        if opened.is_err() && !known {
            // Nothing but the directory was made.
            let _ = fs::remove_dir(&directory);
        }
        opened
    }

    /// Whether the namespace holds devices of this lab.
    pub(crate) fn recognises(&self, netns: &Netns) -> Result<bool, LinkError> {
        let prefix = alias_prefix(self.paths.lab());
        Ok(link::list(netns)?.iter().any(|link| link.alias.starts_with(&prefix)))
    }

    /// Removes devices of this lab that the blueprint does not know.
    fn clear_strangers(&self, netns: &Netns, blueprint: &Blueprint) -> Result<(), LinkError> {
        let prefix = alias_prefix(self.paths.lab());
        let removed = link::remove_where(netns, |link| {
            let known = blueprint.devices.iter().any(|device| device.alias() == link.alias);
            link.alias.starts_with(&prefix) && !known
        })?;
        removed.into_iter().try_for_each(|(_, outcome)| outcome)
    }

    /// Makes a device in the namespace, or takes over the one of its alias. It is down, or as it was, until it is settled.
    pub(crate) fn plug(
        &self,
        netns: &Netns,
        blueprint: &DeviceBlueprint,
    ) -> Result<RunningDevice, GuestCause> {
        let links = link::list(netns)?;
        let adopted = links.iter().find(|link| link.is_tap && link.alias == blueprint.alias());
        let name = match adopted {
            Some(link) => link.name.clone(),
            None => {
                let taken: BTreeSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
                free_name(&taken, blueprint.device_index)
            }
        };
        let config = blueprint.config(&name);
        let tap = Tap::open(netns, &name, self.plain_devices)?;
        tap.set_persist(true)?;
        if adopted.is_none()
            && let Err(error) = link::stage(netns, &config)
        {
            // The descriptor closes with `tap`, and the device with it.
            let _ = tap.set_persist(false);
            return Err(error.into());
        }
        let line = Arc::new(Line::new(&self.tokens, blueprint.port, blueprint.name.clone(), tap));
        let named_for = adopted.map(|_| blueprint.device_index);
        Ok(RunningDevice { config, line, named_for, settled: false, adopted: adopted.is_some() })
    }

    /// Removes devices that no snapshot holds any more.
    pub(crate) fn unplug(&self, home: &Home, devices: Vec<RunningDevice>) {
        for device in devices {
            // In somebody else's namespace policy rules would outlive the device.
            if home.foreign.is_some() {
                let alias = &device.config.alias;
                let removed = link::remove_where(&home.netns, |link| link.alias == *alias);
                let outcome = removed.and_then(|each| each.into_iter().try_for_each(|(_, outcome)| outcome));
                if let Err(error) = outcome {
                    tracing::warn!(alias, %error, "the device could not be removed in order");
                }
            }
            // One that was deleted already has nothing to unset.
            let _ = device.line.tap.set_persist(false);
        }
    }

    /// Removes what [`Ground::build`] made of a guest; what it found stays for the next daemon.
    pub(crate) fn undo(&self, guest: Guest) {
        if guest.created {
            self.remove(guest);
        } else {
            self.unplug(&guest.home, guest.devices.into_iter().filter(|device| !device.adopted).collect());
        }
    }

    /// Removes guests with all that is their own, and says what becomes of who lives there. Programs that `exec` started
    /// in them are ended first; whoever else lives there is left alone.
    pub(crate) fn remove_all(&self, guests: Vec<Guest>) -> Departed {
        if guests.is_empty() {
            return Departed::default();
        }
        let own = guests.iter().filter(|guest| guest.home.foreign.is_none());
        let homes: Vec<OwnHome<'_>> = own
            .map(|guest| OwnHome {
                netns: &guest.home.netns,
                files: self.directory(&guest.slug),
                instance: guest.key().name().to_owned(),
            })
            .collect();
        let ended = inhabitants::end(&homes);
        for ended in &ended {
            tracing::info!(ended, "a program was ended with its instance");
        }
        let mut left = inhabitants::inhabitants(&homes).strangers;
        drop(homes);
        left.extend(guests.iter().filter_map(Guest::unplugged));
        guests.into_iter().for_each(|guest| self.remove(guest));
        Departed { ended, left }
    }

    /// Removes the guest with all that is its own. Processes that live in its namespace are left alone, and named.
    fn remove(&self, guest: Guest) {
        let slug = guest.slug.clone();
        self.vacate(guest);
        self.forget_files(&slug);
    }

    /// Removes all of a guest but its files, which its next home shows again.
    pub(crate) fn vacate(&self, guest: Guest) {
        let Guest { blueprint, slug, mut home, devices, .. } = guest;
        self.unplug(&home, devices);
        if let Some(foreign) = &mut home.foreign {
            foreign.restore();
            return;
        }
        let inside = home.netns.processes();
        if !inside.is_empty() {
            let (instance, processes) = (blueprint.key.name(), describe(&inside));
            tracing::warn!(instance, processes, "processes live on without a network");
        }
        self.forget_namespace(&slug);
    }

    /// Removes the name of a guest's own namespace. It is normal that there is none.
    pub(crate) fn forget_namespace(&self, slug: &str) {
        let name = self.namespace_name(slug);
        match Netns::delete(&name) {
            Ok(()) | Err(NetnsError::NotFound(_)) => {}
            Err(error) => tracing::warn!(namespace = name, %error, "the namespace could not be removed"),
        }
    }

    /// Removes the namespace of its own that a guest has left for somebody else's, if a crash came before that.
    pub(crate) fn clear_former_home(&self, slug: &str) {
        let name = self.namespace_name(slug);
        let Ok(netns) = Netns::open_name(&name) else { return };
        let inside = netns.processes();
        if inside.is_empty() && self.recognises(&netns).unwrap_or(false) {
            self.forget_namespace(slug);
        } else if !inside.is_empty() {
            tracing::warn!(
                namespace = name,
                processes = describe(&inside),
                "it stays, as processes live in it"
            );
        }
    }

    /// Removes a guest's files, and with them the claim to its namespace.
    pub(crate) fn forget_files(&self, slug: &str) {
        if let Err(error) = fs::remove_dir_all(self.directory(slug))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(instance = slug, %error, "its files could not be removed");
        }
    }

    /// Brings the links, files and names of a survivor to its new blueprint, as far as the kernel and whoever has
    /// rights inside let us. What could not be done is said, kept with the guest, and tried again with the next change.
    pub(crate) fn reconfigure(&self, guest: &mut Guest) {
        let mut problems = Vec::new();
        for (interface, error) in settle(&guest.home.netns, &mut guest.devices, &guest.blueprint) {
            problems.push(format!("interface {interface} could not be reconfigured: {error}"));
        }
        let forwarding = guest.blueprint.forwarding;
        let outcome = self.forward(guest, forwarding).and_then(|()| self.end_masquerade(guest, forwarding));
        problems.extend(outcome.err().map(|error| not_forwarding(&error)));
        if let Err(error) = files::write(&self.directory(&guest.slug), &guest.blueprint) {
            problems.push(format!("its files could not be written: {error}"));
        }
        problems.extend(guest.dress());
        for problem in &problems {
            tracing::error!(instance = guest.key().name(), problem, "it is not as declared");
        }
        guest.problems = problems;
    }
}

impl RunningDevice {
    /// What its link is to be, and whether it is something else than it is.
    fn wanted(&self, blueprint: &DeviceBlueprint) -> (WantedLink, bool) {
        let config = blueprint.config(&self.config.name);
        let renamed = self.named_for != Some(blueprint.device_index);
        let is_new = renamed || !self.settled || config != self.config;
        (WantedLink { config, rename: renamed.then(|| name_of(blueprint.device_index)) }, is_new)
    }
}

/// Brings the devices of a guest to its blueprint, unless all of them are. Returns which interfaces are not, and why.
fn settle(netns: &Netns, devices: &mut [RunningDevice], blueprint: &Blueprint) -> Vec<(String, LinkError)> {
    let blueprint_of = |device: &RunningDevice| {
        blueprint.devices.iter().find(|blueprint| blueprint.alias() == device.config.alias)
    };
    let mut members: Vec<(&mut RunningDevice, &DeviceBlueprint)> = devices
        .iter_mut()
        .filter_map(|device| blueprint_of(device).map(|blueprint| (device, blueprint)))
        .collect();
    let wanted: Vec<(WantedLink, bool)> =
        members.iter().map(|(device, blueprint)| device.wanted(blueprint)).collect();
    if !wanted.iter().any(|(_, is_new)| *is_new) {
        return Vec::new();
    }
    // One may have what another is to have: they are brought there together.
    let wanted: Vec<WantedLink> = wanted.into_iter().map(|(wanted, _)| wanted).collect();
    let outcomes = match link::apply_together(netns, &wanted) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            members.iter_mut().for_each(|(device, _)| device.settled = false);
            let first = members.first().map(|(_, blueprint)| blueprint.name.clone());
            return first.map(|name| (name, error)).into_iter().collect();
        }
    };
    let mut problems = Vec::new();
    for ((device, blueprint), outcome) in members.into_iter().zip(outcomes) {
        device.settled = outcome.is_ok();
        match outcome {
            Ok(config) => {
                device.config = config;
                device.named_for = Some(blueprint.device_index);
            }
            Err(error) => problems.push((blueprint.name.clone(), error)),
        }
    }
    problems
}

impl Guest {
    /// Gives whoever hosts it what changes about an instance beside its devices. Returns what failed.
    pub(crate) fn dress(&mut self) -> Vec<String> {
        let Some(foreign) = self.home.foreign.as_ref().filter(|_| !self.gone) else { return Vec::new() };
        let mut problems = foreign.dress(&self.blueprint, &mut self.attire);
        let is_meant_to = self.blueprint.forwarding != Forwarding::Off;
        let how = match self.blueprint.forwarding {
            Forwarding::Off | Forwarding::Unchanged => "",
            Forwarding::Masqueraded => " do, from its own address",
        };
        for (ipv6, setting) in [(false, "net.ipv4.ip_forward"), (true, "net.ipv6.conf.all.forwarding")] {
            let is_meant_to = is_meant_to && self.blueprint.has_address(ipv6);
            if is_meant_to && link::forwards(&self.home.netns, ipv6).is_ok_and(|does| !does) {
                problems.push(format!(
                    "its namespace does not forward what is for others ({setting}), which the instance is to{how}; the lab \
                     leaves that to whoever made it"
                ));
            }
        }
        problems
    }

    /// Who goes on when it is unplugged: as in `process 42, which ran as instance web-1`.
    pub(crate) fn unplugged(&self) -> Option<String> {
        let foreign = self.home.foreign.as_ref().filter(|_| !self.gone)?;
        let (target, key) = (describe_target(&foreign.target), self.key());
        Some(format!("{target}, which ran as {} {}", key.kind().replace('_', " "), key.name()))
    }

    pub(crate) fn key(&self) -> &GuestKey {
        &self.blueprint.key
    }

    /// What of it is not as declared, in sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let lost = self.devices.iter().filter(|device| device.line.has_failed());
        let lost = lost.map(|device| {
            format!(
                "interface {} has lost its device {}, which somebody has deleted; the next `vpclab apply` makes it again",
                device.line.label, device.config.name
            )
        });
        self.problems.iter().cloned().chain(lost).collect()
    }

    /// Has all its devices looked at again: one that is gone leaves rules behind, and may have had what is another's now.
    pub(crate) fn unsettle(&mut self) {
        self.devices.iter_mut().for_each(|device| device.settled = false);
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Arc<Line>> + '_ {
        self.devices.iter().map(|device| device.line.clone())
    }
}

/// Processes as a sentence names them: `nc (42), sh (43)`.
pub(crate) fn describe(processes: &[(u32, String)]) -> String {
    let each: Vec<String> = processes.iter().map(|(pid, command)| format!("{command} ({pid})")).collect();
    each.join(", ")
}

fn not_forwarding(error: &GuestCause) -> String {
    format!("its forwarding could not be set: {error}")
}

fn forget_masquerade(mark: &Path) -> io::Result<()> {
    match fs::remove_file(mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What the device of this index is called where it can be.
fn name_of(device_index: u8) -> String {
    format!("eth{device_index}")
}

/// `eth` and the device index, or the next number that is free.
fn free_name(taken: &BTreeSet<&str>, device_index: u8) -> String {
    let mut names = (u32::from(device_index)..).map(|number| format!("eth{number}"));
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_its_index_or_the_next_free_number() {
        assert_eq!(free_name(&BTreeSet::new(), 1), "eth1");
        assert_eq!(free_name(&BTreeSet::from(["lo", "eth0", "eth1"]), 0), "eth2");
    }
}
