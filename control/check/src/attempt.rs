//! Which packets bear witness to an answer?
//!
//! One attempt between two guests that stands for all that was asked about. What always holds: where no packet could
//! speak for the answer there is none, and the reason says why.

use std::net::IpAddr;

use vpclab_api::Explanation;
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_engine::{EniIdx, Fabric, HostIdx, Role, Side};
use vpclab_model::Topology;
use vpclab_wire::Protocol;

use crate::answer::by_gateways;
use crate::codes::ONLY_SOME_ADDRESSES;
use crate::explain::behind_nat64;
use crate::question::Question;
use crate::run::{Attempt, Guest, Sent};
use crate::{addresses, internet, middleboxes};

/// The packets that witness for or against an explanation.
pub(crate) fn attempt(
    topology: &Topology,
    fabric: &Fabric,
    question: &Question,
    explanation: &Explanation,
) -> Result<Attempt, String> {
    let ipv6 = explanation
        .to
        .address
        .as_deref()
        .or(explanation.from.address.as_deref())
        .map_or_else(|| question.ipv6.unwrap_or(false), |address| address.contains(':'));
    let traffic = sent(question.traffic)?;
    let (from, source) = match question.from.end {
        End::Interface(eni, address) => {
            let address = address.or_else(|| fabric.enis[eni].primary_address(ipv6));
            let address = address.ok_or_else(|| no_address(&question.from.name, ipv6))?;
            (interface(fabric, eni)?, address)
        }
        End::Host(host) => at_host(fabric, host, ipv6)?,
        End::Internet => at_host(fabric, stand_in(topology, fabric, question, explanation, ipv6)?, ipv6)?,
        End::Address(address) => {
            let host = fabric.only_host_at(address).ok_or_else(|| nobody_there(address))?;
            (Guest::Host(fabric.hosts[host].name.to_string()), address)
        }
    };
    let (to, destination) = match question.to.end {
        End::Interface(eni, address) => {
            let own = address.or_else(|| fabric.enis[eni].primary_address(ipv6));
            let own = own.ok_or_else(|| no_address(&question.to.name, ipv6))?;
            // The address that explain found packets to carry: from the internet that is the public one. Without one,
            // the private address is all a packet could try.
            let destination =
                explanation.to.address.as_deref().and_then(|address| address.parse().ok()).unwrap_or(own);
            let receiver = match fabric.enis[eni].role {
                // Behind an endpoint's interface its service listens.
                Role::Endpoint(endpoint) => at_host(fabric, fabric.vpc_endpoints[endpoint].service, ipv6)?,
                _ => (interface(fabric, eni)?, own),
            };
            (Some(receiver), destination)
        }
        End::Host(host) => {
            let (guest, address) = at_host(fabric, host, ipv6)?;
            (Some((guest, address)), address)
        }
        End::Internet => {
            let (guest, address) =
                at_host(fabric, stand_in(topology, fabric, question, explanation, ipv6)?, ipv6)?;
            (Some((guest, address)), address)
        }
        End::Address(address) => {
            let meant = behind_nat64(address);
            let guest = |eni: &EniIdx| fabric.enis[*eni].role == Role::Guest;
            let inside = fabric.public_mapping(meant).filter(|to| guest(&to.eni));
            let inside =
                inside.map(|to| interface(fabric, to.eni).map(|guest| (guest, to.private))).transpose()?;
            // What NAT64 translates for who is inside may be inside, too.
            let beside = match question.from.end {
                End::Interface(from, _) if meant != address => {
                    fabric.interface_at(fabric.enis[from].vpc, meant).filter(guest)
                }
                _ => None,
            };
            let beside = beside.map(|to| interface(fabric, to).map(|guest| (guest, meant))).transpose()?;
            let inside = inside.or(beside);
            let host =
                fabric.only_host_at(meant).map(|host| Guest::Host(fabric.hosts[host].name.to_string()));
            // An address of a pool is set up inside the guest that gets its packets (RT-51).
            let of_pool = addresses::owner_of_pool(fabric, address);
            let of_pool =
                of_pool.map(|eni| interface(fabric, eni).map(|guest| (guest, address))).transpose()?;
            let to = inside.or(of_pool).or(host.map(|host| (host, meant)));
            let answers_itself =
                explanation.forward.steps.last().is_some_and(|step| step.component == "router");
            if to.is_none() && explanation.reachable == Some(true) && !answers_itself {
                return Err(nobody_there(address));
            }
            (to, address)
        }
    };
    let denied_by = explanation.blockers.iter().map(|blocker| blocker.code.clone()).collect();
    let through = middleboxes::through(fabric, question, source, destination, ipv6);
    Ok(Attempt { from, source, to, destination, traffic, through, denied_by })
}

