//! How does a lab start, and how does it end?
//!
//! [`run`] holds the lab's lock from before the first device to after the last file, so that two daemons never serve
//! one lab and whoever gets the lock finds a dead one's leftovers or nothing. An orderly end leaves nothing behind; a
//! kill leaves devices with their addresses, which the next start takes over.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use vpclab_api::{ApiError, ExplainRequest, Explained, InstanceState};
use vpclab_engine::flow::Capacity;
use vpclab_engine::{Engine, Fabric};
use vpclab_model::{Document, Mistakes, Topology};
use vpclab_tap::{Missing, capability};

use crate::guest::Ground;
use crate::http;
use crate::lab::{Declared, Lab};
use crate::leftovers::{self, Lives};
use crate::line::Tokens;
use crate::paths::{InvalidLabName, LabPaths, paths};
use crate::remember;
use crate::server::{self, Ending};

/// How often is looked for what may have ended.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How long requests under way have to finish at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a question is answered from a fabric and the topology it was compiled from.
pub type ExplainFn =
    Arc<dyn Fn(&Fabric, &Topology, &ExplainRequest) -> Result<Explained, ApiError> + Send + Sync>;

/// What a lab starts with.
pub struct UpOptions {
    /// The lab's name.
    pub lab: String,
    /// What it is to be.
    pub document: Document,
    /// Where the document comes from, for the map that is printed.
    pub document_path: Option<PathBuf>,
    /// Whether devices go without virtio header and offloads: slower, and nothing unfinished on the wire.
    pub plain_devices: bool,
    /// Whether labs of other names are removed whose daemon is dead and where nobody lives.
    pub clear_dead_labs: bool,
    /// The reading end of a pipe that whoever the lab is for holds open: the lab ends with it, however that ends.
    pub owner: Option<OwnedFd>,
    /// How `POST /v1/explain` is answered.
    pub explain: ExplainFn,
    /// When the process started; `ready_after` counts from here.
    pub started: Instant,
    /// Called once, when packets flow and the API answers.
    pub ready: Box<dyn FnOnce(&Ready)>,
}

/// A lab that has just become ready.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The lab's name.
    pub lab: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The lab's files.
    pub paths: LabPaths,
    /// Where the document comes from.
    pub document_path: Option<PathBuf>,
    /// The configuration in force.
    pub generation: u64,
    /// Every instance and internet host, with its addresses and where it runs.
    pub instances: Vec<InstanceState>,
    /// From the start of the process to the first packet it could take.
    pub ready_after: Duration,
}

/// Why a lab did not start, or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The name cannot be a lab's.
    #[error(transparent)]
    InvalidLabName(#[from] InvalidLabName),
    /// The machine or the user lacks something.
    #[error(transparent)]
    Incapable(#[from] Missing),
    /// Another daemon serves this lab.
    #[error(
        "lab {lab} is running already{}; change it with `vpclab apply`, stop it with `vpclab down --lab {lab}`, or start another with --lab NAME",
        pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
    )]
    AlreadyRunning {
        /// The lab.
        lab: String,
        /// The process id of its daemon.
        pid: Option<u32>,
    },
    /// The document is wrong.
    #[error("{0}")]
    Mistakes(#[from] Mistakes),
    /// Something of the machine stood in the way. What this start had made is removed.
    #[error("lab {lab} cannot start: {problem}")]
    Start {
        /// The lab.
        lab: String,
        /// What stood in the way.
        problem: String,
    },
    /// The packet engine's thread ended by itself. The lab was removed.
    #[error("the packet engine of lab {0} has ended unexpectedly; the log says why")]
    EngineLost(String),
}

impl fmt::Debug for UpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpOptions")
            .field("lab", &self.lab)
            .field("document_path", &self.document_path)
            .field("plain_devices", &self.plain_devices)
            .field("clear_dead_labs", &self.clear_dead_labs)
            .finish_non_exhaustive()
    }
}

