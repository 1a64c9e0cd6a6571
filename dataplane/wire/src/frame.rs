//! Where in the buffer are the virtio header and Ethernet?
//!
//! Both types hold at least [`VNET_LEN`] + [`ETHERNET_LEN`] bytes and a virtio header of a known kind; nothing more is
//! known of them before [`parse`](crate::parse).

use crate::malformed::Malformed;
use crate::vnet::VnetHeader;

/// Bytes of the virtio header in front of every frame.
pub const VNET_LEN: usize = 12;
/// Bytes of an Ethernet header without VLAN tags.
pub const ETHERNET_LEN: usize = 14;

/// A borrowed frame, to be changed in place.
#[derive(Debug)]
pub struct FrameMut<'a>(&'a mut [u8]);

/// An owned frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameBuf(Vec<u8>);

impl<'a> FrameMut<'a> {
    /// A frame over `bytes`, which begin with the virtio header.
    ///
    /// # Errors
    /// [`Malformed::FrameTooShort`] and [`Malformed::VnetHeader`] (an unknown kind of superframe).
    #[inline]
    pub fn new(bytes: &'a mut [u8]) -> Result<Self, Malformed> {
        check(bytes)?;
        Ok(Self(bytes))
    }

    /// The virtio header.
    #[inline]
    pub fn vnet(&self) -> VnetHeader {
        vnet(self.0)
    }

    /// Replaces the virtio header.
    #[inline]
    pub fn set_vnet(&mut self, header: &VnetHeader) {
        self.0[..VNET_LEN].copy_from_slice(&header.emit());
    }

    /// The frame without its virtio header.
    #[inline]
    pub fn ethernet(&self) -> &[u8] {
        &self.0[VNET_LEN..]
    }

    /// The frame without its virtio header, to be changed.
    #[inline]
    pub fn ethernet_mut(&mut self) -> &mut [u8] {
        &mut self.0[VNET_LEN..]
    }

    /// The whole frame, as a TAP takes it.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.0
    }
}

impl FrameBuf {
    /// A frame with an empty virtio header: nothing to sum, nothing to cut. Fewer bytes than an Ethernet header are
    /// padded to one with zeros, which [`parse`](crate::parse) refuses.
    pub fn from_ethernet(ethernet: &[u8]) -> Self {
        Self::with_vnet(&VnetHeader::default(), ethernet)
    }

    /// A frame of a virtio header and Ethernet.
    pub fn with_vnet(header: &VnetHeader, ethernet: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(VNET_LEN + ethernet.len().max(ETHERNET_LEN));
        bytes.extend_from_slice(&header.emit());
        bytes.extend_from_slice(ethernet);
        bytes.resize(bytes.len().max(VNET_LEN + ETHERNET_LEN), 0);
        Self(bytes)
    }

    /// A frame that was read from a TAP with its virtio header.
    ///
    /// # Errors
    /// As [`FrameMut::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// The virtio header.
    pub fn vnet(&self) -> VnetHeader {
        vnet(&self.0)
    }

    /// The frame, to be changed in place.
    pub fn as_mut(&mut self) -> FrameMut<'_> {
        FrameMut(&mut self.0)
    }

    /// The frame without its virtio header.
    pub fn ethernet(&self) -> &[u8] {
        &self.0[VNET_LEN..]
    }

    /// The whole frame, as a TAP takes it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The whole frame, as a TAP takes it.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), Malformed> {
    match bytes.first_chunk::<VNET_LEN>() {
        Some(header) if bytes.len() >= VNET_LEN + ETHERNET_LEN => VnetHeader::parse(header).map(drop),
        _ => Err(Malformed::FrameTooShort),
    }
}

#[inline]
fn vnet(bytes: &[u8]) -> VnetHeader {
    // Construction has read this header once, and only `set_vnet` has written it since.
    bytes.first_chunk::<VNET_LEN>().and_then(|header| VnetHeader::parse(header).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vnet::Gso;

    #[test]
    fn a_buffer_without_room_for_both_headers_is_no_frame() {
        for length in 0..VNET_LEN + ETHERNET_LEN {
            assert_eq!(FrameMut::new(&mut vec![0; length]).err(), Some(Malformed::FrameTooShort));
            assert_eq!(FrameBuf::from_bytes(vec![0; length]).err(), Some(Malformed::FrameTooShort));
        }
        assert!(FrameMut::new(&mut [0; VNET_LEN + ETHERNET_LEN]).is_ok());
    }

    #[test]
    fn a_short_ethernet_frame_is_padded_to_a_header() {
        assert_eq!(FrameBuf::from_ethernet(&[7]).ethernet().len(), ETHERNET_LEN);
    }

    #[test]
    fn the_virtio_header_is_replaced_in_place() {
        let mut frame = FrameBuf::from_ethernet(&[9; 60]);
        let header = VnetHeader { gso: Gso::UdpL4, gso_size: 100, ..VnetHeader::default() };
        frame.as_mut().set_vnet(&header);
        assert_eq!(frame.vnet(), header);
        assert_eq!(frame.ethernet(), [9; 60]);
    }
}
