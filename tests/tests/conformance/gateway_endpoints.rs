//! Area EPG: which packets take a gateway endpoint, and which come back by it?

use serde_json::{Value, json};
use vpclab_api::{ExplainRequest, Explained};
use vpclab_engine::explain::{End, TrafficQuestion, ask};
use vpclab_engine::flow::Usage;
use vpclab_engine::plan::Verdict;
use vpclab_engine::{Outcome, Port};
use vpclab_model::RouteTarget;
use vpclab_tests::frames;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Body, Flags, ping, syn, tcp, udp};
use vpclab_wire::Protocol;

use crate::networks::{
    DB, DB_V6, PEER, WEB, WEB_PUBLIC, WEB_V6, all_of, document, entry, everything, packet, refused,
};

const S3: &str = "com.amazonaws.us-east-1.s3";
const DYNAMODB: &str = "com.amazonaws.us-east-1.dynamodb";
const S3_V6_LIST: &str = "com.amazonaws.us-east-1.ipv6.s3";
const S3_ADDRESS: &str = "52.216.10.20";
const S3_V6: &str = "2600:1fa0:4000::5";
const DYNAMODB_ADDRESS: &str = "52.94.2.3";
const DYNAMODB_V6: &str = "2600:1f00:ddb::5";

/// The network with S3 and DynamoDB, and an endpoint to S3 in the tables of both subnets.
fn document_with_endpoint() -> Value {
    let mut d = document();
    d["services"] = json!({
        S3: { "address": S3_ADDRESS, "ipv6_address": S3_V6, "cidr_blocks": ["52.216.0.0/15"],
            "ipv6_cidr_blocks": ["2600:1fa0:4000::/40"] },
        DYNAMODB: { "address": DYNAMODB_ADDRESS },
    });
    d["vpc_endpoints"] = json!({ "s3": { "vpc": "v", "service_name": S3, "route_tables": ["main", "public"],
        "ip_address_type": "dualstack" } });
    d
}

fn net_with(change: impl FnOnce(&mut Value)) -> Net {
    let mut d = document_with_endpoint();
    change(&mut d);
    Net::new(d)
}

/// The targets of the routes that a table has for a destination, with whether each is in use.
fn routes(net: &Net, table: &str, destination: &str) -> Vec<(String, bool)> {
    let table = net.topology.find_route_table(table).unwrap().1;
    let meant = table.routes.iter().filter(|route| route.destination.to_string() == destination);
    meant.map(|route| (route.target.to_string(), !route.overridden)).collect()
}

