//! What has a dead daemon left, and what of it may be removed?
//!
//! A namespace is a lab's when the lab's directory says so or devices with the lab's alias are in it. What always
//! holds: unless the lab is asked to go, where a process lives its namespace stays, and both are named; what is
//! attached is unplugged and goes on.

use std::collections::BTreeSet;
use std::fs;

use vpclab_tap::{Netns, NetnsError, link};

use crate::blueprint::alias_prefix;
use crate::foreign::describe_target;
use crate::guest::{Ground, describe};
use crate::inhabitants::{self, OwnHome, going_on};
use crate::paths::{clear_removed, labs, paths};
use crate::remember::{self, Attached};

/// What became of the leftovers.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) removed: Vec<String>,
    /// Programs of the lab.
    pub(crate) ended: Vec<String>,
    /// Who or what stays, with the reason.
    pub(crate) left: Vec<String>,
}

/// What becomes of the processes in a namespace that is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lives {
    /// They stay with their namespace, whoever started them.
    Spared,
    /// The lab is to go: its own programs are ended, strangers go on without a network.
    Ended,
}

/// Removes what the lab has beside the guests `living` (their slugs). Its lock must be held.
pub(crate) fn sweep(ground: &Ground, living: &BTreeSet<String>, lives: Lives) -> Swept {
    let mut swept = Swept::default();
    let slugs: Vec<String> = slugs(ground).difference(living).cloned().collect();
    let open = |slug: &String| Netns::open_name(&ground.namespace_name(slug));
    let opened: Vec<(String, Result<Netns, NetnsError>)> =
        slugs.into_iter().map(|slug| (slug.clone(), open(&slug))).collect();
    if lives == Lives::Ended {
        let homes: Vec<OwnHome<'_>> =
            opened.iter().filter_map(|(slug, netns)| home(ground, slug, netns)).collect();
        swept.ended = inhabitants::end(&homes);
    }
    for (slug, netns) in opened {
        let name = ground.namespace_name(&slug);
        match &netns {
            Ok(inside) => {
                let processes = inside.processes();
                if lives == Lives::Spared && !processes.is_empty() {
                    swept.left.push(format!("network namespace {name}, where {} live", describe(&processes)));
                    continue;
                }
                let home = home(ground, &slug, &netns);
                swept.left.extend(home.and_then(|home| going_on(&home, &processes)));
                remove_devices(ground, inside, &mut swept);
                ground.forget_namespace(&slug);
                swept.removed.push(format!("network namespace {name}"));
            }
            Err(NetnsError::NotFound(_)) => {}
            Err(_) => ground.forget_namespace(&slug),
        }
        ground.forget_files(&slug);
    }
    swept
}

/// Removes the lab's devices from the namespaces of processes and containers that were attached.
pub(crate) fn sweep_attachments(ground: &Ground) -> Swept {
    let mut swept = Swept::default();
    for mut attached in remember::previous_attachments(&ground.paths) {
        if let Ok(netns) = attached.foreign.open() {
            remove_devices(ground, &netns, &mut swept);
            let (kind, name) = (attached.kind.replace('_', " "), attached.name);
            let target = describe_target(&attached.foreign.target);
            let left = format!("{target}, which ran as {kind} {name}");
            // Two records of one are a move that a crash has cut short.
            if !swept.left.contains(&left) {
                swept.left.push(left);
            }
        }
        attached.foreign.restore();
    }
    swept
}

/// Undoes an attachment: the devices are removed, and the rest is put back.
pub(crate) fn release(ground: &Ground, mut attached: Attached) {
    if let Ok(netns) = attached.foreign.open() {
        let mut swept = Swept::default();
        remove_devices(ground, &netns, &mut swept);
        for left in swept.left {
            tracing::warn!(left, "a leftover of a former run stays");
        }
    }
    attached.foreign.restore();
    let target = describe_target(&attached.foreign.target);
    tracing::info!(target, instance = attached.name, "an attachment of a former run was undone");
}

/// Removes every other lab whose daemon is dead and where nobody lives.
pub(crate) fn sweep_dead_labs(own: &Ground) {
    clear_removed();
    for lab in labs().into_iter().filter(|lab| lab != own.paths.lab()) {
        let Ok(paths) = paths(&lab) else { continue };
        // A lock that cannot be had is a living daemon's.
        let Ok(Some(lock)) = paths.try_lock() else { continue };
        let ground =
            Ground { paths, plain_devices: own.plain_devices, tokens: std::sync::Arc::clone(&own.tokens) };
        let inhabitants = inhabitants(&ground);
        if !inhabitants.is_empty() {
            tracing::warn!(
                lab,
                processes = inhabitants.join(", "),
                "a lab without a daemon is left alone, as processes live in it; `vpclab up TOPOLOGY --lab {lab}` revives it, `vpclab down --lab {lab}` removes it and ends what `vpclab exec` started there"
            );
            continue;
        }
        sweep_attachments(&ground);
        let swept = sweep(&ground, &BTreeSet::new(), Lives::Spared);
        tracing::info!(lab, removed = swept.removed.join(", "), "a lab without a daemon was removed");
        if let Err(error) = ground.paths.remove() {
            tracing::warn!(lab, %error, "its files could not be removed");
        }
        drop(lock);
    }
}

/// The slugs of all namespaces of the lab: those its directory knows, and those where its devices are.
fn slugs(ground: &Ground) -> BTreeSet<String> {
    let entries = fs::read_dir(&ground.paths.instances).into_iter().flatten().flatten();
    let mut slugs: BTreeSet<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let prefix = ground.namespace_name("");
    for name in Netns::list() {
        let Some(slug) = name.strip_prefix(&prefix).filter(|slug| !slugs.contains(*slug)) else { continue };
        let ours = Netns::open_name(&name).is_ok_and(|netns| ground.recognises(&netns).unwrap_or(false));
        if ours {
            slugs.insert(slug.to_owned());
        }
    }
    slugs
}

/// Everyone who lives in the lab, attached or in a namespace of the lab's own.
fn inhabitants(ground: &Ground) -> Vec<String> {
    let own =
        slugs(ground).into_iter().filter_map(|slug| Netns::open_name(&ground.namespace_name(&slug)).ok());
    let attached = remember::previous_attachments(&ground.paths);
    let attached = attached.into_iter().filter_map(|attached| attached.foreign.open().ok());
    let inside = own.chain(attached).map(|netns| netns.processes()).filter(|inside| !inside.is_empty());
    inside.map(|inside| describe(&inside)).collect()
}

fn remove_devices(ground: &Ground, netns: &Netns, swept: &mut Swept) {
    let prefix = alias_prefix(ground.paths.lab());
    match link::remove_where(netns, |link| link.alias.starts_with(&prefix)) {
        Ok(removed) => {
            for (link, outcome) in removed {
                let device = format!("device {} ({})", link.name, link.alias);
                match outcome {
                    Ok(()) => swept.removed.push(device),
                    Err(error) => swept.left.push(format!("{device}: {error}")),
                }
            }
        }
        Err(error) => swept.left.push(format!("devices of lab {}: {error}", ground.paths.lab())),
    }
}

/// A namespace of the lab's own that is left over, if it could be opened.
fn home<'a>(ground: &Ground, slug: &str, netns: &'a Result<Netns, NetnsError>) -> Option<OwnHome<'a>> {
    let netns = netns.as_ref().ok()?;
    Some(OwnHome { netns, files: ground.directory(slug), instance: slug.to_owned() })
}
