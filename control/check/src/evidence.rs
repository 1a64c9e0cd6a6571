//! Did the network deny it, or did the packets never get there?
//!
//! Silence alone is no denial: a sender without a route, a firewall inside the guest or a lost frame is as silent. What
//! the engine has counted while the packets were under way tells them apart. What always holds: nothing here turns an
//! attempt into a pass or a failure; it says whether the attempt may be judged at all.

use std::collections::{BTreeMap, BTreeSet};

use vpclab_api::{Counters, Outcome};
use vpclab_engine::DropReason;

use crate::codes::MISDELIVERED;

/// Reasons that packets meet where explain, which need not send any, gives another's code.
const PACKETS_OWN: &[(&str, &str)] = &[
    // Where nobody has the address, a neighbour's question goes unanswered before any packet is sent (L2-05).
    ("unanswered-resolution", "NO_POSSIBLE_DESTINATION"),
    // From outside, a private address is all that packets can try.
    ("non-public-destination", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"),
];

/// What denies without that the network drops anything. What appliances hand round ends at the one that counts its last hop.
const NOBODY_DROPS: [&str; 3] = [MISDELIVERED, "ANSWERED_FROM_ELSEWHERE", "FORWARDING_LOOP"];

/// What has been counted on the way of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Frames that the sender's kernel or stack put on the wire.
    pub(crate) sent: u64,
    /// Frames lost before the engine could read them.
    pub(crate) lost: u64,
    /// Frames the engine dropped, by the reason's name.
    pub(crate) dropped: BTreeMap<String, u64>,
}

impl Tally {
    /// What a running lab counts at the ports of these names: of who sends and of all others on the way.
    pub(crate) fn of_lab(counters: &Counters, sender: &str, others: &BTreeSet<&str>) -> Self {
        let is_on_the_way = |port: &str| port == sender || others.contains(port);
        let mut tally = Self::default();
        for device in counters.devices.iter().filter(|device| is_on_the_way(&device.port)) {
            tally.lost += device.kernel_dropped;
            if device.port == sender {
                tally.sent += device.sent;
            }
        }
        for drop in counters.dropped.iter().filter(|drop| is_on_the_way(&drop.port)) {
            *tally.dropped.entry(drop.reason.clone()).or_default() += drop.frames;
        }
        tally
    }

