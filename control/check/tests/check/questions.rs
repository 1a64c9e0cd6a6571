//! Tables of questions a network engineer could read aloud.

use vpclab_api::ExplainRequest;
use vpclab_model::{InstanceName, NetworkInterfaceName};

use crate::{quickstart, request, yaml};

#[test]
fn a_destination_says_end_port_and_protocol() {
    let network = quickstart();
    for (to, name, kind, address, port, protocol) in [
        ("db-1:5432/tcp", "db-1", "instance", "10.0.2.10", Some("5432"), "tcp"),
        ("db-1:5432", "db-1", "instance", "10.0.2.10", Some("5432"), "tcp"),
        ("db-1:53/udp", "db-1", "instance", "10.0.2.10", Some("53"), "udp"),
        ("db-1:53/UDP", "db-1", "instance", "10.0.2.10", Some("53"), "udp"),
        ("db-1/icmp", "db-1", "instance", "10.0.2.10", None, "icmp"),
        ("db-1/icmpv6", "db-1", "instance", "2001:db8:1:2::", None, "icmpv6"),
        ("db-1/tcp", "db-1", "instance", "10.0.2.10", Some("0-65535"), "tcp"),
        ("db-1/6", "db-1", "instance", "10.0.2.10", Some("0-65535"), "tcp"),
        ("db-1/50", "db-1", "instance", "10.0.2.10", None, "50"),
        ("db-1/gre", "db-1", "instance", "10.0.2.10", None, "47"),
        ("db-1", "db-1", "instance", "10.0.2.10", None, "all"),
        ("db-1/all", "db-1", "instance", "10.0.2.10", None, "all"),
        ("10.0.2.10:80", "10.0.2.10", "address", "10.0.2.10", Some("80"), "tcp"),
        ("10.0.2.10:80/17", "10.0.2.10", "address", "10.0.2.10", Some("80"), "udp"),
        ("10.0.2.10/icmp", "10.0.2.10", "address", "10.0.2.10", None, "icmp"),
        ("shop/10.0.2.10:80/tcp", "shop/10.0.2.10", "address", "10.0.2.10", Some("80"), "tcp"),
        ("[2001:db8:ffff::7]:443/tcp", "2001:db8:ffff::7", "address", "2001:db8:ffff::7", Some("443"), "tcp"),
        ("2001:db8:ffff::7", "2001:db8:ffff::7", "address", "2001:db8:ffff::7", None, "all"),
        ("2001:db8:ffff::7/icmp", "2001:db8:ffff::7", "address", "2001:db8:ffff::7", None, "icmpv6"),
        ("internet:443", "internet", "internet", "192.0.2.1", Some("443"), "tcp"),
        ("internet/icmp", "internet", "internet", "192.0.2.1", None, "icmp"),
        ("internet:198.51.100.99:443", "198.51.100.99", "address", "198.51.100.99", Some("443"), "tcp"),
        (
            "internet:[2001:db8:77::1]:443/udp",
            "2001:db8:77::1",
            "address",
            "2001:db8:77::1",
            Some("443"),
            "udp",
        ),
        ("client:80", "client", "internet_host", "198.51.100.7", Some("80"), "tcp"),
    ] {
        let end = network.explain("web-1", to).to;
        assert_eq!((end.name.as_str(), end.kind.as_str()), (name, kind), "{to}");
        let found = end.address.unwrap_or_default();
        assert!(found == address || (address.ends_with("::") && found.starts_with(address)), "{to}: {found}");
        assert_eq!((end.port.as_deref(), end.protocol.as_deref()), (port, Some(protocol)), "{to}");
    }
}

#[test]
fn ends_go_by_their_ids_too() {
    let network = quickstart();
    let instance = InstanceName::new("db-1").id();
    assert_eq!(network.explain("web-1", &format!("{instance}:5432")).to.name, "db-1");
    let interface = NetworkInterfaceName::new("web-1").id();
    let answer = network.explain(&interface, "db-1:5432");
    assert_eq!((answer.from.name.as_str(), answer.from.kind.as_str()), ("web-1", "network_interface"));
}

