//! What holds for every network and every packet?
//!
//! Networks and packets come from seeds. `VPCLAB_SEED` starts at another one, `VPCLAB_CASES` sets how many are tried;
//! `VPCLAB_FLOWS` and `VPCLAB_SWAPS` size the test with many flows and configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod explanations;
mod hostile;
mod memory;
mod nat;
mod not_known;
mod swaps;

use serde_json::Value;
use vpclab_engine::explain::{self, End, TrafficQuestion};
use vpclab_engine::{DropReason, Outcome, Port, Step};
use vpclab_tests::frames;
use vpclab_tests::generate::{self, Past, Rng};
use vpclab_tests::harness::{Net, topology};
use vpclab_tests::oracle::{Entry, Gateway, Oracle};
use vpclab_tests::packet::{Body, Flags, Packet, Piece, syn};
use vpclab_tests::witness::{self, Tally};
use vpclab_wire::{FrameBuf, Gso, Protocol, VnetHeader, complete, segments};

/// The seeds to try, `normally` of them.
fn seeds(normally: u64) -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("VPCLAB_SEED", 1);
    first..first + number("VPCLAB_CASES", normally)
}

/// A generated network, and packets that make sense in it, as the oracle sees them.
fn traffic(seed: u64, packets: usize) -> (Value, Vec<(Entry, Packet)>) {
    let mut rng = Rng::new(seed);
    let document = generate::network(&mut rng);
    let declared = topology(&document, None).unwrap();
    let (mut oracle, mut past, mut sent) = (Oracle::default(), Past::default(), Vec::new());
    let mut now = std::time::Duration::ZERO;
    for _ in 0..packets {
        now += std::time::Duration::from_millis(10);
        let Some((entry, packet)) = generate::packet(&mut rng, &declared, &past) else { continue };
        let verdict = oracle.judge(&declared, &entry, &packet, now);
        past.record(&entry, &packet, &verdict);
        sent.push((entry, packet));
    }
    (document, sent)
}

#[test]
fn plan_frame_and_oracle_agree() {
    // proves: PIPE-15
    let mut tally = Tally::default();
    let seeds = seeds(110);
    let alone = seeds.end - seeds.start == 1;
    for seed in seeds {
        match witness::run(seed, 80) {
            Ok(more) => tally = tally.plus(more),
            Err(disagreement) => {
                panic!("seed {seed}: {disagreement}\nagain: VPCLAB_SEED={seed} VPCLAB_CASES=1")
            }
        }
    }
    let rare = tally.dropped.contains(&0) || [tally.delivered, tally.told, tally.cut].contains(&0);
    assert!(alone || !rare, "some fate never occurred: {tally:?}");
    let hardly: Vec<_> = Gateway::ALL.into_iter().filter(|kind| tally.crossed.of(*kind) < 10).collect();
    assert!(alone || hardly.is_empty(), "{hardly:?} are hardly crossed: {tally:?}");
}

/// The kind of gateway that a step crosses.
fn gateway(step: &Step) -> Option<&'static str> {
    match step {
        Step::InternetGateway { .. } => Some("internet gateway"),
        Step::EgressOnly { .. } => Some("egress-only internet gateway"),
        Step::NatGateway { .. } => Some("NAT gateway"),
        Step::Peering { .. } => Some("peering connection"),
        Step::VpnGateway { .. } => Some("virtual private gateway"),
        Step::TransitGateway { .. } => Some("transit gateway"),
        _ => None,
    }
}

#[test]
fn an_explanation_says_what_forwarding_does() {
    let (mut yes, mut no) = (0, 0);
    let mut crossed = std::collections::BTreeSet::new();
    let seeds = seeds(60);
    let alone = seeds.end - seeds.start == 1;
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let document = generate::network(&mut rng);
        let net = Net::new(document.clone());
        let ends: Vec<End> = net
            .fabric()
            .enis
            .iter()
            .map(|(eni, _)| End::Interface(eni, None))
            .chain(net.fabric().hosts.iter().map(|(host, _)| End::Host(host)))
            .collect();
        for _ in 0..40 {
            let (from, to) = (*rng.pick(&ends), *rng.pick(&ends));
            let (source_port, port) = (50_000, *rng.pick(&[22, 80, 443, 5432, 40_000]));
            let ipv6 = Some(rng.chance(30));
            let Ok(resolved) = explain::resolve(net.fabric(), from, to, ipv6) else { continue };
            if resolved.source == resolved.destination {
                continue;
            }
            let udp = rng.chance(30);
            let protocol = if udp { Protocol::UDP } else { Protocol::TCP };
            let traffic =
                TrafficQuestion::Ports { protocol, port: Some(port), source_port: Some(source_port) };
            let explanation = explain::ask(net.fabric(), from, to, ipv6, traffic).unwrap();
            let Some(reachable) = explanation.reachable else { continue };
            if explanation.by_choice {
                // Some of the ways pass, and a lab's packets take one of them.
                continue;
            }
            let body = if udp { Body::Udp { src: source_port, dst: port } } else { syn(source_port, port) };
            let packet = Packet::of(resolved.source, resolved.destination, body);
            let name = match from {
                End::Interface(eni, _) => net.name(Port::Interface(eni)),
                End::Host(host) => net.name(Port::Host(host)),
                End::Internet | End::Address(_) => continue,
            };
            let converses = Net::new(document.clone()).converses(&name, &packet);
            assert_eq!(
                reachable, converses,
                "seed {seed}: {name} sends {packet:?}: {explanation:#?}\n{document}"
            );
            assert_eq!(reachable, explanation.blockers.is_empty(), "seed {seed}: a no names who denies");
            if reachable {
                yes += 1;
                crossed.extend(explanation.forward.steps.iter().filter_map(gateway));
            } else {
                no += 1;
            }
        }
    }
    assert!(alone || (yes > 0 && no > 0), "{yes} reachable, {no} not");
    assert!(alone || crossed.len() >= 5, "no way leads through others than {crossed:?}");
}

