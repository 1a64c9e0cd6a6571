//! What does a reference mean?
//!
//! The second phase. A reference is a name or an AWS-style id; inside its own VPC also the bare word `main` or
//! `default`. A [`Register`] knows every resource of one kind, broken ones included, and the VPC each belongs to. What
//! always holds: a reference that does not resolve is reported once, by the resource that writes it.

use std::collections::{BTreeMap, HashMap};

use crate::declared::{DEFAULT, Declared, DeclaredInterface, MAIN, owner_in_name};
use crate::home::Home;
use crate::log::{Log, Place};
use crate::name::{Kind, Name, RouteTableName, SubnetName, VpcName, kind};
use crate::nearest::nearest;
use crate::reader::{Given, Written};
use crate::resources::{Topology, default_table_of};
use crate::rules::endpoints;

/// All resources of one kind: their VPCs, and their other spellings.
#[derive(Debug)]
pub(crate) struct Register<K> {
    owners: BTreeMap<Name<K>, Option<VpcName>>,
    spellings: HashMap<String, Name<K>>,
}

/// The registers of the kinds that can be referred to.
#[derive(Debug)]
pub(crate) struct Registers {
    pub(crate) vpcs: Register<kind::Vpc>,
    pub(crate) subnets: Register<kind::Subnet>,
    pub(crate) route_tables: Register<kind::RouteTable>,
    pub(crate) internet_gateways: Register<kind::InternetGateway>,
    pub(crate) egress_only_internet_gateways: Register<kind::EgressOnlyInternetGateway>,
    pub(crate) nat_gateways: Register<kind::NatGateway>,
    pub(crate) vpc_peering_connections: Register<kind::VpcPeeringConnection>,
    pub(crate) transit_gateways: Register<kind::TransitGateway>,
    pub(crate) transit_gateway_vpc_attachments: Register<kind::TransitGatewayVpcAttachment>,
    pub(crate) transit_gateway_peering_attachments: Register<kind::TransitGatewayPeeringAttachment>,
    pub(crate) transit_gateway_route_tables: Register<kind::TransitGatewayRouteTable>,
    pub(crate) eips: Register<kind::Eip>,
    pub(crate) managed_prefix_lists: Register<kind::ManagedPrefixList>,
    pub(crate) vpc_endpoints: Register<kind::VpcEndpoint>,
    pub(crate) network_acls: Register<kind::NetworkAcl>,
    pub(crate) security_groups: Register<kind::SecurityGroup>,
    pub(crate) network_interfaces: Register<kind::NetworkInterface>,
    pub(crate) instances: Register<kind::Instance>,
    pub(crate) vpn_gateways: Register<kind::VpnGateway>,
    pub(crate) customer_gateways: Register<kind::CustomerGateway>,
    pub(crate) vpn_connections: Register<kind::VpnConnection>,
    pub(crate) dx_gateways: Register<kind::DxGateway>,
    pub(crate) dx_gateway_associations: Register<kind::DxGatewayAssociation>,
    pub(crate) dx_private_virtual_interfaces: Register<kind::DxPrivateVirtualInterface>,
    pub(crate) dx_transit_virtual_interfaces: Register<kind::DxTransitVirtualInterface>,
    pub(crate) customer_networks: Register<kind::CustomerNetwork>,
    /// The main route table of each VPC.
    pub(crate) main_tables: BTreeMap<VpcName, RouteTableName>,
    /// The subnet of each interface, as far as it resolves.
    pub(crate) interface_subnets: BTreeMap<Name<kind::NetworkInterface>, SubnetName>,
}

/// What the rules work with: the document, the names in it, the lab as it was before, and the log.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) log: &'a Log,
    pub(crate) declared: &'a Declared,
    pub(crate) registers: &'a Registers,
    pub(crate) previous: Option<&'a Topology>,
}

impl Context<'_> {
    /// Where a VPC lives and whose it is, and with it everything inside. Nothing when there is no such VPC, or when that
    /// of it has been reported.
    pub(crate) fn home_of(&self, vpc: Option<&VpcName>) -> Option<Home> {
        self.declared.vpcs.get(vpc?)?.home.settle(self)
    }
}

impl<K: Kind> Register<K> {
    fn new(owners: BTreeMap<Name<K>, Option<VpcName>>) -> Self {
        let spellings = owners.keys().map(|name| (name.id(), name.clone())).collect();
        Self { owners, spellings }
    }

