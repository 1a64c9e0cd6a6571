//! Can a Docker container become an instance? Needs a Docker engine: one that is there, or `dockerd` to start one.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vpclab_api::{AttachRequest, AttachmentTarget, RunState};
use vpclab_tap::Netns;

use crate::fixture::{Lab, live, pings, topology, unique_name, wait_until};
use crate::skip::skip;

const SOCKET: &str = "/var/run/docker.sock";

/// A Docker engine, for one test at a time; one that the test started ends with it.
struct Docker {
    started: Option<(Child, std::path::PathBuf)>,
    /// Given back when the engine has ended.
    _turn: MutexGuard<'static, ()>,
}

/// A container that is removed with its last use here.
struct Container(String);

impl Docker {
    fn available() -> Option<Self> {
        if !Path::new("/usr/sbin/dockerd").exists() && !Path::new("/usr/bin/dockerd").exists() {
            return Self::missing("there is no dockerd");
        }
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if docker(&["info"]).is_some() {
            image();
            return Some(Self { started: None, _turn: turn });
        }
        let root = std::env::temp_dir().join(unique_name("docker"));
        std::fs::create_dir_all(&root).unwrap();
        let log = File::create(root.join("log")).unwrap();
        let process = Command::new("dockerd")
            .args(["--iptables=false", "--bridge=none", "--storage-driver=vfs"])
            .arg("--data-root")
            .arg(root.join("data"))
            .arg("--exec-root")
            .arg(root.join("exec"))
            .arg("--pidfile")
            .arg(root.join("pid"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let docker = Self { started: Some((process, root.clone())), _turn: turn };
        for _ in 0..200 {
            if Path::new(SOCKET).exists() && self::docker(&["info"]).is_some() {
                image();
                return Some(docker);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(root.join("log")).unwrap_or_default();
        Self::missing(&format!("dockerd does not start: {}", log.lines().last().unwrap_or_default()))
    }

    fn missing(what: &str) -> Option<Self> {
        skip(what);
        None
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if let Some((mut process, root)) = self.started.take() {
            let _ = kill(Pid::from_raw(process.id().try_into().unwrap()), Signal::SIGTERM);
            let _ = process.wait();
            // The engine leaves its own namespace mounted.
            let _ = Command::new("umount").arg(root.join("exec/netns/default")).output();
            std::fs::remove_dir_all(root).unwrap();
        }
    }
}

impl Container {
    fn run(network: &str) -> Self {
        Self::run_with(&["--network", network])
    }

    fn run_with(options: &[&str]) -> Self {
        let name = unique_name("container");
        let command = ["--name", &name, "vpclabtest", "/busybox", "sleep", "600"];
        let started = docker(&[&["run", "-d"], options, &command].concat());
        assert!(started.is_some(), "the container does not start");
        Self(name)
    }

    fn says(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.0, "/busybox"], command].concat()).unwrap()
    }

    fn netns(&self) -> Netns {
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &self.0]).unwrap();
        Netns::of_process(pid.trim().parse().unwrap()).unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.0]);
    }
}

/// An image that holds busybox and nothing else.
fn image() {
    let mut tar =
        Command::new("tar").args(["-C", "/usr/bin", "-c", "busybox"]).stdout(Stdio::piped()).spawn().unwrap();
    let import = Command::new("docker")
        .args(["import", "-", "vpclabtest"])
        .stdin(tar.stdout.take().unwrap())
        .output()
        .unwrap();
    tar.wait().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
}

/// The output of `docker ARGUMENTS`, if it succeeds.
fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_container_becomes_an_instance_with_its_name_and_resolver() {
    if !live() {
        return;
    }
    let Some(_docker) = Docker::available() else { return };
    let lab = Lab::up(&topology());
    let container = Container::run("none");
    let own_name = container.says(&["hostname"]);
    let request = AttachRequest { target: AttachmentTarget::Container(container.0.clone()) };
    lab.client.attach("b", &request).unwrap();
    assert!(lab.pings("a", "10.7.1.11"));
    assert!(pings(&container.netns(), "10.7.1.10"));
    assert!(container.says(&["cat", "/etc/resolv.conf"]).contains("nameserver 10.7.0.2"));
    assert_eq!(container.says(&["hostname"]), "b\n");

    lab.client.detach("b").unwrap();
    assert_eq!(container.says(&["hostname"]), own_name);
    assert!(!container.says(&["cat", "/etc/resolv.conf"]).contains("10.7.0.2"));
    assert!(lab.pings("b", "10.7.1.10"));

    lab.client.attach("b", &request).unwrap();
    docker(&["stop", "-t", "0", &container.0]).unwrap();
    wait_until("the container is gone", || lab.client.instance("b").unwrap().state == RunState::Gone);
    let error = lab.client.attach("b", &request).unwrap_err().to_string();
    assert!(error.contains("is not running"), "{error}");

    let on_the_host = Container::run("host");
    let request = AttachRequest { target: AttachmentTarget::Container(on_the_host.0.clone()) };
    let error = lab.client.attach("a", &request).unwrap_err().to_string();
    assert!(error.contains("--network none"), "{error}");
    assert!(lab.pings("c", "10.7.1.10"));
    let request = AttachRequest { target: AttachmentTarget::Container("no-such-container".to_owned()) };
    let error = lab.client.attach("a", &request).unwrap_err().to_string();
    assert!(error.contains("no container named no-such-container"), "{error}");
}

