//! What is an attribute of a resource, which nothing has made yet?
//!
//! `Fn::GetAtt`: ids stand for the resource; what the template writes about it is read there; addresses that AWS would
//! choose are chosen here, once, and written into the document. Everything else has no value.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::Value;

use super::functions::{Evaluator, missing};
use super::token::{Address, Token, plain};
use crate::ipv6::Ipv6Pool;
use crate::val::Val;

/// Addresses that templates use and do not state, chosen in the order in which they are asked for.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Elastic IP addresses, by name.
    pub public: BTreeMap<String, Ipv4Addr>,
    /// Private addresses of instances and interfaces, by type and name.
    pub private: BTreeMap<(String, String), Ipv4Addr>,
    /// Secondary addresses of interfaces that count them only, by name.
    pub secondary: BTreeMap<String, Vec<Ipv4Addr>>,
    /// Subnets that nobody gives: the third number of their addresses, and the next last one.
    pub stand_ins: BTreeMap<String, (u8, u8)>,
    /// The IPv6 blocks that nobody has.
    pub pool: Ipv6Pool,
    /// IPv6 blocks of VPCs, by name.
    pub ipv6: BTreeMap<String, IpNet>,
}

/// Where a resource stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub stack: usize,
    pub logical: String,
}

impl<'a> Evaluator<'a> {
    /// The resource with a name in the document.
    pub(super) fn place_of(&self, name: &str) -> Option<Place> {
        self.stacks().iter().enumerate().find_map(|(stack, own)| {
            let logical = name.strip_prefix(&own.prefix)?;
            own.template.resources.contains_key(logical).then(|| Place { stack, logical: logical.to_owned() })
        })
    }

    /// An attribute of a resource, as written and evaluated.
    pub(super) fn property(&self, stack: usize, logical: &str, property: &str) -> Option<Val> {
        let written = self.stack(stack)?.property(logical, property)?;
        let key = (stack, logical.to_owned(), property.to_owned());
        if let Some((known, nodes)) = self.properties.borrow().get(&key) {
            // A copy costs what it is long.
            self.spend(*nodes);
            return known.clone();
        }
        let cut = self.cut.get();
        let value = Some(self.evaluate(stack, written)).filter(|value| !value.is_null());
        if self.cut.get() == cut {
            let nodes = value.as_ref().map_or(1, nodes);
            self.properties.borrow_mut().insert(key, (value.clone(), nodes));
        }
        value
    }

