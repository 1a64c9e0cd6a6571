//! Which codes can a blocker have?
//!
//! Those of the engine's reasons, and those of this crate's own. A test file may name one, so a slip in it is found.

use vpclab_engine::DropReason;

/// Some of the hosts that `internet` stands for fare differently from others: vpclab's own code.
pub(crate) const ONLY_SOME_ADDRESSES: &str = "ONLY_SOME_ADDRESSES";

/// The two ends have no address family in common: vpclab's own code.
pub(crate) const NO_COMMON_FAMILY: &str = "NO_COMMON_ADDRESS_FAMILY";

/// An end was asked about as what lies behind a gateway, and packets to it do not pass that gateway: vpclab's own code.
pub(crate) const NOT_BY_THIS_GATEWAY: &str = "NOT_BY_THIS_GATEWAY";

/// Packets reach another than the one asked about, who has the same address: one of the engine's.
pub(crate) const MISDELIVERED: &str = "MISDELIVERED";

/// An instance or gateway does not run: one of the engine's.
pub(crate) const BAD_STATE: &str = "BAD_STATE";

/// Every code, once each.
pub(crate) fn codes() -> Vec<&'static str> {
    let of_engine = DropReason::NAMES.iter().map(|(_, code)| *code);
    let mut codes: Vec<_> =
        of_engine.chain(["MALFORMED", ONLY_SOME_ADDRESSES, NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY]).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_every_code_that_a_question_can_meet() {
        // About single frames, forged sources and full memories: no question leads there.
        const ABOUT_FRAMES: [&str; 12] = [
            "MALFORMED",
            "SPOOFED_MAC",
            "UNKNOWN_MAC",
            "UNANSWERED_RESOLUTION",
            "FOREIGN_SOURCE",
            "MID_STREAM_TCP",
            "CONNTRACK_ALLOWANCE_EXCEEDED",
            "FLOW_MEMORY_FULL",
            "FRAGMENT_WITHOUT_FIRST",
            "OVERLAPPING_FRAGMENT",
            "STALE",
            "UNTRANSLATABLE",
        ];
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/explain.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let missing: Vec<_> = codes()
            .into_iter()
            .filter(|code| !ABOUT_FRAMES.contains(code) && !guide.contains(&format!("`{code}`")))
            .collect();
        assert!(missing.is_empty(), "docs/explain.md does not explain {missing:?}");
    }
}
