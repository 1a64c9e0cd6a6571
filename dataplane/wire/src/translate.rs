//! What does a packet look like in the other address family?
//!
//! IP/ICMP translation (RFC 7915), as a NAT64 gateway (RFC 6146) does it to every packet: where [`rewrite`](crate::rewrite())
//! changes a frame in place, this makes a new one, because the IP header has another length. Checksums follow by the
//! difference here too, so no payload is read (but for a UDP datagram that has no checksum and needs one, and for the few
//! bytes an ICMP error quotes), and what was damaged stays so. A frame from [`ipv6_to_ipv4`] and [`ipv4_to_ipv6`] parses. Which
//! addresses and ports the packet gets, and whether its TTL has run out, is the caller's affair; so is cutting it where it
//! has become too long for the next link.

mod header;
mod icmp;

use crate::bytes::{be16, put16};
use crate::checksum::{
    Delta, ICMP_FIELD, TCP_FIELD, UDP_FIELD, complete, pseudo_header, write_transport, written,
};
use crate::frame::{ETHERNET_LEN, FrameBuf, FrameMut, VNET_LEN};
use crate::headers::{IcmpMessage, IpHeaders, Protocol, Transport};
use crate::mac::MacAddr;
use crate::mss::clamp;
use crate::parse::{IPV4, IPV6, IPV6_LEN};
use crate::rewrite::{set_identifier, set_ports};
use crate::vnet::{Gso, VnetHeader};
use header::{FRAGMENT_LEN, Outline};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a packet becomes: addresses of the family `A`; where there is an `Option`, `None` leaves a field as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Translation<A> {
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// Ethernet destination.
    pub dst_mac: MacAddr,
    /// IP source.
    pub src: A,
    /// IP destination.
    pub dst: A,
    /// TCP or UDP source port; the identifier of an ICMP echo.
    pub src_port: Option<u16>,
    /// TCP or UDP destination port; the identifier of an ICMP echo (when both are given, this one stays).
    pub dst_port: Option<u16>,
    /// Time to live, or hop limit.
    pub ttl: Option<u8>,
    /// The largest maximum segment size, in bytes, that a TCP SYN may announce; as in [`Rewrite`](crate::Rewrite).
    pub max_segment_size: Option<u16>,
    /// The packet an ICMP error is about; an error is not translated without it. No effect on anything else.
    pub embedded: Option<EmbeddedTranslation<A>>,
}

/// What the packet becomes that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmbeddedTranslation<A> {
    /// IP source.
    pub src: A,
    /// IP destination.
    pub dst: A,
    /// TCP or UDP source port; the identifier of an ICMP echo.
    pub src_port: Option<u16>,
    /// TCP or UDP destination port; the identifier of an ICMP echo (when both are given, this one stays).
    pub dst_port: Option<u16>,
}

/// Why a packet has no counterpart in the other family. RFC 7915 drops all of these; the reasons are for counters and people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Untranslatable {
    /// The headers were not read from this frame, or it is of the new family already: a mistake of the caller.
    #[error("the headers are not those of a frame of the other address family")]
    Mismatch,
    /// Neither TCP, UDP nor the family's own ICMP.
    #[error("only TCP, UDP and ICMP are translated")]
    Protocol,
    /// An ICMP message, or a code of it, that the other family does not have (RFC 7915, sections 4.2 and 5.2).
    #[error("the ICMP message has no counterpart in the other address family")]
    IcmpMessage,
    /// The packet an ICMP error quotes cannot be read or translated, is an ICMP error itself, or is not described by
    /// [`Translation::embedded`].
    #[error("the packet that the ICMP error quotes cannot be translated")]
    QuotedPacket,
    /// A fragment of ICMP, whose checksum in IPv6 takes the length of the whole message (RFC 7915, section 1.2).
    #[error("fragments of ICMP messages are not translated")]
    IcmpFragment,
    /// A fragment of a UDP datagram without a checksum, which IPv6 requires (RFC 7915, section 4.5).
    #[error("a fragment of a UDP datagram without a checksum")]
    FragmentWithoutChecksum,
    /// An IPv6 routing header with segments left (RFC 7915, section 5.1), an authentication header, or extension headers
    /// behind a fragment header, without which the other fragments would not fit together.
    #[error("an IPv6 extension header that cannot be left out")]
    ExtensionHeader,
    /// An IPv4 source route that has not come to its end (RFC 7915, section 4.1).
    #[error("an IPv4 source route that has not come to its end")]
    SourceRoute,
    /// Longer than a packet of the new family can be; a superframe fits once it is cut with
    /// [`segments`](crate::segments).
    #[error("the packet is longer than the other address family allows")]
    TooLong,
    /// A [`Gso::UdpFragmentation`] superframe, to be cut with [`segments`](crate::segments) first.
    #[error("a datagram that is still to be cut into fragments")]
    UncutFragments,
}