#[test]
fn what_is_no_question_is_refused_with_the_reason() {
    let network = quickstart();
    for (from, to, code, says) in [
        ("wbe-1", "db-1", "InvalidInstanceID.NotFound", "did you mean `web-1`?"),
        ("cache", "db-1", "InvalidInstanceID.NotFound", "there are app-1, client, db-1, internet, web-1"),
        ("web-1", "bd-1:5432/tcp", "InvalidInstanceID.NotFound", "called `bd-1`; did you mean `db-1`?"),
        ("web-1", "eni-00000000000000000", "InvalidNetworkInterfaceID.NotFound", "called `eni-0"),
        ("web-1", "db-1:5432/tpc", "InvalidParameterValue", "`tpc` is not a protocol; did you mean `tcp`?"),
        ("web-1", "db-1:70000", "InvalidParameterValue", "70000 is not a port"),
        ("web-1", "db-1:0", "InvalidParameterValue", "0 is not a port"),
        ("web-1", "db-1:22/icmp", "InvalidParameterCombination", "only tcp and udp have ports"),
        ("web-1:80", "db-1", "InvalidParameterValue", "belongs to the destination"),
        ("web-1", "10.0.3.0/24", "InvalidParameterValue", "nobody who sends or receives is in it"),
        ("web-1", "privte-a:80", "InvalidInstanceID.NotFound", "did you mean `private-a`?"),
        ("web-1", "tag:blue", "InvalidParameterValue", "write tag:KEY=VALUE"),
        ("web-1", "tag:team=blue", "InvalidParameterValue", "nobody who sends or receives is in it"),
        ("web-1", "shop/10.0.2.99", "InvalidNetworkInterfaceID.NotFound", "no interface of the VPC shop"),
        (
            "web-1",
            "10.0.2.10/50",
            "InvalidParameterValue",
            "for protocol 50 of that address write `10.0.2.10` with --protocol 50",
        ),
        ("web-1", "10.0.2.10/6", "InvalidParameterValue", "write `10.0.2.10` with --protocol 6"),
        ("web-1", "shop/10.0.2.10/17", "InvalidParameterValue", "write `shop/10.0.2.10` with --protocol 17"),
        ("web-1", "internet:10.0.0.1", "InvalidParameterValue", "not a public address"),
        ("web-1", "internet:nowhere", "InvalidParameterValue", "`nowhere` is not an address"),
        ("web-1", "web-1:80", "InvalidParameterCombination", "never reaches the network"),
        ("client", "internet:80", "InvalidParameterCombination", "both on the internet"),
        ("203.0.113.10", "db-1", "InvalidParameterValue", "the public address of web-1; ask from web-1"),
        ("10.0.9.9", "db-1", "InvalidParameterValue", "nothing in the topology sends from 10.0.9.9"),
    ] {
        let error = network.refusal(from, to).error;
        assert_eq!(error.code, code, "{from} -> {to}: {}", error.message);
        assert!(error.message.contains(says), "{from} -> {to}: {}", error.message);
    }
}

