//! Two regions and two accounts in one topology: what AWS refuses across them.

use serde_json::{Value, json};
use vpclab_model::DEFAULT_OWNER;

use crate::{check, lab, merge};

/// The lab with VPC `w` somewhere else, changed by `patch`.
fn elsewhere(home: &Value, patch: &Value) -> Value {
    let zone = home.get("region").and_then(Value::as_str).map(|region| format!("{region}a"));
    let mut lab = json!({
        "vpcs": {"w": home},
        "subnets": {"x": {"availability_zone": zone}},
        "internet_gateways": {"h": {"vpc": "w"}},
        "instances": {"j": {"subnet": "x"}},
    });
    merge(&mut lab, patch);
    lab
}

fn in_ireland(patch: &Value) -> Value {
    elsewhere(&json!({"region": "eu-west-1"}), patch)
}

fn of_others(patch: &Value) -> Value {
    elsewhere(&json!({"owner": "210987654321"}), patch)
}

#[test]
fn a_vpc_has_a_region_and_an_owner_by_default_the_documents_and_one() {
    let topology =
        lab(json!({"region": "ap-south-1", "vpcs": {"w": {"region": "eu-west-1"}}, "eips": {"e": {}}}));
    let home = &topology.vpcs["v"].home;
    assert_eq!((home.region.as_str(), home.owner.as_str()), ("ap-south-1", DEFAULT_OWNER));
    assert_eq!(topology.eips["e"].home, *home);
    assert_eq!(topology.vpcs["w"].home.region, "eu-west-1");
    let zones: Vec<&str> =
        topology.subnets.values().map(|subnet| subnet.availability_zone.as_str()).collect();
    assert_eq!(zones, ["ap-south-1a", "eu-west-1a"]);
    let owned = lab(json!({"vpcs": {"w": {"owner_id": "000000000001"}}}));
    assert_eq!(owned.vpcs["w"].home.owner, "000000000001");
}

#[test]
fn regions_and_accounts_have_their_shapes() {
    check(vec![
        ("region", json!({"vpcs": {"w": {"region": "europe"}}}), &["InvalidParameterValue vpcs.w.region"]),
        ("owner", json!({"vpcs": {"w": {"owner": "me"}}}), &["InvalidParameterValue vpcs.w.owner"]),
        ("owner", json!({"vpcs": {"w": {"owner": "12345678901"}}}), &["InvalidParameterValue vpcs.w.owner"]),
        // A number would lose its leading zeros.
        (
            "owner",
            json!({"vpcs": {"w": {"owner": 123_456_789_012_i64}}}),
            &["InvalidParameterValue vpcs.w.owner"],
        ),
    ]);
}

#[test]
fn a_zone_lies_in_the_region_of_its_vpc() {
    check(vec![
        ("ADDR-26", in_ireland(&json!({})), &[]),
        (
            "ADDR-26",
            in_ireland(&json!({"subnets": {"x": {"availability_zone": "us-east-1a"}}})),
            &["InvalidParameterValue subnets.x.availability_zone"],
        ),
        (
            "ADDR-26",
            in_ireland(&json!({"subnets": {"a": {"availability_zone": "eu-west-1a"}}})),
            &["InvalidParameterValue subnets.a.availability_zone"],
        ),
    ]);
}

#[test]
fn an_elastic_ip_serves_in_its_own_region_and_account() {
    let for_j = |eip: Value| json!({"eips": {"e": eip}});
    let foreign: &[&str] = &["InvalidAllocationID.NotFound eips.e.instance"];
    check(vec![
        ("region", in_ireland(&for_j(json!({"instance": "j"}))), foreign),
        ("region", in_ireland(&for_j(json!({"instance": "j", "region": "eu-west-1"}))), &[]),
        ("owner", of_others(&for_j(json!({"instance": "j"}))), foreign),
        ("owner", of_others(&for_j(json!({"instance": "j", "owner": "210987654321"}))), &[]),
        ("owner", of_others(&for_j(json!({"instance": "i", "owner": "210987654321"}))), foreign),
        (
            "NAT-17",
            in_ireland(
                &json!({"eips": {"e": {}}, "nat_gateways": {"n": {"subnet": "x", "allocation": "e"}}}),
            ),
            &["InvalidAllocationID.NotFound nat_gateways.n.allocation"],
        ),
        (
            "NAT-17",
            in_ireland(&json!({
                "eips": {"e": {"region": "eu-west-1"}}, "nat_gateways": {"n": {"subnet": "x", "allocation": "e"}},
            })),
            &[],
        ),
    ]);
}

