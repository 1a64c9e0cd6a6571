//! Can a process or a namespace of somebody else become an instance, and cease to be one?

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use vpclab_api::{AttachRequest, AttachmentTarget, RunState};
use vpclab_daemon::{ClientError, paths};
use vpclab_tap::{Netns, link};

use crate::fixture::{Inhabitant, Lab, ip, live, pings, topology, unique_name, wait_until, without};

fn attach(lab: &Lab, instance: &str, target: AttachmentTarget) -> Result<(), ClientError> {
    lab.client.attach(instance, &AttachRequest { target }).map(drop)
}

fn devices(netns: &Netns) -> Vec<String> {
    let links = link::list(netns).unwrap();
    links.into_iter().filter(|link| link.alias.starts_with("vpclab:")).map(|link| link.name).collect()
}

#[test]
fn a_process_becomes_an_instance_and_ceases_to_be_one() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    assert!(lab.pings("a", "10.7.1.11"));
    assert!(pings(&guest.netns(), "10.7.1.10"));
    assert!(!Netns::exists(&lab.netns_name("b")), "its own namespace is gone");
    let state = lab.client.instance("b").unwrap();
    assert_eq!(state.attachment.target, AttachmentTarget::Process(guest.pid()));
    assert_eq!(state.attachment.pid, Some(guest.pid()));
    assert!(state.attachment.files.is_empty(), "a process keeps the host's files");

    let error = attach(&lab, "a", AttachmentTarget::Process(guest.pid())).unwrap_err();
    assert!(error.to_string().contains("is instance b already"), "{error}");

    let state = lab.client.detach("b").unwrap();
    assert_eq!(state.attachment.target, AttachmentTarget::Namespace);
    assert!(lab.pings("b", "10.7.1.10") && lab.pings("a", "10.7.1.11"));
    assert_eq!(devices(&guest.netns()), Vec::<String>::new());
}

#[test]
fn a_named_namespace_becomes_an_instance_beside_its_own_links() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let name = unique_name("foreign");
    let netns = Netns::create(&name).unwrap();
    let other = vpclab_tap::OffloadTap::open(&netns, "eth0").unwrap();
    attach(&lab, "b", AttachmentTarget::Netns(name.clone())).unwrap();
    assert_eq!(devices(&netns), ["eth1"], "eth0 is taken by somebody else");
    assert!(pings(&netns, "10.7.1.10"));
    assert!(lab.interrupt());
    assert_eq!(devices(&netns), Vec::<String>::new());
    assert!(link::find(&netns, "eth0").is_ok(), "what is not the lab's stays");
    drop(other);
    Netns::delete(&name).unwrap();
}

#[test]
fn an_instance_where_somebody_lives_is_not_moved() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let inhabitant = Inhabitant::of(&lab.netns("b"));
    let guest = Inhabitant::apart();
    let error = attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap_err().to_string();
    assert!(error.contains(&format!("sleep ({})", inhabitant.pid())), "{error}");
    assert!(lab.pings("a", "10.7.1.11"));
    assert_eq!(devices(&guest.netns()), Vec::<String>::new());
}

#[test]
fn an_attachment_survives_a_crash_of_the_daemon() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let mut guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    lab.kill();
    lab.restart(&topology());
    assert!(lab.pings("a", "10.7.1.11"));
    assert_eq!(lab.client.instance("b").unwrap().attachment.pid, Some(guest.pid()));

    lab.kill();
    guest.end();
    lab.restart(&topology());
    assert_eq!(lab.client.instance("b").unwrap().attachment.target, AttachmentTarget::Namespace);
    assert!(lab.pings("a", "10.7.1.11"), "it has a namespace of its own instead");
}

#[test]
fn a_guest_that_ends_is_shown_as_gone_and_hurts_nobody() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    assert!(lab.pings("a", "10.7.1.11"));
    guest.end();
    wait_until("the guest is gone", || lab.client.instance("b").unwrap().state == RunState::Gone);
    assert!(!lab.pings("a", "10.7.1.11"));
    assert!(lab.pings("c", "10.7.1.10"));
    let what = format!("process {}", guest.pid());
    assert_eq!(lab.client.health().unwrap().gone, [format!("b ({what})")]);
    let error = lab.client.running_instance("b").unwrap_err().to_string();
    for told in [&what, "has ended", "`vpclab detach b`", "`vpclab attach b`"] {
        assert!(error.contains(told), "{error}");
    }
    lab.put(&topology());
    lab.client.detach("b").unwrap();
    assert!(lab.pings("a", "10.7.1.11"));
    assert_eq!(lab.client.health().unwrap().gone, Vec::<String>::new());
    assert_eq!(lab.client.running_instance("b").unwrap().state, RunState::Running);
}

