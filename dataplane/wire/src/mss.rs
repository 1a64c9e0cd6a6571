//! How does a path with a small MTU keep TCP from sending segments that are too long for it?
//!
//! Each side of a connection says in its SYN how long a segment it receives (RFC 9293, section 3.7.1); a gateway on the way
//! lowers that value to what its own path carries. Asked by [`rewrite`](crate::rewrite()) and by translation, which let the
//! checksum follow. A value is never raised, no option is added, and options that cannot be read to their end stay as they
//! are.

use crate::checksum::Delta;
use crate::headers::TcpHeader;
use crate::parse::TCP_LEN;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
/// The longest header without its fixed part.
const MAX_OPTIONS_LEN: usize = 40;

/// Lowers the maximum segment size in the header `tcp`, which begins at `at`, to `limit` bytes; only a SYN has one. What
/// changes goes into `covered`.
#[inline]
pub(crate) fn clamp(bytes: &mut [u8], at: usize, tcp: &TcpHeader, limit: u16, covered: &mut Delta) {
    if tcp.flags.syn() {
        clamp_syn(bytes, at, tcp, limit, covered);
    }
}

fn clamp_syn(bytes: &mut [u8], at: usize, tcp: &TcpHeader, limit: u16, covered: &mut Delta) {
    let Some(options) = bytes.get_mut(at + TCP_LEN..at + usize::from(tcp.header_len)) else { return };
    let mut copy = [0; MAX_OPTIONS_LEN];
    let Some(lowered) = copy.get_mut(..options.len()) else { return };
    lowered.copy_from_slice(options);
    if lower(lowered, limit).is_some() && lowered != options {
        covered.replace(options, lowered);
        options.copy_from_slice(lowered);
    }
}

/// Lowers every such option (receivers differ on which of two they believe); `None` where an option cannot be read.
fn lower(mut options: &mut [u8], limit: u16) -> Option<()> {
    loop {
        let length = match *options {
            [] | [END_OF_LIST, ..] => return Some(()),
            [NO_OPERATION, ..] => 1,
            [MAXIMUM_SEGMENT_SIZE, 4, ref mut high, ref mut low, ..] => {
                let size = u16::from_be_bytes([*high, *low]).min(limit);
                [*high, *low] = size.to_be_bytes();
                4
            }
            [MAXIMUM_SEGMENT_SIZE, ..] => return None,
            [_, length, ..] if length >= 2 => usize::from(length),
            _ => return None,
        };
        options = options.get_mut(length..)?;
    }
}

#[cfg(test)]
mod tests;
