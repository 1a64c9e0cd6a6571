//! Which networks and packets are worth a look?
//!
//! Everything comes from one seed.

mod changes;
mod endpoint;
mod filters;
mod network;
mod packets;
mod private;
mod routing;
mod tables;
mod transit;

#[cfg(test)]
mod tests;

pub use changes::changed;
pub use network::network;
pub use packets::{Past, packet, pause};

/// Ports that rules and packets share.
const PORTS: [u16; 6] = [22, 25, 80, 443, 5432, 40_000];

/// Public addresses of a customer's own, and those of them that have a route (RT-51).
const POOL: &str = "100.20.0.0/24";
const ROUTED_PART_OF_POOL: &str = "100.20.0.0/25";

/// SplitMix64: the same numbers from the same seed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u64() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `all`, which is not empty.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
