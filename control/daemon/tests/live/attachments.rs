//! Can a process or a namespace of somebody else become an instance, and cease to be one?

use vpclab_api::{AttachRequest, AttachmentTarget, RunState};
use vpclab_daemon::ClientError;
use vpclab_tap::{Netns, link};

use crate::fixture::{Inhabitant, Lab, live, pings, topology, unique_name, wait_until};

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
    lab.put(&topology());
    lab.client.detach("b").unwrap();
    assert!(lab.pings("a", "10.7.1.11"));
}
