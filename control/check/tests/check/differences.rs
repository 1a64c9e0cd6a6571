//! What is told of a change, and what is not?

use serde_json::{Value, json};
use vpclab_api::{ChangeKind, Diff};
use vpclab_check::diff::{diff, markdown, text};
use vpclab_model::{Document, Topology};

fn topology(document: &Value, previous: Option<&Topology>) -> Topology {
    Topology::from_document(&Document::from(document.clone()), previous)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What a change of a document comes to; assigned addresses stay.
fn changed(document: &Value, change: impl FnOnce(&mut Value)) -> Diff {
    let mut after = document.clone();
    change(&mut after);
    let old = topology(document, None);
    diff(&old, &topology(&after, Some(&old)))
}

/// A public and a private subnet, with two NAT gateways of which one is used.
fn shop() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "eips": { "e1": { "public_ip": "203.0.113.9" }, "e2": { "public_ip": "203.0.113.10" },
                  "e3": { "public_ip": "203.0.113.20" } },
        "nat_gateways": {
            "nat-a": { "subnet": "pub", "allocation": "e1", "secondary_allocations": ["e2"] },
            "nat-b": { "subnet": "pub", "allocation": "e3" } },
        "route_tables": {
            "pub": { "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] },
            "priv": { "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat-a" }] } },
        "subnets": {
            "pub": { "vpc": "v", "cidr_block": "10.0.1.0/24", "route_table": "pub" },
            "priv": { "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "priv" } },
        "security_groups": {
            "web": { "vpc": "v", "ingress": [
                { "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["0.0.0.0/0"] }] },
            "db": { "vpc": "v", "ingress": [
                { "protocol": "tcp", "from_port": 5432, "to_port": 5432, "security_groups": ["web"] }] } },
        "instances": {
            "web-1": { "subnet": "pub", "security_groups": ["web"], "associate_public_ip_address": true },
            "db-1": { "subnet": "priv", "security_groups": ["db"] },
            "db-2": { "subnet": "priv", "security_groups": ["db"] } },
        "internet_hosts": { "client": { "address": "198.51.100.7" } } })
}

#[test]
fn ends_of_one_name_and_different_kinds_are_different_ends() {
    let mut document = shop();
    document["internet_hosts"] = json!({ "db-1": { "address": "198.51.100.8" } });
    let told = changed(&document, |after| {
        after["security_groups"]["db"]["ingress"] = json!([
            { "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["10.0.0.0/16"] },
            { "protocol": "tcp", "from_port": 5432, "to_port": 5432, "security_groups": ["web"] }]);
    });
    let gained: Vec<_> = told.changes.iter().filter(|row| row.kind == ChangeKind::Gained).collect();
    assert_eq!(told.pairs.gained, 4, "{told:#?}");
    assert!(gained.iter().all(|row| !row.to.contains(&"internet_host:db-1".to_owned())), "{gained:#?}");
    assert!(gained.iter().any(|row| row.to.contains(&"instance:db-1".to_owned())), "{gained:#?}");
    assert!(gained.iter().all(|row| row.to.contains(&"db-2".to_owned()) || row.to.len() == 1), "{gained:#?}");
}

#[test]
fn what_is_known_in_neither_may_change_where_a_rule_on_its_way_does() {
    let mut document = shop();
    document["instances"]["lb"] =
        json!({ "subnet": "pub", "security_groups": ["web"], "not_modelled": "it balances" });
    let same = changed(&document, |_| {});
    assert!(same.is_nothing() && same.pairs.known_in_neither > 0, "{same:#?}");
    // What decides nothing.
    let other = changed(&document, |after| {
        after["security_groups"]["web"]["description"] = json!("who serves");
    });
    assert_eq!(other.pairs.unknown, 0, "{other:#?}");
    for (group, port) in [("web", 80), ("db", 3306)] {
        let told = changed(&document, |after| {
            let rules = after["security_groups"][group]["ingress"].as_array_mut().unwrap();
            rules.insert(
                0,
                json!({ "protocol": "tcp", "from_port": port, "to_port": port, "security_groups": ["web"] }),
            );
        });
        let rows: Vec<_> = told.changes.iter().filter(|row| row.kind == ChangeKind::Unknown).collect();
        let about_it =
            rows.iter().find(|row| row.from.contains(&"lb".to_owned()) || row.to.contains(&"lb".to_owned()));
        let row = about_it.unwrap_or_else(|| panic!("{group}: {told:#?}"));
        let rule = format!("{group} ingress[0]: tcp {port} from web");
        let is_told = row.after.iter().any(|said| said.contains(&rule));
        // What was denied for sure, whoever sends, is unknown for exactly what the rule lets in.
        let is_exact =
            row.unknown.iter().all(|set| set.packets.ports.as_deref() == Some(port.to_string().as_str()));
        assert!(is_told || is_exact && !row.unknown.is_empty(), "{row:#?}");
        assert!(text(&told).contains("may gain or lose") && markdown(&told).contains("may gain or lose"));
    }
}

#[test]
fn another_source_towards_half_of_the_internet_is_told_with_the_addresses() {
    for block in ["0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/8", "192.0.0.0/24"] {
        let told = changed(&shop(), |after| {
            let routes = after["route_tables"]["priv"]["routes"].as_array_mut().unwrap();
            routes.push(json!({ "cidr_block": block, "nat_gateway": "nat-b" }));
        });
        let mut rows = told.rerouted.iter().filter(|row| row.to == ["internet"]);
        let row = rows.next().unwrap_or_else(|| panic!("{block}: {told:#?}"));
        assert_eq!(rows.next(), None);
        assert_eq!((row.addresses.as_slice(), row.from.len()), ([block.to_owned()].as_slice(), 2));
        assert_eq!(row.seen_after, ["203.0.113.20"]);
    }
}

#[test]
fn another_source_or_another_gateway_is_told_though_nothing_is_gained_or_lost() {
    for (what, seen, by, change) in [
        (
            "another address",
            Some(("203.0.113.10 or 203.0.113.9", "203.0.113.10 or 203.0.113.99")),
            None,
            Box::new(|after: &mut Value| after["eips"]["e1"]["public_ip"] = json!("203.0.113.99"))
                as Box<dyn Fn(&mut Value)>,
        ),
        (
            "an address less",
            Some(("203.0.113.10 or 203.0.113.9", "203.0.113.9")),
            None,
            Box::new(|after: &mut Value| {
                after["nat_gateways"]["nat-a"]["secondary_allocations"] = json!([]);
            }),
        ),
        (
            "another gateway",
            Some(("203.0.113.10 or 203.0.113.9", "203.0.113.20")),
            Some(("nat-a, igw", "nat-b, igw")),
            Box::new(|after: &mut Value| {
                after["route_tables"]["priv"]["routes"][0]["nat_gateway"] = json!("nat-b");
            }),
        ),
    ] {
        let told = changed(&shop(), |after| change(after));
        assert!(told.changes.is_empty() && !told.is_nothing(), "{what}: {told:#?}");
        let [row] = told.rerouted.as_slice() else { panic!("{what}: {told:#?}") };
        assert_eq!(row.from, ["db-1", "db-2"], "{what}");
        assert_eq!(row.to, ["client", "internet"], "{what}");
        assert_eq!(told.pairs.rerouted, 4, "{what}");
        let or = |all: &[String]| all.join(" or ");
        let pair = |then: &[String], now: &[String]| (!then.is_empty()).then(|| (or(then), or(now)));
        let owned = |told: Option<(&str, &str)>| told.map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(pair(&row.seen_before, &row.seen_after), owned(seen), "{what}");
        assert_eq!(pair(&row.by_before, &row.by_after), owned(by), "{what}");
        for said in [text(&told), markdown(&told)] {
            assert!(said.contains("nothing is gained or lost between"), "{what}: {said}");
            assert!(said.contains("seen from 203.0.113.10 or 203.0.113.9 → 203.0.113."), "{what}: {said}");
        }
    }
    let told = changed(&shop(), |after| {
        after["security_groups"]["db"]["ingress"] = json!([]);
    });
    assert!(told.rerouted.is_empty() && told.pairs.lost > 0, "{told:#?}");
}

#[test]
fn another_public_address_of_whom_the_internet_asks_is_told() {
    let mut document = shop();
    document["instances"]["web-1"] = json!({ "subnet": "pub", "security_groups": ["web"] });
    document["eips"]["e2"]["network_interface"] = json!("web-1");
    document["nat_gateways"]["nat-a"].as_object_mut().unwrap().remove("secondary_allocations");
    let told = changed(&document, |after| {
        after["eips"]["e2"]["public_ip"] = json!("203.0.113.77");
    });
    assert!(told.changes.is_empty(), "{told:#?}");
    let asked: Vec<_> = told.rerouted.iter().filter(|row| row.to == ["web-1"]).collect();
    let [row] = asked.as_slice() else { panic!("{told:#?}") };
    assert_eq!(row.from, ["client", "internet"], "{row:#?}");
    assert_eq!(
        (row.at_before.as_slice(), row.at_after.as_slice()),
        (&["203.0.113.10".to_owned()][..], &["203.0.113.77".to_owned()][..])
    );
    assert!(row.seen_before.is_empty() && row.by_before.is_empty(), "{row:#?}");
    assert!(text(&told).contains("at 203.0.113.10 → 203.0.113.77"), "{}", text(&told));
}

#[test]
fn a_new_name_is_told_once() {
    let told = changed(&shop(), |after| {
        let web = after["instances"].as_object_mut().unwrap().remove("web-1").unwrap();
        after["instances"]["front-1"] = web;
    });
    assert!(told.is_nothing() && told.added.is_empty() && told.removed.is_empty(), "{told:#?}");
    assert!(text(&told).contains("renamed: web-1 is now called front-1"), "{}", text(&told));
    assert!(markdown(&told).contains("web-1 is now called front-1"));
    // Of two that stand in its place neither is known to be the same.
    let told = changed(&shop(), |after| {
        let web = after["instances"].as_object_mut().unwrap().remove("web-1").unwrap();
        after["instances"]["front-1"] = web.clone();
        after["instances"]["front-2"] = web;
        after["instances"]["front-1"]["private_ip"] = json!("10.0.1.77");
        after["instances"]["front-2"]["private_ip"] = json!("10.0.1.78");
    });
    assert!(told.renamed.is_empty(), "{told:#?}");
    assert_eq!((told.added.len(), told.removed.len()), (2, 1));
}

#[test]
fn nobody_is_told_to_reach_himself() {
    let told = changed(&shop(), |after| {
        after["security_groups"]["web"]["ingress"] =
            json!([{ "protocol": "tcp", "from_port": 80, "to_port": 443, "cidr_blocks": ["0.0.0.0/0"] }]);
    });
    assert!(!told.changes.is_empty());
    for row in &told.changes {
        let is_himself = row.from.len() == 1 && row.to.contains(&row.from[0])
            || row.to.len() == 1 && row.from.contains(&row.to[0]);
        assert!(!is_himself, "{row:#?}");
    }
}

#[test]
fn who_has_a_public_address_and_no_internet_gateway_is_said_to_have_none() {
    let told = changed(&shop(), |after| {
        after["internet_gateways"] = json!({});
        after["route_tables"]["pub"]["routes"] = json!([]);
        after["nat_gateways"] = json!({});
        after["route_tables"]["priv"]["routes"] = json!([]);
    });
    let row = told.changes.iter().find(|row| row.to == ["web-1"]).unwrap();
    assert_eq!(row.after, ["its VPC has no internet gateway"], "{row:#?}");
}

#[test]
fn what_is_lost_at_one_of_two_addresses_is_told_of_that_address() {
    let mut document = shop();
    document["instances"]["db-1"]["private_ip"] = json!("10.0.2.10");
    document["instances"]["db-1"]["secondary_private_ips"] = json!(["10.0.2.11"]);
    let rule = |address: &str| json!({ "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": [address] });
    let both = [rule("10.0.2.10/32"), rule("10.0.2.11/32"), rule("0.0.0.0/0")];
    document["security_groups"]["web"]["egress"] = json!(both[..2]);
    for (renamed, at) in [(false, "db-1/10.0.2.11"), (true, "store/10.0.2.11")] {
        let told = changed(&document, |after| {
            after["security_groups"]["web"]["egress"] = json!(both[..1]);
            if renamed {
                let instances = after["instances"].as_object_mut().unwrap();
                let moved = instances.remove("db-1").unwrap();
                instances.insert("store".to_owned(), moved);
            }
        });
        let [lost] = told.changes.as_slice() else { panic!("{told:#?}") };
        assert_eq!(
            (lost.kind, lost.from.as_slice()),
            (ChangeKind::Lost, &["web-1".to_owned()][..]),
            "{lost:#?}"
        );
        assert_eq!(lost.to, [at], "{told:#?}");
        assert!(told.added.is_empty() && told.removed.is_empty(), "{told:#?}");
    }
    // What all of them meet is told of the instance.
    let told = changed(&document, |after| after["security_groups"]["web"]["egress"] = json!([both[2]]));
    assert!(told.changes.iter().all(|row| row.to.iter().all(|to| !to.contains('/'))), "{told:#?}");
}

#[test]
fn a_way_out_of_a_further_interface_or_a_further_public_address_is_gained() {
    let mut document = shop();
    document["subnets"]["closed"] =
        json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "route_table": "closed" });
    document["route_tables"]["closed"] = json!({ "vpc": "v", "routes": [] });
    document["instances"]["box"] =
        json!({ "subnet": "closed", "security_groups": ["db"], "private_ips": ["10.0.3.10", "10.0.3.11"] });
    document["eips"]["e4"] = json!({ "public_ip": "203.0.113.30" });
    let interface = |after: &mut Value| {
        after["network_interfaces"] = json!({ "box-1": { "subnet": "pub", "security_groups": ["db"],
            "attachment": { "instance": "box", "device_index": 1 } } });
        after["eips"]["e4"]["network_interface"] = json!("box-1");
    };
    let address = |after: &mut Value| {
        after["subnets"]["closed"]["route_table"] = json!("pub");
        after["eips"]["e4"]["instance"] = json!("box");
        after["eips"]["e4"]["associate_with_private_ip"] = json!("10.0.3.11");
    };
    for (told, sender) in
        [(changed(&document, interface), "box-1"), (changed(&document, address), "box/10.0.3.11")]
    {
        let gains = |row: &&vpclab_api::ChangedReach| {
            row.kind == ChangeKind::Gained && row.from == [sender] && row.to.contains(&"internet".to_owned())
        };
        assert!(told.changes.iter().any(|row| gains(&row)), "{sender}: {told:#?}");
        assert!(told.renamed.is_empty(), "{told:#?}");
        assert!(told.assumed.iter().any(|own| own.assumption.contains("ask explain about others")));
    }
}
