//! What do the tests stand on: namespaces that vanish, and a wire between two of them.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vpclab_tap::link::{self, LinkConfig, RouteConfig};
use vpclab_tap::{Device, Netns, OffloadTap, PlainTap, Poller, READ_BUFFER_LEN, TapError, Waker, capability};
use vpclab_wire::MacAddr;

use crate::skip::skip;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether live tests can run here; where they must, not being able to is a failure.
pub(crate) fn live() -> bool {
    capability().map_err(|missing| skip(&missing.to_string())).is_ok()
}

/// A namespace that is deleted with its last use here.
pub(crate) struct Namespace(pub(crate) Netns);

impl Namespace {
    pub(crate) fn new() -> Self {
        Self(Netns::create(&unique_name()).unwrap())
    }

    /// The output of `ip ARGUMENTS` inside.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = self.0.run(|| Command::new("ip").args(arguments.split(' ')).output().unwrap()).unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Netns::delete(self.0.name().unwrap());
    }
}

pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("vpclab-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, number])
}

/// `eth0` of host `number`: 10.0.1.NUMBER/24 and 2001:db8::NUMBER/64, MTU 9001.
pub(crate) fn config(number: u8) -> LinkConfig {
    LinkConfig {
        name: "eth0".to_owned(),
        mac: mac(number),
        mtu: 9001,
        alias: format!("eni-{number}"),
        txqueuelen: 2000,
        addresses: vec![
            format!("10.0.1.{number}/24").parse().unwrap(),
            format!("2001:db8::{number}/64").parse().unwrap(),
        ],
        routes: vec![],
        rules: vec![],
        arrivals: None,
    }
}

pub(crate) fn route(destination: &str, gateway: Option<&str>) -> RouteConfig {
    RouteConfig {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        onlink: false,
        source: None,
        table: None,
        metric: 0,
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Two namespaces, hosts 1 and 2, joined by a thread that copies frames both ways.
pub(crate) struct Wire {
    pub(crate) a: Namespace,
    pub(crate) b: Namespace,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    pub(crate) fn offload() -> Self {
        Self::new(OffloadTap::open)
    }

    pub(crate) fn plain() -> Self {
        Self::new(PlainTap::open)
    }

    fn new<D: Device + 'static>(open: fn(&Netns, &str) -> Result<D, TapError>) -> Self {
        let (a, b) = (Namespace::new(), Namespace::new());
        let taps = [open(&a.0, "eth0").unwrap(), open(&b.0, "eth0").unwrap()];
        let waker = Arc::new(Waker::new().unwrap());
        let poller = Poller::new().unwrap();
        poller.add(&*waker, 2).unwrap();
        poller.add(taps[0].as_fd(), 0).unwrap();
        poller.add(taps[1].as_fd(), 1).unwrap();
        link::apply(&a.0, &config(1)).unwrap();
        link::apply(&b.0, &config(2)).unwrap();
        let thread = thread::spawn(move || {
            let (mut buffer, mut ready) = (vec![0; READ_BUFFER_LEN], [0; 3]);
            loop {
                let count = poller.wait(&mut ready, None).unwrap();
                for &token in &ready[..count] {
                    let Some(from) = taps.get(usize::try_from(token).unwrap()) else { return };
                    let to = &taps[usize::from(token == 0)];
                    while let Some(len) = from.read(&mut buffer).unwrap() {
                        to.write(&buffer[..len]).unwrap();
                    }
                }
            }
        });
        Self { a, b, waker, thread: Some(thread) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.waker.wake();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the wire broke");
    }
}
