//! Areas RT and SG: what do managed prefix lists stand for?

use serde_json::{Value, json};
use vpclab_model::Topology;
use vpclab_tests::harness::{Net, mistakes, topology};
use vpclab_tests::packet::{syn, udp};

use crate::networks::{CLIENT, CLIENT_V6, DB, WEB, WEB_PUBLIC, WEB_V6, document, packet, refused, with};

/// A list of one family.
fn list(family: &str, entries: &[&str]) -> Value {
    let entries: Vec<Value> = entries.iter().map(|block| json!({ "cidr": block })).collect();
    json!({ "address_family": family, "max_entries": 10, "entries": entries })
}

/// The network with these lists, and with `peer` as a middlebox that routes can lead to.
fn listed(lists: Value, routes: Value) -> Net {
    with(|d| {
        d["managed_prefix_lists"] = lists;
        d["instances"]["peer"]["source_dest_check"] = json!(false);
        d["instances"]["db"]["source_dest_check"] = json!(false);
        d["route_tables"]["public"]["routes"] = routes;
    })
}

#[test]
fn a_route_for_a_list_serves_each_of_its_entries_and_nothing_else() {
    // proves: RT-20, RT-23
    let lists =
        json!({ "near": list("IPv4", &["198.51.100.0/25"]), "six": list("IPv6", &["2001:db8:ffff::/48"]) });
    let routes = json!([
        { "destination_prefix_list": "near", "gateway": "igw" }, { "destination_prefix_list": "six", "gateway": "igw" },
    ]);
    let mut net = listed(lists, routes);
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).arrives_at("client");
    net.send("web", &packet(WEB_V6, CLIENT_V6, syn(1, 2))).arrives_at("client");
    net.send("web", &packet(WEB, "198.51.100.200", syn(1, 2))).dies_of("no-route");
    net.send("web", &packet(WEB_V6, "2001:db8:fffe::1", syn(1, 2))).dies_of("no-route");
    // The list as it is now, in the table and to packets.
    net.change(|d| d["managed_prefix_lists"]["near"] = list("IPv4", &["192.0.2.0/24"]));
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("no-route");
    assert_eq!(net.topology.managed_prefix_lists["near"].version, 2);
    refused("managed_prefix_lists.p.entries[0].cidr", "InvalidParameterValue", |d| {
        d["managed_prefix_lists"] = json!({ "p": list("IPv6", &["198.51.100.0/24"]) });
    });
    for (most, fits) in [(3, true), (2, true), (1, false)] {
        let found = mistakes(&{
            let mut d = document();
            d["managed_prefix_lists"] = json!({ "p": list("IPv6", &["2001:db8::/48", "2001:db9::/48"]) });
            d["managed_prefix_lists"]["p"]["max_entries"] = json!(most);
            d
        });
        let expected = "managed_prefix_lists.p.max_entries: InvalidParameterValue";
        assert_eq!(found, if fits { vec![] } else { vec![expected.to_owned()] }, "{most}");
    }
    // A list serves in its own region.
    for (place, rule) in [
        ("route_tables.public.routes[0].destination_prefix_list", false),
        ("security_groups.open.ingress[0].prefix_lists[0]", true),
    ] {
        refused(place, "InvalidPrefixListID.NotFound", |d| {
            d["managed_prefix_lists"] = json!({ "p": list("IPv4", &["192.0.2.0/24"]) });
            d["managed_prefix_lists"]["p"]["region"] = json!("eu-west-1");
            if rule {
                d["security_groups"]["open"]["ingress"] =
                    json!([{ "protocol": "-1", "prefix_lists": ["p"] }]);
            } else {
                d["route_tables"]["public"]["routes"] =
                    json!([{ "destination_prefix_list": "p", "gateway": "igw" }]);
            }
        });
    }
    refused("managed_prefix_lists.p.max_entries", "InvalidParameterValue", |d| {
        d["managed_prefix_lists"] = json!({ "p": { "address_family": "IPv4", "max_entries": 1001 } });
    });
}

