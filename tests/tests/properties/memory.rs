//! Does memory come back once flows are over?

use std::time::Duration;

use serde_json::{Value, json};
use vpclab_tests::generate::{self, Past, Rng};
use vpclab_tests::harness::Net;
use vpclab_tests::oracle::Oracle;
use vpclab_tests::packet::Flags;
use vpclab_tests::packet::{Packet, Piece, ping, syn, tcp, udp};
use vpclab_tests::witness;

use crate::seeds;

/// Longer than any flow may be idle: an established connection has five days (CT-14).
const LONGEST: Duration = Duration::from_secs(432_001);

/// Longer than a datagram in pieces is waited for.
const FRAGMENTS: Duration = Duration::from_secs(31);

/// How many records a sweep looks at, at least.
const SHARE: usize = 64;

/// Sweeps once round all of memory, and once more.
fn sweep_round(net: &mut Net) {
    let flows = net.engine().flows();
    let rounds = 2 * (flows.len() + flows.nat().len() + 2048) / SHARE;
    (0..rounds).for_each(|_| net.sweep());
}

/// Everything in memory is gone, and nobody is charged for anything.
#[track_caller]
fn is_empty(net: &Net, what: &str) {
    let flows = net.engine().flows();
    let (conns, lent) = (flows.len(), flows.nat().len());
    assert!(
        flows.is_empty(),
        "{what}: {conns} connections, {lent} mappings, fragments: {:?}",
        flows.datagrams()
    );
    for (instance, _) in net.fabric().instances.iter() {
        assert_eq!(flows.usage(net.fabric().instances.slot(instance)), Default::default(), "{what}");
    }
}

/// A generated network with the memory that packets of all kinds have left in it.
fn remembering(seed: u64) -> (Net, Value) {
    let mut rng = Rng::new(seed);
    let document = generate::network(&mut rng);
    let mut net = Net::new(document.clone());
    let (mut oracle, mut past) = (Oracle::default(), Past::default());
    for _ in 0..150 {
        net.pause(Duration::from_millis(5));
        let Some((entry, packet)) = generate::packet(&mut rng, &net.topology, &past) else { continue };
        let verdict = oracle.judge(&net.topology, &entry, &packet, net.now());
        past.record(&entry, &packet, &verdict);
        let (from, frame) = witness::frame(&net, &entry, &packet);
        net.send_frame(&from, &frame);
    }
    (net, document)
}

#[test]
fn memory_of_flows_that_are_over_is_returned() {
    let (mut conns, mut pieces) = (0, 0);
    for seed in seeds(20) {
        let (mut net, _) = remembering(seed);
        let flows = net.engine().flows();
        conns += flows.len();
        pieces += usize::from(!flows.datagrams().is_empty());
        net.pause(LONGEST);
        sweep_round(&mut net);
        is_empty(&net, &format!("seed {seed}"));
    }
    assert!(conns > 0 && pieces > 0, "{conns} connections, {pieces} with datagrams");
}

#[test]
fn memory_of_what_was_removed_is_returned() {
    let mut remembered = 0;
    for seed in seeds(20) {
        let (mut net, document) = remembering(seed);
        remembered += net.engine().flows().len();
        // The guests go, and everything that only leads to them; gateways go; hosts stay.
        net.change(|d| {
            let hosts = document["internet_hosts"].clone();
            *d = json!({ "internet_hosts": hosts, "vpcs": document["vpcs"] });
        });
        // No flow waits for its idle time to pass, only datagrams for their rest.
        net.pause(FRAGMENTS);
        sweep_round(&mut net);
        is_empty(&net, &format!("seed {seed}"));
        // Who comes back finds nothing of what he knew.
        net.change(|d| *d = document.clone());
        is_empty(&net, &format!("seed {seed}"));
    }
    assert!(remembered > 0);
    // What a gateway had lent goes with it, while its clients' connections stay.
    let mut net = Net::new(crate::nat::document());
    for port in 1000..1100 {
        net.send("one-0", &Packet::new("10.0.2.10", "198.51.100.7", syn(port, 443))).arrives_at("near");
    }
    assert_eq!(net.engine().flows().nat().len(), 100);
    net.change(|d| {
        d["route_tables"]["in-one"]["routes"] = json!([]);
        d["nat_gateways"].as_object_mut().unwrap().remove("one");
    });
    sweep_round(&mut net);
    assert_eq!((net.engine().flows().len(), net.engine().flows().nat().len()), (100, 0));
}

#[test]
fn memory_of_closed_connections_is_returned_before_their_idle_time() {
    let mut net = Net::new(crate::nat::document());
    let request =
        |port: u16, body: fn(u16, u16) -> _| Packet::new("10.0.2.10", "198.51.100.7", body(port, 443));
    for port in 1000..1400 {
        let seen = net.send("one-0", &request(port, syn)).arrives_at("near");
        let back = |flags| Packet::of(seen.dst, seen.src, tcp(443, seen.ports.0, flags));
        let onward = |flags| Packet::new("10.0.2.10", "198.51.100.7", tcp(port, 443, flags));
        net.send("near", &back(Flags::SynAck)).arrives_at("one-0");
        net.send("one-0", &onward(Flags::Ack)).arrives_at("near");
        if port % 2 == 0 {
            net.send("one-0", &onward(Flags::Fin)).arrives_at("near");
            net.send("near", &back(Flags::Fin)).arrives_at("one-0");
        } else {
            net.send("near", &back(Flags::Rst)).arrives_at("one-0");
        }
    }
    for port in 1000..1100 {
        net.send("one-0", &request(port, udp)).arrives_at("near");
        net.send("one-1", &Packet::new("10.0.2.11", "198.51.100.7", ping(port))).arrives_at("near");
        let piece =
            Packet { piece: Piece::First(port), may_be_cut: true, payload: 100, ..request(port, udp) };
        let router = net.router_mac("one-0");
        net.send_to("one-0", router, &piece, &[7; 100]).arrives_at("near");
    }
    let flows = net.engine().flows();
    assert!(flows.len() >= 600 && flows.nat().len() >= 600 && !flows.datagrams().is_empty());
    // A connection that is over is kept for a minute, an echo or a lone datagram for half of one; a mapping that is not
    // over for 350 s (NAT-10).
    net.wait(61);
    sweep_round(&mut net);
    let flows = net.engine().flows();
    assert_eq!((flows.len(), flows.nat().len(), flows.datagrams().is_empty()), (0, 200, true));
    net.wait(290);
    sweep_round(&mut net);
    is_empty(&net, "after 351 s");
}
