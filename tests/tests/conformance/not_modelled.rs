//! What is stored and not modelled: listed, its interfaces filtered, and never a yes or a no through it.

use serde_json::{Value, json};
use vpclab_engine::explain::{End, Explanation, TrafficQuestion, ask};
use vpclab_engine::{DropReason, Unmodelled};
use vpclab_model::NOT_MODELLED;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Body, syn, udp};
use vpclab_wire::Protocol;

use crate::networks::{
    CLIENT, CLIENT_V6, DB, PEER, WEB, WEB_PUBLIC, WEB_V6, accepted, document, entry, everything, packet,
    refused, tcp_of, with,
};
use crate::transit_networks::{hub, with_hub};

/// The network with a load balancer in both subnets, which has these attributes beside them.
fn balanced(attributes: Value) -> Net {
    with(|d| {
        d["subnets"]["private"]["availability_zone"] = json!("us-east-1b");
        let mut balancer = json!({ "subnets": ["public", "private"], "security_groups": ["front"] });
        balancer.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        d["security_groups"]["front"] = json!({ "vpc": "v", "ingress": [tcp_of(443, "0.0.0.0/0")],
            "egress": [{ "protocol": "tcp", "from_port": 80, "to_port": 80, "security_groups": ["open"] }] });
        d["load_balancers"] = json!({ "front": balancer });
        d["listeners"] = json!({ "https": { "load_balancer": "front", "port": 443, "protocol": "HTTPS" } });
    })
}

fn address_of(net: &Net, interface: &str) -> String {
    net.topology.find_interface(interface).unwrap().1.private_ip.unwrap().to_string()
}

fn tcp(port: u16) -> TrafficQuestion {
    TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(port), source_port: None }
}

fn asked(net: &Net, from: &str, to: &str, traffic: TrafficQuestion) -> Explanation {
    let end = |name: &str| match net.fabric().enis.find(name) {
        Some(eni) => End::Interface(eni, None),
        None => net.fabric().hosts.find(name).map_or(End::Internet, End::Host),
    };
    ask(net.fabric(), end(from), end(to), None, traffic).unwrap()
}

/// The names of what an answer depends on.
fn depends_on(net: &Net, told: &Explanation) -> Vec<String> {
    let name = |what: &Unmodelled| match what {
        Unmodelled::Resource(resource) => net.fabric().not_modelled[*resource].name.to_string(),
        Unmodelled::Service(service) => service.to_string(),
        Unmodelled::SteeredBack(subnet) => net.fabric().subnets[*subnet].name.to_string(),
        Unmodelled::CustomerNetwork(link) => net.fabric().links[*link].name.to_string(),
        Unmodelled::CustomerHost(network, _) => net.fabric().customer_networks[*network].name.to_string(),
        Unmodelled::ServiceAddress(endpoint, _) => net.fabric().vpc_endpoints[*endpoint].name.to_string(),
    };
    told.unmodelled.iter().map(name).collect()
}

#[test]
fn every_such_kind_is_valid_and_nothing_of_it_is_lost() {
    for kind in NOT_MODELLED {
        let attributes = json!({ "vpc": "v", "subnets": ["public"], "internet_gateway_block_mode": "off",
            "something_of_its_own": { "nested": [1, 2] }, "tags": { "team": "a" } });
        let net = with(|d| d[kind.plural] = json!({ "x": attributes }));
        let stored = &net.topology.not_modelled[kind.plural]["x"];
        assert_eq!(stored.vpc.as_ref().unwrap().as_str(), "v");
        assert_eq!(stored.subnets.len(), 1);
        assert_eq!(stored.attributes["something_of_its_own"]["nested"][1], 2, "{}", kind.plural);
        assert_eq!(stored.labels.tags["team"], "a");
        let listed = serde_json::to_value(&net.topology).unwrap();
        assert_eq!(listed[kind.plural]["x"]["vpc"], "v", "under its own key");
        for interface in &stored.network_interfaces {
            assert!(net.topology.network_interfaces[interface].private_ip.is_some());
        }
    }
}

