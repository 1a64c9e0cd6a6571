//! How is a network-order field read or written without a bounds panic?
//!
//! Reads return `None` past the end, so that parsing turns every short buffer into a reason. Writes are made only at
//! offsets that parsing has proved; a write past the end is a bug of this crate, caught in debug builds and ignored in
//! release builds.

/// The `N` bytes at `at`.
#[inline]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// The 16-bit field at `at`.
#[inline]
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// The 32-bit field at `at`.
#[inline]
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// Writes `value` at `at`.
#[inline]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    let field = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>);
    debug_assert!(field.is_some(), "a write of {N} bytes at {at} is past the end");
    if let Some(field) = field {
        *field = value;
    }
}

/// Writes a 16-bit field at `at`.
#[inline]
pub(crate) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, value.to_be_bytes());
}

/// A length as 32 bits. Lengths of frames are far below the limit; the type system does not know it.
#[inline]
pub(crate) fn len32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A length as 16 bits, saturating. Callers have made sure that it fits.
#[inline]
pub(crate) fn len16(length: usize) -> u16 {
    debug_assert!(u16::try_from(length).is_ok(), "{length} does not fit a 16-bit length");
    u16::try_from(length).unwrap_or(u16::MAX)
}
