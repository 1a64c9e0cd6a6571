//! Interfaces, instances and public addresses (areas L2, CT and IGW).

use serde_json::{Value, json};
use vpclab_model::Topology;

use crate::{check, lab, merge, mistakes, patched};

#[test]
fn interfaces_and_instances() {
    let instance = |attributes: Value| json!({"instances": {"n": attributes}});
    let at = |code: &str, attribute: &str| -> &'static [&'static str] {
        let dot = if attribute.is_empty() { "" } else { "." };
        let text = format!("{code} instances.n{dot}{attribute}");
        Box::leak(Box::new([&*Box::leak(text.into_boxed_str())]))
    };
    let attached = |index: u8, subnet: Value| {
        json!({"subnets": {"b": {"vpc": "v", "cidr_block": "10.0.2.0/24", "availability_zone": "us-east-1b"}},
               "network_interfaces": {"e": {"subnet": subnet, "attachment": {"instance": "i", "device_index": index}}}})
    };
    check(vec![
        ("ADDR-27", instance(json!({"subnet": "a", "private_ip": "10.0.1.4"})), &[]),
        (
            "ADDR-27",
            instance(json!({"subnet": "a", "private_ip": "10.0.1.3"})),
            at("InvalidParameterValue", "private_ip"),
        ),
        (
            "ADDR-27",
            instance(json!({"subnet": "a", "private_ip": "10.0.1.255"})),
            at("InvalidParameterValue", "private_ip"),
        ),
        (
            "ADDR-30",
            instance(json!({"subnet": "a", "ipv6_addresses": ["2001:db8:1:1::3"]})),
            at("InvalidParameterValue", "ipv6_addresses[0]"),
        ),
        ("ADDR-30", instance(json!({"subnet": "a", "ipv6_addresses": ["2001:db8:1:1::4"]})), &[]),
        (
            "L2-15",
            instance(json!({"subnet": "a", "private_ip": "10.0.2.4"})),
            at("InvalidParameterValue", "private_ip"),
        ),
        (
            "ERR-19",
            instance(json!({"subnet": "a", "private_ips": ["10.0.1.9", "10.0.1.9"]})),
            at("InvalidIPAddress.InUse", "private_ips[1]"),
        ),
        (
            "ERR-35",
            instance(json!({"subnet": "a", "private_ips": ["10.0.1.9"], "private_ip": "10.0.1.9"})),
            at("InvalidParameterCombination", "private_ips"),
        ),
        (
            "ERR-35",
            instance(json!({"subnet": "a", "ipv6_addresses": [], "ipv6_address_count": 1})),
            at("InvalidParameterCombination", "ipv6_address_count"),
        ),
        (
            "ERR-35",
            instance(json!({"subnet": "x", "ipv6_address_count": 1})),
            at("InvalidParameterCombination", "ipv6_address_count"),
        ),
        (
            "CT-11",
            instance(
                json!({"subnet": "a", "connection_tracking": {"tcp_established_timeout": 60, "udp_stream_timeout": 180, "udp_timeout": 30}}),
            ),
            &[],
        ),
        (
            "CT-11",
            instance(
                json!({"subnet": "a", "connection_tracking_specification": {"tcp_established_timeout": 59}}),
            ),
            at("InvalidParameterValue", "connection_tracking_specification.tcp_established_timeout"),
        ),
        (
            "CT-12",
            instance(json!({"subnet": "a", "connection_tracking": {"udp_timeout": 61}})),
            at("InvalidParameterValue", "connection_tracking.udp_timeout"),
        ),
        (
            "CT-13",
            instance(json!({"subnet": "a", "connection_tracking": {"udp_stream_timeout": 181}})),
            at("InvalidParameterValue", "connection_tracking.udp_stream_timeout"),
        ),
        ("L2-28", instance(json!({"subnet": "a", "mac_address": "02:00:00:00:00:01"})), &[]),
        (
            "L2-28",
            instance(json!({"subnet": "a", "mac_address": "03:00:00:00:00:01"})),
            at("InvalidParameterValue", "mac_address"),
        ),
        (
            "L2-28",
            instance(json!({"subnet": "a", "mac_address": "00:00:00:00:00:01"})),
            at("InvalidParameterValue", "mac_address"),
        ),
        ("SG-06", instance(json!({"subnet": "a", "vpc_security_group_ids": ["default"]})), &[]),
        (
            "SG-06",
            instance(json!({"subnet": "a", "security_groups": ["w/default"]})),
            at("InvalidGroup.NotFound", "security_groups[0]"),
        ),
        (
            "L2-15",
            json!({"quotas": "aws-default", "security_groups": {"s1": {"vpc": "v"}, "s2": {"vpc": "v"}, "s3": {"vpc": "v"}, "s4": {"vpc": "v"}, "s5": {"vpc": "v"}, "s6": {"vpc": "v"}},
            "instances": {"n": {"subnet": "a", "security_groups": ["s1", "s2", "s3", "s4", "s5", "s6"]}}}),
            at("SecurityGroupsPerInterfaceLimitExceeded", "security_groups"),
        ),
        ("L2-16", instance(json!({})), at("MissingParameter", "")),
        (
            "L2-16",
            instance(json!({"private_ip": "10.0.1.9"})),
            &["InvalidParameterCombination instances.n.private_ip", "MissingParameter instances.n"],
        ),
        ("L2-17", attached(1, json!("a")), &[]),
        ("L2-17", attached(1, json!("x")), &[]),
        ("L2-17", attached(1, json!("b")), &["InvalidParameterCombination instances.i.network_interfaces"]),
        ("L2-17", attached(0, json!("a")), &["InvalidParameterValue network_interfaces.e.attachment"]),
        (
            "ERR-26",
            json!({"network_interfaces": {"e": {"subnet": "a", "attachment": {"instance": "i", "device_index": 1}}},
            "instances": {"n": {"network_interfaces": [{"network_interface": "e", "device_index": 0}]}}}),
            &["InvalidNetworkInterface.InUse network_interfaces.e.attachment"],
        ),
        (
            "L2-22",
            json!({"instances": {"i": {"associate_public_ip_address": true, "network_interfaces": [{"network_interface": "e", "device_index": 1}]}}, "network_interfaces": {"e": {"subnet": "a"}}}),
            &["InvalidParameterCombination instances.i.associate_public_ip_address"],
        ),
        (
            "ERR-35",
            json!({"network_interfaces": {"i": {"subnet": "a"}}}),
            &["InvalidParameterCombination instances.i.subnet"],
        ),
        (
            "ERR-31",
            json!({"network_interfaces": {"e": {"subnet": "a", "attachment": {"instance": "j", "device_index": 1}}}}),
            &["InvalidInstanceID.NotFound network_interfaces.e.attachment.instance"],
        ),
    ]);
}

