//! Which device is behind which port?
//!
//! A [`Line`] is a TAP with the port it serves; a [`Snapshot`] is a fabric together with the lines it can use. The
//! worker reads both through one pointer, so no frame meets the rules of one configuration and the devices of
//! another, also where a slot changes hands.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use vpclab_engine::{Fabric, Port, Position};
use vpclab_tap::{Device, Netns, OffloadTap, PlainTap, TapError};

/// A TAP of either kind.
#[derive(Debug)]
pub(crate) enum Tap {
    Offload(OffloadTap),
    Plain(PlainTap),
}

/// An open TAP and the port it serves.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) port: Port,
    /// The interface or internet host, for the log.
    pub(crate) label: String,
    pub(crate) tap: Tap,
    /// What the worker's poller calls it.
    token: usize,
    /// Set when the device has failed and is no longer read.
    failed: AtomicBool,
    tokens: Arc<Tokens>,
}

/// What the worker reads for one batch.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts publications, from 1: a fabric may be published again with other lines.
    pub(crate) epoch: u64,
    pub(crate) fabric: Arc<Fabric>,
    by_token: Vec<Option<Arc<Line>>>,
    interfaces: Vec<Option<Arc<Line>>>,
    hosts: Vec<Option<Arc<Line>>>,
}

/// Small numbers, each given to one living line.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    taken: Mutex<BTreeSet<usize>>,
}

impl Tap {
    pub(crate) fn open(netns: &Netns, name: &str, plain: bool) -> Result<Self, TapError> {
        if plain {
            PlainTap::open(netns, name).map(Self::Plain)
        } else {
            OffloadTap::open(netns, name).map(Self::Offload)
        }
    }

    pub(crate) fn set_persist(&self, persist: bool) -> io::Result<()> {
        match self {
            Self::Offload(tap) => tap.set_persist(persist),
            Self::Plain(tap) => tap.set_persist(persist),
        }
    }
}

impl Device for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Offload(tap) => Device::as_fd(tap),
            Self::Plain(tap) => Device::as_fd(tap),
        }
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Offload(tap) => tap.read(buf),
            Self::Plain(tap) => tap.read(buf),
        }
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        match self {
            Self::Offload(tap) => tap.write(frame),
            Self::Plain(tap) => tap.write(frame),
        }
    }

    fn offloads(&self) -> bool {
        match self {
            Self::Offload(tap) => tap.offloads(),
            Self::Plain(tap) => tap.offloads(),
        }
    }
}

impl Line {
    pub(crate) fn new(tokens: &Arc<Tokens>, port: Port, label: String, tap: Tap) -> Self {
        let failed = AtomicBool::new(false);
        Self { port, label, tap, token: tokens.take(), failed, tokens: tokens.clone() }
    }

    pub(crate) fn token(&self) -> u64 {
        self.token as u64
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tokens.give_back(self.token);
    }
}

impl Tokens {
    fn take(&self) -> usize {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let token = (0..=taken.len()).find(|token| !taken.contains(token)).unwrap_or(taken.len());
        taken.insert(token);
        token
    }

    fn give_back(&self, token: usize) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
    }
}

impl Snapshot {
    /// `fabric` with the lines that serve it.
    pub(crate) fn new(epoch: u64, fabric: Arc<Fabric>, lines: impl IntoIterator<Item = Arc<Line>>) -> Self {
        let (mut by_token, mut interfaces, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            match line.port {
                Port::Interface(eni) => place(&mut interfaces, eni.position(), &line),
                Port::Host(host) => place(&mut hosts, host.position(), &line),
            }
            place(&mut by_token, line.token, &line);
        }
        Self { epoch, fabric, by_token, interfaces, hosts }
    }

    /// The line that the poller knows by this token.
    pub(crate) fn by_token(&self, token: u64) -> Option<&Line> {
        self.by_token.get(usize::try_from(token).ok()?)?.as_deref()
    }

    /// The line that frames leave by.
    pub(crate) fn by_port(&self, port: Port) -> Option<&Line> {
        match port {
            Port::Interface(eni) => self.interfaces.get(eni.position())?.as_deref(),
            Port::Host(host) => self.hosts.get(host.position())?.as_deref(),
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.by_token.iter().flatten()
    }
}

fn place(lines: &mut Vec<Option<Arc<Line>>>, position: usize, line: &Arc<Line>) {
    if lines.len() <= position {
        lines.resize(position + 1, None);
    }
    lines[position] = Some(line.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_to_one_line_at_a_time_and_the_smallest_first() {
        let tokens = Tokens::default();
        assert_eq!([tokens.take(), tokens.take(), tokens.take()], [0, 1, 2]);
        tokens.give_back(1);
        assert_eq!([tokens.take(), tokens.take()], [1, 3]);
    }
}
