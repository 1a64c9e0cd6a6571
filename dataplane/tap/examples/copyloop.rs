//! How fast is a TAP when nobody thinks? The baseline every benchmark is divided by: two TAPs in two namespaces, one
//! thread, one buffer, every frame copied as it is.
//!
//! `copyloop NETNS_A TAP_A ADDRESS_A NETNS_B TAP_B ADDRESS_B SECONDS [MTU]`, with addresses such as `10.0.0.1/24`.
//! Namespaces that do not exist are made and deleted at the end. It is fair: the same device, queueing discipline,
//! ring length, batch limit and buffer as the engine's, and not one instruction of policy.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use vpclab_tap::link::{self, LinkConfig};
use vpclab_tap::{Device, Netns, OffloadTap, Poller, READ_BUFFER_LEN};
use vpclab_wire::MacAddr;

/// Frames read from one TAP before the other has its turn.
const BATCH: usize = 32;
const RING: u32 = 2000;
const SIGNALS: u64 = 2;

/// One end of the loop.
struct End {
    netns: Netns,
    made: bool,
    name: String,
    tap: OffloadTap,
}

#[derive(Default)]
struct Copied {
    packets: u64,
    bytes: u64,
    lost: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [netns_a, tap_a, address_a, netns_b, tap_b, address_b, seconds, rest @ ..] = arguments.as_slice()
    else {
        return Err("usage: copyloop NETNS_A TAP_A ADDRESS_A NETNS_B TAP_B ADDRESS_B SECONDS [MTU]".into());
    };
    let mtu = rest.first().map_or(Ok(1500), |mtu| mtu.parse())?;
    let run_time = Duration::from_secs(seconds.parse()?);
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    let ends = [open(netns_a, tap_a, address_a, mtu, 1)?, open(netns_b, tap_b, address_b, mtu, 2)?];
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let outcome = copy(&ends, &stop, run_time);
    let mut out = io::stdout().lock();
    for (end, direction) in ends.iter().zip(["a to b", "b to a"]) {
        let drops = link::kernel_drops(&end.netns, &end.name)?;
        writeln!(
            out,
            "{direction}: ring full {}, not taken {}, malformed {}",
            drops.ring_full, drops.not_taken, drops.malformed
        )?;
    }
    for End { netns, made, .. } in ends {
        if let Some(name) = netns.name().filter(|_| made) {
            Netns::delete(name)?;
        }
    }
    for (copied, direction) in outcome?.iter().zip(["a to b", "b to a"]) {
        writeln!(
            out,
            "{direction}: {} packets, {} bytes, {} lost on write",
            copied.packets, copied.bytes, copied.lost
        )?;
    }
    Ok(())
}

fn open(netns: &str, name: &str, address: &str, mtu: u32, number: u8) -> Result<End, Box<dyn Error>> {
    let made = !Netns::exists(netns);
    let netns = if made { Netns::create(netns)? } else { Netns::open_name(netns)? };
    let tap = OffloadTap::open(&netns, name)?;
    let config = LinkConfig {
        name: name.to_owned(),
        mac: MacAddr([2, 0, 0, 0, 0, number]),
        mtu,
        alias: String::new(),
        txqueuelen: RING,
        addresses: vec![address.parse()?],
        routes: Vec::new(),
        rules: Vec::new(),
        arrivals: None,
    };
    link::apply(&netns, &config)?;
    Ok(End { netns, made, name: name.to_owned(), tap })
}

fn copy(ends: &[End; 2], stop: &SignalFd, run_time: Duration) -> io::Result<[Copied; 2]> {
    let poller = Poller::new()?;
    poller.add(ends[0].tap.as_fd(), 0)?;
    poller.add(ends[1].tap.as_fd(), 1)?;
    poller.add(stop, SIGNALS)?;
    let deadline = Instant::now() + run_time;
    let mut copied = [Copied::default(), Copied::default()];
    let mut buffer = vec![0; READ_BUFFER_LEN];
    let mut ready = [0; 4];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let count = poller.wait(&mut ready, Some(left))?;
        if left.is_zero() || ready[..count].contains(&SIGNALS) {
            return Ok(copied);
        }
        for token in &ready[..count] {
            let (from, to, copied) = match token {
                0 => (&ends[0].tap, &ends[1].tap, &mut copied[0]),
                _ => (&ends[1].tap, &ends[0].tap, &mut copied[1]),
            };
            for _ in 0..BATCH {
                let Some(len) = from.read(&mut buffer)? else { break };
                match to.write(&buffer[..len]) {
                    Ok(()) => {
                        copied.packets += 1;
                        copied.bytes += len as u64;
                    }
                    Err(_) => copied.lost += 1,
                }
            }
        }
    }
}
