//! Area ERR: which code does a mistake have?
//!
//! A document is one call for everything in it: what EC2's calls would refuse of it is refused with their codes.

use serde_json::{Value, json};
use vpclab_model::{Kind, NatGatewayState, PeeringState, kind};
use vpclab_tests::harness::{Net, mistakes};

use crate::networks::{accepted, document, refused, tcp_of};

/// Sets an attribute, or removes it with null.
fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |d| {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut at = d;
        for word in parent.split('/').filter(|word| !word.is_empty()) {
            at = if at.is_array() { &mut at[word.parse::<usize>().unwrap()] } else { &mut at[word] };
        }
        if value.is_null() { drop(at.as_object_mut().unwrap().remove(key)) } else { at[key] = value }
    }
}

#[test]
fn blocks_that_no_vpc_and_no_subnet_can_have() {
    // proves: ERR-01, ERR-02, ERR-03, ERR-04
    for block in ["10.0.0.0/8", "10.0.0.0/29", "169.254.0.0/16"] {
        let found = mistakes(&json!({ "vpcs": { "v": { "cidr_block": block } } }));
        assert_eq!(found, ["vpcs.v.cidr_block: InvalidVpc.Range"], "{block}");
    }
    let place = "subnets.private.cidr_block";
    refused(place, "InvalidSubnet.Range", |d| {
        set("/subnets/private/cidr_block", json!("10.9.0.0/24"))(d);
        set("/instances/db/private_ip", Value::Null)(d);
    });
    refused(place, "InvalidSubnet.Range", |d| {
        set("/subnets/private/cidr_block", json!("10.0.2.0/29"))(d);
        set("/instances/db/private_ip", Value::Null)(d);
    });
    // Of two that overlap, the second by name is the mistake.
    refused("subnets.public.cidr_block", "InvalidSubnet.Conflict", |d| {
        set("/subnets/private/cidr_block", json!("10.0.0.0/22"))(d);
    });
    for text in ["10.0.0.0/33", "ten", "10.0.0.0/16/1", "2001:db8::/56"] {
        let found = mistakes(&json!({ "vpcs": { "v": { "cidr_block": text } } }));
        assert_eq!(found, ["vpcs.v.cidr_block: InvalidParameterValue"], "{text}");
    }
}

