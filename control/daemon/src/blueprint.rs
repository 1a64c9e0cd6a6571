//! What is each instance to look like to its kernel?
//!
//! A [`Blueprint`] is read off the topology and the fabric: names, devices, addresses, routes. Pure data: making it
//! real is [`crate::guest`]'s work, so a change is the difference of two sets of blueprints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use vpclab_engine::{Eni, Fabric, Host, Port, Subnet};
use vpclab_model::{Forwards, HostName, InstanceName, NetworkInterfaceName, Topology};
use vpclab_tap::link::{LinkConfig, RouteConfig, SourceRule};
use vpclab_wire::MacAddr;

/// The largest packet in a VPC, in bytes (MTU-01).
const VPC_MTU: u32 = 9001;
/// Frames a TAP holds for the worker: four times the kernel's default, as a full ring drops.
const RING: u32 = 2000;
/// The table of the interface with device index 0; the others count up from it.
const FIRST_TABLE: u32 = 100;
/// What hosts outside every VPC have as gateways. The engine answers for every address there.
const INTERNET_GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
const INTERNET_GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// Who lives in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GuestKey {
    Instance(InstanceName),
    Host(HostName),
}

/// All that one guest is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blueprint {
    pub(crate) key: GuestKey,
    /// The Amazon resolver and the domain to search; hosts outside every VPC have none.
    pub(crate) resolver: Option<Resolver>,
    /// What it does with packets for others.
    pub(crate) forwarding: Forwarding,
    pub(crate) devices: Vec<DeviceBlueprint>,
}

/// What a guest does with packets that are not addressed to it. By which device, the routes of its devices say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarding {
    /// It drops them.
    Off,
    /// It sends them on as they are.
    Unchanged,
    /// It sends them on from its own address.
    Masqueraded,
}

/// What stands in `resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolver {
    pub(crate) nameserver: Ipv4Addr,
    pub(crate) search: String,
}

/// One interface of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceBlueprint {
    pub(crate) port: Port,
    /// The interface's or the host's name.
    pub(crate) name: String,
    pub(crate) id: String,
    /// 0 is the primary interface.
    pub(crate) device_index: u8,
    pub(crate) public_ips: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Its name is empty: which one is free depends on the namespace.
    config: LinkConfig,
}

impl Blueprint {
    /// Whether one of its devices has an address of the family.
    pub(crate) fn has_address(&self, ipv6: bool) -> bool {
        let mut addresses = self.devices.iter().flat_map(|device| &device.config.addresses);
        addresses.any(|network| network.addr().is_ipv6() == ipv6)
    }
}

impl GuestKey {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Instance(name) => name.as_str(),
            Self::Host(name) => name.as_str(),
        }
    }

    pub(crate) fn id(&self) -> String {
        match self {
            Self::Instance(name) => name.id(),
            Self::Host(name) => name.id(),
        }
    }

    pub(crate) fn fingerprint(&self) -> u128 {
        match self {
            Self::Instance(name) => name.fingerprint(),
            Self::Host(name) => name.fingerprint(),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "instance",
            Self::Host(name) => name.kind(),
        }
    }
}

impl DeviceBlueprint {
    /// The link's configuration under the name it has in its namespace.
    pub(crate) fn config(&self, device: &str) -> LinkConfig {
        LinkConfig { name: device.to_owned(), ..self.config.clone() }
    }

    /// The text by which a device of this interface is found again after a crash.
    pub(crate) fn alias(&self) -> &str {
        &self.config.alias
    }

    pub(crate) fn mac(&self) -> MacAddr {
        self.config.mac
    }

    pub(crate) fn mtu(&self) -> u32 {
        self.config.mtu
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.config.addresses.iter().map(IpNet::addr)
    }
}

/// How the aliases of a lab's devices begin. A lab's name holds no colon.
pub(crate) fn alias_prefix(lab: &str) -> String {
    format!("vpclab:{lab}:")
}

