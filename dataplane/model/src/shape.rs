//! Can a JSON value be read as the kind of thing an attribute holds?
//!
//! One [`Shape`] for each: text, number, address, block. Blocks lose their host bits here, silently, as AWS does
//! (ADDR-02, SG-28). What the value may be beyond its shape is for the rules to say.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::Value;

use crate::log::{Log, Place};
use crate::nearest::nearest;
use crate::resources::{
    AddressFamily, AttachmentState, ConnectivityType, InstanceState, IpAddressType, LinkState,
    LocalPreference, PeeringState, RuleAction, ServiceProtocol, Tags, TunnelEncryption, VpcEndpointState,
    VpcEndpointType,
};
use crate::settings::{MidStreamTcp, NetworkAclQuota, OutboundSmtp};

/// What an attribute can hold.
pub(crate) trait Shape: Sized {
    /// Reads `value`; reports and gives nothing when it is something else.
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self>;
}

/// An IP protocol as rules name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Every protocol.
    All,
    /// The protocol with this number.
    Number(u8),
}

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

/// An AWS region, such as `us-east-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region(pub(crate) String);

/// An AWS account: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account(pub(crate) String);

/// What Terraform writes as "enable" or "disable", and others as a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

/// Whether a NAT gateway works, as its state has it: those of AWS that last (NAT-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Works(pub(crate) bool);

/// `value` in a sentence: `the number 12`, `a list`.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", clip(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// Enough of a text to recognise it by, on one line.
pub(crate) fn clip(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut clipped: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        clipped.push_str("...");
    }
    clipped
}

fn wrong<T>(value: &Value, at: &Place, log: &Log, wanted: &str, remedy: &str) -> Option<T> {
    let problem = format!("{} is not {wanted}", describe(value));
    log.report(at, "InvalidParameterValue", problem, remedy);
    None
}

impl Shape for String {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => wrong(value, at, log, "a text", "write it in quotes"),
            _ => wrong(value, at, log, "a text", "give a text"),
        }
    }
}

impl Shape for Region {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let text = String::read(value, at, log)?;
        let mut words = text.rsplit('-');
        let ends_in_number =
            words.next().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
        let before: Vec<&str> = words.collect();
        let lower_case = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let points = before.first().is_some_and(|word| DIRECTIONS.contains(word));
        if ends_in_number && points && before.len() >= 2 && before.iter().all(lower_case) {
            return Some(Self(text));
        }
        // New regions come every year: a list of them would refuse what exists.
        let meant = nearest(&text, COMMON_REGIONS.iter().copied());
        let remedy = meant.map_or_else(
            || "give a region such as us-east-1".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        wrong(value, at, log, "a region", &remedy)
    }
}

/// What stands before the number of a region.
const DIRECTIONS: [&str; 9] =
    ["north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "central"];

/// Regions that are likely to be meant.
const COMMON_REGIONS: [&str; 12] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-west-1",
    "eu-central-1",
    "eu-north-1",
    "ap-southeast-1",
    "ap-northeast-1",
    "ap-south-1",
];

impl Shape for Account {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let text = String::read(value, at, log)?;
        if is_account(&text) {
            return Some(Self(text));
        }
        wrong(value, at, log, "an account", "give twelve digits in quotes, such as \"123456789012\"")
    }
}

/// Whether `text` is an account's number.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_digit())
}

impl Shape for bool {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text)
                if ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str()) =>
            {
                let remedy = "write true or false; yes, no, on and off are texts";
                wrong(value, at, log, "a boolean", remedy)
            }
            Value::String(_) => wrong(value, at, log, "a boolean", "write true or false without quotes"),
            _ => wrong(value, at, log, "a boolean", "write true or false"),
        }
    }
}

/// Numbers may be written in quotes, as Terraform permits.
impl Shape for i64 {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.or_else(|| wrong(value, at, log, "a whole number", "give a whole number"))
    }
}

impl Shape for Ipv4Net {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let text = value.as_str();
        if let Some(block) = text.and_then(|text| text.parse::<Self>().ok()) {
            return Some(block.trunc());
        }
        let remedy = match text {
            Some(text) if text.parse::<Ipv6Net>().is_ok() => {
                "IPv6 blocks have an attribute of their own: see those that start with `ipv6_`".to_owned()
            }
            Some(text) if text.parse::<Ipv4Addr>().is_ok() => format!("for a single address write {text}/32"),
            _ => "give an address and a prefix length, as in 10.0.0.0/16".to_owned(),
        };
        wrong(value, at, log, "a valid IPv4 CIDR block", &remedy)
    }
}

