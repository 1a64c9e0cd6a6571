//! How is an answer read by a person?
//!
//! The verdict first, then what denies, then the ways as they were walked, then what was taken for granted. The text is
//! made from the API's own answer, so that a running lab's and an offline one's read the same.

use std::fmt::Write as _;

use vpclab_api::{
    Answers, Assumed, Blocker, Explained, Explanation, Leg, LegVerdict, OverIpv6, Partial, QuestionEnd,
    RuleReference, Step,
};

use crate::codes::ONLY_SOME_ADDRESSES;
use crate::internet::{INTERNET, LEAVES_OUT};
use crate::style::{BAD, FAINT, GOOD, STRONG, UNSURE, columns, paint};

/// The answer as text with ANSI colours; the printer takes them off where they are not wanted.
pub fn explained(explained: &Explained) -> String {
    match explained {
        Explained::One(one) => explanation(one),
        Explained::Many(many) if let [only] = many.answers.as_slice() => explanation(only),
        Explained::Many(many) => {
            let mut text = format!("{}\n\n", of_many(many));
            for answer in &many.answers {
                let _ = writeln!(text, "{}", headline(answer));
                let others_denied = answer.other_blockers.iter();
                let others_denied = others_denied.flat_map(|other| {
                    other.blockers.iter().map(|own| format!("for {}: {}", other.address, blocker(own)))
                });
                let why = answer.blockers.iter().map(blocker).chain(others_denied);
                let unknown = answer.unmodelled.iter();
                let unknown = unknown.map(|what| format!("depends on {}: {}", what.resource, what.reason));
                let but = others(answer).map(|told| format!("{} {}", told.resource, told.assumption));
                let part = (!answer.not_denied.is_empty())
                    .then(|| format!("not denied: {}", some(&answer.not_denied)));
                for line in but.chain(why).chain(part).chain(unknown) {
                    let _ = writeln!(text, "    {}", paint(FAINT, line));
                }
            }
            text
        }
    }
}

/// One line about all pairs: in both families, where some differ.
fn of_many(many: &Answers) -> String {
    let count = many.answers.len();
    let over_ipv4: Vec<Option<bool>> = many.answers.iter().map(|answer| answer.reachable).collect();
    let over_ipv6: Vec<Option<bool>> = many
        .answers
        .iter()
        .map(|answer| answer.over_ipv6.map_or(answer.reachable, |other| other.reachable))
        .collect();
    let passing = |all: &[Option<bool>]| all.iter().filter(|one| **one == Some(true)).count();
    if many.answers.iter().all(|answer| answer.over_ipv6.is_none()) {
        return format!("{}  {} of {count} pairs pass", verdict(many.reachable), passing(&over_ipv4));
    }
    let of_all = |all: &[Option<bool>]| match all {
        all if all.contains(&Some(false)) => Some(false),
        all => all.iter().all(|one| *one == Some(true)).then_some(true),
    };
    format!(
        "{} over IPv4, {} over IPv6  {} of {count} pairs pass over IPv4, {} over IPv6",
        verdict(of_all(&over_ipv4)),
        verdict(of_all(&over_ipv6)),
        passing(&over_ipv4),
        passing(&over_ipv6),
    )
}

/// One line: the verdict, in both families where they differ, and from where to where.
pub fn headline(explanation: &Explanation) -> String {
    let word = |reachable: Option<bool>, is_partial: bool| {
        if is_partial { paint(UNSURE.bold(), "partial") } else { verdict(reachable) }
    };
    let own = word(explanation.reachable, is_partial(explanation));
    let told = match explanation.over_ipv6 {
        Some(OverIpv6 { reachable, partial }) => {
            format!("{own} over IPv4, {} over IPv6", word(reachable, partial))
        }
        None => own,
    };
    format!("{told}  {} → {}{}", end(&explanation.from), end(&explanation.to), traffic(&explanation.to))
}

/// What a blocker says, with the packets it is about where they are not all.
pub fn blocker(blocker: &Blocker) -> String {
    let sentence = sentence(blocker);
    limits(blocker).map_or(sentence.clone(), |limits| format!("{sentence} ({limits})"))
}

