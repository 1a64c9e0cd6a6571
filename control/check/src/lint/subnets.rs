//! Is a subnet what its name says?
//!
//! What makes a subnet public is that the internet reaches a public address in it and is answered (IGW-05); so that is
//! asked, of a visitor that has one and refuses nothing. A name says `private` if one of its words does.

use vpclab_api::Finding;
use vpclab_engine::explain::{Explanation, TrafficQuestion, ask};
use vpclab_model::{Subnet, SubnetName};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::catalogue::{PRIVATE_SUBNET_IS_PUBLIC, PUBLIC_SUBNET_IS_PRIVATE};
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
    let asked: Vec<(bool, Option<Explanation>)> = families
        .map(|ipv6| {
            let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: None, source_port: None };
            (
                ipv6,
                ask(
                    cx.fabric,
                    asking::internet(cx.fabric, ipv6),
                    asking::interface(visitor),
                    Some(ipv6),
                    traffic,
                )
                .ok(),
            )
        })
        .collect();
    let reached = asked.iter().find(|(_, told)| told.as_ref().is_some_and(is_reached));
    let table = &subnet.route_table;
    let by = match cx.topology.route_tables.get(table).is_some_and(|table| table.main) {
        true => format!("main route table {table}, which serves it for want of another,"),
        false => format!("route table {table}"),
    };
    match (is_private, reached) {
        (true, Some((ipv6, _))) => {
            let family = if *ipv6 { "IPv6" } else { "IPv4" };
            let reason = format!(
                "it is called {word}, and the internet reaches public {family} addresses in it: {by} leads to an internet \
                 gateway"
            );
            let remedy = "give it a route table without that route, or another name".to_owned();
            Some(PRIVATE_SUBNET_IS_PUBLIC.about(name, reason, remedy))
        }
        (false, None) => {
            // What is not known may make it public.
            let told = asked.iter().map(|(_, told)| told.as_ref()).collect::<Option<Vec<_>>>()?;
            if told.iter().any(|told| !told.unmodelled.is_empty() || told.inexhaustive) {
                return None;
            }
            let has_gateway = cx
                .topology
                .internet_gateways
                .values()
                .any(|gateway| gateway.vpc.as_ref() == Some(&subnet.vpc));
            let why = told.iter().flat_map(|told| &told.blockers).next().filter(|_| has_gateway);
            let why = why.map_or_else(
                || format!(": no internet gateway is attached to VPC {}", subnet.vpc),
                |blocker| format!(": {}", words::tell(cx.fabric, &blocker.reason).message),
            );
            let reason =
                format!("it is called {word}, and the internet reaches no public address in it{why}");
            let remedy = format!("give {by} a route to an internet gateway, or the subnet another name");
            Some(PUBLIC_SUBNET_IS_PRIVATE.about(name, reason, remedy))
        }
        _ => None,
    }
}

/// Whether some packets surely arrive and are answered.
fn is_reached(told: &Explanation) -> bool {
    let is_whole = told.reachable == Some(true);
    is_whole || !told.not_denied.is_empty() && told.unmodelled.is_empty() && !told.inexhaustive
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