#[test]
fn references_of_what_is_not_modelled_must_hold() {
    for (attribute, value, code) in [
        ("vpc", json!("nobody"), "InvalidVpcID.NotFound"),
        ("subnets", json!(["nobody"]), "InvalidSubnetID.NotFound"),
        ("security_groups", json!(["nobody"]), "InvalidGroup.NotFound"),
        ("subnet_idz", json!(["public"]), "UnknownParameter"),
    ] {
        let mut changed = document();
        changed["load_balancers"] = json!({ "front": { "subnets": ["public"] } });
        changed["load_balancers"]["front"][attribute] = value;
        let found = mistakes(&changed);
        assert!(found.iter().any(|mistake| mistake.ends_with(code)), "{attribute}: {found:?}");
    }
    refused("target_groups.t.targets[0]", "InvalidTarget", |d| {
        d["target_groups"] = json!({ "t": { "vpc": "v", "targets": ["nobody"] } });
    });
    accepted(|d| d["target_groups"] = json!({ "t": { "vpc": "v", "targets": ["web", "10.0.2.10"] } }));
    refused("vpc_block_public_access_options.o.internet_gateway_block_mode", "InvalidParameterValue", |d| {
        d["vpc_block_public_access_options"] = json!({ "o": {} });
    });
}

#[test]
fn a_packet_to_a_load_balancer_meets_its_filters_and_then_the_unknown() {
    let mut net = balanced(json!({}));
    let front = address_of(&net, "elb/front/private");
    net.send("web", &packet(WEB, &front, syn(40_000, 443))).dies_of("not-modelled");
    net.send("web", &packet(WEB, &front, syn(40_000, 80))).dies_of("security-group");
    net.change(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [], "egress": [] } });
        d["subnets"]["private"]["network_acl"] = json!("acl");
    });
    net.send("web", &packet(WEB, &front, syn(40_000, 443))).dies_of("network-acl");
    assert!(net.engine().flows().is_empty(), "what dies leaves no trace");
}

#[test]
fn the_way_to_a_load_balancer_and_the_way_from_it_to_a_target_are_what_they_are() {
    let net = balanced(json!({}));
    let to = asked(&net, "web", "elb/front/private", tcp(443));
    assert_eq!((to.reachable, to.unmodelled.as_slice()), (Some(true), &[][..]));
    let refused = asked(&net, "web", "elb/front/private", tcp(80));
    assert_eq!(refused.reachable, Some(false));
    assert!(matches!(refused.blockers[0].reason, DropReason::SecurityGroup { .. }));
    // What a load balancer makes of an echo request depends on its type and rules.
    let net = with(|d| {
        d["load_balancers"] = json!({ "front": { "subnets": ["private"], "security_groups": ["open"] } });
    });
    let ping = asked(&net, "web", "elb/front/private", TrafficQuestion::Echo);
    assert_eq!((ping.reachable, depends_on(&net, &ping)), (None, vec!["front".to_owned()]));

    let net = balanced(json!({}));
    let from = asked(&net, "elb/front/private", "web", tcp(80));
    assert_eq!((from.reachable, from.unmodelled.as_slice()), (Some(true), &[][..]));
    assert_eq!(
        asked(&net, "elb/front/private", "web", tcp(81)).reachable,
        Some(false),
        "its own outbound rules"
    );
}

/// The answer about TCP to a port from the interface of a resource of this kind to a host of its own subnet and another.
fn ways_from(resource: Value, plural: &str, interface: &str) -> Vec<Option<bool>> {
    let mut resource = resource;
    resource["subnets"] = json!(["private"]);
    resource["security_groups"] = json!(["open"]);
    let net = with(|d| d[plural] = json!({ "front": resource }));
    let ways = ["db", "web"].map(|to| {
        let told = asked(&net, interface, to, tcp(80));
        if told.reachable.is_none() {
            assert_eq!(depends_on(&net, &told), ["front"]);
        }
        told.reachable
    });
    ways.to_vec()
}

#[test]
fn only_what_an_application_load_balancer_sends_is_known_to_come_from_its_own_addresses() {
    // The facts are LB-04 and LB-16.
    let balancer =
        |kind: &str| ways_from(json!({ "load_balancer_type": kind }), "load_balancers", "elb/front/private");
    assert_eq!(balancer("application"), [Some(true); 2]);
    // Under the client's address or its own.
    assert_eq!(balancer("network"), [None; 2]);
    assert_eq!(balancer("gateway"), [None; 2]);
    // Whom it lets in, and to where, rules decide that are not modelled.
    assert_eq!(ways_from(json!({}), "client_vpn_endpoints", "cvpn-endpoint/front/private"), [None; 2]);
    assert_eq!(ways_from(json!({}), "network_firewalls", "firewall/front/private"), [None; 2]);
    // A target's group may admit the clients and not the load balancer.
    let net = with(|d| {
        d["load_balancers"] = json!({ "front": { "subnets": ["private"], "load_balancer_type": "network" } });
        d["instances"]["peer"]["security_groups"] = json!(["v/default"]);
    });
    let answer = asked(&net, "elb/front/private", "peer", tcp(80));
    assert_eq!((answer.reachable, answer.blockers.len()), (None, 0));
}