#[test]
fn an_association_adds_the_services_prefix_list_and_its_end_takes_it_away() {
    // proves: EPG-01
    let mut net = net_with(|_| {});
    for table in ["v/main", "public"] {
        assert_eq!(routes(&net, table, "52.216.0.0/15"), [("s3".to_owned(), true)], "{table}");
        assert_eq!(routes(&net, table, "2600:1fa0:4000::/40"), [("s3".to_owned(), true)], "{table}");
    }
    net.send("db", &packet(DB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    net.change(|d| d["vpc_endpoints"]["s3"]["route_tables"] = json!(["public"]));
    assert_eq!(routes(&net, "v/main", "52.216.0.0/15"), []);
    net.send("db", &packet(DB, S3_ADDRESS, syn(2, 443))).dies_of("no-route");
    net.change(|d| d["vpc_endpoints"] = json!({}));
    assert_eq!(routes(&net, "public", "52.216.0.0/15"), []);
    // Nobody writes such a route (RT-18, ERR-13).
    refused("route_tables.public.routes[2].vpc_endpoint", "RouteNotSupported", |d| {
        *d = document_with_endpoint();
        let route = json!({ "cidr_block": "192.0.2.0/24", "vpc_endpoint": "s3" });
        d["route_tables"]["public"]["routes"].as_array_mut().unwrap().push(route);
    });
    refused("route_tables.public.routes", "RouteAlreadyExists", |d| {
        *d = document_with_endpoint();
        let route = json!({ "destination_prefix_list": S3, "gateway": "igw" });
        d["route_tables"]["public"]["routes"].as_array_mut().unwrap().push(route);
    });
}

#[test]
fn a_route_leads_to_an_endpoint_of_a_gateway_load_balancer_and_to_no_other() {
    // proves: RT-18, RT-45, RT-54, ERR-13
    let with_target = |target: &'static str, destination: Value| {
        move |d: &mut Value| {
            *d = document_with_endpoint();
            d["vpc_endpoints"]["interface"] = json!({ "vpc": "v", "vpc_endpoint_type": "Interface",
                "service_name": "com.amazonaws.us-east-1.ssm", "subnets": ["private"] });
            d["vpc_endpoints"]["appliance"] = json!({ "vpc": "v", "vpc_endpoint_type": "GatewayLoadBalancer",
                "service_name": "com.amazonaws.vpce.us-east-1.vpce-svc-1", "subnets": ["private"] });
            let mut route = json!({ "vpc_endpoint": target });
            route.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
            d["route_tables"]["public"]["routes"].as_array_mut().unwrap().push(route);
        }
    };
    let block = json!({ "cidr_block": "192.0.2.0/24" });
    let place = "route_tables.public.routes[2].vpc_endpoint";
    refused(place, "RouteNotSupported", with_target("interface", block.clone()));
    refused(place, "RouteNotSupported", with_target("s3", block.clone()));
    // One that routes lead to cannot go before they do.
    refused(place, "InvalidVpcEndpointId.NotFound", with_target("gone", block.clone()));
    refused(
        place,
        "InvalidParameterValue",
        with_target("appliance", json!({ "destination_prefix_list": S3 })),
    );
    let mut d = json!({});
    with_target("appliance", block)(&mut d);
    assert_eq!(mistakes(&d), [""; 0]);
    // What it lets pass is not modelled.
    let mut net = Net::new(d);
    net.send("web", &packet(WEB, "192.0.2.7", syn(1, 2))).dies_of("not-modelled");
    let from = net.fabric().enis.find("web").unwrap();
    let to = End::Address("192.0.2.7".parse().unwrap());
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(443), source_port: None };
    let told = ask(net.fabric(), End::Interface(from, None), to, None, traffic).unwrap();
    assert_eq!((told.reachable, told.unmodelled.len()), (None, 1));
}

