//! What do the fuzz targets do with their bytes?
//!
//! It is here rather than in `fuzz/` so that an ordinary test replays the inputs that once failed.

use std::net::IpAddr;

use vpclab_wire::{
    Body, EmbeddedRewrite, FrameBuf, FrameMut, IcmpErrorKind, MacAddr, Rewrite, complete, echo_reply,
    fragment_ipv4, icmp_error, parse as read, rewrite, segments,
};

use crate::generate::{self, Past, Rng};
use crate::harness::Net;
use crate::oracle::Oracle;
use crate::witness;

/// The largest input that is looked at: a frame as large as a TAP hands over.
const LARGEST: usize = 70_000;

/// Reads a frame (virtio header first), and does with it whatever a network does. What comes out must be readable.
///
/// # Panics
///
/// When it is not, or anything on the way panics.
pub fn parse(bytes: &[u8]) {
    if bytes.len() > LARGEST {
        return;
    }
    let Ok(headers) = read(bytes) else { return };
    let Body::Ip(ip) = headers.body else { return };
    let _ = echo_reply(bytes, &headers);
    let (src, dst): (IpAddr, IpAddr) = match ip.src {
        IpAddr::V4(_) => ([192, 0, 2, 1].into(), [198, 51, 100, 1].into()),
        IpAddr::V6(_) => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into()),
    };
    let change = Rewrite {
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        dst_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        src: Some(src),
        dst: Some(dst),
        src_port: Some(1),
        dst_port: Some(2),
        ttl: Some(9),
        max_segment_size: Some(1000),
        embedded: Some(EmbeddedRewrite {
            src: Some(dst),
            dst: Some(src),
            src_port: Some(3),
            dst_port: Some(4),
        }),
    };
    let mut changed = bytes.to_vec();
    rewrite(&mut FrameMut::new(&mut changed).expect("what was read is a frame"), &ip, &change);
    let Ok(again) = read(&changed) else { panic!("a rewritten frame cannot be read") };
    assert!(matches!(again.body, Body::Ip(now) if now.src == src && now.ttl == 9));
    for piece in segments(bytes).into_iter().flatten() {
        read(piece.bytes()).expect("a segment can be read");
    }
    for piece in fragment_ipv4(bytes, 576).into_iter().flatten() {
        let _ = read(piece.bytes());
    }
    for kind in [IcmpErrorKind::PortUnreachable, IcmpErrorKind::NetworkUnreachable] {
        if let Some(error) = icmp_error(kind, change.src_mac, change.dst_mac, src, bytes) {
            read(error.bytes()).expect("an ICMP error can be read");
        }
    }
    if let Ok(mut whole) = FrameBuf::from_bytes(bytes.to_vec()) {
        complete(&mut whole.as_mut());
    }
}

/// Plays packets in a generated network, some of them generated, some the input itself.
///
/// # Panics
///
/// When the witnesses disagree, or anything panics.
pub fn verdict(bytes: &[u8]) {
    let Some((seed, rest)) = bytes.split_first_chunk::<8>() else { return };
    let mut rng = Rng::new(u64::from_le_bytes(*seed));
    let mut net = Net::new(generate::network(&mut rng));
    let (mut oracle, mut past) = (Oracle::default(), Past::default());
    for chunk in rest.chunks(8) {
        let mut choice = [0; 8];
        choice[..chunk.len()].copy_from_slice(chunk);
        let mut rng = Rng::new(u64::from_le_bytes(choice));
        net.pause(generate::pause(&mut rng));
        let Some((entry, packet)) = generate::packet(&mut rng, &net.topology, &past) else { continue };
        match witness::confront(&mut net, &mut oracle, &entry, &packet) {
            Ok(verdict) => past.record(&entry, &packet, &verdict),
            Err(what) => panic!("{what}"),
        }
    }
    // Last, the input as a frame of each guest, under the guest's own hardware address: whatever it is, it is survived.
    let guests: Vec<String> =
        net.topology.network_interfaces.keys().map(|name| name.as_str().to_owned()).collect();
    for guest in guests.iter().map(String::as_str).chain(["client"]) {
        if rest.len() < 26 || rest.len() > LARGEST {
            return;
        }
        let mut frame = rest.to_vec();
        frame[12..18].copy_from_slice(&net.router_mac(guest).0);
        frame[18..24].copy_from_slice(&net.mac(guest).0);
        net.send_frame(guest, &frame);
    }
}
