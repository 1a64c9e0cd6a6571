//! Do the generated packets come by every kind of gateway, and often?

use std::time::Duration;

use super::{Past, Rng, network, packet, pause};
use crate::harness::topology;
use crate::oracle::{Crossings, Gateway, Oracle};

#[test]
fn every_kind_of_gateway_is_crossed_in_a_tenth_of_the_runs() {
    const RUNS: u64 = 110;
    let (mut runs, mut packets) = (Crossings::default(), Crossings::default());
    for seed in 1..=RUNS {
        let mut rng = Rng::new(seed);
        let declared = topology(&network(&mut rng), None).unwrap();
        let (mut oracle, mut past, mut now) = (Oracle::default(), Past::default(), Duration::ZERO);
        for _ in 0..80 {
            now += pause(&mut rng);
            let Some((entry, packet)) = packet(&mut rng, &declared, &past) else { continue };
            let verdict = oracle.judge(&declared, &entry, &packet, now);
            past.record(&entry, &packet, &verdict);
        }
        runs = runs.plus(oracle.crossings().once());
        packets = packets.plus(oracle.crossings());
    }
    let told = Gateway::ALL.map(|kind| (kind, runs.of(kind), packets.of(kind)));
    let rare: Vec<_> = told.iter().filter(|(_, runs, _)| u64::try_from(*runs).unwrap() * 10 < RUNS).collect();
    assert!(rare.is_empty(), "{rare:?} are too rare in {RUNS} runs: {told:?}");
}