#[test]
fn the_order_of_rules_in_a_security_group_means_nothing() {
    // proves: SG-01
    for seed in seeds(40) {
        let (document, packets) = traffic(seed, 60);
        let mut net = Net::new(document.clone());
        let mut turned = net.topology.clone();
        for group in turned.security_groups.values_mut() {
            group.ingress.reverse();
            group.egress.reverse();
        }
        for eni in turned.network_interfaces.values_mut() {
            eni.security_groups.reverse();
        }
        let mut turned = Net::from_topology(turned, document);
        for (entry, packet) in packets {
            let (from, frame) = witness::frame(&net, &entry, &packet);
            let (one, other) = (net.send_frame(&from, &frame), turned.send_frame(&from, &frame));
            let verdict = |outcome| match outcome {
                Outcome::Dropped(why) => why.name().to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(verdict(one.outcome), verdict(other.outcome), "seed {seed}: {packet:?}");
            assert_eq!(one.sent, other.sent, "seed {seed}: {packet:?}");
        }
    }
}

#[test]
fn a_checksum_left_to_the_device_changes_nothing() {
    for seed in seeds(40) {
        let (document, packets) = traffic(seed, 60);
        let (mut plain, mut offloaded) = (Net::new(document.clone()), Net::new(document));
        for (entry, packet) in packets {
            let (from, frame) = witness::frame(&plain, &entry, &packet);
            let partial = match packet.body {
                Body::Tcp { .. } | Body::Udp { .. } if packet.piece == Piece::Whole => {
                    frames::with_partial_checksum(&packet, &frame[vpclab_wire::VNET_LEN..]).into_bytes()
                }
                _ => frame.clone(),
            };
            let (one, other) = (plain.send_frame(&from, &frame), offloaded.send_frame(&from, &partial));
            assert_eq!(one.outcome, other.outcome, "seed {seed}: {packet:?}");
            if matches!(one.outcome, Outcome::Dropped(_)) {
                // What an error quotes is the packet as it came, with the checksum it had.
                assert_eq!(one.sent.len(), other.sent.len(), "seed {seed}: {packet:?}");
                continue;
            }
            let completed: Vec<_> = other
                .sent
                .into_iter()
                .map(|(name, bytes)| {
                    let mut frame = FrameBuf::from_bytes(bytes).unwrap();
                    complete(&mut frame.as_mut());
                    (name, frame.into_bytes())
                })
                .collect();
            assert_eq!(one.sent, completed, "seed {seed}: {packet:?}");
        }
    }
}

/// A frame without what NAT64 numbers it with, if that has made IPv4 of it: any number of a packet's own will do (RFC
/// 7915, section 5.1), and a superframe takes one where its segments take several.
fn unnumbered(mut frame: Vec<u8>, translated: bool) -> Vec<u8> {
    const ETHERTYPE: std::ops::Range<usize> = 24..26;
    const IDENTIFICATION: std::ops::Range<usize> = 30..32;
    const CHECKSUM: std::ops::Range<usize> = 36..38;
    if translated && frame[ETHERTYPE] == [0x08, 0x00] {
        frame[IDENTIFICATION].fill(0);
        frame[CHECKSUM].fill(0);
    }
    frame
}

#[test]
fn a_superframe_fares_like_its_segments() {
    let mut passed = 0;
    for seed in seeds(40) {
        let (document, packets) = traffic(seed, 60);
        let (mut plain, mut offloaded) = (Net::new(document.clone()), Net::new(document));
        for (entry, packet) in packets {
            let Body::Tcp { src, dst, .. } = packet.body else { continue };
            let packet = Packet { piece: Piece::Whole, may_be_cut: false, ..packet };
            for (flags, length) in [(Flags::Syn, 0), (Flags::Ack, 2500)] {
                let packet = Packet { body: Body::Tcp { src, dst, flags }, ..packet.clone() };
                let (from, frame) = witness::frame(&plain, &entry, &packet);
                if length == 0 {
                    plain.send_frame(&from, &frame);
                    offloaded.send_frame(&from, &frame);
                    continue;
                }
                let mac =
                    |range: std::ops::Range<usize>| vpclab_wire::MacAddr(frame[range].try_into().unwrap());
                let (dst_mac, src_mac) = (mac(12..18), mac(18..24));
                let ethernet = frames::ethernet(&packet, src_mac, dst_mac, &vec![7; length]);
                let mut superframe = frames::with_partial_checksum(&packet, &ethernet);
                let gso = if packet.is_ipv6() { Gso::TcpV6 } else { Gso::TcpV4 };
                let vnet = VnetHeader { gso, gso_size: 1000, hdr_len: 54, ..superframe.vnet() };
                superframe.as_mut().set_vnet(&vnet);
                let pieces = segments(superframe.bytes()).unwrap();
                assert_eq!(pieces.len(), 3);
                let whole = offloaded.send_frame(&from, superframe.bytes());
                let mut sent = Vec::new();
                for piece in &pieces {
                    let fate = plain.send_frame(&from, piece.bytes());
                    assert_eq!(fate.outcome, whole.outcome, "seed {seed}: {packet:?}");
                    sent.extend(fate.sent);
                }
                if matches!(whole.outcome, Outcome::Dropped(_)) {
                    // Its sender is told once about a superframe, and about each segment.
                    assert_eq!(sent.is_empty(), whole.sent.is_empty(), "seed {seed}: {packet:?}");
                    continue;
                }
                let cut: Vec<_> = whole
                    .sent
                    .iter()
                    .flat_map(|(name, bytes)| {
                        segments(bytes).unwrap().into_iter().map(|s| (name.clone(), s.into_bytes()))
                    })
                    .collect();
                let alike = |frames: Vec<(String, Vec<u8>)>| -> Vec<_> {
                    let translated = packet.is_ipv6();
                    frames.into_iter().map(|(to, frame)| (to, unnumbered(frame, translated))).collect()
                };
                passed += cut.len();
                assert_eq!(alike(sent), alike(cut), "seed {seed}: {packet:?}");
            }
        }
    }
    assert!(passed > 0, "no superframe passed");
}

#[test]
fn no_connection_attaches_to_another_interface() {
    for seed in seeds(40) {
        let (document, packets) = traffic(seed, 40);
        let mut net = Net::new(document.clone());
        let mut oracle = Oracle::default();
        let mut rng = Rng::new(seed);
        for (entry, packet) in packets {
            // One instance goes; its successor has its slot, its addresses and its groups, under another name.
            let instances: Vec<String> = document["instances"].as_object().unwrap().keys().cloned().collect();
            if rng.chance(20) {
                let leaving = rng.pick(&instances).clone();
                let mut next = document.clone();
                let all = next["instances"].as_object_mut().unwrap();
                let attributes = all.remove(&leaving).unwrap();
                all.insert(format!("{leaving}-successor"), attributes);
                if topology(&next, None).is_ok() {
                    witness::change(&mut net, &mut oracle, &next);
                }
                if rng.chance(50) {
                    witness::change(&mut net, &mut oracle, &document);
                }
            }
            net.wait(1);
            if witness::exists(&net, &entry)
                && let Err(what) = witness::confront(&mut net, &mut oracle, &entry, &packet)
            {
                panic!("seed {seed}: {what}\n{document}");
            }
        }
    }
}

#[test]
fn what_is_dropped_is_not_remembered() {
    let mut dropped = 0;
    for seed in seeds(20) {
        let (document, packets) = traffic(seed, 60);
        let mut net = Net::new(document);
        for (entry, packet) in packets {
            let (from, frame) = witness::frame(&net, &entry, &packet);
            if net.plan(&from, &frame).born.is_some() {
                // The flow that its sender is told about is (CT-17).
                net.send_frame(&from, &frame);
                continue;
            }
            let before = format!("{:?}", net.engine().flows());
            // Whoever is told of a packet's death remembers what it was about, or could not be told (CT-17).
            let fate = net.send_frame(&from, &frame);
            if matches!(fate.outcome, Outcome::Dropped(why) if !matches!(why, DropReason::MtuExceeded { .. }))
            {
                assert_eq!(before, format!("{:?}", net.engine().flows()), "seed {seed}: {packet:?}");
                dropped += 1;
            }
        }
    }
    assert!(dropped > 0);
}

/// Every kept input of a fuzz target.
fn regressions(target: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions").join(target);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let inputs: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

#[test]
fn inputs_that_once_broke_the_parser_are_survived() {
    for (path, input) in regressions("parse") {
        println!("{}", path.display());
        vpclab_tests::fuzz::parse(&input);
    }
}

#[test]
fn inputs_on_which_the_witnesses_once_disagreed_are_settled() {
    for (path, input) in regressions("verdict") {
        println!("{}", path.display());
        vpclab_tests::fuzz::verdict(&input);
    }
}