    /// What `Fn::GetAtt` of a resource of this stack comes to.
    pub(super) fn attribute(&self, stack: usize, logical: &str, attribute: &str) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let name = own.name_of(logical);
        let Some(of_type) = own.type_of(logical) else {
            return missing(format!("{name}.{attribute}"), own.has_no(logical));
        };
        let itself = || Val::Text(Token::resource(of_type, &name).encode());
        let written = |property: &str| self.property(stack, logical, property);
        let unknown = || {
            let why = format!("{attribute} of {logical} is known when it is made");
            missing(format!("{name}.{attribute}"), why)
        };
        if let Some(output) = attribute.strip_prefix("Outputs.") {
            return match own.nested.get(logical) {
                Some(Ok(inner)) => self.output(*inner, output),
                _ => missing(
                    format!("{name}.{output}"),
                    format!("it is an output of {logical}, whose template is not given"),
                ),
            };
        }
        let found = match (of_type, attribute) {
            ("AWS::EC2::VPC", "DefaultSecurityGroup") => Some(Val::Text(
                Token::resource("AWS::EC2::SecurityGroup", &format!("{name}/default")).encode(),
            )),
            ("AWS::EC2::VPC", "DefaultNetworkAcl") => {
                Some(Val::Text(Token::resource("AWS::EC2::NetworkAcl", &format!("{name}/default")).encode()))
            }
            ("AWS::EC2::VPC", "Ipv6CidrBlocks") => Some(self.ipv6_blocks(stack, logical)),
            ("AWS::EC2::VPC", "CidrBlock") | ("AWS::EC2::Subnet", "CidrBlock") => written("CidrBlock"),
            ("AWS::EC2::Subnet", "Ipv6CidrBlocks") => {
                written("Ipv6CidrBlock").map(|one| Val::List(vec![one]))
            }
            ("AWS::EC2::Subnet", "AvailabilityZone") => {
                written("AvailabilityZone").or_else(|| Some(Val::Text(format!("{}a", own.region))))
            }
            ("AWS::EC2::Subnet", "AvailabilityZoneId") => written("AvailabilityZoneId"),
            ("AWS::EC2::Instance", "AvailabilityZone") => {
                written("AvailabilityZone").or_else(|| match Token::whole(&written("SubnetId")?.text()?)? {
                    Token::Resource { name, .. } => {
                        let Place { stack, logical } = self.place_of(&name)?;
                        Some(self.attribute(stack, &logical, "AvailabilityZone"))
                    }
                    Token::Missing { .. } => None,
                })
            }
            ("AWS::EC2::Instance", "PrivateIp")
            | ("AWS::EC2::NetworkInterface", "PrimaryPrivateIpAddress") => {
                written("PrivateIpAddress").or_else(|| self.private_address(stack, logical))
            }
            ("AWS::EC2::NetworkInterface", "SecondaryPrivateIpAddresses") => {
                self.secondary_addresses(stack, logical)
            }
            ("AWS::EC2::TransitGateway", _) if attribute.ends_with("DefaultRouteTableId") => {
                let table = format!("{name}/default");
                Some(Val::Text(Token::resource("AWS::EC2::TransitGatewayRouteTable", &table).encode()))
            }
            ("AWS::EKS::Cluster", "ClusterSecurityGroupId") => {
                let group = crate::eks::group_of(&name);
                Some(Val::Text(Token::resource("AWS::EC2::SecurityGroup", &group).encode()))
            }
            // `ZONE:ENDPOINT` for each subnet; the firewall's name stands for its endpoint.
            ("AWS::NetworkFirewall::Firewall", "EndpointIds") => {
                let firewall = Token::resource(of_type, &name).encode();
                let zones = super::functions::ZONES.iter();
                Some(Val::List(
                    zones.map(|zone| Val::Text(format!("{}{zone}:{firewall}", own.region))).collect(),
                ))
            }
            ("AWS::EC2::EIP", "PublicIp") => Some(Val::Text(
                Token::Resource { of_type: of_type.to_owned(), name: name.clone(), address: Address::Public }
                    .encode(),
            )),
            ("AWS::EC2::SecurityGroup" | "AWS::EC2::Subnet" | "AWS::EC2::Instance", "VpcId") => {
                written("VpcId").or_else(|| {
                    let subnet = Token::whole(&written("SubnetId")?.text()?)?;
                    let Token::Resource { name, .. } = subnet else { return None };
                    let Place { stack, logical } = self.place_of(&name)?;
                    self.property(stack, &logical, "VpcId")
                })
            }
            ("AWS::RDS::DBInstance" | "AWS::RDS::DBCluster" | "AWS::Neptune::DBCluster", "Endpoint.Port") => {
                written("Port")
                    .or_else(|| Some(Val::Number(database_port(of_type, written("Engine")).into())))
            }
            ("AWS::DocDB::DBCluster", "Port") => written("Port").or(Some(Val::Number(27017.into()))),
            ("AWS::Redshift::Cluster", "Endpoint.Port") => written("Port").or(Some(Val::Number(5439.into()))),
            ("AWS::ElastiCache::CacheCluster", "RedisEndpoint.Port" | "ConfigurationEndpoint.Port")
            | ("AWS::ElastiCache::ReplicationGroup", "PrimaryEndPoint.Port" | "ConfigurationEndPoint.Port") => {
                written("Port")
            }
            _ if is_id(attribute) => Some(itself()),
            _ => None,
        };
        found.unwrap_or_else(unknown)
    }

    /// Whether a template attaches an internet gateway to a VPC.
    pub(super) fn has_internet_gateway(&self, vpc: &str) -> bool {
        self.stacks().iter().enumerate().any(|(position, own)| {
            let mut attachments = own
                .template
                .resources
                .keys()
                .filter(|logical| own.type_of(logical) == Some("AWS::EC2::VPCGatewayAttachment"));
            attachments.any(|logical| {
                let text = |key: &str| self.property(position, logical, key)?.text();
                let is_of_vpc = matches!(text("VpcId").as_deref().and_then(Token::whole),
                    Some(Token::Resource { name, .. }) if name == vpc);
                is_of_vpc
                    && text("InternetGatewayId").is_some()
                    && self.is_made_at_all(position, logical) != Ok(false)
            })
        })
    }

    /// Whether a template peers with a VPC of another account.
    pub(super) fn has_peering_with(&self, account: &str) -> bool {
        self.stacks().iter().enumerate().any(|(position, own)| {
            let mut all = own.template.resources.keys();
            all.any(|logical| {
                own.type_of(logical) == Some("AWS::EC2::VPCPeeringConnection")
                    && self
                        .property(position, logical, "PeerOwnerId")
                        .and_then(|owner| owner.text())
                        .as_deref()
                        == Some(account)
            })
        })
    }

    /// The IPv6 blocks of a VPC: those that the template states, and the one that AWS would give it.
    pub(super) fn ipv6_blocks(&self, stack: usize, vpc: &str) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let name = own.name_of(vpc);
        let mut blocks = Vec::new();
        for logical in own.template.resources.keys() {
            if own.type_of(logical) != Some("AWS::EC2::VPCCidrBlock")
                || self.is_made(stack, logical) == Ok(false)
            {
                continue;
            }
            let of = self.property(stack, logical, "VpcId").and_then(|vpc| vpc.text());
            let is_of_vpc = matches!(of.as_deref().and_then(Token::whole),
                Some(Token::Resource { name: of, .. }) if of == name);
            if let (true, Some(block)) = (is_of_vpc, self.property(stack, logical, "Ipv6CidrBlock")) {
                blocks.push(block);
            }
        }
        if blocks.is_empty() {
            blocks.push(Val::Text(self.ipv6_block(&name).to_string()));
        }
        Val::List(blocks)
    }

    /// The block that AWS would give a VPC: a /56 of 2001:db8::/32, always the same.
    pub(super) fn ipv6_block(&self, vpc: &str) -> IpNet {
        let mut chosen = self.chosen.borrow_mut();
        let Chosen { ipv6, pool, .. } = &mut *chosen;
        *ipv6.entry(vpc.to_owned()).or_insert_with(|| pool.choose().into())
    }

    /// The address of an elastic IP that is used and not stated, of the documentation's pool.
    pub(super) fn public_address(&self, name: &str) -> String {
        let stated =
            self.place_of(name).and_then(|place| self.property(place.stack, &place.logical, "Address"));
        if let Some(stated) = stated.and_then(|stated| stated.text()?.trim().parse::<Ipv4Addr>().ok()) {
            return stated.to_string();
        }
        let mut chosen = self.chosen.borrow_mut();
        // From the end of 203.0.113.0/24 and on to 198.51.100.0/24: the model gives out the others from the start.
        let taken = chosen.public.len();
        let host = 254 - u8::try_from(taken % 200).unwrap_or(0);
        let address =
            if taken < 200 { Ipv4Addr::new(203, 0, 113, host) } else { Ipv4Addr::new(198, 51, 100, host) };
        chosen.public.entry(name.to_owned()).or_insert(address).to_string()
    }

    /// The address of an instance or interface that is used and not stated: the highest free one of its subnet.
    fn private_address(&self, stack: usize, logical: &str) -> Option<Val> {
        let own = self.stack(stack)?;
        let key = (own.type_of(logical)?.to_owned(), own.name_of(logical));
        if let Some(address) = self.chosen.borrow().private.get(&key) {
            return Some(Val::Text(address.to_string()));
        }
        let address = *self.free_addresses(stack, logical, 1)?.first()?;
        self.chosen.borrow_mut().private.insert(key, address);
        Some(Val::Text(address.to_string()))
    }

    /// The secondary addresses of an interface that says how many it has.
    pub(super) fn counted_addresses(&self, stack: usize, logical: &str) -> Option<Vec<Ipv4Addr>> {
        let name = self.stack(stack)?.name_of(logical);
        if let Some(known) = self.chosen.borrow().secondary.get(&name) {
            return Some(known.clone());
        }
        let count = self.property(stack, logical, "SecondaryPrivateIpAddressCount")?.text()?;
        let addresses = self.free_addresses(stack, logical, count.trim().parse().ok()?)?;
        self.chosen.borrow_mut().secondary.insert(name, addresses.clone());
        Some(addresses)
    }

    /// The highest free addresses of the subnet of an instance or interface, where its block is known.
    fn free_addresses(&self, stack: usize, logical: &str, count: usize) -> Option<Vec<Ipv4Addr>> {
        let subnet = match Token::whole(&self.property(stack, logical, "SubnetId")?.text()?)? {
            Token::Resource { name, .. } => name,
            Token::Missing { name, .. } => return self.addresses_in_stand_in(name, count),
        };
        let place = self.place_of(&subnet)?;
        let block = plain(&self.property(place.stack, &place.logical, "CidrBlock")?.text()?);
        let block: Ipv4Net = block.trim().parse().ok()?;
        let mut taken = self.stated_addresses();
        let chosen = self.chosen.borrow();
        taken.extend(chosen.private.values().copied());
        taken.extend(chosen.secondary.values().flatten().copied());
        let last = u32::from(block.broadcast());
        let free = (5..250).map(|back| Ipv4Addr::from(last.saturating_sub(back)));
        let free = free.filter(|address| block.contains(address) && !taken.contains(address));
        Some(free.take(count).collect::<Vec<_>>()).filter(|found| found.len() == count)
    }

    /// Addresses in a subnet that nobody gives, whose stand-in is put around them: each subnet has its own third number.
    fn addresses_in_stand_in(&self, subnet: String, count: usize) -> Option<Vec<Ipv4Addr>> {
        /// AWS keeps the first four addresses of a subnet.
        const FIRST: u8 = 5;
        let mut chosen = self.chosen.borrow_mut();
        let number = u8::try_from(chosen.stand_ins.len()).ok()?;
        let (number, used) = chosen.stand_ins.entry(subnet).or_insert((number, FIRST));
        let end = used.checked_add(u8::try_from(count).ok()?).filter(|end| *end < u8::MAX)?;
        let addresses = (*used..end).map(|last| Ipv4Addr::new(100, 127, *number, last)).collect();
        *used = end;
        Some(addresses)
    }

    /// The secondary addresses that the template states for an interface, or as many as it counts.
    fn secondary_addresses(&self, stack: usize, logical: &str) -> Option<Val> {
        if let Some(Val::List(stated)) = self.property(stack, logical, "PrivateIpAddresses") {
            let secondary = stated.into_iter().filter_map(|item| {
                let Val::Map(mut item) = item else { return None };
                let is_primary = item.get("Primary").and_then(Val::text).as_deref() == Some("true");
                item.remove("PrivateIpAddress").filter(|_| !is_primary)
            });
            return Some(Val::List(secondary.collect()));
        }
        let counted = self.counted_addresses(stack, logical)?;
        Some(Val::List(counted.iter().map(|address| Val::Text(address.to_string())).collect()))
    }

    /// Addresses that stand in any template as they are.
    fn stated_addresses(&self) -> BTreeSet<Ipv4Addr> {
        fn texts(value: &Value, found: &mut BTreeSet<Ipv4Addr>) {
            match value {
                Value::String(text) => found.extend(text.parse::<Ipv4Addr>().ok()),
                Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
                Value::Object(map) => map.values().for_each(|item| texts(item, found)),
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        for stack in self.stacks() {
            let template = &stack.template;
            template.parameters.values().chain(template.resources.values()).for_each(|value| {
                texts(value, &mut found);
            });
        }
        found
    }
}

/// How many values a value has in it.
fn nodes(value: &Val) -> usize {
    match value {
        Val::List(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Val::Map(map) => 1 + map.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}

/// Whether an attribute is one of the ids that AWS gives the resource.
fn is_id(attribute: &str) -> bool {
    matches!(
        attribute,
        "Id" | "Arn"
            | "AllocationId"
            | "GroupId"
            | "SubnetId"
            | "VpcId"
            | "InternetGatewayId"
            | "NatGatewayId"
            | "RouteTableId"
            | "NetworkAclId"
            | "InstanceId"
            | "LaunchTemplateId"
            | "PrefixListId"
            | "TransitGatewayArn"
            | "TransitGatewayRouteTableId"
            | "TransitGatewayAttachmentId"
            | "AttachmentId"
            | "VPNGatewayId"
            | "VPNConnectionId"
            | "CustomerGatewayId"
            | "CarrierGatewayId"
            | "AcceleratorArn"
            | "LoadBalancerArn"
            | "TargetGroupArn"
            | "ListenerArn"
            | "FirewallArn"
            | "FirewallId"
            | "ServiceId"
            | "DBClusterArn"
            | "ClusterArn"
            | "EgressOnlyInternetGatewayId"
            | "DhcpOptionsId"
            | "EndpointId"
    )
}

/// The port of a database that states none.
fn database_port(of_type: &str, engine: Option<Val>) -> u16 {
    let engine = engine.and_then(|engine| engine.text()).unwrap_or_default();
    if of_type.contains("Neptune") {
        8182
    } else if engine.contains("postgres") {
        5432
    } else if engine.contains("oracle") {
        1521
    } else if engine.contains("sqlserver") {
        1433
    } else if engine.contains("db2") {
        50000
    } else {
        3306
    }
}
