//! Network interfaces, instances, elastic IP addresses and internet hosts, as written.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::declared::DeclaredHome;
use crate::log::{Log, Place};
use crate::name::{EipName, InstanceName, InternetHostName, NetworkInterfaceName};
use crate::reader::{Given, List, Reader, Written};
use crate::resources::{ConnectionTracking, InstanceState, Labels, Tags};
use crate::shape::Mac;

/// The largest device index.
const LAST_DEVICE: i64 = 255;

/// What a network interface is, whether declared by itself or implied by an instance.
#[derive(Debug)]
pub(crate) struct DeclaredInterface {
    pub(crate) at: Place,
    pub(crate) subnet: Given<String>,
    pub(crate) private_ip: Given<Ipv4Addr>,
    pub(crate) private_ips: List<Ipv4Addr>,
    pub(crate) secondary_private_ips: List<Ipv4Addr>,
    /// How many secondary addresses there are in all, with those that are stated.
    pub(crate) secondary_private_ip_count: usize,
    pub(crate) ipv6_addresses: List<Ipv6Addr>,
    pub(crate) ipv6_address_count: Given<i64>,
    pub(crate) ipv4_prefixes: List<Ipv4Net>,
    pub(crate) ipv6_prefixes: List<Ipv6Net>,
    pub(crate) security_groups: List<String>,
    /// Whether the VPC's default group guards it where no group is named (SG-06).
    pub(crate) default_group: bool,
    /// Whether it has IPv4 addresses where its subnet has.
    pub(crate) ipv4: bool,
    pub(crate) source_dest_check: bool,
    pub(crate) connection_tracking: ConnectionTracking,
    pub(crate) mac_address: Given<Mac>,
    /// The first attribute that is given, whichever it is, other than the subnet.
    pub(crate) first_given: Option<&'static str>,
}

/// A network interface as written.
#[derive(Debug)]
pub(crate) struct DeclaredNetworkInterface {
    pub(crate) interface: DeclaredInterface,
    pub(crate) attachment: Option<DeclaredAttachment>,
    pub(crate) labels: Labels,
}

/// One end of an attachment, as the other end writes it.
#[derive(Debug)]
pub(crate) struct DeclaredAttachment {
    pub(crate) at: Place,
    /// The instance where the interface writes it, the interface where the instance does.
    pub(crate) to: Given<String>,
    pub(crate) device_index: Given<i64>,
}

/// An instance as written.
#[derive(Debug)]
pub(crate) struct DeclaredInstance {
    /// What the interface it implies would be.
    pub(crate) interface: DeclaredInterface,
    pub(crate) associate_public_ip_address: Given<bool>,
    pub(crate) public_ip: Given<Ipv4Addr>,
    pub(crate) network_interfaces: Vec<DeclaredAttachment>,
    pub(crate) state: Given<InstanceState>,
    pub(crate) forwards: Given<String>,
    pub(crate) labels: Labels,
}

/// An elastic IP address as written.
#[derive(Debug)]
pub(crate) struct DeclaredEip {
    pub(crate) at: Place,
    pub(crate) home: DeclaredHome,
    pub(crate) public_ip: Given<Ipv4Addr>,
    pub(crate) instance: Given<String>,
    pub(crate) network_interface: Given<String>,
    pub(crate) associate_with_private_ip: Given<Ipv4Addr>,
    pub(crate) tags: Tags,
}

/// An internet host as written.
#[derive(Debug)]
pub(crate) struct DeclaredInternetHost {
    pub(crate) at: Place,
    pub(crate) address: Given<Ipv4Addr>,
    pub(crate) ipv6_address: Given<Ipv6Addr>,
    pub(crate) tags: Tags,
}

