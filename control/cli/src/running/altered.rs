//! How is a running lab what a test needs for a while, and then what it was?
//!
//! What always holds: a lab that is not the tests' own is put back, also where an interrupt ends this process.

use vpclab_daemon::Client;
use vpclab_model::Document;

use crate::output::Failure;
use crate::running::ephemeral::Interruption;
use crate::running::failed;

/// A lab that may be changed.
pub(crate) struct Altered<'a> {
    lab: &'a str,
    client: &'a Client,
    /// What it is when nothing is changed.
    own: &'a Document,
    is_altered: bool,
    interruption: Option<&'a Interruption>,
}

impl<'a> Altered<'a> {
    /// The lab that `client` speaks to, as long as it is what `own` says.
    pub(crate) fn new(
        lab: &'a str,
        client: &'a Client,
        own: &'a Document,
        interruption: Option<&'a Interruption>,
    ) -> Self {
        Self { lab, client, own, is_altered: false, interruption }
    }

    /// Makes the lab obey `document`; none stands for its own.
    pub(crate) fn become_like(&mut self, document: Option<&Document>) -> Result<(), Failure> {
        if document.is_none() && !self.is_altered {
            return Ok(());
        }
        self.is_altered = true;
        let own = (self.lab.to_owned(), self.own.clone());
        let apply = |to_put_back: &mut Option<_>| -> Result<(), Failure> {
            *to_put_back = Some(own);
            self.client.apply(document.unwrap_or(self.own)).map_err(failed)?;
            if document.is_none() {
                *to_put_back = None;
            }
            Ok(())
        };
        match self.interruption {
            Some(interruption) => interruption.changing(apply),
            None => apply(&mut None),
        }?;
        self.is_altered = document.is_some();
        Ok(())
    }
}
