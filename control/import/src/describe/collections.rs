//! What is under which key of what `aws` prints?

use crate::val::Val;

/// A list of resources of one type.
#[derive(Debug)]
pub(super) struct Collection {
    /// The key, as the AWS CLI has it.
    pub key: &'static str,
    /// The type, in the words of the report.
    pub of_type: &'static str,
    /// What identifies one.
    pub ids: &'static [&'static str],
    /// Where one says what the question was, which the answer does not repeat.
    pub about: &'static [&'static str],
    pub meaning: Meaning,
}

impl Collection {
    /// Whether an id is a name that somebody chose, and another region or account may have it too.
    pub(super) fn is_regional(&self) -> bool {
        matches!(
            self.key,
            "LoadBalancerDescriptions" | "DBInstances" | "DomainStatusList" | "Functions" | "CacheClusters"
        )
    }
}

/// What a collection says about packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Resources of the topology.
    Network,
    /// More about resources of another collection: no resources of their own.
    Detail,
    /// Nothing.
    NotNetwork,
    /// Something, and it is not read.
    LeftOut(&'static str),
}

use Meaning::{Detail, LeftOut, Network, NotNetwork};

const fn network(key: &'static str, of_type: &'static str, ids: &'static [&'static str]) -> Collection {
    Collection { key, of_type, ids, about: &[], meaning: Network }
}

const fn detail(
    key: &'static str,
    ids: &'static [&'static str],
    about: &'static [&'static str],
) -> Collection {
    Collection { key, of_type: key, ids, about, meaning: Detail }
}

const fn other(
    key: &'static str,
    of_type: &'static str,
    ids: &'static [&'static str],
    meaning: Meaning,
) -> Collection {
    Collection { key, of_type, ids, about: &[], meaning }
}

const CLOUD_WAN: Meaning = LeftOut("Cloud WAN is not read from dumps");
const CLIENT_VPN: Meaning = LeftOut("Client VPN is not read from dumps");
const MULTICAST: Meaning = LeftOut("multicast and policy tables are not read from dumps");

