//! How does a blueprint become a guest: a namespace with devices in it?
//!
//! Made, taken over from a daemon that died, changed, removed. What always holds: making a guest either succeeds or
//! leaves what was there before; a device is known by its alias, whatever its name; a namespace that is not the lab's
//! own loses nothing but the lab's devices. Left to others: which guests there are ([`crate::replace`]), whose
//! namespace it is ([`crate::attach`]).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use vpclab_tap::link::{self, LinkConfig, LinkError};
use vpclab_tap::{Netns, NetnsError, TapError};

use crate::blueprint::{Blueprint, DeviceBlueprint, GuestKey, alias_prefix};
use crate::files;
use crate::foreign::{Attire, Foreign};
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
    /// The configuration its link has.
    pub(crate) config: LinkConfig,
    pub(crate) line: Arc<Line>,
    /// Whether it was there before.
    adopted: bool,
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
        Ok(files::write(&self.directory(&guest.slug), blueprint)?)
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

    /// Makes a device in the namespace, or takes over the one of its alias.
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
        if let Err(error) = link::apply(netns, &config) {
            if adopted.is_none() {
                // The descriptor closes with `tap`, and the device with it.
                let _ = tap.set_persist(false);
            }
            return Err(error.into());
        }
        let line = Arc::new(Line::new(&self.tokens, blueprint.port, blueprint.name.clone(), tap));
        Ok(RunningDevice { config, line, adopted: adopted.is_some() })
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

    /// Removes guests with all that is their own. Programs that `exec` started in them are ended first; whoever else
    /// lives there is left alone, and named.
    pub(crate) fn remove_all(&self, guests: Vec<Guest>) {
        let own = guests.iter().filter(|guest| guest.home.foreign.is_none());
        let homes: Vec<OwnHome<'_>> = own
            .map(|guest| OwnHome {
                netns: &guest.home.netns,
                files: self.directory(&guest.slug),
                instance: guest.key().name().to_owned(),
            })
            .collect();
        for ended in inhabitants::end(&homes) {
            tracing::info!(ended, "a program was ended with its instance");
        }
        drop(homes);
        guests.into_iter().for_each(|guest| self.remove(guest));
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
        for device in &mut guest.devices {
            let alias = &device.config.alias;
            let blueprint = guest.blueprint.devices.iter().find(|blueprint| blueprint.alias() == alias);
            let Some(blueprint) = blueprint else { continue };
            let config = blueprint.config(&device.config.name);
            if config == device.config {
                continue;
            }
            match link::apply_by_alias(&guest.home.netns, &config) {
                Ok(config) => device.config = config,
                Err(error) => {
                    problems.push(format!("interface {} could not be reconfigured: {error}", blueprint.name));
                }
            }
        }
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

impl Guest {
    /// Gives whoever hosts it what changes about an instance beside its devices. Returns what failed.
    pub(crate) fn dress(&mut self) -> Vec<String> {
        let foreign = self.home.foreign.as_ref().filter(|_| !self.gone);
        foreign.map(|foreign| foreign.dress(&self.blueprint, &mut self.attire)).unwrap_or_default()
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

    pub(crate) fn lines(&self) -> impl Iterator<Item = Arc<Line>> + '_ {
        self.devices.iter().map(|device| device.line.clone())
    }
}

/// Processes as a sentence names them: `nc (42), sh (43)`.
pub(crate) fn describe(processes: &[(u32, String)]) -> String {
    let each: Vec<String> = processes.iter().map(|(pid, command)| format!("{command} ({pid})")).collect();
    each.join(", ")
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
