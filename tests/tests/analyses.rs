//! Does the matrix of who reaches whom say what each of its cells says by itself?
//!
//! The matrix walks one pair of those that fare alike. Here every pair is asked alone, explain is asked about packets in
//! and out of every set of packets, and TCP/IP stacks inside the process try some of them: of every topology in
//! `configs/`, and of generated ones. `VPCLAB_SEED` starts at another seed, `VPCLAB_CASES` sets how many are tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests they are the assertion")]

use std::path::Path;

use serde_json::{Value, json};
use vpclab_api::{AnalyseRequest, Analysis, ExplainRequest, Level, Traffic};
use vpclab_check::{TestFile, VirtualProber, analyse, diff, run};
use vpclab_engine::Fabric;
use vpclab_model::{Document, Topology};
use vpclab_tests::generate::{self, Rng};
use vpclab_tests::harness::topology;
use vpclab_tests::matrix::{Said, cells, conversations, everybody, holds, reachable};

/// Every topology in `configs/`, by its name.
fn configs() -> Vec<(String, Topology)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut topologies: Vec<_> = files
        .filter(|path| {
            path.extension().is_some_and(|e| e == "json") && !path.to_string_lossy().contains(".tests.")
        })
        .map(|path| {
            let document = Document::from_path(&path).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, Topology::from_document(&document, None).unwrap())
        })
        .collect();
    topologies.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(topologies.len() >= 2);
    topologies
}

/// Generated ones, by their seeds.
fn generated(normally: u64) -> impl Iterator<Item = (String, Topology)> {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("VPCLAB_SEED", 1);
    let seeds = first..first + number("VPCLAB_CASES", normally);
    seeds.map(|seed| {
        let document = crowded(&generate::network(&mut Rng::new(seed)));
        (format!("seed {seed}"), topology(&document, None).unwrap())
    })
}

/// The same network, where every instance has a twin: in its subnet and its groups, with other addresses.
fn crowded(document: &Value) -> Value {
    let mut crowded = document.clone();
    let moved = |address: &str, separator: char| {
        let (net, host) = address.rsplit_once(separator).unwrap();
        json!(format!("{net}{separator}{}", host.parse::<u32>().unwrap() + 100))
    };
    let twins = document["instances"].as_object().unwrap().iter().map(|(name, instance)| {
        let mut twin = instance.clone();
        let attributes = twin.as_object_mut().unwrap();
        for own in
            ["secondary_private_ips", "ipv4_prefixes", "ipv6_prefixes", "forwards", "network_interfaces"]
        {
            attributes.remove(own);
        }
        twin["private_ip"] = moved(instance["private_ip"].as_str().unwrap(), '.');
        if let Some(address) = instance["ipv6_addresses"][0].as_str() {
            twin["ipv6_addresses"] = json!([moved(address, ':')]);
        }
        (format!("{name}-twin"), twin)
    });
    let twins: Vec<_> = twins.collect();
    crowded["instances"].as_object_mut().unwrap().extend(twins);
    tell_twins_apart(&mut crowded);
    crowded
}

/// Gives groups and network ACLs rules that are about one of two twins: twins have addresses from .100 on.
fn tell_twins_apart(document: &mut Value) {
    let block = |subnet: &str| -> Option<String> {
        let net = document["subnets"][subnet]["cidr_block"].as_str()?.strip_suffix("0/24")?;
        Some(format!("{net}96/27"))
    };
    let subnets = document["subnets"].as_object().unwrap();
    let of_twins: Vec<(String, String)> = subnets
        .iter()
        .filter_map(|(name, subnet)| Some((subnet["vpc"].as_str()?.to_owned(), block(name)?)))
        .collect();
    let blocks = |vpc: &Value| -> Vec<String> {
        of_twins.iter().filter(|(of, _)| *of == *vpc).map(|(_, block)| block.clone()).collect()
    };
    let mut port = 7000;
    for (_, group) in document["security_groups"].as_object_mut().unwrap() {
        let blocks = blocks(&group["vpc"]);
        for way in ["ingress", "egress"] {
            port += 1;
            let Some(rules) = group[way].as_array_mut() else { continue };
            rules.push(
                json!({ "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": blocks }),
            );
        }
    }
    let Some(acls) = document["network_acls"].as_object_mut() else { return };
    for (_, acl) in acls {
        let Some(block) = blocks(&acl["vpc"]).into_iter().next() else { continue };
        for way in ["ingress", "egress"] {
            port += 1;
            let Some(entries) = acl[way].as_array_mut() else { continue };
            let entry = json!({ "rule_no": 1, "protocol": "udp", "from_port": port, "to_port": port, "cidr_block": block });
            entries.push(entry);
            entries.last_mut().unwrap()["action"] = json!("deny");
        }
    }
}