impl Shape for Ipv6Net {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let text = value.as_str();
        if let Some(block) = text.and_then(|text| text.parse::<Self>().ok()) {
            return Some(block.trunc());
        }
        let remedy = match text {
            Some(text) if text.parse::<Ipv4Net>().is_ok() => {
                "IPv4 blocks have an attribute of their own: the one without `ipv6_`".to_owned()
            }
            Some(text) if text.parse::<Ipv6Addr>().is_ok() => {
                format!("for a single address write {text}/128")
            }
            _ => "give an address and a prefix length, as in 2001:db8::/56".to_owned(),
        };
        wrong(value, at, log, "a valid IPv6 CIDR block", &remedy)
    }
}

/// A block of either family.
impl Shape for IpNet {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str().and_then(|text| text.parse::<Self>().ok()) {
            Some(block) => Some(block.trunc()),
            None => {
                let remedy = "give an address and a prefix length, as in 10.0.0.0/16 or 2001:db8::/56";
                wrong(value, at, log, "a valid CIDR block", remedy)
            }
        }
    }
}

impl Shape for AddressFamily {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("IPv4") => Some(Self::Ipv4),
            Some("IPv6") => Some(Self::Ipv6),
            _ => wrong(value, at, log, "an address family", "write IPv4 or IPv6"),
        }
    }
}

impl Shape for Switch {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self(*flag)),
            Value::String(text) if text == "enable" => Some(Self(true)),
            Value::String(text) if text == "disable" => Some(Self(false)),
            _ => wrong(value, at, log, "a switch", "give \"enable\" or \"disable\", or true or false"),
        }
    }
}

impl Shape for AttachmentState {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("available") => Some(Self::Available),
            Some("pendingAcceptance" | "pending-acceptance") => Some(Self::PendingAcceptance),
            Some("rejected") => Some(Self::Rejected),
            Some("failed") => Some(Self::Failed),
            Some("deleted") => Some(Self::Deleted),
            _ => wrong(
                value,
                at,
                log,
                "a state of an attachment",
                "give available, pendingAcceptance, rejected, failed or deleted",
            ),
        }
    }
}

impl Shape for Ipv4Addr {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.or_else(|| wrong(value, at, log, "an IPv4 address", "give an address such as 10.0.0.10"))
    }
}

impl Shape for Ipv6Addr {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.or_else(|| wrong(value, at, log, "an IPv6 address", "give an address such as 2001:db8::10"))
    }
}

impl Shape for Mac {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let address = value.as_str().and_then(parse_mac);
        address.map(Self).or_else(|| {
            wrong(
                value,
                at,
                log,
                "a hardware address",
                "give six pairs of hexadecimal digits: 02:00:00:00:00:01",
            )
        })
    }
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut pairs = text.split([':', '-']);
    for byte in &mut mac {
        let pair =
            pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    pairs.next().is_none().then_some(mac)
}

impl Shape for Protocol {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "all" => Some(-1),
                "tcp" => Some(6),
                "udp" => Some(17),
                "icmp" => Some(1),
                "icmpv6" | "ipv6-icmp" => Some(58),
                other => other.parse().ok(),
            },
            _ => None,
        };
        match number {
            Some(-1) => Some(Self::All),
            Some(number) if u8::try_from(number).is_ok() => u8::try_from(number).ok().map(Self::Number),
            _ => wrong(
                value,
                at,
                log,
                "a protocol",
                "give tcp, udp, icmp, icmpv6, a protocol number from 0 to 255, or -1 for all",
            ),
        }
    }
}

impl Shape for RuleAction {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("allow") => Some(Self::Allow),
            Some("deny") => Some(Self::Deny),
            _ => wrong(value, at, log, "an action", "give allow or deny"),
        }
    }
}

impl Shape for MidStreamTcp {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("track") => Some(Self::Track),
            Some("drop") => Some(Self::Drop),
            _ => wrong(value, at, log, "a choice", "give track or drop"),
        }
    }
}

/// Reads one of the words that stand for values.
fn choice<T: Copy>(value: &Value, at: &Place, log: &Log, words: &[(&str, T)]) -> Option<T> {
    let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
    match found {
        Some((_, meant)) => Some(*meant),
        None => {
            let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            wrong(value, at, log, "a choice", &format!("give one of: {list}"))
        }
    }
}

