//! What the live tests share: a lab that goes away when its test ends, and programs inside its instances.
//!
//! What always holds: one test at a time has a lab, with a name and a directory that no other run has; both are gone
//! when the test has ended, also where the test process is killed.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::program::{Background, Capture};
use crate::skip::skip;

/// One live test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What cleans up when this process ends, however it ends: its stdin closes then. A line on stdin says that the
/// programs of the test have ended already; without one they have been killed with it and need a moment, and a Docker
/// engine some more.
const KEEPER: &str = r#"
    read -r _ || sleep 1
    if [ -e "/run/vpclab/$2" ]; then "$1" down --lab "$2"; fi; result=$?
    if docker=$(cat "$3/docker/pid" 2>/dev/null); then
        for _ in $(seq 30); do kill -0 "$docker" 2>/dev/null || break; sleep 1; done
    fi
    rm -rf "$3" || exit
    exit $result"#;

/// The right to use the machine's time, the name of a lab, and a directory.
pub(crate) struct Turn {
    pub(crate) lab: String,
    pub(crate) folder: PathBuf,
    keeper: Child,
    _alone: MutexGuard<'static, ()>,
}

/// A running lab.
pub(crate) struct LiveLab {
    pub(crate) name: String,
    turn: Turn,
}

/// The binary that `cargo build --workspace` put beside this test.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("vpclab");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace` first", binary.display());
    binary
}

/// `vpclab` with these arguments.
pub(crate) fn vpclab(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Says how far a long test has come. The harness captures what `eprintln!` prints, and not this.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "    {text}");
}

/// Waits up to 30 seconds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "this did not come true: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What live tests need and this machine has not.
fn missing() -> Option<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    if uid.and_then(|ids| ids.split_whitespace().nth(1)) != Some("0") {
        Some("root")
    } else if fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
        Some("/dev/net/tun")
    } else {
        None
    }
}