#[test]
fn packets_to_the_services_ranges_here_take_it_and_those_to_another_region_do_not() {
    // proves: EPG-02
    let mut net = net_with(|d| {
        d["services"]["com.amazonaws.eu-west-1.s3"] = json!({ "address": "52.218.1.1" });
    });
    let seen = net.send("web", &packet(WEB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    assert_eq!(seen.src.to_string(), WEB);
    let seen =
        net.send("web", &packet(WEB, "52.218.1.1", syn(1, 443))).arrives_at("com.amazonaws.eu-west-1.s3");
    assert_eq!(seen.src.to_string(), WEB_PUBLIC, "by the internet gateway");
    refused("vpc_endpoints.s3.service_name", "InvalidServiceName", |d| {
        *d = document_with_endpoint();
        d["vpc_endpoints"]["s3"]["service_name"] = json!("com.amazonaws.eu-west-1.s3");
    });
    refused("vpc_endpoints.s3.service_name", "InvalidServiceName", |d| {
        *d = document_with_endpoint();
        d["vpc_endpoints"]["s3"]["service_name"] = json!("com.amazonaws.us-east-1.ssm");
    });
}

#[test]
fn an_equal_or_more_specific_route_of_the_users_comes_first() {
    // proves: EPG-03
    for (block, is_more_specific) in [("52.216.0.0/15", false), ("52.216.10.0/24", true)] {
        let mut net = net_with(|d| {
            let route = json!({ "cidr_block": block, "gateway": "igw" });
            d["route_tables"]["public"]["routes"].as_array_mut().unwrap().push(route);
        });
        let seen = net.send("web", &packet(WEB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
        assert_eq!(seen.src.to_string(), WEB_PUBLIC, "{block}");
        let listed = routes(&net, "public", "52.216.0.0/15");
        assert!(listed.contains(&("s3".to_owned(), is_more_specific)), "{listed:?}");
    }
}

#[test]
fn a_table_has_one_endpoint_for_a_service_and_other_tables_may_have_another() {
    // proves: EPG-04
    let with_second = |tables: Value| {
        move |d: &mut Value| {
            *d = document_with_endpoint();
            d["vpc_endpoints"]["s3"]["route_tables"] = json!(["public"]);
            d["vpc_endpoints"]["s3-again"] =
                json!({ "vpc": "v", "service_name": S3, "route_tables": tables });
        }
    };
    refused("vpc_endpoints.s3-again.route_tables", "RouteAlreadyExists", with_second(json!(["public"])));
    let mut d = json!({});
    with_second(json!(["main"]))(&mut d);
    let mut net = Net::new(d);
    assert_eq!(routes(&net, "v/main", "52.216.0.0/15"), [("s3-again".to_owned(), true)]);
    net.send("web", &packet(WEB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    net.send("db", &packet(DB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
}

#[test]
fn without_any_public_address_the_service_is_reached_and_sees_the_private_one() {
    // proves: EPG-05
    let mut net = net_with(|d| {
        d["internet_gateways"] = json!({});
        d["route_tables"]["public"]["routes"] = json!([]);
        let web = d["instances"]["web"].as_object_mut().unwrap();
        web.remove("public_ip");
        web.remove("associate_public_ip_address");
    });
    net.change(|d| {
        d["services"][DYNAMODB]["ipv6_address"] = json!(DYNAMODB_V6);
        d["vpc_endpoints"]["dynamodb"] = json!({ "vpc": "v", "service_name": DYNAMODB,
            "route_tables": ["main", "public"], "ip_address_type": "dualstack" });
    });
    for (name, src, dst, service) in [
        ("web", WEB, S3_ADDRESS, S3),
        ("db", DB, S3_ADDRESS, S3),
        ("web", WEB_V6, S3_V6, S3),
        ("db", DB_V6, S3_V6, S3),
        ("db", DB, DYNAMODB_ADDRESS, DYNAMODB),
        ("db", DB_V6, DYNAMODB_V6, DYNAMODB),
    ] {
        for body in [syn(40_000, 443), ping(7)] {
            let seen = net.send(name, &packet(src, dst, body)).arrives_at(service);
            assert_eq!((seen.src.to_string(), seen.dst.to_string()), (src.to_owned(), dst.to_owned()));
            assert!(net.converses(name, &packet(src, dst, body)), "{name} {body:?}");
        }
    }
    // By nothing else: without the endpoint there is no way.
    net.change(|d| d["vpc_endpoints"] = json!({}));
    for (name, src, dst) in [("web", WEB, S3_ADDRESS), ("web", WEB_V6, S3_V6), ("db", DB, DYNAMODB_ADDRESS)] {
        net.send(name, &packet(src, dst, syn(40_000, 443))).dies_of("no-route");
    }
}

#[test]
fn clients_of_two_vpcs_with_one_address_and_port_are_both_served_and_seen_by_that_address() {
    // proves: EPG-05
    const GUEST: &str = "10.7.1.10";
    const GUEST_V6: &str = "fd00:7:0:1::10";
    let mut net = net_with(|d| {
        // Private addresses of both families, as VPCs may have in common.
        for vpc in ["one", "other"] {
            d["vpcs"][vpc] = json!({ "cidr_block": "10.7.0.0/16", "ipv6_cidr_block": "fd00:7::/56" });
            d["subnets"][vpc] =
                json!({ "vpc": vpc, "cidr_block": "10.7.1.0/24", "ipv6_cidr_block": "fd00:7:0:1::/64" });
            d["security_groups"][vpc] = json!({ "vpc": vpc, "ingress": [everything()] });
            d["instances"][vpc] = json!({ "subnet": vpc, "private_ip": GUEST, "ipv6_addresses": [GUEST_V6],
                "security_groups": [vpc] });
            d["vpc_endpoints"][vpc] = json!({ "vpc": vpc, "service_name": S3, "ip_address_type": "dualstack",
                "route_tables": [format!("{vpc}/main")] });
        }
    });
    for (src, dst) in [(GUEST, S3_ADDRESS), (GUEST_V6, S3_V6)] {
        let ask = |net: &mut Net, name: &str, body: Body| {
            let seen = net.send(name, &packet(src, dst, body)).arrives_at(S3);
            assert_eq!((seen.src.to_string(), seen.dst.to_string()), (src.to_owned(), dst.to_owned()));
            seen.ports.0
        };
        for (body, port) in [(syn(40_000, 443), 40_000), (ping(7), 7)] {
            let [first, second] = ["one", "other"].map(|name| ask(&mut net, name, body));
            assert_eq!(first, port, "the first keeps its own");
            assert_ne!(second, port);
            // Answers to each, whoever was first, and what the clients send next.
            for (seen_as, name) in [(second, "other"), (first, "one"), (second, "other")] {
                let (answer, next, ports) = match body {
                    Body::Echo { .. } => (Body::Echo { id: seen_as, reply: true }, body, (7, 7)),
                    _ => (tcp(443, seen_as, Flags::SynAck), tcp(port, 443, Flags::Ack), (443, port)),
                };
                let got = net.send(S3, &packet(dst, src, answer)).arrives_at(name);
                assert_eq!((got.dst.to_string(), got.ports), (src.to_owned(), ports));
                assert_eq!(ask(&mut net, name, next), seen_as);
            }
        }
        // Where the ports differ both keep their own.
        assert_eq!(ask(&mut net, "other", syn(40_001, 443)), 40_001);
    }
}

#[test]
fn a_group_allows_the_prefix_list_and_an_acl_needs_blocks() {
    // proves: EPG-06
    let mut net = net_with(|d| {
        d["security_groups"]["narrow"] = json!({ "vpc": "v", "egress": [
            { "protocol": "tcp", "from_port": 443, "to_port": 443, "prefix_lists": [S3] }] });
        d["instances"]["db"]["security_groups"] = json!(["narrow"]);
    });
    assert!(net.converses("db", &packet(DB, S3_ADDRESS, syn(1, 443))));
    net.send("db", &packet(DB, S3_ADDRESS, syn(1, 80))).dies_of("security-group");
    net.send("db", &packet(DB, WEB, syn(1, 443))).dies_of("security-group");
    net.send("db", &packet(DB_V6, S3_V6, syn(1, 443))).dies_of("security-group");
    net.change(|d| {
        d["security_groups"]["narrow"]["egress"][0]["prefix_lists"] = json!([S3, S3_V6_LIST]);
    });
    net.send("db", &packet(DB_V6, S3_V6, syn(1, 443))).arrives_at(S3);
    net.change(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [entry(100, "allow", "52.216.0.0/15")],
            "egress": [entry(100, "allow", "52.216.0.0/15")] } });
        d["subnets"]["private"]["network_acl"] = json!("acl");
    });
    assert!(net.converses("db", &packet(DB, S3_ADDRESS, syn(2, 443))));
    net.change(|d| d["network_acls"]["acl"]["ingress"] = json!([]));
    assert!(!net.converses("db", &packet(DB, S3_ADDRESS, syn(3, 443))), "the answer enters the subnet");
    let mut d = document_with_endpoint();
    d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [
        { "rule_no": 1, "action": "allow", "protocol": "-1", "prefix_list": S3 }] } });
    assert!(mistakes(&d).iter().any(|mistake| mistake.contains("UnknownParameter")), "{:?}", mistakes(&d));
}

#[test]
fn it_takes_tcp_and_echo_requests_and_gives_back_tcp_and_echo_replies() {
    // proves: EPG-07
    let mut net = net_with(|_| {});
    for (name, src, dst, is_public) in [("db", DB, S3_ADDRESS, false), ("db", DB_V6, S3_V6, true)] {
        net.send(name, &packet(src, dst, udp(1, 53))).dies_of("endpoint-protocol");
        net.send(name, &packet(src, dst, Body::Other(47))).dies_of("endpoint-protocol");
        net.send(name, &packet(src, dst, Body::Echo { id: 1, reply: true })).dies_of("endpoint-protocol");
        assert!(net.converses(name, &packet(src, dst, ping(9))), "{name}");
        // Back again only what belongs to such a flow; a public address is reached by the internet.
        for body in [udp(53, 1), ping(9), tcp(443, 50_000, Flags::SynAck)] {
            if !is_public {
                net.send(S3, &packet(dst, src, body)).dies_of("endpoint-unsolicited");
            }
        }
        let outcome = net.send(name, &packet(src, dst, udp(1, 53))).outcome;
        let Outcome::Dropped(reason) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason.code(), "VPCE_GATEWAY_PROTOCOL_RESTRICTION");
    }
    // A source that has left the prefix list does not come back.
    let request = packet(DB, S3_ADDRESS, syn(40_000, 443));
    net.send("db", &request).arrives_at(S3);
    net.change(|d| d["services"][S3]["cidr_blocks"] = json!(["52.217.0.0/16"]));
    let fate = net.send(S3, &packet(S3_ADDRESS, DB, tcp(443, 40_000, Flags::SynAck)));
    let Outcome::Dropped(reason) = fate.outcome else { panic!("{:?}", fate.outcome) };
    assert_eq!(reason.code(), "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION");
}