/// Every collection that is known. Where lists under unknown keys are recognised by what is in them, the first whose id
/// is there is taken.
const COLLECTIONS: &[Collection] = &[
    network("NatGateways", "nat-gateway", &["NatGatewayId"]),
    network("VpcEndpoints", "vpc-endpoint", &["VpcEndpointId"]),
    network("VpcPeeringConnections", "vpc-peering-connection", &["VpcPeeringConnectionId"]),
    network("TransitGatewayVpcAttachments", "transit-gateway-attachment", &["TransitGatewayAttachmentId"]),
    network(
        "TransitGatewayPeeringAttachments",
        "transit-gateway-attachment",
        &["TransitGatewayAttachmentId"],
    ),
    network("TransitGatewayAttachments", "transit-gateway-attachment", &["TransitGatewayAttachmentId"]),
    network("TransitGatewayRouteTables", "transit-gateway-route-table", &["TransitGatewayRouteTableId"]),
    network("TransitGatewayConnects", "transit-gateway-attachment", &["TransitGatewayAttachmentId"]),
    network("TransitGateways", "transit-gateway", &["TransitGatewayId"]),
    network("InternetGateways", "internet-gateway", &["InternetGatewayId"]),
    network("EgressOnlyInternetGateways", "egress-only-internet-gateway", &["EgressOnlyInternetGatewayId"]),
    network("CarrierGateways", "carrier-gateway", &["CarrierGatewayId"]),
    network("LocalGateways", "local-gateway", &["LocalGatewayId"]),
    network("Addresses", "elastic-ip", &["AllocationId", "PublicIp"]),
    network("VpnConnections", "vpn-connection", &["VpnConnectionId"]),
    network("VpnGateways", "vpn-gateway", &["VpnGatewayId"]),
    network("CustomerGateways", "customer-gateway", &["CustomerGatewayId"]),
    network("NetworkAcls", "network-acl", &["NetworkAclId"]),
    network("RouteTables", "route-table", &["RouteTableId"]),
    network("Instances", "instance", &["InstanceId"]),
    network("NetworkInterfaces", "network-interface", &["NetworkInterfaceId"]),
    network("SecurityGroups", "security-group", &["GroupId"]),
    network("Subnets", "subnet", &["SubnetId"]),
    network("Vpcs", "vpc", &["VpcId"]),
    network("ManagedPrefixLists", "managed-prefix-list", &["PrefixListId"]),
    network("PrefixLists", "managed-prefix-list", &["PrefixListId"]),
    network("LoadBalancers", "load-balancer", &["LoadBalancerArn", "LoadBalancerName"]),
    network("LoadBalancerDescriptions", "classic-load-balancer", &["LoadBalancerName"]),
    network("Listeners", "listener", &["ListenerArn"]),
    network("TargetGroups", "target-group", &["TargetGroupArn"]),
    network("DBInstances", "db-instance", &["DBInstanceIdentifier"]),
    network("DomainStatusList", "search-domain", &["DomainName"]),
    network("Functions", "lambda-function", &["FunctionName"]),
    network("CacheClusters", "cache-cluster", &["CacheClusterId"]),
    network("MountTargets", "mount-target", &["MountTargetId"]),
    network("DirectConnectGateways", "direct-connect-gateway", &["DirectConnectGatewayId"]),
    network("DirectConnectGatewayAssociations", "direct-connect-gateway-association", &["AssociationId"]),
    network("VirtualInterfaces", "virtual-interface", &["VirtualInterfaceId"]),
    network("VpcBlockPublicAccessOptions", "vpc-block-public-access-options", &["AwsRegion", "AwsAccountId"]),
    network("VpcBlockPublicAccessExclusions", "vpc-block-public-access-exclusion", &["ExclusionId"]),
    network("SecurityGroupRules", "security-group-rule", &["SecurityGroupRuleId"]),
    detail("Reservations", &[], &[]),
    detail("Tags", &[], &[]),
    detail("TargetHealthDescriptions", &[], &["TargetGroupArn"]),
    detail("LoadBalancerTargetHealth", &["TargetGroupArn"], &[]),
    detail("LoadBalancerListeners", &["LoadBalancerArn"], &[]),
    detail("TransitGatewayPropagations", &["TransitGatewayRouteTableId"], &[]),
    detail("TransitGatewayStaticRoutes", &["TransitGatewayRouteTableId"], &[]),
    detail(
        "TransitGatewayRouteTablePropagations",
        &["TransitGatewayAttachmentId"],
        &["TransitGatewayRouteTableId"],
    ),
    detail(
        "TransitGatewayRouteTableAssociations",
        &["TransitGatewayAttachmentId"],
        &["TransitGatewayRouteTableId"],
    ),
    detail("Associations", &["TransitGatewayAttachmentId"], &["TransitGatewayRouteTableId"]),
    detail("Routes", &["DestinationCidrBlock", "PrefixListId"], &["TransitGatewayRouteTableId"]),
    detail("Entries", &["Cidr"], &["PrefixListId"]),
    other(
        "SecurityGroupVpcAssociations",
        "security-group-vpc-association",
        &[],
        LeftOut("not read from dumps"),
    ),
    other("CoreNetworks", "core-network", &["CoreNetworkId"], CLOUD_WAN),
    other("ClientVpnEndpoints", "client-vpn-endpoint", &["ClientVpnEndpointId"], CLIENT_VPN),
    other(
        "TransitGatewayMulticastDomains",
        "multicast-domain",
        &["TransitGatewayMulticastDomainId"],
        MULTICAST,
    ),
    other("TransitGatewayPolicyTables", "policy-table", &["TransitGatewayPolicyTableId"], MULTICAST),
    // Their endpoints are listed as endpoints.
    other("Firewalls", "network-firewall", &["FirewallArn", "FirewallName"], NotNetwork),
    other("DBClusters", "db-cluster", &["DBClusterIdentifier"], NotNetwork),
    other("DBSubnetGroups", "db-subnet-group", &["DBSubnetGroupName"], NotNetwork),
    other("CacheSubnetGroups", "cache-subnet-group", &["CacheSubnetGroupName"], NotNetwork),
    other("ReplicationGroups", "replication-group", &["ReplicationGroupId"], NotNetwork),
    other("AutoScalingGroups", "auto-scaling-group", &["AutoScalingGroupName"], NotNetwork),
    other("LaunchConfigurations", "launch-configuration", &["LaunchConfigurationName"], NotNetwork),
    other("LaunchTemplates", "launch-template", &["LaunchTemplateId"], NotNetwork),
    other("LaunchTemplateVersions", "launch-template-version", &[], NotNetwork),
    other("AvailabilityZones", "availability-zone", &["ZoneName"], NotNetwork),
    other("Regions", "region", &["RegionName"], NotNetwork),
    other("DhcpOptions", "dhcp-options", &["DhcpOptionsId"], NotNetwork),
    other("FlowLogs", "flow-log", &["FlowLogId"], NotNetwork),
    other("KeyPairs", "key-pair", &["KeyPairId", "KeyName"], NotNetwork),
    other("Images", "image", &["ImageId"], NotNetwork),
    other("Snapshots", "snapshot", &["SnapshotId"], NotNetwork),
    other("Volumes", "volume", &["VolumeId"], NotNetwork),
    other("PlacementGroups", "placement-group", &["GroupId", "GroupName"], NotNetwork),
    other("InstanceStatuses", "instance-status", &["InstanceId"], NotNetwork),
    other("MovingAddressStatuses", "moving-address", &["PublicIp"], NotNetwork),
    other("Hosts", "dedicated-host", &["HostId"], NotNetwork),
    other("LoadBalancerAttributes", "load-balancer-attributes", &["LoadBalancerArn"], NotNetwork),
    other("ServiceDetails", "endpoint-service", &["ServiceId", "ServiceName"], NotNetwork),
    other("FileSystems", "file-system", &["FileSystemId"], NotNetwork),
    other("Connections", "direct-connect-connection", &["ConnectionId"], NotNetwork),
    other("SecurityGroupReferenceSet", "security-group-reference", &[], NotNetwork),
    other("StaleSecurityGroupSet", "stale-security-group", &["GroupId"], NotNetwork),
    other("AccountAttributes", "account-attribute", &["AttributeName"], NotNetwork),
    other("Buckets", "bucket", &["Name"], NotNetwork),
    other("Users", "user", &["UserId"], NotNetwork),
    other("Roles", "role", &["RoleId"], NotNetwork),
    other("Policies", "policy", &["PolicyId"], NotNetwork),
    other("HostedZones", "hosted-zone", &["Id"], NotNetwork),
    other("ResourceRecordSets", "record-set", &["Name"], NotNetwork),
];

