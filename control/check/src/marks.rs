//! What tells one public address from another?
//!
//! The blocks of all tables and filters that walks have met, each with a mark for what it does. What always holds:
//! addresses with equal marks fare alike, as far as the packets go that were asked about.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::explain::{EPHEMERAL_PORTS, NAT_PORTS, TrafficQuestion};
use vpclab_engine::{Direction, Fabric, Peer};
use vpclab_model::{PortRange, Traffic};
use vpclab_wire::Protocol;

use crate::met::Met;

/// The blocks of what was met. Blocks that do the same share a mark.
pub(crate) struct Marks {
    /// Of the longest match in each table only the target matters.
    tables: Vec<Vec<(IpNet, usize)>>,
    /// Of filters, every block that holds the address; without a mark where no packet that was asked about meets it.
    filters: Vec<(IpNet, Option<usize>)>,
}

impl Marks {
    /// Of what was met, for the packets that were asked about.
    pub(crate) fn of(fabric: &Fabric, met: &Met, asked: TrafficQuestion) -> Self {
        let mut next = 0;
        let mut tables = Vec::new();
        for &table in &met.route_tables {
            let all = &fabric.route_tables[table].routes;
            let routes: Vec<_> = all.iter().filter(|route| !route.overridden).collect();
            let does = |place: usize| {
                let route = routes[place];
                // One of those that prefix lists bring may be used instead (RT-19).
                let others = all.iter().filter(|other| {
                    let is_rival = other.overridden && other.destination == route.destination;
                    is_rival && route.prefix_list.is_some() && other.prefix_list.is_some()
                });
                let others: Vec<_> = others.map(|other| (other.target, other.state)).collect();
                (route.target, route.state, others)
            };
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        for &table in &met.transit_tables {
            let routes = &fabric.transit_tables[table].routes;
            let does = |place: usize| (&routes[place].attachments, &routes[place].equals);
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        let gateways = met.vpn_gateways.iter().map(|&gateway| &fabric.vpn_gateways[gateway].routes);
        let customers =
            met.customer_networks.iter().map(|&network| &fabric.customer_networks[network].routes);
        for routes in gateways.chain(customers).map(|table| &table.routes) {
            let does = |place: usize| (&routes[place].links, &routes[place].equals);
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        let mut filters = Vec::new();
        for &acl in &met.network_acls {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let entries = fabric.network_acls[acl].entries.of(direction);
                // Entries are asked in order: no two do the same.
                let block = |place: usize| Some(entries[place].cidr.net());
                let all = marked(entries.len(), &mut next, |place| place, block);
                let traffic = entries.iter().map(|entry| entry.traffic);
                filters.extend(that_matter(all, traffic, asked));
            }
        }
        for &eni in &met.enis {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let rules = &fabric.policy(eni, direction).rules;
                let block = |place: usize| match rules[place].peer {
                    Peer::Cidr(block) => Some(block.net()),
                    Peer::Group(_) | Peer::Nobody => None,
                };
                // A rule for everybody also decides about tracking (CT-03).
                let does =
                    |place: usize| (rules[place].traffic, block(place).map(|block| block.prefix_len() == 0));
                let all = marked(rules.len(), &mut next, does, block);
                let of_blocks = rules.iter().enumerate().filter(|(place, _)| block(*place).is_some());
                filters.extend(that_matter(all, of_blocks.map(|(_, rule)| rule.traffic), asked));
            }
        }
        Self { tables, filters }
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let of_filters = self.filters.iter().map(|(block, _)| *block);
        self.tables.iter().flatten().map(|(block, _)| *block).chain(of_filters)
    }

    /// The blocks that name somebody.
    pub(crate) fn somebodys(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.blocks().filter(|block| block.prefix_len() > 0)
    }

    /// Addresses with equal marks fare alike.
    pub(crate) fn of_address(&self, address: IpAddr) -> Vec<usize> {
        let longest = self.tables.iter().filter_map(|routes| {
            let matching = routes.iter().filter(|(block, _)| block.contains(&address));
            matching.max_by_key(|(block, _)| block.prefix_len()).map(|(_, mark)| *mark)
        });
        let holding =
            self.filters.iter().filter(|(block, _)| block.contains(&address)).filter_map(|(_, mark)| *mark);
        let marks: BTreeSet<usize> = longest.chain(holding).collect();
        marks.into_iter().collect()
    }
}

/// Marks blocks so that those which do the same have the same mark.
fn marked<T: PartialEq>(
    count: usize,
    next: &mut usize,
    does: impl Fn(usize) -> T,
    block: impl Fn(usize) -> Option<IpNet>,
) -> Vec<(IpNet, usize)> {
    let mut known: Vec<(T, usize)> = Vec::new();
    let mut marks = Vec::new();
    for place in 0..count {
        let Some(block) = block(place) else { continue };
        let effect = does(place);
        let mark = known.iter().find(|(known, _)| *known == effect).map(|(_, mark)| *mark);
        let mark = mark.unwrap_or_else(|| {
            *next += 1;
            known.push((effect, *next));
            *next
        });
        marks.push((block, mark));
    }
    marks
}

/// These blocks, without a mark where a rule about `traffic` has no say about packets that were asked about.
fn that_matter(
    marks: Vec<(IpNet, usize)>,
    traffic: impl Iterator<Item = Traffic>,
    asked: TrafficQuestion,
) -> impl Iterator<Item = (IpNet, Option<usize>)> {
    let marks = marks.into_iter().zip(traffic);
    marks.map(move |((block, mark), traffic)| (block, has_a_say(traffic, asked).then_some(mark)))
}

/// Whether requests or replies of what was asked may be among `traffic`.
fn has_a_say(traffic: Traffic, asked: TrafficQuestion) -> bool {
    let ports = |range: PortRange, port: Option<u16>, source_port: Option<u16>| {
        // What a reply is sent to is what the client or a gateway has chosen.
        let chosen = range.to >= NAT_PORTS.from.min(EPHEMERAL_PORTS.from);
        chosen
            || port.is_none_or(|port| range.contains(port))
            || source_port.is_some_and(|port| range.contains(port))
    };
    match (asked, traffic) {
        (TrafficQuestion::All, _) | (_, Traffic::All) => true,
        (TrafficQuestion::Ports { protocol: Protocol::TCP, port, source_port }, Traffic::Tcp(range))
        | (TrafficQuestion::Ports { protocol: Protocol::UDP, port, source_port }, Traffic::Udp(range)) => {
            ports(range, port, source_port)
        }
        (TrafficQuestion::Echo, Traffic::Icmp(_) | Traffic::Icmpv6(_)) => true,
        (TrafficQuestion::Protocol(asked), Traffic::Protocol(number)) => asked == number,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_a_say_about_requests_and_about_replies() {
        let tcp = |from, to| Traffic::Tcp(PortRange { from, to });
        let ports =
            |port| TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(port), source_port: None };
        for (traffic, asked, has_a_say_then) in [
            (Traffic::All, ports(22), true),
            (tcp(22, 22), ports(22), true),
            (tcp(80, 90), ports(22), false),
            (tcp(32_768, 60_999), ports(22), true),
            (tcp(2000, 2000), ports(22), true),
            (Traffic::Udp(PortRange::ALL), ports(22), false),
            (Traffic::Protocol(50), TrafficQuestion::Protocol(50), true),
            (Traffic::Protocol(51), TrafficQuestion::Protocol(50), false),
            (tcp(22, 22), TrafficQuestion::Echo, false),
            (tcp(22, 22), TrafficQuestion::All, true),
        ] {
            assert_eq!(has_a_say(traffic, asked), has_a_say_then, "{traffic:?} {asked:?}");
        }
    }
}
