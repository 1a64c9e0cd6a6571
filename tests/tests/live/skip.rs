//! What does a live test say that cannot run here?
//!
//! It says so loudly and passes, except where that may not be. The live tests of `daemon` and `tap` are made of this
//! file, too.

use std::io::Write;

/// Says that a test is skipped: to stderr itself, as the harness captures what `eprintln!` prints.
///
/// # Panics
/// Where nothing may be skipped: with `CI=true` and with `VPCLAB_LIVE=required`.
pub(crate) fn skip(missing: &str) {
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|is| is == value);
    let required = is("CI", "true") || is("VPCLAB_LIVE", "required");
    assert!(!required, "{missing}; CI=true and VPCLAB_LIVE=required allow no skipping");
    let _ = writeln!(std::io::stderr(), "    SKIPPED, NOT PASSED: {missing}");
}