#[test]
fn the_more_specific_one_wins_and_of_equals_the_block_wins_over_the_list() {
    // proves: RT-20, RT-07
    let lists = json!({ "far": list("IPv4", &["198.51.100.0/24", "192.0.2.0/25"]) });
    let routes = json!([
        { "destination_prefix_list": "far", "network_interface": "db" },
        { "cidr_block": "198.51.100.0/24", "gateway": "igw" }, { "cidr_block": "192.0.2.0/24", "gateway": "igw" },
    ]);
    let mut net = listed(lists, routes);
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).arrives_at("client");
    net.send("web", &packet(WEB, "192.0.2.9", syn(1, 2))).arrives_at("db");
    let table = &net.topology.route_tables["public"];
    let lost = table.routes.iter().find(|route| route.overridden).expect("it stays visible");
    assert_eq!(lost.destination.to_string(), "198.51.100.0/24");
    assert_eq!(lost.prefix_list.as_ref().map(|list| list.as_str()), Some("far"));
    // The other way round the list's entry is the more specific one.
    net.change(|d| d["managed_prefix_lists"]["far"] = list("IPv4", &["198.51.100.0/25"]));
    net.send("web", &packet(WEB, CLIENT, udp(1, 2))).arrives_at("db");
}

#[test]
fn of_two_lists_with_an_entry_in_common_one_is_chosen_for_good() {
    // proves: RT-19, PIPE-15
    let blocks: Vec<String> = (0..24).map(|third| format!("192.0.{third}.0/24")).collect();
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let lists = json!({ "one": list("IPv4", &blocks), "two": list("IPv4", &blocks) });
    let mut lists = lists;
    for name in ["one", "two"] {
        lists[name]["max_entries"] = json!(40);
    }
    let chosen = |first: (&str, &str), second: (&str, &str)| -> Vec<String> {
        let route = |(list, target)| json!({ "destination_prefix_list": list, "network_interface": target });
        let mut net = listed(lists.clone(), json!([route(first), route(second)]));
        let to = |net: &mut Net, third: usize| {
            let fate = net.send("web", &packet(WEB, &format!("192.0.{third}.9"), syn(1, 2)));
            fate.delivered().expect("it has a route").0
        };
        (0..24).map(|third| to(&mut net, third)).collect()
    };
    let once = chosen(("one", "db"), ("two", "peer"));
    assert!(once.contains(&"db".to_owned()) && once.contains(&"peer".to_owned()), "{once:?}");
    assert_eq!(once, chosen(("one", "db"), ("two", "peer")), "it stays so");
    assert_eq!(once, chosen(("two", "peer"), ("one", "db")), "whatever their order");
}

#[test]
fn a_rule_means_the_entries_of_its_list_as_they_are_now() {
    // proves: SG-25
    let mut net = with(|d| {
        d["managed_prefix_lists"] = json!({ "office": list("IPv4", &["198.51.100.0/24"]), "six": list("IPv6", &["2001:db8:ffff::/48"]) });
        d["security_groups"]["web"] = json!({ "vpc": "v", "egress": [], "ingress": [
            { "protocol": "tcp", "from_port": 80, "to_port": 80, "prefix_lists": ["office", "six"] }] });
        d["instances"]["web"]["security_groups"] = json!(["web"]);
    });
    net.send("client", &packet(CLIENT, WEB_PUBLIC, syn(1, 80))).arrives_at("web");
    net.send("client", &packet(CLIENT_V6, WEB_V6, syn(1, 80))).arrives_at("web");
    net.send("client", &packet(CLIENT, WEB_PUBLIC, syn(1, 81))).dies_of("security-group");
    net.send("db", &packet(DB, WEB, syn(1, 80))).dies_of("security-group");
    // No rule changes, and the next flow obeys.
    net.change(|d| d["managed_prefix_lists"]["office"] = list("IPv4", &["10.0.0.0/16"]));
    net.send("client", &packet(CLIENT, WEB_PUBLIC, syn(2, 80))).dies_of("security-group");
    net.send("db", &packet(DB, WEB, syn(2, 80))).arrives_at("web");
    net.send("client", &packet(CLIENT_V6, WEB_V6, syn(2, 80))).arrives_at("web");
    // And on the way out.
    net.change(|d| {
        d["security_groups"]["web"]["egress"] = json!([{ "protocol": "-1", "prefix_lists": ["office"] }]);
    });
    net.send("web", &packet(WEB, DB, syn(3, 443))).arrives_at("db");
    net.send("web", &packet(WEB, CLIENT, syn(3, 443))).dies_of("security-group");
}

