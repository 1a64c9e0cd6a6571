//! What of an IP header outlives its family, and how is it written in the other?
//!
//! RFC 7915, sections 4.1 and 5.1. The same for a packet and for one that an ICMP error quotes, whose data may be cut off.

use super::Untranslatable;
use crate::bytes::{array, be16, be32, len16};
use crate::checksum::write_ipv4;
use crate::headers::{Fragment, Protocol};
use crate::parse::{IPV4_LEN, IPV6_LEN, MAX_DATAGRAM, MAX_EXTENSION_HEADERS};
use std::net::IpAddr;

/// Bytes of an IPv6 fragment header (RFC 8200, section 4.5).
pub(super) const FRAGMENT_LEN: usize = 8;
/// The longest IPv4 packet that may be fragmented: with an IPv6 header it is as long as every IPv6 link takes (RFC 7915,
/// section 5.1).
const LONGEST_TO_FRAGMENT: usize = 1260;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

/// What both families say of a packet, but for its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    /// DSCP and ECN.
    pub(super) traffic_class: u8,
    /// Time to live, or hop limit.
    pub(super) ttl: u8,
    /// What follows the headers.
    pub(super) protocol: Protocol,
    /// Where an IPv4 packet is a piece of another, or an IPv6 packet has a fragment header (even if it is the only piece).
    pub(super) fragment: Option<Fragment>,
    /// Bytes of the IP headers as they were read.
    pub(super) len: usize,
    /// Bytes behind them, as they say.
    pub(super) data_len: usize,
}

impl Outline {
    /// Reads the header of an IPv4 packet to be forwarded, which must not have a way of its own to go.
    pub(super) fn of_whole_ipv4(packet: &[u8]) -> Result<Self, Untranslatable> {
        let outline = Self::of_ipv4(packet)?;
        let options = packet.get(IPV4_LEN..outline.len).unwrap_or_default();
        if has_source_route(options) { Err(Untranslatable::SourceRoute) } else { Ok(outline) }
    }