#[test]
fn what_a_load_balancer_has_no_declared_listener_for_is_unknown() {
    // The fact is LB-19.
    let listening = |kind: &str, listeners: Value| {
        with(|d| {
            d["load_balancers"] = json!({ "front": { "subnets": ["private"], "security_groups": ["open"],
                "load_balancer_type": kind }, "other": { "subnets": ["public"] } });
            d["listeners"] = listeners;
        })
    };
    let udp =
        |port: u16| TrafficQuestion::Ports { protocol: Protocol::UDP, port: Some(port), source_port: None };
    let every = TrafficQuestion::Ports { protocol: Protocol::TCP, port: None, source_port: None };
    let answers = |net: &Net| {
        [tcp(443), tcp(80), udp(443), udp(53), every]
            .map(|traffic| asked(net, "web", "elb/front/private", traffic).reachable)
    };
    let yes = Some(true);
    assert_eq!(answers(&listening("application", json!({}))), [None; 5]);
    assert_eq!(answers(&listening("network", json!({}))), [None; 5]);
    let https = json!({ "https": { "load_balancer": "front", "port": 443, "protocol": "HTTPS" } });
    assert_eq!(answers(&listening("application", https)), [yes, None, None, None, None]);
    let declared = json!({
        "https": { "load_balancer": "front", "port": 443, "protocol": "TLS" },
        "names": { "load_balancer_arn": "front", "port": "53", "protocol": "UDP" },
        "elsewhere": { "load_balancer": "other", "port": 80 } });
    assert_eq!(answers(&listening("network", declared)), [yes, None, None, yes, None]);
}

#[test]
fn a_load_balancer_that_faces_the_internet_has_a_public_address_in_each_subnet() {
    let mut net = balanced(json!({}));
    let public = |net: &Net| {
        let eni = net.topology.find_interface("elb/front/public").unwrap().1;
        eni.public_ips.values().next().map(|public| public.address.to_string())
    };
    let address = public(&net).unwrap();
    net.send("client", &packet(CLIENT, &address, syn(50_000, 443))).dies_of("not-modelled");
    net.send("client", &packet(CLIENT, &address, syn(50_000, 80))).dies_of("security-group");
    assert_eq!(asked(&net, "client", "elb/front/public", tcp(443)).reachable, Some(true));
    assert_eq!(public(&balanced(json!({ "internal": true }))), None);
}

#[test]
fn a_network_load_balancer_without_groups_has_none_and_a_gateway_one_never_has() {
    for (lb_type, groups) in [("application", 1), ("network", 0), ("gateway", 0)] {
        let net = with(|d| {
            d["load_balancers"] =
                json!({ "front": { "subnets": ["public"], "load_balancer_type": lb_type } });
            d["listeners"] = json!({ "l": { "load_balancer": "front", "port": 443, "protocol": "TLS" } });
        });
        let eni = net.topology.find_interface("elb/front/public").unwrap().1;
        assert_eq!(eni.security_groups.len(), groups, "{lb_type}");
        let told = asked(&net, "web", "elb/front/public", tcp(443));
        let expected = match lb_type {
            "application" => Some(false), // The default group admits its own members only.
            "network" => Some(true),
            _ => None,
        };
        assert_eq!(told.reachable, expected, "{lb_type}");
    }
}

