//! What do the tests stand on: a daemon that is a process, and a topology with known addresses.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vpclab_daemon::{Client, down, paths};
use vpclab_model::Document;
use vpclab_tap::probe::{Conversation, Ends, PingOutcome, TcpOutcome, ping, tcp_connect};
use vpclab_tap::process::{InstanceEnvironment, enter_container};
use vpclab_tap::{Netns, capability, link};

use crate::skip::skip;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// Long enough for a packet that passes, short enough to wait for one that does not.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);

/// A running daemon; it is ended, and what it left removed, with its last use here.
pub(crate) struct Lab {
    pub(crate) name: String,
    pub(crate) client: Client,
    process: Option<Child>,
    /// What the daemon is told besides its name and topology.
    words: &'static [&'static str],
}

/// A process that lives in a namespace and does nothing.
pub(crate) struct Inhabitant(pub(crate) Child);

/// Whether live tests can run here; where they must, not being able to is a failure.
pub(crate) fn live() -> bool {
    capability().map_err(|missing| skip(&missing.to_string())).is_ok()
}

/// A name that no other test has, of a kind that `scripts/leftovers.sh` finds.
pub(crate) fn unique_name(what: &str) -> String {
    name_in(std::process::id(), what)
}

/// The name that a test in this process would have.
pub(crate) fn name_in(process: u32, what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("vpclab-test-{process}-{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn lab_name() -> String {
    unique_name("lab")
}

impl Lab {
    pub(crate) fn up(topology: &Value) -> Self {
        Self::start(topology, &[])
    }

    pub(crate) fn start(topology: &Value, words: &'static [&'static str]) -> Self {
        let name = lab_name();
        let client = Client::new(&name).unwrap();
        let mut lab = Self { name, client, process: None, words };
        lab.restart(topology);
        lab
    }

    /// Starts the daemon again, under the same name.
    pub(crate) fn restart(&mut self, topology: &Value) {
        let process = spawn(&self.name, topology, self.words);
        self.await_start(process);
    }

    /// The same with the programs of `directory` in place of the system's.
    pub(crate) fn restart_with(&mut self, topology: &Value, directory: &Path) {
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        let process = start(&self.name, topology, self.words, &[("PATH", path)]);
        self.await_start(process);
    }

    fn await_start(&mut self, mut process: Child) {
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready after "), "the daemon did not become ready: {line:?}");
        self.process = Some(process);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Ends the daemon as a crash does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Ends the daemon as ctrl-C does, and waits.
    pub(crate) fn interrupt(&mut self) -> bool {
        let mut process = self.process.take().unwrap();
        kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        process.wait().unwrap().success()
    }

    pub(crate) fn put(&self, topology: &Value) -> vpclab_api::Replaced {
        self.client.put_topology(&Document::from(topology.clone())).unwrap()
    }

    pub(crate) fn netns_name(&self, instance: &str) -> String {
        format!("vpclab-{}-{instance}", self.name)
    }

    pub(crate) fn netns(&self, instance: &str) -> Netns {
        Netns::open_name(&self.netns_name(instance)).unwrap()
    }

    pub(crate) fn pings(&self, from: &str, to: &str) -> bool {
        pings(&self.netns(from), to)
    }

    pub(crate) fn ip(&self, instance: &str, arguments: &str) -> String {
        ip(&self.netns(instance), arguments)
    }

    /// A command inside the instance, as `vpclab exec` makes it.
    pub(crate) fn command(&self, instance: &str, program: &str) -> Command {
        let attachment = self.client.running_instance(instance).unwrap().attachment;
        match attachment.pid {
            Some(pid) => enter_container(pid.try_into().unwrap(), program).unwrap(),
            None => InstanceEnvironment {
                netns: Netns::open_path(attachment.netns.as_ref()).unwrap(),
                hostname: Some(attachment.hostname),
                files: attachment.files.iter().map(|(from, to)| (from.into(), to.into())).collect(),
            }
            .command(program)
            .unwrap(),
        }
    }

    /// Everything of this lab that the machine still shows.
    pub(crate) fn remains(&self) -> Vec<String> {
        let prefix = self.netns_name("");
        let mut remains: Vec<String> =
            Netns::list().into_iter().filter(|name| name.starts_with(&prefix)).collect();
        let directory = paths(&self.name).unwrap().directory;
        remains.extend(directory.exists().then(|| directory.display().to_string()));
        remains
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGTERM);
            let _ = process.wait();
        }
        let _ = down(&self.name);
        let _ = std::fs::remove_file(document_path(&self.name));
    }
}

