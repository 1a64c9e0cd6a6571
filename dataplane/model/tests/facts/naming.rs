//! Names, ids and settings (area ERR).

use serde_json::json;

use crate::{lab, mistakes};

#[test]
fn an_id_serves_as_a_reference_and_not_as_anothers_name() {
    // ERR-43
    let v = vpclab_model::VpcName::new("v").id();
    let topology = lab(json!({"subnets": {"n": {"vpc_id": v, "cidr_block": "10.0.2.0/24"}}}));
    assert_eq!(topology.subnets["n"].vpc.as_str(), "v");
    assert_eq!(topology.find_vpc(&v).unwrap().0.as_str(), "v");
    assert_eq!(topology.find_vpc("v").unwrap().0.id(), v);
    assert!(topology.find_subnet(&v).is_none());
    let mut patch = json!({"vpcs": {}});
    patch["vpcs"][&v] = json!({"cidr_block": "10.9.0.0/16"});
    assert_eq!(mistakes(&patch), [format!("InvalidParameterValue vpcs.{v}")]);
}

#[test]
fn a_resource_cannot_be_called_anything() {
    for bad in ["", " a", "a ", "/a", "a/", "10.0.0.0/8", "10.0.0.1", "a\nb"] {
        let mut patch = json!({"vpcs": {}});
        patch["vpcs"][bad] = json!({"cidr_block": "10.9.0.0/16"});
        assert_eq!(mistakes(&patch), [format!("InvalidParameterValue vpcs.{bad}")], "{bad:?}");
    }
    for good in ["Größe 1 (test)", "stack/Network", r#"module.net["a,b"].aws_vpc.this[0]"#] {
        lab(json!({"vpcs": {good: {"cidr_block": "10.9.0.0/16"}}}));
    }
    for service in ["nat/x", "vpce/x/s", "elb/x"] {
        let bad = mistakes(&json!({"instances": {service: {"subnet": "s"}}}));
        assert!(bad.contains(&format!("InvalidParameterValue instances.{service}")), "{bad:?}");
    }
}

#[test]
fn settings_have_ranges() {
    let topology = lab(
        json!({"settings": {"mid_stream_tcp": "drop", "icmp_timeout": 5, "network_acl_within_subnet_via_router": true}}),
    );
    assert_eq!((topology.settings.icmp_timeout, topology.settings.tcp_opening_timeout), (5, 60));
    assert!(topology.settings.network_acl_within_subnet_via_router);
    assert_eq!(
        mistakes(
            &json!({"settings": {"mid_stream_tcp": "maybe", "icmp_timeout": 0, "tcp_closing": 1, "outbound_smtp": true}})
        ),
        [
            "InvalidParameterValue settings.icmp_timeout",
            "InvalidParameterValue settings.mid_stream_tcp",
            "InvalidParameterValue settings.outbound_smtp",
            "UnknownParameter settings.tcp_closing"
        ]
    );
}