#[test]
fn block_public_access_makes_a_yes_through_the_internet_gateway_unknown_and_leaves_a_no() {
    for mode in ["block-bidirectional", "block-ingress", "off"] {
        let mut net = with(|d| {
            d["vpc_block_public_access_options"] = json!({ "bpa": { "internet_gateway_block_mode": mode } });
            d["instances"]["peer"]["security_groups"] = json!(["v/default"]);
            d["eips"] = json!({ "e": { "network_interface": "peer" } });
        });
        let yes = (mode == "off").then_some(true);
        for (from, to) in [("web", "client"), ("client", "web")] {
            let told = asked(&net, from, to, tcp(443));
            assert_eq!(told.reachable, yes, "{mode}: {from} to {to}");
            assert_eq!(depends_on(&net, &told).is_empty(), mode == "off");
        }
        // Its groups let nobody in, whatever the other says.
        assert_eq!(asked(&net, "client", "peer", tcp(443)).reachable, Some(false), "{mode}");
        // Private ways are untouched (BPA-03).
        assert_eq!(asked(&net, "web", "db", tcp(443)).reachable, Some(true), "{mode}");
        let out: [(&str, &str, &str, Body); 2] =
            [("web", WEB, CLIENT, syn(1, 2)), ("client", CLIENT, WEB_PUBLIC, udp(1, 2))];
        for (sender, src, dst, body) in out {
            let fate = net.send(sender, &packet(src, dst, body));
            if mode == "off" {
                assert!(fate.delivered().is_some());
            } else {
                fate.dies_of("not-modelled");
            }
        }
        if mode != "off" {
            net.send("web", &packet(WEB_V6, CLIENT_V6, syn(1, 2))).dies_of("not-modelled");
        }
    }
}

#[test]
fn a_denial_on_the_way_back_is_a_no_although_the_way_there_is_unknown() {
    let net = with(|d| {
        d["vpc_block_public_access_options"] =
            json!({ "bpa": { "internet_gateway_block_mode": "block-ingress" } });
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [entry(100, "deny", "0.0.0.0/0")],
            "egress": [entry(100, "allow", "0.0.0.0/0")] } });
        d["subnets"]["public"]["network_acl"] = json!("acl");
    });
    let told = asked(&net, "web", "client", tcp(443));
    assert_eq!(told.reachable, Some(false));
    assert!(told.blockers.iter().all(|blocker| blocker.on_return), "{:?}", told.blockers);
}

#[test]
fn an_egress_only_gateway_is_as_unknown_under_block_public_access() {
    let mut net = with(|d| {
        d["vpc_block_public_access_options"] =
            json!({ "bpa": { "internet_gateway_block_mode": "block-bidirectional" } });
        d["egress_only_internet_gateways"] = json!({ "out": { "vpc": "v" } });
        d["route_tables"]["v/main"] =
            json!({ "routes": [{ "ipv6_cidr_block": "::/0", "egress_only_gateway": "out" }] });
    });
    net.send("db", &packet(crate::networks::DB_V6, CLIENT_V6, syn(1, 2))).dies_of("not-modelled");
}

#[test]
fn what_a_middlebox_sends_back_to_the_subnet_of_the_gateway_it_came_from_is_unknown() {
    // proves: RT-55
    let by_transit_gateway = |to: &str, block: &str| {
        let mut d = hub();
        d["instances"]["b-inner"] =
            json!({ "subnet": "b-door-one", "private_ip": "10.2.101.10", "security_groups": ["b-open"] });
        d["instances"]["b-one"]["source_dest_check"] = json!(false);
        d["route_tables"]["door"] = json!({ "vpc": "b", "subnets": ["b-door-one"], "routes": [
            { "cidr_block": "10.0.0.0/8", "transit_gateway": "hub" },
            { "cidr_block": block, "network_interface": "b-one" }] });
        let net = Net::new(d);
        let told = asked(&net, "a-one", to, tcp(443));
        (told.reachable, depends_on(&net, &told))
    };
    assert_eq!(by_transit_gateway("b-inner", "10.2.101.0/28"), (None, vec!["b-door-one".to_owned()]));
    assert_eq!(by_transit_gateway("b-inner", "10.2.2.0/24"), (Some(true), vec![]), "past the middlebox");
    assert_eq!(by_transit_gateway("b-two", "10.2.2.0/24"), (Some(true), vec![]), "into another subnet");
    let by_nat_gateway = |steered: bool| {
        let net = with(|d| {
            d["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.4.0/24" });
            d["instances"]["box"] = json!({ "subnet": "middle", "private_ip": "10.0.4.10",
                "source_dest_check": false, "security_groups": ["open"] });
            d["nat_gateways"] = json!({ "nat": { "subnet": "private", "connectivity_type": "private" } });
            let routes = d["route_tables"]["public"]["routes"].as_array_mut().unwrap();
            routes.push(json!({ "cidr_block": "10.0.2.0/24", "nat_gateway": "nat" }));
            let to_box = json!({ "cidr_block": "10.0.2.0/24", "network_interface": "box" });
            d["route_tables"]["inner"] = json!({ "vpc": "v", "subnets": ["private"],
                "routes": if steered { json!([to_box]) } else { json!([]) } });
        });
        let told = asked(&net, "web", "db", tcp(443));
        (told.reachable, depends_on(&net, &told))
    };
    assert_eq!(by_nat_gateway(true), (None, vec!["private".to_owned()]));
    assert_eq!(by_nat_gateway(false), (Some(true), vec![]));
}