/// Runs a lab in the foreground until SIGINT, SIGTERM, SIGHUP, `POST /v1/shutdown` or its owner's end, and removes it
/// again. Blocking: to be called outside of any async runtime, once in a process.
///
/// # Errors
/// [`UpError`]; a start that fails leaves what it found.
pub fn run(options: UpOptions) -> Result<(), UpError> {
    let paths = paths(&options.lab)?;
    capability()?;
    let problem = |what: &str, error: &dyn fmt::Display| UpError::Start {
        lab: options.lab.clone(),
        problem: format!("{what}: {error}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| problem("starting the control runtime", &error))?;
    let directory = paths.directory.display().to_string();
    let known = paths.directory.exists();
    let answers =
        |patience| http::request(&paths.socket, Method::GET, "/v1/generation", None, patience).is_ok();
    let claim = paths.claim(answers).map_err(|error| problem(&directory, &error))?;
    let _lock = match claim {
        Ok(lock) => lock,
        Err(pid) => return Err(UpError::AlreadyRunning { lab: options.lab, pid }),
    };
    let outcome = runtime.block_on(live(options, &paths));
    let leaves_something = matches!(&outcome, Err(UpError::Start { .. } | UpError::Mistakes(_)) if known);
    if !leaves_something && let Err(error) = paths.remove() {
        tracing::warn!(directory, %error, "the lab's files could not be removed");
    }
    // A task that hangs must not keep a process whose lab is gone.
    runtime.shutdown_timeout(LAST_WORDS);
    outcome
}

/// Everything between taking and giving back the lock.
async fn live(options: UpOptions, paths: &LabPaths) -> Result<(), UpError> {
    let UpOptions {
        lab: name,
        document,
        document_path,
        plain_devices,
        clear_dead_labs,
        owner,
        explain,
        started,
        ready,
    } = options;
    let problem =
        |problem: &dyn fmt::Display| UpError::Start { lab: name.clone(), problem: problem.to_string() };
    let (end, mut ending) = mpsc::channel(8);
    // From here on a signal waits for its turn: a start that has begun is finished and undone in order.
    listen_for_signals(&end).map_err(|error| problem(&error))?;
    if let Some(owner) = owner {
        let pipe = pipe::Receiver::from_owned_fd(owner)
            .map_err(|error| problem(&format_args!("its owner's pipe: {error}")))?;
        tokio::spawn(outlast(pipe, end.clone()));
    }
    let previous = remember::previous_topology(paths);
    let topology = Topology::from_document(&document, previous.as_ref())?;
    let fabric = Arc::new(Fabric::compile(&topology, None));
    raise_descriptor_limit();

    let ground = Ground { paths: paths.clone(), plain_devices, tokens: Arc::new(Tokens::default()) };
    let declared = Declared { document, topology, fabric };
    let on_lost = {
        let end = end.clone();
        Arc::new(move || {
            // A full channel holds an ending already.
            let _ = end.try_send(Ending::EngineLost);
        })
    };
    let lab = Lab::start(ground, declared, Engine::new(Capacity::default()), started, on_lost)
        .map_err(|error| problem(&error))?;
    let lab = Arc::new(lab);
    let listener = match listen(paths) {
        Ok(listener) => listener,
        Err(error) => {
            lab.abandon();
            return Err(problem(&format!("{}: {error}", paths.socket.display())));
        }
    };
    lab.settle();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(server::serve(listener, lab.clone(), explain, end.clone(), stopped));
    let instances = lab.instances();
    let generation = lab.declared().fabric.generation;
    let ready_after = started.elapsed();
    tracing::info!(lab = name, generation, instances = instances.len(), ?ready_after, "ready");
    let pid = std::process::id();
    ready(&Ready {
        lab: name.clone(),
        pid,
        paths: paths.clone(),
        document_path,
        generation,
        instances,
        ready_after,
    });
    tokio::task::spawn_blocking({
        let lab = lab.clone();
        move || {
            clear_leftovers(&lab);
            if clear_dead_labs {
                leftovers::sweep_dead_labs(&lab.ground);
            }
        }
    });

    let cause = look_after(&lab, &mut ending).await;
    tracing::info!(lab = name, ?cause, "shutting down");
    // Nothing is changed from here on, whoever still asks or waits for his turn.
    lab.close();
    // The server may have ended by itself.
    let _ = stop.send(());
    let cut_off = server.abort_handle();
    if tokio::time::timeout(LAST_WORDS, server).await.is_err() {
        tracing::warn!("requests are cut off");
        cut_off.abort();
    }
    let removal = tokio::task::spawn_blocking(move || lab.shut_down());
    if removal.await.is_err() {
        tracing::error!("the removal of the lab has failed unexpectedly; `vpclab down` removes the rest");
    }
    if matches!(cause, Ending::EngineLost) { Err(UpError::EngineLost(name)) } else { Ok(()) }
}

/// Waits for the end, looking for guests and for flows of lost addresses that have ended meanwhile.
async fn look_after(lab: &Arc<Lab>, ending: &mut mpsc::Receiver<Ending>) -> Ending {
    let mut ticks = tokio::time::interval(LOOK_AFTER);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            cause = ending.recv() => return cause.unwrap_or(Ending::EngineLost),
            _ = ticks.tick() => {
                let lab = lab.clone();
                // One that panics has said so itself.
                let look = move || {
                    lab.retire_gone();
                    lab.release_drained();
                };
                let _ = tokio::task::spawn_blocking(look).await;
            }
        }
    }
}

/// Removes what former daemons of this lab have left.
fn clear_leftovers(lab: &Lab) {
    let Ok(state) = lab.lock() else { return };
    let living: BTreeSet<String> = state.guests.values().map(|guest| guest.slug.clone()).collect();
    let swept = leftovers::sweep(&lab.ground, &living, Lives::Spared);
    for removed in swept.removed {
        tracing::info!(removed, "a leftover of a former run was removed");
    }
    for left in swept.left {
        tracing::warn!(left, "a leftover of a former run stays");
    }
}

fn listen(paths: &LabPaths) -> io::Result<UnixListener> {
    // With the lock held, a socket that is there is a dead daemon's.
    match fs::remove_file(&paths.socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&paths.socket)?;
    // Until here the directory's mode has kept others out.
    fs::set_permissions(&paths.socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn listen_for_signals(end: &mpsc::Sender<Ending>) -> io::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let signal = signal(kind)?;
        tokio::spawn(forward(signal, end.clone()));
    }
    Ok(())
}

async fn forward(mut signal: Signal, end: mpsc::Sender<Ending>) {
    while signal.recv().await.is_some() {
        if end.send(Ending::Signal).await.is_err() {
            return;
        }
    }
}

/// Waits until nobody holds the other end of the pipe.
async fn outlast(mut owner: pipe::Receiver, end: mpsc::Sender<Ending>) {
    let mut said = [0; 64];
    while owner.read(&mut said).await.is_ok_and(|len| len > 0) {}
    // Who does not listen ends already.
    let _ = end.send(Ending::OwnerGone).await;
}

/// Each interface takes a descriptor and each guest another: as many as the machine allows.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised; a large lab may not fit");
    }
}