/// One packet that stands for all that were asked about.
fn sent(traffic: TrafficQuestion) -> Result<Sent, String> {
    match traffic {
        TrafficQuestion::Ports { protocol, port: Some(port), source_port } => {
            if protocol == Protocol::TCP {
                Ok(Sent::Tcp { port, source_port })
            } else {
                Ok(Sent::Udp { port, source_port })
            }
        }
        TrafficQuestion::Echo => Ok(Sent::Ping),
        TrafficQuestion::All | TrafficQuestion::Ports { port: None, .. } => Err(
            "a question about every protocol or port is no packet; name a protocol and a port, or give the test `level: explain`"
                .to_owned(),
        ),
        TrafficQuestion::Protocol(number) => {
            Err(format!("guests do not speak protocol {number}; give the test `level: explain`"))
        }
    }
}

/// The guest behind an interface. What is not modelled has none whose packets could bear witness.
fn interface(fabric: &Fabric, eni: EniIdx) -> Result<Guest, String> {
    let interface = &fabric.enis[eni];
    match interface.role {
        Role::NotModelled(resource) => Err(format!(
            "{} belongs to {}, whose inside is not modelled, so nothing is there to send or to answer; give the test `level: explain`",
            interface.name, fabric.not_modelled[resource].name
        )),
        _ => Ok(Guest::Interface(interface.name.to_string())),
    }
}

fn at_host(fabric: &Fabric, host: HostIdx, ipv6: bool) -> Result<(Guest, IpAddr), String> {
    let host = &fabric.hosts[host];
    let address = host.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6);
    let address = address.ok_or_else(|| no_address(host.name.as_str(), ipv6))?;
    Ok((Guest::Host(host.name.to_string()), address))
}

fn no_address(name: &str, ipv6: bool) -> String {
    format!("{name} has no {} address", if ipv6 { "IPv6" } else { "IPv4" })
}

fn nobody_there(address: IpAddr) -> String {
    format!(
        "no host with the address {address} is there to answer; declare it under `internet_hosts` or `customer_hosts`"
    )
}

/// A declared host that plays the internet: one that fares as the answer says, for the same reasons, or it would bear
/// witness to another. One that rules or routes on the way name comes last.
fn stand_in(
    topology: &Topology,
    fabric: &Fabric,
    question: &Question,
    explanation: &Explanation,
    ipv6: bool,
) -> Result<HostIdx, String> {
    let reasons = |told: &Explanation| -> Vec<_> {
        let own = told.blockers.iter().filter(|blocker| blocker.code != ONLY_SOME_ADDRESSES);
        own.map(|b| {
            (b.code.clone(), b.direction.clone(), b.resource.clone(), b.rule.clone(), b.groups.clone())
        })
        .collect()
    };
    let meant = (explanation.reachable, reasons(explanation));
    let hosts = || {
        fabric.hosts.iter().filter(|(_, host)| host.side == Side::Internet).filter_map(|(index, host)| {
            let address = host.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6)?;
            Some((index, host, address))
        })
    };
    let alike = hosts().filter_map(|(index, _, address)| {
        let (told, met) = by_gateways(fabric, topology, &internet::at(question, address)).ok()?;
        let fares_alike = (told.reachable, reasons(&told)) == meant;
        fares_alike.then(|| (internet::is_named(fabric, &met, address), index))
    });
    if let Some((_, host)) = alike.min() {
        return Ok(host);
    }
    let family = if ipv6 { "IPv6" } else { "IPv4" };
    let names: Vec<&str> = hosts().map(|(_, host, _)| host.name.as_str()).collect();
    Err(if names.is_empty() {
        format!(
            "no declared host can play the internet; declare one under `internet_hosts` with an {family} address"
        )
    } else {
        format!(
            "no declared host ({}) fares as the internet does, and for the same reasons, as rules or routes tell them \
             apart; declare another one under `internet_hosts` with an {family} address",
            names.join(", ")
        )
    })
}