    /// The resource `reference` stands for.
    pub(crate) fn find(&self, reference: &str) -> Option<&Name<K>> {
        self.owners.get_key_value(reference).map(|(name, _)| name).or_else(|| self.spellings.get(reference))
    }

    /// The VPC that `name` belongs to, if it has one that exists.
    pub(crate) fn owner(&self, name: &Name<K>) -> Option<&VpcName> {
        self.owners.get(name)?.as_ref()
    }

    /// All names, with their VPCs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name<K>, Option<&VpcName>)> {
        self.owners.iter().map(|(name, owner)| (name, owner.as_ref()))
    }

    /// The resource a reference stands for, or a report with EC2's code for this kind (ERR-31).
    pub(crate) fn resolve(&self, log: &Log, reference: &Written<String>) -> Option<Name<K>> {
        let code =
            if is_ill_formed::<K>(&reference.value) { malformed(K::PLURAL) } else { not_found(K::PLURAL) };
        self.resolve_or(log, reference, code)
    }

    /// The same with the code of the caller's situation.
    pub(crate) fn resolve_or(
        &self,
        log: &Log,
        reference: &Written<String>,
        code: &'static str,
    ) -> Option<Name<K>> {
        let found = self.find(&reference.value);
        if found.is_none() {
            let names = || self.owners.keys().map(Name::as_str);
            let meant = (!log.is_long()).then(|| nearest(&reference.value, names())).flatten();
            let remedy = match meant {
                Some(meant) => format!("did you mean {meant}?"),
                None if self.owners.is_empty() => format!("declare it under `{}`", K::PLURAL),
                None => {
                    const SHOWN: usize = 8;
                    let mut shown: Vec<_> = names().take(SHOWN).collect();
                    if self.owners.len() > SHOWN {
                        shown.push("...");
                    }
                    format!("declare it under `{}`, or use one of: {}", K::PLURAL, shown.join(", "))
                }
            };
            log.report(
                &reference.at,
                code,
                format!("there is no {} \"{}\"", K::NOUN, reference.value),
                remedy,
            );
        }
        found.cloned()
    }

    /// The resource a reference inside `vpc` stands for; `word` is the short name of the one AWS makes. One that
    /// belongs to another VPC is reported with `foreign`.
    pub(crate) fn resolve_inside(
        &self,
        log: &Log,
        reference: &Written<String>,
        vpc: &VpcName,
        word: Option<&str>,
        foreign: &'static str,
    ) -> Option<Name<K>> {
        let bare = word.is_some_and(|word| word == reference.value);
        let own = |name: &&Name<K>| self.owner(name) == Some(vpc);
        if bare && self.find(&reference.value).filter(own).is_none() {
            return self.find(&format!("{vpc}/{}", reference.value)).cloned();
        }
        let name = self.resolve(log, reference)?;
        match self.owner(&name) {
            Some(owner) if owner != vpc => {
                let problem = format!("the {} {name} belongs to VPC {owner}, not to VPC {vpc}", K::NOUN);
                log.report(&reference.at, foreign, problem, format!("use one of VPC {vpc}"));
                None
            }
            _ => Some(name),
        }
    }
}