#[test]
fn a_28_holds_eleven_interfaces_and_refuses_the_twelfth() {
    // VEC-20
    let with = |count: usize| {
        let mut patch = json!({"subnets": {"n": {"vpc": "v", "cidr_block": "10.0.2.0/28"}}, "instances": {}});
        for index in 10..10 + count {
            patch["instances"][format!("n{index}")] = json!({"subnet": "n"});
        }
        patch
    };
    let topology = lab(with(11));
    let addresses: Vec<String> = (10..21)
        .map(|n| topology.network_interfaces[format!("n{n}").as_str()].private_ip.unwrap().to_string())
        .collect();
    assert_eq!((addresses[0].as_str(), addresses[10].as_str()), ("10.0.2.4", "10.0.2.14"));
    assert_eq!(mistakes(&with(12)), ["InsufficientFreeAddressesInSubnet instances.n21"]);
    assert_eq!(
        mistakes(&with(14)),
        ["InsufficientFreeAddressesInSubnet instances.n21"],
        "one report, not three"
    );
}

#[test]
fn public_addresses() {
    let eip = |attributes: Value| json!({"eips": {"n": attributes}});
    let host = |attributes: Value| json!({"internet_hosts": {"h": attributes}});
    const HOST: &[&str] = &["InvalidParameterValue internet_hosts.h.address"];
    const HOST6: &[&str] = &["InvalidParameterValue internet_hosts.h.ipv6_address"];
    check(vec![
        (
            "IGW-03",
            json!({"internet_gateways": {"h": {"vpc": "v"}}}),
            &["InvalidParameterValue internet_gateways.h.vpc"],
        ),
        (
            "IGW-13",
            json!({"internet_gateways": {"g": null}, "eips": {"n": {"instance": "i"}}}),
            &["Gateway.NotAttached eips.n.instance"],
        ),
        (
            "IGW-16",
            json!({"instances": {"i": {"private_ips": ["10.0.1.8", "10.0.1.9"]}}, "eips": {"m": {"instance": "i"}, "n": {"network_interface": "i", "associate_with_private_ip": "10.0.1.9"}}}),
            &[],
        ),
        (
            "IGW-16",
            eip(json!({"instance": "i", "private_ip": "10.0.1.77"})),
            &["InvalidParameterValue eips.n.private_ip"],
        ),
        (
            "L2-15",
            json!({"eips": {"m": {"instance": "i"}, "n": {"network_interface": "i"}}}),
            &["Resource.AlreadyAssociated eips.n"],
        ),
        (
            "ERR-35",
            eip(json!({"instance": "i", "network_interface": "i"})),
            &["InvalidParameterCombination eips.n.instance"],
        ),
        (
            "ERR-35",
            eip(json!({"associate_with_private_ip": "10.0.1.4"})),
            &["InvalidParameterCombination eips.n.associate_with_private_ip"],
        ),
        (
            "IGW-09",
            json!({"network_interfaces": {"e": {"subnet": "a"}}, "eips": {"n": {"network_interface": "e"}}}),
            &[],
        ),
        ("IGW-06", eip(json!({"public_ip": "10.0.0.1"})), &["InvalidParameterValue eips.n.public_ip"]),
        (
            "ERR-17",
            json!({"eips": {"m": {"public_ip": "203.0.113.9"}, "n": {"public_ip": "203.0.113.9"}}}),
            &["InvalidIPAddress.InUse eips.n.public_ip"],
        ),
        (
            "ERR-17",
            json!({"eips": {"m": {"public_ip": "203.0.113.9"}}, "internet_hosts": {"h": {"address": "203.0.113.9"}}}),
            &["InvalidIPAddress.InUse eips.m.public_ip"],
        ),
        (
            "ERR-17",
            json!({"instances": {"i": {"public_ip": "203.0.113.9"}}, "eips": {"m": {"public_ip": "203.0.113.9"}}}),
            &["InvalidIPAddress.InUse instances.i.public_ip"],
        ),
        (
            "ERR-17",
            json!({"internet_hosts": {"h": {"address": "8.8.8.8"}, "k": {"address": "8.8.8.8"}}}),
            &["InvalidIPAddress.InUse internet_hosts.k.address"],
        ),
        (
            "ERR-35",
            json!({"instances": {"i": {"public_ip": "203.0.113.9", "associate_public_ip_address": false}}}),
            &["InvalidParameterCombination instances.i.public_ip"],
        ),
        (
            "L2-21",
            json!({"instances": {"i": {"public_ip": "203.0.113.9"}}, "eips": {"m": {"instance": "i"}}}),
            &["InvalidParameterCombination instances.i.public_ip"],
        ),
        (
            "ADDR-32",
            json!({"subnets": {"n": {"vpc": "v", "ipv6_native": true, "ipv6_cidr_block": "2001:db8:1:2::/64"}}, "instances": {"n": {"subnet": "n", "associate_public_ip_address": true}}}),
            &["InvalidParameterCombination instances.n.associate_public_ip_address"],
        ),
        ("IGW-08", host(json!({"address": "192.168.1.1"})), HOST),
        ("IGW-08", host(json!({"address": "100.64.0.1"})), HOST),
        ("IGW-14", host(json!({"ipv6_address": "fd00::1"})), HOST6),
        ("IGW-14", host(json!({"ipv6_address": "2001:db8:1:1::9"})), HOST6),
        ("ERR-35", host(json!({})), &["MissingParameter internet_hosts.h"]),
    ]);
    let public =
        |topology: &Topology, interface: &str| json!(topology.network_interfaces[interface].public_ips);
    // ADDR-36: no public address unless asked for; L2-22: nor with several interfaces.
    assert_eq!(public(&lab(json!({})), "i"), json!({}));
    let subnet = json!({"subnets": {"a": {"map_public_ip_on_launch": true}}});
    assert_eq!(
        public(&lab(subnet.clone()), "i"),
        json!({"10.0.1.4": {"address": "203.0.113.1", "eip": null}})
    );
    let mut several = subnet.clone();
    merge(
        &mut several,
        &json!({"network_interfaces": {"e": {"subnet": "a", "attachment": {"instance": "i", "device_index": 1}}}}),
    );
    assert_eq!(public(&lab(several.clone()), "i"), json!({}));
    // What is attached later takes nothing away.
    merge(&mut several, &json!({"instances": {"i": {"associate_public_ip_address": true}}}));
    assert_eq!(public(&lab(several), "i"), json!({"10.0.1.5": {"address": "203.0.113.1", "eip": null}}));
    // L2-21: an elastic IP takes the automatic address's place.
    let mut elastic = subnet;
    merge(
        &mut elastic,
        &json!({"eips": {"z": {"instance": "i"}}, "internet_hosts": {"h": {"address": "203.0.113.1"}}}),
    );
    assert_eq!(public(&lab(elastic), "i"), json!({"10.0.1.4": {"address": "203.0.113.2", "eip": "z"}}));
}

