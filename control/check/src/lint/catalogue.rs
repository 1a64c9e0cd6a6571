//! Which mistakes are looked for?
//!
//! One line each: the id that acceptances name, how much it usually matters, the facts it rests on, and what it says.
//! Ids are stable: what a document accepts today it accepts tomorrow.

use vpclab_api::Severity::{self, Error, Note, Warning};

/// A kind of mistake.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its id, in kebab case.
    pub id: &'static str,
    /// How much it usually matters.
    pub severity: Severity,
    /// The entries of the behaviour register that it rests on.
    pub facts: &'static [&'static str],
    /// What it says, in a sentence.
    pub says: &'static str,
}

const fn check(
    id: &'static str,
    severity: Severity,
    facts: &'static [&'static str],
    says: &'static str,
) -> Check {
    Check { id, severity, facts, says }
}

macro_rules! catalogue {
    ($($name:ident = $id:literal, $severity:expr, $facts:expr, $says:literal;)*) => {
        $(pub(super) const $name: Check = check($id, $severity, &$facts, $says);)*
        /// Every kind of mistake, in the order in which the manual tells them.
        pub const CATALOGUE: &[Check] = &[$($name),*];
    };
}

catalogue! {
    REPLY_BLOCKED = "reply-blocked-by-acl", Error, ["NACL-04", "NACL-19"],
        "a request arrives, and a network ACL denies its reply";
    MISSING_RETURN_ROUTE = "missing-return-route", Error, ["PCX-10", "IGW-05", "RT-29"],
        "routes lead there, and none leads back";
    ASYMMETRIC_ROUTE = "asymmetric-route", Warning, ["TGW-21"],
        "request and reply take different ways, where something on them may keep state";
    BLACKHOLE_ROUTE = "blackhole-route", Error, ["RT-25", "RT-26"],
        "a route's target cannot take packets";
    DEAD_END_ROUTE = "dead-end-route", Warning, ["RT-29", "L2-12", "PCX-07", "TGW-04", "TGW-13", "NAT-45"],
        "a route's target takes packets, and none of them gets anywhere";
    PRIVATE_SUBNET_IS_PUBLIC = "private-subnet-is-public", Error, ["IGW-05", "RT-02"],
        "a subnet is called private, and the internet reaches public addresses in it";
    PUBLIC_SUBNET_IS_PRIVATE = "public-subnet-is-private", Warning, ["IGW-05", "RT-02"],
        "a subnet is called public, and the internet reaches no public address in it";
    OPEN_TO_THE_WORLD = "open-to-the-world", Error, ["SG-01"],
        "a security group lets everybody connect to what is rarely meant for everybody";
    SHADOWED_RULE = "shadowed-rule", Warning, ["NACL-01", "NACL-26"],
        "a network ACL's rule never matches, as rules before it decide otherwise";
    REDUNDANT_RULE = "redundant-rule", Note, ["NACL-01", "SG-01"],
        "a rule could go, and no packet would fare differently";
    STALE_RULE = "stale-rule", Warning, ["SG-12"],
        "a security group's rule names a group that no peering connection leads to any more";
    OVERLAPPING_PEERS = "overlapping-peers", Error, ["PCX-01", "PCX-12", "TGW-11"],
        "VPCs that are joined have addresses in common";
    UNUSED_SECURITY_GROUP = "unused-security-group", Note, ["SG-06"],
        "no interface is in the security group, and no rule in use names it";
    UNUSED_NETWORK_ACL = "unused-network-acl", Note, ["NACL-05"],
        "the network ACL guards no subnet";
    UNUSED_ROUTE_TABLE = "unused-route-table", Note, ["RT-02"],
        "the route table serves no subnet and no gateway";
    UNUSED_NETWORK_INTERFACE = "unused-network-interface", Note, ["L2-17"],
        "the interface is attached to no instance";
    UNUSED_EIP = "unused-eip", Note, ["IGW-09"],
        "the elastic IP address stands for nobody";
    UNUSED_INTERNET_GATEWAY = "unused-internet-gateway", Note, ["IGW-03"],
        "no route leads to the internet gateway";
    UNUSED_EGRESS_ONLY_GATEWAY = "unused-egress-only-internet-gateway", Note, ["IGW-22"],
        "no route leads to the egress-only internet gateway";
    UNUSED_NAT_GATEWAY = "unused-nat-gateway", Note, ["NAT-01"],
        "no route leads to the NAT gateway";
    UNUSED_PEERING = "unused-vpc-peering-connection", Note, ["PCX-10"],
        "no route leads over the peering connection";
    UNUSED_TRANSIT_GATEWAY = "unused-transit-gateway", Note, ["TGW-16"],
        "nothing is attached to the transit gateway";
    UNUSED_TRANSIT_TABLE = "unused-transit-gateway-route-table", Note, ["TGW-02"],
        "the transit gateway's route table serves no attachment";
    UNUSED_VPN_GATEWAY = "unused-vpn-gateway", Note, ["VGW-01"],
        "no route leads to the virtual private gateway";
    UNUSED_PREFIX_LIST = "unused-managed-prefix-list", Note, ["SG-25", "RT-21"],
        "no route and no rule names the prefix list";
    BEYOND_DEFAULT_QUOTA = "beyond-default-quota", Warning, ["QUOTA-01"],
        "there is more of something than AWS grants unasked";
    UNUSED_ACCEPTANCE = "unused-acceptance", Warning, [],
        "the document accepts a finding that there is not";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_in_the_manual() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
        let manual = std::fs::read_to_string(path).unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        for check in CATALOGUE {
            assert!(seen.insert(check.id), "{} is there twice", check.id);
            assert!(manual.contains(&format!("`{}`", check.id)), "docs/lint.md says nothing of {}", check.id);
        }
    }

    /// What rests on a fact names one that there is.
    #[test]
    fn facts_are_in_the_register() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let register: String =
            files.filter_map(|path| std::fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n");
        for fact in CATALOGUE.iter().flat_map(|check| check.facts) {
            assert!(register.contains(&format!("\"{fact}\"")), "{fact} is not in docs/spec");
        }
    }
}
