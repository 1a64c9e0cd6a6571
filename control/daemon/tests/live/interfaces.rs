//! Does an instance follow when its interfaces are replaced, exchanged or moved?

use serde_json::{Value, json};
use vpclab_model::Document;

use crate::fixture::{Inhabitant, Lab, live};

/// `near` with one interface in a subnet, `fw` with these, by device index.
fn with(interfaces: &[(&str, &str)], more: Value) -> Value {
    let mut topology = json!({
        "vpcs": { "v": { "cidr_block": "10.8.0.0/16", "ipv6_cidr_block": "2001:db8:8::/56" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.8.1.0/24", "ipv6_cidr_block": "2001:db8:8:1::/64",
                   "assign_ipv6_address_on_creation": true },
            "b": { "vpc": "v", "cidr_block": "10.8.2.0/24" } },
        "security_groups": { "open": { "vpc": "v", "ingress": [ { "protocol": "-1", "cidr_blocks": ["10.8.0.0/16"] } ] } },
        "network_interfaces": {},
        "instances": { "near": { "subnet": "a", "private_ip": "10.8.1.100", "security_groups": ["open"] } }
    });
    let mut attached = Vec::new();
    for (index, (name, address)) in interfaces.iter().enumerate() {
        let subnet = if address.starts_with("10.8.1.") { "a" } else { "b" };
        topology["network_interfaces"][name] =
            json!({ "subnet": subnet, "private_ip": address, "security_groups": ["open"] });
        attached.push(json!({ "network_interface": name, "device_index": index }));
    }
    topology["instances"]["fw"] = json!({ "network_interfaces": attached });
    for (kind, resources) in more.as_object().into_iter().flatten() {
        for (name, resource) in resources.as_object().unwrap() {
            topology[kind][name] = resource.clone();
        }
    }
    topology
}

/// What the instance should look like with these interfaces, and that it does.
fn must_be(lab: &Lab, instance: &str, interfaces: &[(&str, &str)]) {
    let state = lab.client.instance(instance).unwrap();
    assert_eq!(state.warnings, Vec::<String>::new());
    let named: Vec<_> = state.interfaces.iter().map(|i| (i.name.as_str(), i.device.as_str())).collect();
    let devices: Vec<String> = (0..interfaces.len()).map(|index| format!("eth{index}")).collect();
    let expected: Vec<_> =
        interfaces.iter().zip(&devices).map(|((name, _), device)| (*name, device.as_str())).collect();
    assert_eq!(named, expected);
    let links = lab.ip(instance, "-o link show");
    assert_eq!(links.lines().count(), interfaces.len() + 1, "{links}");
    let gateway = |address: &str| format!("{}.1", address.rsplit_once('.').unwrap().0);
    for ((_, address), device) in interfaces.iter().zip(&devices) {
        let on = lab.ip(instance, &format!("-o -4 address show dev {device}"));
        assert!(on.contains(&format!("inet {address}/24")) && on.lines().count() == 1, "{on}");
        let neighbours = lab.ip(instance, &format!("-4 route show dev {device} scope link"));
        assert_eq!(neighbours.lines().count(), 1, "{neighbours}");
    }
    let default = lab.ip(instance, "-4 route show default");
    assert_eq!(default.trim(), format!("default via {} dev eth0 proto static", gateway(interfaces[0].1)));
    let six = lab.ip(instance, "-6 route show default");
    assert_eq!(six.contains("dev eth0"), interfaces[0].1.starts_with("10.8.1."), "{six}");
    let rules = lab.ip(instance, "rule show");
    for (index, (_, address)) in interfaces.iter().enumerate().filter(|_| interfaces.len() > 1) {
        let table = 100 + index;
        assert!(rules.contains(&format!("from {address} lookup {table}")), "{rules}");
        let routes = lab.ip(instance, &format!("-4 route show table {table} default"));
        assert_eq!(routes.trim(), format!("default via {} dev eth{index} proto static", gateway(address)));
    }
    let several = if interfaces.len() > 1 { interfaces.len() } else { 0 };
    assert_eq!(rules.lines().filter(|rule| rule.contains("lookup 10")).count(), several, "{rules}");
    // An interface that takes over an address has a hardware address of its own, which its neighbours find out in time.
    lab.ip("near", "neighbour flush dev eth0");
    for (_, address) in interfaces {
        assert!(lab.pings("near", address), "{address}");
    }
}

