//! What of a lab outlives its daemon, and what must not?

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use vpclab_api::{AttachRequest, AttachmentTarget};
use vpclab_daemon::{ClientError, DownError, LabPaths, down, paths};
use vpclab_tap::Netns;

use crate::fixture::{Inhabitant, Lab, TIMEOUT, lab_name, live, spawn, topology, without};

#[test]
fn an_orderly_end_leaves_nothing_behind() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    assert_eq!(lab.remains().len(), 5);
    assert!(lab.interrupt());
    assert_eq!(lab.remains(), Vec::<String>::new());
    assert!(matches!(down(&lab.name), Err(DownError::NoSuchLab(_))));

    let lab = Lab::up(&topology());
    let ended = down(&lab.name).unwrap();
    assert!(ended.was_running && ended.left.is_empty(), "{ended:?}");
    assert_eq!(lab.remains(), Vec::<String>::new());
}

#[test]
fn only_the_owner_reaches_the_socket() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let paths = paths(&lab.name).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&paths.directory), mode(&paths.socket)), (0o700, 0o600));
}

#[test]
fn a_second_daemon_of_a_lab_is_refused_with_the_pid_of_the_first() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let options = vpclab_daemon::UpOptions {
        lab: lab.name.clone(),
        document: vpclab_model::Document::from(topology()),
        document_path: None,
        plain_devices: false,
        clear_dead_labs: false,
        owner: None,
        explain: std::sync::Arc::new(|_, _, _| Err(vpclab_api::ApiError::new("Unavailable", ""))),
        started: std::time::Instant::now(),
        ready: Box::new(|_| panic!("two daemons serve one lab")),
    };
    let error = vpclab_daemon::run(options).unwrap_err().to_string();
    assert!(error.contains(&format!("running already (pid {})", lab.pid())), "{error}");
    assert!(error.contains("vpclab down"), "{error}");
    assert!(lab.pings("a", "10.7.1.11"), "the first is not disturbed");
}

/// A daemon of this lab as it is for a moment after it was killed: its socket and its lock are still open. The first who
/// asks is broken off; a while later all is closed.
struct Dying(LabPaths);

impl Dying {
    fn start(lab: &str) -> Self {
        let paths = paths(lab).unwrap();
        std::fs::create_dir_all(&paths.directory).unwrap();
        let lock = Flock::lock(File::create(&paths.lock).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        // A process id that exists: so does the one of a process that ends.
        std::fs::write(&paths.pid, format!("{}\n", std::process::id())).unwrap();
        let listener = UnixListener::bind(&paths.socket).unwrap();
        std::thread::spawn(move || {
            drop(listener.accept());
            std::thread::sleep(Duration::from_millis(200));
            drop((listener, lock));
        });
        Self(paths)
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0.directory);
    }
}

#[test]
fn a_daemon_that_dies_while_it_is_asked_to_end_is_cleaned_up_after() {
    if !live() {
        return;
    }
    let lab = lab_name();
    let dying = Dying::start(&lab);
    let ended = down(&lab).unwrap();
    assert!(!ended.was_running, "{ended:?}");
    assert!(!dying.0.directory.exists());
}

#[test]
fn a_daemon_that_is_dying_is_no_reason_not_to_start() {
    if !live() {
        return;
    }
    let lab = lab_name();
    let dying = Dying::start(&lab);
    let mut process = spawn(&lab, &topology(), &[]);
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("ready after "), "{line:?}");
    assert!(down(&lab).unwrap().was_running);
    assert!(process.wait().unwrap().success() && !dying.0.directory.exists());
    std::fs::remove_file(crate::fixture::document_path(&lab)).unwrap();
}

#[test]
fn a_daemon_that_breaks_off_and_lives_on_is_not_cleaned_up_after() {
    if !live() {
        return;
    }
    let lab = lab_name();
    let paths = paths(&lab).unwrap();
    std::fs::create_dir_all(&paths.directory).unwrap();
    let _lock = Flock::lock(File::create(&paths.lock).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
    let listener = UnixListener::bind(&paths.socket).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                drop(listener.accept());
            }
        });
        let error = down(&lab).unwrap_err();
        assert!(matches!(error, DownError::Client(ClientError::Broken(_))), "{error}");
        assert!(paths.socket.exists(), "nothing is removed");
        stop.store(true, Ordering::SeqCst);
        let _last = UnixStream::connect(&paths.socket).unwrap();
    });
    std::fs::remove_dir_all(&paths.directory).unwrap();
}