/// The same network with a doubt about some of what it has: instances, subnets, filters and tables.
fn doubted(document: &Value, rng: &mut Rng) -> Value {
    let mut doubted = document.clone();
    for (kind, share) in
        [("instances", 4), ("security_groups", 6), ("network_acls", 6), ("route_tables", 8), ("subnets", 12)]
    {
        let Some(all) = doubted[kind].as_object_mut() else { continue };
        for resource in all.values_mut() {
            if rng.below(share) == 0 {
                resource["not_modelled"] = json!("nobody knows");
            }
        }
    }
    doubted
}

/// The pairs of an analysis' ends, at most so many of them.
fn pairs(all: &Analysis, most: usize) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for from in &all.from {
        // Nor is who has several addresses anybody else at one of them.
        let himself = format!("{}/", from.name);
        let others = all.to.iter().filter(|to| to.name != from.name && !to.name.starts_with(&himself));
        // By name an address is what the internet sends to: the public one that stands for it is meant in the matrix.
        let is_inside = ["instance", "network_interface"].contains(&from.kind.as_str());
        let others = others.filter(|to| is_inside || !to.name.contains('/'));
        pairs.extend(others.map(|to| (from.name.clone(), to.name.clone())));
    }
    let mut rng = Rng::new(5);
    while pairs.len() > most {
        let place = rng.below(pairs.len());
        pairs.swap_remove(place);
    }
    pairs
}

/// Compares cells of the matrix with the answer about their pairs alone.
fn agrees_with_single_pairs(name: &str, topology: &Topology, most: usize) -> usize {
    let fabric = Fabric::compile(topology, None);
    let all = everybody(&fabric, topology);
    let cells = cells(&all);
    let pairs = pairs(&all, most);
    for (from, to) in &pairs {
        let request =
            AnalyseRequest { from: Some(from.clone()), to: Some(to.clone()), ..AnalyseRequest::default() };
        let alone = analyse(&fabric, topology, &request).unwrap();
        let pair = (from.clone(), to.clone());
        let said = vpclab_tests::matrix::cells(&alone).remove(&pair);
        assert_eq!(cells.get(&pair), said.as_ref(), "{name}: {from} to {to}");
    }
    pairs.len()
}

#[test]
fn every_cell_of_every_topology_in_configs_is_the_answer_about_its_pair() {
    let compared: usize =
        configs().iter().map(|(name, topology)| agrees_with_single_pairs(name, topology, usize::MAX)).sum();
    assert!(compared > 500, "{compared}");
}

#[test]
fn every_cell_of_a_generated_network_is_the_answer_about_its_pair() {
    let compared: usize =
        generated(5).map(|(name, topology)| agrees_with_single_pairs(&name, &topology, 150)).sum();
    assert!(compared > 500, "{compared}");
}

#[test]
fn every_cell_of_a_network_of_which_not_all_is_known_is_the_answer_about_its_pair() {
    let documents = (1..).take(8).map(|seed| (seed, crowded(&generate::network(&mut Rng::new(seed)))));
    let compared: usize = documents
        .map(|(seed, document)| {
            let topology = topology(&doubted(&document, &mut Rng::new(seed)), None).unwrap();
            agrees_with_single_pairs(&format!("doubted seed {seed}"), &topology, 150)
        })
        .sum();
    assert!(compared > 800, "{compared}");
}

