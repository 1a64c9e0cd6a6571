//! A program inside an instance sees the instance, and the host sees no change.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vpclab_tap::process::{
    InstanceEnvironment, Place, ProcessError, end_programs, enter_container, inhabitants,
};
use vpclab_tap::{Netns, OffloadTap};

use crate::fixture::{Namespace, TIMEOUT, live};

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_instance_has_its_own_links_host_name_and_files_and_the_host_keeps_its() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let _tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (resolv, hosts) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
    fs::write(&resolv, "nameserver 10.0.0.2\n").unwrap();
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let outside = || {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let links = fs::read_dir("/sys/class/net").unwrap().count();
        (host, fs::read("/etc/hosts").unwrap(), fs::read_to_string("/proc/self/mountinfo").unwrap(), links)
    };
    let before = outside();
    let mut files = vec![(hosts, "/etc/hosts".into())];
    if fs::exists("/etc/resolv.conf").unwrap() {
        files.push((resolv, "/etc/resolv.conf".into()));
    }
    let with_resolv = files.len() == 2;
    let environment = InstanceEnvironment {
        netns: Netns::open_name(ns.0.name().unwrap()).unwrap(),
        hostname: Some("ip-10-0-1-1".to_owned()),
        files,
    };
    let mut command = environment.command("sh").unwrap();
    command.args(["-c", "cat /proc/sys/kernel/hostname /etc/hosts; ls -m /sys/class/net; readlink /proc/self/ns/net; cat /etc/resolv.conf"]);
    let output = command.output().unwrap();
    let seen = text(&output);
    let mut expected = format!("ip-10-0-1-1\n127.0.0.1 localhost\neth0, lo\nnet:[{}]\n", ns.0.inode());
    if with_resolv {
        expected.push_str("nameserver 10.0.0.2\n");
    }
    assert!(seen.starts_with(&expected), "{seen}");
    let after = outside();
    assert_eq!((&after.0, &after.1, after.3), (&before.0, &before.1, before.3));
    let of_ours = |mounts: &str| mounts.contains(&*dir.path().to_string_lossy());
    assert!(!of_ours(&after.2), "no mount of the instance reaches the host");
}

#[test]
fn what_is_wrong_with_an_environment_is_said_before_anything_starts() {
    if !live() {
        return;
    }
    let environment = |hostname: &str, files| {
        let hostname = Some(hostname.to_owned());
        InstanceEnvironment { netns: Netns::host().unwrap(), hostname, files }.command("true").unwrap_err()
    };
    assert!(matches!(environment("", vec![]), ProcessError::InvalidHostname(_)));
    assert!(matches!(environment(&"x".repeat(65), vec![]), ProcessError::InvalidHostname(_)));
    let missing = environment("web", vec![("/nonexistent/resolv.conf".into(), "/etc/hosts".into())]);
    assert!(missing.to_string().contains("/nonexistent/resolv.conf"), "{missing}");
}

/// A process in namespaces of its own, behind a chroot that holds a file the host has not.
struct Container {
    outer: Child,
    pid: u32,
}

impl Container {
    fn start() -> Self {
        Self::start_with("")
    }