#[test]
fn a_killed_daemon_is_taken_over_while_connections_and_processes_go_on() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let mut inhabitant = Inhabitant::of(&lab.netns("b"));
    let listener = lab.netns("b").run(|| TcpListener::bind("10.7.1.11:7000").unwrap()).unwrap();
    let mut near = lab.netns("a").run(|| TcpStream::connect("10.7.1.11:7000").unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(TIMEOUT * 5)).unwrap();
    }
    let mut say = |words: &[u8]| {
        let mut heard = vec![0; words.len()];
        near.write_all(words).unwrap();
        far.read_exact(&mut heard).unwrap();
        far.write_all(words).unwrap();
        near.read_exact(&mut heard).unwrap();
        assert_eq!(heard, words);
    };
    say(b"before");
    let before = lab.ip("b", "-o address show eth0");

    lab.kill();
    assert!(Netns::exists(&lab.netns_name("b")));
    lab.restart(&topology());

    say(b"after");
    assert!(inhabitant.is_alive());
    assert_eq!(lab.ip("b", "-o address show eth0"), before, "index, addresses and all");
    assert!(lab.pings("a", "10.7.1.11"));
}

#[test]
fn a_restart_renumbers_nobody() {
    if !live() {
        return;
    }
    let with = |names: &[&str]| {
        let mut topology = topology();
        for name in names {
            topology["instances"][*name] = serde_json::json!({ "subnet": "one" });
        }
        topology
    };
    let mut lab = Lab::up(&with(&["x", "y"]));
    let address = |lab: &Lab| lab.client.instance("y").unwrap().interfaces[0].addresses.clone();
    let before = address(&lab);
    let now = with(&["w", "x", "y"]);
    lab.put(&now);
    assert_eq!(address(&lab), before);
    lab.kill();
    lab.restart(&now);
    assert_eq!(address(&lab), before);
}

#[test]
fn what_a_dead_daemon_left_of_a_resource_that_is_gone_is_removed() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    lab.kill();
    lab.restart(&without(topology(), "c"));
    crate::fixture::wait_until("the namespace is removed", || !Netns::exists(&lab.netns_name("c")));
    assert!(lab.pings("a", "10.7.1.11"));
}