impl<A> Translation<A> {
    /// Another pair of addresses, and zero MAC addresses; everything else stays.
    pub const fn new(src: A, dst: A) -> Self {
        Self {
            src_mac: MacAddr([0; 6]),
            dst_mac: MacAddr([0; 6]),
            src,
            dst,
            src_port: None,
            dst_port: None,
            ttl: None,
            max_segment_size: None,
            embedded: None,
        }
    }
}

impl<A> EmbeddedTranslation<A> {
    /// Another pair of addresses; ports stay.
    pub const fn new(src: A, dst: A) -> Self {
        Self { src, dst, src_port: None, dst_port: None }
    }
}

impl<A: Copy + Into<IpAddr>> Translation<A> {
    /// The same for code that serves both directions.
    fn of_any_family(&self) -> Translation<IpAddr> {
        Translation {
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            src: self.src.into(),
            dst: self.dst.into(),
            src_port: self.src_port,
            dst_port: self.dst_port,
            ttl: self.ttl,
            max_segment_size: self.max_segment_size,
            embedded: self.embedded.map(|embedded| EmbeddedTranslation {
                src: embedded.src.into(),
                dst: embedded.dst.into(),
                src_port: embedded.src_port,
                dst_port: embedded.dst_port,
            }),
        }
    }
}

/// The IPv4 frame that an IPv6 frame (virtio header first) becomes (RFC 7915, section 5). `headers` are those
/// [`parse`](crate::parse) read from it.
///
/// Extension headers are left out. A fragment stays one, with the lower 16 bits of its identification. Any other packet gets
/// "don't fragment" when it is longer than 1260 bytes (a superframe: when its segments are); a shorter one may be fragmented,
/// for its sender cannot be told to go below the least MTU of IPv6, and takes `identification`, which should differ among
/// the packets of a conversation (RFC 6864). Traffic class becomes type of service. An ICMP error is cut to 576 bytes and
/// loses its extensions (RFC 4884). Superframes and partial checksums stay what they are.
///
/// # Errors
/// Why the packet must be dropped instead.
pub fn ipv6_to_ipv4(
    frame: &[u8],
    headers: &IpHeaders,
    translation: &Translation<Ipv4Addr>,
    identification: u16,
) -> Result<FrameBuf, Untranslatable> {
    translate(frame, headers, &translation.of_any_family(), identification)
}

/// The IPv6 frame that an IPv4 frame (virtio header first) becomes (RFC 7915, section 4). `headers` are those
/// [`parse`](crate::parse) read from it.
///
/// Options are left out. A fragment stays one, and gets a fragment header with its identification; any other packet gets none,
/// whether it may be fragmented or not. Where it may, and has become longer than the next link takes, the caller cuts it before
/// it is translated ([`fragment_ipv4`](crate::fragment_ipv4), to 28 bytes below that link's MTU). A UDP datagram without a
/// checksum gets one. Type of service becomes traffic class; the flow label is 0. An ICMP error is cut to 1280 bytes and
/// loses its extensions (RFC 4884). Superframes and partial checksums stay what they are.
///
/// # Errors
/// Why the packet must be dropped instead.
pub fn ipv4_to_ipv6(
    frame: &[u8],
    headers: &IpHeaders,
    translation: &Translation<Ipv6Addr>,
) -> Result<FrameBuf, Untranslatable> {
    translate(frame, headers, &translation.of_any_family(), 0)
}

