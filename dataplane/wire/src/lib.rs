//! What do these bytes say, and how do they change without lying to the receiver?
//!
//! This crate stands at both ends of the line a packet follows: [`parse`] at the door, [`rewrite()`] before the frame
//! leaves (or translation into the other address family, [`ipv6_to_ipv4`] and [`ipv4_to_ipv6`]). Beside them are what a frame
//! may need in between: checksums ([`Sum`], [`Delta`], [`complete`]), cutting of superframes ([`segments`]) and of datagrams
//! ([`fragment_ipv4`]), and the few packets a network speaks in its own name ([`arp_reply`], [`icmp_error()`], [`tcp_reset()`]
//! and their kin).
//!
//! What always holds: a frame that [`parse`] accepted is consistent in every length, offset and offload field the rest
//! of the crate reads; no byte sequence panics; parsing and rewriting allocate nothing. The crate knows no subnet, no
//! rule and no connection, reads no clock and does no I/O.
//!
//! Every frame is laid out as a TAP with `IFF_VNET_HDR` reads and writes it: [`VNET_LEN`] bytes of virtio header, then
//! Ethernet. Offsets in [`Headers`] count from the start of Ethernet.

mod build;
mod bytes;
mod checksum;
mod fragment;
mod frame;
mod headers;
mod icmp;
mod icmp_error;
mod mac;
mod malformed;
mod mss;
mod nat64_prefix;
mod parse;
mod rewrite;
mod segment;
mod tcp_reset;
mod translate;
mod vnet;

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod testing;

pub use build::{
    PrefixInformation, RouterAdvertisement, arp_reply, echo_reply, neighbor_advertisement,
    router_advertisement,
};
pub use checksum::{Delta, Sum, complete, pseudo_header};
pub use fragment::fragment_ipv4;
pub use frame::{ETHERNET_LEN, FrameBuf, FrameMut, VNET_LEN};
pub use headers::{
    Arp, ArpOperation, Body, Embedded, Fragment, Headers, IcmpHeader, IcmpMessage, IpHeaders, Protocol,
    TcpFlags, TcpHeader, Transport,
};
pub use icmp::{is_error as is_icmp_error, is_query as is_icmp_query};
pub use icmp_error::{IcmpErrorKind, icmp_error};
pub use mac::{InvalidMacAddr, MacAddr};
pub use malformed::Malformed;
pub use nat64_prefix::{NAT64_PREFIX, nat64_address, nat64_embedded};
pub use parse::parse;
pub use rewrite::{EmbeddedRewrite, Rewrite, rewrite};
pub use segment::segments;
pub use tcp_reset::tcp_reset;
pub use translate::{EmbeddedTranslation, Translation, Untranslatable, ipv4_to_ipv6, ipv6_to_ipv4};
pub use vnet::{Gso, VnetFlags, VnetHeader};