#[test]
fn the_options_say_the_same_as_the_destination_and_may_not_contradict_it() {
    let network = quickstart();
    let by_options = ExplainRequest {
        port: Some(5432),
        protocol: Some("tcp".to_owned()),
        source_port: Some(40_000),
        ..request("web-1", "db-1")
    };
    let answer = network.ask(&by_options).unwrap();
    assert_eq!(answer.to, network.explain("web-1", "db-1:5432/tcp").to);
    assert_eq!(answer.from.port.as_deref(), Some("40000"));
    let agreed = ExplainRequest { port: Some(5432), ..request("web-1", "db-1:5432") };
    assert!(network.ask(&agreed).is_ok());
    for (contradiction, says) in [
        (ExplainRequest { port: Some(22), ..request("web-1", "db-1:5432") }, "the port is given twice"),
        (
            ExplainRequest { protocol: Some("udp".to_owned()), ..request("web-1", "db-1:1/tcp") },
            "the protocol is given",
        ),
        (ExplainRequest { family: Some(5), ..request("web-1", "db-1") }, "5 is not an address family"),
        (ExplainRequest { family: Some(4), ..request("web-1", "db-1/icmpv6") }, "the other address family"),
        (
            ExplainRequest { source_port: Some(1), ..request("web-1", "db-1/icmp") },
            "only tcp and udp have ports",
        ),
        (
            ExplainRequest { family: Some(6), ..request("web-1", "10.0.2.10") },
            "10.0.2.10 has no IPv6 address",
        ),
        (
            ExplainRequest { family: Some(6), ..request("10.0.1.10", "10.0.2.10") },
            "10.0.1.10 and 10.0.2.10 have no IPv6",
        ),
        (
            request("10.0.1.10", "2001:db8:ffff::7"),
            "10.0.1.10 has only IPv4 and 2001:db8:ffff::7 has only IPv6",
        ),
    ] {
        let error = network.ask(&contradiction).unwrap_err().error;
        assert!(error.message.contains(says), "{contradiction:?}: {}", error.message);
    }
}

#[test]
fn a_name_that_looks_like_more_is_served_by_the_options() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\nsubnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}\n\
         instances: {a: {subnet: s}, 'a:80': {subnet: s}, b: {subnet: s}, 'c:80': {subnet: s}, internet: {subnet: s}}\n",
    );
    let error = network.refusal("b", "a:80").error;
    assert_eq!(error.code, "InvalidParameterCombination");
    assert!(
        error.message.contains("the instance `a:80` and every protocol, or port 80 of the instance `a`"),
        "{error:?}"
    );
    let exact = ExplainRequest { protocol: Some("all".to_owned()), ..request("b", "a:80") };
    assert_eq!(network.ask(&exact).unwrap().to.name, "a:80");
    let port = ExplainRequest { port: Some(80), ..request("b", "a") };
    assert_eq!(network.ask(&port).unwrap().to.name, "a");
    assert_eq!(network.explain("b", "c:80").to.name, "c:80");
    assert!(network.refusal("b", "internet").error.message.contains("`internet` can mean"));
}

#[test]
fn an_address_of_several_vpcs_needs_its_vpc() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: w, cidr_block: 10.0.0.0/24}}\n\
         instances: {a: {subnet: s, private_ip: 10.0.0.9}, b: {subnet: t, private_ip: 10.0.0.9}, c: {subnet: s}}\n",
    );
    let error = network.refusal("c", "10.0.0.9:80").error;
    assert!(error.message.contains("ask for v/10.0.0.9 or w/10.0.0.9"), "{error:?}");
    assert_eq!(network.explain("c", "v/10.0.0.9:80").reachable, Some(true));
    assert_eq!(network.explain("c", "w/10.0.0.9:80").reachable, Some(false), "that is the other VPC's");
}

#[test]
fn an_instance_sends_by_its_primary_interface_and_is_asked_by_each() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         network_interfaces: {p: {subnet: s, private_ip: 10.0.0.10}, q: {subnet: t, private_ip: 10.0.1.10}}\n\
         instances: {a: {network_interfaces: [{network_interface: p, device_index: 0}, {network_interface: q, device_index: 1}]}, b: {subnet: s}}\n",
    );
    let each = network.pairs("b", "a:80").answers;
    let asked: Vec<_> = each.iter().map(|one| (one.to.name.as_str(), one.to.address.as_deref())).collect();
    assert_eq!(asked, [("p", Some("10.0.0.10")), ("q", Some("10.0.1.10"))]);
    assert_eq!(network.explain("a", "b:80").from.address.as_deref(), Some("10.0.0.10"));
    let by_interface = network.explain("b", "q:80").to;
    assert_eq!(
        (by_interface.kind.as_str(), by_interface.address.as_deref()),
        ("network_interface", Some("10.0.1.10"))
    );
    assert_eq!(network.explain("b", "p:80").to.kind, "network_interface");
}