impl DeclaredInterface {
    fn read(reader: &mut Reader<'_>) -> Self {
        /// Addresses an interface can ask for: no documented instance type holds more.
        const MOST_ADDRESSES: i64 = 50;
        let first_given = reader.first_given(&[
            "private_ip",
            "private_ips",
            "secondary_private_ips",
            "ipv6_addresses",
            "ipv6_address_count",
            "ipv4_prefixes",
            "ipv6_prefixes",
            "security_groups",
            "security_group_ids",
            "vpc_security_group_ids",
            "source_dest_check",
            "connection_tracking",
            "connection_tracking_specification",
            "mac_address",
        ]);
        Self {
            at: reader.at().clone(),
            subnet: reader.take(&["subnet", "subnet_id"]),
            private_ip: reader.take(&["private_ip", "private_ip_address"]),
            private_ips: reader.list(&["private_ips", "private_ip_list"]),
            secondary_private_ips: reader.list(&["secondary_private_ips"]),
            secondary_private_ip_count: 0,
            ipv6_addresses: reader.list(&["ipv6_addresses"]),
            ipv6_address_count: reader.number(&["ipv6_address_count"], 0..=MOST_ADDRESSES),
            ipv4_prefixes: reader.list(&["ipv4_prefixes"]),
            ipv6_prefixes: reader.list(&["ipv6_prefixes"]),
            security_groups: reader.list(&[
                "security_groups",
                "security_group_ids",
                "vpc_security_group_ids",
            ]),
            default_group: true,
            ipv4: true,
            source_dest_check: reader.flag(&["source_dest_check"], true),
            connection_tracking: reader
                .object(
                    &["connection_tracking", "connection_tracking_specification"],
                    "a connection tracking specification",
                )
                .map(read_connection_tracking)
                .unwrap_or_default(),
            mac_address: reader.take(&["mac_address"]),
            first_given,
        }
    }
}

impl DeclaredInterface {
    /// An interface that a service puts into a subnet: nothing of it is the user's to say but what the service takes.
    pub(super) fn of_service(at: Place, subnet: Given<String>) -> Self {
        let nothing =
            |name: &str| List { at: at.attribute(name), given: false, complete: true, items: Vec::new() };
        Self {
            subnet,
            private_ip: Given::Absent,
            private_ips: nothing("private_ips"),
            secondary_private_ips: nothing("secondary_private_ips"),
            secondary_private_ip_count: 0,
            ipv6_addresses: List { at: at.clone(), given: true, complete: true, items: Vec::new() },
            ipv6_address_count: Given::Absent,
            ipv4_prefixes: List { at: at.clone(), given: false, complete: true, items: Vec::new() },
            ipv6_prefixes: List { at: at.clone(), given: false, complete: true, items: Vec::new() },
            security_groups: List { at: at.clone(), given: false, complete: true, items: Vec::new() },
            default_group: false,
            ipv4: true,
            source_dest_check: false,
            connection_tracking: ConnectionTracking::default(),
            mac_address: Given::Absent,
            first_given: None,
            at,
        }
    }

    /// The interface of a transit gateway's attachment in one of its subnets: one address of each family it serves
    /// (TGW-12, TGW-55).
    pub(super) fn of_attachment(at: Place, subnet: Written<String>, ipv6: bool) -> Self {
        let count = Written { at: at.attribute("ipv6_support"), value: 1 };
        let mut interface = Self::of_service(at, Given::Right(subnet));
        if ipv6 {
            interface.ipv6_addresses.given = false;
            interface.ipv6_address_count = Given::Right(count);
        }
        interface
    }

    /// The interface of a NAT gateway: one private address, and up to seven more (NAT-05).
    pub(super) fn of_nat_gateway(reader: &mut Reader<'_>) -> Self {
        const MOST_SECONDARY: i64 = 7;
        let subnet = reader.require(&["subnet", "subnet_id"], "the name of a subnet");
        let private_ip = reader.take(&["private_ip"]);
        let secondary_private_ips = reader.list(&["secondary_private_ips", "secondary_private_ip_addresses"]);
        let count = reader.number(&["secondary_private_ip_address_count"], 1..=MOST_SECONDARY);
        Self {
            private_ip,
            secondary_private_ips,
            secondary_private_ip_count: count
                .value()
                .and_then(|count| usize::try_from(*count).ok())
                .unwrap_or(0),
            ..Self::of_service(reader.at().clone(), subnet)
        }
    }
}