impl Registers {
    /// Registers everything declared and everything AWS makes by itself, and resolves what belongs where.
    pub(crate) fn of(declared: &Declared, log: &Log) -> Self {
        let vpcs = Register::new(declared.vpcs.keys().map(|name| (name.clone(), None)).collect());
        let inside = |vpc: &Given<String>| vpc.written().and_then(|vpc| vpcs.resolve(log, vpc));

        let subnets = Register::new(owners(&declared.subnets, |subnet| inside(&subnet.vpc)));
        let internet_gateways = Register::new(owners(&declared.internet_gateways, |igw| inside(&igw.vpc)));
        let mut tables = owners(&declared.route_tables, |table| inside(&table.vpc));
        let mut acls = owners(&declared.network_acls, |acl| inside(&acl.vpc));
        let mut groups = owners(&declared.security_groups, |group| inside(&group.vpc));
        for (name, vpc) in &declared.vpcs {
            if vpc.main_route_table.is_absent() {
                tables.entry(made_by_aws(name, MAIN)).or_insert_with(|| Some(name.clone()));
            }
            acls.entry(made_by_aws(name, DEFAULT)).or_insert_with(|| Some(name.clone()));
            groups.entry(made_by_aws(name, DEFAULT)).or_insert_with(|| Some(name.clone()));
        }
        let mut route_tables = Register::new(tables);
        let main_tables = main_tables(declared, &mut route_tables, log);

        let mut interface_subnets = BTreeMap::new();
        let mut interface_owners = BTreeMap::new();
        let implied = declared
            .instances
            .iter()
            .filter(|(_, instance)| !instance.interface.subnet.is_absent())
            .map(|(name, instance)| (Name::new(name.as_str()), &instance.interface));
        let own = declared.network_interfaces.iter().map(|(name, eni)| (name.clone(), &eni.interface));
        let services = declared.nat_gateways.iter().map(|(name, nat)| (interface_of(name), &nat.interface));
        let attached =
            attachment_interfaces(declared, &subnets).map(|(name, _, interface)| (name, interface));
        let not_modelled = declared.not_modelled.values().flatten().flat_map(|(owner, resource)| {
            resource.interfaces.iter().filter_map(|interface| {
                let subnet = interface.subnet.value()?;
                Some((name_in(&subnets, resource.kind.id_prefix, owner, subnet), interface))
            })
        });
        let endpoints = declared.vpc_endpoints.iter().flat_map(|(owner, endpoint)| {
            endpoint.interfaces.iter().filter_map(|interface| {
                let subnet = interface.subnet.value()?;
                Some((name_in(&subnets, "vpce", owner.as_str(), subnet), interface))
            })
        });
        for (name, interface) in
            implied.chain(own).chain(services).chain(not_modelled).chain(endpoints).chain(attached)
        {
            let subnet = interface.subnet.written().and_then(|subnet| subnets.resolve(log, subnet));
            let owner = subnet.as_ref().and_then(|subnet| subnets.owner(subnet)).cloned();
            interface_owners.insert(name.clone(), owner);
            interface_subnets.extend(subnet.map(|subnet| (name, subnet)));
        }
        let nat_gateways = owners(&declared.nat_gateways, |_| None)
            .into_keys()
            .map(|name| {
                let owner = interface_owners.get(&interface_of(&name)).cloned().flatten();
                (name, owner)
            })
            .collect();
        let registers = Self {
            egress_only_internet_gateways: Register::new(owners(
                &declared.egress_only_internet_gateways,
                |gateway| inside(&gateway.vpc),
            )),
            nat_gateways: Register::new(nat_gateways),
            vpc_peering_connections: Register::new(owners(&declared.vpc_peering_connections, |_| None)),
            transit_gateways: Register::new(owners(&declared.transit_gateways, |_| None)),
            transit_gateway_vpc_attachments: Register::new(owners(
                &declared.transit_gateway_vpc_attachments,
                |attachment| inside(&attachment.vpc),
            )),
            transit_gateway_peering_attachments: Register::new(owners(
                &declared.transit_gateway_peering_attachments,
                |_| None,
            )),
            transit_gateway_route_tables: Register::new(transit_gateway_route_tables(declared)),
            eips: Register::new(owners(&declared.eips, |_| None)),
            managed_prefix_lists: Register::new(
                owners(&declared.managed_prefix_lists, |_| None)
                    .into_iter()
                    .chain(
                        endpoints::prefix_lists(declared.gateway_services())
                            .into_keys()
                            .map(|name| (name, None)),
                    )
                    .collect(),
            ),
            vpc_endpoints: Register::new(owners(&declared.vpc_endpoints, |endpoint| inside(&endpoint.vpc))),
            subnets,
            route_tables,
            internet_gateways,
            network_acls: Register::new(acls),
            security_groups: Register::new(groups),
            network_interfaces: Register::new(interface_owners),
            instances: Register::new(owners(&declared.instances, |_| None)),
            vpn_gateways: Register::new(owners(&declared.vpn_gateways, |gateway| inside(&gateway.vpc))),
            customer_gateways: Register::new(owners(&declared.customer_gateways, |_| None)),
            vpn_connections: Register::new(owners(&declared.vpn_connections, |_| None)),
            dx_gateways: Register::new(owners(&declared.dx_gateways, |_| None)),
            dx_gateway_associations: Register::new(owners(&declared.dx_gateway_associations, |_| None)),
            dx_private_virtual_interfaces: Register::new(owners(
                &declared.dx_private_virtual_interfaces,
                |_| None,
            )),
            dx_transit_virtual_interfaces: Register::new(owners(
                &declared.dx_transit_virtual_interfaces,
                |_| None,
            )),
            customer_networks: Register::new(owners(&declared.customer_networks, |_| None)),
            main_tables,
            interface_subnets,
            vpcs,
        };
        registers.refuse_names_that_are_ids(declared, log);
        registers
    }

