//! Which codes can a blocker have?
//!
//! Those of the engine's reasons, and one of this crate's own. A test file may name one, so a slip in it is found.

/// Some of the hosts that `internet` stands for fare differently from others: vpclab's own code.
pub(crate) const ONLY_SOME_ADDRESSES: &str = "ONLY_SOME_ADDRESSES";

/// Every code, in the order of `docs/explain.md`, then those about single frames and full memories.
pub(crate) const CODES: &[&str] = &[
    "ENI_SG_RULES_MISMATCH",
    "SG_HAS_NO_RULES",
    "SUBNET_ACL_RESTRICTION",
    "ENI_SOURCE_DEST_CHECK_RESTRICTION",
    "NO_ROUTE_TO_DESTINATION",
    "BAD_STATE_ROUTE",
    "BAD_STATE_ATTACHMENT",
    "NO_POSSIBLE_DESTINATION",
    "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
    "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
    "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
    "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS",
    "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS",
    "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS",
    "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
    ONLY_SOME_ADDRESSES,
    "DESTINATION_NOT_PUBLIC",
    "OUTBOUND_SMTP_BLOCKED",
    "MISDELIVERED",
    "MULTICAST_NOT_SUPPORTED",
    "BROADCAST_NOT_SUPPORTED",
    "LINK_LOCAL_NOT_ROUTED",
    "RESERVED_DESTINATION",
    "FOREIGN_SOURCE",
    "MALFORMED",
    "SPOOFED_MAC",
    "UNKNOWN_MAC",
    "UNANSWERED_RESOLUTION",
    "NOT_MODELLED",
    "MTU_EXCEEDED",
    "MID_STREAM_TCP",
    "CONNTRACK_ALLOWANCE_EXCEEDED",
    "FLOW_MEMORY_FULL",
    "FRAGMENT_WITHOUT_FIRST",
    "OVERLAPPING_FRAGMENT",
    "FORWARDING_LOOP",
    "STALE",
];

#[cfg(test)]
mod tests {
    use vpclab_engine::DropReason;

    use super::*;

    #[test]
    fn every_code_of_the_engine_is_known_and_no_other() {
        let of_engine = || DropReason::NAMES.iter().map(|(_, code)| *code).chain(["MALFORMED"]);
        for code in of_engine() {
            assert!(CODES.contains(&code), "{code} is not listed");
        }
        for code in CODES.iter().filter(|code| **code != ONLY_SOME_ADDRESSES) {
            assert!(of_engine().any(|known| known == *code), "no reason has the code {code}");
        }
    }
}