fn apply(lab: &Lab, topology: &Value) {
    let applied = lab.client.apply(&Document::from(topology.clone())).unwrap();
    assert_eq!(applied.warnings, Vec::<String>::new());
}

#[test]
fn an_interface_is_replaced_by_another_at_the_same_place() {
    if !live() {
        return;
    }
    let two = [("e0", "10.8.1.10"), ("e1", "10.8.2.10")];
    let lab = Lab::up(&with(&two, json!({})));
    must_be(&lab, "fw", &two);
    for interfaces in [
        // Renamed, with another address and with the same; the second one too; both; back to the first.
        &[("n0", "10.8.1.11"), ("e1", "10.8.2.10")][..],
        &[("m0", "10.8.1.11"), ("e1", "10.8.2.10")],
        &[("m0", "10.8.1.11"), ("m1", "10.8.2.10")],
        &[("x0", "10.8.1.11"), ("x1", "10.8.2.10")],
        &[("x1", "10.8.2.10")],
        &two,
    ] {
        apply(&lab, &with(interfaces, json!({})));
        must_be(&lab, "fw", interfaces);
    }
}

#[test]
fn an_implied_interface_becomes_a_declared_one_and_back() {
    if !live() {
        return;
    }
    let implied = json!({ "instances": { "fw": { "subnet": "a", "private_ip": "10.8.1.10", "security_groups": ["open"] } } });
    let lab = Lab::up(&with(&[], implied.clone()));
    must_be(&lab, "fw", &[("fw", "10.8.1.10")]);
    let declared = [("e0", "10.8.1.10")];
    apply(&lab, &with(&declared, json!({})));
    must_be(&lab, "fw", &declared);
    apply(&lab, &with(&[], implied));
    must_be(&lab, "fw", &[("fw", "10.8.1.10")]);
}

#[test]
fn a_spare_interface_takes_the_place_of_one_that_moves_to_another_instance() {
    if !live() {
        return;
    }
    let eni = |address: &str| json!({ "subnet": "b", "private_ip": address, "security_groups": ["open"] });
    let other = |interfaces: Value| {
        let mut all = vec![json!({ "network_interface": "o0", "device_index": 0 })];
        all.extend(interfaces.as_array().unwrap().clone());
        json!({ "network_interfaces": all })
    };
    let spare = json!({
        "network_interfaces": { "spare": eni("10.8.2.20"), "o0": { "subnet": "a", "private_ip": "10.8.1.50", "security_groups": ["open"] } },
        "instances": { "other": other(json!([])) } });
    let lab = Lab::up(&with(&[("e0", "10.8.1.10"), ("e1", "10.8.2.10")], spare));
    let moved = json!({
        "network_interfaces": { "e1": eni("10.8.2.10"), "o0": { "subnet": "a", "private_ip": "10.8.1.50", "security_groups": ["open"] } },
        "instances": { "other": other(json!([{ "network_interface": "e1", "device_index": 1 }])) } });
    let after = [("e0", "10.8.1.10"), ("spare", "10.8.2.20")];
    apply(&lab, &with(&after, moved));
    must_be(&lab, "fw", &after);
    must_be(&lab, "other", &[("o0", "10.8.1.50"), ("e1", "10.8.2.10")]);
}

#[test]
fn another_topology_may_use_an_instances_name() {
    if !live() {
        return;
    }
    let lab = Lab::up(&with(&[("e0", "10.8.1.10"), ("e1", "10.8.2.10")], json!({})));
    let other = json!({
        "vpcs": { "w": { "cidr_block": "172.16.0.0/16" } },
        "subnets": { "s": { "vpc": "w", "cidr_block": "172.16.3.0/24" } },
        "instances": { "fw": { "subnet": "s", "private_ip": "172.16.3.9" }, "near": { "subnet": "s", "private_ip": "172.16.3.10" } } });
    apply(&lab, &other);
    assert_eq!(lab.ip("fw", "-4 route show default").trim(), "default via 172.16.3.1 dev eth0 proto static");
    assert_eq!(lab.ip("fw", "-o -4 address show scope global").lines().count(), 1);
}