impl Turn {
    /// Waits for its turn; none where live tests cannot run.
    pub(crate) fn take(name: &str) -> Option<Self> {
        if let Some(missing) = missing() {
            skip(&format!("live tests need {missing}"));
            return None;
        }
        let alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = format!("t{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(format!("vpclab-{lab}"));
        fs::create_dir(&folder).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([binary().as_os_str(), lab.as_ref(), folder.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A Ctrl-C ends the test, and not what cleans up after it.
            .process_group(0)
            .spawn()
            .unwrap();
        Some(Self { lab, folder, keeper, _alone: alone })
    }

    /// Starts a lab with variables in the engine's environment.
    pub(crate) fn up(self, topology: &str, options: &[&str], environment: &[(&str, &str)]) -> LiveLab {
        let lab = LiveLab { name: self.lab.clone(), turn: self };
        let file = lab.write("topology.json", topology);
        let output = lab.start_command(&file, options).envs(environment.iter().copied()).output().unwrap();
        assert!(output.status.success(), "up failed:\n{}", text(&output));
        lab
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.keeper.stdin.take() {
            let _ = pipe.write_all(b"\n");
        }
        let kept = self.keeper.wait();
        let clean = kept.is_ok_and(|status| status.success());
        assert!(clean || std::thread::panicking(), "the lab could not be removed");
    }
}

impl LiveLab {
    /// Starts a lab with this topology; none where live tests cannot run.
    pub(crate) fn up(name: &str, topology: &str, options: &[&str]) -> Option<Self> {
        Some(Turn::take(name)?.up(topology, options, &[]))
    }

    /// `vpclab up -d` again.
    pub(crate) fn start(&self, topology: &Path, options: &[&str]) -> Output {
        self.start_command(topology, options).output().unwrap()
    }

    fn start_command(&self, topology: &Path, options: &[&str]) -> Command {
        let mut up = Command::new(binary());
        up.arg("up").arg(topology).args(["-d", "--lab", &self.name]).args(options).stdin(Stdio::null());
        up
    }

    /// The path of a file that goes away with the lab.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.turn.folder.join(name)
    }

    /// Writes a file that goes away with the lab.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Replaces the topology and waits until every packet obeys.
    pub(crate) fn apply(&self, topology: &str) {
        let file = self.write("next.json", topology);
        let output = vpclab(&["apply", file.to_str().unwrap(), "--lab", &self.name]);
        assert!(output.status.success(), "apply failed:\n{}", text(&output));
    }

    /// Runs a command inside an instance to its end.
    pub(crate) fn exec(&self, instance: &str, command: &[&str]) -> Output {
        let mut exec = Command::new(binary());
        exec.args(["exec", instance, "--lab", &self.name, "--"]).args(command).stdin(Stdio::null());
        exec.output().unwrap()
    }

    /// Whether a command inside an instance succeeds.
    pub(crate) fn succeeds(&self, instance: &str, command: &[&str]) -> bool {
        self.exec(instance, command).status.success()
    }

    /// Runs a command inside an instance that has to succeed, and gives back what it printed.
    pub(crate) fn must(&self, instance: &str, command: &[&str]) -> String {
        let output = self.exec(instance, command);
        assert!(output.status.success(), "{command:?} in {instance}:\n{}", text(&output));
        text(&output)
    }

    /// Fetches a page from inside an instance.
    pub(crate) fn fetch(&self, instance: &str, url: &str) -> String {
        self.must(instance, &["curl", "-sS", "-m", "10", url])
    }

    /// Asks for a page from inside an instance, and hears nothing at all: no refusal, no error.
    pub(crate) fn must_hear_nothing(&self, instance: &str, url: &str) {
        let output = self.exec(instance, &["curl", "-sS", "-m", "2", url]);
        assert_eq!(output.status.code(), Some(28), "a drop is silent: {}", text(&output));
    }

    /// Starts a command inside an instance and lets it run.
    pub(crate) fn background(&self, instance: &str, command: &[&str]) -> Background {
        Background::start(&self.name, instance, command)
    }

    /// A Python program inside an instance, in the background.
    pub(crate) fn python(&self, instance: &str, program: &str) -> Background {
        self.background(instance, &["python3", "-u", "-c", program])
    }

    /// Looks at the packets of an instance from now on.
    pub(crate) fn capture(&self, instance: &str, filter: &str) -> Capture {
        Capture::start(&self.name, instance, filter)
    }

    /// A web server inside an instance, once it listens. Its page is the client's address.
    pub(crate) fn web_server(&self, instance: &str, port: u16) -> Background {
        let program = format!(
            "import http.server, socket\n\
             class V6(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6\n\
             class H(http.server.BaseHTTPRequestHandler):\n\
             \x20def do_GET(self):\n\
             \x20 body = self.client_address[0].removeprefix('::ffff:').encode()\n\
             \x20 self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)\n\
             \x20def log_message(self, *a): pass\n\
             V6(('::', {port}), H).serve_forever()\n"
        );
        let server = self.python(instance, &program);
        self.wait_for(instance, &format!("ss -ltn | grep -q ':{port} '"));
        server
    }

    /// Waits until a shell command inside an instance succeeds.
    pub(crate) fn wait_for(&self, instance: &str, condition: &str) {
        wait_until(condition, || self.succeeds(instance, &["sh", "-c", condition]));
    }

    /// `vpclab explain --json` about this lab: exit status and answer.
    pub(crate) fn explain(&self, from: &str, to: &str) -> (i32, serde_json::Value) {
        let output = vpclab(&["explain", "--from", from, "--to", to, "--lab", &self.name, "--json"]);
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        (output.status.code().unwrap(), answer)
    }

    /// Frames of `port` that the engine has dropped for `reason`, or for any.
    pub(crate) fn dropped(&self, port: &str, reason: Option<&str>) -> u64 {
        let counters = self.counters();
        let dropped = counters["dropped"].as_array().unwrap().iter();
        dropped
            .filter(|drop| drop["port"] == port && reason.is_none_or(|reason| drop["reason"] == reason))
            .map(|drop| drop["frames"].as_u64().unwrap())
            .sum()
    }

    /// Frames that the kernel's own ring at the device of `port` has dropped.
    pub(crate) fn kernel_dropped(&self, port: &str) -> u64 {
        let counters = self.counters();
        let device = counters["devices"].as_array().unwrap().iter().find(|device| device["port"] == port);
        device.unwrap()["kernel_dropped"].as_u64().unwrap()
    }

    fn counters(&self) -> serde_json::Value {
        let output = vpclab(&["get", "counters", "--lab", &self.name, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// The engine's process.
    pub(crate) fn pid(&self) -> i32 {
        let pid = fs::read_to_string(format!("/run/vpclab/{}/pid", self.name)).unwrap();
        pid.trim().parse().unwrap()
    }

    /// Kills the engine, as a crash does.
    pub(crate) fn kill(&self) {
        self.kill_without_waiting();
        // Its other threads may outlive its first one, which is all that `/proc` shows at a glance, and all of them keep
        // its files open. The lock is given back with the last.
        let lock = format!("/run/vpclab/{}/lock", self.name);
        let is_free =
            || Command::new("flock").args(["--nonblock", &lock, "true"]).status().unwrap().success();
        wait_until("the engine is dead", is_free);
    }

    /// The same; it may be dying still.
    pub(crate) fn kill_without_waiting(&self) {
        let killed = Command::new("kill").args(["-9", &self.pid().to_string()]).status().unwrap();
        assert!(killed.success());
    }
}
