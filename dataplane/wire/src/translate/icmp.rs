//! What does an ICMP message say in the other family?
//!
//! RFC 7915, sections 4.2, 4.3, 5.2 and 5.3: types and codes by its tables, the packet an error quotes translated like a
//! packet, one level deep. An error's checksum follows by the difference of the whole message, so that a damaged one does not
//! come out as good.

use super::header::Outline;
use super::{EmbeddedTranslation, Translation, Untranslatable};
use crate::bytes::{array, be16, be32, len32, put16};
use crate::checksum::{Delta, ICMP_FIELD, Sum, TCP_FIELD, UDP_FIELD, pseudo_header};
use crate::headers::{Embedded, IpHeaders, Protocol};
use crate::icmp::{ECHO_REPLY, ECHO_REPLY_V6, ECHO_REQUEST, ECHO_REQUEST_V6, HEADER_LEN};
use crate::icmp_error::{MAX_LEN_V4, MAX_LEN_V6};
use crate::parse::{IPV4_LEN, IPV6_LEN};
use crate::rewrite::{set_identifier, set_ports, set16, updated};
use std::net::IpAddr;

/// Where a pointer to the next header field of IPv6 points.
const NEXT_HEADER: u32 = 6;
/// The least MTU of IPv6 (RFC 8200, section 5).
const LEAST_MTU_V6: u32 = 1280;
/// Path MTUs that are met, for routers that do not say theirs (RFC 1191, section 7.1), as far as IPv6 can have them.
const PLATEAUS: [u16; 7] = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492];

/// Changes the type of an echo message at `at` to that of the other family; `None` for any other message.
pub(super) fn set_echo_type(bytes: &mut [u8], at: usize, to_ipv6: bool, covered: &mut Delta) -> Option<()> {
    let [icmp_type, code] = array(bytes, at)?;
    let translated = match (to_ipv6, icmp_type) {
        (true, ECHO_REQUEST) => ECHO_REQUEST_V6,
        (true, ECHO_REPLY) => ECHO_REPLY_V6,
        (false, ECHO_REQUEST_V6) => ECHO_REQUEST,
        (false, ECHO_REPLY_V6) => ECHO_REPLY,
        _ => return None,
    };
    set16(bytes, at, u16::from_be_bytes([translated, code]), covered);
    Some(())
}

/// The pseudo header of a message of `length` bytes between (source, destination): ICMP for IPv4 has none.
fn pseudo((src, dst): (IpAddr, IpAddr), length: usize) -> Sum {
    if src.is_ipv6() { pseudo_header(src, dst, Protocol::ICMPV6, len32(length)) } else { Sum::new() }
}

/// What it makes to the checksum of a message that the pseudo header comes or goes.
pub(super) fn pseudo_header_delta(old: (IpAddr, IpAddr), new: (IpAddr, IpAddr), length: usize) -> Delta {
    Delta::between(pseudo(old, length), pseudo(new, length))
}

/// The error `message` as an error of the other family. `embedded` is what it quotes, by its place in `ethernet`.
pub(super) fn error(
    ethernet: &[u8],
    headers: &IpHeaders,
    message: &[u8],
    embedded: Option<Embedded>,
    change: &Translation<IpAddr>,
) -> Result<Vec<u8>, Untranslatable> {
    let to_ipv6 = change.src.is_ipv6();
    let old = array::<HEADER_LEN>(message, 0).ok_or(Untranslatable::Mismatch)?;
    let (Some(embedded), Some(to)) = (embedded, change.embedded) else {
        return Err(Untranslatable::QuotedPacket);
    };
    let start = usize::from(embedded.offset);
    let end = usize::from(embedded.end).min(start + quoted_len(old, to_ipv6));
    let quoted = ethernet.get(start..end).ok_or(Untranslatable::Mismatch)?;
    let outline = if to_ipv6 { Outline::of_ipv4(quoted) } else { Outline::of_ipv6(quoted) };
    let outline = outline.map_err(|_| Untranslatable::QuotedPacket)?;
    let header = if to_ipv6 { header_v6(old, &outline) } else { header_v4(old, &outline) };

    let mut translated = header.ok_or(Untranslatable::IcmpMessage)?.to_vec();
    quote(&mut translated, quoted, &outline, &embedded, &to)?;
    translated.truncate(if to_ipv6 { MAX_LEN_V6 - IPV6_LEN } else { MAX_LEN_V4 - IPV4_LEN });
    let field = usize::from(ICMP_FIELD);
    let delta = Delta::between(
        sum_without_checksum(message).plus(pseudo((headers.src, headers.dst), message.len())),
        sum_without_checksum(&translated).plus(pseudo((change.src, change.dst), translated.len())),
    );
    put16(&mut translated, field, delta.apply(be16(message, field).unwrap_or_default()));
    Ok(translated)
}

fn sum_without_checksum(message: &[u8]) -> Sum {
    Sum::new().bytes(message.get(..2).unwrap_or_default()).bytes(message.get(4..).unwrap_or_default())
}

/// How many bytes of an error are of the packet it is about: what its length field says where it has extensions (RFC 4884,
/// sections 4.1 to 4.6), otherwise all.
fn quoted_len([icmp_type, _, _, _, a, b, _, _]: [u8; HEADER_LEN], is_ipv4: bool) -> usize {
    let length = match icmp_type {
        3 | 11 | 12 if is_ipv4 => usize::from(b) * 4,
        1 | 3 if !is_ipv4 => usize::from(a) * 8,
        _ => 0,
    };
    if length == 0 { usize::MAX / 2 } else { length }
}

