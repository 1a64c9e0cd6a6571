//! Through each gateway: what does the receiver see, and what does the asker see of the reply?

use crate::networks::{EGRESS_ONLY, ENDPOINTS, NAT, PEERING, PRIVATE, ask, denials, edge, transit};

/// The document, who asks whom in which family, and what the receiver sees by which gateways, then what the asker sees of
/// the reply and by which.
type Passing<'a> = (&'a str, &'a str, &'a str, Option<u8>, [&'a str; 4]);

/// `ADDRESS PORT → ADDRESS PORT` as the receiver sees it.
fn seen(leg: &vpclab_api::Leg) -> String {
    let Some(observed) = &leg.observed else { return "nobody".to_owned() };
    let end =
        |end: &vpclab_api::ObservedEnd| format!("{} {}", end.address, end.port.as_deref().unwrap_or("-"));
    format!("{} → {}", end(&observed.source), end(&observed.destination))
}

/// The components of a way that are no interface, filter or route table.
fn gateways(leg: &vpclab_api::Leg) -> String {
    let known = ["network_interface", "source_dest_check", "security_group", "network_acl", "route_table"];
    let steps = leg.steps.iter().filter(|step| !known.contains(&step.component.as_str()));
    steps.map(|step| format!("{} {}", step.component, step.resource)).collect::<Vec<_>>().join(", ")
}

#[test]
fn through_each_gateway_both_ends_see_what_they_should_and_the_reply_takes_its_way_back() {
    let ways = transit(
        "[at-v, at-w]",
        "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}, {destination_cidr_block: '2001:db8:2::/56', attachment: at-w}]",
    );
    let boxed =
        edge("network_interface: box", ", public_ip: 203.0.113.30, associate_public_ip_address: true");
    let cases: Vec<Passing<'_>> = vec![
        (
            NAT,
            "a",
            "h:443",
            Some(4),
            [
                "203.0.113.9 1024-65535 → 198.51.100.7 443",
                "nat_gateway nat, internet_gateway igw, internet h",
                "198.51.100.7 443 → 10.0.1.4 32768-60999",
                "internet_gateway igw, nat_gateway nat",
            ],
        ),
        (
            NAT,
            "a",
            "[64:ff9b::c633:6407]:443",
            None,
            [
                "203.0.113.9 1024-65535 → 198.51.100.7 443",
                "nat_gateway nat, internet_gateway igw, internet h",
                "64:ff9b::c633:6407 443 → 2001:db8:1:1::a 32768-60999",
                "internet_gateway igw, nat_gateway nat",
            ],
        ),
        (
            PEERING,
            "b",
            "a:443",
            Some(4),
            [
                "10.1.0.10 32768-60999 → 10.0.0.10 443",
                "vpc_peering_connection p",
                "10.0.0.10 443 → 10.1.0.10 32768-60999",
                "vpc_peering_connection p",
            ],
        ),
        (
            PEERING,
            "b",
            "a:443",
            Some(6),
            [
                "2001:db8:2:1::b 32768-60999 → 2001:db8:1:1::a 443",
                "vpc_peering_connection p",
                "2001:db8:1:1::a 443 → 2001:db8:2:1::b 32768-60999",
                "vpc_peering_connection p",
            ],
        ),
        (
            &ways,
            "a",
            "b:443",
            Some(4),
            [
                "10.0.0.10 32768-60999 → 10.1.0.10 443",
                "transit_gateway_route_table table, transit_gateway hub",
                "10.1.0.10 443 → 10.0.0.10 32768-60999",
                "transit_gateway_route_table table, transit_gateway hub",
            ],
        ),
        (
            &ways,
            "a",
            "b:443",
            Some(6),
            [
                "2001:db8:1:1::a 32768-60999 → 2001:db8:2:1::b 443",
                "transit_gateway_route_table table, transit_gateway hub",
                "2001:db8:2:1::b 443 → 2001:db8:1:1::a 32768-60999",
                "transit_gateway_route_table table, transit_gateway hub",
            ],
        ),
        (
            PRIVATE,
            "a",
            "desk:443",
            None,
            [
                "10.0.0.10 32768-60999 → 192.168.0.7 443",
                "vpn_gateway vgw, vpn_connection vpn, customer_host desk",
                "192.168.0.7 443 → 10.0.0.10 32768-60999",
                "customer_network office, vpn_connection vpn, vpn_gateway vgw",
            ],
        ),
        (
            PRIVATE,
            "desk",
            "a:443",
            None,
            [
                "192.168.0.7 32768-60999 → 10.0.0.10 443",
                "customer_network office, vpn_connection vpn, vpn_gateway vgw",
                "10.0.0.10 443 → 192.168.0.7 32768-60999",
                "vpn_gateway vgw, vpn_connection vpn, customer_host desk",
            ],
        ),
        (
            EGRESS_ONLY,
            "a",
            "h:443",
            None,
            [
                "2001:db8:1:1::a 32768-60999 → 2001:db8:ffff::7 443",
                "egress_only_internet_gateway eigw, internet h",
                "2001:db8:ffff::7 443 → 2001:db8:1:1::a 32768-60999",
                "egress_only_internet_gateway eigw",
            ],
        ),
        (
            &boxed,
            "h",
            "web:443",
            None,
            [
                "198.51.100.7 32768-60999 → 10.0.1.4 443",
                "internet_gateway igw, guest box",
                "203.0.113.10 443 → 198.51.100.7 32768-60999",
                "guest box, internet_gateway igw, internet h",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "com.amazonaws.us-east-1.s3:443",
            Some(4),
            [
                "10.0.0.10 32768-60999 → 52.216.10.20 443",
                "vpc_endpoint s3, service com.amazonaws.us-east-1.s3",
                "52.216.10.20 443 → 10.0.0.10 32768-60999",
                "vpc_endpoint s3",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "com.amazonaws.us-east-1.s3:443",
            Some(6),
            [
                "2001:db8:1:1::a 32768-60999 → 2600:1fa0:4000::5 443",
                "vpc_endpoint s3, service com.amazonaws.us-east-1.s3",
                "2600:1fa0:4000::5 443 → 2001:db8:1:1::a 32768-60999",
                "vpc_endpoint s3",
            ],
        ),
        (
            ENDPOINTS,
            "a",
            "vpce/sqs/s:443",
            Some(4),
            [
                "100.64.0.1 1024-65535 → 10.9.0.9 443",
                "vpc_endpoint sqs, service com.amazonaws.us-east-1.sqs",
                "10.0.0.4 443 → 10.0.0.10 32768-60999",
                "vpc_endpoint sqs",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (document, from, to, family, expected) in cases {
        let answer = ask(document, from, to, family);
        let back = answer.back.as_ref();
        let told = [
            seen(&answer.forward),
            gateways(&answer.forward),
            back.map(seen).unwrap_or_default(),
            back.map(gateways).unwrap_or_default(),
        ];
        if answer.reachable != Some(true) || told != expected {
            let why = denials(&answer);
            wrong.push(format!(
                "{from} → {to}: {:?} {why:?}\n  {told:#?}\n  and not {expected:#?}",
                answer.reachable
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
