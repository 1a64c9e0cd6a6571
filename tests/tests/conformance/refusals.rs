//! What does AWS refuse of gateways and private links, and what is taken from Terraform as it is?

use serde_json::{Value, json};
use vpclab_model::Mistakes;
use vpclab_tests::harness::{mistakes, topology};

use crate::networks;
use crate::private_networks::{accepted, document, refused};
use crate::transit_networks::{hub, hub_accepted, hub_refused};

/// The sentences of every mistake of `document`.
fn sentences(document: &Value) -> Vec<String> {
    match topology(document, None) {
        Ok(_) => Vec::new(),
        Err(Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// A Direct Connect gateway `dx`, and the VPC `w` with the gateway `wgw` next to `v` with `vgw`.
fn with_dx(d: &mut Value) {
    d["dx_gateways"] = json!({ "dx": { "amazon_side_asn": 64600 } });
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
    d["vpn_gateways"]["wgw"] = json!({ "vpc": "w" });
    d["transit_gateways"] = json!({ "tgw": {} });
}

fn to_vgw(gateway: &str) -> Value {
    json!({ "dx_gateway": "dx", "vpn_gateway": gateway })
}

fn to_tgw() -> Value {
    json!({ "dx_gateway": "dx", "transit_gateway": "tgw", "allowed_prefixes": ["10.0.0.0/8"] })
}

const REFUSED: &str = "DirectConnectClientException";

#[test]
fn a_peering_attachment_is_accepted_by_its_other_side_and_by_nothing_else() {
    // proves: TGW-58
    for region in ["us-east-1", "eu-west-1"] {
        let pair = |d: &mut Value, more: Value| {
            d["transit_gateways"]["far"] = json!({ "region": region });
            let mut pair = json!({ "transit_gateway": "hub", "peer_transit_gateway": "far" });
            pair.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            d["transit_gateway_peering_attachments"]["pair"] = pair;
        };
        let place = "transit_gateway_peering_attachments.pair.auto_accept";
        for state in [json!({}), json!({ "state": "available" })] {
            hub_refused(place, "InvalidParameterCombination", |d| {
                let mut more = state.clone();
                more["auto_accept"] = json!(true);
                pair(d, more);
                // What leads through it is no further mistake.
                d["transit_gateway_route_tables"]["hub/default"]["routes"] =
                    json!([{ "destination_cidr_block": "10.4.0.0/16", "attachment": "pair" }]);
            });
        }
        hub_accepted(|d| pair(d, json!({ "auto_accept": false })));
        hub_accepted(|d| pair(d, json!({ "state": "available" })));
    }
}

#[test]
fn two_transit_gateways_have_one_peering_attachment() {
    let both = |one: &'static str, other: &'static str| {
        move |d: &mut Value| {
            d["transit_gateways"]["far"] = json!({});
            d["transit_gateway_peering_attachments"] = json!({
                "p": { "transit_gateway": "hub", "peer_transit_gateway": "far", "state": one },
                "q": { "transit_gateway": "far", "peer_transit_gateway": "hub", "state": other },
            });
        }
    };
    let place = "transit_gateway_peering_attachments.q";
    hub_refused(place, "DuplicateTransitGatewayAttachment", both("available", "available"));
    hub_refused(place, "DuplicateTransitGatewayAttachment", both("available", "pendingAcceptance"));
    hub_accepted(both("deleted", "available"));
    hub_accepted(both("available", "rejected"));
}

#[test]
fn a_customer_gateway_is_found_in_its_own_region_and_account_only() {
    let place = "vpn_connections.vpn.customer_gateway";
    for end in ["vpn_gateway", "transit_gateway"] {
        let with = |home: Value, other: Value| {
            move |d: &mut Value| {
                d["transit_gateways"] = json!({ "tgw": other });
                d["vpn_connections"]["vpn"] = json!({ end: if end == "vpn_gateway" { "vgw" } else { "tgw" },
                    "customer_gateway": "cgw" });
                d["customer_gateways"]["cgw"]
                    .as_object_mut()
                    .unwrap()
                    .extend(home.as_object().unwrap().clone());
            }
        };
        accepted(with(json!({ "region": "us-east-1", "owner": "123456789012" }), json!({})));
        for elsewhere in [json!({ "region": "eu-west-1" }), json!({ "owner": "210987654321" })] {
            refused(place, "InvalidCustomerGatewayID.NotFound", with(elsewhere.clone(), json!({})));
            if end == "transit_gateway" {
                refused(place, "InvalidCustomerGatewayID.NotFound", with(json!({}), elsewhere.clone()));
                accepted(with(elsewhere.clone(), elsewhere.clone()));
            }
        }
    }
}

#[test]
fn a_customer_gateway_has_a_public_address() {
    let place = "customer_gateways.cgw.ip_address";
    for private in ["10.0.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1"] {
        refused(place, "InvalidParameterValue", |d| {
            d["customer_gateways"]["cgw"]["ip_address"] = json!(private);
        });
    }
}

#[test]
fn the_two_ends_of_a_bgp_session_are_two_autonomous_systems() {
    // proves: ERR-24
    let place = "vpn_connections.vpn.customer_gateway";
    let at_a_transit_gateway = |asn: u32, is_static: bool| {
        move |d: &mut Value| {
            d["transit_gateways"] = json!({ "tgw": { "amazon_side_asn": 64700 } });
            d["customer_gateways"]["cgw"]["bgp_asn"] = json!(asn);
            d["vpn_connections"]["vpn"] = json!({ "transit_gateway": "tgw", "customer_gateway": "cgw",
                "static_routes_only": is_static });
        }
    };
    refused(place, "AsnConflict", at_a_transit_gateway(64700, false));
    accepted(at_a_transit_gateway(64701, false));
    accepted(at_a_transit_gateway(64700, true));
    for (kind, end, asn) in [
        ("dx_private_virtual_interfaces", "dx_gateway", 64600),
        ("dx_transit_virtual_interfaces", "dx_gateway", 64600),
        ("dx_private_virtual_interfaces", "vpn_gateway", 64512),
    ] {
        let interface = |asn: u32| {
            move |d: &mut Value| {
                with_dx(d);
                let gateway = if end == "dx_gateway" { "dx" } else { "vgw" };
                d[kind] = json!({ "i": { end: gateway, "bgp_asn": asn } });
            }
        };
        refused(&format!("{kind}.i.bgp_asn"), REFUSED, interface(asn));
        accepted(interface(asn + 1));
    }
}

#[test]
fn a_direct_connect_gateway_and_its_transit_gateway_are_two_autonomous_systems() {
    let with = |dx: Value| {
        move |d: &mut Value| {
            with_dx(d);
            d["dx_gateways"]["dx"] = dx;
            d["dx_gateway_associations"] = json!({ "a": to_tgw() });
        }
    };
    // The defaults are AWS's, and collide there too.
    refused("dx_gateway_associations.a", REFUSED, with(json!({})));
    refused("dx_gateway_associations.a", REFUSED, with(json!({ "amazon_side_asn": 64512 })));
    accepted(with(json!({ "amazon_side_asn": 64513 })));
    // A virtual private gateway may have the same.
    accepted(|d| {
        with(json!({}))(d);
        d["dx_gateway_associations"] = json!({ "a": to_vgw("vgw") });
    });
    for none in [json!([]), Value::Null] {
        refused("dx_gateway_associations.a.allowed_prefixes", "MissingParameter", |d| {
            with(json!({ "amazon_side_asn": 64513 }))(d);
            d["dx_gateway_associations"]["a"]["allowed_prefixes"] = none.clone();
        });
    }
}

#[test]
fn a_direct_connect_gateway_is_for_virtual_private_gateways_or_for_transit_gateways() {
    let with = |associations: Value, private: bool, transit: bool| {
        move |d: &mut Value| {
            with_dx(d);
            d["dx_gateway_associations"] = associations.clone();
            if private {
                d["dx_private_virtual_interfaces"] = json!({ "p": { "dx_gateway": "dx" } });
            }
            if transit {
                d["dx_transit_virtual_interfaces"] = json!({ "t": { "dx_gateway": "dx" } });
            }
        }
    };
    let private = "dx_private_virtual_interfaces.p.dx_gateway";
    let transit = "dx_transit_virtual_interfaces.t.dx_gateway";
    accepted(with(json!({ "a": to_vgw("vgw") }), true, false));
    accepted(with(json!({ "a": to_tgw() }), false, true));
    refused(private, REFUSED, with(json!({ "a": to_tgw() }), true, true));
    refused(transit, REFUSED, with(json!({ "a": to_vgw("vgw") }), true, true));
    refused(transit, REFUSED, with(json!({}), true, true));
    let mixed = json!({ "a": to_vgw("vgw"), "b": to_tgw() });
    refused("dx_gateway_associations.b", REFUSED, with(mixed, false, false));
}

#[test]
fn a_direct_connect_gateway_joins_vpcs_that_do_not_overlap_each_by_one_gateway() {
    let two = json!({ "a": to_vgw("vgw"), "b": to_vgw("wgw") });
    let with = |block: &'static str| {
        let two = two.clone();
        move |d: &mut Value| {
            with_dx(d);
            d["vpcs"]["w"]["cidr_block"] = json!(block);
            d["dx_gateway_associations"] = two;
        }
    };
    accepted(with("10.1.0.0/16"));
    refused("dx_gateway_associations.b", REFUSED, with("10.0.128.0/17"));
    // At another one it may overlap, and yet have no second one.
    let apart = |gateway: &'static str| {
        let with = with("10.0.128.0/17");
        move |d: &mut Value| {
            with(d);
            d["dx_gateways"]["ey"] = json!({});
            d["dx_gateway_associations"]["b"] = json!({ "dx_gateway": "ey", "vpn_gateway": gateway });
        }
    };
    accepted(apart("wgw"));
    refused("dx_gateway_associations.b", REFUSED, apart("vgw"));
    refused("dx_gateway_associations.a", REFUSED, |d| {
        with_dx(d);
        d["vpn_gateways"]["loose"] = json!({});
        d["dx_gateway_associations"] = json!({ "a": to_vgw("loose") });
    });
}

#[test]
fn zones_and_regions_that_aws_cannot_have_are_refused() {
    // proves: ADDR-26
    let zone =
        |zone: &'static str| move |d: &mut Value| d["subnets"]["private"]["availability_zone"] = json!(zone);
    for right in
        ["us-east-1a", "us-east-1f", "us-east-1-bos-1a", "us-east-1-wl1-bos-wlz-1", "us-east-1-wl2-bos-wlz-1"]
    {
        networks::accepted(zone(right));
    }
    for wrong in ["us-east-1z", "us-east-1g", "us-east-1", "us-east-1ab", "us-east-2a", "us-east-1-wl1-bos"] {
        networks::refused("subnets.private.availability_zone", "InvalidParameterValue", zone(wrong));
    }
    let region = |region: &str| json!({ "region": region, "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } } });
    for right in ["us-east-1", "ap-southeast-7", "us-gov-west-1", "mx-central-1", "eusc-de-east-1"] {
        assert_eq!(mistakes(&region(right)), [""; 0], "{right}");
    }
    for wrong in ["us-eest-1", "us-east", "east-1", "US-EAST-1", "us-east-one"] {
        assert_eq!(mistakes(&region(wrong)), [".region: InvalidParameterValue"], "{wrong}");
    }
    assert!(sentences(&region("us-eest-1"))[0].contains("did you mean us-east-1?"));
}

#[test]
fn a_mistake_causes_no_others() {
    // proves: ERR-35, TGW-31
    let routes = |routes: Value| move |d: &mut Value| d["route_tables"]["public"]["routes"] = routes;
    let place = "route_tables.public.routes[0]";
    let unknown_target = json!([{ "cidr_block": "0.0.0.0/0", "nat_gatway": "x" }]);
    networks::refused(&format!("{place}.nat_gatway"), "UnknownParameter", routes(unknown_target));
    let unknown_destination = json!([{ "cidr_blok": "0.0.0.0/0", "gateway": "igw" }]);
    networks::refused(&format!("{place}.cidr_blok"), "UnknownParameter", routes(unknown_destination));
    networks::refused("subnets.private.vcp", "UnknownParameter", |d| {
        let subnet = d["subnets"]["private"].as_object_mut().unwrap();
        let vpc = subnet.remove("vpc").unwrap();
        subnet.insert("vcp".to_owned(), vpc);
        d["instances"].as_object_mut().unwrap().remove("db");
    });
    let mut d = networks::document();
    routes(json!([{ "cidr_block": "0.0.0.0/0" }]))(&mut d);
    assert!(sentences(&d)[0].contains("`vpc_endpoint`"), "{:?}", sentences(&d));

    // An attachment says itself that its subnet has no IPv4.
    let six_only = |d: &mut Value| {
        d["subnets"]["six"] =
            json!({ "vpc": "a", "ipv6_native": true, "ipv6_cidr_block": "2001:db8:1:99::/64" });
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["six"]);
    };
    let place = "transit_gateway_vpc_attachments.a.subnets[0]";
    hub_refused(place, "InvalidParameterValue", six_only);
    hub_refused(place, "InvalidParameterValue", |d| {
        six_only(d);
        d["transit_gateway_vpc_attachments"]["a"]["ipv6_support"] = json!("disable");
    });

    // An address elsewhere is not found there, whatever that VPC has.
    networks::refused("eips.e.instance", "InvalidAllocationID.NotFound", |d| {
        d["vpcs"]["far"] = json!({ "cidr_block": "10.9.0.0/16", "region": "eu-west-1" });
        d["subnets"]["far"] = json!({ "vpc": "far", "cidr_block": "10.9.1.0/24" });
        d["instances"]["far"] = json!({ "subnet": "far" });
        d["eips"] = json!({ "e": { "instance": "far" } });
    });
}

#[test]
fn a_route_to_the_interface_of_a_service_is_told_what_to_name_instead() {
    let mut d = networks::document();
    d["network_firewalls"] = json!({ "fw": { "vpc": "v", "subnets": ["private"] } });
    let to = |target: Value| {
        let mut route = json!({ "cidr_block": "198.51.100.0/24" });
        route.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        json!([route])
    };
    d["route_tables"]["public"]["routes"] = to(json!({ "network_interface": "firewall/fw/private" }));
    let found = sentences(&d);
    assert!(found.len() == 1 && found[0].contains("`\"vpc_endpoint\": \"fw\"`"), "{found:?}");
    d["route_tables"]["public"]["routes"] = to(json!({ "vpc_endpoint": "fw" }));
    assert_eq!(mistakes(&d), [""; 0]);

    let mut d = hub();
    d["security_groups"]["a-open"]["ingress"] = json!([{ "protocol": "-1", "security_groups": ["b-open"] }]);
    d["transit_gateways"]["hub"] = json!({});
    let found = sentences(&d);
    assert!(found.len() == 1 && found[0].contains("security_group_referencing_support"), "{found:?}");
}

#[test]
fn what_terraform_says_besides_is_taken_and_changes_nothing() {
    let plain = topology(&networks::document(), None).unwrap();
    let mut d = networks::document();
    for (pointer, more) in [
        (
            "/vpcs/v",
            json!({ "enable_dns_support": true, "enable_dns_hostnames": false, "instance_tenancy": "default" }),
        ),
        (
            "/subnets/private",
            json!({ "enable_dns64": true, "private_dns_hostname_type_on_launch": "ip-name" }),
        ),
        (
            "/instances/db",
            json!({ "ami": "ami-1", "instance_type": "t3.micro", "key_name": "k", "user_data": "#!/bin/sh",
                "iam_instance_profile": "p", "metadata_options": { "http_tokens": "required" } }),
        ),
        ("/security_groups/open", json!({ "revoke_rules_on_delete": true })),
    ] {
        let resource = d.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        resource.extend(more.as_object().unwrap().clone());
    }
    assert_eq!(topology(&d, None).unwrap(), plain);
    d["eips"] = json!({ "e": { "domain": "vpc" }, "f": { "vpc": true } });
    d["network_interfaces"] = json!({ "k": { "subnet": "private", "description": "spare" } });
    d["managed_prefix_lists"] = json!({ "l": { "name": "offices", "description": "of ours", "address_family": "IPv4",
        "max_entries": 1 } });
    d["transit_gateways"] = json!({ "t": { "description": "hub" } });
    assert_eq!(mistakes(&d), [""; 0]);
    // Only where Terraform has them.
    networks::refused("subnets.private.ami", "UnknownParameter", |d| {
        d["subnets"]["private"]["ami"] = json!("a");
    });
}

#[test]
fn routes_of_vpn_connections_are_blocks_or_maps_that_hold_one() {
    // proves: VPN-10
    let built = |attribute: &str, routes: Value| {
        let mut d = document();
        d["vpn_connections"]["vpn"][attribute] = routes;
        d["vpn_connections"]["vpn"]["static_routes_only"] = json!(attribute == "routes");
        topology(&d, None).unwrap()
    };
    for attribute in ["routes", "bgp_routes"] {
        let texts = built(attribute, json!(["192.168.0.0/24", "192.168.1.0/24"]));
        let maps = built(attribute, json!([{ "cidr_block": "192.168.0.0/24" }, "192.168.1.0/24"]));
        assert_eq!(texts, maps);
        let vpn = &texts.vpn_connections["vpn"];
        assert_eq!(vpn.routes.len() + vpn.bgp_routes.len(), 2, "{attribute}");
    }
    for (wrong, place, code) in [
        (json!(["ten"]), "routes[0]", "InvalidParameterValue"),
        (json!([7]), "routes[0]", "InvalidParameterValue"),
        (json!([{ "cidr_blok": "10.0.0.0/8" }]), "routes[0].cidr_blok", "UnknownParameter"),
        (json!([{}]), "routes[0].cidr_block", "MissingParameter"),
    ] {
        refused(&format!("vpn_connections.vpn.{place}"), code, |d| {
            d["vpn_connections"]["vpn"]["static_routes_only"] = json!(true);
            d["vpn_connections"]["vpn"]["routes"] = wrong.clone();
        });
    }
    for wrong in [json!(["ten"]), json!([7])] {
        refused("vpn_connections.vpn.bgp_routes[0]", "InvalidParameterValue", |d| {
            d["vpn_connections"]["vpn"]["bgp_routes"] = wrong.clone();
        });
    }
}