    /// Whether an attempt that came to `outcome` between `before` and this may be judged. `denied_by` are the codes
    /// with which explain denies it; `said` is what the sender's kernel said, if anything.
    ///
    /// # Errors
    ///
    /// Why the attempt bears witness to nothing, in a sentence.
    pub(crate) fn admits(
        &self,
        before: &Self,
        outcome: Outcome,
        denied_by: &[String],
        sender: &str,
        said: Option<&str>,
    ) -> Result<(), String> {
        if !matches!(outcome, Outcome::Dropped | Outcome::Unreachable) {
            return Ok(());
        }
        let said = said.map_or_else(String::new, |said| format!(" ({said})"));
        if self.lost > before.lost {
            return Err(
                "the kernel dropped frames before the engine could read them; run it again".to_owned()
            );
        }
        if self.sent == before.sent {
            return Err(format!("no frame left {sender}: its own kernel ended the attempt{said}"));
        }
        if denied_by.is_empty() || denied_by.iter().any(|code| NOBODY_DROPS.contains(&code.as_str())) {
            return Ok(());
        }
        // A drop for any other reason is somebody else's, such as a clock that looks for its server.
        let denies = |reason: &str| {
            let codes = DropReason::NAMES.iter().chain(PACKETS_OWN).filter(|(name, _)| *name == reason);
            codes.map(|(_, code)| *code).any(|code| denied_by.iter().any(|denied| denied == code))
        };
        let decided = self.dropped.iter().any(|(reason, frames)| {
            *frames > before.dropped.get(reason).copied().unwrap_or(0) && denies(reason)
        });
        if decided {
            return Ok(());
        }
        Err(format!(
            "nothing came back{said}, and the network dropped nothing for the reason that denies it: the packets of {sender} \
             were lost elsewhere"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sent: u64, lost: u64, dropped: &[(&str, u64)]) -> Tally {
        let dropped = dropped.iter().map(|(reason, frames)| ((*reason).to_owned(), *frames)).collect();
        Tally { sent, lost, dropped }
    }

    #[test]
    fn silence_is_a_denial_only_where_the_network_decided() {
        let before = tally(10, 0, &[("security-group", 2), ("multicast", 7)]);
        for (what, after, codes, says) in [
            (
                "a rule dropped it",
                tally(11, 0, &[("security-group", 3), ("multicast", 7)]),
                "ENI_SG_RULES_MISMATCH",
                None,
            ),
            (
                "nothing was sent",
                tally(10, 0, &[("security-group", 3)]),
                "ENI_SG_RULES_MISMATCH",
                Some("no frame left a"),
            ),
            (
                "only chatter was sent",
                tally(12, 0, &[("multicast", 9)]),
                "ENI_SG_RULES_MISMATCH",
                Some("lost elsewhere"),
            ),
            (
                "frames were lost",
                tally(11, 1, &[("security-group", 3)]),
                "ENI_SG_RULES_MISMATCH",
                Some("run it again"),
            ),
            (
                "another rule dropped something",
                tally(12, 0, &[("security-group", 2), ("network-acl", 1)]),
                "ENI_SG_RULES_MISMATCH",
                Some("lost elsewhere"),
            ),
            ("nobody has it", tally(12, 0, &[("unanswered-resolution", 1)]), "NO_POSSIBLE_DESTINATION", None),
            (
                "a stray question",
                tally(12, 0, &[("unanswered-resolution", 1)]),
                "ENI_SG_RULES_MISMATCH",
                Some("lost elsewhere"),
            ),
            ("somebody else has it", tally(11, 0, &[]), "MISDELIVERED", None),
            ("appliances hand it round", tally(11, 0, &[]), "FORWARDING_LOOP", None),
            ("somebody else answers", tally(11, 0, &[]), "ANSWERED_FROM_ELSEWHERE", None),
        ] {
            let verdict = after.admits(&before, Outcome::Dropped, &[codes.to_owned()], "a", None);
            match says {
                None => assert_eq!(verdict, Ok(()), "{what}"),
                Some(says) => {
                    assert!(verdict.as_ref().is_err_and(|told| told.contains(says)), "{what}: {verdict:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_senders_own_kernel_refuses_is_told_with_its_words() {
        let nothing = Tally::default();
        let verdict =
            nothing.admits(&nothing, Outcome::Unreachable, &[], "a", Some("Network is unreachable"));
        assert_eq!(
            verdict,
            Err("no frame left a: its own kernel ended the attempt (Network is unreachable)".to_owned())
        );
        assert_eq!(nothing.admits(&nothing, Outcome::Allowed, &[], "a", None), Ok(()));
        assert_eq!(nothing.admits(&nothing, Outcome::Refused, &["X".to_owned()], "a", None), Ok(()));
    }

    #[test]
    fn a_lab_counts_on_the_way_and_nowhere_else() {
        let port = |port: &str, sent, kernel_dropped| vpclab_api::PortCounters {
            port: port.to_owned(),
            sent,
            received: 0,
            kernel_dropped,
        };
        let drop = |port: &str, frames| vpclab_api::DropCount {
            port: port.to_owned(),
            reason: "network-acl".to_owned(),
            frames,
        };
        let counters = Counters {
            devices: vec![port("a", 3, 0), port("b", 5, 1), port("c", 9, 9), port("m", 7, 2)],
            dropped: vec![drop("a", 1), drop("b", 2), drop("c", 4), drop("m", 8)],
            ..Counters::default()
        };
        for (others, counted) in [
            (&["b"][..], tally(3, 1, &[("network-acl", 3)])),
            (&[], tally(3, 0, &[("network-acl", 1)])),
            // One who sends it on, as m in a → m → b.
            (&["b", "m"], tally(3, 3, &[("network-acl", 11)])),
        ] {
            let others = others.iter().copied().collect();
            assert_eq!(Tally::of_lab(&counters, "a", &others), counted, "{others:?}");
        }
    }

    #[test]
    fn every_reason_that_only_packets_meet_is_one_of_the_engines() {
        for (reason, code) in PACKETS_OWN {
            assert!(DropReason::NAMES.iter().any(|(name, _)| name == reason), "{reason}");
            assert!(DropReason::NAMES.iter().any(|(_, known)| known == code), "{code}");
        }
    }
}
