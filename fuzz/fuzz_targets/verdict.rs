//! A network, packets and raw frames out of bytes: no panic, and no disagreement between engine and oracle.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vpclab_tests::fuzz::verdict(bytes));
