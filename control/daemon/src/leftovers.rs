//! What has a dead daemon left, and what of it may be removed?
//!
//! A namespace is a lab's when the lab's directory says so or devices with the lab's alias are in it. What always
//! holds: a process is never ended, and where one lives its namespace stays; both are named.

use std::collections::BTreeSet;
use std::fs;

use vpclab_tap::{Netns, NetnsError, link};

use crate::blueprint::alias_prefix;
use crate::guest::{Ground, describe};
use crate::paths::{labs, paths};
use crate::remember;

/// What became of the leftovers.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) removed: Vec<String>,
    /// What stays, with the reason.
    pub(crate) left: Vec<String>,
}

/// Removes what the lab has beside the guests `living` (their slugs). Its lock must be held.
pub(crate) fn sweep(ground: &Ground, living: &BTreeSet<String>) -> Swept {
    let mut swept = Swept::default();
    for slug in slugs(ground).difference(living) {
        let name = ground.namespace_name(slug);
        match Netns::open_name(&name) {
            Ok(netns) => {
                let inside = netns.processes();
                if !inside.is_empty() {
                    swept.left.push(format!("network namespace {name}, where {} live", describe(&inside)));
                    continue;
                }
                remove_devices(ground, &netns, &mut swept);
                drop(netns);
                ground.forget_namespace(slug);
                swept.removed.push(format!("network namespace {name}"));
            }
            Err(NetnsError::NotFound(_)) => {}
            Err(_) => ground.forget_namespace(slug),
        }
        ground.forget_files(slug);
    }
    swept
}

/// Removes the lab's devices from the namespaces of processes and containers that were attached.
pub(crate) fn sweep_attachments(ground: &Ground) -> Swept {
    let mut swept = Swept::default();
    for attached in remember::previous_attachments(&ground.paths) {
        let Ok(netns) = attached.foreign.open() else { continue };
        remove_devices(ground, &netns, &mut swept);
        attached.foreign.restore();
        let inside = netns.processes();
        if !inside.is_empty() {
            let (kind, name) = (attached.kind.replace('_', " "), attached.name);
            swept.left.push(format!("{}, which ran as {kind} {name}", describe(&inside)));
        }
    }
    swept
}

/// Removes every other lab whose daemon is dead and where nobody lives.
pub(crate) fn sweep_dead_labs(own: &Ground) {
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
                "a lab without a daemon is left alone, as processes live in it; `vpclab up` with its name revives it, `vpclab down` removes it"
            );
            continue;
        }
        sweep_attachments(&ground);
        let swept = sweep(&ground, &BTreeSet::new());
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
    let links = link::list(netns).unwrap_or_default();
    for link in links.into_iter().filter(|link| link.alias.starts_with(&prefix)) {
        match link::remove(netns, &link.name) {
            Ok(()) => swept.removed.push(format!("device {} ({})", link.name, link.alias)),
            Err(error) => swept.left.push(format!("device {} ({}): {error}", link.name, link.alias)),
        }
    }
}