    /// One whose process is started by the command `privileges`.
    fn start_with(privileges: &str) -> Self {
        let script = format!(
            "mount -t tmpfs none /mnt && mkdir /mnt/root && mount --rbind / /mnt/root \
            && mount -t tmpfs none /mnt/root/srv && echo inside > /mnt/root/srv/marker \
            && echo box > /proc/sys/kernel/hostname && echo ready && exec chroot /mnt/root {privileges} sleep 60"
        );
        let mut outer = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount",
                "--uts",
                "--net",
                "--ipc",
                "--mount-proc",
                "sh",
                "-c",
                &script,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(outer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let path = format!("/proc/{0}/task/{0}/children", outer.id());
        let pid: u32 = fs::read_to_string(path).unwrap().trim().parse().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        while fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() != "sleep" {
            assert!(Instant::now() < deadline, "the container did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { outer, pid }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

#[test]
fn a_program_in_a_container_runs_among_its_files_names_and_processes() {
    if !live() {
        return;
    }
    let container = Container::start();
    let mut command = enter_container(container.pid, "sh").unwrap();
    command.args([
        "-c",
        "cat /srv/marker /proc/sys/kernel/hostname /proc/1/comm; readlink /proc/self/ns/net; exit 7",
    ]);
    let output = command.output().unwrap();
    let netns = Netns::of_process(container.pid).unwrap();
    assert_eq!(text(&output), format!("inside\nbox\nsleep\nnet:[{}]\n", netns.inode()));
    assert_eq!(output.status.code(), Some(7));
    assert!(!fs::exists("/srv/marker").unwrap());
}

#[test]
fn a_program_in_a_container_gets_the_signals_and_its_end_is_reported() {
    if !live() {
        return;
    }
    let container = Container::start();
    let start = |script: &str| {
        let mut command = enter_container(container.pid, "sh").unwrap();
        let mut child = command.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        child
    };
    let send =
        |child: &Child, signal| kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    let mut handles = start("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
    send(&handles, Signal::SIGTERM);
    assert_eq!(handles.wait().unwrap().code(), Some(9));
    let mut dies = start("echo up; exec sleep 60");
    send(&dies, Signal::SIGTERM);
    assert_eq!(dies.wait().unwrap().signal(), Some(15));
    let mut killed = start("echo up; exec sleep 61");
    let netns = Netns::of_process(container.pid).unwrap();
    let sleeping = || {
        let arguments = |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        netns.processes().iter().any(|(pid, _)| arguments(pid) == "sleep\x0061\0")
    };
    let until = |what: bool| {
        let deadline = Instant::now() + TIMEOUT;
        while sleeping() != what && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        sleeping() == what
    };
    assert!(until(true));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(until(false), "the program ends with the process that stands for it");
}

#[test]
fn a_program_that_the_container_has_not_is_an_error_of_spawn() {
    if !live() {
        return;
    }
    let container = Container::start();
    let error = enter_container(container.pid, "/no/such/program").unwrap().spawn().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(matches!(enter_container(u32::MAX, "sh"), Err(ProcessError::NoSuchProcess { .. })));
}

/// What `/proc/PID/status` says of privileges.
fn privileges(status: &str) -> Vec<&str> {
    let of_privileges = |line: &&str| {
        ["Uid", "Gid", "Groups", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    status.lines().filter(of_privileges).map(str::trim_end).collect()
}

#[test]
fn a_program_in_a_container_may_do_what_its_process_may_and_no_more() {
    if !live() {
        return;
    }
    for (arguments, expected) in [
        // As a container engine starts root: fewer capabilities, also for what it executes.
        ("setpriv --bounding-set=-all,+chown,+kill,+net_raw --inh-caps=-all", "CapBnd:\t0000000000002021"),
        ("setpriv --reuid 1000 --regid 1001 --groups 1002,1003 --no-new-privs", "Groups:\t1002 1003"),
        (
            "setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=+net_raw --ambient-caps=+net_raw",
            "CapAmb:\t0000000000002000",
        ),
        (
            "setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs --bounding-set=-all",
            "NoNewPrivs:\t1",
        ),
    ] {
        let container = Container::start_with(arguments);
        let theirs = fs::read_to_string(format!("/proc/{}/status", container.pid)).unwrap();
        let output =
            enter_container(container.pid, "cat").unwrap().arg("/proc/self/status").output().unwrap();
        let ours = text(&output);
        assert_eq!(privileges(&ours), privileges(&theirs), "{arguments}");
        assert!(theirs.lines().any(|line| line.trim_end() == expected), "{expected} in:\n{theirs}");
    }
}

#[test]
fn a_user_namespace_that_forbids_setgroups_can_be_left_for_another() {
    if !live() {
        return;
    }
    // The test below once more, where nobody may change groups any more.
    let test = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(test)
        .args(["--exact", "processes::a_program_in_a_user_namespace_is_the_user_its_process_is_there"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_program_in_a_user_namespace_is_the_user_its_process_is_there() {
    if !live() {
        return;
    }
    // The outer process is nobody to anyone but itself.
    let script = "echo ready && exec sleep 60";
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut command = enter_container(child.id(), "sh").unwrap();
    let seen = text(&command.args(["-c", "id -u; readlink /proc/self/ns/user"]).output().unwrap());
    let namespace = fs::read_link(format!("/proc/{}/ns/user", child.id())).unwrap();
    assert_eq!(seen, format!("0\n{}\n", namespace.display()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn our_programs_are_ended_and_a_stranger_in_the_same_namespace_is_not() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("instances/web");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("hosts"), "127.0.0.1 localhost\n").unwrap();
    let environment = InstanceEnvironment {
        netns: Netns::open_name(ns.0.name().unwrap()).unwrap(),
        hostname: None,
        files: vec![(files.join("hosts"), "/etc/hosts".into())],
    };
    let start = |script: &str| {
        let mut child =
            environment.command("sh").unwrap().args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        child
    };
    let mut polite = start("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
    let mut stubborn = start("trap '' TERM; echo up; while :; do sleep 0.05; done");
    let mut stranger = ns.0.run(|| Command::new("sleep").arg("60").spawn().unwrap()).unwrap();

    let places = [Place { netns: &ns.0, files: &files }];
    let pids = |processes: &[(u32, String)]| processes.iter().map(|(pid, _)| *pid).collect::<Vec<_>>();
    let before = inhabitants(&places).remove(0);
    assert_eq!(pids(&before.strangers), [stranger.id()]);
    let before = pids(&before.programs);
    assert!(before.contains(&polite.id()) && before.contains(&stubborn.id()), "{before:?}");
    let ended = end_programs(&places, Duration::from_millis(300));
    for child in [&polite, &stubborn] {
        assert!(ended[0].contains(&(child.id(), "sh".to_owned())), "{ended:?}");
    }
    assert_eq!(polite.wait().unwrap().code(), Some(9), "it was asked first");
    assert_eq!(stubborn.wait().unwrap().signal(), Some(9));
    assert_eq!(inhabitants(&places)[0].programs, []);
    assert!(stranger.try_wait().unwrap().is_none());
    assert_eq!(end_programs(&places, Duration::ZERO), [vec![]]);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