/// Which packets a blocker denies, and on which ways, where that is not all.
fn limits(blocker: &Blocker) -> Option<String> {
    let packets = (!blocker.partial.is_empty()).then(|| partial(&blocker.partial));
    let ways = blocker.by_choice.then(|| "only on some of the ways that gateways may choose".to_owned());
    let limits: Vec<String> = packets.into_iter().chain(ways).collect();
    (!limits.is_empty()).then(|| limits.join(", "))
}

/// Whether only some of what was asked about passes: some packets, some of the ways that gateways may choose for them, or
/// some of the hosts that `internet` stands for.
pub(crate) fn is_partial(explanation: &Explanation) -> bool {
    !explanation.not_denied.is_empty()
        || explanation.by_choice
        || explanation.blockers.iter().any(|blocker| blocker.code == ONLY_SOME_ADDRESSES)
}

fn sentence(blocker: &Blocker) -> String {
    let way = if blocker.direction == "return" { "the reply: " } else { "" };
    let line = blocker.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    format!("{way}{}{line}", blocker.message)
}

/// A rule by number or words.
pub fn rule(rule: &RuleReference) -> String {
    match rule {
        RuleReference::Number(number) => number.to_string(),
        RuleReference::Text(text) => text.clone(),
    }
}

fn explanation(explanation: &Explanation) -> String {
    let mut text = headline(explanation);
    text.push('\n');
    section(&mut text, &left_out(explanation));
    section(&mut text, &deciding(explanation));
    section(&mut text, &helping(explanation));
    let names: Vec<Vec<String>> = explanation
        .unmodelled
        .iter()
        .map(|unmodelled| vec!["?".to_owned(), unmodelled.resource.clone(), unmodelled.reason.clone()])
        .collect();
    section(
        &mut text,
        &columns(
            &names,
            "  ",
            |_, column, cell| if column == 0 { paint(UNSURE, cell) } else { cell.to_owned() },
        ),
    );
    text.push_str(&leg("there", Some(&explanation.forward), ""));
    let is_router = explanation.forward.steps.last().is_some_and(|step| step.component == "router");
    let untold = match explanation.forward.observed {
        Some(_) if is_router => "the router answered by itself",
        Some(_) => "no answer is expected",
        None => "not asked: the packet did not reach its end",
    };
    text.push_str(&leg("back", explanation.back.as_ref(), untold));
    if !explanation.assumed.is_empty() {
        let _ = writeln!(text, "\n{}", paint(STRONG, "assumed"));
        for assumed in &explanation.assumed {
            let _ = writeln!(
                text,
                "  {}",
                paint(FAINT, format_args!("{}: {}", assumed.resource, assumed.assumption))
            );
        }
    }
    text
}

fn section(text: &mut String, lines: &str) {
    if !lines.is_empty() {
        let _ = write!(text, "\n{lines}");
    }
}

/// Those whom the answer about the internet leaves out.
pub(crate) fn others(explanation: &Explanation) -> impl Iterator<Item = &Assumed> {
    explanation
        .assumed
        .iter()
        .filter(|told| told.resource == INTERNET && told.assumption.starts_with(LEAVES_OUT))
}

fn left_out(explanation: &Explanation) -> String {
    let rows: Vec<Vec<String>> = others(explanation)
        .map(|told| vec!["!".to_owned(), format!("{} {}", told.resource, told.assumption)])
        .collect();
    columns(&rows, "  ", |_, _, cell| paint(UNSURE, cell))
}

/// What would let the packets pass where they are denied.
fn helping(explanation: &Explanation) -> String {
    let others = explanation.other_blockers.iter().flat_map(|other| &other.blockers);
    let remedies = explanation.blockers.iter().chain(others).filter_map(|blocker| blocker.remedy.as_ref());
    let rows: Vec<Vec<String>> = remedies.map(|remedy| vec!["→".to_owned(), remedy.clone()]).collect();
    columns(&rows, "  ", |_, _, cell| cell.to_owned())
}