/// The attachments that the lab has written down.
fn written(lab: &Lab) -> Value {
    serde_json::from_slice(&std::fs::read(paths(&lab.name).unwrap().attachments).unwrap()).unwrap()
}

/// Ends the daemon as a crash does, at the moment when these attachments were written down.
fn crash_with(lab: &mut Lab, attachments: &Value) {
    // Before its end: a dead lab where nobody lives is removed by the next that starts beside it.
    std::fs::write(paths(&lab.name).unwrap().attachments, attachments.to_string()).unwrap();
    lab.kill();
}

#[test]
fn an_attachment_that_a_crash_cut_short_is_completed() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    let intent = written(&lab);
    lab.client.detach("b").unwrap();
    assert_eq!(devices(&guest.netns()), Vec::<String>::new());
    crash_with(&mut lab, &intent);
    lab.restart(&topology());
    assert_eq!(lab.client.instance("b").unwrap().attachment.pid, Some(guest.pid()));
    assert!(lab.pings("a", "10.7.1.11") && pings(&guest.netns(), "10.7.1.10"));
    assert!(!Netns::exists(&lab.netns_name("b")), "the home it was leaving is gone");
    assert!(lab.interrupt());
    assert_eq!((lab.remains(), devices(&guest.netns())), (vec![], vec![]));
}

#[test]
fn of_a_move_that_a_crash_cut_short_the_old_home_is_left() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let (first, second) = (Inhabitant::apart(), Inhabitant::apart());
    attach(&lab, "b", AttachmentTarget::Process(second.pid())).unwrap();
    let intent = written(&lab);
    attach(&lab, "b", AttachmentTarget::Process(first.pid())).unwrap();
    let both = json!([written(&lab)[0], intent[0]]);
    crash_with(&mut lab, &both);
    lab.restart(&topology());
    assert_eq!(lab.client.instance("b").unwrap().attachment.pid, Some(second.pid()));
    assert!(lab.pings("a", "10.7.1.11"));
    wait_until("the old home is left", || devices(&first.netns()).is_empty());
    wait_until("one attachment is written down", || written(&lab).as_array().unwrap().len() == 1);
}

/// A `resolv.conf` on the host that a process is written down to have had, as Docker keeps one for a container.
struct ResolvConf(PathBuf);

impl ResolvConf {
    fn new(content: &str) -> Self {
        let path = std::env::temp_dir().join(unique_name("resolv.conf"));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn is_of(&self, attachments: &mut Value, content: &str) {
        let metadata = std::fs::metadata(&self.0).unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        attachments[0]["foreign"]["originals"]["resolv_conf"] =
            json!({ "device": device, "inode": inode, "on_host": self.0, "content": content });
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_a_former_attachment_changed_is_put_back_before_the_latter_changes_it() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let (mut first, second) = (Inhabitant::apart(), Inhabitant::apart());
    let shared = ResolvConf::new("# nobody's now\n");
    let mut records = [&first, &second].map(|guest| {
        attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
        let mut written = written(&lab);
        shared.is_of(&mut written, "# its own\n");
        written[0].clone()
    });
    first.end();
    crash_with(&mut lab, &json!(records));
    lab.restart(&topology());
    assert!(shared.read().contains("nameserver 10.7.0.2"), "{}", shared.read());
    wait_until("one attachment is written down", || written(&lab).as_array().unwrap().len() == 1);
    lab.client.detach("b").unwrap();
    assert_eq!(shared.read(), "# its own\n");

    // Likewise where the former one is another instance's.
    records[0]["name"] = json!("c");
    crash_with(&mut lab, &json!(records));
    lab.restart(&topology());
    assert!(shared.read().contains("nameserver 10.7.0.2"), "{}", shared.read());
}

#[test]
fn a_change_of_something_else_leaves_what_a_container_has_made_of_its_resolver() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    let file = ResolvConf::new("# its own\n");
    let mut written = written(&lab);
    file.is_of(&mut written, "# its own\n");
    crash_with(&mut lab, &written);
    lab.restart(&topology());
    assert!(file.read().contains("nameserver 10.7.0.2"));
    std::fs::write(&file.0, "nameserver 127.0.0.1\n").unwrap();
    let mut moved = topology();
    moved["instances"]["b"]["private_ip"] = json!("10.7.1.99");
    lab.put(&moved);
    assert_eq!(file.read(), "nameserver 127.0.0.1\n");
    // A resolver that is another one is told.
    moved["region"] = json!("ap-southeast-2");
    lab.put(&moved);
    assert!(file.read().contains("search ap-southeast-2.compute.internal"), "{}", file.read());
}

#[test]
fn an_attachment_of_an_instance_that_is_gone_after_a_crash_is_undone() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    lab.kill();
    assert_eq!(devices(&guest.netns()), ["eth0"]);
    lab.restart(&without(topology(), "b"));
    wait_until("the process is unplugged", || devices(&guest.netns()).is_empty());
    assert!(lab.pings("c", "10.7.1.10"));
}