    /// The interface that a reference stands for, if it is the user's: one that a service has put into a subnet cannot be
    /// attached or changed (L2-19).
    pub(crate) fn own_interface(
        &self,
        log: &Log,
        reference: &Written<String>,
    ) -> Option<Name<kind::NetworkInterface>> {
        let name = self.network_interfaces.resolve(log, reference)?;
        if name.as_str().contains('/') {
            let problem = format!("the network interface {name} belongs to a service");
            log.report(&reference.at, "OperationNotPermitted", problem, "use an interface of your own");
            return None;
        }
        Some(name)
    }

    /// A name that is the id of another resource would make references ambiguous.
    fn refuse_names_that_are_ids(&self, declared: &Declared, log: &Log) {
        let mut ids: HashMap<String, (&'static str, &str)> = HashMap::new();
        fn note<'a, K: Kind + 'a>(
            ids: &mut HashMap<String, (&'static str, &'a str)>,
            names: impl Iterator<Item = &'a Name<K>>,
        ) {
            ids.extend(names.map(|name| (name.id(), (K::NOUN, name.as_str()))));
        }
        note(&mut ids, self.vpcs.owners.keys());
        note(&mut ids, self.subnets.owners.keys());
        note(&mut ids, self.route_tables.owners.keys());
        note(&mut ids, self.internet_gateways.owners.keys());
        note(&mut ids, self.egress_only_internet_gateways.owners.keys());
        note(&mut ids, self.nat_gateways.owners.keys());
        note(&mut ids, self.vpc_peering_connections.owners.keys());
        note(&mut ids, self.transit_gateways.owners.keys());
        note(&mut ids, self.transit_gateway_vpc_attachments.owners.keys());
        note(&mut ids, self.transit_gateway_peering_attachments.owners.keys());
        note(&mut ids, self.transit_gateway_route_tables.owners.keys());
        note(&mut ids, self.managed_prefix_lists.owners.keys());
        note(&mut ids, self.vpc_endpoints.owners.keys());
        note(&mut ids, declared.services.keys());
        note(&mut ids, self.network_acls.owners.keys());
        note(&mut ids, self.security_groups.owners.keys());
        note(&mut ids, self.network_interfaces.owners.keys());
        note(&mut ids, self.instances.owners.keys());
        note(&mut ids, declared.eips.keys());
        note(&mut ids, declared.internet_hosts.keys());
        note(&mut ids, declared.vpn_gateways.keys());
        note(&mut ids, declared.customer_gateways.keys());
        note(&mut ids, declared.vpn_connections.keys());
        note(&mut ids, declared.dx_gateways.keys());
        note(&mut ids, declared.dx_gateway_associations.keys());
        note(&mut ids, declared.dx_private_virtual_interfaces.keys());
        note(&mut ids, declared.dx_transit_virtual_interfaces.keys());
        for (kind, name) in
            declared.not_modelled.values().flat_map(|all| all.iter().map(|(name, r)| (r.kind, name)))
        {
            ids.insert(kind.id(name), (kind.noun, name));
        }
        note(&mut ids, declared.customer_networks.keys());
        note(&mut ids, declared.customer_hosts.keys());
        fn refuse<'a, K: Kind + 'a>(
            log: &Log,
            ids: &HashMap<String, (&str, &str)>,
            names: impl Iterator<Item = &'a Name<K>>,
        ) {
            for name in names {
                if let Some((noun, other)) = ids.get(name.as_str()) {
                    let problem = format!("the name {name} is the id of the {noun} {other}");
                    log.report(
                        &Place::resource(name),
                        "InvalidParameterValue",
                        problem,
                        "choose another name",
                    );
                }
            }
        }
        refuse(log, &ids, declared.vpcs.keys());
        refuse(log, &ids, declared.subnets.keys());
        refuse(log, &ids, declared.route_tables.keys());
        refuse(log, &ids, declared.internet_gateways.keys());
        refuse(log, &ids, declared.egress_only_internet_gateways.keys());
        refuse(log, &ids, declared.nat_gateways.keys());
        refuse(log, &ids, declared.vpc_peering_connections.keys());
        refuse(log, &ids, declared.transit_gateways.keys());
        refuse(log, &ids, declared.transit_gateway_vpc_attachments.keys());
        refuse(log, &ids, declared.transit_gateway_peering_attachments.keys());
        refuse(log, &ids, declared.transit_gateway_route_tables.keys());
        refuse(log, &ids, declared.managed_prefix_lists.keys());
        refuse(log, &ids, declared.vpc_endpoints.keys());
        refuse(log, &ids, declared.services.keys());
        refuse(log, &ids, declared.network_acls.keys());
        refuse(log, &ids, declared.security_groups.keys());
        refuse(log, &ids, declared.network_interfaces.keys());
        refuse(log, &ids, declared.instances.keys());
        refuse(log, &ids, declared.eips.keys());
        refuse(log, &ids, declared.internet_hosts.keys());
        refuse(log, &ids, declared.vpn_gateways.keys());
        refuse(log, &ids, declared.customer_gateways.keys());
        refuse(log, &ids, declared.vpn_connections.keys());
        refuse(log, &ids, declared.dx_gateways.keys());
        refuse(log, &ids, declared.dx_gateway_associations.keys());
        refuse(log, &ids, declared.dx_private_virtual_interfaces.keys());
        refuse(log, &ids, declared.dx_transit_virtual_interfaces.keys());
        refuse(log, &ids, declared.customer_networks.keys());
        refuse(log, &ids, declared.customer_hosts.keys());
    }
}

/// The name of the interface that a NAT gateway, an attachment or an endpoint puts into a subnet. A slash keeps it apart
/// from every name a user can choose.
pub(crate) fn interface_of<K: Kind>(service: &Name<K>) -> Name<kind::NetworkInterface> {
    Name::new(format!("{}/{service}", K::ID_PREFIX))
}

/// The interfaces that attachments of VPCs put into their subnets: each with its name, such as
/// `tgw-attach/shop/private-a`, and the attachment it belongs to.
pub(crate) fn attachment_interfaces<'a>(
    declared: &'a Declared,
    subnets: &Register<kind::Subnet>,
) -> impl Iterator<
    Item = (Name<kind::NetworkInterface>, &'a Name<kind::TransitGatewayVpcAttachment>, &'a DeclaredInterface),
