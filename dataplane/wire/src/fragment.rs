//! Which fragments does an IPv4 packet become on a link with a smaller MTU?
//!
//! RFC 791, section 3.2. Whether the packet may be fragmented at all ("don't fragment", a hop that drops instead) is the
//! caller's to decide.

use crate::bytes::{be16, len16, put, put16};
use crate::checksum::write_ipv4;
use crate::frame::{ETHERNET_LEN, FrameBuf};
use crate::malformed::Malformed;
use crate::parse::{IPV4, IPV4_LEN};
use crate::segment::segments;

/// The MTU every IPv4 link has (RFC 791): the longest header and eight bytes.
const LEAST_MTU: u32 = 68;
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Cuts a frame (virtio header first) into frames whose IPv4 packets are at most `mtu` bytes long, with complete checksums.
/// A superframe is cut into its segments first; a fragment is cut into smaller ones; what fits, and what is not IPv4, comes
/// back whole. An `mtu` below 68 counts as 68.
///
/// # Errors
/// As [`parse`](crate::parse).
pub fn fragment_ipv4(frame: &[u8], mtu: u32) -> Result<Vec<FrameBuf>, Malformed> {
    Ok(segments(frame)?.iter().flat_map(|whole| fragments(whole, mtu)).collect())
}

/// Cuts one frame with a complete checksum.
pub(crate) fn fragments(whole: &FrameBuf, mtu: u32) -> Vec<FrameBuf> {
    cut(whole.ethernet(), usize::try_from(mtu.max(LEAST_MTU)).unwrap_or(usize::MAX))
        .unwrap_or_else(|| vec![whole.clone()])
}

/// The pieces; `None` when there is nothing to cut.
fn cut(ethernet: &[u8], mtu: usize) -> Option<Vec<FrameBuf>> {
    let (link, packet) = ethernet.split_first_chunk::<ETHERNET_LEN>()?;
    if be16(link, 12)? != IPV4 {
        return None;
    }
    let total_len = usize::from(be16(packet, 2)?);
    if total_len <= mtu {
        return None;
    }
    let header_len = usize::from(packet.first()? & 0xf) * 4;
    let (header, mut data) = packet.get(..total_len)?.split_at_checked(header_len)?;
    let later = later_header(header);
    let field = be16(header, 6)?;
    let mut offset = field & OFFSET;
    let mut pieces = Vec::with_capacity(data.len() / (mtu - header_len) + 2);
    while !data.is_empty() {
        let header = if pieces.is_empty() { header } else { &later };
        let room = mtu - header.len();
        let (piece, rest) = if data.len() <= room { (data, &[][..]) } else { data.split_at(room & !7) };
        let more = if rest.is_empty() { field & MORE } else { MORE };
        let mut fragment = [&link[..], header, piece].concat();
        put16(&mut fragment, ETHERNET_LEN + 2, len16(header.len() + piece.len()));
        put16(&mut fragment, ETHERNET_LEN + 6, field & !(MORE | OFFSET) | more | offset);
        write_ipv4(&mut fragment, ETHERNET_LEN, header.len());
        pieces.push(FrameBuf::from_ethernet(&fragment));
        offset += len16(piece.len() / 8);
        data = rest;
    }
    Some(pieces)
}

/// The header of every fragment but the first: without the options that are not copied, padded to a multiple of four.
fn later_header(header: &[u8]) -> Vec<u8> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    let (fixed, mut options) = header.split_at(IPV4_LEN.min(header.len()));
    let mut later = fixed.to_vec();
    while let [kind, rest @ ..] = options {
        let length = match (*kind, rest.first()) {
            (END, _) => break,
            (NO_OPERATION, _) => 1,
            (_, Some(length)) => usize::from(*length),
            (_, None) => break,
        };
        let Some((option, rest)) = options.split_at_checked(length).filter(|_| length > 0) else { break };
        if kind & COPIED != 0 {
            later.extend_from_slice(option);
        }
        options = rest;
    }
    later.resize(later.len().next_multiple_of(4), END);
    let [_, words] = len16(later.len() / 4).to_be_bytes();
    put(&mut later, 0, [0x40 | words]);
    later
}

#[cfg(test)]
mod tests;
