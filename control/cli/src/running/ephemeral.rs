//! Where do live tests run when no lab is given? In one of their own, gone when they end.

use std::path::Path;

use crate::output::Failure;
use crate::running::background::{self, Life};

/// A lab that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Ephemeral {
    name: String,
    stopped: bool,
}

impl Ephemeral {
    /// Starts one.
    pub(crate) fn start(topology: &Path) -> Result<Self, Failure> {
        let name = format!("test-{}", std::process::id());
        background::start(topology, &name, false, Life::WithThisProcess)?;
        Ok(Self { name, stopped: false })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Stops it, and says who goes on without it and what could not be removed.
    pub(crate) fn stop(mut self) -> Result<Vec<String>, Failure> {
        self.stopped = true;
        vpclab_daemon::down(&self.name)
            .map(|down| down.left)
            .map_err(|error| Failure::new("InternalError", error.to_string()))
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        if !self.stopped {
            // A failure before this one is being told already.
            let _ = vpclab_daemon::down(&self.name);
        }
    }
}
