use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

const IDLE: Duration = Duration::from_secs(350);
const CLOSING: Duration = Duration::from_secs(10);

/// A flow with nothing about it but what lending is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    client: u32,
    lease: Lease<u8>,
    last_seen: Timestamp,
    over: bool,
}

impl Loan for Flow {
    type Client = u32;
    type Pool = u8;

    fn client(&self) -> u32 {
        self.client
    }

    fn lease(&self) -> Lease<u8> {
        self.lease
    }

    fn holder(&self) -> Holder {
        Holder::Internet
    }

    fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    fn phase(&self) -> Phase {
        if self.over { Phase::Over } else { Phase::Going }
    }

    fn advance(&mut self, _: bool, flags: Option<TcpFlags>, now: Timestamp) {
        self.last_seen = now;
        self.over |= flags.is_some_and(TcpFlags::rst);
    }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(secs)
}

fn is_live(flow: &Flow, now: Timestamp) -> bool {
    now.since(flow.last_seen) <= if flow.over { CLOSING } else { IDLE }
}

/// Lends a port of pool 0 to `client`, in the way packets do.
fn lend(loans: &mut Loans<Flow>, client: u32, choice: u64, now: Timestamp) -> Option<u16> {
    let port = loans.port_for(&client, &0, choice, FLOWS_PER_DESTINATION, |flow| is_live(flow, now))?;
    loans.lend(&Flow { client, lease: Lease { pool: 0, port }, last_seen: now, over: false });
    Some(port)
}

fn full() -> Loans<Flow> {
    let mut loans = Loans::default();
    for client in 0..FLOWS_PER_DESTINATION {
        assert!(lend(&mut loans, client, u64::from(client), at(u64::from(client / 1000))).is_some());
    }
    loans
}

#[test]
fn a_flow_that_opens_again_and_again_is_kept_once() {
    let mut loans = Loans::default();
    let first = lend(&mut loans, 1, 7, at(0));
    for turn in 0..1000 {
        assert_eq!(lend(&mut loans, 1, 7, at(turn)), first, "the port is the client's already");
    }
    assert_eq!((loans.len(), loans.places.len(), loans.free.len()), (1, 1, 0));
    assert_eq!((loans.in_pool(&0), loans.held_by(Holder::Internet)), (1, 1));
    // The same for a port that goes from client to client.
    let port = first.unwrap();
    for client in 2..1000 {
        loans.lend(&Flow { client, lease: Lease { pool: 0, port }, last_seen: at(0), over: false });
    }
    assert_eq!((loans.len(), loans.places.len(), loans.in_pool(&0)), (1, 1, 1));
    // And for a client that goes from pool to pool.
    for pool in 1..=100 {
        loans.lend(&Flow { client: 999, lease: Lease { pool, port }, last_seen: at(0), over: false });
    }
    assert_eq!((loans.len(), loans.places.len(), loans.by_lease.len(), loans.pools.len()), (1, 1, 1, 1));
    loans.sweep(1, |_| false);
    assert!(
        loans.is_empty() && loans.pools.is_empty() && loans.by_holder.is_empty() && loans.by_lease.is_empty()
    );
}

#[test]
fn every_port_is_lent_once_whatever_the_choices() {
    // Choices that all fall on one port, and such as are all different.
    for choice in [|_| 5, |client: u32| u64::from(client) * 7919] {
        let mut loans = Loans::default();
        let mut seen = BTreeSet::new();
        for client in 0..FLOWS_PER_DESTINATION {
            let port = lend(&mut loans, client, choice(client), at(0)).unwrap();
            assert!(port >= LOWEST_PORT && seen.insert(port), "{client} gets {port}");
        }
        assert_eq!(lend(&mut loans, FLOWS_PER_DESTINATION, 5, at(0)), None);
        // What is given back is lent again, also when few are left.
        for kept in [50_000, 3000, 200, 100, 0] {
            let mut left = loans.len();
            while left > kept {
                loans.sweep(1, |_| false);
                left = loans.len();
            }
            let port = lend(&mut loans, u32::MAX, 5, at(0)).unwrap();
            let twice = loans.iter().filter(|flow| flow.lease.port == port).count();
            assert_eq!((twice, loans.len()), (1, kept + 1));
            let id = loans.by_client[&u32::MAX];
            loans.release(id);
        }
    }
}

#[test]
fn of_a_full_pool_the_oldest_flow_gives_way_once_it_has_expired() {
    let mut loans = full();
    let newcomer = FLOWS_PER_DESTINATION;
    // All but one of the oldest thousand have been seen since.
    for client in (0..1000).filter(|client| *client != 777) {
        loans.advance(&client, true, None, at(100));
    }
    let oldest = loans.of_client(&777).unwrap().lease.port;
    assert_eq!(loans.port_for(&newcomer, &0, 3, FLOWS_PER_DESTINATION, |flow| is_live(flow, at(350))), None);
    assert_eq!(
        loans.port_for(&newcomer, &0, 3, FLOWS_PER_DESTINATION, |flow| is_live(flow, at(351))),
        Some(oldest)
    );
    // One that has ended does so before.
    loans.advance(&54_321, true, Some(TcpFlags(4)), at(200));
    let ended = loans.of_client(&54_321).unwrap().lease.port;
    assert_eq!(loans.port_for(&newcomer, &0, 3, FLOWS_PER_DESTINATION, |flow| is_live(flow, at(210))), None);
    assert_eq!(
        loans.port_for(&newcomer, &0, 3, FLOWS_PER_DESTINATION, |flow| is_live(flow, at(211))),
        Some(ended)
    );
    assert_eq!(lend(&mut loans, newcomer, 3, at(211)), Some(ended));
    assert_eq!(loans.in_pool(&0), FLOWS_PER_DESTINATION);
    // Whoever has a port there already keeps it, full or not.
    let own = loans.of_client(&54_320).unwrap().lease.port;
    assert_eq!(lend(&mut loans, 54_320, 3, at(211)), Some(own));
}

#[test]
fn a_refused_flow_asks_about_two_others_at_most() {
    let loans = full();
    let asked = std::cell::Cell::new(0);
    let answer = loans.port_for(&FLOWS_PER_DESTINATION, &0, 3, FLOWS_PER_DESTINATION, |_| {
        asked.set(asked.get() + 1);
        true
    });
    assert_eq!(answer, None);
    assert!(asked.get() <= 2, "{} flows are asked about", asked.get());
}

#[test]
fn the_map_of_ports_finds_the_next_free_one_round_and_round() {
    let mut map = PortMap::of((LOWEST_PORT..=u16::MAX).filter(|port| *port != 40_000));
    for start in [0, 1, 38_975, 38_976, 38_977, PORTS - 1] {
        assert_eq!(map.free_from(start), Some(40_000 - LOWEST_PORT), "from {start}");
    }
    map.set(40_000, true);
    assert_eq!(map.free_from(0), None);
    map.set(u16::MAX, false);
    assert_eq!(map.free_from(5), Some(PORTS - 1));
    map.set(LOWEST_PORT, false);
    assert_eq!(map.free_from(PORTS - 1), Some(PORTS - 1));
    map.set(u16::MAX, true);
    assert_eq!(map.free_from(PORTS - 1), Some(0));
    // Lower ports are clients' own.
    map.set(LOWEST_PORT, true);
    map.set(80, false);
    assert_eq!(map.free_from(0), None);
}
