//! Is an answer firm only where nothing that it depends on is unknown?
//!
//! A resource of a generated network says that not all is known of it. Whatever it may be in truth, from nothing to
//! everything, a firm answer of the network with the mark has to be that of the network with the truth.

use serde_json::{Value, json};
use vpclab_engine::DropReason;
use vpclab_engine::explain::{End, Explanation, TrafficQuestion, ask};
use vpclab_tests::generate::{self, Rng};
use vpclab_tests::harness::{Net, topology};
use vpclab_wire::Protocol;

use crate::seeds;

/// The kinds whose resources are marked.
const KINDS: [&str; 12] = [
    "vpcs",
    "subnets",
    "route_tables",
    "network_acls",
    "security_groups",
    "managed_prefix_lists",
    "internet_gateways",
    "nat_gateways",
    "vpc_peering_connections",
    "instances",
    "transit_gateway_vpc_attachments",
    "transit_gateway_route_tables",
];

/// What answers came to.
#[derive(Debug, Default)]
struct Tally {
    firm: usize,
    unknown: usize,
    /// Firm answers that were compared with a truth.
    compared: usize,
    /// Truths that change some answer.
    mattering: usize,
}

/// The network where a resource is something else: what its mark leaves open.
fn truths(rng: &mut Rng, document: &Value, kind: &str, name: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Value)| {
        let mut truth = document.clone();
        change(&mut truth);
        if topology(&truth, None).is_ok() {
            all.push(truth);
        }
    };
    let everything = json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] });
    let entries = |action: &str| {
        json!([{ "rule_no": 1, "action": action, "protocol": "-1", "cidr_block": "0.0.0.0/0" },
            { "rule_no": 2, "action": action, "protocol": "-1", "ipv6_cidr_block": "::/0" }])
    };
    let names = |kind: &str| -> Vec<String> {
        document[kind].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let at = rng.below(8);
    match kind {
        "security_groups" => add(&|d| {
            for direction in ["ingress", "egress"] {
                match d[kind][name][direction].as_array_mut() {
                    Some(rules) => rules.push(everything.clone()),
                    None => d[kind][name][direction] = json!([everything]),
                }
            }
        }),
        "network_acls" => {
            for action in ["allow", "deny"] {
                add(&|d| {
                    d[kind][name]["ingress"] = entries(action);
                    d[kind][name]["egress"] = entries(action);
                });
            }
        }
        "route_tables" | "transit_gateway_route_tables" => {
            add(&|d| d[kind][name]["routes"] = json!([]));
            add(&|d| {
                let routes = d[kind][name]["routes"].as_array_mut();
                routes.filter(|routes| !routes.is_empty()).map(|routes| routes.remove(at % routes.len()));
            });
            for other in names(kind) {
                add(&|d| d[kind][name]["routes"] = d[kind][&other]["routes"].clone());
            }
        }
        "managed_prefix_lists" => {
            add(&|d| d[kind][name]["entries"] = json!([]));
            add(&|d| {
                let whole = if d[kind][name]["address_family"] == "IPv4" { "0.0.0.0/1" } else { "8000::/1" };
                d[kind][name]["entries"] = json!([{ "cidr": whole }]);
            });
        }
        "subnets" | "vpcs" => {
            let inside = |d: &Value, subnet: &str| subnet == name || d["subnets"][subnet]["vpc"] == *name;
            for (other, attribute) in [("route_tables", "route_table"), ("network_acls", "network_acl")] {
                for other in names(other) {
                    add(&|d| {
                        for subnet in names("subnets") {
                            if inside(d, &subnet) {
                                d["subnets"][&subnet][attribute] = json!(other);
                            }
                        }
                    });
                }
            }
        }
        "instances" => {
            add(&|d| d[kind][name]["state"] = json!("stopped"));
            for group in names("security_groups") {
                add(&|d| d[kind][name]["security_groups"] = json!([group]));
            }
            add(&|d| {
                let checked = d[kind][name]["source_dest_check"] != json!(false);
                d[kind][name]["source_dest_check"] = json!(!checked);
            });
        }
        "internet_gateways" => add(&|d| drop(d[kind][name].as_object_mut().map(|own| own.remove("vpc")))),
        "nat_gateways" => add(&|d| drop(d[kind][name].as_object_mut().map(|own| own.remove("allocation")))),
        _ => {
            for state in ["active", "available", "pending-acceptance", "pendingAcceptance", "rejected"] {
                add(&|d| d[kind][name]["state"] = json!(state));
            }
        }
    }
    all
}