#[test]
fn the_pool_serves_elastic_addresses_first_and_each_kind_by_name() {
    let patch = json!({
        "subnets": {"a": {"map_public_ip_on_launch": true}},
        "instances": {"b": {"subnet": "a"}, "a": {"subnet": "a"}},
        "eips": {"z": {}, "y": {}, "stated": {"public_ip": "203.0.113.2"}},
    });
    // Whatever order the document has, and each time the same.
    for _ in 0..2 {
        let topology = lab(patch.clone());
        let elastic: Vec<_> = topology.eips.values().map(|eip| eip.public_ip.to_string()).collect();
        assert_eq!(elastic, ["203.0.113.2", "203.0.113.1", "203.0.113.3"], "stated, y, z");
        let automatic: Vec<_> =
            ["a", "b", "i"].map(|name| &topology.network_interfaces[name].public_ips).into_iter().collect();
        let automatic: Vec<_> =
            automatic.iter().flat_map(|ips| ips.values().map(|public| public.address.to_string())).collect();
        assert_eq!(automatic, ["203.0.113.4", "203.0.113.5", "203.0.113.6"]);
    }
    // What was handed out before stays where it is, whoever comes before it by name.
    let before = lab(patch.clone());
    let mut more = patch;
    merge(&mut more, &json!({"eips": {"x": {}, "z": null}, "instances": {"0": {"subnet": "a"}, "b": null}}));
    let after = Topology::from_document(&patched(&more), Some(&before)).unwrap();
    let of_eip = |topology: &Topology, name: &str| topology.eips[name].public_ip;
    let of = |topology: &Topology, name: &str| {
        topology.network_interfaces[name].public_ips.values().next().unwrap().address
    };
    assert_eq!(of_eip(&after, "y"), of_eip(&before, "y"));
    assert_eq!((of(&after, "a"), of(&after, "i")), (of(&before, "a"), of(&before, "i")));
    assert_eq!(of_eip(&after, "x").to_string(), "203.0.113.3", "the lowest that is free");
    assert_eq!(of(&after, "0").to_string(), "203.0.113.5");
    // Addresses that a block's network or broadcast address might be are left out.
    let many: serde_json::Map<_, _> = (0..300).map(|n| (format!("e{n:03}"), json!({}))).collect();
    let topology = lab(json!({"eips": many}));
    assert_eq!(of_eip(&topology, "e253").to_string(), "203.0.113.254");
    assert_eq!(of_eip(&topology, "e254").to_string(), "203.0.114.1");
}