#[test]
fn multicast_is_unknown_where_a_domain_may_forward_it() {
    let mut net = with(|_| {});
    net.send("web", &packet(WEB, "224.0.1.1", udp(1, 2))).dies_of("multicast");
    net.change(|d| d["transit_gateway_multicast_domains"] = json!({ "m": {} }));
    net.send("web", &packet(WEB, "224.0.1.1", udp(1, 2))).dies_of("not-modelled");
}

#[test]
fn what_is_not_modelled_elsewhere_changes_nothing_here() {
    let mut net = balanced(json!({}));
    net.change(|d| {
        d["network_firewalls"] = json!({ "f": { "vpc": "v", "subnets": ["private"] } });
        d["client_vpn_endpoints"] = json!({ "c": { "vpc": "v", "subnets": ["private"] } });
        d["carrier_gateways"] = json!({ "g": { "vpc": "v" } });
    });
    assert!(net.converses("web", &packet(WEB, DB, syn(1, 2))));
    assert!(net.converses("web", &packet(WEB, PEER, syn(1, 2))));
    assert!(net.converses("web", &packet(WEB, CLIENT, syn(1, 2))));
}

/// Marks a resource as one of which not all is known.
fn mark(document: &mut Value, kind: &str, name: &str) {
    document[kind][name]["not_modelled"] = json!("nobody knows");
}