impl Inhabitant {
    pub(crate) fn of(netns: &Netns) -> Self {
        Self(netns.run(|| Command::new("sleep").arg("600").spawn().unwrap()).unwrap())
    }

    /// One that lives in a network namespace of its own.
    pub(crate) fn apart() -> Self {
        let host = Netns::host().unwrap().inode();
        let child = Command::new("unshare").args(["--net", "sleep", "600"]).spawn().unwrap();
        let apart = || Netns::of_process(child.id()).is_ok_and(|netns| netns.inode() != host);
        wait_until("a process is in a namespace of its own", apart);
        let apart = Self(child);
        // The probes ping without privileges.
        link::prepare(&apart.netns()).unwrap();
        apart
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }

    pub(crate) fn netns(&self) -> Netns {
        Netns::of_process(self.0.id()).unwrap()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Inhabitant {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the daemon without waiting for it.
pub(crate) fn spawn(lab: &str, topology: &Value, words: &[&str]) -> Child {
    start(lab, topology, words, &[])
}

fn start(lab: &str, topology: &Value, words: &[&str], environment: &[(&str, String)]) -> Child {
    // Tests are in target/PROFILE/deps, examples beside.
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/labd");
    assert!(program.exists(), "build the daemon first: cargo build -p vpclab-daemon --example labd");
    let file = document(lab, topology);
    let mut command = Command::new(program);
    command.arg(lab).arg(&file).args(words);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Where the document of a lab is.
pub(crate) fn document_path(lab: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{lab}.json"))
}

fn document(lab: &str, topology: &Value) -> PathBuf {
    let (file, new) = (document_path(lab), std::env::temp_dir().join(unique_name("document")));
    std::fs::write(&new, topology.to_string()).unwrap();
    // In one step, as another daemon may be reading it.
    std::fs::rename(new, &file).unwrap();
    file
}

/// `a` and `b` next to each other, `c` in a subnet of its own, `out` on the internet. `a` and `b` are open to each
/// other, `c` to nobody; only `a` has a public address.
pub(crate) fn topology() -> Value {
    let any = json!([{ "protocol": "-1", "security_groups": ["friends"] }]);
    json!({
        "vpcs": { "v": { "cidr_block": "10.7.0.0/16", "ipv6_cidr_block": "2001:db8:7::/56" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "subnets": {
            "one": { "vpc": "v", "cidr_block": "10.7.1.0/24", "ipv6_cidr_block": "2001:db8:7:1::/64",
                     "assign_ipv6_address_on_creation": true, "route_table": "public" },
            "two": { "vpc": "v", "cidr_block": "10.7.2.0/24" } },
        "route_tables": { "public": { "vpc": "v", "routes": [ { "cidr_block": "0.0.0.0/0", "gateway": "igw" } ] } },
        "security_groups": {
            "friends": { "vpc": "v", "ingress": any },
            "web": { "vpc": "v", "ingress": [
                { "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] } ] },
            "closed": { "vpc": "v", "ingress": [] } },
        "instances": {
            "a": { "subnet": "one", "private_ip": "10.7.1.10", "security_groups": ["friends", "web"],
                   "associate_public_ip_address": true, "public_ip": "203.0.113.77" },
            "b": { "subnet": "one", "private_ip": "10.7.1.11", "security_groups": ["friends"] },
            "c": { "subnet": "two", "private_ip": "10.7.2.10", "security_groups": ["closed"] } },
        "internet_hosts": { "out": { "address": "198.51.100.9" } }
    })
}

/// The same without one instance.
pub(crate) fn without(mut topology: Value, instance: &str) -> Value {
    topology["instances"].as_object_mut().unwrap().remove(instance).unwrap();
    topology
}

/// The output of `ip ARGUMENTS` inside.
pub(crate) fn ip(netns: &Netns, arguments: &str) -> String {
    let output = netns.run(|| Command::new("ip").args(arguments.split(' ')).output().unwrap()).unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn pings(from: &Netns, to: &str) -> bool {
    matches!(ping(from, None, address(to), SILENCE).unwrap(), PingOutcome::Replied { .. })
}

/// Whether bytes sent to a responder come back.
pub(crate) fn echoes(from: &Netns, to: SocketAddr, payload: &[u8]) -> bool {
    let ends = Ends { source: None, source_port: None, destination: to };
    let outcome = tcp_connect(from, &ends, Conversation::Echo(payload), TIMEOUT).unwrap();
    matches!(outcome, TcpOutcome::Connected { .. })
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