/// The collection of this name.
pub(super) fn named(key: &str) -> Option<&'static Collection> {
    COLLECTIONS.iter().find(|collection| collection.key == key)
}

/// The collection that a list under `key` is one of: by the key, whatever its spelling, else by what is in it.
pub(super) fn of(key: &str, items: &[Val]) -> Option<&'static Collection> {
    let plain = plain(key);
    let found = COLLECTIONS.iter().find(|collection| {
        let known = collection.key.to_ascii_lowercase();
        // Exports are called after the call as well: `describe-vpcs`, `aws_vpcs`.
        plain == known || plain == format!("describe{known}") || plain == format!("aws{known}")
    });
    // `Routes` and others are words of many services.
    let fits = |collection: &Collection| {
        let has = |item: &Val| collection.ids.iter().any(|id| has_key(item, id));
        items.is_empty() || collection.ids.is_empty() || items.iter().any(has)
    };
    match found {
        Some(collection) if fits(collection) => Some(collection),
        // What has other ids than expected may be something else of the same name, or without an id.
        Some(collection) if collection.meaning != Network && collection.about.is_empty() => Some(collection),
        _ => by_content(items),
    }
}

/// The collection of a single resource under `key`.
pub(super) fn of_single(key: &str) -> Option<&'static Collection> {
    match plain(key).as_str() {
        "vpcblockpublicaccessoptions" => named("VpcBlockPublicAccessOptions"),
        "firewall" => named("Firewalls"),
        _ => None,
    }
}

fn by_content(items: &[Val]) -> Option<&'static Collection> {
    let first = items.first()?;
    if has_key(first, "Instances") && (has_key(first, "ReservationId") || has_key(first, "Groups")) {
        return named("Reservations");
    }
    // What tells a resource from one that only refers to it.
    let telling: &[(&str, &[&str])] = &[
        ("NatGateways", &["NatGatewayId", "SubnetId"]),
        ("VpcEndpoints", &["VpcEndpointId", "ServiceName"]),
        ("VpcPeeringConnections", &["VpcPeeringConnectionId", "RequesterVpcInfo"]),
        ("InternetGateways", &["InternetGatewayId", "Attachments"]),
        ("Addresses", &["PublicIp", "Domain"]),
        ("NetworkAcls", &["NetworkAclId", "Entries"]),
        ("RouteTables", &["RouteTableId", "Routes"]),
        ("Instances", &["InstanceId", "ImageId"]),
        ("NetworkInterfaces", &["NetworkInterfaceId", "SubnetId", "MacAddress"]),
        ("SecurityGroups", &["GroupId", "IpPermissions"]),
        ("Subnets", &["SubnetId", "CidrBlock"]),
        ("Vpcs", &["VpcId", "CidrBlock"]),
        ("TransitGatewayVpcAttachments", &["TransitGatewayAttachmentId", "SubnetIds"]),
    ];
    telling
        .iter()
        .find(|(_, keys)| keys.iter().all(|key| has_key(first, key)))
        .and_then(|(collection, _)| named(collection))
}

fn has_key(item: &Val, key: &str) -> bool {
    match item {
        Val::Map(map) => map.keys().any(|held| held.eq_ignore_ascii_case(key)),
        _ => false,
    }
}

/// A key without capitals and what joins words.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
