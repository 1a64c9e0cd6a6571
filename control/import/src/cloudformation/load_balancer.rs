//! How do load balancers become a topology's?

use serde_json::{Value, json};

use super::host::{group_list, zones_subnets};
use super::resource::Resource;
use crate::mapping::object;
use crate::properties::Given;
use crate::report::NoteKind;
use crate::services::{OWN_GROUP, is_default};

pub(super) fn load_balancer(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&[
        "LoadBalancerAttributes",
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
        "MinimumLoadBalancerCapacity",
        "Ipv4IpamPoolId",
        "EnableCapacityReservationProvisionStabilize",
    ]);
    // Its name is a tag to us: resources have those of the template.
    m.properties.silent(&["Name"]);
    m.text("Type", "load_balancer_type");
    m.references("Subnets", "subnets", "subnets");
    match m.properties.maps("SubnetMappings") {
        Given::Known(mappings) if !mappings.is_empty() => {
            let mut subnets = Vec::new();
            for mut mapping in mappings {
                if let Given::Known(subnet) = m.referred_in(&mut mapping, "SubnetId", "subnets", None) {
                    subnets.push(subnet);
                }
                if mapping.take("AllocationId").is_some() {
                    m.note(
                        NoteKind::Approximated,
                        "its elastic addresses are not those of its interfaces here",
                    );
                }
                mapping.silent(&["PrivateIPv4Address", "IPv6Address", "SourceNatIpv6Prefix"]);
                m.properties.finish_inner(mapping);
            }
            m.write("subnets", subnets);
        }
        Given::Unknown(unknown) => m.matters("SubnetMappings", &unknown),
        _ => {}
    }
    m.references("SecurityGroups", "security_groups", "security_groups");
    match m.properties.text("Scheme") {
        Given::Known(scheme) => m.write("internal", scheme == "internal"),
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("Scheme", &unknown),
    }
    m.text("IpAddressType", "ip_address_type");
    let kind = m.attributes.get("load_balancer_type").and_then(Value::as_str);
    if kind == Some("gateway") {
        m.attributes.remove("internal");
    }
    if !m.attributes.contains_key("subnets") {
        let subnets = r.default_subnets();
        r.mapping.write("subnets", subnets);
    }
    r.tags();
    r.mapping.put("load_balancers");
    r.finish()
}

pub(super) fn listener(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&[
        "AlpnPolicy",
        "Certificates",
        "DefaultActions",
        "ListenerAttributes",
        "MutualAuthentication",
        "SslPolicy",
    ]);
    m.reference("LoadBalancerArn", "load_balancer", "load_balancers");
    m.number("Port", "port");
    m.text("Protocol", "protocol");
    m.put("listeners");
    r.finish()
}

pub(super) fn target_group(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.reference("VpcId", "vpc", "vpcs");
    m.kept("Port", "port");
    m.kept("Protocol", "protocol");
    m.kept("TargetType", "target_type");
    match m.properties.maps("Targets") {
        Given::Known(targets) if !targets.is_empty() => {
            let mut written = Vec::new();
            for mut target in targets {
                target.silent(&["Port", "AvailabilityZone", "QuicServerId"]);
                let is_lambda = m.attributes.get("target_type").and_then(Value::as_str) == Some("lambda");
                match target.text("Id") {
                    Given::Known(id) if !is_lambda => written.push(json!(id)),
                    Given::Unknown(unknown) => {
                        m.note(NoteKind::Unknown, format!("a target is not known: {}", unknown.why));
                    }
                    _ => {}
                }
                m.properties.finish_inner(target);
            }
            if !written.is_empty() {
                m.write("targets", written);
            }
        }
        Given::Unknown(unknown) => {
            m.note(NoteKind::Unknown, format!("Targets are not known: {}", unknown.why));
        }
        _ => {}
    }
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put("target_groups");
    r.finish()
}

/// A classic one: its listeners are among its attributes.
pub(super) fn classic(mut r: Resource<'_>) -> Result<(), String> {
    let subnets = match r.mapping.names_of("Subnets", "subnets", 2) {
        Given::Known(subnets) if !subnets.is_empty() => subnets,
        Given::Unknown(unknown) => return Err(format!("its subnets are not known: {}", unknown.why)),
        _ => zones_subnets(&mut r),
    };
    let is_in_default_vpc = is_default(&subnets);
    r.mapping.write("load_balancer_type", "classic");
    r.mapping.write("subnets", subnets);
    match group_list(&mut r, "SecurityGroups") {
        Given::Known(groups) if !groups.is_empty() => r.mapping.write("security_groups", groups),
        Given::Known(_) | Given::Absent if is_in_default_vpc => r.mapping.doubt(OWN_GROUP),
        Given::Known(_) | Given::Absent => {}
        Given::Unknown(unknown) => r.mapping.matters("SecurityGroups", &unknown),
    }
    let m = &mut r.mapping;
    match m.properties.text("Scheme") {
        Given::Known(scheme) => m.write("internal", scheme == "internal"),
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("Scheme", &unknown),
    }
    let listeners = match m.properties.maps("Listeners") {
        Given::Known(listeners) => listeners,
        Given::Absent => Vec::new(),
        Given::Unknown(unknown) => {
            m.note(NoteKind::Unknown, format!("Listeners are not known: {}", unknown.why));
            Vec::new()
        }
    };
    let mut all = Vec::new();
    for mut listener in listeners {
        let port = listener.number("LoadBalancerPort");
        match (port, listener.text("Protocol")) {
            (Given::Known(port), Given::Known(protocol)) => all.push((port, protocol)),
            _ => m.note(NoteKind::Unknown, "a listener's port or protocol is not known"),
        }
    }
    r.tags();
    r.mapping.properties.silence();
    let name = r.mapping.name.clone();
    r.mapping.put("load_balancers");
    for (port, protocol) in all {
        let listener = object(json!({ "load_balancer": name, "port": port, "protocol": protocol }));
        r.mapping.put_as("listeners", &format!("{name}-{port}"), listener);
    }
    r.finish()
}