/// Every guest that `topology`, compiled to `fabric`, declares: instances, then hosts outside every VPC by kind, each by name.
pub(crate) fn blueprints(lab: &str, topology: &Topology, fabric: &Fabric) -> Vec<Blueprint> {
    let prefix = alias_prefix(lab);
    let search = match topology.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    };
    let instances = topology.instances.iter().map(|(name, instance)| {
        let several = instance.network_interfaces.len() > 1;
        let interfaces = instance.network_interfaces.iter();
        let unchecked = |eni: &NetworkInterfaceName| {
            fabric.enis.find(eni.as_str()).is_some_and(|eni| !fabric.enis[eni].source_dest_check)
        };
        let forwarding = match instance.forwards {
            _ if !instance.network_interfaces.values().any(unchecked) => Forwarding::Off,
            Forwards::None => Forwarding::Off,
            Forwards::SameInterface | Forwards::Interface(_) => Forwarding::Unchanged,
            Forwards::Nat => Forwarding::Masqueraded,
        };
        let sends_by = |index: u8| match &instance.forwards {
            _ if forwarding == Forwarding::Off || !several => None,
            Forwards::Interface(out) => {
                let mut all = instance.network_interfaces.iter();
                all.find(|(_, eni)| *eni == out).map(|(&index, _)| table_of(index))
            }
            _ => Some(table_of(index)),
        };
        let devices: Vec<_> = interfaces
            .filter_map(|(&index, eni)| interface(&prefix, fabric, eni, index, several, sends_by(index)))
            .collect();
        let vpc = instance.network_interfaces.values().next().and_then(|eni| fabric.enis.find(eni.as_str()));
        let nameserver = vpc.map(|eni| fabric.vpcs[fabric.enis[eni].vpc].resolver);
        let resolver = nameserver.map(|nameserver| Resolver { nameserver, search: search.clone() });
        Blueprint { key: GuestKey::Instance(name.clone()), resolver, forwarding, devices }
    });
    let mut declared: Vec<_> = fabric.hosts.iter().collect();
    declared.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    let hosts = declared.into_iter().map(|(index, host)| Blueprint {
        key: GuestKey::Host(host.name.clone()),
        resolver: None,
        forwarding: Forwarding::Off,
        devices: vec![outside_host(&prefix, Port::Host(index), host)],
    });
    instances.chain(hosts).collect()
}

fn interface(
    prefix: &str,
    fabric: &Fabric,
    name: &NetworkInterfaceName,
    device_index: u8,
    several: bool,
    arrivals: Option<u32>,
) -> Option<DeviceBlueprint> {
    let index = fabric.enis.find(name.as_str())?;
    let eni = fabric.enis.get(index)?;
    let subnet = &fabric.subnets[eni.subnet];
    let table = table_of(device_index);
    let mut routes = Vec::new();
    if device_index == 0 {
        routes.extend(default_routes(eni, subnet, None));
    }
    let mut rules = Vec::new();
    if several {
        // A reply leaves by the interface that owns its source: each has a table of its own.
        routes.extend(connected_routes(eni, subnet, table));
        routes.extend(default_routes(eni, subnet, Some(table)));
        rules.extend(eni.addresses.iter().map(|&address| SourceRule { from: address.into(), table }));
    }
    Some(DeviceBlueprint {
        port: Port::Interface(index),
        name: name.as_str().to_owned(),
        id: name.id(),
        device_index,
        public_ips: eni.public_addresses.clone(),
        config: LinkConfig {
            name: String::new(),
            mac: eni.mac,
            mtu: VPC_MTU,
            alias: format!("{prefix}{}", name.id()),
            txqueuelen: RING,
            addresses: eni.addresses.iter().map(|&address| on_subnet(address, subnet)).collect(),
            routes,
            rules,
            arrivals,
        },
    })
}

/// The table of an interface of a guest that has several.
fn table_of(device_index: u8) -> u32 {
    FIRST_TABLE + u32::from(device_index)
}

fn outside_host(prefix: &str, port: Port, host: &Host) -> DeviceBlueprint {
    let name = &host.name;
    let default = |&address: &IpAddr| {
        let gateway = match address {
            IpAddr::V4(_) => INTERNET_GATEWAY_V4.into(),
            IpAddr::V6(_) => INTERNET_GATEWAY_V6.into(),
        };
        RouteConfig { onlink: true, ..route(everything(address), gateway) }
    };
    DeviceBlueprint {
        port,
        name: name.as_str().to_owned(),
        id: name.id(),
        device_index: 0,
        public_ips: Vec::new(),
        config: LinkConfig {
            name: String::new(),
            mac: host.mac,
            mtu: host.mtu.into(),
            alias: format!("{prefix}{}", name.id()),
            txqueuelen: RING,
            addresses: host.addresses.iter().copied().map(IpNet::from).collect(),
            routes: host.addresses.iter().map(default).collect(),
            rules: Vec::new(),
            arrivals: None,
        },
    }
}

