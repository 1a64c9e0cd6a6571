use std::net::{IpAddr, Ipv4Addr};

use vpclab_wire::Protocol;

use super::*;
use crate::index::Position;

const SECOND: Duration = Duration::from_secs(1);

const TIMEOUTS: Timeouts = Timeouts {
    tcp_opening: Duration::from_secs(60),
    tcp_established: Duration::from_secs(432_000),
    tcp_closing: Duration::from_secs(10),
    udp: Duration::from_secs(30),
    udp_stream: Duration::from_secs(180),
    icmp: Duration::from_secs(20),
    other: Duration::from_secs(600),
};

fn eni(incarnation: u32) -> Slot<EniIdx> {
    Slot { index: EniIdx::from_position(0), incarnation }
}

fn instance() -> Slot<InstanceIdx> {
    Slot { index: InstanceIdx::from_position(7), incarnation: 3 }
}

fn key(port: u16) -> FlowKey {
    let address = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    FlowKey::new(address(4), address(5), Protocol::UDP, port, 53)
}

fn conn(state: ConnState) -> Conn {
    Conn {
        opened_by: Direction::Outbound,
        tracking: Tracking::Tracked,
        state,
        opened_at: Timestamp::ZERO,
        last_seen: Timestamp::ZERO,
        return_path: None,
        entries: 1,
        instance: Some(instance()),
    }
}

fn udp() -> Conn {
    conn(ConnState::Udp { requests: 1, responses: 0 })
}

fn open(port: u16) -> Effect {
    Effect::Open { eni: eni(0), key: key(port), conn: udp(), replaces: None }
}

#[test]
fn idle_times_follow_the_state() {
    let established = TcpState::Established { opener_finished: false, other_finished: false };
    let cases = [
        (ConnState::Tcp(TcpState::Opening { answered: true }), 60),
        (ConnState::Tcp(established), 432_000),
        (ConnState::Tcp(TcpState::Closing), 10),
        (ConnState::Udp { requests: 2, responses: 1 }, 30),
        (ConnState::Udp { requests: 2, responses: 2 }, 180),
        (ConnState::Icmp, 20),
        (ConnState::Other, 600),
    ];
    for (state, secs) in cases {
        let conn = conn(state);
        assert!(conn.is_live(&TIMEOUTS, Timestamp::ZERO + SECOND * secs), "{state:?}");
        let late = Timestamp::ZERO + SECOND * secs + Duration::from_nanos(1);
        assert!(!conn.is_live(&TIMEOUTS, late), "{state:?}");
    }
}

#[test]
fn a_tcp_connection_opens_with_three_packets_and_closes_with_a_fin_each_way() {
    let (syn, syn_ack, ack, fin) = (TcpFlags(0x02), TcpFlags(0x12), TcpFlags(0x10), TcpFlags(0x11));
    let steps = [
        (syn, true, TcpState::Opening { answered: false }),
        (ack, true, TcpState::Opening { answered: false }),
        (syn_ack, false, TcpState::Opening { answered: true }),
        (ack, true, TcpState::Established { opener_finished: false, other_finished: false }),
        (fin, false, TcpState::Established { opener_finished: false, other_finished: true }),
        (ack, true, TcpState::Established { opener_finished: false, other_finished: true }),
        (fin, true, TcpState::Closing),
    ];
    let mut state = TcpState::Opening { answered: false };
    for (flags, by_opener, expected) in steps {
        state = state.after(flags, by_opener);
        assert_eq!(state, expected, "after {flags:?}");
    }
}

#[test]
fn what_a_reset_begins_is_over_at_once() {
    let reset = vpclab_wire::TcpHeader {
        src_port: 1,
        dst_port: 2,
        sequence: 0,
        acknowledgment: 0,
        flags: TcpFlags(0x04),
        window: 0,
        header_len: 20,
    };
    assert!(Conn::opening_state(&vpclab_wire::Transport::Tcp(reset)).is_over());
}

#[test]
fn a_reset_of_either_side_ends_a_tcp_connection() {
    for by_opener in [true, false] {
        let state = TcpState::Established { opener_finished: false, other_finished: false };
        assert_eq!(state.after(TcpFlags(0x14), by_opener), TcpState::Closing);
    }
}

