//! What does an interface remember of a flow?
//!
//! Nothing is kept but what has passed; a flow's part of it is played again from the first packet on.

use std::net::IpAddr;
use std::time::Duration;

use vpclab_model::Topology;

use super::{Entry, Oracle, Reason, Walk};
use crate::packet::{Body, Flags, Packet, Piece, Quoted, QuotedTransport};

/// How long the pieces of a datagram may take.
const PIECES_TIMEOUT: Duration = Duration::from_secs(30);

/// A packet that has passed an interface.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) interface: String,
    pub(super) flow: Flow,
    pub(super) outbound: bool,
    pub(super) flags: Option<Flags>,
    pub(super) at: Duration,
    /// Set on the packet that opened the flow: whether it is tracked.
    pub(super) opens: Option<bool>,
    /// Set on a packet that opened a tracked flow by a gateway: the peering connection it came by.
    pub(super) came_by: Option<String>,
}

/// A datagram in pieces of which one has passed: the first has what is known of the others.
#[derive(Debug, Clone)]
pub(super) struct Datagram {
    pub(super) entry: Entry,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) body: Body,
    pub(super) piece: Piece,
    pub(super) at: Duration,
}

/// A flow as an interface sees it: its own side first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) own: IpAddr,
    pub(super) peer: IpAddr,
    pub(super) protocol: u8,
    pub(super) own_port: u16,
    pub(super) peer_port: u16,
    /// For echo: whether the interface's side asks.
    pub(super) asks: bool,
}

/// A remembered flow.
pub(super) struct Remembered {
    pub(super) opened_outbound: bool,
    pub(super) tracked: bool,
    pub(super) over: bool,
    pub(super) came_by: Option<String>,
}

/// How a remembered flow has gone so far.
pub(super) struct Story {
    outbound: bool,
    tracked: bool,
    last: Duration,
    protocol: u8,
    requests: u32,
    responses: u32,
    /// TCP: whether the other side has answered the opening, and the opener has confirmed.
    answered: bool,
    confirmed: bool,
    opener_finished: bool,
    other_finished: bool,
    reset: bool,
}

impl Story {
    /// The story of a flow from its first packet on.
    pub(super) fn of(turns: &[Passage]) -> Option<Self> {
        let (first, others) = turns.split_first()?;
        let mut story = Self::new(first, true);
        others.iter().for_each(|turn| story.goes_on(turn));
        Some(story)
    }

    fn new(first: &Passage, tracked: bool) -> Self {
        Self {
            outbound: first.outbound,
            tracked,
            last: first.at,
            protocol: first.flow.protocol,
            requests: 1,
            responses: 0,
            answered: false,
            // Picked up in the middle, it counts as established (CT-19).
            confirmed: first.flags.is_some_and(|flags| flags != Flags::Syn),
            opener_finished: first.flags == Some(Flags::Fin),
            other_finished: false,
            reset: first.flags == Some(Flags::Rst),
        }
    }

    fn goes_on(&mut self, passage: &Passage) {
        self.last = passage.at;
        let by_opener = passage.outbound == self.outbound;
        if by_opener {
            self.requests += 1;
        } else {
            self.responses += 1;
        }
        let Some(flags) = passage.flags else { return };
        self.reset |= flags == Flags::Rst;
        if !self.confirmed {
            self.answered |= !by_opener && flags == Flags::SynAck;
            self.confirmed = self.answered && by_opener && !matches!(flags, Flags::Syn | Flags::SynAck);
        }
        if self.confirmed && flags == Flags::Fin {
            if by_opener {
                self.opener_finished = true;
            } else {
                self.other_finished = true;
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.reset || (self.opener_finished && self.other_finished)
    }

    /// TCP of which no handshake has been seen to end.
    pub(super) fn is_opening(&self) -> bool {
        self.protocol == 6 && !self.confirmed && !self.is_over()
    }

    /// CT-02, CT-11, CT-12, CT-13, and the settings for what is not published (CT-22).
    fn timeout(&self, topology: &Topology, interface: &str) -> Duration {
        let settings = &topology.settings;
        let specified = &topology.network_interfaces[interface].connection_tracking;
        let seconds = match self.protocol {
            6 if self.is_over() => settings.tcp_closing_timeout,
            6 if self.confirmed => specified.tcp_established_timeout,
            6 => settings.tcp_opening_timeout,
            17 if self.requests > 1 && self.responses > 1 => specified.udp_stream_timeout,
            17 => specified.udp_timeout,
            1 | 58 => settings.icmp_timeout,
            _ => 600,
        };
        Duration::from_secs(seconds.into())
    }
}

impl Flow {
    pub(super) fn of(packet: &Packet, own: IpAddr, peer: IpAddr, outbound: bool) -> Self {
        let (src, dst, asks) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst, false),
            Body::Echo { id, reply } => (id, id, outbound != reply),
            Body::Error { .. } | Body::Other(_) => (0, 0, false),
        };
        let (own_port, peer_port) = if outbound { (src, dst) } else { (dst, src) };
        Self { own, peer, protocol: packet.protocol(), own_port, peer_port, asks }
    }