#[test]
fn a_route_that_comes_or_goes_cuts_what_went_the_other_way() {
    // proves: EPG-08
    let mut net = net_with(|d| d["vpc_endpoints"]["s3"]["route_tables"] = json!(["main"]));
    let seen = net.send("web", &packet(WEB, S3_ADDRESS, syn(40_000, 443))).arrives_at(S3);
    assert_eq!(seen.src.to_string(), WEB_PUBLIC);
    net.change(|d| d["vpc_endpoints"]["s3"]["route_tables"] = json!(["main", "public"]));
    // The service sees somebody else in the middle of nothing.
    let seen = net.send("web", &packet(WEB, S3_ADDRESS, tcp(40_000, 443, Flags::Ack))).arrives_at(S3);
    assert_eq!(seen.src.to_string(), WEB);
    assert!(net.converses("web", &packet(WEB, S3_ADDRESS, syn(40_001, 443))), "who connects anew is served");
    net.change(|d| d["vpc_endpoints"]["s3"]["route_tables"] = json!(["main"]));
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_001, Flags::Ack))).dies_of("endpoint-no-flow");
    let seen = net.send("web", &packet(WEB, S3_ADDRESS, tcp(40_001, 443, Flags::Ack))).arrives_at(S3);
    assert_eq!(seen.src.to_string(), WEB_PUBLIC);
}

