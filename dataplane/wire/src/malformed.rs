//! Why was a frame refused at the door?
//!
//! One variant per reason, each small enough to index an array of counters.

/// Why [`parse`](crate::parse) refused a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[repr(u8)]
pub enum Malformed {
    /// Shorter than a virtio header and an Ethernet header.
    #[error("the frame is shorter than a virtio and an Ethernet header")]
    FrameTooShort,
    /// The virtio header contradicts itself or the packet.
    #[error("the virtio header does not describe this packet")]
    VnetHeader,
    /// The source MAC has the group bit set.
    #[error("the source MAC address is a multicast address")]
    MulticastSource,
    /// Neither IPv4, IPv6 nor ARP (fact L2-07).
    #[error("the EtherType is neither IPv4, IPv6 nor ARP")]
    UnsupportedEtherType,
    /// Not an ARP request or reply for IPv4 over Ethernet (RFC 826).
    #[error("not an ARP request or reply for IPv4 over Ethernet")]
    Arp,
    /// EtherType IPv4, version field other than 4.
    #[error("the IPv4 version field is not 4")]
    Ipv4Version,
    /// The IPv4 header length is below 20 or past the end of the frame.
    #[error("the IPv4 header length is below 20 bytes or past the end of the frame")]
    Ipv4HeaderLength,
    /// The IPv4 total length is shorter than the header or longer than the frame.
    #[error("the IPv4 total length is shorter than the header or longer than the frame")]
    Ipv4TotalLength,
    /// The IPv4 header checksum is wrong.
    #[error("the IPv4 header checksum is wrong")]
    Ipv4Checksum,
    /// EtherType IPv6, version field other than 6.
    #[error("the IPv6 version field is not 6")]
    Ipv6Version,
    /// The IPv6 header or its payload length is past the end of the frame.
    #[error("the IPv6 header or payload length is past the end of the frame")]
    Ipv6PayloadLength,
    /// A jumbo payload option (RFC 2675).
    #[error("IPv6 jumbograms are not carried")]
    Ipv6Jumbogram,
    /// An IPv6 extension header is past the end of the packet, or a second fragment header.
    #[error("an IPv6 extension header is cut off or repeated")]
    Ipv6ExtensionHeader,
    /// More than eight IPv6 extension headers.
    #[error("more than eight IPv6 extension headers")]
    Ipv6TooManyExtensionHeaders,
    /// A type 0 routing header (deprecated by RFC 5095).
    #[error("an IPv6 type 0 routing header")]
    Ipv6RoutingType0,
    /// A fragment without data.
    #[error("a fragment without data")]
    EmptyFragment,
    /// A fragment other than the last whose length is not a multiple of eight.
    #[error("a fragment, not the last, whose length is not a multiple of eight")]
    UnalignedFragment,
    /// A fragment that ends past the largest datagram ("ping of death").
    #[error("a fragment that ends past 65535 bytes")]
    FragmentPastEnd,
    /// A first fragment that does not hold the transport header, or one that would overwrite it (RFC 1858, RFC 7112).
    #[error("a first fragment without its whole transport header, or a fragment inside one")]
    TinyFragment,
    /// The packet ends inside its transport header.
    #[error("the packet ends inside its transport header")]
    TruncatedTransport,
    /// The TCP data offset is below 20 or past the end of the packet.
    #[error("the TCP data offset is below 20 bytes or past the end of the packet")]
    TcpDataOffset,
    /// The UDP length is below 8 or past the end of the packet.
    #[error("the UDP length is below 8 bytes or past the end of the packet")]
    UdpLength,
}

impl Malformed {
    /// Every reason, at its [`index`](Self::index).
    pub const ALL: &[Self] = &[
        Self::FrameTooShort,
        Self::VnetHeader,
        Self::MulticastSource,
        Self::UnsupportedEtherType,
        Self::Arp,
        Self::Ipv4Version,
        Self::Ipv4HeaderLength,
        Self::Ipv4TotalLength,
        Self::Ipv4Checksum,
        Self::Ipv6Version,
        Self::Ipv6PayloadLength,
        Self::Ipv6Jumbogram,
        Self::Ipv6ExtensionHeader,
        Self::Ipv6TooManyExtensionHeaders,
        Self::Ipv6RoutingType0,
        Self::EmptyFragment,
        Self::UnalignedFragment,
        Self::FragmentPastEnd,
        Self::TinyFragment,
        Self::TruncatedTransport,
        Self::TcpDataOffset,
        Self::UdpLength,
    ];

    /// The place of this reason in [`ALL`](Self::ALL), for an array of counters.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name of a counter: lower case, words joined by hyphens.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::FrameTooShort => "frame-too-short",
            Self::VnetHeader => "vnet-header",
            Self::MulticastSource => "multicast-source",
            Self::UnsupportedEtherType => "unsupported-ethertype",
            Self::Arp => "arp",
            Self::Ipv4Version => "ipv4-version",
            Self::Ipv4HeaderLength => "ipv4-header-length",
            Self::Ipv4TotalLength => "ipv4-total-length",
            Self::Ipv4Checksum => "ipv4-checksum",
            Self::Ipv6Version => "ipv6-version",
            Self::Ipv6PayloadLength => "ipv6-payload-length",
            Self::Ipv6Jumbogram => "ipv6-jumbogram",
            Self::Ipv6ExtensionHeader => "ipv6-extension-header",
            Self::Ipv6TooManyExtensionHeaders => "ipv6-too-many-extension-headers",
            Self::Ipv6RoutingType0 => "ipv6-routing-type-0",
            Self::EmptyFragment => "empty-fragment",
            Self::UnalignedFragment => "unaligned-fragment",
            Self::FragmentPastEnd => "fragment-past-end",
            Self::TinyFragment => "tiny-fragment",
            Self::TruncatedTransport => "truncated-transport",
            Self::TcpDataOffset => "tcp-data-offset",
            Self::UdpLength => "udp-length",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_its_own_name_and_stands_at_its_index() {
        let mut names = HashSet::new();
        for (index, reason) in Malformed::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(names.insert(reason.reason()));
            assert!(
                reason.reason().bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            );
        }
        assert_eq!(Malformed::UdpLength.index() + 1, Malformed::ALL.len());
    }
}
