//! A Docker container as an instance.
//!
//! The test starts an engine of its own in a folder of its own, without touching the host's firewall, and builds its
//! image from a static busybox.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::shop::{OPEN_ACL, WEB_RULES, shop};
use crate::skip::skip;
use crate::support::{Turn, text, vpclab, wait_until};

/// A Docker engine of the test's own.
struct Docker {
    daemon: Child,
    folder: PathBuf,
}

/// Where a Docker engine with its files in `folder` listens.
fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("sock").display())
}

impl Docker {
    /// Starts one with its files in `folder`. It ends with this process, also where that is killed.
    fn start(folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "dockerd"])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--shutdown-timeout=2"])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["-H", &host(&folder)])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let docker = Self { daemon, folder };
        wait_until("the Docker engine answers", || docker.run(&["version"]).status.success());
        docker.build_image();
        docker
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("docker").env("DOCKER_HOST", host(&self.folder)).args(arguments).output().unwrap()
    }

    fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "docker {arguments:?}:\n{}", text(&output));
        text(&output)
    }

    /// An image that is a static busybox.
    fn build_image(&self) {
        let root = self.folder.join("root");
        for folder in ["bin", "etc", "proc", "sys", "tmp", "www"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for applet in ["sh", "sleep", "ping", "ping6", "wget", "httpd", "ip", "cat", "hostname", "nc"] {
            let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet));
        }
        std::fs::write(root.join("www/index.html"), "from the container\n").unwrap();
        // iperf3 with the libraries it asks for, where it looks for them.
        let libraries = text(&Command::new("ldd").arg("/usr/bin/iperf3").output().unwrap());
        let files = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        for file in files.chain(["/usr/bin/iperf3"]) {
            let copy = root.join(file.trim_start_matches('/'));
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(file, copy).unwrap();
        }
        let archive = self.folder.join("image.tar");
        let tar =
            Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(tar.success());
        self.must(&["import", archive.to_str().unwrap(), "vpclab-test"]);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let ids = text(&self.run(&["ps", "-aq"]));
        for id in ids.split_whitespace() {
            self.run(&["rm", "-f", id]);
        }
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
    }
}

#[test]
fn a_container_becomes_an_instance_and_is_guarded_like_one() {
    let Some(turn) = Turn::take("docker") else { return };
    if Command::new("dockerd").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip("live tests with containers need dockerd");
    }
    let folder = turn.folder.join("docker");
    // The engine finds Docker as the command line does.
    let lab = turn.up(&shop(WEB_RULES, OPEN_ACL), &[], &[("DOCKER_HOST", &host(&folder))]);
    let docker = Docker::start(folder);
    docker.must(&[
        "run",
        "-d",
        "--name",
        "shop-web",
        "--network",
        "none",
        "vpclab-test",
        "httpd",
        "-f",
        "-p",
        "80",
        "-h",
        "/www",
    ]);
    let attach = |arguments: &[&str]| {
        let mut all = vec!["attach", "web-1", "--lab", lab.name.as_str()];
        all.extend(arguments);
        vpclab(&all)
    };
    let output = attach(&["--container", "shop-web"]);
    assert!(output.status.success(), "{}", text(&output));
    let addresses = docker.must(&["exec", "shop-web", "ip", "address"]);
    assert!(addresses.contains("10.0.1.10/24") && addresses.contains("mtu 9001"), "{addresses}");
    assert!(docker.must(&["exec", "shop-web", "cat", "/etc/resolv.conf"]).contains("10.0.0.2"));

    for url in ["http://10.0.1.10/", "http://[2001:db8:1:1::10]/"] {
        assert_eq!(lab.fetch("app-1", url), "from the container\n");
    }
    assert_eq!(lab.fetch("client", "http://203.0.113.10/"), "from the container\n");
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
    docker.must(&["exec", "shop-web", "ping", "-c", "1", "-W", "5", "10.0.2.10"]);
    assert!(lab.must("web-1", &["cat", "/www/index.html"]).contains("from the container"), "exec enters it");
    docker.must(&["exec", "-d", "shop-web", "/usr/bin/iperf3", "-s"]);
    for address in ["10.0.1.10", "2001:db8:1:1::10"] {
        wait_until("iperf3 runs through the container", || {
            lab.succeeds("app-1", &["iperf3", "-t", "1", "-c", address])
        });
        lab.must("app-1", &["iperf3", "-R", "-t", "1", "-c", address]);
    }
    // Denied stays denied, though somebody listens.
    docker.must(&["exec", "-d", "shop-web", "httpd", "-f", "-p", "8080", "-h", "/www"]);
    wait_until("the container's second server answers", || {
        let page = docker.run(&["exec", "shop-web", "wget", "-q", "-O", "-", "http://10.0.1.10:8080/"]);
        text(&page) == "from the container\n"
    });
    lab.must_hear_nothing("app-1", "http://10.0.1.10:8080/");

    // A container that ends hurts nobody, and the instance can be had back.
    docker.must(&["rm", "-f", "shop-web"]);
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.11"]);
    let output = vpclab(&["detach", "web-1", "--lab", &lab.name]);
    assert!(output.status.success(), "{}", text(&output));
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
    let output = attach(&["--container", "no-such-container"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no-such-container"), "{}", text(&output));
}