#[test]
fn peers_cannot_use_it() {
    // proves: EPG-09, PCX-24
    const GUEST: &str = "10.9.0.10";
    let mut net = net_with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.9.0.0/16" });
        d["subnets"]["away"] = json!({ "vpc": "w", "cidr_block": "10.9.0.0/24" });
        d["security_groups"]["away"] = json!({ "vpc": "w", "ingress": [everything()] });
        d["instances"]["guest"] =
            json!({ "subnet": "away", "private_ip": GUEST, "security_groups": ["away"] });
        d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
        d["route_tables"]["w/main"] = json!({ "routes": [
            { "cidr_block": "52.216.0.0/15", "vpc_peering_connection": "pcx" },
            { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] });
        // An instance that would hand the peer's packets on.
        d["instances"]["web"]["source_dest_check"] = json!(false);
    });
    net.send("guest", &packet(GUEST, S3_ADDRESS, syn(1, 443))).dies_of("peering-foreign-destination");
    let fate = net.send("web", &packet(GUEST, S3_ADDRESS, syn(1, 443)));
    fate.dies_of("endpoint-foreign-client");
    net.send("web", &packet(WEB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
}

#[test]
fn the_address_type_chooses_the_lists_and_asks_for_subnets_of_its_kind() {
    // proves: EPG-11
    for (kind, v4, v6) in [("ipv4", true, false), ("dualstack", true, true)] {
        let net = net_with(|d| d["vpc_endpoints"]["s3"]["ip_address_type"] = json!(kind));
        assert_eq!(routes(&net, "public", "52.216.0.0/15").is_empty(), !v4, "{kind}");
        assert_eq!(routes(&net, "public", "2600:1fa0:4000::/40").is_empty(), !v6, "{kind}");
    }
    let typed = |kind: &'static str, table: &'static str| {
        move |d: &mut Value| {
            *d = document_with_endpoint();
            d["subnets"]["native"] = json!({ "vpc": "v", "ipv6_native": true,
                "ipv6_cidr_block": "2001:db8:1:9::/64", "route_table": "native" });
            d["subnets"]["old"] = json!({ "vpc": "v", "cidr_block": "10.0.8.0/24", "route_table": "old" });
            d["route_tables"]["native"] = json!({ "vpc": "v" });
            d["route_tables"]["old"] = json!({ "vpc": "v" });
            d["vpc_endpoints"]["s3"] = json!({ "vpc": "v", "service_name": S3, "route_tables": [table],
                "ip_address_type": kind });
        }
    };
    let place = "vpc_endpoints.s3.ip_address_type";
    refused(place, "InvalidParameter", typed("ipv6", "public"));
    refused(place, "InvalidParameter", typed("dualstack", "native"));
    refused(place, "InvalidParameter", typed("dualstack", "old"));
    for (kind, table) in [("ipv6", "native"), ("dualstack", "public"), ("ipv4", "old")] {
        let mut d = json!({});
        typed(kind, table)(&mut d);
        assert_eq!(mistakes(&d), [""; 0], "{kind} in {table}");
    }
}

#[test]
fn ipv6_does_not_take_an_endpoint_for_ipv4() {
    // proves: EPG-16
    let mut net = net_with(|d| d["vpc_endpoints"]["s3"]["ip_address_type"] = json!("ipv4"));
    net.send("db", &packet(DB_V6, S3_V6, syn(1, 443))).dies_of("no-route");
    let frame =
        frames::frame(&packet(WEB_V6, S3_V6, syn(1, 443)), net.mac("web"), net.router_mac("web"), b"");
    let mut steps = vpclab_engine::Recorder::default();
    let port: Port = net.port("web");
    vpclab_engine::trace(net.fabric(), net.engine().flows(), net.timestamp(), port, &frame, &mut steps);
    let gateway = |step: &vpclab_engine::Step| matches!(step, vpclab_engine::Step::InternetGateway { .. });
    assert!(steps.steps.iter().any(gateway), "it follows the IPv6 route there is");
    net.send("web", &packet(WEB_V6, S3_V6, syn(1, 443))).arrives_at(S3);
}

#[test]
fn larger_packets_than_the_setting_says_die_in_silence() {
    // proves: EPG-17
    for limit in [8500_u16, 1500] {
        let mut net = net_with(|d| d["settings"] = json!({ "gateway_endpoint_mtu": limit }));
        let hop = net.router_mac("db");
        let fitting = vec![0; usize::from(limit) - 28];
        let larger = vec![0; usize::from(limit) - 27];
        net.send_to("db", hop, &packet(DB, S3_ADDRESS, ping(1)), &fitting).arrives_at(S3);
        net.send_to("db", hop, &packet(DB, S3_ADDRESS, ping(1)), &larger).dies_of("mtu-exceeded");
        let frame = frames::frame(&packet(DB, S3_ADDRESS, syn(1, 443)), net.mac("db"), hop, b"");
        let Verdict::Forward(forward) = net.plan("db", &frame).verdict else { panic!("it is delivered") };
        assert_eq!(forward.rewrite.max_segment_size, Some(limit - 40));
    }
}

/// How many entries an instance's interfaces have.
fn usage(net: &Net, instance: &str) -> Usage {
    let instance = net.fabric().instances.find(instance).unwrap();
    net.engine().flows().usage(net.fabric().instances.slot(instance))
}

#[test]
fn flows_to_dynamodb_are_tracked_and_count_twice_and_those_to_s3_are_neither() {
    // proves: CT-08
    let mut net = net_with(|d| {
        d["vpc_endpoints"]["dynamodb"] =
            json!({ "vpc": "v", "service_name": DYNAMODB, "route_tables": ["main"] });
        d["settings"] = json!({ "connection_limit_per_instance": 3 });
    });
    net.send("db", &packet(DB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    assert_eq!(usage(&net, "db").tracked, 0, "rules for everybody both ways");
    net.send("db", &packet(DB, DYNAMODB_ADDRESS, syn(1, 443))).arrives_at(DYNAMODB);
    assert_eq!(usage(&net, "db").tracked, 2);
    net.send("db", &packet(DB, DYNAMODB_ADDRESS, syn(2, 443))).dies_of("conntrack-allowance-exceeded");
    // Tracked: it survives its rule.
    net.change(|d| d["security_groups"]["open"]["ingress"] = json!([all_of("192.0.2.1/32")]));
    net.send(DYNAMODB, &packet(DYNAMODB_ADDRESS, DB, tcp(443, 1, Flags::SynAck))).arrives_at("db");
    net.send(S3, &packet(S3_ADDRESS, DB, tcp(443, 1, Flags::SynAck))).dies_of("security-group");
}

#[test]
fn an_endpoint_to_an_undeclared_service_has_an_empty_list_and_explanations_say_that_nothing_is_known_of_it() {
    let net = net_with(|d| {
        d["services"] = json!({});
        d["vpc_endpoints"]["s3"]["ip_address_type"] = json!("ipv4");
    });
    let list = &net.topology.find_managed_prefix_list(S3).unwrap().1;
    assert!(list.entries.is_empty());
    let table = net.topology.find_route_table("public").unwrap().1;
    assert!(table.routes.iter().all(|route| !matches!(route.target, RouteTarget::VpcEndpoint(_))));
    assert!(table.prefix_lists.iter().any(|list| list.as_str() == S3));
    let asked = |to: &str| {
        let request =
            ExplainRequest { from: "web".to_owned(), to: to.to_owned(), ..ExplainRequest::default() };
        match vpclab_check::explain(net.fabric(), &net.topology, &request).unwrap() {
            Explained::One(told) => *told,
            Explained::Many(_) => panic!("one pair of ends has one answer"),
        }
    };
    for to in ["com.amazonaws.us-east-1.s3:443", "s3:443"] {
        let told = asked(to);
        assert_eq!((told.reachable, told.unmodelled[0].resource.as_str()), (None, "s3"), "{to}");
    }
    let stranger = asked("52.216.10.20:443");
    assert!(stranger.assumed.iter().any(|assumed| assumed.resource == S3), "{:?}", stranger.assumed);
}

#[test]
fn an_address_of_the_ranges_that_no_host_has_is_nobodys() {
    let mut net = net_with(|_| {});
    net.send("db", &packet(DB, "52.216.0.1", syn(1, 443))).dies_of("no-such-service-address");
    net.send("peer", &packet(PEER, "52.217.0.1", syn(1, 443))).dies_of("no-such-service-address");
}

#[test]
fn an_endpoint_serves_families_that_its_service_has() {
    // proves: EPG-11
    for (blocks, family) in [("cidr_blocks", "ipv4"), ("ipv6_cidr_blocks", "dualstack")] {
        let mut d = document_with_endpoint();
        d["services"][S3][blocks] = json!([]);
        d["vpc_endpoints"]["s3"]["ip_address_type"] = json!(family);
        assert_eq!(mistakes(&d), ["vpc_endpoints.s3.ip_address_type: InvalidParameter"], "{blocks}");
    }
}

#[test]
fn an_endpoint_that_is_not_available_adds_no_routes() {
    // proves: EPG-01
    let ways = [(WEB, S3_ADDRESS), (WEB_V6, S3_V6)];
    let mut net = net_with(|_| {});
    for (source, destination) in ways {
        assert_eq!(
            net.send("web", &packet(source, destination, syn(1, 443))).arrives_at(S3).src.to_string(),
            source
        );
    }
    for state in ["pending", "deleting", "deleted", "failed"] {
        let mut net = net_with(|d| d["vpc_endpoints"]["s3"]["state"] = json!(state));
        assert!(routes(&net, "public", "52.216.0.0/15").is_empty(), "{state}");
        // There is still the internet, where there is a way to it.
        let seen = net.send("web", &packet(WEB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
        assert_eq!(seen.src.to_string(), WEB_PUBLIC, "{state}");
        net.send("web", &packet(WEB_V6, S3_V6, syn(1, 443))).arrives_at(S3);
        net.send("db", &packet(DB, S3_ADDRESS, syn(1, 443))).dies_of("no-route");
    }
}