#[test]
fn the_settings_of_a_namespace_are_put_back_also_after_a_crash() {
    if !live() {
        return;
    }
    let mut lab = Lab::up(&topology());
    let name = unique_name("foreign");
    let netns = Netns::create(&name).unwrap();
    let before = link::NamespaceSettings { ping_group_range: "1\t0".to_owned(), loopback_up: false };
    link::restore(&netns, &before).unwrap();
    attach(&lab, "b", AttachmentTarget::Netns(name.clone())).unwrap();
    assert!(link::settings(&netns).unwrap().loopback_up);
    lab.kill();
    lab.restart(&topology());
    assert!(pings(&netns, "10.7.1.10"));
    lab.client.detach("b").unwrap();
    assert_eq!(link::settings(&netns).unwrap(), before);
    attach(&lab, "b", AttachmentTarget::Netns(name.clone())).unwrap();
    lab.kill();
    let ended = vpclab_daemon::down(&lab.name).unwrap();
    assert!(ended.left.contains(&format!("network namespace {name}, which ran as instance b")), "{ended:?}");
    assert_eq!((link::settings(&netns).unwrap(), devices(&netns)), (before, vec![]));
    Netns::delete(&name).unwrap();
}

#[test]
fn what_has_a_network_already_is_refused_with_its_links() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    ip(&guest.netns(), "tuntap add dev uplink0 mode tap");
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    lab.client.detach("b").unwrap();
    ip(&guest.netns(), "address add 192.0.2.7/24 dev uplink0");
    for target in [
        AttachmentTarget::Process(guest.pid()),
        AttachmentTarget::Netns(format!("/proc/{}/ns/net", guest.pid())),
    ] {
        let error = attach(&lab, "b", target).unwrap_err().to_string();
        assert!(error.contains("uplink0 (192.0.2.7/24)") && error.contains("bypass"), "{error}");
    }
    // An instance of another lab has a network, too.
    let other = Lab::up(&topology());
    let error = attach(&lab, "b", AttachmentTarget::Netns(other.netns_name("a"))).unwrap_err().to_string();
    assert!(error.contains("eth0 (10.7.1.10/24"), "{error}");
    let host = AttachmentTarget::Netns(format!("/proc/{}/ns/net", std::process::id()));
    let error = attach(&lab, "b", host).unwrap_err().to_string();
    assert!(error.contains("host's own network"), "{error}");
    assert!(lab.pings("a", "10.7.1.11") && other.pings("a", "10.7.1.11"));
}

#[test]
fn a_guest_that_renames_its_device_is_reconfigured_and_unplugged_all_the_same() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let guest = Inhabitant::apart();
    attach(&lab, "b", AttachmentTarget::Process(guest.pid())).unwrap();
    ip(&guest.netns(), "link set eth0 down");
    ip(&guest.netns(), "link set eth0 name wan0");
    // The name it had is somebody else's now.
    ip(&guest.netns(), "tuntap add dev eth0 mode tap");
    let mut moved = topology();
    moved["instances"]["b"]["private_ip"] = json!("10.7.1.99");
    lab.put(&moved);
    assert!(ip(&guest.netns(), "-4 address show wan0").contains("10.7.1.99/24"));
    assert_eq!(lab.client.instance("b").unwrap().interfaces[0].device, "wan0");
    assert!(lab.pings("a", "10.7.1.99"));
    let counted = lab.client.counters().unwrap();
    assert!(counted.devices.iter().any(|device| device.port == "b" && device.sent > 0), "{counted:?}");
    lab.client.detach("b").unwrap();
    assert_eq!(devices(&guest.netns()), Vec::<String>::new());
    assert!(link::find(&guest.netns(), "eth0").is_ok(), "what is not the lab's stays");
}