    /// Reads an IPv4 header.
    pub(super) fn of_ipv4(packet: &[u8]) -> Result<Self, Untranslatable> {
        let header = packet.first_chunk::<IPV4_LEN>().ok_or(Untranslatable::Mismatch)?;
        let [version, traffic_class, a, b, c, d, e, f, ttl, protocol, ..] = *header;
        let (total_len, field) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([e, f]));
        let len = usize::from(version & 0xf) * 4;
        let data_len = usize::from(total_len).checked_sub(len);
        let data_len = data_len.filter(|_| version >> 4 == 4 && len >= IPV4_LEN);
        let fragment = Fragment {
            identification: u32::from(u16::from_be_bytes([c, d])),
            offset: u32::from(field & 0x1fff) * 8,
            more: field & MORE_FRAGMENTS != 0,
        };
        Ok(Self {
            traffic_class,
            ttl,
            protocol: Protocol(protocol),
            fragment: (fragment.offset > 0 || fragment.more).then_some(fragment),
            len,
            data_len: data_len.ok_or(Untranslatable::Mismatch)?,
        })
    }

    /// Reads an IPv6 header and the extension headers behind it, all of which can be left out.
    pub(super) fn of_ipv6(packet: &[u8]) -> Result<Self, Untranslatable> {
        let header = packet.first_chunk::<IPV6_LEN>().ok_or(Untranslatable::Mismatch)?;
        let [version, class, _, _, a, b, next, ttl, ..] = *header;
        if version >> 4 != 6 {
            return Err(Untranslatable::Mismatch);
        }
        let mut outline = Self {
            traffic_class: version << 4 | class >> 4,
            ttl,
            protocol: Protocol(next),
            fragment: None,
            len: IPV6_LEN,
            data_len: 0,
        };
        for _ in 0..=MAX_EXTENSION_HEADERS {
            if !outline.skip_extension(packet)? {
                let end = IPV6_LEN + usize::from(u16::from_be_bytes([a, b]));
                outline.data_len = end.checked_sub(outline.len).ok_or(Untranslatable::Mismatch)?;
                return Ok(outline);
            }
        }
        Err(Untranslatable::ExtensionHeader)
    }

    /// Goes past one extension header; false where there is none, or only in another fragment.
    fn skip_extension(&mut self, packet: &[u8]) -> Result<bool, Untranslatable> {
        let is_piece = self.fragment.is_some_and(|fragment| fragment.offset > 0 || fragment.more);
        let is_later = self.fragment.is_some_and(|fragment| fragment.offset > 0);
        match self.protocol {
            Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::DESTINATION_OPTIONS | Protocol::FRAGMENT
                if !is_later => {}
            Protocol::AH if !is_later => return Err(Untranslatable::ExtensionHeader),
            _ => return Ok(false),
        }
        let [next, length, _, segments_left] = array(packet, self.len).ok_or(Untranslatable::Mismatch)?;
        let mut size = (usize::from(length) + 1) * 8;
        match self.protocol {
            _ if is_piece => return Err(Untranslatable::ExtensionHeader),
            Protocol::ROUTING if segments_left > 0 => return Err(Untranslatable::ExtensionHeader),
            Protocol::FRAGMENT => {
                size = FRAGMENT_LEN;
                let field = be16(packet, self.len + 2).unwrap_or_default();
                self.fragment = Some(Fragment {
                    identification: be32(packet, self.len + 4).ok_or(Untranslatable::Mismatch)?,
                    offset: u32::from(field & 0xfff8),
                    more: field & 1 != 0,
                });
            }
            _ => {}
        }
        self.protocol = Protocol(next);
        self.len += size;
        Ok(true)
    }

    /// Appends the header that says this in the family of the addresses. `segment_len` is how much of the data goes into one
    /// packet on the wire; `identification` is for an IPv4 packet that may be fragmented and has none of its own.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        src: IpAddr,
        dst: IpAddr,
        segment_len: usize,
        identification: u16,
    ) -> Result<(), Untranslatable> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                self.write_ipv4(out, src.octets(), dst.octets(), segment_len, identification)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.write_ipv6(out, src.octets(), dst.octets()),
            _ => Err(Untranslatable::Mismatch),
        }
    }

    fn write_ipv4(
        &self,
        out: &mut Vec<u8>,
        src: [u8; 4],
        dst: [u8; 4],
        segment_len: usize,
        identification: u16,
    ) -> Result<(), Untranslatable> {
        let total_len = self.checked_len(IPV4_LEN)?;
        let (identification, field) = match self.fragment {
            Some(fragment) => {
                let more = if fragment.more { MORE_FRAGMENTS } else { 0 };
                let offset = u16::try_from(fragment.offset / 8).map_err(|_| Untranslatable::TooLong)?;
                let [_, _, a, b] = fragment.identification.to_be_bytes();
                (u16::from_be_bytes([a, b]), more | offset)
            }
            None if IPV4_LEN + segment_len > LONGEST_TO_FRAGMENT => (0, DONT_FRAGMENT),
            None => (identification, 0),
        };
        let at = out.len();
        out.extend_from_slice(&[0x45, self.traffic_class]);
        out.extend_from_slice(&total_len.to_be_bytes());
        out.extend_from_slice(&identification.to_be_bytes());
        out.extend_from_slice(&field.to_be_bytes());
        out.extend_from_slice(&[self.ttl, self.protocol.0, 0, 0]);
        out.extend_from_slice(&src);
        out.extend_from_slice(&dst);
        write_ipv4(out, at, IPV4_LEN);
        Ok(())
    }

    fn write_ipv6(&self, out: &mut Vec<u8>, src: [u8; 16], dst: [u8; 16]) -> Result<(), Untranslatable> {
        let (next, before) = match self.fragment {
            Some(_) => (Protocol::FRAGMENT, FRAGMENT_LEN),
            None => (self.protocol, 0),
        };
        let payload_len = self.checked_len(before)?;
        out.extend_from_slice(&[0x60 | self.traffic_class >> 4, self.traffic_class << 4, 0, 0]);
        out.extend_from_slice(&payload_len.to_be_bytes());
        out.extend_from_slice(&[next.0, self.ttl]);
        out.extend_from_slice(&src);
        out.extend_from_slice(&dst);
        if let Some(fragment) = self.fragment {
            // Offsets of a datagram that fits have 13 bits, in both families.
            let offset = len16(usize::try_from(fragment.offset).unwrap_or(usize::MAX));
            out.extend_from_slice(&[self.protocol.0, 0]);
            out.extend_from_slice(&(offset | u16::from(fragment.more)).to_be_bytes());
            out.extend_from_slice(&fragment.identification.to_be_bytes());
        }
        Ok(())
    }

    /// What a 16-bit length says of the data and `before` bytes in front of it, if it and the datagram that the packet is a
    /// piece of are short enough for it.
    fn checked_len(&self, before: usize) -> Result<u16, Untranslatable> {
        let offset =
            self.fragment.map_or(0, |fragment| usize::try_from(fragment.offset).unwrap_or(usize::MAX));
        if before.saturating_add(self.data_len).saturating_add(offset) > MAX_DATAGRAM {
            return Err(Untranslatable::TooLong);
        }
        u16::try_from(before + self.data_len).map_err(|_| Untranslatable::TooLong)
    }
}

/// Whether IPv4 options have a loose or strict source route with addresses left (RFC 791, section 3.1).
fn has_source_route(mut options: &[u8]) -> bool {
    const END_OF_LIST: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    loop {
        let length = match *options {
            [] | [END_OF_LIST, ..] => return false,
            [NO_OPERATION, ..] => 1,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, length, pointer, ..] if pointer <= length => {
                return true;
            }
            [_, length, ..] if length >= 2 => usize::from(length),
            _ => return false,
        };
        options = options.get(length..).unwrap_or_default();
    }
}