/// The address with the length of its subnet, so that the kernel takes the subnet to be on the link.
fn on_subnet(address: IpAddr, subnet: &Subnet) -> IpNet {
    let len = match address {
        IpAddr::V4(_) => subnet.ipv4.map(|block| block.prefix_len()),
        IpAddr::V6(_) => subnet.ipv6.map(|block| block.prefix_len()),
    };
    len.and_then(|len| IpNet::new(address, len).ok()).unwrap_or_else(|| address.into())
}

/// A default route for each family the interface has an address of, by the subnet's router.
fn default_routes(eni: &Eni, subnet: &Subnet, table: Option<u32>) -> impl Iterator<Item = RouteConfig> {
    let ipv4 = eni.primary_address(false).zip(subnet.router.ipv4.map(IpAddr::V4));
    let ipv6 = eni.primary_address(true).zip(Some(IpAddr::V6(subnet.router.link_local)));
    [ipv4, ipv6]
        .into_iter()
        .flatten()
        .map(move |(address, gateway)| RouteConfig { table, ..route(everything(address), gateway) })
}

/// The subnet's blocks as neighbours, in a table that the kernel does not fill by itself.
fn connected_routes(eni: &Eni, subnet: &Subnet, table: u32) -> impl Iterator<Item = RouteConfig> {
    let ipv4 = eni.primary_address(false).zip(subnet.ipv4.map(IpNet::V4));
    let ipv6 = eni.primary_address(true).zip(subnet.ipv6.map(IpNet::V6));
    [ipv4, ipv6].into_iter().flatten().map(move |(address, destination)| RouteConfig {
        destination,
        gateway: None,
        onlink: false,
        source: address.is_ipv4().then_some(address),
        table: Some(table),
        metric: 0,
    })
}

fn route(destination: IpNet, gateway: IpAddr) -> RouteConfig {
    RouteConfig { destination, gateway: Some(gateway), onlink: false, source: None, table: None, metric: 0 }
}

