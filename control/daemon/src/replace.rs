//! How does a lab become another while packets flow?
//!
//! Validate, compile, make what is new, publish, then remove what is gone and settle what stays. A device that takes the
//! place of another in one instance is made beside it, and has its name, addresses and routes when the other is gone.
//! What always holds: until the pointer is stored nothing that frames meet has changed, and a failure before that leaves
//! everything as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vpclab_api::{ApiError, Applied, MistakeBody, Replaced};
use vpclab_engine::Fabric;
use vpclab_model::{Document, Mistakes, Topology};

use crate::blueprint::{Blueprint, GuestKey, blueprints};
use crate::changes::changes;
use crate::guest::{Departed, Guest, RunningDevice};
use crate::lab::{Declared, Lab, State, build_all, orders};

/// What becomes of a survivor.
struct Alteration {
    blueprint: Blueprint,
    /// Devices it did not have.
    new: Vec<RunningDevice>,
}

impl Lab {
    /// Makes `document` what the lab is. On return every packet obeys it.
    pub(crate) fn replace(&self, document: Document) -> Result<Applied, ApiError> {
        let mut state = self.lock()?;
        self.retire(&mut state)?;
        let current = state.declared.clone();
        let topology =
            Topology::from_document(&document, Some(&current.topology)).map_err(|found| refusal(&found))?;
        let fabric = Arc::new(Fabric::compile(&topology, Some(&current.fabric)));
        let changes = changes(&current.topology, &topology);
        let blueprints = blueprints(self.ground.paths.lab(), &topology, &fabric);
        let (alterations, newcomers) = self.prepare(&state, blueprints)?;

        let kept: BTreeSet<GuestKey> = alterations.keys().cloned().collect();
        let (mut survivors, leaving): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut state.guests).into_iter().partition(|(key, _)| kept.contains(key));
        let mut unplugged = Vec::new();
        for (key, alteration) in alterations {
            if let Some(guest) = survivors.get_mut(&key) {
                unplugged.push((key, alter(guest, alteration)));
            }
        }
        survivors.extend(newcomers.into_iter().map(|guest| (guest.key().clone(), guest)));
        state.guests = survivors;
        let declared = Declared { document, topology, fabric };
        state.declared = Arc::new(declared);
        self.publish(&mut state)?;

        let mut warnings = Vec::new();
        for (key, devices) in unplugged {
            if let Some(guest) = state.guests.get_mut(&key) {
                if !devices.is_empty() {
                    self.ground.unplug(&guest.home, devices);
                    guest.unsettle();
                }
                self.ground.reconfigure(guest);
                let name = key.name();
                warnings.extend(guest.problems.iter().map(|problem| format!("{name}: {problem}")));
            }
        }
        warnings.extend(told(self.ground.remove_all(leaving.into_values().collect())));
        self.remember_topology(&state.declared);
        self.remember_attachments(&state);
        self.show(&state);
        let generation = state.declared.fabric.generation;
        tracing::info!(generation, changes = changes.len(), "the topology was replaced");
        Ok(Applied { replaced: Replaced { generation, changes }, warnings })
    }

    /// Makes every device and guest that `blueprints` have and the lab has not; nothing is left of a failure.
    fn prepare(
        &self,
        state: &State,
        blueprints: Vec<Blueprint>,
    ) -> Result<(BTreeMap<GuestKey, Alteration>, Vec<Guest>), ApiError> {
        let (surviving, new): (Vec<_>, Vec<_>) =
            blueprints.into_iter().partition(|blueprint| state.guests.contains_key(&blueprint.key));
        let mut alterations = BTreeMap::new();
        let outcome = self.prepare_survivors(state, surviving, &mut alterations).and_then(|()| {
            let taken = state.guests.values().map(|guest| guest.slug.clone()).collect();
            let orders = orders(new, &taken, |_| None);
            build_all(&self.ground, orders).map_err(|error| failure(&error))
        });
        match outcome {
            Ok(newcomers) => Ok((alterations, newcomers)),
            Err(error) => {
                for (key, alteration) in alterations {
                    if let Some(guest) = state.guests.get(&key) {
                        self.ground.unplug(&guest.home, alteration.new);
                    }
                }
                Err(error)
            }
        }
    }

    fn prepare_survivors(
        &self,
        state: &State,
        blueprints: Vec<Blueprint>,
        alterations: &mut BTreeMap<GuestKey, Alteration>,
    ) -> Result<(), ApiError> {
        for blueprint in blueprints {
            let Some(guest) = state.guests.get(&blueprint.key) else { continue };
            let key = blueprint.key.clone();
            let alteration = alterations
                .entry(key)
                .or_insert(Alteration { blueprint: blueprint.clone(), new: Vec::new() });
            if guest.gone {
                continue;
            }
            let missing = blueprint.devices.iter().filter(|device| {
                let has =
                    |running: &RunningDevice| is_sound(running) && running.config.alias == device.alias();
                !guest.devices.iter().any(has)
            });
            for device in missing {
                let plugged = self.ground.plug(&guest.home.netns, device);
                alteration.new.push(plugged.map_err(|cause| {
                    failure(&crate::guest::GuestError { guest: device.name.clone(), cause })
                })?);
            }
        }
        Ok(())
    }
}

/// What became of who lived in guests that are gone, as warnings.
fn told(departed: Departed) -> impl Iterator<Item = String> {
    let ended = departed.ended.into_iter().map(|ended| format!("ended with its instance: {ended}"));
    let left = departed.left.into_iter();
    ended.chain(left.map(|left| format!("lives on: {left}")))
}

/// Gives a survivor its blueprint and new devices, and returns the ones it has no longer.
fn alter(guest: &mut Guest, alteration: Alteration) -> Vec<RunningDevice> {
    let Alteration { blueprint, new } = alteration;
    let stays = |running: &RunningDevice| {
        blueprint.devices.iter().any(|device| device.alias() == running.config.alias) && is_sound(running)
    };
    let (kept, gone) = std::mem::take(&mut guest.devices).into_iter().partition(stays);
    guest.devices = kept;
    guest.devices.extend(new);
    guest.blueprint = blueprint;
    gone
}

fn is_sound(running: &RunningDevice) -> bool {
    !running.line.has_failed()
}

/// Everything wrong with a document, as the API says it.
pub(crate) fn refusal(mistakes: &Mistakes) -> ApiError {
    let count = mistakes.0.len();
    let sentence = match count {
        1 => "the topology has a mistake; nothing was changed".to_owned(),
        _ => format!("the topology has {count} mistakes; nothing was changed"),
    };
    let mut error = ApiError::new("InvalidTopology", sentence);
    error.error.mistakes = mistakes
        .0
        .iter()
        .map(|mistake| MistakeBody {
            resource: mistake.resource.clone(),
            attribute: mistake.attribute.clone(),
            code: mistake.code.to_owned(),
            problem: mistake.problem.clone(),
            remedy: mistake.remedy.clone(),
        })
        .collect();
    error
}

fn failure(error: &crate::guest::GuestError) -> ApiError {
    ApiError::new("InternalError", format!("{error}; nothing was changed"))
}