#[test]
fn an_instance_has_interfaces_of_one_account() {
    let second = json!({
        "network_interfaces": {"k": {"subnet": "x", "attachment": {"instance": "i", "device_index": 1}}},
    });
    check(vec![
        ("L2-17", elsewhere(&json!({}), &second), &[]),
        ("L2-17", of_others(&second), &["InvalidNetworkInterfaceID.NotFound instances.i.network_interfaces"]),
        // Another region is another zone, and one complaint is enough.
        ("L2-17", in_ireland(&second), &["InvalidParameterCombination instances.i.network_interfaces"]),
    ]);
}

#[test]
fn a_peering_connection_across_regions_or_accounts_is_accepted_by_the_other_side() {
    let peering = |attributes: Value| {
        let mut connection = json!({"vpc": "v", "peer_vpc": "w"});
        merge(&mut connection, &attributes);
        json!({"vpc_peering_connections": {"p": connection}})
    };
    let auto: &[&str] = &["InvalidParameterCombination vpc_peering_connections.p.auto_accept"];
    check(vec![
        ("PCX-02", elsewhere(&json!({}), &peering(json!({"auto_accept": true}))), &[]),
        ("PCX-02", in_ireland(&peering(json!({"auto_accept": true}))), auto),
        ("PCX-02", of_others(&peering(json!({"auto_accept": true}))), auto),
        ("PCX-02", of_others(&peering(json!({"auto_accept": false}))), &[]),
        ("PCX-19", in_ireland(&peering(json!({"state": "active", "peer_region": "eu-west-1"}))), &[]),
        ("PCX-02", of_others(&peering(json!({"state": "active", "peer_owner_id": "210987654321"}))), &[]),
        (
            "ERR-31",
            in_ireland(&peering(json!({"peer_region": "eu-west-2"}))),
            &["InvalidVpcID.NotFound vpc_peering_connections.p.peer_region"],
        ),
        (
            "ERR-31",
            of_others(&peering(json!({"peer_owner": "000000000000"}))),
            &["InvalidVpcID.NotFound vpc_peering_connections.p.peer_owner"],
        ),
    ]);
    let waiting = lab(of_others(&peering(json!({}))));
    assert_eq!(waiting.vpc_peering_connections["p"].state, vpclab_model::PeeringState::PendingAcceptance);
}

#[test]
fn a_prefix_list_serves_in_its_own_region() {
    let list = |home: Value| {
        let mut list = json!({"address_family": "IPv4", "max_entries": 2});
        merge(&mut list, &home);
        json!({
            "managed_prefix_lists": {"l": list},
            "route_tables": {"t": {"vpc": "w", "routes": [{"destination_prefix_list": "l", "gateway": "h"}]}},
            "security_groups": {"s": {"vpc": "w", "ingress": [{"protocol": "-1", "prefix_lists": ["l"]}]}},
        })
    };
    let foreign: &[&str] = &[
        "InvalidPrefixListID.NotFound route_tables.t.routes[0].destination_prefix_list",
        "InvalidPrefixListID.NotFound security_groups.s.ingress[0].prefix_lists[0]",
    ];
    check(vec![
        ("region", in_ireland(&list(json!({}))), foreign),
        ("region", in_ireland(&list(json!({"region": "eu-west-1"}))), &[]),
        // It may be shared.
        ("owner", of_others(&list(json!({}))), &[]),
    ]);
}