#[test]
fn a_container_finds_its_own_name_and_resolver_again_after_a_crash() {
    if !live() {
        return;
    }
    let Some(_docker) = Docker::available() else { return };
    let mut lab = Lab::up(&topology());
    let container = Container::run("none");
    let before = (container.says(&["hostname"]), container.says(&["cat", "/etc/resolv.conf"]));
    let now = || (container.says(&["hostname"]), container.says(&["cat", "/etc/resolv.conf"]));
    let request = AttachRequest { target: AttachmentTarget::Container(container.0.clone()) };
    lab.client.attach("b", &request).unwrap();
    lab.kill();
    assert_eq!(now().0, "b\n");
    lab.restart(&topology());
    assert!(lab.pings("a", "10.7.1.11"));
    lab.client.detach("b").unwrap();
    assert_eq!(now(), before, "the daemon that puts back is not the one that changed");

    lab.client.attach("b", &request).unwrap();
    lab.kill();
    vpclab_daemon::down(&lab.name).unwrap();
    assert_eq!(now(), before);

    // One that is stopped and started again finds its own, too.
    lab.restart(&topology());
    lab.client.attach("b", &request).unwrap();
    docker(&["stop", "-t", "0", &container.0]).unwrap();
    wait_until("the container is gone", || lab.client.instance("b").unwrap().state == RunState::Gone);
    docker(&["start", &container.0]).unwrap();
    assert!(!container.says(&["cat", "/etc/resolv.conf"]).contains("10.7.0.2"));
    lab.client.attach("b", &request).unwrap();
    assert!(container.says(&["cat", "/etc/resolv.conf"]).contains("10.7.0.2"));
    assert!(lab.pings("a", "10.7.1.11"));
}

#[test]
fn a_container_that_is_started_again_is_attached_again_at_once_with_the_labs_resolver() {
    if !live() {
        return;
    }
    let Some(_docker) = Docker::available() else { return };
    let lab = Lab::up(&topology());
    let container = Container::run("none");
    let resolver = || container.says(&["cat", "/etc/resolv.conf"]);
    let before = resolver();
    let request = AttachRequest { target: AttachmentTarget::Container(container.0.clone()) };
    lab.client.attach("b", &request).unwrap();
    // More than once, as the lab may look after its guests just in between.
    for _ in 0..3 {
        docker(&["restart", "-t", "0", &container.0]).unwrap();
        lab.client.attach("b", &request).unwrap();
        assert!(resolver().contains("nameserver 10.7.0.2"), "{}", resolver());
        assert!(lab.pings("a", "10.7.1.11"));
    }
    lab.client.detach("b").unwrap();
    assert_eq!(resolver(), before);
}

#[test]
fn a_program_in_a_container_has_the_privileges_that_docker_gives() {
    if !live() {
        return;
    }
    let Some(_docker) = Docker::available() else { return };
    let lab = Lab::up(&topology());
    let none: &[&str] = &["--network", "none"];
    for options in [
        &[][..],
        &["--cap-drop", "ALL"],
        &["--user", "1000:1001", "--group-add", "1002"],
        &["--security-opt", "no-new-privileges", "--cap-drop", "NET_RAW"],
    ] {
        let container = Container::run_with(&[none, options].concat());
        let request = AttachRequest { target: AttachmentTarget::Container(container.0.clone()) };
        lab.client.attach("b", &request).unwrap();
        let of_privileges = |status: String| {
            let names = ["Uid", "Gid", "Groups", "Cap", "NoNewPrivs"];
            let lines = status.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
            lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
        };
        let ours = lab.command("b", "/busybox").args(["cat", "/proc/self/status"]).output().unwrap();
        let ours = of_privileges(String::from_utf8(ours.stdout).unwrap());
        let theirs = of_privileges(container.says(&["cat", "/proc/self/status"]));
        assert!(theirs.len() == 9 && ours == theirs, "{options:?}: {ours:?}, with docker exec: {theirs:?}");
        lab.client.detach("b").unwrap();
    }
}

#[test]
fn the_engine_is_the_one_that_the_request_names() {
    if !live() {
        return;
    }
    let Some(_docker) = Docker::available() else { return };
    let lab = Lab::up(&topology());
    let container = Container::run("none");
    let elsewhere = std::env::temp_dir().join(unique_name("docker-elsewhere"));
    std::os::unix::fs::symlink(SOCKET, &elsewhere).unwrap();
    let put = |docker_host: &str| {
        let target = serde_json::json!({ "container": container.0 });
        let body = serde_json::json!({ "target": target, "docker_host": docker_host }).to_string();
        let mut curl = Command::new("curl");
        curl.args(["-s", "-X", "PUT", "--data-binary", &body, "--unix-socket"]);
        curl.arg(vpclab_daemon::paths(&lab.name).unwrap().socket);
        let output = curl.arg("http://lab/v1/instances/b/attachment").output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let missing = put("unix:///nonexistent/docker.sock");
    assert_eq!(missing["error"]["code"], "Unavailable", "{missing}");
    let remote = put("tcp://127.0.0.1:2375");
    assert_eq!(remote["error"]["code"], "InvalidParameterValue", "{remote}");
    let attached = put(&format!("unix://{}", elsewhere.display()));
    std::fs::remove_file(&elsewhere).unwrap();
    assert_eq!(attached["attachment"]["target"]["container"], container.0.as_str(), "{attached}");
    assert!(lab.pings("a", "10.7.1.11"));
}
