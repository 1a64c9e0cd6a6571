//! Who plays the internet in the tests of an imported topology?
//!
//! Templates and plans know no hosts outside, and packets need one to come from. What always holds: the host that is
//! declared is one that no rule or route of the topology names, so that it fares as anybody does.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};
use vpclab_model::Document;

/// The name of the host.
pub(crate) const NAME: &str = "internet-host";

/// Blocks for documentation (RFC 5737, RFC 3849); those of which the lab lends public addresses are not among them.
const IPV4: [&str; 2] = ["198.51.100", "192.0.2"];
const IPV6: &str = "2001:db8:ffff:";
/// Addresses of a block that are tried.
const TRIED: std::ops::RangeInclusive<u8> = 7..=254;

/// Declares a host of the internet where the topology leads there and declares none; whether it did.
pub(crate) fn declare(document: &mut Value) -> bool {
    let Value::Object(kinds) = document else { return false };
    let holds = |kind: &str| kinds.get(kind).and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    let leads_there = holds("internet_gateways") || holds("egress_only_internet_gateways");
    if !leads_there || holds("internet_hosts") {
        return false;
    }
    let mut named = Vec::new();
    blocks(kinds, &mut named);
    let nobody_names = |address: &IpAddr| !named.iter().any(|block| block.contains(address));
    let ipv4 = IPV4.iter().flat_map(|block| TRIED.map(move |host| format!("{block}.{host}")));
    let ipv6 = TRIED.map(|host| format!("{IPV6}:{host}"));
    let free = |mut all: Box<dyn Iterator<Item = String> + '_>| {
        all.find_map(|text| text.parse::<IpAddr>().ok().filter(nobody_names))
    };
    let mut host = Map::new();
    for (attribute, address) in [("address", free(Box::new(ipv4))), ("ipv6_address", free(Box::new(ipv6)))] {
        host.extend(address.map(|address| (attribute.to_owned(), json!(address.to_string()))));
    }
    if !host.contains_key("address") {
        return false;
    }
    kinds.insert("internet_hosts".to_owned(), json!({ NAME: host }));
    true
}

/// `document` with the host that `other` has for tests, if it has one and the document declares none.
pub(crate) fn as_in(document: Document, other: &Document) -> Document {
    let Some(host) = other.as_value().pointer(&format!("/internet_hosts/{NAME}")) else { return document };
    let mut value = document.as_value().clone();
    match &mut value {
        Value::Object(kinds) if !kinds.contains_key("internet_hosts") => {
            kinds.insert("internet_hosts".to_owned(), json!({ NAME: host }));
            Document::from(value)
        }
        _ => document,
    }
}

/// Every block and address that a text of the document is, but for those that are everything.
fn blocks(object: &Map<String, Value>, found: &mut Vec<IpNet>) {
    for value in object.values() {
        collect(value, found);
    }
}

fn collect(value: &Value, found: &mut Vec<IpNet>) {
    match value {
        Value::String(text) => {
            let block = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            found.extend(block.ok().filter(|block| block.prefix_len() > 0));
        }
        Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
        Value::Object(object) => blocks(object, found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_nobody_names_plays_the_internet() {
        let mut document = json!({
            "internet_gateways": { "igw": { "vpc": "v" } },
            "security_groups": { "g": { "ingress": [
                { "cidr_blocks": ["0.0.0.0/0", "198.51.100.0/28"], "ipv6_cidr_blocks": ["::/0", "2001:db8:ffff::7/128"] }] } } });
        assert!(declare(&mut document));
        let host = json!({ "address": "198.51.100.16", "ipv6_address": "2001:db8:ffff::8" });
        assert_eq!(document["internet_hosts"][NAME], host);
        assert!(!declare(&mut document), "one is enough");
    }

    #[test]
    fn where_every_address_is_named_or_no_gateway_is_there_nobody_is_declared() {
        let mut named = json!({
            "internet_gateways": { "igw": {} },
            "routes": ["198.51.100.0/24", "192.0.2.0/24"] });
        let mut private = json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } } });
        for document in [&mut named, &mut private] {
            let before = document.clone();
            assert!(!declare(document));
            assert_eq!(*document, before);
        }
    }
}
