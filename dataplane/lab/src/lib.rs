//! What do real TCP/IP stacks make of this network?
//!
//! Guests are [smoltcp] stacks inside the process, joined by the real engine: frames they send are parsed,
//! planned, committed and rewritten by the code that forwards a TAP's frames. Time is virtual and jumps from event to
//! event. There are no threads, no clocks, and no I/O but for captures that are asked for; the same seed and the same calls
//! give the same frames.
//!
//! ```
//! use vpclab_lab::{GuestRef, Lab, LabOptions, Ping, TcpDial};
//! use vpclab_model::{Document, Syntax, Topology};
//!
//! let document = r#"{
//!     "vpcs": { "shop": { "cidr_block": "10.0.0.0/16" } },
//!     "subnets": { "a": { "vpc": "shop", "cidr_block": "10.0.1.0/24" } },
//!     "instances": { "web": { "subnet": "a" }, "db": { "subnet": "a", "private_ip": "10.0.1.20" } } }"#;
//! let topology = Topology::from_document(&Document::parse(document, Syntax::Json)?, None)?;
//! let mut lab = Lab::new(&topology, LabOptions::default());
//! let dial = TcpDial::new("10.0.1.20:5432".parse()?).with_payload("select 1");
//! assert!(lab.tcp(GuestRef::Instance("web"), &dial)?.is_success());
//! assert!(lab.ping(GuestRef::Instance("web"), &Ping::new("10.0.1.20".parse()?))?.is_success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod exchange;
mod forwarder;
mod lab;
mod nic;
mod offload;
mod pcap;
mod station;
mod watch;

#[cfg(test)]
mod tests;

pub use connection::{ConnectError, ConnectionId, Side, TCP_DEADLINE, TcpDial, TcpOutcome};
pub use exchange::{EXCHANGE_DEADLINE, LARGEST_PAYLOAD, Ping, PingOutcome, UdpDial, UdpOutcome};
pub use lab::{Faults, GuestRef, Lab, LabError, LabOptions, LinkCounters};
pub use station::GuestCounters;
pub use watch::{Ends, IcmpError};