#[test]
fn groups_are_unique_and_their_rules_too() {
    // proves: ERR-08, ERR-09
    let group = |attributes: Value| set("/security_groups/g", attributes);
    refused("security_groups.open", "InvalidGroup.Duplicate", group(json!({ "vpc": "v", "name": "OPEN" })));
    refused(
        "security_groups.g.name",
        "InvalidGroup.Reserved",
        group(json!({ "vpc": "v", "name": "default" })),
    );
    let in_web = |reference: &'static str| set("/instances/web/security_groups", json!([reference]));
    refused("instances.web.security_groups[0]", "InvalidGroup.NotFound", in_web("sg-0123456789abcdef0"));
    refused("instances.web.security_groups[0]", "InvalidGroup.NotFound", in_web("nobody"));
    refused("instances.web.security_groups[0]", "InvalidGroupId.Malformed", in_web("sg-0123456789"));
    let rules = |rules: Value| group(json!({ "vpc": "v", "ingress": rules }));
    let again = rules(json!([tcp_of(80, "10.0.0.0/16"), tcp_of(80, "10.0.7.9/16")]));
    refused("security_groups.g.ingress[1].cidr_blocks[0]", "InvalidPermission.Duplicate", again);
    let upside_down =
        json!([{ "protocol": "tcp", "from_port": 80, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"] }]);
    refused("security_groups.g.ingress[0].from_port", "InvalidPermission.Malformed", rules(upside_down));
}

#[test]
fn routes_have_one_destination_each_and_one_target() {
    // proves: ERR-11, ERR-12, ERR-14
    let routes = |routes: Value| set("/route_tables/public/routes", routes);
    let place = "route_tables.public.routes";
    let to_gateway = json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw" });
    let twice = routes(json!([to_gateway, { "cidr_block": "0.0.0.0/0", "network_interface": "web" }]));
    refused(&format!("{place}[1].cidr_block"), "RouteAlreadyExists", twice);
    let both = routes(json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw", "network_interface": "web" }]));
    refused(&format!("{place}[0]"), "InvalidParameterCombination", both);
    refused(&format!("{place}[0]"), "MissingParameter", routes(json!([{ "cidr_block": "0.0.0.0/0" }])));
    let table = |reference: &'static str| set("/subnets/public/route_table", json!(reference));
    refused("subnets.public.route_table", "InvalidRouteTableID.NotFound", table("elsewhere"));
    refused("subnets.public.route_table", "InvalidRouteTableID.NotFound", table("rtb-0123456789abcdef0"));
}

#[test]
fn rule_numbers_are_unique_in_their_direction() {
    // proves: ERR-15
    let entry = |number: u16| json!({ "rule_no": number, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" });
    let acl = |ingress: Value, egress: Value| {
        set("/network_acls", json!({ "a": { "vpc": "v", "ingress": ingress, "egress": egress } }))
    };
    accepted(acl(json!([entry(1), entry(2)]), json!([entry(1)])));
    let place = "network_acls.a.ingress[1].rule_no";
    refused(place, "NetworkAclEntryAlreadyExists", acl(json!([entry(1), entry(1)]), json!([])));
}

#[test]
fn what_needs_a_gateway_needs_it_attached() {
    // proves: ERR-16
    refused("eips.e.instance", "Gateway.NotAttached", |d| {
        set("/eips", json!({ "e": { "instance": "db" } }))(d);
        set("/internet_gateways/igw", json!({}))(d);
        set("/route_tables/public/routes", json!([]))(d);
    });
    refused("internet_gateways.second.vpc", "InvalidParameterValue", |d| {
        set("/internet_gateways/second", json!({ "vpc": "v" }))(d);
    });
    refused("eips.f", "Resource.AlreadyAssociated", |d| {
        set("/eips", json!({ "e": { "instance": "db" }, "f": { "instance": "db" } }))(d);
    });
}

#[test]
fn addresses_belong_to_one() {
    // proves: ERR-17, ERR-19, ERR-26
    refused("eips.f.public_ip", "InvalidIPAddress.InUse", |d| {
        set("/eips", json!({ "e": { "public_ip": "203.0.113.50" }, "f": { "public_ip": "203.0.113.50" } }))(
            d,
        );
    });
    let nat = |allocation: &'static str| {
        set("/nat_gateways", json!({ "n": { "subnet": "public", "allocation": allocation } }))
    };
    refused("nat_gateways.n.allocation", "InvalidAllocationID.NotFound", nat("gone"));
    refused("nat_gateways.n.allocation", "InvalidAllocationID.NotFound", nat("eipalloc-0123456789abcdef0"));
    refused(
        "instances.web.private_ip",
        "InvalidIPAddress.InUse",
        set("/instances/web/private_ip", json!("10.0.1.11")),
    );
    let attached_twice = json!([{ "network_interface": "k", "device_index": 1 }]);
    refused("instances.web.network_interfaces[0]", "InvalidNetworkInterface.InUse", |d| {
        set("/network_interfaces", json!({ "k": { "subnet": "public" } }))(d);
        set("/instances/peer/network_interfaces", attached_twice.clone())(d);
        set("/instances/web/network_interfaces", attached_twice)(d);
    });
}

#[test]
fn a_full_subnet_takes_nobody_in() {
    // proves: ERR-18, VEC-20
    let subnet = |count: usize| {
        let interfaces: serde_json::Map<String, Value> =
            (0..count).map(|n| (format!("i{n:02}"), json!({ "subnet": "s" }))).collect();
        json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/28" } }, "network_interfaces": interfaces })
    };
    let full = Net::new(subnet(11));
    let mut taken: Vec<u8> = full
        .topology
        .network_interfaces
        .values()
        .filter_map(|eni| eni.private_ip)
        .map(|ip| ip.octets()[3])
        .collect();
    taken.sort_unstable();
    assert_eq!(taken, (4..=14).collect::<Vec<u8>>());
    assert_eq!(mistakes(&subnet(12)), ["network_interfaces.i11: InsufficientFreeAddressesInSubnet"]);
}

#[test]
fn a_nat_gateway_that_cannot_be_made_has_failed_and_is_no_error() {
    // proves: ERR-36
    let mut d = document();
    d["internet_gateways"]["igw"] = json!({});
    d["route_tables"]["public"]["routes"] = json!([]);
    d["eips"] = json!({ "e": {} });
    d["instances"]["web"].as_object_mut().unwrap().remove("public_ip");
    d["instances"]["web"]["associate_public_ip_address"] = json!(false);
    d["nat_gateways"] = json!({ "n": { "subnet": "public", "allocation": "e" } });
    let net = Net::new(d);
    match &net.topology.nat_gateways["n"].state {
        NatGatewayState::Failed { failure_code, .. } => assert_eq!(failure_code, "Gateway.NotAttached"),
        NatGatewayState::Available => panic!("there is no internet gateway"),
    }
}

#[test]
fn peering_connections_are_one_to_a_pair_and_overlap_is_no_error() {
    // proves: ERR-21, ERR-22
    let peering = json!({ "vpc": "v", "peer_vpc": "w", "auto_accept": true });
    let with = |cidr: &'static str, peerings: Value| {
        move |d: &mut Value| {
            d["vpcs"]["w"] = json!({ "cidr_block": cidr });
            d["vpc_peering_connections"] = peerings;
        }
    };
    accepted(with("10.1.0.0/16", json!({ "p": peering })));
    let twice = with("10.1.0.0/16", json!({ "p": peering, "q": peering }));
    refused("vpc_peering_connections.q", "VpcPeeringConnectionAlreadyExists", twice);
    let mut d = document();
    with("10.0.0.0/20", json!({ "p": peering }))(&mut d);
    assert_eq!(Net::new(d).topology.vpc_peering_connections["p"].state, PeeringState::Failed);
    refused(
        "route_tables.public.routes[0].vpc_peering_connection",
        "InvalidVpcPeeringConnectionID.NotFound",
        |d| {
            d["route_tables"]["public"]["routes"] =
                json!([{ "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "p" }]);
        },
    );
}

/// A reference of each kind in a document, and EC2's two codes for one that cannot be.
const REFERENCES: &[(&str, &str, &str, &str)] = &[
    ("/subnets/private/vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed"),
    ("/instances/db/subnet", "subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"),
    ("/subnets/private/route_table", "rtb", "InvalidRouteTableID.NotFound", "InvalidRouteTableID.Malformed"),
    ("/subnets/private/network_acl", "acl", "InvalidNetworkAclID.NotFound", "InvalidNetworkAclID.Malformed"),
    ("/instances/db/security_groups/0", "sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
    (
        "/eips/e/network_interface",
        "eni",
        "InvalidNetworkInterfaceID.NotFound",
        "InvalidNetworkInterfaceID.Malformed",
    ),
    ("/eips/e/instance", "i", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"),
    (
        "/nat_gateways/n/allocation",
        "eipalloc",
        "InvalidAllocationID.NotFound",
        "InvalidAllocationID.Malformed",
    ),
    ("/route_tables/t/routes/0/nat_gateway", "nat", "InvalidNatGatewayID.NotFound", "NatGatewayMalformed"),
    (
        "/route_tables/t/routes/0/vpc_peering_connection",
        "pcx",
        "InvalidVpcPeeringConnectionID.NotFound",
        "InvalidVpcPeeringConnectionID.Malformed",
    ),
];

#[test]
fn an_unknown_id_is_not_found_and_an_ill_formed_one_malformed() {
    // proves: ERR-20, ERR-31
    for (pointer, prefix, not_found, malformed) in REFERENCES {
        for (digits, code) in [
            ("0123456789abcdef0", not_found),
            ("01234567", not_found),
            ("0123456789ab", malformed),
            ("a", not_found),
            ("0123456789abcdefg", not_found),
        ] {
            let mut d = document();
            // Only what the reference needs to stand in.
            if pointer.starts_with("/eips") {
                d["eips"] = json!({ "e": {} });
            }
            d["nat_gateways"] =
                if pointer.starts_with("/nat") { json!({ "n": { "subnet": "public" } }) } else { json!({}) };
            if pointer.starts_with("/route_tables") {
                d["route_tables"]["t"] = json!({ "vpc": "v", "routes": [{ "cidr_block": "192.0.2.0/24" }] });
            }
            match d.pointer_mut(pointer) {
                Some(present) => *present = json!(format!("{prefix}-{digits}")),
                None => {
                    let (parent, key) = pointer.rsplit_once('/').unwrap();
                    d.pointer_mut(parent).unwrap()[key] = json!(format!("{prefix}-{digits}"));
                }
            }
            let found = mistakes(&d);
            assert_eq!(found.len(), 1, "{prefix}-{digits}: {found:?}");
            assert!(found[0].ends_with(&format!(": {code}")), "{prefix}-{digits}: {found:?}");
        }
    }
}

#[test]
fn what_is_in_use_cannot_go() {
    // proves: ERR-06, ERR-07
    // Leaving something out of the document deletes it; whatever still names it says so.
    for (gone, places) in [
        (
            "/vpcs/v",
            &[
                "subnets.private.vpc",
                "subnets.public.vpc",
                "route_tables.public.vpc",
                "internet_gateways.igw.vpc",
                "security_groups.open.vpc",
            ][..],
        ),
        ("/subnets/private", &["instances.db.subnet"]),
        ("/route_tables/public", &["subnets.public.route_table"]),
        (
            "/internet_gateways/igw",
            &["route_tables.public.routes[0].gateway", "route_tables.public.routes[1].gateway"],
        ),
        (
            "/security_groups/open",
            &[
                "instances.db.security_groups[0]",
                "instances.peer.security_groups[0]",
                "instances.web.security_groups[0]",
            ],
        ),
    ] {
        let mut d = document();
        let (parent, key) = gone.rsplit_once('/').unwrap();
        d.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        let found = mistakes(&d);
        let found_places: Vec<&str> = found
            .iter()
            .map(|mistake| {
                assert!(mistake.ends_with(".NotFound"), "{mistake}");
                mistake.split(": ").next().unwrap()
            })
            .collect();
        assert_eq!(found_places, places, "{gone}");
    }
    // The default group is not declared at all, and there.
    assert!(Net::new(document()).topology.security_groups.contains_key("v/default"));
}

#[test]
fn parameters_are_missing_unknown_or_at_odds() {
    // proves: ERR-35
    refused("subnets.private.vpc", "MissingParameter", |d| {
        set("/subnets/private/vpc", Value::Null)(d);
    });
    refused("subnets.private.vcp", "UnknownParameter", set("/subnets/private/vcp", json!("v")));
    let both = json!({ "protocol": "-1", "rule_no": 1, "action": "allow", "cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "::/0" });
    refused("network_acls.a.ingress[0].ipv6_cidr_block", "InvalidParameterCombination", |d| {
        d["network_acls"] = json!({ "a": { "vpc": "v", "ingress": [both] } });
    });
    refused(
        "instances.db.source_dest_check",
        "InvalidParameterValue",
        set("/instances/db/source_dest_check", json!("no")),
    );
}

#[test]
fn ids_are_a_prefix_and_seventeen_digits() {
    // proves: ERR-43
    fn id<K: Kind>(prefix: &str) {
        let id = vpclab_model::Name::<K>::new("shop").id();
        let digits = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).expect(&id);
        assert_eq!(digits.len(), 17, "{id}");
        assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
    id::<kind::Vpc>("vpc");
    id::<kind::Subnet>("subnet");
    id::<kind::RouteTable>("rtb");
    id::<kind::NetworkAcl>("acl");
    id::<kind::SecurityGroup>("sg");
    id::<kind::InternetGateway>("igw");
    id::<kind::EgressOnlyInternetGateway>("eigw");
    id::<kind::NatGateway>("nat");
    id::<kind::NetworkInterface>("eni");
    id::<kind::Eip>("eipalloc");
    id::<kind::VpcPeeringConnection>("pcx");
    id::<kind::ManagedPrefixList>("pl");
    id::<kind::Instance>("i");
}
