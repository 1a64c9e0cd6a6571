//! Whole documents: all mistakes at once, the same topology whatever the order, addresses that stay, and no panic.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use serde_json::{Map, Value, json};
use vpclab_model::{Document, Syntax, Topology};

fn quickstart() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.json");
    Document::from_path(path).unwrap().into_value()
}

fn build(value: &Value, previous: Option<&Topology>) -> Topology {
    Topology::from_document(&Document::from(value.clone()), previous)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// A small generator of pseudo-random numbers (SplitMix64), so that a failing seed can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

#[test]
fn the_quickstart_is_what_it_says() {
    let topology = build(&quickstart(), None);
    let eni = |name: &str| &topology.network_interfaces[name];
    assert_eq!(
        json!(eni("web-1").public_ips),
        json!({"10.0.1.10": {"address": "203.0.113.10", "eip": null}})
    );
    assert_eq!(eni("app-1").private_ip.unwrap().to_string(), "10.0.1.4");
    assert!(eni("app-1").public_ips.is_empty());
    assert_eq!(json!(eni("db-1").ipv6_addresses), json!(["2001:db8:1:2::4"]));
    assert_eq!(topology.network_acls["database"].ingress.len(), 4);
    assert_eq!(topology.subnets["private-a"].route_table.as_str(), "shop/main");
    assert_eq!(topology.security_groups["web"].ingress.len(), 6);
}

#[test]
fn an_empty_document_is_an_empty_topology() {
    let topology = build(&json!({}), None);
    assert_eq!(topology.region, "us-east-1");
    assert!(topology.vpcs.is_empty() && topology.network_interfaces.is_empty());
}

#[test]
fn the_example_of_the_product_page_in_yaml() {
    let text = r#"
region: ap-northeast-2
vpcs: {shop: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: shop}}
subnets:
  public-a: {vpc: shop, cidr_block: 10.0.1.0/24, availability_zone: ap-northeast-2a, route_table: public}
  private-a: {vpc: shop, cidr_block: 10.0.2.0/24, availability_zone: ap-northeast-2a}
route_tables: {public: {vpc: shop, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}
security_groups:
  web: {vpc: shop, ingress: [{protocol: tcp, from_port: 443, to_port: "443", cidr_blocks: [0.0.0.0/0]}]}
  db: {vpc: shop, ingress: [{protocol: 6, from_port: 5432, to_port: 5432, security_groups: [web]}]}
instances:
  web-1: {subnet: public-a, security_groups: [web], associate_public_ip_address: true}
  db-1: {subnet: private-a, security_groups: [db], private_ip: 10.0.2.10}
"#;
    let topology = Topology::from_document(&Document::parse(text, Syntax::Yaml).unwrap(), None).unwrap();
    assert_eq!(topology.instances.len(), 2);
    let norway = text.replace("associate_public_ip_address: true", "associate_public_ip_address: yes");
    let mistakes =
        Topology::from_document(&Document::parse(&norway, Syntax::Yaml).unwrap(), None).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "instances.web-1.associate_public_ip_address: the text \"yes\" is not a boolean; \
         write true or false; yes, no, on and off are texts (InvalidParameterValue)"
    );
}

