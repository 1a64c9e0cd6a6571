//! Does an explanation say what forwarding does?
//!
//! A question about two ends is asked, and one of its packets is sent in a laboratory of its own. What always holds: a yes
//! comes there and back, a no dies of something that the explanation names, and what is unknown is not taken for either.

use std::net::IpAddr;

use serde_json::Value;
use vpclab_engine::explain::{self, End, Explanation, TrafficQuestion};
use vpclab_engine::{Outcome, Port};
use vpclab_tests::generate::{self, Rng};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, Packet, ping, syn};
use vpclab_wire::Protocol;

use crate::seeds;

/// What questions came to.
#[derive(Debug, Default)]
struct Tally {
    yes: usize,
    no: usize,
    unknown: usize,
    /// Questions that a choice of gateways decides, by what became of the packet.
    chosen: [usize; 2],
    pings: usize,
    to_the_internet: usize,
    customers: usize,
    every_protocol: usize,
}

/// A host of the internet that no generated network declares.
const STRANGER: [&str; 2] = ["9.9.9.9", "2620:fe::fe"];

/// Whom questions are about: everybody who is declared, somebody on the internet, and an address of each customer's that
/// nobody has.
fn ends(net: &Net) -> Vec<End> {
    let fabric = net.fabric();
    let interfaces = fabric.enis.iter().map(|(eni, _)| End::Interface(eni, None));
    let hosts = fabric.hosts.iter().map(|(host, _)| End::Host(host));
    let strangers = STRANGER.iter().map(|address| End::Address(address.parse().unwrap()));
    let nobodys = fabric.customer_networks.iter().filter_map(|(network, customer)| {
        let free = |address: &IpAddr| fabric.customer_host_at(network, *address).is_none();
        customer.blocks.first()?.hosts().nth(200).filter(free).map(End::Address)
    });
    interfaces.chain(hosts).chain(strangers).chain(nobodys).collect()
}

/// Some traffic, and one packet of it.
fn traffic(rng: &mut Rng, source: IpAddr, destination: IpAddr) -> (TrafficQuestion, Packet) {
    let port = *rng.pick(&[22, 80, 443, 5432, 40_000]);
    let source_port = *rng.pick(&[53, 443, 1_024, 32_768, 40_000, 50_000, 60_999]);
    let udp = rng.chance(30);
    let protocol = if udp { Protocol::UDP } else { Protocol::TCP };
    let body = if udp { Body::Udp { src: source_port, dst: port } } else { syn(source_port, port) };
    let (question, body) = match rng.below(10) {
        0..=1 => (TrafficQuestion::Echo, ping(1)),
        2 => (TrafficQuestion::All, if rng.chance(30) { ping(1) } else { body }),
        3 => {
            // Any source port that a client may choose.
            let source = *rng.pick(&[32_768, 40_000, 60_999]);
            let body = if udp { Body::Udp { src: source, dst: port } } else { syn(source, port) };
            (TrafficQuestion::Ports { protocol, port: Some(port), source_port: None }, body)
        }
        _ => (TrafficQuestion::Ports { protocol, port: Some(port), source_port: Some(source_port) }, body),
    };
    (question, Packet::of(source, destination, body))
}

/// What became of a packet and its answer: whether it came there and back, or of what the first of the two died.
fn send(document: &Value, name: &str, packet: &Packet, is_to_stranger: bool) -> Result<bool, String> {
    let first = Net::new(document.clone()).send(name, packet);
    match first.outcome {
        Outcome::Dropped(why) => Err(why.name().to_owned()),
        // Nobody is there who could answer.
        _ if is_to_stranger => Ok(true),
        _ => Ok(Net::new(document.clone()).converses(name, packet)),
    }
}

/// Whether what a packet died of is among what is told. A neighbour that does not exist is one to the guest that asks for
/// it; the laboratory sends its frame all the same, and a stopped instance's dies earlier.
fn is_named(why: &str, names: &[&str]) -> bool {
    names.contains(&why) || why == "instance-stopped" && names.contains(&"no-such-address")
}

/// Whether all that is told of a question holds of this packet. What interfaces without a guest send, the laboratory
/// drops for a reason of its own: of theirs only whether it dies is compared.
fn confront(
    told: &Explanation,
    sent: &Result<bool, String>,
    by_guest: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let came = *sent == Ok(true);
    let names: Vec<&str> = told.blockers.iter().map(|blocker| blocker.reason.name()).collect();
    let is_partial = told.blockers.iter().all(|blocker| blocker.partial.is_some());
    match told.reachable {
        Some(true) if !came => return Err(format!("a yes, and {sent:?}")),
        Some(true) => tally.yes += 1,
        Some(false) if told.by_choice => tally.chosen[usize::from(came)] += 1,
        Some(false) if is_partial => {}
        Some(false) if came => return Err("a no, and it came there and back".to_owned()),
        Some(false) if by_guest && sent.as_ref().is_err_and(|why| !is_named(why, &names)) => {
            return Err(format!("a no for other reasons than {sent:?}"));
        }
        Some(false) => tally.no += 1,
        // Unknown, for a resource or for too many classes: never silently taken for an agreement.
        None if told.unmodelled.is_empty() && !told.inexhaustive => {
            return Err("null without a reason".to_owned());
        }
        None => tally.unknown += 1,
    }
    if told.reachable == Some(false) && names.is_empty() {
        return Err("a no names who denies".to_owned());
    }
    Ok(())
}

#[test]
fn an_explanation_of_any_traffic_says_what_forwarding_does() {
    let mut tally = Tally::default();
    let seeds = seeds(20);
    let alone = seeds.end - seeds.start == 1;
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let document = generate::network(&mut rng);
        let net = Net::new(document.clone());
        let ends = ends(&net);
        for _ in 0..40 {
            let (from, to) = (*rng.pick(&ends), *rng.pick(&ends));
            let ipv6 = Some(rng.chance(30));
            let Ok(resolved) = explain::resolve(net.fabric(), from, to, ipv6) else { continue };
            if resolved.source == resolved.destination {
                continue;
            }
            let name = match from {
                End::Interface(eni, _) => net.name(Port::Interface(eni)),
                End::Host(host) => net.name(Port::Host(host)),
                End::Internet | End::Address(_) => continue,
            };
            let (traffic, packet) = traffic(&mut rng, resolved.source, resolved.destination);
            let told = explain::ask(net.fabric(), from, to, ipv6, traffic).unwrap();
            let is_stranger =
                STRANGER.iter().any(|stranger| resolved.destination == stranger.parse::<IpAddr>().unwrap());
            let sent = send(&document, &name, &packet, is_stranger);
            let by_guest = match from {
                End::Interface(eni, _) => net.fabric().enis[eni].attachment.is_some(),
                _ => true,
            };
            if let Err(what) = confront(&told, &sent, by_guest, &mut tally) {
                panic!("seed {seed}: {name} sends {packet:?} of {traffic:?}: {what}: {told:#?}\n{document}");
            }
            tally.pings += usize::from(traffic == TrafficQuestion::Echo);
            tally.every_protocol += usize::from(traffic == TrafficQuestion::All);
            tally.to_the_internet += usize::from(is_stranger && told.reachable == Some(true));
            let of_customer = |end: End| matches!(end, End::Host(host) if !net.fabric().is_on_internet(host));
            tally.customers += usize::from(of_customer(from) || of_customer(to));
        }
    }
    let Tally { yes, no, pings, customers, every_protocol, .. } = &tally;
    let counts = [yes, no, pings, customers, every_protocol];
    assert!(alone || counts.iter().all(|count| **count > 0), "something was never asked: {tally:?}");
}
