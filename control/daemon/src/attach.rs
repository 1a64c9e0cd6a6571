//! How does an instance move: into somebody else's namespace, back into one of its own, and when its host ends?
//!
//! What is about to happen is written down first, so that whoever finds a dead daemon's attachments can restore or
//! undo them. What always holds: the new home has its devices before the old one is left; what was changed in the old
//! one is put back before the new one is looked at where the old has ended, and before it is changed in any case, as
//! both may show one file (a container that was started again keeps its `resolv.conf`); a move that fails leaves both
//! as they were; Docker is asked before anything is locked. Left to others: what may be attached ([`crate::foreign`]).

use vpclab_api::{ApiError, AttachBody, InstanceState};

use crate::blueprint::GuestKey;
use crate::foreign::{Foreign, describe_target};
use crate::guest::{Guest, describe};
use crate::lab::{Lab, State};
use crate::worker::WorkerLost;

impl Lab {
    /// Makes `request.target` the instance `name`; every frame from then on comes and goes there.
    pub(crate) fn attach(&self, name: &str, request: &AttachBody) -> Result<InstanceState, ApiError> {
        self.find_guest(&*self.lock()?, name)?;
        let foreign = Foreign::resolve(request, self.ground.paths.lab())?;
        let mut state = self.lock()?;
        self.retire(&mut state)?;
        let key = self.find_guest(&state, name)?;
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

    /// Looks after guests, unless somebody changes the lab right now.
    pub(crate) fn retire_gone(&self) {
        if let Some(mut state) = self.try_lock() {
            // Without its engine the lab ends, and all of them are removed.
            let _ = self.retire(&mut state);
        }
    }

    /// Takes the devices out of guests whose process, container or namespace has ended, and shows who has lost one.
    pub(crate) fn retire(&self, state: &mut State) -> Result<(), WorkerLost> {
        let ended = |guest: &&mut Guest| {
            !guest.gone && guest.home.foreign.as_ref().is_some_and(|foreign| !foreign.is_alive())
        };
        let mut devices = Vec::new();
        for guest in state.guests.values_mut().filter(ended) {
            tracing::warn!(instance = guest.key().name(), "what it ran in has ended; it has no network now");
            guest.gone = true;
            if let Some(foreign) = &mut guest.home.foreign {
                // Started again, a container is to find its own resolver.
                foreign.restore();
            }
            devices.push((guest.key().clone(), std::mem::take(&mut guest.devices)));
        }
        let failed = state.guests.values().flat_map(Guest::lines).filter(|line| line.has_failed()).count();
        let news = std::mem::replace(&mut state.failed_lines, failed) != failed;
        if !devices.is_empty() {
            self.publish(state)?;
            for (key, devices) in devices {
                if let Some(guest) = state.guests.get(&key) {
                    self.ground.unplug(&guest.home, devices);
                }
            }
            self.remember_attachments(state);
            self.show(state);
        } else if news {
            self.show(state);
        }
        Ok(())
    }

    fn rehome(
        &self,
        state: &mut State,
        key: &GuestKey,
        mut foreign: Option<Foreign>,
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
        if let Some(foreign) = &mut foreign {
            foreign.observe();
            self.remember_intent(state, key, foreign).map_err(|error| {
                let sentence = format!("the attachment cannot be written down: {error}; nothing was changed");
                ApiError::new("InternalError", sentence)
            })?;
        }
        let built = self.ground.build(blueprint, slug, foreign.clone());
        let new = match built {
            Ok(new) => new,
            Err(error) => {
                foreign.iter_mut().for_each(Foreign::restore);
                self.remember_attachments(state);
                return Err(ApiError::new("IncorrectState", error.to_string()));
            }
        };
        let old = state.guests.insert(key.clone(), new);
        self.publish(state)?;
        if let Some(old) = old {
            self.ground.vacate(old);
        }
        if let Some(new) = state.guests.get_mut(key) {
            let problems = new.dress();
            new.problems.extend(problems);
        }
        self.remember_attachments(state);
        self.show(state);
        self.state_of(key)
    }
}
