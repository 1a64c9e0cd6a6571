//! Bytes from a guest: nothing that reads, changes, cuts or quotes them may panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| vpclab_tests::fuzz::parse(bytes));
