//! Who is everybody, where only some may ask?
//!
//! Every instance by each of its interfaces, every declared host that opens connections, and each public address that
//! none of them has. What always holds: nobody of them is left out for being unlikely: of the public addresses each range
//! that rules and routes tell apart counts, also those that a rule names. Left to others: whether the packets pass.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_api::{ApiError, Expected, ExplainRequest};
use vpclab_engine::Fabric;
use vpclab_engine::explain::End;
use vpclab_model::Topology;

use crate::internet;
use crate::question::{EndKind, NamedEnd, Question, Questions, is_outside, questions};
use crate::run::Pair;

/// Every public address.
const PUBLIC: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0)),
];

/// The pairs of ends for the test that `only` these may ask what `request` is about, whose own `from` says nothing.
///
/// # Errors
///
/// What is wrong with one of the names, or with the question.
pub(crate) fn pairs(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
    only: &[String],
) -> Result<Vec<Pair>, ApiError> {
    let ask = |from: &str| {
        let request = ExplainRequest { from: from.to_owned(), ..request.clone() };
        questions(fabric, topology, &request).map(|Questions { pairs, .. }| pairs)
    };
    let pair = |question, expected| Pair { question, expected, has_witness: true };
    let mut allowed: Vec<Question> = Vec::new();
    for name in only {
        for question in ask(name)? {
            if !allowed.contains(&question) {
                allowed.push(question);
            }
        }
    }
    let everybody_outside = allowed.iter().any(|question| question.from.kind == EndKind::Internet);
    let mut denied: Vec<Question> = Vec::new();
    for name in strangers(topology, everybody_outside) {
        // Who is asked does not ask himself, and nobody can ask about himself.
        let Ok(questions) = ask(&name) else { continue };
        for question in questions {
            let may = |allowed: &Question| {
                allowed.to.end == question.to.end && is_of(fabric, &allowed.from, &question.from)
            };
            // Both on the internet: that is none of the network's business.
            let is_theirs = is_outside(fabric, question.from.end) && is_outside(fabric, question.to.end);
            if !is_theirs && !allowed.iter().any(may) && !denied.contains(&question) {
                denied.push(question);
            }
        }
    }
    let witness = |question: &Question| match question.from.kind {
        EndKind::Internet => !topology.internet_hosts.is_empty(),
        EndKind::Block(_) => false,
        _ => true,
    };
    let mut pairs: Vec<Pair> = allowed
        .iter()
        .map(|question| Pair { has_witness: witness(question), ..pair(question.clone(), Expected::Allowed) })
        .collect();
    pairs.extend(denied.into_iter().map(|question| pair(question, Expected::Denied)));
    if !everybody_outside {
        // Another end, where nobody public could ask, is a question all the same.
        for question in ask("internet")? {
            if is_outside(fabric, question.to.end) {
                continue;
            }
            let asked = question.ipv6;
            for block in rest_of_the_internet(fabric, topology, &allowed) {
                let is_ipv6 = block.addr().is_ipv6();
                if asked.is_some_and(|ipv6| ipv6 != is_ipv6) || !has_family(fabric, &question.to, is_ipv6) {
                    continue;
                }
                let name = if block.prefix_len() == 0 { "internet".to_owned() } else { block.to_string() };
                let from = NamedEnd::new(&name, EndKind::Block(block), End::Internet);
                let question = Question { from, ipv6: Some(is_ipv6), ..question.clone() };
                pairs.push(Pair { question, expected: Expected::Denied, has_witness: false });
            }
        }
    }
    Ok(pairs)
}

/// Everybody with a name who opens connections.
fn strangers(topology: &Topology, everybody_outside: bool) -> Vec<String> {
    let mut names = Vec::new();
    for (name, instance) in &topology.instances {
        let interfaces: Vec<_> = topology
            .network_interfaces
            .iter()
            .filter(|(_, eni)| eni.attachment.as_ref().is_some_and(|attached| attached.instance == *name))
            .collect();
        if instance.network_interfaces.len() == 1 {
            names.push(name.id());
        } else {
            names.extend(interfaces.iter().map(|(name, _)| name.id()));
        }
    }
    if !everybody_outside {
        names.extend(topology.internet_hosts.keys().map(|name| name.id()));
    }
    names.extend(topology.customer_hosts.keys().map(|name| name.id()));
    names
}

