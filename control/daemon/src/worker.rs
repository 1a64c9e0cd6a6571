//! How do frames get from the TAPs through the engine and back, and when has everyone seen a new configuration?
//!
//! One thread, outside tokio: sleep in epoll, take each ready TAP in turn, read a batch, let the engine send what
//! becomes of it. What always holds: a batch reads one [`Snapshot`] and nothing newer; a frame is never allocated,
//! copied or queued here; one loud guest has one batch in each round, like its neighbours; nothing that a device says
//! ends the thread. Left to others: what the snapshot holds.
//!
//! A publisher stores the pointer and waits until the worker says that its batch began with the new one, or that it
//! sleeps (it loads the pointer on waking). The last owner of an old snapshot is therefore the publisher, and it is
//! freed off the packet path.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use vpclab_engine::flow::nat::Drained;
use vpclab_engine::{Counters, Engine, Outlet, Port, Timestamp};
use vpclab_tap::{Device, MAX_READY, Poller, READ_BUFFER_LEN, Waker};
use vpclab_wire::{FrameMut, VnetHeader, complete, segments};

use crate::line::{Line, Snapshot};

/// Frames of one batch.
const BATCH_FRAMES: usize = 32;
/// Bytes of one batch: a superframe is a batch of its own.
const BATCH_BYTES: usize = 64 * 1024;
/// How long the worker sleeps at most while there is something to forget.
const IDLE_SWEEP: Duration = Duration::from_millis(100);
/// How often a busy worker sweeps at most.
const BUSY_SWEEP: Duration = Duration::from_millis(1);
/// Shares of an idle sweep, so that a full memory is through within minutes.
const IDLE_SHARES: usize = 64;
/// The poller's name of the waker: no line has it.
const WAKER: u64 = u64::MAX;
/// Where the worker is, besides an epoch: asleep, or just awake and about to load the pointer.
const ASLEEP: u64 = u64::MAX;
const AWAKE: u64 = 0;
/// A batch takes microseconds; a worker that has not passed by then is lost.
const PASSING: Duration = Duration::from_secs(10);

/// The worker's handle: publishes, asks, stops.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The worker ended or stands still; the lab cannot go on.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the packet engine's thread has ended or does not respond; restart the lab")]
pub(crate) struct WorkerLost;

/// What the engine has counted.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) counters: Counters,
    /// Frames that a device would not take, or that had no device.
    pub(crate) write_failures: u64,
    pub(crate) flows: usize,
    /// Which addresses that NAT gateways have lost have no flows any more.
    pub(crate) drained: Vec<Drained>,
}

#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    poller: Poller,
    waker: Waker,
    /// The epoch of the batch in hand, [`ASLEEP`] or [`AWAKE`].
    position: AtomicU64,
}

#[derive(Debug)]
enum Request {
    Report(mpsc::SyncSender<Report>),
    Stop,
}

/// What the thread owns.
struct Loop {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    engine: Engine,
    started: Instant,
    swept: Timestamp,
    frame: Box<[u8]>,
    sink: Sink,
}

/// What sending needs beside the snapshot.
#[derive(Default)]
struct Sink {
    write_failures: u64,
    /// Room to finish a frame's checksum for a device that wants it done.
    finished: Vec<u8>,
}

/// Where the frames of one batch leave.
struct Exits<'a> {
    snapshot: &'a Snapshot,
    sink: &'a mut Sink,
}

/// Tells when the thread ends, however it ends.
struct Farewell<F: FnOnce()>(Option<F>);