/// The first eight bytes of an IPv4 error as those of an IPv6 one (RFC 7915, section 4.2).
fn header_v6(
    [icmp_type, code, _, _, pointer, _, a, b]: [u8; HEADER_LEN],
    quoted: &Outline,
) -> Option<[u8; HEADER_LEN]> {
    Some(match (icmp_type, code) {
        (3, 0 | 1 | 5..=8 | 11 | 12) => first_bytes(1, 0, 0),
        (3, 2) => first_bytes(4, 1, NEXT_HEADER),
        (3, 3) => first_bytes(1, 4, 0),
        (3, 4) => {
            let mtu = match u16::from_be_bytes([a, b]) {
                0 => PLATEAUS
                    .iter()
                    .find(|plateau| usize::from(**plateau) < quoted.len + quoted.data_len)
                    .map_or(0, |plateau| u32::from(*plateau)),
                mtu => u32::from(mtu) + len32(IPV6_LEN - IPV4_LEN),
            };
            first_bytes(2, 0, mtu.max(LEAST_MTU_V6))
        }
        (3, 9 | 10 | 13 | 15) => first_bytes(1, 1, 0),
        (11, code) => first_bytes(3, code, 0),
        (12, 0 | 2) => {
            let pointer = match pointer {
                0 | 1 => u32::from(pointer),
                2 | 3 => 4,
                8 => 7,
                9 => NEXT_HEADER,
                12..=15 => 8,
                16..=19 => 24,
                _ => return None,
            };
            first_bytes(4, 0, pointer)
        }
        _ => return None,
    })
}

/// The first eight bytes of an IPv6 error as those of an IPv4 one (RFC 7915, section 5.2).
fn header_v4(bytes: [u8; HEADER_LEN], quoted: &Outline) -> Option<[u8; HEADER_LEN]> {
    let [icmp_type, code, ..] = bytes;
    let word = be32(&bytes, 4)?;
    Some(match (icmp_type, code) {
        (1, 0 | 2 | 3) => first_bytes(3, 1, 0),
        (1, 1) => first_bytes(3, 10, 0),
        (1, 4) => first_bytes(3, 3, 0),
        (2, _) => {
            // The packet grew by as much as was put in front of its data.
            let fragment = if quoted.fragment.is_some() { super::FRAGMENT_LEN } else { 0 };
            let mtu = word.saturating_sub(len32(IPV6_LEN + fragment - IPV4_LEN));
            first_bytes(3, 4, mtu.min(u32::from(u16::MAX)))
        }
        (3, code) => first_bytes(11, code, 0),
        (4, 0) => {
            let pointer = match word {
                0 | 1 => word,
                4 | 5 => 2,
                6 => 9,
                7 => 8,
                8..=23 => 12,
                24..=39 => 16,
                _ => return None,
            };
            first_bytes(12, 0, pointer << 24)
        }
        (4, 1) => first_bytes(3, 2, 0),
        _ => return None,
    })
}

fn first_bytes(icmp_type: u8, code: u8, word: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = word.to_be_bytes();
    [icmp_type, code, 0, 0, a, b, c, d]
}

/// Appends the quoted packet. Of a first fragment or a whole packet, eight bytes of the transport header must be there, as
/// every error has them (RFC 792): ports, the identifier, and the checksum of UDP and ICMP.
fn quote(
    out: &mut Vec<u8>,
    quoted: &[u8],
    outline: &Outline,
    embedded: &Embedded,
    to: &EmbeddedTranslation<IpAddr>,
) -> Result<(), Untranslatable> {
    let to_ipv6 = to.src.is_ipv6();
    let is_later = outline.fragment.is_some_and(|fragment| fragment.offset > 0);
    let own_icmp = if to_ipv6 { Protocol::ICMP } else { Protocol::ICMPV6 };
    let protocol = match outline.protocol {
        protocol @ (Protocol::TCP | Protocol::UDP) => protocol,
        protocol if protocol != own_icmp || outline.fragment.is_some() => {
            return Err(Untranslatable::QuotedPacket);
        }
        _ if to_ipv6 => Protocol::ICMPV6,
        _ => Protocol::ICMP,
    };
    let data = quoted.get(outline.len..).ok_or(Untranslatable::QuotedPacket)?;
    if !is_later && data.len() < 8 {
        return Err(Untranslatable::QuotedPacket);
    }
    // What identification the packet had in its own family is not known any more.
    let header = Outline { protocol, ..*outline };
    header.write(out, to.src, to.dst, outline.data_len, 0).map_err(|_| Untranslatable::QuotedPacket)?;
    let at = out.len();
    out.extend_from_slice(data);
    if is_later {
        return Ok(());
    }

    let (old, new) = ((embedded.src, embedded.dst), (to.src, to.dst));
    let mut covered = Delta::new();
    let (field, addresses) = if protocol == outline.protocol {
        set_ports(out, at, to.src_port, to.dst_port, &mut covered);
        let addresses = Delta::between(
            pseudo_header(old.0, old.1, protocol, 0),
            pseudo_header(new.0, new.1, protocol, 0),
        );
        (if protocol == Protocol::TCP { TCP_FIELD } else { UDP_FIELD }, addresses)
    } else {
        // An error about an error is never translated (RFC 7915, sections 4.3 and 5.3).
        set_echo_type(out, at, to_ipv6, &mut covered).ok_or(Untranslatable::QuotedPacket)?;
        set_identifier(out, at, to.src_port, to.dst_port, &mut covered);
        (ICMP_FIELD, pseudo_header_delta(old, new, outline.data_len))
    };
    let place = at + usize::from(field);
    if let Some(checksum) = be16(out, place)
        && let Some(checksum) = updated(checksum, field, true, addresses, covered, protocol)
    {
        put16(out, place, checksum);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
