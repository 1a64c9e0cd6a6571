//! What does a worker sleep on?
//!
//! A thin, level-triggered epoll: descriptors with a token each, and a [`Waker`] by which another thread ends the
//! sleep. What always holds: a wait is bounded by its caller. Left to others: what a token means.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// One wait returns at most this many tokens; the others come with the next.
pub const MAX_READY: usize = 64;

/// A set of descriptors to wait for, each with a token.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
}

/// Ends a wait from another thread: add it to the poller like any other descriptor.
#[derive(Debug)]
pub struct Waker {
    event: EventFd,
}

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    /// Waits from now on for `fd` to be readable (or to have failed or hung up) too.
    ///
    /// # Errors
    /// `EEXIST` when it is in the set; `EPERM` for a file that cannot be waited for.
    pub fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Waits no longer for `fd`. To be called before the descriptor closes when a duplicate of it lives on.
    ///
    /// # Errors
    /// `ENOENT` when it is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    /// Sleeps until something is ready or `timeout` has passed (`None`: no limit; rounded up to a millisecond), writes
    /// the tokens that are ready to `tokens`, and returns how many: at most [`MAX_READY`], zero after a timeout or a
    /// signal.
    ///
    /// # Errors
    /// `InvalidInput` for an empty slice; otherwise none that a caller can cause.
    pub fn wait(&self, tokens: &mut [u64], timeout: Option<Duration>) -> io::Result<usize> {
        let mut events = [EpollEvent::empty(); MAX_READY];
        let room = tokens.len().min(MAX_READY);
        if room == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let timeout = timeout.map_or(EpollTimeout::NONE, |timeout| {
            let millis = timeout.as_nanos().div_ceil(1_000_000);
            EpollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(EpollTimeout::MAX)
        });
        let ready = match self.epoll.wait(&mut events[..room], timeout) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for (token, event) in tokens.iter_mut().zip(&events[..ready]) {
            *token = event.data();
        }
        Ok(ready)
    }
}

impl Waker {
    /// A waker that has not been used.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { event: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)? })
    }

    /// Makes the descriptor readable until [`Waker::reset`]; safe from any thread, never blocks.
    pub fn wake(&self) {
        // The only failure is a counter at its maximum, and then it is readable anyway.
        let _ = self.event.write(1);
    }

    /// Forgets all wake-ups so far.
    pub fn reset(&self) {
        // The only failure is a counter at zero: nothing to forget.
        let _ = self.event.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_from_another_thread_ends_the_wait_with_its_token() {
        let poller = Poller::new().unwrap();
        let waker = Waker::new().unwrap();
        poller.add(&waker, 7).unwrap();
        let mut tokens = [0; 4];
        assert_eq!(poller.wait(&mut tokens, Some(Duration::ZERO)).unwrap(), 0);
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            assert_eq!(poller.wait(&mut tokens, Some(Duration::from_secs(10))).unwrap(), 1);
        });
        assert_eq!(tokens[0], 7);
        assert_eq!(
            poller.wait(&mut tokens, Some(Duration::ZERO)).unwrap(),
            1,
            "a wake-up stays until it is reset"
        );
        waker.reset();
        assert_eq!(poller.wait(&mut tokens, Some(Duration::ZERO)).unwrap(), 0);
        waker.wake();
        poller.remove(&waker).unwrap();
        assert_eq!(poller.wait(&mut tokens, Some(Duration::from_micros(10))).unwrap(), 0);
        assert!(poller.wait(&mut [], None).is_err());
    }
}
