//! Named namespaces are those of `ip netns`.

use std::fs;
use std::path::Path;
use std::process::Command;

use vpclab_tap::{Netns, NetnsError, link};

use crate::fixture::{Namespace, live, unique_name};

#[test]
fn a_created_namespace_is_one_of_ip_netns_and_deleting_it_leaves_nothing() {
    if !live() {
        return;
    }
    let name = unique_name();
    assert!(!Netns::exists(&name));
    let netns = Netns::create(&name).unwrap();
    let listed =
        String::from_utf8(Command::new("ip").args(["netns", "list"]).output().unwrap().stdout).unwrap();
    assert!(listed.contains(&name) && Netns::list().contains(&name) && Netns::exists(&name));
    assert!(matches!(Netns::create(&name), Err(NetnsError::Exists(_))));
    assert_ne!(netns.inode(), Netns::host().unwrap().inode());
    let again = Netns::open_path(&Path::new("/run/netns").join(&name)).unwrap();
    assert!(again.is_same(&netns) && again.name() == Some(&name));
    Netns::delete(&name).unwrap();
    assert!(!Netns::exists(&name) && !Netns::list().contains(&name));
    assert!(!Path::new("/run/netns").join(&name).exists());
    assert!(!fs::read_to_string("/proc/mounts").unwrap().contains(&name));
    assert!(matches!(Netns::delete(&name), Err(NetnsError::NotFound(_))));
    assert!(matches!(Netns::open_name(&name), Err(NetnsError::NotFound(_))));
}

#[test]
fn a_namespace_of_ip_netns_can_be_used_and_deleted() {
    if !live() {
        return;
    }
    let name = unique_name();
    assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
    let netns = Netns::open_name(&name).unwrap();
    assert_eq!(link::list(&netns).unwrap().len(), 1, "a fresh namespace has a loopback only");
    Netns::delete(&name).unwrap();
    assert!(!Netns::exists(&name));
}

#[test]
fn a_fresh_namespace_has_its_loopback_up_and_lets_everyone_ping() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    assert!(link::find(&ns.0, "lo").unwrap().up);
    let range = ns.0.run(|| fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap()).unwrap();
    assert_eq!(range.split_whitespace().collect::<Vec<_>>(), ["0", "2147483647"]);
}

#[test]
fn running_inside_moves_nobody_and_a_panic_there_is_an_error() {
    if !live() {
        return;
    }
    let here = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let ns = Namespace::new();
    let (before, inside) = (here(), ns.0.run(here).unwrap());
    assert_eq!(inside.to_str().unwrap(), format!("net:[{}]", ns.0.inode()));
    assert_eq!(here(), before);
    let error = ns.0.run(|| panic!("inside {}", 1)).unwrap_err();
    assert!(matches!(&error, NetnsError::Panicked(message) if message == "inside 1"), "{error}");
}

#[test]
fn the_processes_of_a_namespace_are_those_that_live_in_it() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    assert_eq!(ns.0.processes(), vec![]);
    let mut child = ns.0.run(|| Command::new("sleep").arg("60").spawn().unwrap()).unwrap();
    assert_eq!(ns.0.processes(), vec![(child.id(), "sleep".to_owned())]);
    assert!(Netns::of_process(child.id()).unwrap().is_same(&ns.0));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ns.0.processes(), vec![]);
    assert!(matches!(Netns::of_process(child.id()), Err(NetnsError::NoSuchProcess(_))));
}