/// Of whom not all is known, who may be a member of any group that a rule names.
#[test]
fn who_may_be_in_any_group_is_asked_apart_by_what_groups_may() {
    let rule = |port: u16| json!([{ "protocol": "tcp", "from_port": port, "to_port": port, "security_groups": ["web"] }]);
    let mut document = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "s1": { "vpc": "v", "cidr_block": "10.0.1.0/24" }, "s2": { "vpc": "v", "cidr_block": "10.0.2.0/24" } },
        "security_groups": {
            "web": { "vpc": "v" }, "front": { "vpc": "v" }, "none": { "vpc": "v", "ingress": [] },
            "a": { "vpc": "v", "ingress": rule(3306) }, "b": { "vpc": "v", "ingress": rule(2049) },
            "only-a": { "vpc": "v", "egress": rule(80) }, "only-b": { "vpc": "v", "egress": rule(443) } },
        "instances": {
            "known": { "subnet": "s1", "security_groups": ["front"] },
            "mystery": { "subnet": "s1", "security_groups": ["front"], "not_modelled": "an appliance" },
            "closed": { "subnet": "s2", "security_groups": ["none"] },
            "to-a": { "subnet": "s2", "security_groups": ["a"] },
            "to-b": { "subnet": "s2", "security_groups": ["b"] },
            "from-a": { "subnet": "s2", "security_groups": ["only-a"] },
            "from-b": { "subnet": "s2", "security_groups": ["only-b"] } }
    });
    for far in [false, true] {
        if far {
            let by =
                |block: &str| json!({ "routes": [{ "cidr_block": block, "vpc_peering_connection": "vw" }] });
            document["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
            document["vpc_peering_connections"] =
                json!({ "vw": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
            document["subnets"]["s1"] = json!({ "vpc": "w", "cidr_block": "10.1.1.0/24" });
            document["security_groups"]["front"]["vpc"] = json!("w");
            document["route_tables"] = json!({ "v/main": by("10.1.0.0/16"), "w/main": by("10.0.0.0/16") });
        }
        let topology = topology(&document, None).unwrap();
        assert_eq!(agrees_with_single_pairs("groups of nobody knows whom", &topology, usize::MAX), 56);
        let fabric = Fabric::compile(&topology, None);
        let cells = cells(&everybody(&fabric, &topology));
        let of = |from: &str, to: &str| cells.get(&(from.to_owned(), to.to_owned()));
        assert_ne!(of("mystery", "to-a"), of("mystery", "to-b"), "{far}");
        assert_ne!(of("mystery", "to-a"), of("mystery", "closed"), "{far}");
        assert_ne!(of("from-a", "mystery"), of("from-b", "mystery"), "{far}");
        assert!(of("from-a", "known").is_none() && of("known", "to-a").is_none(), "{far}");
    }
}

/// Two VPCs where rules, entries and routes are about one of two neighbours, in either family.
fn neighbours_told_apart() -> Value {
    let mut document = json!({
        "region": "us-east-1",
        "vpcs": { "a": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" },
                  "b": { "cidr_block": "10.1.0.0/16" } },
        "vpc_peering_connections": { "ab": { "vpc": "a", "peer_vpc": "b", "auto_accept": true } },
        "internet_gateways": { "igw": { "vpc": "a" } },
        "route_tables": {
            "a": { "vpc": "a", "routes": [{ "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "ab" },
                                          { "cidr_block": "0.0.0.0/0", "gateway": "igw" }] },
            "b": { "vpc": "b", "routes": [{ "cidr_block": "10.0.1.96/27", "vpc_peering_connection": "ab" }] } },
        "subnets": {
            "a1": { "vpc": "a", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64", "route_table": "a" },
            "a2": { "vpc": "a", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64", "route_table": "a" },
            "b1": { "vpc": "b", "cidr_block": "10.1.1.0/24", "route_table": "b" } },
        "network_acls": { "a2": { "vpc": "a", "subnets": ["a2"],
            "ingress": [{ "rule_no": 50, "protocol": "udp", "from_port": 53, "to_port": 53, "cidr_block": "10.0.1.96/27", "action": "deny" },
                        { "rule_no": 100, "protocol": "-1", "cidr_block": "0.0.0.0/0", "action": "allow" }],
            "egress": [{ "rule_no": 50, "protocol": "tcp", "from_port": 25, "to_port": 25, "cidr_block": "10.0.1.96/27", "action": "deny" },
                       { "rule_no": 100, "protocol": "-1", "cidr_block": "0.0.0.0/0", "action": "allow" }] } },
        "security_groups": {},
        "instances": {}
    });
    for (vpc, subnet, net, ipv6) in [
        ("a", "a1", "10.0.1", Some("2001:db8:1:1::")),
        ("a", "a2", "10.0.2", Some("2001:db8:1:2::")),
        ("b", "b1", "10.1.1", None),
    ] {
        let everybody =
            json!([{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] }]);
        let some = |port: u16| {
            json!([{ "protocol": "tcp", "from_port": port, "to_port": port,
                     "cidr_blocks": ["10.0.1.96/27"], "ipv6_cidr_blocks": ["2001:db8:1:1::100/120"] }])
        };
        for (place, (name, ingress, egress)) in [
            ("open", everybody.clone(), everybody.clone()),
            ("picky", some(80), everybody.clone()),
            ("narrow", everybody.clone(), some(443)),
        ]
        .into_iter()
        .enumerate()
        {
            let group = format!("{vpc}-{name}");
            let rules = json!({ "vpc": vpc, "ingress": ingress, "egress": egress });
            document["security_groups"][&group] = rules;
            for (twin, host) in [("x", 10 + place), ("y", 110 + place)] {
                let mut instance = json!({ "subnet": subnet, "security_groups": [group], "private_ip": format!("{net}.{host}") });
                if let Some(prefix) = ipv6 {
                    instance["ipv6_addresses"] = json!([format!("{prefix}{host}")]);
                }
                instance["associate_public_ip_address"] = json!(subnet == "a1");
                document["instances"][format!("{subnet}-{name}-{twin}")] = instance;
            }
        }
    }
    document
}

#[test]
fn neighbours_whom_a_rule_an_entry_or_a_route_tells_apart_are_asked_apart() {
    let topology = topology(&neighbours_told_apart(), None).unwrap();
    assert!(agrees_with_single_pairs("neighbours", &topology, usize::MAX) > 300);
    let fabric = Fabric::compile(&topology, None);
    let cells = cells(&everybody(&fabric, &topology));
    let differ = |a: (&str, &str), b: (&str, &str)| {
        let of = |(from, to): (&str, &str)| cells.get(&(from.to_owned(), to.to_owned()));
        assert_ne!(of(a), of(b), "{a:?} and {b:?}");
    };
    // By a rule inwards and one outwards, by an entry, by a route, each way.
    differ(("a1-open-x", "a2-picky-x"), ("a1-open-y", "a2-picky-x"));
    differ(("a2-narrow-x", "a1-open-x"), ("a2-narrow-x", "a1-open-y"));
    differ(("a1-open-x", "a2-open-x"), ("a1-open-y", "a2-open-x"));
    differ(("a2-open-x", "a1-open-x"), ("a2-open-x", "a1-open-y"));
    differ(("b1-open-x", "a1-open-x"), ("b1-open-x", "a1-open-y"));
    differ(("a1-open-x", "b1-open-x"), ("a1-open-y", "b1-open-x"));
}

/// What is between two subnets can name a group of somebody who is far from it, and an instance can be stopped.
#[test]
fn who_is_told_apart_on_the_way_or_does_not_run_is_asked_apart() {
    let all = json!([{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }]);
    let by = |block: &str| json!([{ "cidr_block": block, "instance": "fw" }]);
    let document = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "route_table": "a" },
            "b": { "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "b" },
            "f": { "vpc": "v", "cidr_block": "10.0.3.0/24" } },
        "route_tables": { "a": { "vpc": "v", "routes": by("10.0.2.0/24") }, "b": { "vpc": "v", "routes": by("10.0.1.0/24") } },
        "security_groups": {
            "any": { "vpc": "v", "ingress": all, "egress": all },
            "friend": { "vpc": "v", "egress": all },
            "stranger": { "vpc": "v", "egress": all },
            "fw": { "vpc": "v", "egress": all, "ingress": [
                { "protocol": "-1", "security_groups": ["friend"] },
                { "protocol": "-1", "cidr_blocks": ["10.0.2.0/24"] }] } },
        "instances": {
            "fw": { "subnet": "f", "security_groups": ["fw"], "source_dest_check": false },
            "x": { "subnet": "a", "security_groups": ["any", "friend"] },
            "y": { "subnet": "a", "security_groups": ["any", "stranger"] },
            "off": { "subnet": "a", "security_groups": ["any", "friend"], "state": "stopped" },
            "to": { "subnet": "b", "security_groups": ["any"] } }
    });
    let topology = topology(&document, None).unwrap();
    assert_eq!(agrees_with_single_pairs("on the way", &topology, usize::MAX), 30);
    let fabric = Fabric::compile(&topology, None);
    let cells = cells(&everybody(&fabric, &topology));
    let passes = |from: &str| cells.contains_key(&(from.to_owned(), "to".to_owned()));
    assert_eq!(["x", "y", "off"].map(passes), [true, false, false]);
}

/// Behind a NAT gateway or a guest that translates, rules see its address and its groups.
#[test]
fn who_lets_in_a_translator_on_the_way_is_asked_apart_from_who_does_not() {
    let rule = |peer: Value| {
        let mut rule = json!({ "protocol": "tcp", "from_port": 80, "to_port": 80 });
        rule.as_object_mut().unwrap().extend(peer.as_object().unwrap().clone());
        json!([rule])
    };
    let by = |block: &str, kind: &str, target: &str| json!({ "cidr_block": block, kind: target });
    let by_gateway = json!({
        "vpcs": { "one": { "cidr_block": "10.0.0.0/16" }, "two": { "cidr_block": "10.1.0.0/16" } },
        "subnets": {
            "clients": { "vpc": "one", "cidr_block": "10.0.1.0/24", "route_table": "by-nat" },
            "nat": { "vpc": "one", "cidr_block": "10.0.2.0/24", "route_table": "by-tgw" },
            "servers": { "vpc": "two", "cidr_block": "10.1.1.0/24", "route_table": "back" } },
        "nat_gateways": { "nat": { "subnet": "nat", "connectivity_type": "private", "private_ip": "10.0.2.9" } },
        "transit_gateways": { "hub": {} },
        "transit_gateway_vpc_attachments": {
            "a1": { "transit_gateway": "hub", "vpc": "one", "subnets": ["nat"] },
            "a2": { "transit_gateway": "hub", "vpc": "two", "subnets": ["servers"] } },
        "route_tables": {
            "by-nat": { "vpc": "one", "routes": [by("10.1.0.0/16", "nat_gateway", "nat")] },
            "by-tgw": { "vpc": "one", "routes": [by("10.1.0.0/16", "transit_gateway", "hub")] },
            "back": { "vpc": "two", "routes": [by("10.0.0.0/16", "transit_gateway", "hub")] } },
        "security_groups": {
            "open": { "vpc": "two", "ingress": rule(json!({ "cidr_blocks": ["10.0.2.9/32"] })) },
            "closed": { "vpc": "two", "ingress": [] } },
        "instances": { "client": { "subnet": "clients" } }
    });
    let by_guest = json!({
        "vpcs": { "one": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "clients": { "vpc": "one", "cidr_block": "10.0.1.0/24", "route_table": "by-fw" },
            "fw": { "vpc": "one", "cidr_block": "10.0.2.0/24" },
            "servers": { "vpc": "one", "cidr_block": "10.0.3.0/24" } },
        "route_tables": {
            "by-fw": { "vpc": "one", "routes": [by("10.0.3.0/24", "network_interface", "proxy")] } },
        "security_groups": {
            "fw": { "vpc": "one", "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] },
            "open": { "vpc": "one", "ingress": rule(json!({ "security_groups": ["fw"] })) },
            "closed": { "vpc": "one", "ingress": [] } },
        "instances": {
            "client": { "subnet": "clients" },
            "proxy": { "subnet": "fw", "security_groups": ["fw"], "source_dest_check": false, "forwards": "nat" } }
    });
    for (mut document, pairs) in [(by_gateway, 6), (by_guest, 12)] {
        for group in ["open", "closed"] {
            document["instances"][format!("a-{group}")] =
                json!({ "subnet": "servers", "security_groups": [group] });
        }
        let topology = topology(&document, None).unwrap();
        assert!(agrees_with_single_pairs("translated", &topology, usize::MAX) >= pairs);
        let fabric = Fabric::compile(&topology, None);
        let cells = cells(&everybody(&fabric, &topology));
        let passes = |to: &str| cells.contains_key(&("client".to_owned(), to.to_owned()));
        assert_eq!(["a-open", "a-closed"].map(passes), [true, false]);
    }
}

/// A question about one packet: port and source port, if it has them, and what is expected.
fn question(from: &str, to: &str, traffic: &Traffic) -> Option<ExplainRequest> {
    let low = |text: &Option<String>| {
        let text = text.as_deref()?;
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
        (to > 0).then_some(from.max(1))
    };
    let packets = &traffic.packets;
    let mut request = ExplainRequest {
        from: from.to_owned(),
        to: to.to_owned(),
        family: Some(traffic.family),
        ..ExplainRequest::default()
    };
    match packets.protocol.as_str() {
        "all" => (request.protocol, request.port) = (Some("udp".to_owned()), Some(53)),
        protocol @ ("tcp" | "udp") => {
            request.protocol = Some(protocol.to_owned());
            request.port = Some(low(&packets.ports)?);
            request.source_port = low(&packets.source_ports);
            if packets.nat_ports.is_some() {
                return None;
            }
        }
        "icmp" | "icmpv6" => {
            let told = packets.ports.as_deref()?;
            let (types, codes) = told.strip_prefix("type ")?.split_once(" code ")?;
            let echo = if traffic.family == 6 { 128 } else { 8 };
            let (first, last) = types.split_once('-').unwrap_or((types, types));
            let holds = first.parse::<u8>().ok()? <= echo && last.parse::<u8>().ok()? >= echo;
            if !holds || !codes.starts_with('0') {
                return None;
            }
            request.protocol = Some("icmp".to_owned());
        }
        numbers => request.protocol = Some(numbers.split('-').next()?.to_owned()),
    }
    Some(request)
}

/// Destination ports that rules of a topology begin, end and border at.
fn edges(topology: &Topology) -> Vec<u16> {
    let text = format!("{:?} {:?}", topology.security_groups, topology.network_acls);
    let mut edges: Vec<u16> = vec![1, 25, 80, 443, 65_535];
    for word in text.split(|c: char| !c.is_ascii_digit()) {
        if let Ok(port @ 2..) = word.parse::<u16>() {
            edges.extend([port - 1, port, port.saturating_add(1)]);
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Asks explain about a packet of each set, and about the ports where rules begin and end.
fn agrees_with_explain(name: &str, topology: &Topology, most: usize) -> usize {
    let fabric = Fabric::compile(topology, None);
    let all = everybody(&fabric, topology);
    let cells = cells(&all);
    let edges = edges(topology);
    let mut rng = Rng::new(7);
    let (mut asked, nothing) = (0, Vec::new());
    for pair in pairs(&all, most) {
        let said = cells.get(&pair).unwrap_or(&nothing);
        let is_told_apart = said.iter().any(|(addresses, _)| !addresses.is_empty());
        for (addresses, said) in said {
            // What is said of all others is nothing that `internet` alone could be asked about.
            if !is_told_apart || !addresses.is_empty() {
                asked += sets_agree(name, &fabric, topology, &pair, addresses, said);
            }
        }
        if !is_told_apart {
            asked += ports_agree(name, &fabric, topology, &pair, said, || *rng.pick(&edges));
        }
    }
    asked
}

/// Asks about a packet of each set.
fn sets_agree(
    name: &str,
    fabric: &Fabric,
    topology: &Topology,
    (from, to): &(String, String),
    addresses: &[String],
    (passes, unknown, sometimes): &Said,
) -> usize {
    // One of the internet's hosts, where it matters which.
    let place = addresses.first().map(|block| format!("internet:{}", block.split('/').next().unwrap()));
    let at = |end: &str| match (&place, end) {
        (Some(place), "internet") => place.clone(),
        _ => end.to_owned(),
    };
    let mut asked = 0;
    for (sets, expected) in [(passes, Some(true)), (unknown, None), (sometimes, Some(false))] {
        for traffic in sets {
            let Some(request) = question(&at(from), &at(to), traffic) else { continue };
            let Some(reachable) = reachable(fabric, topology, &request) else { continue };
            assert_eq!(reachable, expected, "{name}: {request:?}");
            asked += 1;
        }
    }
    asked
}

/// Asks about ports, in the sets and out of them.
fn ports_agree(
    name: &str,
    fabric: &Fabric,
    topology: &Topology,
    (from, to): &(String, String),
    said: &[(Vec<String>, Said)],
    mut port: impl FnMut() -> u16,
) -> usize {
    let mut asked = 0;
    for (family, protocol) in [(4, "tcp"), (4, "udp"), (6, "tcp"), (6, "udp")] {
        for _ in 0..2 {
            let port = port();
            let request = ExplainRequest {
                from: from.clone(),
                to: to.clone(),
                port: Some(port),
                protocol: Some(protocol.to_owned()),
                family: Some(family),
                ..ExplainRequest::default()
            };
            let Some(reachable) = reachable(fabric, topology, &request) else { continue };
            let expected = said.iter().any(|(_, said)| holds(&said.0, family, protocol, port));
            assert_eq!(reachable == Some(true), expected, "{name}: {request:?} of {said:?}");
            if reachable.is_none() {
                assert!(said.iter().any(|(_, said)| !said.1.is_empty()), "{name}: {request:?}");
            }
            asked += 1;
        }
    }
    asked
}

#[test]
fn the_matrix_of_every_topology_in_configs_agrees_with_explain() {
    let asked: usize =
        configs().iter().map(|(name, topology)| agrees_with_explain(name, topology, usize::MAX)).sum();
    assert!(asked > 2000, "{asked}");
}

#[test]
fn the_matrix_of_a_generated_network_agrees_with_explain() {
    let asked: usize = generated(5).map(|(name, topology)| agrees_with_explain(&name, &topology, 60)).sum();
    assert!(asked > 800, "{asked}");
}

/// Tries what the matrix says of some pairs between TCP/IP stacks inside the process: how many conversations came to
/// that, and how many of them were to pass.
fn agrees_with_conversations(name: &str, topology: &Topology, pairs: usize) -> (usize, usize) {
    let fabric = Fabric::compile(topology, None);
    let tests = conversations(&fabric, topology, pairs, &mut Rng::new(3));
    if tests.is_empty() {
        return (0, 0);
    }
    let passing = tests.iter().filter(|test| test["expect"] == "allowed").count();
    let text = json!({ "topology": "x.json", "tests": tests }).to_string();
    let document = Document::parse(&text, vpclab_model::Syntax::Json).unwrap();
    let file = TestFile::from_document(Path::new("x.tests.json"), &document).unwrap();
    let mut guests = VirtualProber::new(topology);
    let [section] = file.sections.as_slice() else { panic!("{name}: one section") };
    let results = run(topology, &fabric, name, section, Some(&mut guests), |_| {});
    for result in &results {
        let blockers = result.explanation.as_ref().map(|explanation| &explanation.blockers);
        assert!(result.passed, "{name}: {}: {:?} {blockers:?}", result.name, result.failures);
        assert_eq!(result.level, Level::Virtual);
    }
    (results.len(), passing)
}

#[test]
fn conversations_come_to_what_the_matrix_says() {
    let topologies = configs().into_iter().chain(generated(12));
    let tried = topologies.map(|(name, topology)| agrees_with_conversations(&name, &topology, 12));
    let (tried, passing) = tried.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    assert!(tried > 400 && passing > 80 && tried - passing > 80, "{tried}, {passing} of them pass");
}

#[test]
fn nothing_changes_between_a_topology_and_itself() {
    for (name, topology) in configs().into_iter().chain(generated(2)) {
        let told = diff(&topology, &topology);
        assert!(told.changes.is_empty(), "{name}: {:?}", told.changes);
        assert!(told.added.is_empty() && told.removed.is_empty(), "{name}");
    }
}

#[test]
fn what_one_way_gains_the_other_way_loses() {
    let mut changed = 0;
    for name in ["quickstart", "three-tier", "dual-stack-nat64"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.json"));
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let old = topology(&document, None).unwrap();
        for kind in ["security_groups", "network_acls", "route_tables"] {
            let Some(resources) = document[kind].as_object() else { continue };
            for resource in resources.keys() {
                for list in ["ingress", "routes"] {
                    let mut other = document.clone();
                    let Some(rules) = other[kind][resource][list].as_array_mut() else { continue };
                    rules.truncate(rules.len().saturating_sub(1));
                    let new = topology(&other, None).unwrap();
                    let (there, back) = (diff(&old, &new), diff(&new, &old));
                    let what = format!("{name} without the last of {resource}'s {list}");
                    assert_eq!(there.pairs.gained, back.pairs.lost, "{what}");
                    assert_eq!(there.pairs.lost, back.pairs.gained, "{what}");
                    assert_eq!(there.pairs.changed, back.pairs.changed, "{what}");
                    assert_eq!(there.pairs.unknown, back.pairs.unknown, "{what}");
                    for row in &there.changes {
                        let is_mirrored = back
                            .changes
                            .iter()
                            .any(|other| other.gained == row.lost && other.lost == row.gained);
                        assert!(is_mirrored, "{what}: {row:?}");
                        assert!(!row.before.is_empty() || !row.after.is_empty(), "{what}: {row:?}");
                    }
                    changed += usize::from(!there.changes.is_empty());
                }
            }
        }
    }
    assert!(changed > 5, "{changed}");
}
