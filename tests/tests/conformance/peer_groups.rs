//! Area SG: which groups of other VPCs are known?

use serde_json::{Value, json};
use vpclab_model::Peer;
use vpclab_tests::harness::{Net, mistakes, topology};
use vpclab_tests::packet::syn;

use crate::networks::{DB, DB_V6, WEB, WEB_V6, document, everything, packet};

/// An instance of the VPC `w`, which a peering connection joins with `v`.
pub(crate) const FAR: &str = "10.1.1.10";
pub(crate) const FAR_V6: &str = "2001:db8:2:1::10";
/// A group nobody in the topology has declared.
const UNKNOWN: &str = "210987654321/sg-0123456789abcdef0";

/// `db` admits the group `far` of the VPC `w`, where `far` is in it and `other` is not.
pub(crate) fn peers() -> Value {
    let mut d = document();
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16", "ipv6_cidr_block": "2001:db8:2::/56" });
    d["vpc_peering_connections"] = json!({ "p": { "vpc": "v", "peer_vpc": "w", "state": "active" } });
    let there = |cidr: &str, ipv6: &str| {
        json!([{ "cidr_block": cidr, "vpc_peering_connection": "p" },
               { "ipv6_cidr_block": ipv6, "vpc_peering_connection": "p" }])
    };
    d["route_tables"]["v/main"] = json!({ "routes": there("10.1.0.0/16", "2001:db8:2::/56") });
    d["route_tables"]["w/main"] = json!({ "routes": there("10.0.0.0/16", "2001:db8:1::/56") });
    d["subnets"]["w1"] =
        json!({ "vpc": "w", "cidr_block": "10.1.1.0/24", "ipv6_cidr_block": "2001:db8:2:1::/64" });
    d["security_groups"]["far"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["security_groups"]["other"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["security_groups"]["db"] =
        json!({ "vpc": "v", "ingress": [{ "protocol": "-1", "security_groups": ["far"] }] });
    d["instances"]["db"]["security_groups"] = json!(["db"]);
    d["instances"]["far"] =
        json!({ "subnet": "w1", "private_ip": FAR, "ipv6_addresses": [FAR_V6], "security_groups": ["far"] });
    d["instances"]["other"] =
        json!({ "subnet": "w1", "private_ip": "10.1.1.11", "security_groups": ["other"] });
    d
}

fn peers_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut d = peers();
    change(&mut d);
    d
}

/// What `db` and its groups refuse, with the change.
#[track_caller]
fn refused(place: &str, code: &str, change: impl FnOnce(&mut Value)) {
    assert_eq!(mistakes(&peers_with(change)), [format!("{place}: {code}")]);
}

const REFERENCE: &str = "security_groups.db.ingress[0].security_groups[0]";

#[test]
fn a_reference_reaches_into_a_peer_in_both_directions() {
    // proves: SG-08, PCX-17
    let mut net = Net::new(peers());
    assert!(net.converses("far", &packet(FAR, DB, syn(1, 80))));
    assert!(net.converses("far", &packet(FAR_V6, DB_V6, syn(1, 80))));
    net.send("other", &packet("10.1.1.11", DB, syn(1, 80))).dies_of("security-group");
    // Out of the VPC, to members of the group and nobody else.
    net.change(|d| {
        d["security_groups"]["db"]["egress"] = json!([{ "protocol": "-1", "security_groups": ["far"] }]);
    });
    assert!(net.converses("db", &packet(DB, FAR, syn(2, 80))));
    assert!(net.converses("db", &packet(DB_V6, FAR_V6, syn(2, 80))));
    net.send("db", &packet(DB, "10.1.1.11", syn(2, 80))).dies_of("security-group");
    net.send("db", &packet(DB, WEB, syn(2, 80))).dies_of("security-group");
}

#[test]
fn a_group_of_a_vpc_that_is_no_peer_is_not_found() {
    refused(REFERENCE, "InvalidGroup.NotFound", |d| {
        d.as_object_mut().unwrap().remove("vpc_peering_connections");
        d["route_tables"] = json!({ "public": d["route_tables"]["public"] });
    });
    refused("security_groups.db.egress[0].security_groups[0]", "InvalidGroup.NotFound", |d| {
        d["vpcs"]["x"] = json!({ "cidr_block": "10.2.0.0/16" });
        d["security_groups"]["beyond"] = json!({ "vpc": "x" });
        d["security_groups"]["db"]["egress"] = json!([{ "protocol": "-1", "security_groups": ["beyond"] }]);
    });
}

#[test]
fn a_group_of_another_region_is_not_found() {
    // proves: PCX-17, PCX-19
    let abroad = |d: &mut Value| {
        d["vpcs"]["w"]["region"] = json!("eu-west-1");
    };
    refused(REFERENCE, "InvalidGroup.NotFound", abroad);
    // Addresses do what the group cannot, in both families.
    let mut net = Net::new(peers_with(|d| {
        abroad(d);
        d["security_groups"]["db"]["ingress"] = json!([{ "protocol": "-1", "cidr_blocks": ["10.1.1.10/32"], "ipv6_cidr_blocks": ["2001:db8:2::/56"] }]);
    }));
    assert!(net.converses("far", &packet(FAR, DB, syn(1, 80))));
    assert!(net.converses("far", &packet(FAR_V6, DB_V6, syn(1, 80))));
}

#[test]
fn rules_outlive_the_peering_connection_and_match_nothing_until_there_is_another() {
    // proves: SG-12
    let mut net = Net::new(peers_with(|d| {
        d["security_groups"]["db"]["egress"] = json!([{ "protocol": "-1", "security_groups": ["far"] }]);
    }));
    net.send("db", &packet(DB, FAR, syn(1, 80))).arrives_at("far");
    let stale = |net: &Net| {
        let group = &net.topology.security_groups["db"];
        (group.ingress[0].stale, group.egress[0].stale)
    };
    assert_eq!(stale(&net), (false, false));
    for state in ["expired", "rejected", "pending-acceptance", "deleted"] {
        net.change(|d| d["vpc_peering_connections"]["p"]["state"] = json!(state));
        assert_eq!(stale(&net), (true, true), "{state}");
        assert_eq!(net.topology.security_groups["db"].ingress.len(), 1, "the rule remains");
        // By the rule, and not for want of a way.
        net.send("db", &packet(DB, FAR, syn(2, 80))).dies_of("security-group");
    }
    net.change(|d| {
        d["vpc_peering_connections"]["q"] = json!({ "vpc": "w", "peer_vpc": "v", "state": "active" });
        for table in ["v/main", "w/main"] {
            for route in d["route_tables"][table]["routes"].as_array_mut().unwrap() {
                route["vpc_peering_connection"] = json!("q");
            }
        }
    });
    assert_eq!(stale(&net), (false, false));
    assert!(net.converses("db", &packet(DB, FAR, syn(3, 80))));
}

#[test]
fn a_group_of_another_account_is_named_with_the_account() {
    // proves: SG-14
    let theirs = |reference: &str| {
        let reference = reference.to_owned();
        move |d: &mut Value| {
            d["vpcs"]["w"]["owner"] = json!("210987654321");
            d["security_groups"]["db"]["ingress"][0]["security_groups"] = json!([reference]);
        }
    };
    let id = topology(&peers(), None).unwrap().security_groups.get_key_value("far").unwrap().0.id();
    for reference in [format!("210987654321/{id}"), "210987654321/far".into(), "far".into()] {
        let mut net = Net::new(peers_with(theirs(&reference)));
        assert!(net.converses("far", &packet(FAR, DB, syn(1, 80))), "{reference}");
        net.send("other", &packet("10.1.1.11", DB, syn(1, 80))).dies_of("security-group");
    }
    refused(REFERENCE, "InvalidGroup.NotFound", theirs(&format!("111111111111/{id}")));
    refused(REFERENCE, "InvalidGroup.NotFound", |d| {
        theirs(&format!("210987654321/{id}"))(d);
        d["vpcs"]["w"]["region"] = json!("eu-west-1");
    });
}

#[test]
fn a_group_of_another_account_that_nobody_knows_lets_nobody_in() {
    // proves: SG-24
    let unknown = |d: &mut Value| {
        d["vpcs"]["w"]["owner"] = json!("210987654321");
        for direction in ["ingress", "egress"] {
            d["security_groups"]["db"][direction] =
                json!([{ "protocol": "-1", "security_groups": [UNKNOWN] }]);
        }
    };
    let mut net = Net::new(peers_with(unknown));
    assert_eq!(net.topology.security_groups["db"].ingress[0].peer, Peer::UnknownGroup(UNKNOWN.into()));
    net.send("far", &packet(FAR, DB, syn(1, 80))).dies_of("security-group");
    net.send("db", &packet(DB, FAR, syn(1, 80))).dies_of("security-group");
    // One of an account that no peer belongs to, and what is no id, are slips of the pen.
    for reference in [UNKNOWN, "210987654321/sg-xyz", "210987654321/sg-0123456789"] {
        let both = [
            "security_groups.db.ingress[0].security_groups[0]: InvalidGroup.NotFound",
            "security_groups.db.egress[0].security_groups[0]: InvalidGroup.NotFound",
        ];
        let found = mistakes(&peers_with(|d| {
            unknown(d);
            for direction in ["ingress", "egress"] {
                d["security_groups"]["db"][direction][0]["security_groups"] = json!([reference]);
            }
            if reference == UNKNOWN {
                d["vpcs"]["w"]["owner"] = json!("333333333333");
            }
        }));
        assert_eq!(found, both, "{reference}");
    }
}

/// `far` is in the group `db` of the VPC `v`, which is associated with `w`.
fn associated() -> Value {
    peers_with(|d| {
        d["security_groups"]["db"]["vpc_associations"] = json!(["w"]);
        d["security_groups"]["db"]["ingress"] =
            json!([{ "protocol": "tcp", "from_port": 80, "to_port": 80, "self": true }]);
        d["instances"]["far"]["security_groups"] = json!(["db"]);
    })
}

#[test]
fn a_group_serves_in_further_vpcs_of_its_region() {
    // proves: SG-23
    let mut net = Net::new(associated());
    // Its rules guard there as here, and its members know each other.
    net.send("other", &packet("10.1.1.11", FAR, syn(1, 80))).dies_of("security-group");
    assert!(net.converses("db", &packet(DB, FAR, syn(1, 80))));
    assert!(net.converses("far", &packet(FAR_V6, DB_V6, syn(1, 80))));
    net.send("db", &packet(DB, FAR, syn(1, 81))).dies_of("security-group");
    net.send("web", &packet(WEB, DB, syn(1, 80))).dies_of("security-group");
    net.send("web", &packet(WEB_V6, DB_V6, syn(1, 80))).dies_of("security-group");
    let place = "security_groups.db.vpc_associations[0]";
    let refused = |code: &str, change: &dyn Fn(&mut Value)| {
        let mut d = peers();
        d["security_groups"]["db"]["vpc_associations"] = json!(["w"]);
        change(&mut d);
        assert_eq!(mistakes(&d), [format!("{place}: {code}")]);
    };
    refused("InvalidVpcID.NotFound", &|d| {
        d["vpcs"]["w"]["region"] = json!("eu-west-1");
        d["security_groups"]["db"]["ingress"] = json!([]);
    });
    refused("InvalidVpcID.NotFound", &|d| d["vpcs"]["w"]["owner"] = json!("210987654321"));
    refused("InvalidVpcID.NotFound", &|d| d["security_groups"]["db"]["vpc_associations"] = json!(["x"]));
    refused("InvalidParameterValue", &|d| d["security_groups"]["db"]["vpc_associations"] = json!(["v"]));
    let mut default = peers();
    default["security_groups"]["v/default"] = json!({ "vpc_associations": ["w"] });
    assert_eq!(mistakes(&default), ["security_groups.v/default.vpc_associations[0]: InvalidParameterValue"]);
}

#[test]
fn an_association_in_use_cannot_go() {
    // proves: SG-30
    let mut d = associated();
    d["security_groups"]["db"].as_object_mut().unwrap().remove("vpc_associations");
    assert_eq!(mistakes(&d), ["instances.far.security_groups[0]: InvalidGroup.NotFound"]);
    let mut d = associated();
    d["security_groups"].as_object_mut().unwrap().remove("db");
    let gone = ["instances.db.security_groups[0]", "instances.far.security_groups[0]"];
    assert_eq!(mistakes(&d), gone.map(|place| format!("{place}: InvalidGroup.NotFound")));
}

#[test]
fn what_has_come_over_the_internet_is_nobodys_group_even_if_its_address_is_known() {
    // proves: SG-08
    let by_gateway = |d: &mut Value| {
        d["internet_gateways"]["wigw"] = json!({ "vpc": "w" });
        d["route_tables"]["w/main"]["routes"][1] = json!({ "ipv6_cidr_block": "::/0", "gateway": "wigw" });
        d["subnets"]["private"]["route_table"] = json!("public");
    };
    let packet = packet(FAR_V6, DB_V6, syn(1, 80));
    Net::new(peers_with(by_gateway)).send("far", &packet).dies_of("security-group");
    Net::new(peers()).send("far", &packet).arrives_at("db");
    // By its address it may.
    let mut net = Net::new(peers_with(|d| {
        by_gateway(d);
        d["security_groups"]["db"]["ingress"] =
            json!([{ "protocol": "-1", "ipv6_cidr_blocks": ["2001:db8:2::/56"] }]);
    }));
    net.send("far", &packet).arrives_at("db");
}