/// The blockers as sentences, each with its code for machines and the packets it is about where they are not all.
fn deciding(explanation: &Explanation) -> String {
    let rows: Vec<Vec<String>> =
        explanation.blockers.iter().map(|b| vec!["✗".to_owned(), sentence(b), b.code.clone()]).collect();
    let lines = columns(&rows, "  ", |_, column, cell| match column {
        0 => paint(BAD, cell),
        1 => paint(STRONG, cell),
        _ => paint(FAINT, cell),
    });
    let mut text = String::new();
    for (line, blocker) in lines.lines().zip(&explanation.blockers) {
        let _ = writeln!(text, "{line}");
        if let Some(limits) = limits(blocker) {
            let _ = writeln!(text, "     {}", paint(UNSURE, limits));
        }
    }
    for other in &explanation.other_blockers {
        for own in &other.blockers {
            let told = format!("others, such as {}: {}", other.address, blocker(own));
            let code = paint(FAINT, &own.code);
            let _ = writeln!(text, "  {}  {}  {code}", paint(BAD, "✗"), paint(STRONG, told));
        }
    }
    if !explanation.not_denied.is_empty() {
        let _ = writeln!(text, "  {}  not denied: {}", paint(GOOD, "✓"), some(&explanation.not_denied));
    }
    text
}

fn verdict(reachable: Option<bool>) -> String {
    match reachable {
        Some(true) => paint(GOOD.bold(), "yes"),
        Some(false) => paint(BAD.bold(), "no"),
        None => paint(UNSURE.bold(), "unknown"),
    }
}

fn end(end: &QuestionEnd) -> String {
    match &end.address {
        // Of several addresses the name says which.
        Some(address) if end.name.rsplit('/').next() != Some(address) => format!("{} ({address})", end.name),
        _ => end.name.clone(),
    }
}

fn traffic(to: &QuestionEnd) -> String {
    match (to.protocol.as_deref(), to.port.as_deref()) {
        (None, _) => String::new(),
        (Some("all"), _) => ", every protocol".to_owned(),
        (Some(protocol @ ("icmp" | "icmpv6")), _) => format!(", {protocol} echo"),
        (Some(protocol), None) => format!(", protocol {protocol}"),
        (Some(protocol), Some("0-65535")) => format!(", every {protocol} port"),
        (Some(protocol), Some(port)) => format!(", {protocol} {port}"),
    }
}

fn partial(partial: &[Partial]) -> String {
    format!("only {}", some(partial))
}

/// Some of the packets that were asked about.
pub(crate) fn some(partial: &[Partial]) -> String {
    const MOST: usize = 3;
    /// Every port that a client may choose, or what AWS runs: no news.
    const CHOSEN: [&str; 2] = ["32768-60999", "1024-65535"];
    let mut parts: Vec<String> = partial
        .iter()
        .take(MOST)
        .map(|part| {
            let port =
                part.ports.as_deref().filter(|ports| *ports != "0-65535").map(|ports| format!(" {ports}"));
            let source = part.source_ports.as_deref().filter(|ports| !CHOSEN.contains(ports));
            let source = source.map(|ports| format!(" from source port {ports}"));
            let lent =
                part.nat_ports.as_ref().map(|ports| format!(" where a NAT gateway lends port {ports}"));
            let [port, source, lent] = [port, source, lent].map(Option::unwrap_or_default);
            format!("{}{port}{source}{lent}", part.protocol)
        })
        .collect();
    if partial.len() > MOST {
        parts.push(format!("{} more", partial.len() - MOST));
    }
    parts.join(", ")
}