impl Shape for VpcEndpointType {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let words = [
            ("Gateway", Self::Gateway),
            ("Interface", Self::Interface),
            ("GatewayLoadBalancer", Self::GatewayLoadBalancer),
            ("Resource", Self::Resource),
            ("ServiceNetwork", Self::ServiceNetwork),
        ];
        choice(value, at, log, &words)
    }
}

impl Shape for IpAddressType {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        choice(value, at, log, &[("ipv4", Self::Ipv4), ("ipv6", Self::Ipv6), ("dualstack", Self::Dualstack)])
    }
}

impl Shape for ServiceProtocol {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        choice(value, at, log, &[("tcp", Self::Tcp), ("udp", Self::Udp)])
    }
}

impl Shape for VpcEndpointState {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let words = [
            ("available", Self::Available),
            ("pendingAcceptance", Self::PendingAcceptance),
            ("pending", Self::Pending),
            ("deleting", Self::Deleting),
            ("deleted", Self::Deleted),
            ("rejected", Self::Rejected),
            ("failed", Self::Failed),
            ("expired", Self::Expired),
            ("partial", Self::Partial),
        ];
        choice(value, at, log, &words)
    }
}

impl Shape for ConnectivityType {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("public") => Some(Self::Public),
            Some("private") => Some(Self::Private),
            _ => wrong(value, at, log, "a choice", "give public or private"),
        }
    }
}

impl Shape for InstanceState {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("running") => Some(Self::Running),
            Some("stopped") => Some(Self::Stopped),
            _ => wrong(value, at, log, "a state of an instance", "give running or stopped"),
        }
    }
}

impl Shape for Works {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("available") => Some(Self(true)),
            Some("failed") => Some(Self(false)),
            _ => wrong(value, at, log, "a state of a NAT gateway", "give available or failed"),
        }
    }
}

impl Shape for PeeringState {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("active") => Some(Self::Active),
            Some("pending-acceptance") => Some(Self::PendingAcceptance),
            Some("rejected") => Some(Self::Rejected),
            Some("expired") => Some(Self::Expired),
            Some("deleted") => Some(Self::Deleted),
            _ => wrong(
                value,
                at,
                log,
                "a state of a peering connection",
                "give active, pending-acceptance, rejected, expired or deleted",
            ),
        }
    }
}

impl Shape for LinkState {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("up") => Some(Self::Up),
            Some("down") => Some(Self::Down),
            _ => wrong(value, at, log, "a choice", "give up or down"),
        }
    }
}

impl Shape for LocalPreference {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("high" | "7224:7300") => Some(Self::High),
            Some("medium" | "7224:7200") => Some(Self::Medium),
            Some("low" | "7224:7100") => Some(Self::Low),
            _ => wrong(value, at, log, "a local preference", "give 7224:7100, 7224:7200 or 7224:7300"),
        }
    }
}

impl Shape for TunnelEncryption {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("aes-gcm") => Some(Self::Gcm),
            Some("aes-cbc-sha1" | "aes-cbc-sha256") => Some(Self::CbcSha256),
            Some("aes-cbc-sha384") => Some(Self::CbcSha384),
            Some("aes-cbc-sha512") => Some(Self::CbcSha512),
            _ => wrong(
                value,
                at,
                log,
                "a choice",
                "give aes-gcm, aes-cbc-sha1, aes-cbc-sha256, aes-cbc-sha384 or aes-cbc-sha512",
            ),
        }
    }
}

impl Shape for NetworkAclQuota {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("each_family") => Some(Self::EachFamily),
            Some("each_family_and_default_rule") => Some(Self::EachFamilyAndDefaultRule),
            Some("both_families") => Some(Self::BothFamilies),
            _ => {
                let remedy = "give each_family, each_family_and_default_rule or both_families";
                wrong(value, at, log, "a choice", remedy)
            }
        }
    }
}

impl Shape for OutboundSmtp {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value.as_str() {
            Some("blocked") => Some(Self::Blocked),
            Some("allowed") => Some(Self::Allowed),
            _ => wrong(value, at, log, "a choice", "give blocked or allowed"),
        }
    }
}

impl Shape for Tags {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        let Some(object) = value.as_object() else {
            return wrong(value, at, log, "a map", "give a map from text to text");
        };
        let sorted: std::collections::BTreeMap<&String, &Value> = object.iter().collect();
        let tags: Self = sorted
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), String::read(value, &at.attribute(key), log)?)))
            .collect();
        Some(tags)
    }
}
