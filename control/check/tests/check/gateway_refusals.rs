//! Who is named, and how, when a gateway does not let a packet through?

use crate::networks::{EGRESS_ONLY, ENDPOINTS, NAT, PEERING, PRIVATE, ask, denials, edge, transit};

/// The document, who asks whom in which family, and what denies it.
type Refused<'a> = (String, &'a str, &'a str, Option<u8>, &'a [&'a str]);

#[test]
fn each_gateways_refusal_has_its_code_its_resource_and_its_sentence() {
    let both = "[at-v, at-w]";
    let peering_broken = PEERING.replace("auto_accept: true", "state: pending-acceptance");
    let cases: Vec<Refused<'_>> = vec![
        (
            NAT.to_owned(),
            "a",
            "h/esp",
            None,
            &["PROTOCOL_RESTRICTION forward nat: NAT gateway nat translates TCP, UDP and ICMP only"],
        ),
        (
            NAT.to_owned(),
            "h",
            "203.0.113.9:443",
            None,
            &["NGW_NO_MAPPING forward nat: NAT gateway nat has no flow that this belongs to"],
        ),
        (
            PEERING.to_owned(),
            "b",
            "10.0.0.220:443",
            None,
            &["NGW_REQUIRES_SOURCE_IN_VPC forward nat: NAT gateway nat serves only who is inside its VPC"],
        ),
        (
            PEERING.to_owned(),
            "b",
            "h:443",
            None,
            &[
                "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR forward p: VPC peering connection p leads into VPC v and no further, and the destination is not in it",
            ],
        ),
        (
            peering_broken,
            "b",
            "a:443",
            Some(4),
            &[
                "BAD_STATE_ROUTE forward w/main [0.0.0.0/0]: the route 0.0.0.0/0 of route table w/main is a blackhole",
            ],
        ),
        (
            transit(both, "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "c",
            "b:443",
            None,
            &[
                "TGW_ROUTE_AZ_RESTRICTION forward hub: transit gateway hub cannot be used from subnet far: attachment at-v has no subnet in us-east-1b",
            ],
        ),
        (
            transit("[at-w]", "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION forward at-v: attachment at-v is associated with no route table of transit gateway hub",
            ],
        ),
        (
            transit("[at-v]", "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION return at-w: attachment at-w is associated with no route table of transit gateway hub",
            ],
        ),
        (
            transit(both, "[]"),
            "a",
            "b:443",
            Some(4),
            &[
                "TGW_RTB_NO_ROUTE_TO_TGW_ATTACHMENT forward table: transit gateway route table table has no route to the destination",
            ],
        ),
        (
            transit(both, "[{destination_cidr_block: '2001:db8:2::/56', blackhole: true}]"),
            "a",
            "b:443",
            Some(6),
            &[
                "TGW_RTB_BAD_STATE_ROUTE forward table [2001:db8:2::/56]: the route 2001:db8:2::/56 of transit gateway route table table is a blackhole",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "b",
            "desk:443",
            None,
            &[
                "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS forward vgw: virtual private gateway vgw refuses a source that belongs to no interface of its VPC",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "desk",
            "10.0.0.99:443",
            None,
            &[
                "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS forward vgw: virtual private gateway vgw leads to interfaces of its VPC and no further, and the destination is none of them",
            ],
        ),
        (
            PRIVATE.to_owned(),
            "desk",
            "b:443",
            None,
            &[
                "NO_ROUTE_TO_DESTINATION forward office: customer network office has no route to the destination",
            ],
        ),
        (
            EGRESS_ONLY.to_owned(),
            "h",
            "a:443",
            None,
            &[
                "EGRESS_ONLY_INTERNET_GATEWAY_INGRESS forward eigw: egress-only internet gateway eigw lets in only what belongs to a flow opened from inside",
            ],
        ),
        (
            edge("network_interface: box", ""),
            "h",
            "web:443",
            None,
            &[
                "INGRESS_RTB_NO_PUBLIC_IP forward box: box, to which the gateway's route table leads, has no public address",
            ],
        ),
        (
            edge("gateway: igw", ", public_ip: 203.0.113.30, associate_public_ip_address: true"),
            "web",
            "h:443",
            None,
            &[
                "INGRESS_RTB_TRAFFIC_REDIRECTION forward igw: igw takes nothing directly from subnet web: its route table sends what is for the subnet to box, so the way out must lead there too",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "a",
            "com.amazonaws.us-east-1.s3:443/udp",
            Some(4),
            &[
                "VPCE_GATEWAY_PROTOCOL_RESTRICTION forward s3: VPC endpoint s3 forwards TCP and echo requests only, and TCP and echo replies back",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "a",
            "vpce/sqs/s:443/udp",
            Some(4),
            &[
                "PROTOCOL_RESTRICTION forward sqs: VPC endpoint sqs forwards only what service com.amazonaws.us-east-1.sqs offers",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "com.amazonaws.us-east-1.sqs",
            "a:443",
            Some(4),
            &[
                "VPCE_INTRA_VPC_TRAFFIC forward com.amazonaws.us-east-1.sqs: service com.amazonaws.us-east-1.sqs opens no connection into its clients' VPCs",
            ],
        ),
        (
            ENDPOINTS.to_owned(),
            "vpce/sqs/s",
            "a:443",
            Some(4),
            &["VPCE_INTRA_VPC_TRAFFIC forward sqs: VPC endpoint sqs opens no connection into its own VPC"],
        ),
        (
            ENDPOINTS.replace("[open], ip_address_type", "[open], state: pending, ip_address_type"),
            "a",
            "vpce/sqs/s:443",
            Some(4),
            &["BAD_STATE forward sqs: VPC endpoint sqs is not available"],
        ),
    ];
    let mut wrong = Vec::new();
    for (document, from, to, family, expected) in cases {
        let answer = ask(&document, from, to, family);
        let told = denials(&answer);
        if told != expected || answer.reachable != Some(false) {
            wrong
                .push(format!("{from} → {to}: {:?}\n  {told:#?}\n  and not {expected:#?}", answer.reachable));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