/// The answers to the same questions about each network, of which the first one gives the ends.
fn answers(net: &Net, names: &[(String, String)], traffic: TrafficQuestion) -> Vec<Option<Explanation>> {
    let end = |name: &str| match net.fabric().enis.find(name) {
        Some(eni) => Some(End::Interface(eni, None)),
        None => net.fabric().hosts.find(name).map(End::Host),
    };
    let one = |(from, to): &(String, String)| ask(net.fabric(), end(from)?, end(to)?, None, traffic).ok();
    names.iter().map(one).collect()
}

#[test]
fn no_firm_answer_depends_on_what_is_not_known() {
    let mut tally = Tally::default();
    for seed in seeds(25) {
        let mut rng = Rng::new(seed);
        let document = generate::network(&mut rng);
        let net = Net::new(document.clone());
        let ends: Vec<String> = net
            .fabric()
            .enis
            .iter()
            .map(|(_, eni)| eni.name.to_string())
            .chain(net.fabric().hosts.iter().map(|(_, host)| host.name.to_string()))
            .collect();
        let protocol = if rng.chance(30) { Protocol::UDP } else { Protocol::TCP };
        let traffic =
            TrafficQuestion::Ports { protocol, port: Some(*rng.pick(&[22, 80, 443])), source_port: None };
        let any: Vec<(String, String)> =
            (0..100).map(|_| (rng.pick(&ends).clone(), rng.pick(&ends).clone())).collect();
        // Most pairs reach each other by no way; what is unknown shows where they do.
        let known = answers(&net, &any, traffic);
        let reaches =
            |answer: &Option<Explanation>| answer.as_ref().is_some_and(|told| told.reachable == Some(true));
        let (reaching, others): (Vec<_>, Vec<_>) =
            any.iter().zip(&known).partition(|(_, answer)| reaches(answer));
        let by_filters = |answer: &Option<Explanation>| {
            let filter = |reason: &DropReason| {
                matches!(reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. })
            };
            answer.as_ref().is_some_and(|told| told.blockers.iter().all(|blocker| filter(&blocker.reason)))
        };
        let (filtered, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(_, answer)| by_filters(answer));
        let chosen = reaching
            .into_iter()
            .take(8)
            .chain(filtered.into_iter().take(6))
            .chain(others.into_iter().take(2));
        let pairs: Vec<(String, String)> = chosen.map(|(pair, _)| pair.clone()).collect();
        for _ in 0..6 {
            // Of rules there is most to know.
            let kind = if rng.chance(25) { "security_groups" } else { *rng.pick(&KINDS) };
            let all: Vec<String> =
                document[kind].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            let Some(name) = all.get(rng.below(all.len())) else { continue };
            let mut marked = document.clone();
            marked[kind][name]["not_modelled"] = json!("nobody knows");
            let marked = Net::new(marked);
            let told = answers(&marked, &pairs, traffic);
            let mut truths = truths(&mut rng, &document, kind, name);
            truths.push(document.clone());
            let mut ever = vec![Vec::new(); pairs.len()];
            for truth in &truths {
                let really = answers(&Net::new(truth.clone()), &pairs, traffic);
                for (place, really) in really.iter().enumerate() {
                    let (Some(told), Some(really)) = (&told[place], really) else { continue };
                    ever[place].push(really.reachable);
                    if told.reachable.is_none() {
                        continue;
                    }
                    tally.compared += 1;
                    assert_eq!(
                        told.reachable, really.reachable,
                        "seed {seed}: with {kind}.{name} unknown the answer about {:?} is firm, and in truth another: {truth}",
                        pairs[place]
                    );
                }
            }
            for (told, ever) in told.iter().flatten().zip(&ever) {
                tally.firm += usize::from(told.reachable.is_some());
                tally.unknown += usize::from(told.reachable.is_none());
                tally.mattering += usize::from(ever.windows(2).any(|pair| pair[0] != pair[1]));
            }
        }
    }
    let Tally { firm, unknown, compared, mattering } = tally;
    assert!(firm > 100 && unknown > 50 && compared > 500 && mattering > 20, "{tally:?}");
}
