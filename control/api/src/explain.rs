//! How is a reachability question asked and answered?

use serde::{Deserialize, Serialize};

/// A question, as on the command line of `vpclab explain`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// An instance or interface (name or id), an address (`VPC/ADDRESS` where several VPCs have it), a host of the
    /// internet, `internet`, or `internet:ADDRESS`.
    pub from: String,
    /// The same, with `:PORT` and `/PROTOCOL`.
    pub to: String,
    /// The destination port, where `to` does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `tcp`, `udp`, `icmp`, or a protocol's number, where `to` does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The source port; without one, any that a client may choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// 4 or 6; without one, IPv4 when both ends have it. Where IPv6 fares differently then, the answer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
}

/// How an answer was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// By the pure decision function, with a recorder.
    Explain,
    /// By TCP/IP stacks inside the process, joined by the real engine, on a virtual clock.
    Virtual,
    /// By real programs on TAP devices, in real time.
    Live,
}

/// What a question gets: one answer, or one for each pair of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Explained {
    /// Several pairs of ends.
    Many(Answers),
    /// One pair of ends.
    One(Box<Explanation>),
}

/// The answers for several pairs of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// True if all are, false if any is not, else null.
    pub reachable: Option<bool>,
    /// One for each pair.
    pub answers: Vec<Explanation>,
}

/// The answer for one pair of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// How it was obtained.
    pub level: Level,
    /// Who asks.
    pub from: QuestionEnd,
    /// Whom.
    pub to: QuestionEnd,
    /// The request is delivered and its reply returns; null where that depends on what is not modelled.
    pub reachable: Option<bool>,
    /// The way there.
    pub forward: Leg,
    /// The way back; null where the request's walk did not reach its end.
    #[serde(rename = "return")]
    pub back: Option<Leg>,
    /// All that denies.
    pub blockers: Vec<Blocker>,
    /// The packets that nothing denies, where others that were asked about are denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_denied: Vec<Partial>,
    /// Whether a random choice of gateways decides: some packets pass on some of the ways they may take, and die on others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_choice: bool,
    /// The other ways that gateways may choose at random, or that other hosts of the internet are asked by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_ways: Vec<OtherWay>,
    /// All that denies other hosts of the internet, where what denies the one that is shown is not all that denies them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_blockers: Vec<OtherBlockers>,
    /// How the same question fares over IPv6 where the answer is about IPv4, both ends have both and it fares differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_ipv6: Option<OverIpv6>,
    /// What a wire cannot know.
    pub assumed: Vec<Assumed>,
    /// What the answer depends on and the engine does not model.
    pub unmodelled: Vec<Unmodelled>,
}

/// The verdict of a question in the family that its answer is not about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverIpv6 {
    /// As that of the answer.
    pub reachable: Option<bool>,
    /// Whether some of what was asked about passes, and some does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// What denies hosts of the internet that are denied for other reasons than the one that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherBlockers {
    /// The address of one of them.
    pub address: String,
    /// All that denies it.
    pub blockers: Vec<Blocker>,
}

/// A way that packets may take instead of the one that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherWay {
    /// What is examined on the way there, in order.
    pub forward: Vec<Step>,
    /// On the way back.
    #[serde(rename = "return")]
    pub back: Vec<Step>,
}

/// An end of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionEnd {
    /// As it was asked: a name, or an address.
    pub name: String,
    /// `instance`, `network_interface`, `internet_host`, `customer_host`, `service`, `internet` or `address`.
    pub kind: String,
    /// The address that packets carry; null where the end has none that could be used.
    pub address: Option<String>,
    /// The ports meant, as in `443` or `32768-60999`; null for protocols without ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The protocol meant, at the destination; `all` for every protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What became of the packet.
    pub verdict: LegVerdict,
    /// What was examined, in order.
    pub steps: Vec<Step>,
    /// The packet as its receiver sees it; null where it reached none.
    pub observed: Option<Observed>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegVerdict {
    /// It arrives.
    Delivered,
    /// Something denies it.
    Dropped,
    /// That depends on what is not modelled.
    NotModelled,
}

/// One thing examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `network_interface`, `source_dest_check`, `security_group`, `network_acl`, `route_table`, `internet_gateway` or
    /// `internet`.
    pub component: String,
    /// The resource's name; for a security group step, the interface.
    pub resource: String,
    /// `leave`, `arrive`, `allow`, `deny`, `tracked`, `related`, `forward`, `translate` or `pass`.
    pub action: String,
    /// `ingress` or `egress`, where it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// The rule that decided: an ACL's rule number or `*`, a route's destination, a group's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleReference>,
    /// The groups asked, at a security group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Where a route leads, or the subnet at whose edge an ACL stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A rule by number or by words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RuleReference {
    /// The number of a network ACL's rule.
    Number(u16),
    /// `*`, a route's destination, or a group's rule such as `web ingress[0]: tcp 443 from 0.0.0.0/0`.
    Text(String),
}

/// A packet as its receiver sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Where it comes from.
    pub source: ObservedEnd,
    /// Which other addresses it may come from, where a gateway chooses among several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_sources: Vec<String>,
    /// Where it goes.
    pub destination: ObservedEnd,
}

/// An address and port on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedEnd {
    /// The address.
    pub address: String,
    /// The port, or the range of ports where any of them may be chosen; null for protocols without ports.
    pub port: Option<String>,
}

/// Something that denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// The code that AWS Reachability Analyzer publishes for the situation (area RA-C), our own where it has none.
    pub code: String,
    /// `forward` or `return`.
    pub direction: String,
    /// The resource's declared name; for security groups the interface.
    pub resource: Option<String>,
    /// An ACL's rule number or `*`, or a route's destination.
    pub rule: Option<RuleReference>,
    /// The interface's groups, for security groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// One sentence for people.
    pub message: String,
    /// The packets denied, where they are not all that were asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<Partial>,
    /// Whether it denies them only on some of the ways that gateways may choose for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_choice: bool,
    /// The line of the topology's file where the rule stands, or the resource; where a file was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What would let them pass here, where that is simple.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Some of the packets that were asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// The protocol, or a range of protocol numbers.
    pub protocol: String,
    /// Source ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<String>,
    /// The ports that NAT gateways lend on the way, where only some of 1024-65535 are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_ports: Option<String>,
    /// Destination ports; for ICMP, types and codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
}

/// Something taken for granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumed {
    /// About which resource or end.
    pub resource: String,
    /// What.
    pub assumption: String,
}

/// Something the topology holds or touches and the engine does not model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmodelled {
    /// Its name.
    pub resource: String,
    /// Its kind.
    pub kind: String,
    /// Why the answer depends on it.
    pub reason: String,
}
