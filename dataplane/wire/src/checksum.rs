//! What is the internet checksum of these bytes, and how does it follow a change?
//!
//! [`Sum`] adds up (RFC 1071); [`Delta`] carries a change of covered bytes into a checksum that already stands there (RFC
//! 1624, equation 3), or into the pseudo-header sum of a frame whose checksum is still partial. [`complete`] finishes such
//! a frame. A UDP checksum that comes out as 0 is written as 0xffff, because 0 means "none" (RFC 768).

use crate::bytes::{be16, put16};
use crate::frame::{ETHERNET_LEN, FrameMut};
use crate::headers::Protocol;
use crate::vnet::VnetHeader;
use std::net::IpAddr;

/// Bytes from the start of a TCP header to its checksum.
pub(crate) const TCP_FIELD: u16 = 16;
/// Bytes from the start of a UDP header to its checksum.
pub(crate) const UDP_FIELD: u16 = 6;
/// Bytes from the start of an ICMP header to its checksum.
pub(crate) const ICMP_FIELD: u16 = 2;

/// A one's complement sum of big-endian 16-bit words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

/// The difference that changed bytes make to a one's complement sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delta(Sum);

impl Sum {
    /// Nothing added yet.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds one word.
    #[inline]
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// Adds another sum.
    #[inline]
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.word(other.fold())
    }

    /// Adds bytes that begin at an even distance from the start of what is summed; an odd last byte is padded with zero.
    #[inline]
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // The sum may be taken in any byte order as long as the result is swapped back (RFC 1071, section 2), and in words
        // of 32 bits as long as carries are folded in the end. A frame is far too short for 64 bits to overflow.
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_ne_bytes(last));
        self.word(u16::from_be(fold(sum)))
    }

    /// The sum in 16 bits, not complemented: what a partial checksum holds of its pseudo header.
    #[inline]
    pub fn fold(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the complement of the sum.
    #[inline]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }
}

impl Delta {
    /// Nothing changed yet.
    #[inline]
    pub const fn new() -> Self {
        Self(Sum::new())
    }

    /// A covered word becomes another.
    #[inline]
    pub fn replace16(&mut self, old: u16, new: u16) {
        self.0 = self.0.word(!old).word(new);
    }

    /// Covered bytes become others: two slices of the same, even length, at an even distance from the start.
    #[inline]
    pub fn replace(&mut self, old: &[u8], new: &[u8]) {
        debug_assert!(old.len() == new.len() && old.len().is_multiple_of(2), "two slices of one even length");
        // Two words at a time: their carries fold into the same sum.
        let (old_pairs, old_rest) = old.as_chunks::<4>();
        let (new_pairs, new_rest) = new.as_chunks::<4>();
        for (old, new) in old_pairs.iter().zip(new_pairs) {
            let (old, new) = (u32::from_be_bytes(*old), u32::from_be_bytes(*new));
            self.0 = Sum(self.0.0 + u64::from(!old) + u64::from(new));
        }
        if let (&[a, b], &[c, d]) = (old_rest, new_rest) {
            self.replace16(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        }
    }

    /// Covered bytes with one sum become others with another: where their lengths differ, or only the sums are known.
    #[inline]
    pub(crate) fn between(old: Sum, new: Sum) -> Self {
        let mut delta = Self::new();
        delta.replace16(old.fold(), new.fold());
        delta
    }

    /// Joins two changes of bytes that one checksum covers.
    #[inline]
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.plus(other.0))
    }

    /// A complete checksum after the change.
    #[inline]
    pub fn apply(self, checksum: u16) -> u16 {
        self.0.word(!checksum).checksum()
    }

    /// The pseudo-header sum in the field of a partial checksum after the change, which must be of the pseudo header.
    #[inline]
    pub fn apply_to_partial(self, partial: u16) -> u16 {
        self.0.word(partial).fold()
    }
}

/// The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293, RFC 768, RFC 8200 section 8.1). `length` is that of the
/// transport header and its payload; both addresses are of one family.
#[inline]
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: Protocol, length: u32) -> Sum {
    let sum = Sum::new().bytes(&length.to_be_bytes()).word(u16::from(protocol.0));
    let address = |sum: Sum, address: IpAddr| match address {
        IpAddr::V4(address) => sum.bytes(&address.octets()),
        IpAddr::V6(address) => sum.bytes(&address.octets()),
    };
    address(address(sum, src), dst)
}