> {
    declared.transit_gateway_vpc_attachments.iter().flat_map(move |(name, attachment)| {
        attachment.interfaces.iter().filter_map(move |interface| {
            let subnet = interface.subnet.value()?;
            let prefix = kind::TransitGatewayVpcAttachment::ID_PREFIX;
            Some((name_in(subnets, prefix, name.as_str(), subnet), name, interface))
        })
    })
}

/// The route tables of transit gateways, declared ones and those that AWS makes with a gateway (TGW-03).
fn transit_gateway_route_tables(
    declared: &Declared,
) -> BTreeMap<Name<kind::TransitGatewayRouteTable>, Option<VpcName>> {
    let mut tables = owners(&declared.transit_gateway_route_tables, |_| None);
    for (name, gateway) in &declared.transit_gateways {
        if gateway.default_route_table_association || gateway.default_route_table_propagation {
            tables.entry(default_table_of(name)).or_insert(None);
        }
    }
    tables
}

/// The name of the interface that the service `owner` puts into the subnet that `subnet` refers to.
pub(crate) fn interface_in(
    registers: &Registers,
    prefix: &str,
    owner: &str,
    subnet: &str,
) -> Name<kind::NetworkInterface> {
    name_in(&registers.subnets, prefix, owner, subnet)
}

fn name_in(
    subnets: &Register<kind::Subnet>,
    prefix: &str,
    owner: &str,
    subnet: &str,
) -> Name<kind::NetworkInterface> {
    let subnet = subnets.find(subnet).map_or(subnet, Name::as_str);
    Name::new(format!("{prefix}/{owner}/{subnet}"))
}

/// The qualified name of what AWS makes with a VPC, such as `shop/main`.
pub(crate) fn made_by_aws<K>(vpc: &VpcName, word: &str) -> Name<K> {
    Name::new(format!("{vpc}/{word}"))
}

fn owners<K, D>(
    declared: &BTreeMap<Name<K>, D>,
    owner: impl Fn(&D) -> Option<VpcName>,
) -> BTreeMap<Name<K>, Option<VpcName>> {
    declared.iter().map(|(name, resource)| (name.clone(), owner(resource))).collect()
}