#[test]
fn down_ends_what_exec_started_and_names_who_goes_on_whether_the_daemon_lives_or_not() {
    if !live() {
        return;
    }
    for crashed in [false, true] {
        let mut lab = Lab::up(&topology());
        let mut stranger = Inhabitant::of(&lab.netns("b"));
        let mut attached = Inhabitant::apart();
        let request = AttachRequest { target: AttachmentTarget::Process(attached.pid()) };
        lab.client.attach("c", &request).unwrap();
        let mut polite = lab.command("a", "sleep").arg("600").spawn().unwrap();
        let mut stubborn = lab.command("b", "sh");
        stubborn.args(["-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]);
        let mut stubborn = stubborn.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(stubborn.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if crashed {
            lab.kill();
        }
        let ended = down(&lab.name).unwrap();
        assert_eq!(ended.was_running, !crashed);
        let told = ended.ended.join("\n");
        for program in [format!("sleep ({}) in a", polite.id()), format!("sh ({})", stubborn.id())] {
            assert!(told.contains(&program), "{ended:?}");
        }
        assert_eq!(polite.wait().unwrap().signal(), Some(15));
        assert_eq!(stubborn.wait().unwrap().signal(), Some(9));
        let left = ended.left.join("\n");
        assert!(left.contains(&format!("sleep ({}) in b, without a network", stranger.pid())), "{ended:?}");
        assert!(left.contains(&format!("process {}, which ran as instance c", attached.pid())), "{ended:?}");
        assert!(stranger.is_alive() && attached.is_alive());
        assert_eq!(lab.remains(), Vec::<String>::new());
    }
}

#[test]
fn an_instance_that_is_removed_takes_its_programs_along() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut program = lab.command("c", "sleep").arg("600").spawn().unwrap();
    lab.put(&without(topology(), "c"));
    assert_eq!(program.wait().unwrap().signal(), Some(15));
    assert!(!Netns::exists(&lab.netns_name("c")));
}

#[test]
fn of_several_starts_at_once_exactly_one_wins() {
    if !live() {
        return;
    }
    for _ in 0..3 {
        let mut lab = Lab::up(&topology());
        let starts: Vec<_> = (0..4).map(|_| spawn(&lab.name, &topology(), &[])).collect();
        // In the midst of it the one that runs ends, in order.
        assert!(lab.interrupt());
        let mut starts: Vec<_> = starts
            .into_iter()
            .map(|mut process| {
                let mut line = String::new();
                BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
                (line.starts_with("ready"), process)
            })
            .collect();
        let winners = starts.iter().filter(|(ready, _)| *ready).count();
        assert!(winners <= 1, "{winners} daemons serve one lab");
        for (_, process) in starts.iter_mut().filter(|(ready, _)| !ready) {
            assert!(!process.wait().unwrap().success());
        }
        let mut starts: Vec<_> = starts.into_iter().filter(|(ready, _)| *ready).collect();
        if let Some((_, winner)) = starts.first_mut() {
            assert_eq!(lab.client.health().unwrap().pid, winner.id());
            assert!(lab.pings("a", "10.7.1.11"));
            down(&lab.name).unwrap();
            assert!(winner.wait().unwrap().success());
        }
        assert_eq!(lab.remains(), Vec::<String>::new());

        // And where nothing was before, exactly one.
        let starts: Vec<_> = (0..4).map(|_| spawn(&lab.name, &topology(), &[])).collect();
        let mut ready = 0;
        for mut process in starts {
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line.starts_with("ready") {
                ready += 1;
                continue;
            }
            assert!(!process.wait().unwrap().success());
        }
        assert_eq!(ready, 1);
        down(&lab.name).unwrap();
        assert_eq!(lab.remains(), Vec::<String>::new());
    }
}

#[test]
fn a_change_that_comes_while_the_lab_ends_leaves_nothing() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    let request = AttachRequest { target: AttachmentTarget::Process(guest.pid()) };
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut answered = 0;
            let changes = [topology(), without(topology(), "c")].map(vpclab_model::Document::from);
            while lab.client.put_topology(&changes[answered % 2]).is_ok() {
                answered += 1;
            }
            answered
        });
        let attaching = scope
            .spawn(|| while lab.client.attach("b", &request).is_ok() && lab.client.detach("b").is_ok() {});
        std::thread::sleep(TIMEOUT / 4);
        down(&lab.name).unwrap();
        assert!(changing.join().unwrap() > 0);
        attaching.join().unwrap();
    });
    assert_eq!(lab.remains(), Vec::<String>::new());
    let links = vpclab_tap::link::list(&guest.netns()).unwrap();
    assert!(links.iter().all(|link| link.alias.is_empty()), "{links:?}");
}

#[test]
fn a_start_that_fails_after_a_crash_leaves_what_it_found() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let mut inhabitant = Inhabitant::of(&lab.netns("b"));
    lab.kill();
    let before = lab.remains();
    let addresses = lab.ip("b", "-o address show eth0");
    // The socket cannot be made: everything else has been by then.
    let socket = paths(&lab.name).unwrap().socket;
    std::fs::remove_file(&socket).unwrap();
    std::fs::create_dir(&socket).unwrap();
    let mut more = topology();
    more["instances"]["d"] = serde_json::json!({ "subnet": "one" });
    let mut process = spawn(&lab.name, &more, &[]);
    assert!(!process.wait().unwrap().success());
    assert_eq!(lab.remains(), before, "and nothing of the new instance");
    assert_eq!(lab.ip("b", "-o address show eth0").lines().count(), addresses.lines().count());
    assert!(inhabitant.is_alive());
    std::fs::remove_dir(&socket).unwrap();
    lab.restart(&topology());
    assert!(lab.pings("a", "10.7.1.11"));
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    if !live() {
        return;
    }
    let name = lab_name();
    let in_the_way = format!("vpclab-{name}-b");
    let foreign = Netns::create(&in_the_way).unwrap();
    let mut process = spawn(&name, &topology(), &[]);
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), process.wait().unwrap().success()), ("", false));
    let remains: Vec<_> =
        Netns::list().into_iter().filter(|netns| netns.starts_with(&format!("vpclab-{name}-"))).collect();
    assert_eq!(remains, std::slice::from_ref(&in_the_way));
    assert!(!paths(&name).unwrap().directory.exists());
    std::fs::remove_file(crate::fixture::document_path(&name)).unwrap();
    drop(foreign);
    Netns::delete(&in_the_way).unwrap();
}
