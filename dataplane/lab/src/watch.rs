//! What really happened to a conversation, as its guests saw it?
//!
//! A [`Watch`] looks at the frames that reach and leave the two ends of one conversation. It decides nothing: outcomes
//! read what it has seen.

use std::net::{IpAddr, SocketAddr};

use vpclab_engine::Port;
use vpclab_wire::{Body, Embedded, Headers, IcmpMessage, IpHeaders, Protocol, Transport};

/// The two addresses of a conversation as one of its ends sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The end's own address and port.
    pub local: SocketAddr,
    /// The other end's, after whatever the network translated.
    pub peer: SocketAddr,
}

/// An ICMP or ICMPv6 error that reached the end that opened a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Who sent it, as the receiver sees it.
    pub from: IpAddr,
    /// The type: 3 and 11 in ICMP, 1 to 4 in ICMPv6.
    pub icmp_type: u8,
    /// The code.
    pub code: u8,
}

/// What has been seen of one conversation. An echo request's identifier stands in for the client's port.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) client: Port,
    pub(crate) server: Option<Port>,
    pub(crate) protocol: Protocol,
    pub(crate) local: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// The first request that reached the server, as the server sees it.
    pub(crate) request: Option<Ends>,
    /// Who reset the connection, as the client sees it.
    pub(crate) reset_by: Option<SocketAddr>,
    /// Whether the server's own stack sent a reset.
    pub(crate) server_reset: bool,
    /// The last error about the client's packets.
    pub(crate) error: Option<IcmpError>,
}

impl Watch {
    pub(crate) fn new(
        client: Port,
        server: Option<Port>,
        protocol: Protocol,
        local: SocketAddr,
        destination: SocketAddr,
    ) -> Self {
        Self {
            client,
            server,
            protocol,
            local,
            destination,
            request: None,
            reset_by: None,
            server_reset: false,
            error: None,
        }
    }

    /// A guest has received a packet.
    pub(crate) fn received(&mut self, port: Port, headers: &Headers) {
        let Body::Ip(ip) = &headers.body else { return };
        if Some(port) == self.server && self.request.is_none() {
            self.request = self.request_ends(ip);
        }
        if port != self.client {
            return;
        }
        match ip.transport {
            Transport::Tcp(tcp) if self.protocol == Protocol::TCP && tcp.flags.rst() => {
                let source = SocketAddr::new(ip.src, tcp.src_port);
                if source == self.destination && SocketAddr::new(ip.dst, tcp.dst_port) == self.local {
                    self.reset_by = Some(source);
                }
            }
            Transport::Icmp(icmp) => {
                if let IcmpMessage::Error { embedded: Some(embedded) } = icmp.message
                    && self.is_about(&embedded)
                {
                    self.error = Some(IcmpError { from: ip.src, icmp_type: icmp.icmp_type, code: icmp.code });
                }
            }
            _ => {}
        }
    }

    /// A guest has sent a packet.
    pub(crate) fn sent(&mut self, port: Port, headers: &Headers) {
        let Body::Ip(IpHeaders { transport: Transport::Tcp(tcp), .. }) = headers.body else { return };
        let ours = Some(port) == self.server && tcp.src_port == self.destination.port();
        self.server_reset |= ours && self.protocol == Protocol::TCP && tcp.flags.rst();
    }

    /// Both ends of a packet that may be the client's request.
    fn request_ends(&self, ip: &IpHeaders) -> Option<Ends> {
        // NAT64 makes one ICMP of the other.
        let is_icmp = |protocol| matches!(protocol, Protocol::ICMP | Protocol::ICMPV6);
        if ip.protocol != self.protocol && !(is_icmp(ip.protocol) && is_icmp(self.protocol)) {
            return None;
        }
        let (source_port, destination_port) = match ip.transport {
            Transport::Tcp(tcp) if tcp.flags.is_opening() => (tcp.src_port, tcp.dst_port),
            Transport::Udp { src_port, dst_port } => (src_port, dst_port),
            Transport::Icmp(icmp) => match icmp.message {
                IcmpMessage::Query { identifier, .. } if icmp.icmp_type == 8 || icmp.icmp_type == 128 => {
                    (identifier, 0)
                }
                _ => return None,
            },
            _ => return None,
        };
        let is_request = destination_port == self.destination.port();
        is_request.then(|| Ends {
            local: SocketAddr::new(ip.dst, destination_port),
            peer: SocketAddr::new(ip.src, source_port),
        })
    }

    fn is_about(&self, embedded: &Embedded) -> bool {
        let ports = match self.protocol {
            Protocol::TCP | Protocol::UDP => Some((self.local.port(), self.destination.port())),
            _ => Some((self.local.port(), 0)),
        };
        embedded.protocol == self.protocol
            && embedded.src == self.local.ip()
            && embedded.dst == self.destination.ip()
            && (embedded.ports.is_none() || embedded.ports == ports)
    }
}
