//! Area TGW: how do transit gateways join VPCs?

use serde_json::json;
use vpclab_tests::packet::{Packet, ping, syn};

use crate::transit_networks::{hub_accepted, hub_refused, v4, v6, with_hub};

#[test]
fn by_default_every_attached_vpc_reaches_every_other() {
    // proves: TGW-03
    let mut net = with_hub(|_| {});
    for (from, to) in [("a-one", "b-one"), ("b-one", "c-two"), ("c-two", "a-two")] {
        assert!(net.converses(from, &Packet::new(&v4(from), &v4(to), syn(40_000, 443))), "{from} {to}");
        assert!(net.converses(from, &Packet::new(&v6(from), &v6(to), ping(7))), "{from} {to}");
    }
}

#[test]
fn a_vpc_is_attached_to_a_gateway_once() {
    // proves: TGW-34
    let attach = |gateway: &str| json!({ "transit_gateway": gateway, "vpc": "a", "subnets": ["a-one"] });
    hub_refused("transit_gateway_vpc_attachments.again", "DuplicateTransitGatewayAttachment", |d| {
        d["transit_gateway_vpc_attachments"]["again"] = attach("hub");
    });
    hub_accepted(|d| {
        d["transit_gateways"]["other"] = json!({});
        d["transit_gateway_vpc_attachments"]["again"] = attach("other");
    });
}