#[test]
fn what_is_not_known_of_a_resource_makes_unknown_what_depends_on_it_and_nothing_else() {
    // What asks whom, and which resource has to be known for that.
    for (kind, name, from, to, depends) in [
        ("vpcs", "v", "web", "db", true),
        ("subnets", "private", "web", "db", true),
        ("subnets", "public", "client", "web", true),
        ("subnets", "private", "client", "web", false),
        ("instances", "db", "web", "db", true),
        ("instances", "db", "client", "web", false),
        ("network_interfaces", "eni", "eni", "db", true),
        ("network_acls", "acl", "web", "db", true),
        ("network_acls", "acl", "client", "web", true),
        ("route_tables", "public", "web", "db", true),
        ("route_tables", "v/main", "web", "peer", false),
        ("internet_gateways", "igw", "web", "client", true),
        ("internet_gateways", "igw", "client", "web", true),
        ("internet_gateways", "igw", "web", "db", false),
        ("vpc_peering_connections", "pcx", "web", "far", true),
        ("vpc_peering_connections", "pcx", "web", "db", false),
        ("vpcs", "w", "web", "far", true),
        ("vpcs", "w", "web", "db", false),
        ("managed_prefix_lists", "list", "web", "far", true),
        ("managed_prefix_lists", "list", "web", "peer", false),
        ("managed_prefix_lists", "list", "client", "web", true),
    ] {
        let setup = |d: &mut Value| {
            d["network_acls"] = json!({ "acl": { "vpc": "v", "subnets": ["public"],
                "ingress": [entry(1, "allow", "0.0.0.0/0")], "egress": [entry(1, "allow", "0.0.0.0/0")] } });
            d["network_interfaces"]["eni"] = json!({ "subnet": "public", "security_groups": ["open"] });
            d["instances"]["two"] =
                json!({ "network_interfaces": [{ "network_interface": "eni", "device_index": 0 }] });
            d["managed_prefix_lists"] = json!({ "list": { "address_family": "IPv4", "max_entries": 2,
                "entries": [{ "cidr": "192.0.2.0/24" }] } });
            let routes = d["route_tables"]["public"]["routes"].as_array_mut().unwrap();
            routes.push(json!({ "destination_prefix_list": "list", "gateway": "igw" }));
            routes.push(json!({ "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "pcx" }));
            d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
            d["subnets"]["far"] = json!({ "vpc": "w", "cidr_block": "10.1.0.0/24" });
            d["vpc_peering_connections"] =
                json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
            d["route_tables"]["w/main"] =
                json!({ "routes": [{ "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] });
            d["security_groups"]["far"] = json!({ "vpc": "w", "ingress": [everything()] });
            d["instances"]["far"] = json!({ "subnet": "far", "security_groups": ["far"] });
        };
        let known = with(setup);
        assert_eq!(asked(&known, from, to, tcp(443)).reachable, Some(true), "{from} to {to}");
        let net = with(|d| {
            setup(d);
            mark(d, kind, name);
        });
        let told = asked(&net, from, to, tcp(443));
        assert_eq!(told.reachable, if depends { None } else { Some(true) }, "{kind}.{name}: {from} to {to}");
        let expected = if depends { vec![name.to_owned()] } else { Vec::new() };
        assert_eq!(depends_on(&net, &told), expected, "{kind}.{name}: {from} to {to}");
    }
}

#[test]
fn what_is_known_of_filters_decides_and_only_the_rest_is_unknown() {
    let mut net = with(|d| {
        d["security_groups"]["half"] =
            json!({ "vpc": "v", "ingress": [tcp_of(443, "0.0.0.0/0")], "not_modelled": "more" });
        d["instances"]["db"]["security_groups"] = json!(["half"]);
    });
    assert_eq!(asked(&net, "web", "db", tcp(443)).reachable, Some(true), "a known rule allows it");
    let rest = asked(&net, "web", "db", tcp(80));
    assert_eq!((rest.reachable, depends_on(&net, &rest)), (None, vec!["half".to_owned()]));
    assert_eq!(
        asked(&net, "web", "db", TrafficQuestion::All).reachable,
        None,
        "some pass, and of the rest nobody knows"
    );
    net.send("web", &packet(WEB, DB, syn(40_000, 443))).arrives_at("db");
    net.send("web", &packet(WEB, DB, syn(40_000, 80))).dies_of("not-modelled");
    // What denies it surely makes it a no, before or behind the unknown.
    for subnet in ["public", "private"] {
        let denied = with(|d| {
            d["security_groups"]["half"] = json!({ "vpc": "v", "not_modelled": "all" });
            d["instances"]["db"]["security_groups"] = json!(["half"]);
            d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [], "egress": [] } });
            d["subnets"][subnet]["network_acl"] = json!("acl");
        });
        let told = asked(&denied, "web", "db", tcp(80));
        assert_eq!(told.reachable, Some(false), "{subnet}");
        assert!(told.blockers.iter().all(|blocker| matches!(blocker.reason, DropReason::NetworkAcl { .. })));
    }
    let listed = with(|d| {
        d["managed_prefix_lists"] =
            json!({ "list": { "address_family": "IPv4", "max_entries": 1, "not_modelled": "AWS knows" } });
        d["security_groups"]["by-list"] = json!({ "vpc": "v", "ingress": [
            { "protocol": "tcp", "from_port": 443, "to_port": 443, "prefix_lists": ["list"] }, tcp_of(80, "0.0.0.0/0")] });
        d["instances"]["db"]["security_groups"] = json!(["by-list"]);
    });
    assert_eq!(asked(&listed, "web", "db", tcp(443)).reachable, None);
    assert_eq!(asked(&listed, "web", "db", tcp(80)).reachable, Some(true));
}

#[test]
fn an_address_that_somebody_unknown_may_have_is_not_nobodys() {
    let mut net = with(|d| mark(d, "instances", "db"));
    net.send("web", &packet(WEB, "10.0.2.77", syn(1, 2))).dies_of("not-modelled");
    let mut known = with(|_| {});
    known.send("web", &packet(WEB, "10.0.2.77", syn(1, 2))).dies_of("no-such-address");
    // One that has no public address as far as anybody knows.
    let net = with(|d| mark(d, "instances", "db"));
    assert_eq!(asked(&net, "client", "db", tcp(443)).reachable, None);
    assert_eq!(asked(&with(|_| {}), "client", "db", tcp(443)).reachable, Some(false));
}

#[test]
fn what_is_not_known_of_a_transit_gateway_is_unknown_behind_it() {
    for (kind, name) in [
        ("transit_gateways", "hub"),
        ("transit_gateway_vpc_attachments", "a"),
        ("transit_gateway_vpc_attachments", "b"),
        ("transit_gateway_route_tables", "hub/default"),
    ] {
        let net = with_hub(|d| mark(d, kind, name));
        let told = asked(&net, "a-one", "b-one", tcp(443));
        assert_eq!((told.reachable, depends_on(&net, &told)), (None, vec![name.to_owned()]), "{kind}.{name}");
    }
    let net = with_hub(|_| {});
    assert_eq!(asked(&net, "a-one", "b-one", tcp(443)).reachable, Some(true));
}