/// Finishes the partial checksum of a frame, and empties its virtio header. A frame whose checksum is complete, and a
/// superframe (each of whose [`segments`](crate::segments) has a checksum of its own), stay as they are.
pub fn complete(frame: &mut FrameMut<'_>) {
    let vnet = frame.vnet();
    if !vnet.needs_csum() || vnet.is_superframe() {
        return;
    }
    let start = usize::from(vnet.csum_start);
    let field = start + usize::from(vnet.csum_offset);
    let end = packet_end(frame.ethernet());
    let Some(covered) = frame.ethernet().get(start..end).filter(|_| field + 2 <= end) else { return };
    let checksum = written(Sum::new().bytes(covered).checksum(), vnet.csum_offset);
    put16(frame.ethernet_mut(), field, checksum);
    frame.set_vnet(&VnetHeader::default());
}

/// A computed checksum as it is written: UDP's 0 becomes 0xffff.
#[inline]
pub(crate) fn written(checksum: u16, field: u16) -> u16 {
    if checksum == 0 && field == UDP_FIELD { 0xffff } else { checksum }
}

/// Whether the checksum of an IPv4 header is right, given its fixed part and its options.
#[inline]
pub(crate) fn ipv4_is_right(fixed: &[u8; 20], options: &[u8]) -> bool {
    let words = fixed.as_chunks::<4>().0;
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let sum = if options.is_empty() { Sum(sum) } else { Sum(sum).bytes(options) };
    sum.fold() == 0xffff
}

/// Computes and writes the checksum of the IPv4 header at `at`.
pub(crate) fn write_ipv4(bytes: &mut [u8], at: usize, header_len: usize) {
    put16(bytes, at + 10, 0);
    let checksum = Sum::new().bytes(bytes.get(at..at + header_len).unwrap_or_default()).checksum();
    put16(bytes, at + 10, checksum);
}

/// Computes and writes the checksum `field` bytes into the transport header at `at`, which reaches to the end.
pub(crate) fn write_transport(bytes: &mut [u8], at: usize, field: u16, pseudo: Sum) {
    let place = at + usize::from(field);
    put16(bytes, place, 0);
    let checksum = pseudo.bytes(bytes.get(at..).unwrap_or_default()).checksum();
    put16(bytes, place, written(checksum, field));
}

/// Where the IP packet ends, from the start of Ethernet; behind it is Ethernet padding.
fn packet_end(ethernet: &[u8]) -> usize {
    let length = |at: usize| be16(ethernet, ETHERNET_LEN + at).map(usize::from);
    let end = match ethernet.get(ETHERNET_LEN).map(|byte| byte >> 4) {
        Some(4) => length(2).map(|total| ETHERNET_LEN + total),
        Some(6) => length(4).map(|payload| ETHERNET_LEN + 40 + payload),
        _ => None,
    };
    end.unwrap_or(ethernet.len()).min(ethernet.len())
}

#[inline]
fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    (sum & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    /// RFC 1071, as its text says it.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            if sum > 0xffff {
                sum -= 0xffff;
            }
        }
        u16::try_from(sum).unwrap()
    }

    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        // The example of RFC 1071, section 3.
        assert_eq!(Sum::new().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
        assert_eq!(Sum::new().checksum(), 0xffff);
        let mut rng = Rng::new(1);
        for length in 0..300 {
            let bytes = rng.bytes(length);
            assert_eq!(Sum::new().bytes(&bytes).fold(), slow(&bytes), "{length}");
        }
        assert_eq!(Sum::new().bytes(&[0xff; 65_536]).fold(), 0xffff);
    }

    #[test]
    fn a_sum_of_parts_is_the_sum_of_the_whole() {
        let mut rng = Rng::new(2);
        for _ in 0..1000 {
            let length = 2 * rng.below(100);
            let (a, b) = (rng.bytes(length), rng.bytes(33));
            let whole = Sum::new().bytes(&[a.clone(), b.clone()].concat());
            assert_eq!(Sum::new().bytes(&a).bytes(&b).fold(), whole.fold());
            assert_eq!(Sum::new().bytes(&a).plus(Sum::new().bytes(&b)).fold(), whole.fold());
        }
    }

    #[test]
    fn an_incremental_update_equals_a_full_computation() {
        // The example of RFC 1624, section 4: equation 3 gives 0x0000 where equation 2 gave 0xffff.
        let mut delta = Delta::new();
        delta.replace16(0x5555, 0x3285);
        assert_eq!(delta.apply(0xdd2f), 0x0000);

        let mut rng = Rng::new(3);
        for _ in 0..10_000 {
            let mut bytes = rng.bytes(40);
            let before = Sum::new().bytes(&bytes);
            let at = 2 * rng.below(12);
            let new = rng.bytes(16);
            let mut delta = Delta::new();
            delta.replace(&bytes[at..at + 16], &new);
            bytes[at..at + 16].copy_from_slice(&new);
            let after = Sum::new().bytes(&bytes);
            assert_eq!(delta.apply(before.checksum()), after.checksum());
            assert_eq!(delta.apply_to_partial(before.fold()), after.fold());
        }
    }
}
