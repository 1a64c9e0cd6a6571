//! What did a walk examine, in words?
//!
//! Each step of the engine's becomes one of the API's: a component, the resource by the name the user chose, and what it
//! did with the packet.

use vpclab_api::{RuleReference, Step};
use vpclab_engine::{EniIdx, Fabric, GroupDecision, Side};
use vpclab_model::{LinkName, RouteState, Topology};

use crate::words;

/// A step of a walk in words.
pub(crate) fn step(fabric: &Fabric, topology: &Topology, step: &vpclab_engine::Step) -> Step {
    use vpclab_engine::Step as Examined;
    let eni_name = |eni: EniIdx| fabric.enis[eni].name.to_string();
    match *step {
        Examined::Leave { eni } => plain("network_interface", eni_name(eni), "leave"),
        Examined::Forward { eni, out, translated } => {
            let by = (out != eni).then(|| format!("by {}", eni_name(out)));
            let change = translated.map(|(before, after)| format!("{before} becomes {after}"));
            let detail: Vec<String> = by.into_iter().chain(change).collect();
            Step {
                detail: (!detail.is_empty()).then(|| detail.join(", ")),
                ..plain("guest", eni_name(eni), "forward")
            }
        }
        Examined::Arrive { eni } => plain("network_interface", eni_name(eni), "arrive"),
        Examined::SourceDestCheck { eni, direction, enabled, passed } => {
            let action = match (enabled, passed) {
                (false, _) => "pass",
                (true, true) => "allow",
                (true, false) => "deny",
            };
            let direction = Some(words::direction(direction));
            Step { direction, ..plain("source_dest_check", eni_name(eni), action) }
        }
        Examined::SecurityGroup { eni, direction, ref decision } => {
            let (action, rule) = match *decision {
                GroupDecision::Tracked => ("tracked", None),
                GroupDecision::Related => ("related", None),
                GroupDecision::Denied => ("deny", None),
                GroupDecision::Unknown => ("not_modelled", None),
                GroupDecision::Rule { group, declared_at, .. } => {
                    ("allow", Some(words::group_rule(fabric, topology, group, direction, declared_at)))
                }
            };
            Step {
                direction: Some(words::direction(direction)),
                rule: rule.map(RuleReference::Text),
                groups: words::groups(fabric, eni),
                ..plain("security_group", eni_name(eni), action)
            }
        }
        Examined::NetworkAcl { network_acl, subnet, direction, rule, allowed } => Step {
            direction: Some(words::direction(direction)),
            rule: Some(words::acl_rule(rule)),
            detail: Some(fabric.subnets[subnet].name.to_string()),
            ..plain(
                "network_acl",
                fabric.network_acls[network_acl].name.to_string(),
                if allowed { "allow" } else { "deny" },
            )
        },
        Examined::Route { route_table, matched } => {
            let table = &fabric.route_tables[route_table];
            let Some((destination, target)) = matched else {
                let detail = Some("no route matches".to_owned());
                return Step { detail, ..plain("route_table", table.name.to_string(), "deny") };
            };
            let to = || table.routes.iter().filter(|route| route.destination == destination);
            let route = to().find(|route| !route.overridden);
            let is_blackhole = route.is_some_and(|route| route.state == RouteState::Blackhole);
            let list = route.and_then(|route| route.prefix_list.as_ref());
            let list = list.map(|list| format!(", by prefix list {list}")).unwrap_or_default();
            // RT-06: what lost is still there.
            let lost: Vec<_> = to().filter(|route| route.overridden).map(|r| r.target).collect();
            let lost = lost.iter().map(|&target| words::target(fabric, target)).collect::<Vec<_>>();
            let lost = if lost.is_empty() {
                String::new()
            } else {
                format!(", before {} by HIGHER_PRIORITY_ROUTE", lost.join(", "))
            };
            let target = words::target(fabric, target);
            let (action, detail) = if is_blackhole {
                ("deny", format!("{target}, a blackhole{list}{lost}"))
            } else {
                ("forward", format!("{target}{list}{lost}"))
            };
            Step {
                rule: Some(RuleReference::Text(destination.to_string())),
                detail: Some(detail),
                ..plain("route_table", table.name.to_string(), action)
            }
        }
        Examined::EgressOnly { gateway, direction } => Step {
            direction: Some(words::direction(direction)),
            ..plain("egress_only_internet_gateway", fabric.egress_only[gateway].name.to_string(), "pass")
        },
        Examined::NatGateway { gateway, side: _, before, after } => Step {
            detail: Some(format!("{} → {} becomes {} → {}", before.0, before.1, after.0, after.1)),
            ..plain("nat_gateway", fabric.nat_gateways[gateway].name.to_string(), "translate")
        },
        Examined::Endpoint { endpoint, direction, before, after } => Step {
            direction: Some(words::direction(direction)),
            detail: (before != after)
                .then(|| format!("{} → {} becomes {} → {}", before.0, before.1, after.0, after.1)),
            ..plain(
                "vpc_endpoint",
                fabric.vpc_endpoints[endpoint].name.to_string(),
                if before == after { "forward" } else { "translate" },
            )
        },
        Examined::Peering { peering, to } => Step {
            detail: Some(fabric.vpcs[to].name.to_string()),
            ..plain("vpc_peering_connection", fabric.peerings[peering].name.to_string(), "forward")
        },
        Examined::TransitRoute { attachment: _, table, matched } => {
            let table = &fabric.transit_tables[table];
            let name = table.name.to_string();
            let Some(destination) = matched else {
                let detail = Some("no route matches".to_owned());
                return Step { detail, ..plain("transit_gateway_route_table", name, "deny") };
            };
            let route = table.routes.iter().find(|route| route.destination == destination);
            let mut targets = route.into_iter().flat_map(|route| &route.attachments).peekable();
            let (action, detail) = match targets.peek() {
                None => ("deny", "a blackhole".to_owned()),
                Some(_) => {
                    let names = targets.map(|to| &*fabric.transit_attachments[*to].name);
                    ("forward", names.collect::<Vec<_>>().join(", "))
                }
            };
            Step {
                rule: Some(RuleReference::Text(destination.to_string())),
                detail: Some(detail),
                ..plain("transit_gateway_route_table", name, action)
            }
        }
        Examined::TransitGateway { from, to, subnet } => {
            let gateway = fabric.transit_attachments[from].gateway;
            let attachment = &fabric.transit_attachments[to].name;
            let detail = match subnet {
                Some(subnet) => format!("{attachment}, by subnet {}", fabric.subnets[subnet].name),
                None => attachment.to_string(),
            };
            Step {
                detail: Some(detail),
                ..plain("transit_gateway", fabric.transit_gateways[gateway].name.to_string(), "forward")
            }
        }
        Examined::InternetGateway { gateway, direction, translated } => Step {
            direction: Some(words::direction(direction)),
            detail: translated.map(|(before, after)| format!("{before} becomes {after}")),
            ..plain(
                "internet_gateway",
                fabric.internet_gateways[gateway].name.to_string(),
                if translated.is_some() { "translate" } else { "pass" },
            )
        },
        Examined::VpnGateway { gateway, direction, link } => Step {
            direction: Some(words::direction(direction)),
            detail: Some(fabric.links[link].name.to_string()),
            ..plain("vpn_gateway", fabric.vpn_gateways[gateway].name.to_string(), "forward")
        },
        Examined::PrivateLink { link, direction } => {
            let link = &fabric.links[link];
            let component = match link.name {
                LinkName::Vpn(_) => "vpn_connection",
                LinkName::Private(_) | LinkName::Transit(_) => "virtual_interface",
            };
            let direction = Some(words::direction(direction));
            Step { direction, ..plain(component, link.name.to_string(), "pass") }
        }
        Examined::CustomerNetwork { network, matched } => {
            let name = fabric.customer_networks[network].name.to_string();
            let Some((destination, link)) = matched else {
                let detail = Some("no route matches".to_owned());
                return Step { detail, ..plain("customer_network", name, "deny") };
            };
            Step {
                rule: Some(RuleReference::Text(destination.to_string())),
                detail: Some(fabric.links[link].name.to_string()),
                ..plain("customer_network", name, "forward")
            }
        }
        Examined::Outside { host: None, address } => plain("internet", address.to_string(), "arrive"),
        Examined::Outside { host: Some(host), .. } => {
            let host = &fabric.hosts[host];
            let component = match host.side {
                Side::Internet => "internet",
                Side::Customer(_) => "customer_host",
                Side::Service => "service",
            };
            plain(component, host.name.to_string(), "arrive")
        }
    }
}

/// A step without a direction, rule or detail.
pub(crate) fn plain(component: &str, resource: String, action: &str) -> Step {
    Step {
        component: component.to_owned(),
        resource,
        action: action.to_owned(),
        direction: None,
        rule: None,
        groups: Vec::new(),
        detail: None,
    }
}