    /// The flow of a quoted packet, which passed the interface in the given direction.
    pub(super) fn of_quoted(quoted: &Quoted, outbound: bool) -> Self {
        let (own, peer) = if outbound { (quoted.src, quoted.dst) } else { (quoted.dst, quoted.src) };
        let (protocol, src, dst, asks) = match quoted.transport {
            QuotedTransport::Tcp(src, dst) => (6, src, dst, false),
            QuotedTransport::Udp(src, dst) => (17, src, dst, false),
            QuotedTransport::Echo { id, reply } => {
                (if quoted.src.is_ipv6() { 58 } else { 1 }, id, id, outbound != reply)
            }
            QuotedTransport::Other(number) => (number, 0, 0, false),
        };
        let (own_port, peer_port) = if outbound { (src, dst) } else { (dst, src) };
        Self { own, peer, protocol, own_port, peer_port, asks }
    }
}

/// Plays the flow's packets again, from the first on.
pub(super) fn remembered(
    passages: &[Passage],
    topology: &Topology,
    interface: &str,
    flow: &Flow,
    now: Duration,
) -> Option<Remembered> {
    let (mut conn, mut came_by): (Option<Story>, Option<String>) = (None, None);
    for passage in passages.iter().filter(|p| p.interface == interface && p.flow == *flow) {
        match (passage.opens, &mut conn) {
            (Some(tracked), _) => {
                conn = Some(Story::new(passage, tracked));
                came_by = passage.came_by.clone();
            }
            (None, Some(story)) => story.goes_on(passage),
            (None, None) => unreachable!("a flow's first packet opens it"),
        }
    }
    let story = conn?;
    let timeout = story.timeout(topology, interface);
    (now.saturating_sub(story.last) <= timeout).then_some(Remembered {
        opened_outbound: story.outbound,
        tracked: story.tracked,
        over: story.is_over(),
        came_by,
    })
}

impl Oracle {
    /// NACL-27, OQ-15: a later piece fares as one with the first one's header would, and not without it.
    pub(super) fn reassemble(&self, walk: &mut Walk<'_>, entry: &Entry) -> Result<(), Reason> {
        let packet = &walk.packet;
        let id = match packet.piece {
            Piece::Whole => return Ok(()),
            Piece::First(id) | Piece::Later(id) => id,
        };
        let fresh = Datagram {
            entry: origin(entry),
            src: packet.src,
            dst: packet.dst,
            body: packet.body,
            piece: packet.piece,
            at: walk.now,
        };
        if packet.piece == Piece::Later(id) {
            let kin: Vec<_> = self.datagrams.iter().filter(|other| other.is_of(&fresh, id)).collect();
            let begun = kin.iter().rposition(|other| matches!(other.piece, Piece::First(_)));
            let begun = begun.ok_or(Reason::NotForwarded)?;
            if kin.len() > begun + 1 || walk.now.saturating_sub(kin[begun].at) > PIECES_TIMEOUT {
                // It has come before, or too late.
                return Err(Reason::NotForwarded);
            }
            walk.packet.body = kin[begun].body;
        }
        walk.datagram = Some(fresh);
        Ok(())
    }
}

impl Datagram {
    fn is_of(&self, other: &Self, id: u16) -> bool {
        let same_id = matches!(self.piece, Piece::First(own) | Piece::Later(own) if own == id);
        let ipv6 = self.src.is_ipv6();
        let protocol = |body: &Body| Packet::of(self.src, self.dst, *body).protocol();
        same_id
            && (&self.entry, self.src, self.dst) == (&other.entry, other.src, other.dst)
            && (ipv6 || protocol(&self.body) == protocol(&other.body))
    }
}

/// Who sends: to whom its frame is addressed makes no other datagram of it.
fn origin(entry: &Entry) -> Entry {
    match entry {
        Entry::ToRouter(name) | Entry::ToNeighbor(name, _) => Entry::ToRouter(name.clone()),
        Entry::Host(name) => Entry::Host(name.clone()),
    }
}