/// Whether `other` is one of those whom `allowed` stands for: an instance stands for each of its interfaces.
fn is_of(fabric: &Fabric, allowed: &NamedEnd, other: &NamedEnd) -> bool {
    match (allowed.end, other.end) {
        (End::Interface(a, _), End::Interface(b, _)) => {
            let instance = |eni| fabric.enis[eni].attachment.map(|(instance, _)| instance);
            a == b || allowed.kind == EndKind::Instance && instance(a).is_some() && instance(a) == instance(b)
        }
        (End::Host(a), End::Host(b)) => a == b,
        (End::Address(address), End::Host(host)) if !matches!(allowed.kind, EndKind::Block(_)) => {
            fabric.hosts[host].addresses.contains(&address)
        }
        _ => false,
    }
}

/// The public addresses that are nobody's of those who may ask.
fn rest_of_the_internet(fabric: &Fabric, topology: &Topology, allowed: &[Question]) -> Vec<IpNet> {
    let theirs = allowed.iter().flat_map(|question| match (question.from.kind, question.from.end) {
        (EndKind::Block(block), _) => vec![block],
        (_, End::Address(address)) => vec![IpNet::from(address)],
        (_, End::Host(host)) => fabric.hosts[host].addresses.iter().copied().map(IpNet::from).collect(),
        _ => Vec::new(),
    });
    let theirs: Vec<IpNet> = theirs.collect();
    let rest = PUBLIC.iter().flat_map(|all| without(*all, &theirs));
    rest.filter(|block| internet::holds_anybody(fabric, topology, *block)).collect()
}

/// The blocks that together hold what is in `block` and in none of `others`.
fn without(block: IpNet, others: &[IpNet]) -> Vec<IpNet> {
    if others.iter().any(|other| other.contains(&block)) {
        return Vec::new();
    }
    if !others.iter().any(|other| block.contains(other)) {
        return vec![block];
    }
    let Ok(halves) = block.subnets(block.prefix_len() + 1) else { return Vec::new() };
    halves.flat_map(|half| without(half, others)).collect()
}

fn has_family(fabric: &Fabric, end: &NamedEnd, ipv6: bool) -> bool {
    let is = |address: &IpAddr| address.is_ipv6() == ipv6;
    match end.end {
        End::Interface(_, Some(address)) | End::Address(address) => is(&address),
        End::Interface(eni, None) => fabric.enis[eni].primary_address(ipv6).is_some(),
        End::Host(host) => fabric.hosts[host].addresses.iter().any(is),
        End::Internet => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(block: &str, others: &[&str]) -> Vec<String> {
        let others: Vec<IpNet> = others.iter().map(|other| other.parse().unwrap()).collect();
        without(block.parse().unwrap(), &others).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_of_a_block_is_every_address_of_nobody_else() {
        assert_eq!(told("0.0.0.0/0", &[]), ["0.0.0.0/0"]);
        assert_eq!(told("0.0.0.0/0", &["2001:db8::/32"]), ["0.0.0.0/0"], "another family");
        assert_eq!(told("0.0.0.0/0", &["128.0.0.0/1"]), ["0.0.0.0/1"]);
        assert_eq!(told("10.0.0.0/30", &["10.0.0.1/32"]), ["10.0.0.0/32", "10.0.0.2/31"]);
        assert_eq!(told("10.0.0.0/30", &["10.0.0.0/8"]), [""; 0]);
        assert_eq!(told("0.0.0.0/0", &["203.0.113.0/24"]).len(), 24);
        let whole = told("10.0.0.0/31", &["10.0.0.0/32", "10.0.0.1/32"]);
        assert!(whole.is_empty(), "{whole:?}");
    }
}