/// The changed document, as it follows `before`.
fn after(before: Option<&Topology>, lists: Value, more: Value) -> Result<Topology, Vec<&'static str>> {
    let mut next = document();
    next["managed_prefix_lists"] = lists;
    for (key, value) in more.as_object().unwrap() {
        next[key] = value.clone();
    }
    topology(&next, before).map_err(|mistakes| mistakes.0.iter().map(|mistake| mistake.code).collect())
}

#[test]
fn changed_entries_make_the_next_version_and_an_outdated_one_is_refused() {
    // proves: RT-23, ERR-30
    let versioned = |blocks: &[&str], version: u32| {
        let mut list = list("IPv4", blocks);
        list["version"] = json!(version);
        json!({ "p": list })
    };
    let first = after(None, versioned(&["192.0.2.0/24"], 1), json!({})).unwrap();
    let second = after(Some(&first), versioned(&["192.0.3.0/24"], 2), json!({})).unwrap();
    assert_eq!(second.managed_prefix_lists["p"].version, 2);
    let outdated = after(Some(&second), versioned(&["192.0.4.0/24"], 2), json!({}));
    assert_eq!(outdated.unwrap_err(), ["PrefixListVersionMismatch"]);
    refused("route_tables.public.routes[0].destination_prefix_list", "InvalidPrefixListID.NotFound", |d| {
        d["route_tables"]["public"]["routes"] = json!([{ "destination_prefix_list": "q", "gateway": "igw" }]);
    });
}

#[test]
fn a_route_for_a_list_counts_with_its_most_entries_or_with_the_weight_that_aws_gives() {
    // proves: RT-21, RT-22
    let route = |list: &str| json!([{ "destination_prefix_list": list, "gateway": "igw" }]);
    let count = |list: &str, limit: u32| {
        let mut tables = document()["route_tables"].clone();
        tables["public"]["routes"] = route(list);
        let lists = json!({
            "offices": { "address_family": "IPv4", "max_entries": 20, "entries": [{ "cidr": "192.0.2.0/24" }] },
            "com.amazonaws.global.cloudfront.origin-facing": { "address_family": "IPv4", "entries": [{ "cidr": "13.32.0.0/15" }] },
            "com.amazonaws.us-east-1.s3": { "address_family": "IPv4", "entries": [{ "cidr": "52.216.0.0/15" }, { "cidr": "3.5.0.0/19" }] },
            "com.amazonaws.us-east-1.route53-healthchecks": { "address_family": "IPv4", "entries": [] },
        });
        after(None, lists, json!({ "route_tables": tables, "quotas": { "routes_per_route_table": limit } }))
            .is_ok()
    };
    for (list, weight) in [
        ("offices", 20),
        ("com.amazonaws.global.cloudfront.origin-facing", 55),
        ("com.amazonaws.us-east-1.s3", 1),
        ("com.amazonaws.us-east-1.route53-healthchecks", 25),
    ] {
        assert!(count(list, weight), "{list}");
        assert!(weight == 1 || !count(list, weight - 1), "{list}");
    }
}

#[test]
fn a_list_cannot_grow_past_the_quota_of_a_table_that_names_it() {
    // proves: RT-24
    let sized = |most: u32| json!({ "p": { "address_family": "IPv4", "max_entries": most } });
    let mut tables = document()["route_tables"].clone();
    tables["public"]["routes"] = json!([{ "destination_prefix_list": "p", "gateway": "igw" }]);
    let more = json!({ "route_tables": tables, "quotas": { "routes_per_route_table": 10 } });
    let before = after(None, sized(10), more.clone()).unwrap();
    assert_eq!(after(Some(&before), sized(11), more).unwrap_err(), ["RouteLimitExceeded"]);
    assert_eq!(before.managed_prefix_lists["p"].max_entries, 10);
}