impl DeclaredNetworkInterface {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &NetworkInterfaceName) -> Self {
        let interface = DeclaredInterface::read(reader);
        if interface.subnet.is_absent() {
            let at = reader.at().attribute("subnet");
            reader.report(
                &at,
                "MissingParameter",
                "a network interface needs `subnet`",
                "give the name of a subnet",
            );
        }
        let attachment = reader.object(&["attachment"], "an attachment").map(|mut attachment| {
            let read = DeclaredAttachment {
                at: attachment.at().clone(),
                to: attachment.require(&["instance", "instance_id"], "the name of an instance"),
                device_index: device_index(&mut attachment),
            };
            attachment.finish();
            read
        });
        Self { interface, attachment, labels: reader.labels() }
    }
}

impl DeclaredInstance {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, _: &InstanceName) -> Self {
        let interface = DeclaredInterface::read(reader);
        let network_interfaces = reader
            .objects(&["network_interfaces", "network_interface"])
            .into_iter()
            .flatten()
            .map(|(at, object)| {
                let mut item = Reader::new(log, at, object, "an attachment");
                let read = DeclaredAttachment {
                    at: item.at().clone(),
                    to: item.require(
                        &["network_interface", "network_interface_id"],
                        "the name of a network interface",
                    ),
                    device_index: device_index(&mut item),
                };
                item.finish();
                read
            })
            .collect();
        Self {
            interface,
            associate_public_ip_address: reader.take(&["associate_public_ip_address"]),
            public_ip: reader.take(&["public_ip"]),
            network_interfaces,
            state: reader.take(&["state", "instance_state"]),
            forwards: reader.take(&["forwards"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredEip {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &EipName) -> Self {
        Self {
            at: reader.at().clone(),
            public_ip: reader.take(&["public_ip", "address"]),
            instance: reader.take(&["instance", "instance_id"]),
            network_interface: reader.take(&["network_interface", "network_interface_id"]),
            associate_with_private_ip: reader.take(&[
                "associate_with_private_ip",
                "private_ip",
                "private_ip_address",
            ]),
            home: DeclaredHome::read(reader),
            tags: reader.tags(),
        }
    }
}

impl DeclaredInternetHost {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &InternetHostName) -> Self {
        Self {
            at: reader.at().clone(),
            address: reader.take(&["address"]),
            ipv6_address: reader.take(&["ipv6_address"]),
            tags: reader.tags(),
        }
    }
}

fn device_index(reader: &mut Reader<'_>) -> Given<i64> {
    let given = reader.number(&["device_index"], 0..=LAST_DEVICE);
    if given.is_absent() {
        let at = reader.at().attribute("device_index");
        let remedy = "give 0 for the primary interface, 1 and up for others";
        reader.report(&at, "MissingParameter", "an attachment needs `device_index`", remedy);
        return Given::Wrong;
    }
    given
}

/// The ranges are those of CT-11, CT-12 and CT-13, in seconds.
fn read_connection_tracking(mut reader: Reader<'_>) -> ConnectionTracking {
    let default = ConnectionTracking::default();
    let mut seconds = |name, range, default: u32| {
        reader.number(&[name], range).value().and_then(|value| u32::try_from(*value).ok()).unwrap_or(default)
    };
    let tracking = ConnectionTracking {
        tcp_established_timeout: seconds(
            "tcp_established_timeout",
            60..=432_000,
            default.tcp_established_timeout,
        ),
        udp_stream_timeout: seconds("udp_stream_timeout", 60..=180, default.udp_stream_timeout),
        udp_timeout: seconds("udp_timeout", 30..=60, default.udp_timeout),
    };
    reader.finish();
    tracking
}