#[test]
fn a_plan_made_before_somebody_else_opened_the_flow_is_stale_and_changes_nothing() {
    let mut flows = FlowTable::default();
    assert_eq!(flows.commit(&[open(1)], Timestamp::ZERO), Ok(()));
    assert_eq!(flows.commit(&[open(2), open(1)], Timestamp::ZERO), Err(Stale));
    assert_eq!(flows.len(), 1);
}

fn roomy() -> Capacity {
    Capacity { connections: 10, connections_per_instance: 10, ..Capacity::default() }
}

#[test]
fn a_full_table_takes_no_more_and_room_comes_back_with_the_sweep() {
    let mut flows = FlowTable::new(Capacity { connections: 2, ..roomy() }, 0);
    for port in [1, 2] {
        assert_eq!(flows.room_for(&udp(), None, 100), Room::Enough);
        assert_eq!(flows.commit(&[open(port)], Timestamp::ZERO), Ok(()));
    }
    assert_eq!(flows.room_for(&udp(), None, 100), Room::MemoryFull);
    assert_eq!(flows.room_for(&udp(), Some(&udp()), 100), Room::Enough, "one goes, one comes");
    flows.sweep(Timestamp::ZERO + SECOND * 31, 10, |_| Some(&TIMEOUTS), |_, _| true, |_| true);
    assert!(flows.is_empty());
    assert_eq!(flows.usage(instance()), Usage::default());
}

#[test]
fn an_instance_has_an_allowance_of_tracked_flows_and_a_share_of_all() {
    let mut flows = FlowTable::new(Capacity { connections_per_instance: 3, ..roomy() }, 0);
    let untracked = Conn { tracking: Tracking::Untracked, ..udp() };
    let foreign = Conn { instance: Some(Slot { incarnation: 4, ..instance() }), ..udp() };
    for port in [1, 2] {
        assert_eq!(flows.commit(&[open(port)], Timestamp::ZERO), Ok(()));
    }
    assert_eq!(flows.usage(instance()), Usage { all: 2, tracked: 2 });
    assert_eq!(flows.room_for(&udp(), None, 2), Room::AllowanceExceeded);
    assert_eq!(flows.room_for(&udp(), Some(&udp()), 2), Room::Enough, "one goes, one comes");
    assert_eq!(flows.room_for(&udp(), Some(&untracked), 2), Room::AllowanceExceeded);
    assert_eq!(flows.room_for(&untracked, None, 2), Room::Enough);
    let effect = Effect::Open { eni: eni(0), key: key(3), conn: untracked, replaces: None };
    assert_eq!(flows.commit(&[effect], Timestamp::ZERO), Ok(()));
    assert_eq!(flows.room_for(&untracked, None, 2), Room::MemoryFull);
    assert_eq!(flows.room_for(&foreign, None, 2), Room::Enough, "its neighbour, or its successor, has room");
}

#[test]
fn a_sweep_looks_at_no_more_than_its_share() {
    let mut flows = FlowTable::default();
    for port in 1..=10 {
        assert_eq!(flows.commit(&[open(port)], Timestamp::ZERO), Ok(()));
    }
    flows.sweep(Timestamp::ZERO + SECOND * 31, 4, |_| Some(&TIMEOUTS), |_, _| true, |_| true);
    assert_eq!(flows.len(), 6);
}

#[test]
fn a_sweep_forgets_the_flows_of_a_slot_that_has_changed_hands() {
    let mut flows = FlowTable::default();
    assert_eq!(flows.commit(&[open(1)], Timestamp::ZERO), Ok(()));
    flows.sweep(Timestamp::ZERO, 10, |_| None, |_, _| true, |_| true);
    assert!(flows.is_empty());
    assert!(flows.conn(eni(1), &key(1)).is_none());
}

#[test]
fn two_sides_that_ping_each_other_with_one_identifier_are_two_flows() {
    let (a, b) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 4)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)));
    let query =
        |from, to, icmp_type, direction| FlowKey::query(from, to, Protocol::ICMP, 9, icmp_type, direction);
    let asked = query(a, b, 8, Direction::Outbound);
    assert_eq!(asked, query(b, a, 0, Direction::Inbound), "its reply belongs to it");
    assert_ne!(asked, query(b, a, 8, Direction::Inbound), "the other side's request does not");
}
