//! Can a Docker container become an instance? Needs a Docker engine: one that is there, or `dockerd` to start one.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vpclab_api::{AttachRequest, AttachmentTarget, RunState};
use vpclab_tap::Netns;

use crate::fixture::{Lab, live, pings, topology, unique_name, wait_until};

const SOCKET: &str = "/var/run/docker.sock";

/// A Docker engine; one that the test started ends with it.
struct Docker {
    started: Option<(Child, std::path::PathBuf)>,
}

/// A container that is removed with its last use here.
struct Container(String);

impl Docker {
    fn available() -> Option<Self> {
        if !Path::new("/usr/sbin/dockerd").exists() && !Path::new("/usr/bin/dockerd").exists() {
            return Self::missing("there is no dockerd");
        }
        if docker(&["info"]).is_some() {
            return Some(Self { started: None });
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
        let docker = Self { started: Some((process, root.clone())) };
        for _ in 0..200 {
            if Path::new(SOCKET).exists() && self::docker(&["info"]).is_some() {
                return Some(docker);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(root.join("log")).unwrap_or_default();
        Self::missing(&format!("dockerd does not start: {}", log.lines().last().unwrap_or_default()))
    }

    fn missing(what: &str) -> Option<Self> {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{what}");
        eprintln!("SKIPPED, NOT PASSED: {what}");
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
        image();
        let name = unique_name("vpclabtest");
        let started = docker(&[
            "run",
            "-d",
            "--network",
            network,
            "--name",
            &name,
            "vpclabtest",
            "/busybox",
            "sleep",
            "600",
        ]);
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
    static IMAGE: OnceLock<()> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let mut tar = Command::new("tar")
            .args(["-C", "/usr/bin", "-c", "busybox"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let import = Command::new("docker")
            .args(["import", "-", "vpclabtest"])
            .stdin(tar.stdout.take().unwrap())
            .output()
            .unwrap();
        tar.wait().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    });
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