#[test]
fn ten_mistakes_give_ten_useful_lines() {
    let document = json!({
        "vpcs": { "shop": { "cidr_blok": "10.0.0.0/16", "cidr_block": "10.0.0.0/16" } },
        "multicast_domains": { "m": {} },
        "subnets": {
            "a": { "vpc": "shop", "cidr_block": "10.1.1.0/24" },
            "b": { "vpc": "shpo", "cidr_block": "10.0.2.0/24" },
            "c": { "vpc": "shop", "cidr_block": "10.0.3.0/24", "map_public_ip_on_launch": "no" }
        },
        "route_tables": { "t": { "vpc": "shop", "routes": [ { "cidr_block": "0.0.0.0/0", "nat_gateway": "nta" } ] } },
        "network_acls": { "n": { "vpc": "shop", "ingress": [ { "rule_no": 40000, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" } ] } },
        "security_groups": { "web": { "vpc": "shop", "ingress": [ { "protocol": "tcp", "from_port": 443, "cidr_blocks": ["0.0.0.0/0"] } ] } },
        "instances": {
            "web-1": { "subnet": "c", "security_groups": ["wbe"] },
            "web-2": { "subnet": "c", "private_ip": "10.0.3.1" }
        }
    });
    let mistakes = Topology::from_document(&Document::from(document), None).unwrap_err();
    assert_eq!(mistakes.0.len(), 10, "{mistakes}");
    let expected = include_str!("ten-mistakes.txt");
    assert_eq!(mistakes.to_string(), expected.trim_end());
}

#[test]
fn a_broken_vpc_is_one_mistake_and_hides_no_other() {
    let mut document = quickstart();
    document["vpcs"]["shop"]["cidr_block"] = json!("10.0.0.0/8");
    document["security_groups"]["web"]["ingress"][0]["from_port"] = json!(70000);
    let mistakes = Topology::from_document(&Document::from(document), None).unwrap_err();
    let places: Vec<_> = mistakes.0.iter().map(|m| format!("{}.{}", m.resource, m.attribute)).collect();
    assert_eq!(places, ["vpcs.shop.cidr_block", "security_groups.web.ingress[0].from_port"]);
}

#[test]
fn a_resource_that_is_no_map_is_one_mistake() {
    let mut document = quickstart();
    document["vpcs"]["shop"] = json!("10.0.0.0/16");
    let mistakes = Topology::from_document(&Document::from(document), None).unwrap_err();
    assert_eq!(mistakes.0.len(), 1, "{mistakes}");
    for top in [json!([]), json!("text"), json!(1), json!(null)] {
        assert_eq!(Topology::from_document(&Document::from(top), None).unwrap_err().0.len(), 1);
    }
}

#[test]
fn the_order_of_keys_makes_no_difference() {
    let expected = build(&quickstart(), None);
    for seed in 0..50 {
        let mut random = Random(seed);
        assert_eq!(build(&shuffled(&quickstart(), &mut random), None), expected, "seed {seed}");
    }
}

fn shuffled(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().map(|(k, v)| (k.clone(), shuffled(v, random))).collect();
            for last in (1..entries.len()).rev() {
                entries.swap(last, random.below(last + 1));
            }
            Value::Object(Map::from_iter(entries))
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, random)).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_new_resource_never_renumbers_another() {
    let mut document = json!({
        "vpcs": {"v": {"cidr_block": "10.0.0.0/16", "assign_generated_ipv6_cidr_block": true}},
        "internet_gateways": {"g": {"vpc": "v"}},
        "subnets": {"a": {"vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8::/64", "assign_ipv6_address_on_creation": true, "map_public_ip_on_launch": true}},
        "instances": {"m": {"subnet": "a"}, "n": {"subnet": "a"}},
        "eips": {"e": {}}
    });
    let before = build(&document, None);
    document["vpcs"]["a"] = json!({"cidr_block": "10.1.0.0/16", "assign_generated_ipv6_cidr_block": true});
    document["instances"]["a"] = json!({"subnet": "a"});
    document["eips"]["a"] = json!({});
    let after = build(&document, Some(&before));
    for name in ["m", "n"] {
        assert_eq!(after.network_interfaces[name], before.network_interfaces[name]);
    }
    assert_eq!((&after.vpcs["v"], &after.eips["e"]), (&before.vpcs["v"], &before.eips["e"]));
    let new = &after.network_interfaces["a"];
    assert_eq!(json!([new.private_ip, new.ipv6_addresses[0]]), json!(["10.0.1.6", "2001:db8::6"]));
    let mut without_vpc = document.clone();
    without_vpc["vpcs"].as_object_mut().unwrap().remove("a");
    let without_past = build(&without_vpc, None);
    assert_ne!(without_past.network_interfaces["m"].private_ip, before.network_interfaces["m"].private_ip);

    // A stated address goes before a kept one.
    document["instances"]["z"] = json!({"subnet": "a", "private_ip": "10.0.1.4", "public_ip": "203.0.113.2"});
    let claimed = build(&document, Some(&after));
    assert_eq!(claimed.network_interfaces["z"].private_ip.unwrap().to_string(), "10.0.1.4");
    assert_eq!(claimed.network_interfaces["m"].private_ip.unwrap().to_string(), "10.0.1.7");
    assert_eq!(claimed.network_interfaces["n"].private_ip, before.network_interfaces["n"].private_ip);
}

#[test]
fn every_address_belongs_to_one_interface_only() {
    let mut document = json!({"vpcs": {"v": {"cidr_block": "10.0.0.0/16"}}, "subnets": {"a": {"vpc": "v", "cidr_block": "10.0.0.0/20", "map_public_ip_on_launch": true}}, "instances": {}});
    for index in 0..2000 {
        document["instances"][format!("i{index}")] = json!({"subnet": "a"});
    }
    let topology = build(&document, None);
    let distinct = |values: Vec<Value>| {
        values.iter().map(Value::to_string).collect::<std::collections::BTreeSet<_>>().len()
    };
    let all = || topology.network_interfaces.values();
    assert_eq!(distinct(all().map(|eni| json!(eni.private_ip)).collect()), 2000);
    assert_eq!(distinct(all().map(|eni| json!(eni.mac_address)).collect()), 2000);
    assert_eq!(
        distinct(all().flat_map(|eni| eni.public_ips.values().map(|p| json!(p.address))).collect()),
        2000
    );
    assert!(all().all(|eni| eni.mac_address[0] == 0x02));
}

#[test]
fn a_spoilt_document_gives_mistakes_and_never_a_panic() {
    let base = quickstart();
    let previous = build(&base, None);
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..1000 {
        let mut random = Random(seed);
        let mut document = base.clone();
        for _ in 0..=random.below(3) {
            spoil(&mut document, &mut random);
        }
        match Topology::from_document(&Document::from(document), Some(&previous)) {
            Ok(_) => accepted += 1,
            Err(mistakes) => {
                refused += 1;
                assert!(!mistakes.0.is_empty(), "seed {seed}");
                assert!(
                    mistakes.0.iter().all(|m| !m.code.is_empty() && !m.problem.is_empty()),
                    "seed {seed}"
                );
            }
        }
    }
    assert!(refused > 300 && accepted > 30, "{refused} refused, {accepted} accepted");
}

/// Walks to a random place and changes what is there.
fn spoil(value: &mut Value, random: &mut Random) {
    let descend = random.below(5) > 0;
    match value {
        Value::Object(object) if descend && !object.is_empty() => {
            let key = object.keys().nth(random.below(object.len())).unwrap().clone();
            match random.below(8) {
                0 => drop(object.remove(&key)),
                1 => {
                    let moved = object.remove(&key).unwrap();
                    object.insert(
                        format!("{key}{}", ["/main", "x", "/default", "_id"][random.below(4)]),
                        moved,
                    );
                }
                _ => spoil(&mut object[&key], random),
            }
        }
        Value::Array(items) if descend && !items.is_empty() => {
            let index = random.below(items.len());
            match random.below(6) {
                0 => items.push(items[index].clone()),
                1 => drop(items.remove(index)),
                _ => spoil(&mut items[index], random),
            }
        }
        _ => {
            let texts = [
                "10.0.1.0/24",
                "::/0",
                "0.0.0.0/0",
                "10.0.1.10",
                "web",
                "shop",
                "default",
                "main",
                "local",
                "web-1",
                "",
                "vpc-0",
                "-1",
                "public-a",
            ];
            *value = match random.below(10) {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(-1),
                3 => json!(u64::MAX),
                4 => json!(1.5),
                5 => json!([]),
                6 => json!({}),
                7 => json!([{}, [], "web"]),
                _ => json!(texts[random.below(texts.len())]),
            };
        }
    }
}

#[test]
fn spellings_nulls_and_the_users_own_keys() {
    let document = json!({
        "$schema": "https://example.com/topology.json", "x-team": [1, 2],
        "vpcs": {"x-ray": {"cidr_block": "10.0.0.0/16", "secondary_cidr_blocks": null, "x-note": "mine"}},
        "subnets": {"a": {"vpc_id": "x-ray", "cidr_block": "10.0.1.0/24"}}
    });
    assert_eq!(build(&document, None).subnets["a"].vpc.as_str(), "x-ray");
    let mut twice = document;
    twice["subnets"]["a"]["vpc"] = json!("x-ray");
    assert_eq!(
        Topology::from_document(&Document::from(twice), None).unwrap_err().to_string(),
        "subnets.a.vpc_id: this is another spelling of `vpc`, which is given too; keep one of them (InvalidParameterCombination)"
    );
}

#[test]
fn a_broken_subnet_hides_no_mistake_of_its_interfaces() {
    let mut document = quickstart();
    document["instances"]["web-1"]["subnet"] = json!("nowhere");
    document["instances"]["web-1"]["security_groups"] = json!(["nothing"]);
    let mistakes = Topology::from_document(&Document::from(document), None).unwrap_err();
    let places: Vec<_> = mistakes.0.iter().map(|m| format!("{}.{}", m.resource, m.attribute)).collect();
    assert_eq!(places, ["instances.web-1.subnet", "instances.web-1.security_groups[0]"]);
}