fn translate(
    frame: &[u8],
    headers: &IpHeaders,
    change: &Translation<IpAddr>,
    identification: u16,
) -> Result<FrameBuf, Untranslatable> {
    let (vnet, ethernet) = frame.split_first_chunk::<VNET_LEN>().ok_or(Untranslatable::Mismatch)?;
    let vnet = VnetHeader::parse(vnet).map_err(|_| Untranslatable::Mismatch)?;
    let to_ipv6 = change.src.is_ipv6();
    let (_, packet) = ethernet
        .split_first_chunk::<ETHERNET_LEN>()
        .filter(|_| headers.is_ipv6() != to_ipv6)
        .ok_or(Untranslatable::Mismatch)?;
    let packet_len = usize::try_from(headers.packet_len).unwrap_or(usize::MAX);
    let packet = packet.get(..packet_len).ok_or(Untranslatable::Mismatch)?;
    if vnet.gso == Gso::UdpFragmentation {
        return Err(Untranslatable::UncutFragments);
    }
    let outline = if to_ipv6 { Outline::of_whole_ipv4(packet) } else { Outline::of_ipv6(packet) }?;
    let protocol = counterpart(headers)?;
    let data = packet
        .get(outline.len..)
        .filter(|_| outline.protocol == headers.protocol)
        .filter(|_| ETHERNET_LEN + outline.len == usize::from(headers.transport_offset))
        .ok_or(Untranslatable::Mismatch)?;
    let message;
    let data = match headers.transport {
        Transport::Icmp(icmp) if let IcmpMessage::Error { embedded } = icmp.message => {
            message = icmp::error(ethernet, headers, data, embedded, change)?;
            &message
        }
        _ => data,
    };
    let segment_len = if vnet.is_superframe() {
        usize::try_from(headers.largest_segment).unwrap_or(usize::MAX).saturating_sub(outline.len)
    } else {
        data.len()
    };

    let mut bytes = Vec::with_capacity(VNET_LEN + ETHERNET_LEN + IPV6_LEN + FRAGMENT_LEN + data.len());
    bytes.extend_from_slice(&[0; VNET_LEN]);
    bytes.extend_from_slice(&change.dst_mac.0);
    bytes.extend_from_slice(&change.src_mac.0);
    bytes.extend_from_slice(&if to_ipv6 { IPV6 } else { IPV4 }.to_be_bytes());
    let outline =
        Outline { protocol, ttl: change.ttl.unwrap_or(outline.ttl), data_len: data.len(), ..outline };
    outline.write(&mut bytes, change.src, change.dst, segment_len, identification)?;
    let at = bytes.len() - VNET_LEN;
    bytes.extend_from_slice(data);
    let vnet = moved(&vnet, usize::from(headers.transport_offset), at, bytes.len() - VNET_LEN)?;
    let mut translated = FrameBuf::from_bytes(bytes).map_err(|_| Untranslatable::Mismatch)?;
    translated.as_mut().set_vnet(&vnet);
    translate_transport(&mut translated.as_mut(), at, headers, change)?;
    Ok(translated)
}

/// The protocol of the packet in the other family.
fn counterpart(headers: &IpHeaders) -> Result<Protocol, Untranslatable> {
    match headers.protocol {
        Protocol::TCP | Protocol::UDP => Ok(headers.protocol),
        Protocol::ICMP | Protocol::ICMPV6 if headers.is_ipv6() != (headers.protocol == Protocol::ICMPV6) => {
            Err(Untranslatable::Protocol)
        }
        Protocol::ICMP | Protocol::ICMPV6 if headers.fragment.is_some() => Err(Untranslatable::IcmpFragment),
        Protocol::ICMP => Ok(Protocol::ICMPV6),
        Protocol::ICMPV6 => Ok(Protocol::ICMP),
        _ => Err(Untranslatable::Protocol),
    }
}

