//! What does a guest's network card do?
//!
//! It stands between smoltcp and the station: one frame waits to be received, sent ones pile up. Frames here are plain
//! Ethernet with complete checksums, no longer than the MTU; offloads are the station's affair.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use vpclab_wire::ETHERNET_LEN;

/// A network card with room for one received frame.
#[derive(Debug)]
pub(crate) struct Nic {
    /// The largest IP packet, in bytes.
    pub(crate) mtu: usize,
    /// The frame to be received next.
    pub(crate) received: Option<Vec<u8>>,
    /// Frames sent, oldest first.
    pub(crate) sent: Vec<Vec<u8>>,
}

/// A frame being received.
#[derive(Debug)]
pub(crate) struct Reception(Vec<u8>);

/// A frame being sent.
#[derive(Debug)]
pub(crate) struct Transmission<'a>(&'a mut Vec<Vec<u8>>);

impl Nic {
    pub(crate) fn new(mtu: usize) -> Self {
        Self { mtu, received: None, sent: Vec::new() }
    }
}

impl Device for Nic {
    type RxToken<'a> = Reception;
    type TxToken<'a> = Transmission<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Reception, Transmission<'_>)> {
        let frame = self.received.take()?;
        Some((Reception(frame), Transmission(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmission<'_>> {
        Some(Transmission(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET_LEN;
        capabilities
    }
}

impl RxToken for Reception {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Transmission<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}