#[test]
fn interfaces_that_exchange_their_device_indices_exchange_names_routes_and_rules() {
    if !live() {
        return;
    }
    let one = [("e0", "10.8.1.10"), ("e1", "10.8.2.10")];
    let other = [("e1", "10.8.2.10"), ("e0", "10.8.1.10")];
    let mut lab = Lab::up(&with(&one, json!({})));
    for interfaces in [other, one, other] {
        apply(&lab, &with(&interfaces, json!({})));
        must_be(&lab, "fw", &interfaces);
    }
    // A daemon that died finds them as they were and makes of them what is declared now.
    lab.kill();
    lab.restart(&with(&one, json!({})));
    let default = lab.ip("fw", "-4 route show default");
    assert!(default.contains("via 10.8.1.1 ") && default.lines().count() == 1, "{default}");
    assert_eq!(lab.client.instance("fw").unwrap().warnings, Vec::<String>::new());
    assert!(lab.pings("near", "10.8.1.10") && lab.pings("near", "10.8.2.10"));
}

#[test]
fn what_could_not_be_done_stays_visible_and_is_done_by_the_next_apply_whatever_it_changes() {
    if !live() {
        return;
    }
    let one = [("e0", "10.8.1.10"), ("e1", "10.8.2.10")];
    let lab = Lab::up(&with(&one, json!({})));
    // Somebody inside takes the place of the default route.
    for what in [
        "tuntap add wan0 mode tap",
        "link set wan0 up",
        "address add 192.0.2.2/24 dev wan0",
        "route replace default via 192.0.2.1 dev wan0",
    ] {
        lab.ip("fw", what);
    }
    let next = with(&[("n0", "10.8.1.11"), ("e1", "10.8.2.10")], json!({}));
    for _ in 0..3 {
        let told = lab.client.apply(&Document::from(next.clone())).unwrap().warnings;
        assert!(
            told.len() == 1 && told[0].contains("fw: interface n0 could not be reconfigured"),
            "{told:?}"
        );
        assert!(told[0].contains("link wan0 has already"), "{told:?}");
        let shown = lab.client.instance("fw").unwrap().warnings;
        assert!(shown.len() == 1 && told[0].ends_with(&shown[0]), "{shown:?}");
    }
    assert_eq!(
        lab.ip("fw", "-4 route show table 100 default").lines().count(),
        1,
        "what could be done is done"
    );
    lab.ip("fw", "link delete wan0");
    let applied = lab.client.apply(&Document::from(next)).unwrap();
    assert_eq!((applied.replaced.changes, applied.warnings), (Vec::new(), Vec::new()));
    must_be(&lab, "fw", &[("n0", "10.8.1.11"), ("e1", "10.8.2.10")]);
}

#[test]
fn a_replacement_in_a_change_that_fails_leaves_the_interface_as_it_was() {
    if !live() {
        return;
    }
    let one = [("e0", "10.8.1.10"), ("e1", "10.8.2.10")];
    let lab = Lab::up(&with(&one, json!({})));
    let in_the_way = vpclab_tap::Netns::create(&lab.netns_name("z")).unwrap();
    let mut server = Inhabitant::of(&lab.netns("fw"));
    let z = json!({ "instances": { "z": { "subnet": "a" } } });
    let next = with(&[("n0", "10.8.1.10"), ("n1", "10.8.2.10")], z);
    let error = lab.client.apply(&Document::from(next)).unwrap_err().to_string();
    drop(in_the_way);
    vpclab_tap::Netns::delete(&lab.netns_name("z")).unwrap();
    assert!(error.contains("nothing was changed"), "{error}");
    must_be(&lab, "fw", &one);
    assert!(server.is_alive());
}
