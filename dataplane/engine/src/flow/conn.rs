//! How far has a connection come?
//!
//! The record of one flow at one interface, and how packets move it on. When it is forgotten is a matter of its state and
//! of the interface's timeouts (CT-11 to CT-14); where it is kept is left to [`super::FlowTable`].

use std::time::Duration;

use vpclab_wire::{TcpFlags, Transport};

use crate::fabric::{Direction, Timeouts};
use crate::index::{InstanceIdx, PeeringIdx, Slot};
use crate::time::Timestamp;

/// A connection as one interface sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conn {
    /// Who sent the first packet: outbound means the guest.
    pub opened_by: Direction,
    /// Whether later packets pass by memory or by rules.
    pub tracking: Tracking,
    /// How far it has come.
    pub state: ConnState,
    /// When the first packet passed.
    pub opened_at: Timestamp,
    /// When the last packet passed.
    pub last_seen: Timestamp,
    /// The peering connection that the opening packet came by, where answers go back by it (NAT-33, CT-26).
    pub return_path: Option<Slot<PeeringIdx>>,
    /// How many entries it takes of its instance's allowance (CT-08).
    pub entries: u8,
    /// Whose allowance it counts against (CT-15).
    pub(super) instance: Option<Slot<InstanceIdx>>,
}

/// Whether a flow's packets pass by memory or by rules (CT-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// By memory, whatever the rules say now (CT-09).
    Tracked,
    /// By the rules of both directions, each time (CT-10).
    Untracked,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnState {
    /// TCP.
    Tcp(TcpState),
    /// UDP: how many datagrams went each way, counted up to two (CT-12, CT-13).
    Udp {
        /// From the opener.
        requests: u8,
        /// Towards the opener.
        responses: u8,
    },
    /// An ICMP query and its replies.
    Icmp,
    /// Any other protocol (CT-02).
    Other,
}

/// How far a TCP connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// A SYN has passed.
    Opening {
        /// Whether the other side has answered it.
        answered: bool,
    },
    /// Data may flow.
    Established {
        /// Whether the opener has sent FIN.
        opener_finished: bool,
        /// Whether the other side has sent FIN.
        other_finished: bool,
    },
    /// FIN went both ways, or RST either way.
    Closing,
}

impl Conn {
    /// The record of a flow that this packet opens.
    pub fn opening(
        direction: Direction,
        tracking: Tracking,
        transport: &Transport,
        instance: Option<Slot<InstanceIdx>>,
        now: Timestamp,
    ) -> Self {
        let state = Self::opening_state(transport);
        Self {
            opened_by: direction,
            tracking,
            state,
            opened_at: now,
            last_seen: now,
            return_path: None,
            entries: 1,
            instance,
        }
    }

    /// How many entries it takes of its instance's allowance: none if it is not tracked.
    pub(super) fn tracked_entries(&self) -> usize {
        if self.tracking == Tracking::Tracked { usize::from(self.entries) } else { 0 }
    }

    /// The state of a flow that a packet with this transport header opens.
    pub fn opening_state(transport: &Transport) -> ConnState {
        match transport {
            Transport::Tcp(tcp) if tcp.flags.is_opening() => {
                ConnState::Tcp(TcpState::Opening { answered: false })
            }
            // What a reset begins has ended.
            Transport::Tcp(tcp) if tcp.flags.rst() => ConnState::Tcp(TcpState::Closing),
            // Picked up in the middle: whatever opened it was not seen (CT-19).
            Transport::Tcp(tcp) => ConnState::Tcp(TcpState::Established {
                opener_finished: tcp.flags.fin(),
                other_finished: false,
            }),
            Transport::Udp { .. } => ConnState::Udp { requests: 1, responses: 0 },
            Transport::Icmp(_) => ConnState::Icmp,
            Transport::Other | Transport::LaterFragment => ConnState::Other,
        }
    }

    /// After how much idle time it is forgotten, at an interface with these `timeouts`.
    pub fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match self.state {
            ConnState::Tcp(TcpState::Opening { .. }) => timeouts.tcp_opening,
            ConnState::Tcp(TcpState::Established { .. }) => timeouts.tcp_established,
            ConnState::Tcp(TcpState::Closing) => timeouts.tcp_closing,
            ConnState::Udp { requests: 2.., responses: 2.. } => timeouts.udp_stream,
            ConnState::Udp { .. } => timeouts.udp,
            ConnState::Icmp => timeouts.icmp,
            ConnState::Other => timeouts.other,
        }
    }

    /// Whether it is still remembered at `now`, at an interface with these `timeouts`.
    pub fn is_live(&self, timeouts: &Timeouts, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(timeouts)
    }

    /// Whether a packet with these flags opens the flow anew rather than going on with it: a SYN after the end.
    pub fn is_reopened_by(&self, transport: &Transport) -> bool {
        match (self.state, transport) {
            (ConnState::Tcp(TcpState::Closing), Transport::Tcp(tcp)) => tcp.flags.is_opening(),
            _ => false,
        }
    }

    pub(super) fn advance(&mut self, direction: Direction, tcp_flags: Option<TcpFlags>, now: Timestamp) {
        self.last_seen = now;
        self.state.advance(direction == self.opened_by, tcp_flags);
    }
}

impl ConnState {
    /// Whether it is a connection that has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Tcp(TcpState::Closing))
    }

    /// Takes note of a packet, sent by the opener or by the other side.
    pub(crate) fn advance(&mut self, by_opener: bool, tcp_flags: Option<TcpFlags>) {
        match self {
            Self::Tcp(state) => {
                if let Some(flags) = tcp_flags {
                    *state = state.after(flags, by_opener);
                }
            }
            Self::Udp { requests, responses } => {
                let count = if by_opener { requests } else { responses };
                *count = (*count + 1).min(2);
            }
            Self::Icmp | Self::Other => {}
        }
    }
}

impl TcpState {
    /// The state after a packet with `flags`, sent by the opener or by the other side.
    pub(super) fn after(self, flags: TcpFlags, by_opener: bool) -> Self {
        if flags.rst() {
            return Self::Closing;
        }
        match self {
            Self::Opening { .. } if !by_opener && flags.syn() => Self::Opening { answered: true },
            Self::Opening { answered: true } if by_opener && !flags.syn() => {
                Self::Established { opener_finished: flags.fin(), other_finished: false }
            }
            Self::Opening { answered } => Self::Opening { answered },
            Self::Established { opener_finished, other_finished } => {
                let opener_finished = opener_finished || (by_opener && flags.fin());
                let other_finished = other_finished || (!by_opener && flags.fin());
                if opener_finished && other_finished {
                    Self::Closing
                } else {
                    Self::Established { opener_finished, other_finished }
                }
            }
            Self::Closing => Self::Closing,
        }
    }
}
