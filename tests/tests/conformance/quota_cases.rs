//! Which quotas does the sheet have, and what is one too many of each?

use serde_json::{Map, Value, json};

/// A document with this many of what a quota counts.
pub(crate) type Make = fn(usize) -> Value;

/// A quota, as the sheet has it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) default: u32,
    pub(crate) most: Option<u32>,
    /// What a document with three says where two are allowed.
    pub(crate) refused: &'static str,
    pub(crate) make: Make,
}

/// `prefix0`, `prefix1`, ... with what `make` makes of each number.
pub(crate) fn many(prefix: &str, count: usize, make: impl Fn(usize) -> Value) -> Map<String, Value> {
    (0..count).map(|n| (format!("{prefix}{n}"), make(n))).collect()
}

/// A list with what `make` makes of each number.
pub(crate) fn list(count: usize, make: impl Fn(usize) -> Value) -> Vec<Value> {
    (0..count).map(make).collect()
}

/// What an account has that nobody else here has.
fn in_its_own_account(n: usize) -> Value {
    json!({ "owner": format!("{n:012}") })
}

pub(crate) fn vpc(n: usize) -> Value {
    json!({ "cidr_block": format!("10.{n}.0.0/16"), "ipv6_cidr_block": format!("2001:db8:{n}::/56") })
}

/// A network of one VPC with a subnet and an internet gateway, and `more`.
pub(crate) fn one_vpc(kind: &str, more: impl Into<Value>) -> Value {
    let mut d = json!({
        "vpcs": { "v": vpc(0) },
        "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24" } },
        "internet_gateways": { "g": { "vpc": "v" } },
    });
    let more: Value = more.into();
    match (&mut d[kind], more) {
        (Value::Object(present), Value::Object(more)) => present.extend(more),
        (present, more) => *present = more,
    }
    d
}

/// As many VPCs as there are, each with one of a kind.
pub(crate) fn each_in_a_vpc(kind: &str, prefix: &str, count: usize) -> Value {
    let mut d = json!({ "vpcs": many("v", count, vpc) });
    d[kind] = many(prefix, count, |n| json!({ "vpc": format!("v{n}") })).into();
    d
}

pub(crate) fn tcp(n: usize) -> Value {
    json!({ "protocol": "tcp", "from_port": n, "to_port": n, "cidr_blocks": ["10.0.0.0/8"] })
}

pub(crate) fn acl_entry(n: usize, family: &str, block: &str) -> Value {
    json!({ "rule_no": n + 1, "action": "allow", "protocol": "-1", family: block })
}

pub(crate) fn peerings(count: usize, state: &str) -> Value {
    json!({
        "vpcs": many("v", count + 1, vpc),
        "vpc_peering_connections": many("p", count, |n| {
            json!({ "vpc": "v0", "peer_vpc": format!("v{}", n + 1), "state": state })
        }),
    })
}

pub(crate) fn customer_gateway(n: usize) -> Value {
    json!({ "bgp_asn": 65_000, "ip_address": format!("198.51.100.{}", n + 1) })
}

pub(crate) fn vpn_connections(count: usize) -> Value {
    let connection = |n| {
        json!({ "vpn_gateway": "g", "customer_gateway": format!("c{n}"), "static_routes_only": true,
            "routes": [format!("172.16.{n}.0/24")] })
    };
    json!({ "vpn_gateways": { "g": {} }, "customer_gateways": many("c", count, customer_gateway),
        "vpn_connections": many("x", count, connection) })
}

pub(crate) fn prefix(n: usize) -> Value {
    json!({ "cidr_block": format!("172.{}.{}.0/24", 16 + n / 256, n % 256) })
}

/// A dynamic VPN connection to a gateway of this kind, over which these routes are announced.
pub(crate) fn announcing(kind: &str, routes: &[Value]) -> Value {
    let mut d = json!({ "customer_gateways": { "c": customer_gateway(0) } });
    d[format!("{kind}s")] = json!({ "g": {} });
    let mut connection = json!({ "customer_gateway": "c", "bgp_routes": routes });
    connection[kind] = json!("g");
    d["vpn_connections"] = json!({ "x": connection });
    d
}

