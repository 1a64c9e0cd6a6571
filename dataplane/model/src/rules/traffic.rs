//! Which ports, which ICMP messages does a rule mean?
//!
//! What AWS ignores falls away here (NACL-10, NACL-13, SG-18); what it insists on is reported.

use ipnet::IpNet;

use crate::declared::DeclaredTraffic;
use crate::reader::Given;
use crate::register::Context;
use crate::shape::Protocol;
use crate::traffic::{IcmpMatch, PortRange, Traffic};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// The code for a malformed value of a network ACL entry.
const IN_ACL: &str = "InvalidParameterValue";
/// The code for a malformed security group rule (ERR-09).
const IN_GROUP: &str = "InvalidPermission.Malformed";

/// What an entry of a network ACL speaks about (NACL-10..NACL-13).
pub(super) fn of_acl_entry(
    cx: &Context<'_>,
    written: &DeclaredTraffic,
    cidr: Option<IpNet>,
) -> Option<Traffic> {
    let icmp =
        || icmp(cx, written, [("icmp_type", &written.icmp_type), ("icmp_code", &written.icmp_code)], IN_ACL);
    match *written.protocol.value()? {
        Protocol::All => Some(Traffic::All),
        Protocol::Number(TCP) => ports(cx, written, IN_ACL).map(Traffic::Tcp),
        Protocol::Number(UDP) => ports(cx, written, IN_ACL).map(Traffic::Udp),
        Protocol::Number(ICMP) => icmp().map(Traffic::Icmp),
        Protocol::Number(ICMPV6) => match cidr? {
            IpNet::V4(_) => Some(Traffic::Icmpv6(IcmpMatch::ALL)),
            IpNet::V6(_) => icmp().map(Traffic::Icmpv6),
        },
        Protocol::Number(number) => Some(Traffic::Protocol(number)),
    }
}

/// What a rule of a security group speaks about (SG-17, SG-18).
pub(super) fn of_group_rule(cx: &Context<'_>, written: &DeclaredTraffic) -> Option<Traffic> {
    let icmp =
        || icmp(cx, written, [("from_port", &written.from_port), ("to_port", &written.to_port)], IN_GROUP);
    match *written.protocol.value()? {
        Protocol::All => Some(Traffic::All),
        Protocol::Number(TCP) => ports(cx, written, IN_GROUP).map(Traffic::Tcp),
        Protocol::Number(UDP) => ports(cx, written, IN_GROUP).map(Traffic::Udp),
        Protocol::Number(ICMP) => icmp().map(Traffic::Icmp),
        Protocol::Number(ICMPV6) if written.from_port.is_absent() && written.to_port.is_absent() => {
            Some(Traffic::Icmpv6(IcmpMatch::ALL))
        }
        Protocol::Number(ICMPV6) => icmp().map(Traffic::Icmpv6),
        Protocol::Number(number) => Some(Traffic::Protocol(number)),
    }
}

fn ports(cx: &Context<'_>, written: &DeclaredTraffic, code: &'static str) -> Option<PortRange> {
    const REMEDY: &str = "give ports from 0 to 65535, the lower one first";
    let mut bounds =
        [("from_port", &written.from_port), ("to_port", &written.to_port)].map(|(name, given)| {
            let bound = needed(cx, written, name, given, "a TCP or UDP rule needs a port range")?;
            let port = u16::try_from(bound).ok();
            if port.is_none() {
                let at = written.at.attribute(name);
                cx.log.report(&at, code, format!("{bound} is not a port"), REMEDY);
            }
            port
        });
    let (from, to) = (bounds[0].take()?, bounds[1].take()?);
    if from > to {
        let problem = format!("the range starts at {from} and ends at {to}");
        cx.log.report(&written.at.attribute("from_port"), code, problem, REMEDY);
        return None;
    }
    Some(PortRange { from, to })
}

fn icmp(
    cx: &Context<'_>,
    written: &DeclaredTraffic,
    data: [(&str, &Given<i64>); 2],
    code: &'static str,
) -> Option<IcmpMatch> {
    let [icmp_type, icmp_code] = data.map(|(name, given)| {
        let value = needed(cx, written, name, given, "an ICMP rule needs a type and a code")?;
        let byte = u8::try_from(value).ok();
        if byte.is_none() && value != -1 {
            let problem = format!("{value} is no ICMP type or code");
            cx.log.report(&written.at.attribute(name), code, problem, "give 0 to 255, or -1 for any");
            return None;
        }
        Some(byte)
    });
    let (icmp_type, icmp_code) = (icmp_type?, icmp_code?);
    if icmp_type.is_none() && icmp_code.is_some() {
        let at = written.at.attribute(data[1].0);
        cx.log.report(&at, code, "a code makes no sense for any type", "give -1, or name the type");
        return None;
    }
    Some(IcmpMatch { icmp_type, code: icmp_code })
}

fn needed(
    cx: &Context<'_>,
    written: &DeclaredTraffic,
    name: &str,
    given: &Given<i64>,
    problem: &str,
) -> Option<i64> {
    if given.is_absent() {
        let remedy = match name {
            "from_port" | "to_port" if problem.contains("TCP") => "give a port; 0 to 65535 is all of them",
            "from_port" => "give the type here, or -1 for any",
            "to_port" => "give the code here, or -1 for any",
            _ => "give a number, or -1 for any",
        };
        cx.log.report(&written.at.attribute(name), "MissingParameter", problem, remedy);
    }
    given.value().copied()
}