/// The virtio header of a frame of `len` bytes whose transport header has moved.
fn moved(vnet: &VnetHeader, from: usize, to: usize, len: usize) -> Result<VnetHeader, Untranslatable> {
    let follow = |place: u16| (usize::from(place) + to).saturating_sub(from);
    let hdr_len = if vnet.hdr_len == 0 { 0 } else { follow(vnet.hdr_len).min(len) };
    let csum_start = if vnet.needs_csum() { follow(vnet.csum_start) } else { usize::from(vnet.csum_start) };
    Ok(VnetHeader {
        gso: match vnet.gso {
            Gso::TcpV4 => Gso::TcpV6,
            Gso::TcpV6 => Gso::TcpV4,
            other => other,
        },
        hdr_len: u16::try_from(hdr_len).map_err(|_| Untranslatable::TooLong)?,
        csum_start: u16::try_from(csum_start).map_err(|_| Untranslatable::TooLong)?,
        ..*vnet
    })
}

/// Changes the transport header, which stands at `at` as it stood in the old packet. Errors are complete already.
fn translate_transport(
    frame: &mut FrameMut<'_>,
    at: usize,
    headers: &IpHeaders,
    change: &Translation<IpAddr>,
) -> Result<(), Untranslatable> {
    let vnet = frame.vnet();
    let bytes = frame.ethernet_mut();
    let mut covered = Delta::new();
    let field = match headers.transport {
        Transport::Tcp(tcp) => {
            set_ports(bytes, at, change.src_port, change.dst_port, &mut covered);
            if let Some(limit) = change.max_segment_size {
                clamp(bytes, at, &tcp, limit, &mut covered);
            }
            TCP_FIELD
        }
        Transport::Udp { .. } => {
            set_ports(bytes, at, change.src_port, change.dst_port, &mut covered);
            UDP_FIELD
        }
        Transport::Icmp(icmp) => {
            return match icmp.message {
                IcmpMessage::Error { .. } => Ok(()),
                _ => translate_echo(bytes, at, headers, change),
            };
        }
        Transport::Other | Transport::LaterFragment => return Ok(()),
    };
    let place = at + usize::from(field);
    let checksum = be16(bytes, place).unwrap_or_default();
    // Length and protocol add the same to both pseudo headers.
    let addresses = Delta::between(
        pseudo_header(headers.src, headers.dst, headers.protocol, 0),
        pseudo_header(change.src, change.dst, headers.protocol, 0),
    );
    if vnet.needs_csum() && usize::from(vnet.csum_start) == at {
        put16(bytes, place, addresses.apply_to_partial(checksum));
    } else if field != UDP_FIELD || checksum != 0 {
        put16(bytes, place, written(covered.plus(addresses).apply(checksum), field));
    } else if change.src.is_ipv6() {
        if headers.fragment.is_some() {
            return Err(Untranslatable::FragmentWithoutChecksum);
        }
        sum_datagram(frame, at, change);
    }
    Ok(())
}

/// Gives a UDP datagram at `at` the checksum it did without in IPv4 (RFC 7915, section 4.5).
fn sum_datagram(frame: &mut FrameMut<'_>, at: usize, change: &Translation<IpAddr>) {
    // The checksum covers that of a tunnelled header, which must not change any more.
    complete(frame);
    let bytes = frame.ethernet_mut();
    let length = be16(bytes, at + 4).unwrap_or_default();
    let pseudo = pseudo_header(change.src, change.dst, Protocol::UDP, u32::from(length));
    if let Some(bytes) = bytes.get_mut(..at + usize::from(length)) {
        write_transport(bytes, at, UDP_FIELD, pseudo);
    }
}

/// Changes type, identifier and checksum of an echo message that reaches to the end of the frame.
fn translate_echo(
    bytes: &mut [u8],
    at: usize,
    headers: &IpHeaders,
    change: &Translation<IpAddr>,
) -> Result<(), Untranslatable> {
    let length = bytes.len() - at;
    let mut covered = icmp::pseudo_header_delta((headers.src, headers.dst), (change.src, change.dst), length);
    icmp::set_echo_type(bytes, at, change.src.is_ipv6(), &mut covered).ok_or(Untranslatable::IcmpMessage)?;
    set_identifier(bytes, at, change.src_port, change.dst_port, &mut covered);
    let place = at + usize::from(ICMP_FIELD);
    let checksum = be16(bytes, place).unwrap_or_default();
    put16(bytes, place, covered.apply(checksum));
    Ok(())
}

#[cfg(test)]
mod tests;