/// Every quota.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "vpcs_per_region",
        default: 5,
        most: None,
        refused: "vpcs.v2: VpcLimitExceeded",
        make: |n| json!({ "vpcs": many("v", n, vpc) }),
    },
    Case {
        name: "subnets_per_vpc",
        default: 200,
        most: None,
        refused: "subnets.s2: SubnetLimitExceeded",
        make: |n| {
            json!({ "vpcs": { "v": vpc(0) },
                "subnets": many("s", n, |n| json!({ "vpc": "v", "cidr_block": format!("10.0.{n}.0/24") })) })
        },
    },
    Case {
        name: "ipv4_cidr_blocks_per_vpc",
        default: 5,
        most: Some(50),
        refused: "vpcs.v.secondary_cidr_blocks: CidrLimitExceeded",
        make: |n| {
            let secondary = list(n - 1, |n| json!(format!("10.{}.0.0/16", n + 2)));
            json!({ "vpcs": { "v": { "cidr_block": "10.1.0.0/16", "secondary_cidr_blocks": secondary } } })
        },
    },
    Case {
        name: "ipv6_cidr_blocks_per_vpc",
        default: 5,
        most: Some(50),
        refused: "vpcs.v.ipv6_cidr_blocks: CidrLimitExceeded",
        make: |n| {
            let blocks = list(n, |n| json!(format!("2001:db8:{n}::/56")));
            json!({ "vpcs": { "v": { "cidr_block": "10.1.0.0/16", "ipv6_cidr_blocks": blocks } } })
        },
    },
    Case {
        name: "route_tables_per_vpc",
        default: 200,
        most: None,
        // The main one is there first.
        refused: "route_tables.t1: RouteTableLimitExceeded",
        make: |n| one_vpc("route_tables", many("t", n - 1, |_| json!({ "vpc": "v" }))),
    },
    Case {
        name: "routes_per_route_table",
        default: 500,
        most: Some(1000),
        refused: "route_tables.t.routes: RouteLimitExceeded",
        make: |n| {
            let routes = list(
                n,
                |n| json!({ "cidr_block": format!("172.16.{}.{}/32", n / 256, n % 256), "gateway": "g" }),
            );
            one_vpc("route_tables", json!({ "t": { "vpc": "v", "routes": routes } }))
        },
    },
    Case {
        name: "internet_gateways_per_region",
        default: 5,
        most: None,
        refused: "internet_gateways.g2: InternetGatewayLimitExceeded",
        make: |n| json!({ "internet_gateways": many("g", n, |_| json!({})) }),
    },
    Case {
        name: "egress_only_internet_gateways_per_region",
        default: 5,
        most: None,
        refused: "egress_only_internet_gateways.e2: InternetGatewayLimitExceeded",
        make: |n| each_in_a_vpc("egress_only_internet_gateways", "e", n),
    },
    Case {
        name: "nat_gateways_per_availability_zone",
        default: 5,
        most: None,
        refused: "nat_gateways.n2: NatGatewayLimitExceeded",
        make: |n| {
            one_vpc(
                "nat_gateways",
                many("n", n, |_| json!({ "subnet": "s", "connectivity_type": "private" })),
            )
        },
    },
    Case {
        name: "eips_per_nat_gateway",
        default: 2,
        most: Some(8),
        refused: "nat_gateways.n.secondary_allocations: AddressLimitExceeded",
        make: |n| {
            let mut d = one_vpc("eips", many("e", n, |_| json!({})));
            let secondary = list(n - 1, |n| json!(format!("e{}", n + 1)));
            d["nat_gateways"] =
                json!({ "n": { "subnet": "s", "allocation": "e0", "secondary_allocation_ids": secondary } });
            d
        },
    },
    Case {
        name: "active_vpc_peering_connections_per_vpc",
        default: 50,
        most: Some(125),
        refused: "vpc_peering_connections.p2: ActiveVpcPeeringConnectionPerVpcLimitExceeded",
        make: |n| peerings(n, "active"),
    },
    Case {
        name: "outstanding_vpc_peering_connection_requests",
        default: 25,
        most: None,
        refused: "vpc_peering_connections.p2: OutstandingVpcPeeringConnectionLimitExceeded",
        make: |n| peerings(n, "pending-acceptance"),
    },
    Case {
        name: "gateway_vpc_endpoints_per_region",
        default: 20,
        most: Some(255),
        refused: "vpc_endpoints.e2: VpcEndpointLimitExceeded",
        make: |n| {
            let s3 = "com.amazonaws.us-east-1.s3";
            one_vpc("vpc_endpoints", many("e", n, |_| json!({ "vpc": "v", "service_name": s3 })))
        },
    },
    Case {
        name: "interface_vpc_endpoints_per_vpc",
        default: 50,
        most: None,
        refused: "vpc_endpoints.e2: VpcEndpointLimitExceeded",
        make: |n| {
            one_vpc(
                "vpc_endpoints",
                many("e", n, |i| {
                    let kind = if i == 0 { "GatewayLoadBalancer" } else { "Interface" };
                    json!({ "vpc": "v", "vpc_endpoint_type": kind, "service_name": "com.amazonaws.us-east-1.ssm" })
                }),
            )
        },
    },
    Case {
        name: "managed_prefix_lists_per_region",
        default: 100,
        most: None,
        refused: "managed_prefix_lists.l2: PrefixListLimitExceeded",
        make: |n| {
            json!({ "managed_prefix_lists":
                many("l", n, |_| json!({ "address_family": "IPv4", "max_entries": 1 })) })
        },
    },
    Case {
        name: "network_acls_per_vpc",
        default: 200,
        most: None,
        refused: "network_acls.a1: NetworkAclLimitExceeded",
        make: |n| one_vpc("network_acls", many("a", n - 1, |_| json!({ "vpc": "v" }))),
    },
    Case {
        name: "rules_per_network_acl",
        default: 20,
        most: Some(40),
        refused: "network_acls.a.egress: NetworkAclEntryLimitExceeded",
        make: |n| {
            let entries = list(n, |n| acl_entry(n, "cidr_block", "0.0.0.0/0"));
            one_vpc("network_acls", json!({ "a": { "vpc": "v", "egress": entries } }))
        },
    },
    Case {
        name: "security_groups_per_region",
        default: 2500,
        most: None,
        refused: "security_groups.g1: SecurityGroupLimitExceeded",
        make: |n| one_vpc("security_groups", many("g", n - 1, |_| json!({ "vpc": "v" }))),
    },
    Case {
        name: "rules_per_security_group",
        default: 60,
        most: Some(1000),
        refused: "security_groups.g.ingress: RulesPerSecurityGroupLimitExceeded",
        make: |n| one_vpc("security_groups", json!({ "g": { "vpc": "v", "ingress": list(n, tcp) } })),
    },
    Case {
        name: "network_interfaces_per_region",
        default: 5000,
        most: None,
        refused: "network_interfaces.i2: NetworkInterfaceLimitExceeded",
        make: |n| one_vpc("network_interfaces", many("i", n, |_| json!({ "subnet": "s" }))),
    },
    Case {
        name: "security_groups_per_network_interface",
        default: 5,
        most: Some(16),
        refused: "network_interfaces.i.security_groups: SecurityGroupsPerInterfaceLimitExceeded",
        make: |n| {
            let mut d = one_vpc("security_groups", many("g", n, |_| json!({ "vpc": "v" })));
            let names = list(n, |n| json!(format!("g{n}")));
            d["network_interfaces"] = json!({ "i": { "subnet": "s", "security_groups": names } });
            d
        },
    },
    Case {
        name: "eips_per_region",
        default: 5,
        most: None,
        refused: "eips.e2: AddressLimitExceeded",
        make: |n| json!({ "eips": many("e", n, |_| json!({})) }),
    },
    Case {
        name: "transit_gateways_per_region",
        default: 5,
        most: None,
        refused: "transit_gateways.t2: TransitGatewayLimitExceeded",
        make: |n| json!({ "transit_gateways": many("t", n, |_| json!({})) }),
    },
    Case {
        name: "transit_gateways_per_vpc",
        default: 5,
        most: None,
        refused: "transit_gateway_vpc_attachments.a2: TransitGatewayLimitExceeded",
        make: |n| {
            let mut d = one_vpc("transit_gateways", many("t", n, |_| json!({})));
            d["transit_gateway_vpc_attachments"] =
                many("a", n, |n| json!({ "transit_gateway": format!("t{n}"), "vpc": "v", "subnets": ["s"] }))
                    .into();
            d
        },
    },
    Case {
        name: "route_tables_per_transit_gateway",
        default: 20,
        most: None,
        // The default one is there first.
        refused: "transit_gateway_route_tables.r1: TransitGatewayLimitExceeded",
        make: |n| {
            json!({ "transit_gateways": { "t": {} },
                "transit_gateway_route_tables": many("r", n - 1, |_| json!({ "transit_gateway": "t" })) })
        },
    },
    Case {
        name: "routes_per_transit_gateway",
        default: 10_000,
        most: None,
        refused: "transit_gateways.t: TransitGatewayLimitExceeded",
        make: |n| {
            let routes =
                list(n, |n| json!({ "destination_cidr_block": format!("10.{n}.0.0/16"), "blackhole": true }));
            json!({ "transit_gateways": { "t": {} },
                "transit_gateway_route_tables": { "r": { "transit_gateway": "t", "routes": routes } } })
        },
    },
    Case {
        name: "attachments_per_transit_gateway",
        default: 5000,
        most: None,
        refused: "transit_gateways.t: TransitGatewayLimitExceeded",
        make: |n| {
            let subnets =
                many("s", n, |n| json!({ "vpc": format!("v{n}"), "cidr_block": format!("10.{n}.0.0/24") }));
            let attachments = many(
                "a",
                n,
                |n| json!({ "transit_gateway": "t", "vpc": format!("v{n}"), "subnets": [format!("s{n}")] }),
            );
            json!({ "vpcs": many("v", n, vpc), "subnets": subnets, "transit_gateways": { "t": {} },
                "transit_gateway_vpc_attachments": attachments })
        },
    },
    Case {
        name: "peering_attachments_per_transit_gateway",
        default: 50,
        most: None,
        refused: "transit_gateways.t: TransitGatewayLimitExceeded",
        make: |n| {
            let mut gateways = many("u", n, |_| json!({ "region": "eu-west-1" }));
            gateways.insert("t".into(), json!({}));
            json!({ "transit_gateways": gateways, "transit_gateway_peering_attachments": many("p", n, |n| {
                json!({ "transit_gateway": "t", "peer_transit_gateway": format!("u{n}"), "state": "available" })
            }) })
        },
    },
    Case {
        name: "pending_peering_attachments_per_transit_gateway",
        default: 10,
        most: None,
        refused: "transit_gateway_peering_attachments.p2: TransitGatewayLimitExceeded",
        make: |n| {
            let mut gateways = many("u", n, in_its_own_account);
            gateways.insert("t".into(), json!({}));
            json!({ "transit_gateways": gateways, "transit_gateway_peering_attachments": many("p", n, |n| {
                json!({ "transit_gateway": "t", "peer_transit_gateway": format!("u{n}") })
            }) })
        },
    },
    Case {
        name: "vpn_gateways_per_region",
        default: 5,
        most: None,
        refused: "vpn_gateways.g2: VpnGatewayLimitExceeded",
        make: |n| json!({ "vpn_gateways": many("g", n, |_| json!({})) }),
    },
    Case {
        name: "customer_gateways_per_region",
        default: 50,
        most: None,
        refused: "customer_gateways.c2: CustomerGatewayLimitExceeded",
        make: |n| json!({ "customer_gateways": many("c", n, customer_gateway) }),
    },
    Case {
        name: "vpn_connections_per_region",
        default: 50,
        most: None,
        refused: "vpn_connections.x2: VpnConnectionLimitExceeded",
        make: vpn_connections,
    },
    Case {
        name: "vpn_connections_per_vpn_gateway",
        default: 10,
        most: None,
        refused: "vpn_connections.x2: VpnConnectionLimitExceeded",
        make: vpn_connections,
    },
    Case {
        name: "propagated_routes_per_route_table",
        default: 100,
        most: Some(100),
        refused: "route_tables.t.propagating_vgws: RouteLimitExceeded",
        make: |n| {
            let mut d = announcing("vpn_gateway", &list(n, prefix));
            d["vpcs"] = json!({ "v": { "cidr_block": "10.0.0.0/16" } });
            d["vpn_gateways"]["g"]["vpc"] = json!("v");
            d["route_tables"] = json!({ "t": { "vpc": "v", "propagating_vgws": ["g"] } });
            // From two sessions, each within its own quota.
            let routes = d["vpn_connections"]["x"]["bgp_routes"].as_array_mut().unwrap();
            let other = routes.split_off(n / 2);
            d["customer_gateways"]["d"] = customer_gateway(1);
            d["vpn_connections"]["y"] = json!({ "vpn_gateway": "g", "customer_gateway": "d",
                "bgp_routes": other });
            d
        },
    },
    Case {
        name: "static_routes_per_vpn_connection",
        default: 100,
        most: Some(100),
        refused: "vpn_connections.x.routes: RouteLimitExceeded",
        make: |n| {
            let mut d = announcing("vpn_gateway", &[]);
            d["vpn_connections"]["x"] = json!({ "vpn_gateway": "g", "customer_gateway": "c",
                "static_routes_only": true, "routes": list(n, |n| prefix(n)["cidr_block"].clone()) });
            d
        },
    },
    Case {
        name: "bgp_routes_per_vpn_connection_of_vpn_gateway",
        default: 100,
        most: Some(100),
        refused: "vpn_connections.x.bgp_routes: RouteLimitExceeded",
        make: |n| announcing("vpn_gateway", &list(n, prefix)),
    },
    Case {
        name: "bgp_routes_per_vpn_connection_of_transit_gateway",
        default: 1000,
        most: Some(1000),
        refused: "vpn_connections.x.bgp_routes: RouteLimitExceeded",
        make: |n| announcing("transit_gateway", &list(n, prefix)),
    },
    Case {
        name: "bgp_routes_per_virtual_interface",
        default: 100,
        most: Some(100),
        refused: "dx_private_virtual_interfaces.x.bgp_routes: RouteLimitExceeded",
        make: |n| {
            json!({ "vpn_gateways": { "g": {} }, "dx_private_virtual_interfaces": { "x":
                { "vpn_gateway": "g", "bgp_asn": 65_010, "bgp_routes": list(n, prefix) } } })
        },
    },
    Case {
        name: "vpn_gateways_per_dx_gateway",
        default: 20,
        most: Some(20),
        refused: "dx_gateway_associations.a2: DirectConnectClientException",
        make: |n| {
            json!({ "vpcs": many("v", n, |n| json!({ "cidr_block": format!("10.{n}.0.0/16"),
                    "owner": format!("{n:012}") })),
                "vpn_gateways": many("g", n, |n| json!({ "vpc": format!("v{n}"), "owner": format!("{n:012}") })),
                "dx_gateways": { "d": {} }, "dx_gateway_associations": many("a", n, |n| {
                    json!({ "dx_gateway": "d", "vpn_gateway": format!("g{n}") })
                }) })
        },
    },
    Case {
        name: "transit_gateways_per_dx_gateway",
        default: 6,
        most: Some(6),
        refused: "dx_gateway_associations.a2: DirectConnectClientException",
        make: |n| {
            json!({ "transit_gateways": many("t", n, in_its_own_account),
                "dx_gateways": { "d": { "amazon_side_asn": 64_600 } }, "dx_gateway_associations":
                many("a", n, |n| json!({ "dx_gateway": "d", "transit_gateway": format!("t{n}"),
                    "allowed_prefixes": ["10.0.0.0/8"] })) })
        },
    },
    Case {
        name: "dx_gateways_per_transit_gateway",
        default: 20,
        most: Some(20),
        refused: "dx_gateway_associations.a2: DirectConnectClientException",
        make: |n| {
            json!({ "transit_gateways": { "t": {} },
                "dx_gateways": many("d", n, |_| json!({ "amazon_side_asn": 64_600 })), "dx_gateway_associations":
                many("a", n, |n| json!({ "dx_gateway": format!("d{n}"), "transit_gateway": "t",
                    "allowed_prefixes": ["10.0.0.0/8"] })) })
        },
    },
    Case {
        name: "network_address_usage_per_vpc",
        default: 64_000,
        most: Some(256_000),
        refused: "vpcs.v: ResourceCountExceeded",
        make: |n| one_vpc("network_interfaces", many("i", n, |_| json!({ "subnet": "s" }))),
    },
    Case {
        name: "network_address_usage_with_peers",
        default: 128_000,
        most: Some(512_000),
        refused: "vpcs.v0: ResourceCountExceeded",
        make: |n| {
            // All of them in the peer, which counts for both.
            let mut d = peerings(1, "active");
            d["subnets"] = json!({ "s": { "vpc": "v0", "cidr_block": "10.0.0.0/24" },
                "t": { "vpc": "v1", "cidr_block": "10.1.0.0/24" } });
            d["network_interfaces"] =
                many("i", n, |n| json!({ "subnet": if n == 0 { "s" } else { "t" } })).into();
            d
        },
    },
];
