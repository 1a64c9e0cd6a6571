//! What the live tests share: a lab that goes away when its test ends, and programs inside its instances.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One live test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A running lab.
pub(crate) struct LiveLab {
    pub(crate) name: String,
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// A program in the background, ended with its test.
pub(crate) struct Background(Child);

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

/// Whether live tests can run. Says loudly if not; under CI that is a failure.
pub(crate) fn can_run() -> bool {
    let missing = if !nix_is_root() {
        "root"
    } else if !Path::new("/dev/net/tun").exists() {
        "/dev/net/tun"
    } else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "live tests need {missing}, and CI may not skip them");
    eprintln!("SKIPPED, NOT PASSED: live tests need {missing}");
    false
}

fn nix_is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

impl LiveLab {
    /// Starts a lab with this topology; none where live tests cannot run.
    pub(crate) fn up(name: &str, topology: &str, options: &[&str]) -> Option<Self> {
        Self::up_with(name, topology, options, &[])
    }

    /// The same with variables in the engine's environment.
    pub(crate) fn up_with(
        name: &str,
        topology: &str,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        if !can_run() {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let name = format!("t-{name}");
        let folder = std::env::temp_dir().join(format!("vpclab-live-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        vpclab(&["down", "--lab", &name]);
        let lab = Self { name, folder, _turn: turn };
        let file = lab.write("topology.json", topology);
        let output = lab.start_command(&file, options).envs(environment.iter().copied()).output().unwrap();
        assert!(output.status.success(), "up failed:\n{}", text(&output));
        Some(lab)
    }

    /// `vpclab up -d` again, or for the first time.
    pub(crate) fn start(&self, topology: &Path, options: &[&str]) -> Output {
        self.start_command(topology, options).output().unwrap()
    }

    fn start_command(&self, topology: &Path, options: &[&str]) -> Command {
        let mut up = Command::new(binary());
        up.arg("up").arg(topology).args(["-d", "--lab", &self.name]).args(options).stdin(Stdio::null());
        up
    }

    /// Writes a file that goes away with the lab.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Replaces the topology and waits until every packet obeys.
    pub(crate) fn apply(&self, topology: &str) {
        let file = self.write("next.json", topology);
        let output = vpclab(&["apply", file.to_str().unwrap(), "--lab", &self.name]);
        assert!(output.status.success(), "apply failed:\n{}", text(&output));
    }

    /// A command inside an instance, not yet started.
    pub(crate) fn command(&self, instance: &str, command: &[&str]) -> Command {
        let mut exec = Command::new(binary());
        exec.args(["exec", instance, "--lab", &self.name, "--"]).args(command).stdin(Stdio::null());
        exec
    }

    /// Runs a command inside an instance to its end.
    pub(crate) fn exec(&self, instance: &str, command: &[&str]) -> Output {
        self.command(instance, command).output().unwrap()
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

    /// Starts a command inside an instance and lets it run.
    pub(crate) fn background(&self, instance: &str, command: &[&str]) -> Background {
        let child = self.command(instance, command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Background(child.unwrap())
    }

    /// A Python program inside an instance, in the background.
    pub(crate) fn python(&self, instance: &str, program: &str) -> Background {
        self.background(instance, &["python3", "-u", "-c", program])
    }

    /// A web server inside an instance, once it listens.
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

    /// What the engine has counted.
    pub(crate) fn counters(&self) -> serde_json::Value {
        let output = vpclab(&["get", "counters", "--lab", &self.name, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// The engine's process.
    pub(crate) fn pid(&self) -> i32 {
        let pid = std::fs::read_to_string(format!("/run/vpclab/{}/pid", self.name)).unwrap();
        pid.trim().parse().unwrap()
    }
}

impl Drop for LiveLab {
    fn drop(&mut self) {
        vpclab(&["down", "--lab", &self.name]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Background {
    /// Ends it and gives back what it has printed.
    pub(crate) fn stop(mut self) -> String {
        self.interrupt();
        self.output()
    }

    /// Asks it to end.
    pub(crate) fn interrupt(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
    }

    /// Waits for its end and gives back what it has printed.
    pub(crate) fn output(mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.0.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                let _ = self.0.kill();
                panic!("a background program did not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        let mut text = out.map(|pipe| std::io::read_to_string(pipe).unwrap()).unwrap_or_default();
        text.push_str(&err.map(|pipe| std::io::read_to_string(pipe).unwrap()).unwrap_or_default());
        text
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.0.try_wait().ok().flatten().is_none() {
            self.interrupt();
            std::thread::sleep(Duration::from_millis(100));
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Waits up to 15 seconds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < deadline, "this did not come true: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Says how far a long test has come.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "    {text}");
}

/// Two instances in two subnets and one beside the first, a host outside, dual stack. `web` are the inbound rules of
/// the first instance's group, `acl` the inbound entries of its subnet.
pub(crate) fn shop(web: &str, acl: &str) -> String {
    format!(
        r#"{{
  "vpcs": {{ "shop": {{ "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" }} }},
  "internet_gateways": {{ "igw": {{ "vpc": "shop" }} }},
  "route_tables": {{ "shop/main": {{ "routes": [
      {{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }}, {{ "ipv6_cidr_block": "::/0", "gateway": "igw" }} ] }} }},
  "subnets": {{
      "front": {{ "vpc": "shop", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64", "network_acl": "front" }},
      "back":  {{ "vpc": "shop", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64" }} }},
  "network_acls": {{ "front": {{ "vpc": "shop", "ingress": [ {acl} ], "egress": [
      {{ "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }},
      {{ "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }} ] }} }},
  "security_groups": {{
      "web": {{ "vpc": "shop", "ingress": [ {web} ] }},
      "app": {{ "vpc": "shop", "ingress": [ {{ "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["10.0.0.0/16"] }} ] }} }},
  "instances": {{
      "web-1": {{ "subnet": "front", "security_groups": ["web"], "private_ip": "10.0.1.10", "ipv6_addresses": ["2001:db8:1:1::10"],
                  "associate_public_ip_address": true, "public_ip": "203.0.113.10" }},
      "web-2": {{ "subnet": "front", "security_groups": ["web"], "private_ip": "10.0.1.11", "ipv6_addresses": ["2001:db8:1:1::11"] }},
      "app-1": {{ "subnet": "back", "security_groups": ["app"], "private_ip": "10.0.2.10", "ipv6_addresses": ["2001:db8:1:2::10"] }} }},
  "internet_hosts": {{ "client": {{ "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" }} }}
}}"#
    )
}

/// ACL entries that let everything in.
pub(crate) const OPEN_ACL: &str = r#"
      { "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" },
      { "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }"#;

/// Group rules: HTTP from the VPC and the client, iperf3 from the VPC, ping from everywhere.
pub(crate) const WEB_RULES: &str = r#"
      { "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.0.0/16", "198.51.100.0/24"], "ipv6_cidr_blocks": ["2001:db8::/32"] },
      { "protocol": "tcp", "from_port": 5201, "to_port": 5201, "cidr_blocks": ["10.0.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56"] },
      { "protocol": "udp", "from_port": 5201, "to_port": 5201, "cidr_blocks": ["10.0.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56"] },
      { "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] },
      { "protocol": "icmpv6", "ipv6_cidr_blocks": ["::/0"] }"#;
