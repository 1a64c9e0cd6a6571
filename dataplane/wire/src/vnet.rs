//! What does the header in front of a TAP's frame promise or ask for?
//!
//! `struct virtio_net_hdr_v1`, little endian, 12 bytes, as a TAP exchanges it after `IFF_VNET_HDR` and
//! `TUNSETVNETHDRSZ(12)` (virtio 1.2, section 5.1.6). `NEEDS_CSUM` means that the transport checksum field holds only
//! the sum of the pseudo header, and that someone must add the rest; a [`Gso`] kind means that the packet is several
//! packets of `gso_size` payload bytes each, not yet cut. Whether this agrees with the packet behind it is checked by
//! [`parse`](crate::parse).

use crate::frame::VNET_LEN;
use crate::malformed::Malformed;

const GSO_TYPE: usize = 1;
const GSO_ECN: u8 = 0x80;

/// The flags byte of a [`VnetHeader`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VnetFlags(pub u8);

/// Which kind of superframe this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gso {
    /// Not a superframe.
    #[default]
    None,
    /// TCP over IPv4, to be cut into segments.
    TcpV4,
    /// TCP over IPv6, to be cut into segments.
    TcpV6,
    /// One UDP datagram over IPv4, to be cut into IP fragments ("UFO").
    UdpFragmentation,
    /// Several UDP datagrams of one flow ("USO").
    UdpL4,
}

/// The virtio header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VnetHeader {
    /// Whether a checksum is to be computed, or was verified.
    pub flags: VnetFlags,
    /// The kind of superframe.
    pub gso: Gso,
    /// The TCP superframe has the CWR flag set, which belongs on its first segment only.
    pub ecn: bool,
    /// A hint, in bytes from the start of Ethernet: how much to keep in linear memory.
    pub hdr_len: u16,
    /// Payload bytes per segment (per IP fragment for [`Gso::UdpFragmentation`]).
    pub gso_size: u16,
    /// Bytes from the start of Ethernet to the first byte to sum.
    pub csum_start: u16,
    /// Bytes from `csum_start` to the checksum field.
    pub csum_offset: u16,
    /// Buffers merged into this frame; a TAP ignores it.
    pub num_buffers: u16,
}

impl VnetFlags {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
    pub const NEEDS_CSUM: u8 = 1;
    /// `VIRTIO_NET_HDR_F_DATA_VALID`.
    pub const DATA_VALID: u8 = 2;

    /// The checksum field holds the pseudo header's sum only.
    #[inline]
    pub const fn needs_csum(self) -> bool {
        self.0 & Self::NEEDS_CSUM != 0
    }

    /// The receiver need not verify the checksum.
    #[inline]
    pub const fn data_valid(self) -> bool {
        self.0 & Self::DATA_VALID != 0
    }
}

impl Gso {
    const fn from_wire(kind: u8) -> Option<Self> {
        match kind {
            0 => Some(Self::None),
            1 => Some(Self::TcpV4),
            3 => Some(Self::UdpFragmentation),
            4 => Some(Self::TcpV6),
            5 => Some(Self::UdpL4),
            _ => None,
        }
    }

    const fn to_wire(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TcpV4 => 1,
            Self::UdpFragmentation => 3,
            Self::TcpV6 => 4,
            Self::UdpL4 => 5,
        }
    }
}

impl VnetHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Malformed::VnetHeader`] for a kind of superframe this crate does not know.
    #[inline]
    pub fn parse(bytes: &[u8; VNET_LEN]) -> Result<Self, Malformed> {
        let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Ok(Self {
            flags: VnetFlags(bytes[0]),
            gso: Gso::from_wire(bytes[GSO_TYPE] & !GSO_ECN).ok_or(Malformed::VnetHeader)?,
            ecn: bytes[GSO_TYPE] & GSO_ECN != 0,
            hdr_len: field(2),
            gso_size: field(4),
            csum_start: field(6),
            csum_offset: field(8),
            num_buffers: field(10),
        })
    }

    /// The header as it stands in front of the frame.
    #[inline]
    pub fn emit(&self) -> [u8; VNET_LEN] {
        let mut bytes = [0; VNET_LEN];
        bytes[0] = self.flags.0;
        bytes[GSO_TYPE] = self.gso.to_wire() | if self.ecn { GSO_ECN } else { 0 };
        bytes[2..4].copy_from_slice(&self.hdr_len.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.gso_size.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.csum_start.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.csum_offset.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.num_buffers.to_le_bytes());
        bytes
    }

    /// The checksum field holds the pseudo header's sum only.
    #[inline]
    pub const fn needs_csum(&self) -> bool {
        self.flags.needs_csum()
    }

    /// The receiver need not verify the checksum.
    #[inline]
    pub const fn data_valid(&self) -> bool {
        self.flags.data_valid()
    }

    /// The packet is several packets, not yet cut.
    #[inline]
    pub fn is_superframe(&self) -> bool {
        self.gso != Gso::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_is_written() {
        for gso in [Gso::None, Gso::TcpV4, Gso::TcpV6, Gso::UdpFragmentation, Gso::UdpL4] {
            for ecn in [false, true] {
                let header = VnetHeader {
                    flags: VnetFlags(VnetFlags::NEEDS_CSUM),
                    gso,
                    ecn,
                    hdr_len: 54,
                    gso_size: 1448,
                    csum_start: 34,
                    csum_offset: 16,
                    num_buffers: 1,
                };
                assert_eq!(VnetHeader::parse(&header.emit()), Ok(header));
            }
        }
    }

    #[test]
    fn fields_are_little_endian_at_their_documented_places() {
        let bytes = [1, 0x81, 0x42, 0x01, 0xa8, 0x05, 34, 0, 16, 0, 0, 0];
        let header = VnetHeader::parse(&bytes).unwrap();
        assert_eq!(
            (header.hdr_len, header.gso_size, header.csum_start, header.csum_offset),
            (0x142, 1448, 34, 16)
        );
        assert!(header.ecn && header.needs_csum() && !header.data_valid());
        assert_eq!(header.gso, Gso::TcpV4);
    }

    #[test]
    fn an_unknown_kind_of_superframe_is_refused() {
        for kind in [2, 6, 0x20, 0x41, 0x7f] {
            let mut bytes = [0; VNET_LEN];
            bytes[GSO_TYPE] = kind;
            assert_eq!(VnetHeader::parse(&bytes), Err(Malformed::VnetHeader), "{kind:#x}");
        }
    }
}