/// The default destination of the family of `like`.
fn everything(like: IpAddr) -> IpNet {
    match like {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

#[cfg(test)]
mod tests {
    use vpclab_model::{Document, Syntax};

    use super::*;

    fn devices(guest: &str) -> Vec<LinkConfig> {
        let text = r#"{
            "region": "eu-west-1",
            "vpcs": {"v": {"cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56"}},
            "subnets": {"s": {"vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64"},
                        "t": {"vpc": "v", "cidr_block": "10.0.2.0/24"}},
            "network_interfaces": {"e0": {"subnet": "s", "private_ip": "10.0.1.20"},
                                   "e1": {"subnet": "t", "private_ip": "10.0.2.20"}},
            "instances": {
                "one": {"subnet": "s", "private_ip": "10.0.1.10", "ipv6_addresses": ["2001:db8:1:1::10"]},
                "two": {"network_interfaces": [{"network_interface": "e0", "device_index": 0},
                                               {"network_interface": "e1", "device_index": 1}]}},
            "internet_hosts": {"host": {"address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7"}}}"#;
        let document = Document::parse(text, Syntax::Json).unwrap();
        let topology = Topology::from_document(&document, None).unwrap();
        let fabric = Fabric::compile(&topology, None);
        let all = blueprints("lab", &topology, &fabric);
        let blueprint = all.iter().find(|blueprint| blueprint.key.name() == guest).unwrap();
        if let Some(resolver) = &blueprint.resolver {
            assert_eq!(resolver.search, "eu-west-1.compute.internal");
            assert_eq!(resolver.nameserver, Ipv4Addr::new(10, 0, 0, 2));
        }
        blueprint.devices.iter().map(|device| device.config("eth9")).collect()
    }

    /// `DESTINATION via GATEWAY table TABLE`, shortened where there is none.
    fn routes(config: &LinkConfig) -> Vec<String> {
        let route = |route: &RouteConfig| {
            let via = route.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
            let table = route.table.map_or_else(String::new, |table| format!(" table {table}"));
            format!("{}{via}{table}", route.destination)
        };
        config.routes.iter().map(route).collect()
    }

    #[test]
    fn a_single_interface_has_its_subnet_on_the_link_and_the_router_for_the_rest() {
        let [config] = &devices("one")[..] else { panic!("one device") };
        let addresses: Vec<_> = config.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.1.10/24", "2001:db8:1:1::10/64"]);
        let routes = routes(config);
        assert_eq!(routes[0], "0.0.0.0/0 via 10.0.1.1");
        assert!(routes[1].starts_with("::/0 via fe80::") && routes.len() == 2, "{routes:?}");
        assert!(config.rules.is_empty() && config.mtu == 9001 && config.name == "eth9");
        assert!(config.alias.starts_with("vpclab:lab:eni-"), "{}", config.alias);
    }

    #[test]
    fn of_several_interfaces_each_has_a_table_and_only_the_primary_a_default_in_the_main_one() {
        let [first, second] = &devices("two")[..] else { panic!("two devices") };
        assert_eq!(
            routes(first),
            ["0.0.0.0/0 via 10.0.1.1", "10.0.1.0/24 table 100", "0.0.0.0/0 via 10.0.1.1 table 100"]
        );
        assert_eq!(routes(second), ["10.0.2.0/24 table 101", "0.0.0.0/0 via 10.0.2.1 table 101"]);
        let rule = SourceRule { from: "10.0.2.20/32".parse().unwrap(), table: 101 };
        assert_eq!(second.rules, [rule]);
    }

    /// What an instance with two interfaces does with packets for others, and which tables those look into.
    fn forwarding(attributes: &str) -> (Forwarding, Vec<Option<u32>>) {
        let text = r#"{
            "vpcs": {"v": {"cidr_block": "10.0.0.0/16"}},
            "subnets": {"s": {"vpc": "v", "cidr_block": "10.0.1.0/24"}, "t": {"vpc": "v", "cidr_block": "10.0.2.0/24"}},
            "network_interfaces": {"e0": {"subnet": "s", "source_dest_check": CHECK}, "e1": {"subnet": "t"}},
            "instances": {"two": {"network_interfaces": [{"network_interface": "e0", "device_index": 0},
                                                         {"network_interface": "e1", "device_index": 1}]MORE}}}"#;
        let (check, more) = attributes.split_once(' ').unwrap();
        let text = text.replace("CHECK", check).replace("MORE", more);
        let topology = Topology::from_document(&Document::parse(&text, Syntax::Json).unwrap(), None).unwrap();
        let [blueprint] = &blueprints("lab", &topology, &Fabric::compile(&topology, None))[..] else {
            panic!("one guest")
        };
        (
            blueprint.forwarding,
            blueprint.devices.iter().map(|device| device.config("eth9").arrivals).collect(),
        )
    }

    #[test]
    fn what_is_for_others_looks_into_the_table_of_the_interface_that_the_instance_forwards_by() {
        let own = vec![Some(100), Some(101)];
        for (attributes, expected) in [
            ("false ", (Forwarding::Unchanged, own.clone())),
            (r#"false , "forwards": "e1""#, (Forwarding::Unchanged, vec![Some(101); 2])),
            (r#"false , "forwards": "nat""#, (Forwarding::Masqueraded, own)),
            (r#"false , "forwards": "none""#, (Forwarding::Off, vec![None; 2])),
            (r#"true , "forwards": "nat""#, (Forwarding::Off, vec![None; 2])),
        ] {
            assert_eq!(forwarding(attributes), expected, "{attributes}");
        }
    }

    #[test]
    fn an_internet_host_has_nobody_on_its_link_but_a_gateway() {
        let [config] = &devices("host")[..] else { panic!("one device") };
        let addresses: Vec<_> = config.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["198.51.100.7/32", "2001:db8:ffff::7/128"]);
        assert_eq!(routes(config), ["0.0.0.0/0 via 169.254.0.1", "::/0 via fe80::1"]);
        assert!(config.routes.iter().all(|route| route.onlink) && config.mtu == 1500);
    }
}