fn leg(title: &str, leg: Option<&Leg>, untold: &str) -> String {
    let Some(leg) = leg else {
        return format!("\n{}  {}\n", paint(STRONG, title), paint(FAINT, untold));
    };
    let outcome = match (leg.verdict, &leg.observed) {
        (LegVerdict::Delivered, _) => paint(GOOD, "delivered"),
        (LegVerdict::Dropped, None) => paint(BAD, "dropped"),
        (LegVerdict::Dropped, Some(_)) => {
            format!("{}; followed on as if it had passed", paint(BAD, "dropped"))
        }
        (LegVerdict::NotModelled, _) => paint(UNSURE, "not modelled"),
    };
    let seen = leg.observed.as_ref().map_or_else(String::new, |observed| {
        let port =
            |port: &Option<String>| port.as_ref().map_or_else(String::new, |port| format!(" port {port}"));
        let others = match observed.other_sources.as_slice() {
            [] => String::new(),
            others => format!(" (or {})", others.join(", ")),
        };
        let seen = format!(
            "  as {}{}{} → {}{}",
            observed.source.address,
            others,
            port(&observed.source.port),
            observed.destination.address,
            port(&observed.destination.port)
        );
        paint(FAINT, seen)
    });
    let rows: Vec<Vec<String>> = leg.steps.iter().map(row).collect();
    let lines =
        columns(&rows, "  ", |place, column, cell| match (column, leg.steps[place].action.as_str()) {
            (0, "deny") => paint(BAD, cell),
            (0, "allow" | "tracked" | "related") => paint(GOOD, cell),
            (0 | 3, _) => paint(FAINT, cell),
            _ => cell.to_owned(),
        });
    format!("\n{}  {outcome}{seen}\n{lines}", paint(STRONG, title))
}

/// Mark, component, resource, direction, and what decided.
fn row(step: &Step) -> Vec<String> {
    let mark = match step.action.as_str() {
        "deny" => "✗",
        "allow" | "tracked" | "related" => "✓",
        _ => "·",
    };
    let rule = step.rule.as_ref().map(|rule| match rule {
        RuleReference::Number(number) => format!("rule {number}"),
        RuleReference::Text(text) if text == "*" => "rule *".to_owned(),
        RuleReference::Text(text) => text.clone(),
    });
    let detail = step.detail.clone();
    let decided = match (step.component.as_str(), step.action.as_str(), rule, detail) {
        ("router", _, _, Some(detail)) => detail,
        ("network_interface" | "internet" | "customer_host" | "service", action, ..) => {
            if action == "leave" { "leaves" } else { "arrives" }.to_owned()
        }
        ("route_table" | "transit_gateway_route_table" | "customer_network", _, Some(rule), Some(detail)) => {
            format!("{rule} → {detail}")
        }
        ("network_acl", _, Some(rule), Some(subnet)) => format!("{rule} at the edge of {subnet}"),
        ("security_group", "tracked", ..) => "part of a tracked connection".to_owned(),
        ("security_group", "related", ..) => "about a tracked connection".to_owned(),
        ("security_group", "deny", ..) => format!("no rule of {} allows it", step.groups.join(", ")),
        ("source_dest_check", "pass", ..) => "off".to_owned(),
        ("source_dest_check", "allow", ..) => "its own address".to_owned(),
        ("source_dest_check", "deny", ..) => "not its own address".to_owned(),
        (
            "internet_gateway" | "egress_only_internet_gateway" | "vpn_connection" | "virtual_interface",
            "pass",
            ..,
        ) => "unchanged".to_owned(),
        ("vpc_endpoint", "forward", ..) => "unchanged".to_owned(),
        ("guest", _, _, None) => "sends it on unchanged".to_owned(),
        ("vpn_gateway", "forward", _, Some(link)) if step.direction.as_deref() == Some("ingress") => {
            format!("from {link}")
        }
        ("transit_gateway" | "vpn_gateway", "forward", _, Some(detail)) => format!("to {detail}"),
        ("vpc_peering_connection", "forward", _, Some(detail)) => format!("to VPC {detail}"),
        (_, _, Some(rule), Some(detail)) => format!("{rule}, {detail}"),
        (_, _, Some(one), None) | (_, _, None, Some(one)) => one,
        (_, _, None, None) => String::new(),
    };
    let component = match step.component.as_str() {
        "source_dest_check" => "source/dest check".to_owned(),
        "network_acl" => "network ACL".to_owned(),
        "nat_gateway" => "NAT gateway".to_owned(),
        "vpn_gateway" => "virtual private gateway".to_owned(),
        "vpn_connection" => "VPN connection".to_owned(),
        "vpc_endpoint" => "VPC endpoint".to_owned(),
        "vpc_peering_connection" => "VPC peering connection".to_owned(),
        "egress_only_internet_gateway" => "egress-only internet gateway".to_owned(),
        other => other.replace('_', " "),
    };
    vec![
        mark.to_owned(),
        component,
        step.resource.clone(),
        step.direction.clone().unwrap_or_default(),
        decided,
    ]
}
