//! How does a lab start and stop?

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tracing_subscriber::EnvFilter;
use vpclab_api::Health;
use vpclab_check::style::{FAINT, GOOD, STRONG, UNSURE, paint};
use vpclab_daemon::{DownError, Ready, UpError, UpOptions};
use vpclab_model::Document;

use crate::args::{DEFAULT_LAB, Down, Up};
use crate::load;
use crate::output::{self, Answer, Failure};
use crate::running::{background, client, failed, topology};

/// Starts a lab, in the foreground or in the background.
pub(crate) fn up(up: &Up) -> Result<Answer, Failure> {
    let started = now();
    let lab = up.lab.lab.clone();
    // Mistakes are told with the file's name, before anything is made.
    load::from_path(&up.topology)?;
    if up.detach {
        let path = std::path::absolute(&up.topology).unwrap_or_else(|_| up.topology.clone());
        let health = background::start(&path, &lab, up.plain)?;
        if up.format.json {
            output::json(&health)?;
        } else {
            output::text(&format!("{}\n{}", ready_line(&health), how_to_go_on(&lab)))?;
        }
        return Ok(Answer::Yes);
    }
    if up.own_session {
        // A session leader cannot do so again; it is where it wants to be.
        let _ = nix::unistd::setsid();
    }
    // Whoever has started this program for itself alone holds the other end of its stdin.
    let owner = (up.background && !up.own_session).then(|| io::stdin().as_fd().try_clone_to_owned());
    log(&lab, up.background)?;
    let as_json = up.format.json;
    let told = lab.clone();
    let options = UpOptions {
        lab,
        document: Document::from_path(&up.topology)?,
        document_path: Some(up.topology.clone()),
        plain_devices: up.plain,
        clear_dead_labs: true,
        owner: owner.transpose()?,
        explain: Arc::new(vpclab_check::explain),
        started,
        // The lab's own reactor calls this: whoever asks the lab must be another thread.
        ready: Box::new(move |_: &Ready| drop(thread::spawn(move || tell_ready(&told, as_json)))),
    };
    match vpclab_daemon::run(options) {
        Ok(()) => Ok(Answer::Yes),
        Err(UpError::Mistakes(found)) => {
            Err(output::mistakes(&up.topology.display().to_string(), &found).into())
        }
        Err(error) => Err(Failure::new(code(&error), error.to_string())),
    }
}

/// Stops a lab.
pub(crate) fn down(down: &Down) -> Result<Answer, Failure> {
    let lab = &down.lab.lab;
    let outcome = vpclab_daemon::down(lab).map_err(not_down)?;
    if down.format.json {
        output::json(&serde_json::json!({
            "lab": lab,
            "was_running": outcome.was_running,
            "removed": outcome.removed,
            "ended": outcome.ended,
            "left": outcome.left,
        }))?;
        return Ok(Answer::Yes);
    }
    let mut text = match outcome.was_running {
        true => format!("lab {lab} is down\n"),
        false => format!("the daemon of lab {lab} was gone already\n"),
    };
    for removed in &outcome.removed {
        text.push_str(&format!("  {} {removed}\n", paint(FAINT, "removed")));
    }
    for ended in &outcome.ended {
        text.push_str(&format!("  {} {ended}\n", paint(FAINT, "ended")));
    }
    for left in &outcome.left {
        text.push_str(&format!("  {} {left}\n", paint(UNSURE, "left")));
    }
    output::text(&text)?;
    Ok(Answer::Yes)
}

/// Why a lab is not down.
pub(crate) fn not_down(error: DownError) -> Failure {
    let code = match error {
        DownError::Client(error) => return failed(error),
        DownError::InvalidLabName(_) => "InvalidParameterValue",
        DownError::NoSuchLab(_) => "InvalidLab.NotFound",
        DownError::TimedOut { .. } | DownError::Files { .. } => "InternalError",
    };
    Failure::new(code, error.to_string())
}

/// The start is measured in real time, as people wait for it.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn code(error: &UpError) -> &'static str {
    match error {
        UpError::AlreadyRunning { .. } => "IncorrectState",
        UpError::Incapable(_) => "UnauthorizedOperation",
        UpError::InvalidLabName(_) => "InvalidParameterValue",
        UpError::Mistakes(_) => "InvalidTopology",
        UpError::Start { .. } | UpError::EngineLost(_) => "InternalError",
    }
}

fn tell_ready(lab: &str, as_json: bool) {
    let told = || -> Result<(), Failure> {
        let health = client(lab)?.health().map_err(failed)?;
        if as_json {
            return output::json(&health);
        }
        let map = vpclab_check::map(&topology(lab)?.topology);
        output::text(&format!("{map}\n{}\n{}", ready_line(&health), how_to_go_on(lab)))
    };
    if let Err(Failure { error, .. }) = told() {
        output::failure(&error, as_json);
    }
}

fn ready_line(health: &Health) -> String {
    let Health { lab, ready_after_ms, pid, .. } = health;
    paint(GOOD, format_args!("lab {lab} is ready after {ready_after_ms} ms"))
        + &paint(FAINT, format_args!("  (pid {pid})"))
}

fn how_to_go_on(lab: &str) -> String {
    let option = if lab == DEFAULT_LAB { String::new() } else { format!(" --lab {lab}") };
    let rows: Vec<Vec<String>> = [
        (format!("vpclab exec{option} INSTANCE -- CMD"), "run a command inside an instance"),
        (format!("vpclab explain{option} --from A --to B:PORT"), "why does it pass, or die?"),
        (format!("vpclab apply{option} TOPOLOGY"), "change it while it runs"),
        (format!("vpclab down{option}"), "stop it and leave nothing behind"),
    ]
    .into_iter()
    .map(|(command, what)| vec![command, what.to_owned()])
    .collect();
    vpclab_check::style::columns(&rows, "  ", |_, column, cell| {
        if column == 0 { paint(STRONG, cell) } else { paint(FAINT, cell) }
    })
}

/// Logs go to stderr; in the background, to a file beside the lab's socket.
fn log(lab: &str, to_file: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if to_file {
        let paths = vpclab_daemon::paths(lab)
            .map_err(|error| Failure::new("InvalidParameterValue", error.to_string()))?;
        let file = paths.directory.join("log");
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(move || LogFile(file.clone()))
            .init();
    } else {
        let coloured =
            io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(coloured).with_writer(io::stderr).init();
    }
    Ok(())
}

/// A file that is opened for each line: the lab makes the folder after the first lines, and removes it before the last.
struct LogFile(PathBuf);

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&self.0) {
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
