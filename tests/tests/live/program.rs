//! What runs inside an instance beside the test?
//!
//! A program ends with its test, also where the test process is killed: the kernel sees to that.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::{binary, wait_until};

/// A program in the background, ended with its test.
pub(crate) struct Background(Child);

/// What `tcpdump` sees inside an instance, in the order it came.
pub(crate) struct Capture {
    _tcpdump: Background,
    seen: Arc<Mutex<String>>,
}

impl Background {
    /// Starts a command inside an instance of this lab.
    pub(crate) fn start(lab: &str, instance: &str, command: &[&str]) -> Self {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(binary())
            .args(["exec", instance, "--lab", lab, "--"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits for its end and gives back what it has printed.
    pub(crate) fn output(mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.is_running() {
            if Instant::now() > deadline {
                let _ = self.0.kill();
                panic!("a background program did not end: {}", self.printed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.printed()
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Fails the test with what the program has printed, unless it is still running.
    pub(crate) fn must_run(&mut self, what: &str) {
        if !self.is_running() {
            panic!("{what} has ended: {}", self.printed());
        }
    }

    /// What it has printed; waits for its end.
    fn printed(&mut self) -> String {
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        let mut text = out.map(|pipe| std::io::read_to_string(pipe).unwrap()).unwrap_or_default();
        text.push_str(&err.map(|pipe| std::io::read_to_string(pipe).unwrap()).unwrap_or_default());
        text
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Capture {
    /// Starts one, and waits until it sees packets.
    pub(crate) fn start(lab: &str, instance: &str, filter: &str) -> Self {
        let command = format!("exec tcpdump -i eth0 -nn -l --immediate-mode '{filter}' 2>&1");
        let mut tcpdump = Background::start(lab, instance, &["sh", "-c", &command]);
        let lines = BufReader::new(tcpdump.0.stdout.take().unwrap()).lines();
        let seen = Arc::new(Mutex::new(String::new()));
        let reader = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut seen = reader.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push_str(&line);
                seen.push('\n');
            }
        });
        let capture = Self { _tcpdump: tcpdump, seen };
        capture.wait_for("listening on eth0");
        capture
    }

    /// Waits until a line with `text` is seen. Whatever came before it is seen then too.
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(&format!("tcpdump sees {text:?}"), || self.seen().contains(text));
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