/// The main table of each VPC: the one it names, else its own `main` (RT-02).
fn main_tables(
    declared: &Declared,
    tables: &mut Register<kind::RouteTable>,
    log: &Log,
) -> BTreeMap<VpcName, RouteTableName> {
    let mut mains = BTreeMap::new();
    for (name, vpc) in &declared.vpcs {
        let own: RouteTableName = made_by_aws(name, MAIN);
        let Some(reference) = vpc.main_route_table.written() else {
            mains.insert(name.clone(), own);
            continue;
        };
        let Some(main) = tables.resolve_inside(log, reference, name, None, "InvalidParameterValue") else {
            continue;
        };
        if main != own && declared.route_tables.contains_key(&own) {
            log.report(
                &reference.at,
                "InvalidParameterCombination",
                format!("the main route table is {main} here, but {own} is declared too"),
                format!("give {own} another name, or leave `main_route_table` out"),
            );
        }
        tables.spellings.insert(own.as_str().to_owned(), main.clone());
        mains.insert(name.clone(), main);
    }
    mains
}

/// EC2's code for a reference that does not resolve (ERR-08, ERR-12, ERR-17, ERR-31).
fn not_found(plural: &str) -> &'static str {
    match plural {
        "vpcs" => "InvalidVpcID.NotFound",
        "subnets" => "InvalidSubnetID.NotFound",
        "route_tables" => "InvalidRouteTableID.NotFound",
        "internet_gateways" => "InvalidInternetGatewayID.NotFound",
        "egress_only_internet_gateways" => "InvalidGatewayID.NotFound",
        "nat_gateways" => "InvalidNatGatewayID.NotFound",
        "vpc_peering_connections" => "InvalidVpcPeeringConnectionID.NotFound",
        "transit_gateways" => "InvalidTransitGatewayID.NotFound",
        "transit_gateway_vpc_attachments" | "transit_gateway_peering_attachments" => {
            "InvalidTransitGatewayAttachmentID.NotFound"
        }
        "transit_gateway_route_tables" => "InvalidRouteTableID.NotFound",
        "managed_prefix_lists" => "InvalidPrefixListID.NotFound",
        "vpc_endpoints" => "InvalidVpcEndpointId.NotFound",
        "services" => "InvalidServiceName",
        "eips" => "InvalidAllocationID.NotFound",
        "network_acls" => "InvalidNetworkAclID.NotFound",
        "security_groups" => "InvalidGroup.NotFound",
        "network_interfaces" => "InvalidNetworkInterfaceID.NotFound",
        "instances" => "InvalidInstanceID.NotFound",
        "vpn_gateways" => "InvalidVpnGatewayID.NotFound",
        "customer_gateways" => "InvalidCustomerGatewayID.NotFound",
        "vpn_connections" => "InvalidVpnConnectionID.NotFound",
        "dx_gateways" => "InvalidDirectConnectGatewayID.NotFound",
        "dx_private_virtual_interfaces" => "InvalidVirtualInterfaceID.NotFound",
        "customer_networks" => "InvalidCustomerNetworkID.NotFound",
        _ => "InvalidParameterValue",
    }
}

/// EC2's code for an id that cannot be one (ERR-08, ERR-20, ERR-31).
fn malformed(plural: &str) -> &'static str {
    match plural {
        "vpcs" => "InvalidVpcID.Malformed",
        "subnets" => "InvalidSubnetID.Malformed",
        "route_tables" => "InvalidRouteTableID.Malformed",
        "internet_gateways" => "InvalidInternetGatewayID.Malformed",
        "egress_only_internet_gateways" => "InvalidGatewayID.Malformed",
        "nat_gateways" => "NatGatewayMalformed",
        "vpc_peering_connections" => "InvalidVpcPeeringConnectionID.Malformed",
        "managed_prefix_lists" => "InvalidPrefixListID.Malformed",
        "eips" => "InvalidAllocationID.Malformed",
        "network_acls" => "InvalidNetworkAclID.Malformed",
        "security_groups" => "InvalidGroupId.Malformed",
        "network_interfaces" => "InvalidNetworkInterfaceID.Malformed",
        "instances" => "InvalidInstanceID.Malformed",
        _ => "InvalidParameterValue",
    }
}

/// Whether a text is meant as an id and is too short or too long for one (ERR-43). A few hexadecimal digits may as well
/// end a name, as in `subnet-a`.
fn is_ill_formed<K: Kind>(text: &str) -> bool {
    const FEWEST: usize = 6;
    let digits = text.strip_prefix(K::ID_PREFIX).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| {
        let is_hexadecimal = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hexadecimal && digits.len() >= FEWEST && !matches!(digits.len(), 8 | 17)
    })
}

/// Whether `name` is the one AWS makes with a VPC: `shop/main`, `shop/default`.
pub(crate) fn is_made_by_aws<K>(name: &Name<K>, word: &str) -> bool {
    owner_in_name(name, word).is_some()
}
