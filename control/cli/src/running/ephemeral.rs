//! Where do live tests run when no lab is given? In one of their own, gone when they end.
//!
//! What always holds: an interrupt or a request to end removes the lab before this process ends as the signal has it; a
//! second one ends the process at once. However it ends, the lab's own process sees that and ends as `down` would have
//! it.

use std::path::Path;
use std::process::{self, Child};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};
use vpclab_daemon::DownError;
use vpclab_model::Document;

use crate::output::{self, Failure};
use crate::running::background::{self, Life};
use crate::running::up::not_down;

/// The signals that end this process in order, once it is made.
#[derive(Debug, Clone)]
pub(crate) struct Interruption {
    /// Whoever ends the lab has this until it is gone; a signal, until this process is.
    running: Arc<Mutex<Option<Running>>>,
    /// A lab that is not as it was, and what it was. Whoever changes the lab has this meanwhile; a signal, until this
    /// process is gone, so that no change comes after the last one.
    altered: Arc<Mutex<Option<(String, Document)>>>,
}

/// A lab that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Ephemeral {
    name: String,
    interruption: Interruption,
}

/// What is to be ended. Without it the other end of its pipe closes, and the lab ends by itself.
#[derive(Debug)]
struct Running {
    name: String,
    process: Child,
}

impl Interruption {
    /// Takes SIGINT and SIGTERM from now on. To be called before there are other threads.
    pub(crate) fn expect() -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new("InternalError", format!("signals cannot be waited for: {error}"))
        };
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
        signals.thread_block().map_err(|error| failed(&error))?;
        let interruption = Self { running: Arc::default(), altered: Arc::default() };
        let to_end = interruption.clone();
        let wait = move || {
            // Interrupted by nothing, as all others are for other threads.
            if let Ok(signal) = signals.wait() {
                to_end.end(signal, signals);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(|error| failed(&error))?;
        Ok(interruption)
    }

    /// Goes on, unless a signal has come: then the lab is ending, and nothing that is seen of it is to be told.
    pub(crate) fn pass(&self) {
        drop(self.lock());
    }

    /// Does `change`, and is given what is to be put back before this process ends by a signal: a lab and what it was. A lab
    /// of the process's own goes anyhow.
    pub(crate) fn changing<T>(&self, change: impl FnOnce(&mut Option<(String, Document)>) -> T) -> T {
        change(&mut self.altered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes the lab and ends this process by the signal.
    fn end(&self, signal: Signal, signals: SigSet) {
        // A second one does not wait for the end of the lab.
        let _ = signals.thread_unblock();
        let mut running = self.lock();
        let mut altered = self.altered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.take() {
            match running.end() {
                Ok(left) => output::aside(&output::warnings(&left)),
                Err(failure) => output::failure(&failure.error, false),
            }
        } else if let Some((lab, own)) = altered.take()
            && let Err(failure) =
                super::client(&lab).and_then(|client| client.apply(&own).map_err(super::failed))
        {
            output::failure(&failure.error, false);
        }
        let _ = raise(signal);
        // Whoever started this process has had it ignore the signal.
        process::exit(128 + signal as i32);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ephemeral {
    /// Starts one.
    pub(crate) fn start(topology: &Path, interruption: &Interruption) -> Result<Self, Failure> {
        let name = format!("test-{}", process::id());
        let mut running = interruption.lock();
        let (process, stdout) = background::spawn(topology, &name, false, Life::WithThisProcess)?;
        *running = Some(Running { name: name.clone(), process });
        drop(running);
        let ephemeral = Self { name, interruption: interruption.clone() };
        background::ready(stdout, || match interruption.lock().as_mut() {
            Some(running) => running.process.wait(),
            None => Err(std::io::ErrorKind::NotFound.into()),
        })?;
        Ok(ephemeral)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Stops it, and says who goes on without it and what could not be removed.
    pub(crate) fn stop(self) -> Result<Vec<String>, Failure> {
        self.end()
    }

    fn end(&self) -> Result<Vec<String>, Failure> {
        let mut running = self.interruption.lock();
        running.take().map_or_else(|| Ok(Vec::new()), Running::end)
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        // A failure before this one is being told already.
        let _ = self.end();
    }
}

impl Running {
    fn end(mut self) -> Result<Vec<String>, Failure> {
        let left = match vpclab_daemon::down(&self.name) {
            Ok(down) => down.left,
            // It has not come so far, or has ended by itself.
            Err(DownError::NoSuchLab(_)) => Vec::new(),
            Err(error) => return Err(not_down(error)),
        };
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        Ok(left)
    }
}