impl Worker {
    /// Starts the thread on `snapshot`; `on_end` is called when it ends, also by a panic.
    ///
    /// # Errors
    /// When the process has no threads or descriptors left.
    pub(crate) fn start(
        snapshot: Snapshot,
        engine: Engine,
        on_end: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let waker = Waker::new()?;
        poller.add(&waker, WAKER)?;
        for line in snapshot.lines() {
            poller.add(line.tap.as_fd(), line.token())?;
        }
        let snapshot = ArcSwap::from_pointee(snapshot);
        let shared = Arc::new(Shared { snapshot, poller, waker, position: AtomicU64::new(AWAKE) });
        let (requests, inbox) = mpsc::channel();
        let work = Loop {
            shared: shared.clone(),
            requests: inbox,
            engine,
            started: Instant::now(),
            swept: Timestamp::ZERO,
            frame: vec![0; READ_BUFFER_LEN].into_boxed_slice(),
            sink: Sink::default(),
        };
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
            let _farewell = Farewell(Some(on_end));
            if let Err(error) = work.run() {
                tracing::error!(%error, "the packet engine cannot wait for frames any longer");
            }
        })?;
        Ok(Self { shared, requests, thread: Mutex::new(Some(thread)) })
    }

    /// Makes `snapshot` the one that every frame from now on meets. Lines that are new in it are read from then on;
    /// lines that are not in it any more are the caller's alone on return.
    ///
    /// # Errors
    /// [`WorkerLost`]: the pointer is stored, and nobody may ever read it.
    pub(crate) fn publish(&self, snapshot: Snapshot) -> Result<(), WorkerLost> {
        let snapshot = Arc::new(snapshot);
        let old = self.shared.snapshot.swap(snapshot.clone());
        // Pairs with the fence in `Loop::run`: either the worker's next load sees this pointer, or we see it awake.
        fence(Ordering::SeqCst);
        self.shared.waker.wake();
        let deadline = Instant::now() + PASSING;
        loop {
            let position = self.shared.position.load(Ordering::Acquire);
            if position == ASLEEP || position >= snapshot.epoch {
                break;
            }
            if self.has_ended() || Instant::now() > deadline {
                return Err(WorkerLost);
            }
            thread::sleep(Duration::from_micros(20));
        }
        for line in snapshot.lines().filter(|line| !holds(&old, line)) {
            if let Err(error) = self.shared.poller.add(line.tap.as_fd(), line.token()) {
                tracing::error!(interface = line.label, %error, "the device cannot be read");
                line.set_failed();
            }
        }
        for line in old.lines().filter(|line| !holds(&snapshot, line) && !line.has_failed()) {
            // One that failed is out of the set already.
            let _ = self.shared.poller.remove(line.tap.as_fd());
        }
        Ok(())
    }

    /// What the engine has counted so far.
    ///
    /// # Errors
    /// [`WorkerLost`].
    pub(crate) fn report(&self) -> Result<Report, WorkerLost> {
        let (answer, report) = mpsc::sync_channel(1);
        self.requests.send(Request::Report(answer)).map_err(|_| WorkerLost)?;
        self.shared.waker.wake();
        report.recv_timeout(PASSING).map_err(|_| WorkerLost)
    }

    /// Ends the thread and waits for it. One that stands still is left to the end of the process.
    pub(crate) fn stop(&self) {
        self.stop_within(PASSING);
    }

    fn stop_within(&self, patience: Duration) {
        // Whether the thread still listens or not, it ends.
        let _ = self.requests.send(Request::Stop);
        self.shared.waker.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let deadline = Instant::now() + patience;
        while !thread.is_finished() {
            if Instant::now() > deadline {
                tracing::error!("the packet engine's thread stands still and is left behind");
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
        if thread.join().is_err() {
            tracing::error!("the packet engine's thread had panicked");
        }
    }

    fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<F: FnOnce()> Drop for Farewell<F> {
    fn drop(&mut self) {
        if let Some(farewell) = self.0.take() {
            farewell();
        }
    }
}

impl Loop {
    fn run(mut self) -> io::Result<()> {
        let mut ready = [0; MAX_READY];
        loop {
            let timeout = (!self.engine.flows().is_empty()).then_some(IDLE_SWEEP);
            self.shared.position.store(ASLEEP, Ordering::Release);
            let count = self.shared.poller.wait(&mut ready, timeout);
            self.shared.position.store(AWAKE, Ordering::Release);
            fence(Ordering::SeqCst);
            let ready = &ready[..count?];
            for &token in ready.iter().filter(|&&token| token != WAKER) {
                self.batch(token);
            }
            if ready.contains(&WAKER) && self.answer() {
                return Ok(());
            }
            self.sweep(ready.is_empty());
        }
    }

    /// Reads one TAP until it is empty or the batch is full.
    fn batch(&mut self, token: u64) {
        let snapshot = self.shared.snapshot.load();
        self.shared.position.store(snapshot.epoch, Ordering::Release);
        let Some(line) = snapshot.by_token(token).filter(|line| !line.has_failed()) else { return };
        let now = self.now();
        let mut exits = Exits { snapshot: &snapshot, sink: &mut self.sink };
        let mut bytes = 0;
        for _ in 0..BATCH_FRAMES {
            match line.tap.read(&mut self.frame) {
                Ok(Some(len)) => {
                    let frame = &mut self.frame[..len];
                    let superframe = is_superframe(frame);
                    self.engine.receive(&snapshot.fabric, now, line.port, frame, &mut exits);
                    bytes += len;
                    if superframe || bytes >= BATCH_BYTES {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(interface = line.label, %error, "the device has failed; the others go on");
                    // Whether epoll still knew it or not, it is gone from the set.
                    let _ = self.shared.poller.remove(line.tap.as_fd());
                    line.set_failed();
                    break;
                }
            }
        }
    }

    /// Answers all requests; true when one of them was to stop.
    fn answer(&mut self) -> bool {
        self.shared.waker.reset();
        self.adopt();
        loop {
            match self.requests.try_recv() {
                Ok(Request::Report(answer)) => {
                    let now = self.now();
                    let report = Report {
                        counters: self.engine.counters().clone(),
                        write_failures: self.sink.write_failures,
                        flows: self.engine.flows().len(),
                        drained: self.engine.flows().drains().ended(now),
                    };
                    // Who asked may have given up.
                    let _ = answer.try_send(report);
                }
                Ok(Request::Stop) | Err(mpsc::TryRecvError::Disconnected) => return true,
                Err(mpsc::TryRecvError::Empty) => return false,
            }
        }
    }

    /// Has what a new configuration begins begin now, where nobody sends anything too.
    fn adopt(&mut self) {
        let now = self.now();
        let snapshot = self.shared.snapshot.load();
        self.shared.position.store(snapshot.epoch, Ordering::Release);
        self.engine.adopt(&snapshot.fabric, now);
    }

    fn sweep(&mut self, idle: bool) {
        let now = self.now();
        if now.since(self.swept) < BUSY_SWEEP || self.engine.flows().is_empty() {
            return;
        }
        self.swept = now;
        let snapshot = self.shared.snapshot.load();
        self.shared.position.store(snapshot.epoch, Ordering::Release);
        for _ in 0..if idle { IDLE_SHARES } else { 1 } {
            self.engine.sweep(&snapshot.fabric, now);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Outlet for Exits<'_> {
    fn send(&mut self, port: Port, frame: &[u8]) {
        let sent = self.snapshot.by_port(port).filter(|line| !line.has_failed()).is_some_and(|line| {
            if line.tap.offloads() || is_finished(frame) {
                line.tap.write(frame).is_ok()
            } else {
                self.sink.write_finished(line, frame)
            }
        });
        if !sent {
            self.sink.write_failures += 1;
        }
    }
}

impl Sink {
    /// Does for a device without offloads what the kernel does for one with them.
    fn write_finished(&mut self, line: &Line, frame: &[u8]) -> bool {
        if is_superframe(frame) {
            let Ok(pieces) = segments(frame) else { return false };
            return pieces.iter().all(|piece| line.tap.write(piece.bytes()).is_ok());
        }
        self.finished.clear();
        self.finished.extend_from_slice(frame);
        let Ok(mut view) = FrameMut::new(&mut self.finished) else { return false };
        complete(&mut view);
        // What is left, such as "the checksum was verified", is of no use to a plain device.
        view.set_vnet(&VnetHeader::default());
        line.tap.write(view.bytes()).is_ok()
    }
}

fn holds(snapshot: &Snapshot, line: &Line) -> bool {
    snapshot.by_token(line.token()).is_some_and(|other| std::ptr::eq(other, line))
}

/// Whether the virtio header says that the frame is several packets.
fn is_superframe(frame: &[u8]) -> bool {
    frame.get(1).is_some_and(|&segmentation| segmentation != 0)
}

/// Whether the virtio header asks for nothing.
fn is_finished(frame: &[u8]) -> bool {
    const NEEDS_CHECKSUM: u8 = 1;
    frame.first().is_some_and(|&flags| flags & NEEDS_CHECKSUM == 0) && !is_superframe(frame)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use vpclab_engine::Fabric;
    use vpclab_model::{Document, Syntax, Topology};

    use super::*;

    fn snapshot(epoch: u64) -> Snapshot {
        let document = Document::parse("{}", Syntax::Json).unwrap();
        let topology = Topology::from_document(&document, None).unwrap();
        Snapshot::new(epoch, Arc::new(Fabric::compile(&topology, None)), [])
    }

    /// A worker whose thread does `work` in place of its own.
    fn instead(work: impl FnOnce() + Send + 'static) -> (Worker, mpsc::Receiver<Request>) {
        let (poller, waker) = (Poller::new().unwrap(), Waker::new().unwrap());
        let snapshot = ArcSwap::from_pointee(snapshot(1));
        let shared = Arc::new(Shared { snapshot, poller, waker, position: AtomicU64::new(AWAKE) });
        let (requests, inbox) = mpsc::channel();
        (Worker { shared, requests, thread: Mutex::new(Some(thread::spawn(work))) }, inbox)
    }

    #[test]
    fn a_worker_that_ends_by_itself_is_lost_and_says_so_once() {
        let told = Arc::new(AtomicU64::new(0));
        let farewell = told.clone();
        let (worker, _inbox) = instead(move || {
            let _farewell = Farewell(Some(move || {
                farewell.fetch_add(1, Ordering::SeqCst);
            }));
            panic!("the engine fails");
        });
        assert!(worker.publish(snapshot(2)).is_err());
        worker.stop();
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_worker_that_stands_still_does_not_keep_the_lab_from_ending() {
        let go_on = Arc::new(AtomicBool::new(false));
        let until = go_on.clone();
        let (worker, _inbox) = instead(move || {
            while !until.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let before = Instant::now();
        worker.stop_within(Duration::from_millis(50));
        assert!(before.elapsed() < Duration::from_secs(5));
        go_on.store(true, Ordering::SeqCst);
    }

    #[test]
    fn a_worker_passes_each_publication_and_ends_when_asked() {
        let ended = Arc::new(AtomicBool::new(false));
        let on_end = ended.clone();
        let worker =
            Worker::start(snapshot(1), Engine::new(vpclab_engine::flow::Capacity::default()), move || {
                on_end.store(true, Ordering::SeqCst);
            });
        let worker = worker.unwrap();
        worker.publish(snapshot(2)).unwrap();
        assert_eq!(worker.report().unwrap().write_failures, 0);
        worker.stop();
        assert!(ended.load(Ordering::SeqCst));
        assert!(worker.report().is_err() && worker.publish(snapshot(3)).is_err());
    }
}
