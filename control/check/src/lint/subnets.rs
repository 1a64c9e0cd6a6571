//! Is a subnet what its name says?
//!
//! What makes a subnet public is that the internet, or part of it, reaches a public address in it and is answered (IGW-05);
//! so that is asked, of a visitor that has one and refuses nothing. A name says `private` if one of its words does.

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_engine::explain::{Explanation, TrafficQuestion, ask};
use vpclab_engine::{DropReason, EniIdx};
use vpclab_model::{Subnet, SubnetName};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::catalogue::{PRIVATE_SUBNET_IS_PUBLIC, PUBLIC_SUBNET_IS_PRIVATE};
use super::outside::{self, Way};
use crate::words;

/// Words in the name of a subnet that the internet is not to reach.
const PRIVATE: [&str; 5] = ["private", "internal", "isolated", "intra", "nonpublic"];
/// Words in the name of one that it is to reach.
const PUBLIC: [&str; 2] = ["public", "dmz"];

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    cx.topology.subnets.iter().filter_map(|(name, subnet)| of_subnet(cx, name, subnet)).collect()
}

fn of_subnet(cx: &Lint<'_>, name: &SubnetName, subnet: &Subnet) -> Option<Finding> {
    let alias = subnet.labels.tags.get("Name").map(String::as_str);
    let called = |words: &[&str]| {
        [Some(name.as_str()), alias].into_iter().flatten().find(|text| says(text, words)).map(str::to_owned)
    };
    let (private, public) = (called(&PRIVATE), called(&PUBLIC));
    // One that says both says neither.
    let (word, is_private) = match (private, public) {
        (Some(word), None) => (word, true),
        (None, Some(word)) => (word, false),
        _ => return None,
    };
    let visitor = asking::visitor(cx, name)?;
    let families = [false, true].into_iter().filter(|ipv6| asking::has(cx.fabric, visitor, *ipv6));
    let asked: Vec<Asked> = families.map(|ipv6| ask_everybody(cx, visitor, ipv6)).collect();
    let reached =
        asked.iter().find(|asked| asked.is_world).or_else(|| asked.iter().find(|asked| asked.is_reached()));
    let table = &subnet.route_table;
    let by = match cx.topology.route_tables.get(table).is_some_and(|table| table.main) {
        true => format!("main route table {table}, which serves it for want of another,"),
        false => format!("route table {table}"),
    };
    match (is_private, reached) {
        (true, Some(Asked { ipv6, is_world, reached, .. })) => {
            let family = if *ipv6 { "IPv6" } else { "IPv4" };
            let blocks: Vec<String> = reached.iter().map(ToString::to_string).collect();
            let who = match (is_world, reached.first()) {
                (true, None) => "the internet reaches".to_owned(),
                (true, Some(block)) => {
                    format!("part of the internet, such as {}, reaches", block.network())
                }
                (false, _) => format!("of the internet {} reaches", super::some_of(&blocks)),
            };
            let reason = format!(
                "it is called {word}, and {who} public {family} addresses in it: {by} leads to an internet gateway"
            );
            let remedy = "give it a route table without that route, or another name".to_owned();
            let finding = PRIVATE_SUBNET_IS_PUBLIC.about(name, reason, remedy);
            let severity = if *is_world { finding.severity } else { Severity::Warning };
            Some(Finding { severity, ..finding })
        }
        (false, None) => {
            // What is not known may make it public.
            if asked.iter().any(|asked| !asked.is_known) {
                return None;
            }
            let has_gateway = cx
                .topology
                .internet_gateways
                .values()
                .any(|gateway| gateway.vpc.as_ref() == Some(&subnet.vpc));
            let why = asked.iter().find_map(|asked| asked.why.as_ref()).filter(|_| has_gateway);
            let why = why.map_or_else(
                || format!(": no internet gateway is attached to VPC {}", subnet.vpc),
                |reason| format!(": {}", words::tell(cx.fabric, reason).message),
            );
            let reason =
                format!("it is called {word}, and the internet reaches no public address in it{why}");
            let remedy = format!("give {by} a route to an internet gateway, or the subnet another name");
            Some(PUBLIC_SUBNET_IS_PRIVATE.about(name, reason, remedy))
        }
        _ => None,
    }
}

/// Who of the internet reaches a public address in one family.
struct Asked {
    ipv6: bool,
    /// Whether a part of the internet does, rather than somebody whom rules or routes name.
    is_world: bool,
    /// Who; nobody here where it is those that nothing names.
    reached: Vec<IpNet>,
    /// Whether that is all.
    is_known: bool,
    /// Why nobody does.
    why: Option<DropReason>,
}

impl Asked {
    fn is_reached(&self) -> bool {
        self.is_world || !self.reached.is_empty()
    }
}

fn ask_everybody(cx: &Lint<'_>, visitor: EniIdx, ipv6: bool) -> Asked {
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: None, source_port: None };
    let to = asking::interface(visitor);
    let told = ask(cx.fabric, asking::internet(cx.fabric, ipv6), to, Some(ipv6), traffic).ok();
    let is_certain = |told: &Explanation| told.unmodelled.is_empty() && !told.inexhaustive;
    let mut asked = Asked {
        ipv6,
        is_world: told.as_ref().and_then(outside::passes) == Some(true),
        reached: Vec::new(),
        is_known: told.as_ref().is_some_and(is_certain),
        why: told.iter().flat_map(|told| &told.blockers).map(|blocker| blocker.reason).next(),
    };
    if asked.is_world {
        return asked;
    }
    for part in outside::parts(cx, (to, Way::In), ipv6, traffic, traffic) {
        let told = part.told.as_ref().map(|(_, told)| told);
        asked.is_known &= told.is_some_and(is_certain);
        if told.and_then(outside::passes) == Some(true) {
            asked.reached.extend(part.blocks);
        }
    }
    asked.reached = IpNet::aggregate(&asked.reached);
    asked.is_world = outside::is_part(&asked.reached);
    asked
}

/// Whether one of the words of a name is one of these; `PrivateSubnet1` is three.
fn says(name: &str, words: &[&str]) -> bool {
    let mut word = String::new();
    let mut said = Vec::new();
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphabetic() || (letter.is_ascii_uppercase() && was_lower) {
            said.push(std::mem::take(&mut word));
        }
        if letter.is_ascii_alphabetic() {
            word.push(letter.to_ascii_lowercase());
        }
        was_lower = letter.is_ascii_lowercase();
    }
    said.push(word);
    said.iter().any(|word| words.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_private_by_a_word_of_theirs() {
        for (name, private) in [
            ("private-a", true),
            ("PrivateSubnet1", true),
            ("PRIVATE_1", true),
            ("AppInternalA", true),
            ("module.vpc.aws_subnet.private[0]", true),
            ("privateer", false),
            ("publicprivate", false),
            ("web", false),
        ] {
            assert_eq!(says(name, &PRIVATE), private, "{name}");
        }
    }
}
