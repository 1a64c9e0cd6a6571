//! Links that lose, double and delay.

use super::{WEB, at, ip, shop, topology};
use crate::{Faults, GuestRef, Lab, LabOptions, Ping, TcpDial};

fn lab(seed: u64, offloads: bool, faults: Faults) -> Lab {
    let options = LabOptions { seed, offloads, record_frames: true, faults, ..LabOptions::default() };
    Lab::new(&topology(shop()), options)
}

const ROUGH: Faults = Faults { loss: 0.02, duplicate: 0.02, reorder: 0.1 };

fn talk(lab: &mut Lab) {
    let payload: Vec<u8> = (0..200_000u32).flat_map(|word| word.to_be_bytes()[2..].to_vec()).collect();
    let mut dial = TcpDial::new(at("10.0.2.10:443")).with_payload(payload);
    dial.deadline = std::time::Duration::from_secs(600);
    let outcome = lab.tcp(WEB, &dial).unwrap();
    assert!(outcome.is_success(), "{outcome:?}");
}

#[test]
fn tcp_gets_through_loss_duplicates_and_reordering() {
    for offloads in [false, true] {
        let mut lab = lab(7, offloads, ROUGH);
        talk(&mut lab);
        let links = lab.link_counters();
        assert!(links.lost > 0 && links.duplicated > 0 && links.reordered > 0, "{links:?}");
        assert_eq!(lab.total_guest_counters().wrong_checksums, 0);
    }
}

#[test]
fn the_same_seed_gives_the_same_frames_and_another_one_others() {
    let frames = |seed| {
        let mut lab = lab(seed, true, ROUGH);
        talk(&mut lab);
        let _ = lab.ping(GuestRef::Host("client"), &Ping::new(ip("203.0.113.10"))).unwrap();
        (lab.now(), lab.take_frames())
    };
    let first = frames(1);
    assert!(first.1.len() > 20);
    assert_eq!(first, frames(1));
    assert_ne!(first, frames(2));
}

#[test]
fn a_dead_link_is_a_timeout() {
    let mut lab = lab(1, false, Faults { loss: 1.0, ..Faults::default() });
    assert!(!lab.tcp(WEB, &TcpDial::new(at("10.0.2.10:443"))).unwrap().is_success());
    assert_eq!(lab.link_counters().lost, lab.link_counters().carried);
}

#[test]
fn too_many_events_end_a_call() {
    let options = LabOptions { max_events: 50, ..LabOptions::default() };
    let mut lab = Lab::new(&topology(shop()), options);
    let dial = TcpDial::new(at("10.0.2.10:443")).with_payload(vec![0; 10_000_000]);
    let outcome = lab.tcp(WEB, &dial).unwrap();
    assert!(!outcome.is_success(), "{outcome:?}");
}
