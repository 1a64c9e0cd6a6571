//! Area ADDR: what is no place, no zone and no family for a subnet?

use serde_json::{Value, json};

use crate::networks::{accepted, refused};

/// One more subnet of this kind.
fn subnet(facts: Value) -> impl FnOnce(&mut Value) {
    move |d| {
        d["subnets"]["a"] = facts;
        d["subnets"]["a"]["vpc"] = json!("v");
    }
}

#[test]
fn a_zone_is_the_region_with_a_letter() {
    // proves: ADDR-26
    let zone = |zone: &str| subnet(json!({ "cidr_block": "10.0.9.0/24", "availability_zone": zone }));
    for right in ["us-east-1a", "us-east-1f", "us-east-1-bos-1a"] {
        accepted(zone(right));
    }
    for wrong in ["us-east-1", "us-east-1ab", "us-east-12", "us-east-1A", "eu-west-1a", "us-east-1bos-1a"] {
        refused("subnets.a.availability_zone", "InvalidParameterValue", zone(wrong));
    }
}

#[test]
fn subnets_overlap_whichever_is_the_larger() {
    // proves: ADDR-25
    // `a` comes before `public`, which has 10.0.1.0/24 and 2001:db8:1:1::/64.
    for block in ["10.0.1.0/24", "10.0.1.0/25", "10.0.0.0/23"] {
        refused(
            "subnets.public.cidr_block",
            "InvalidSubnet.Conflict",
            subnet(json!({ "cidr_block": block })),
        );
    }
    refused("subnets.public.ipv6_cidr_block", "InvalidSubnet.Conflict", |d| {
        d["subnets"]["private"].as_object_mut().unwrap().remove("ipv6_cidr_block");
        d["instances"].as_object_mut().unwrap().remove("db");
        subnet(json!({ "cidr_block": "10.0.9.0/24", "ipv6_cidr_block": "2001:db8:1::/60" }))(d);
    });
    // And one that comes after what lies in it.
    refused("subnets.z.cidr_block", "InvalidSubnet.Conflict", |d| {
        d["subnets"]["z"] = json!({ "vpc": "v", "cidr_block": "10.0.0.0/20" });
    });
    refused("subnets.z.ipv6_cidr_block", "InvalidSubnet.Conflict", |d| {
        d["subnets"]["z"] =
            json!({ "vpc": "v", "cidr_block": "10.0.9.0/24", "ipv6_cidr_block": "2001:db8:1::/60" });
    });
}

#[test]
fn an_ipv6_only_subnet_assigns_addresses_and_has_no_ipv4_block() {
    // proves: ADDR-32
    let native = |more: Value| {
        let mut facts = json!({ "ipv6_native": true, "ipv6_cidr_block": "2001:db8:1:9::/64" });
        facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        subnet(facts)
    };
    const COMBINATION: &str = "InvalidParameterCombination";
    accepted(native(json!({})));
    accepted(native(json!({ "assign_ipv6_address_on_creation": true })));
    let place = "subnets.a.assign_ipv6_address_on_creation";
    refused(place, COMBINATION, native(json!({ "assign_ipv6_address_on_creation": false })));
    refused("subnets.a.ipv6_native", COMBINATION, native(json!({ "cidr_block": "10.0.9.0/24" })));
    refused("subnets.a.ipv6_cidr_block", "MissingParameter", subnet(json!({ "ipv6_native": true })));
}

#[test]
fn a_vpcs_ipv6_block_is_global_or_unique_local() {
    // proves: ADDR-20
    for (block, right) in
        [("2001:db8:7::/56", true), ("fd00:7::/56", true), ("4000::/56", false), ("fe80::/56", false)]
    {
        let vpc = move |d: &mut Value| {
            d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16", "ipv6_cidr_block": block });
        };
        if right {
            accepted(vpc);
        } else {
            refused("vpcs.w.ipv6_cidr_block", "InvalidVpc.Range", vpc);
        }
    }
}
