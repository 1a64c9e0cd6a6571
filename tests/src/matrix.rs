//! Which conversations would show that the matrix of who reaches whom is wrong?
//!
//! The matrix says of every pair which traffic passes. [`conversations`] turns cells of it into tests, as a user would
//! write them, that hold only if explain, TCP/IP stacks inside the process and real ones say the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vpclab_api::{AnalyseRequest, Analysis, ExplainRequest, Explained, Reach, Traffic};
use vpclab_check::{analyse, explain};
use vpclab_engine::Fabric;
use vpclab_model::Topology;

use crate::generate::Rng;

/// What is said of each pair, with the addresses that it is said of.
pub type Cells = BTreeMap<(String, String), Vec<(Vec<String>, Said)>>;

/// Traffic that passes, of which nothing is known, and that passes for some source ports only.
pub type Said = (Vec<Traffic>, Vec<Traffic>, Vec<Traffic>);

/// The whole matrix of a topology.
pub fn everybody(fabric: &Fabric, topology: &Topology) -> Analysis {
    analyse(fabric, topology, &AnalyseRequest::default()).unwrap()
}

/// The matrix, pair by pair.
pub fn cells(analysis: &Analysis) -> Cells {
    let mut cells = Cells::new();
    for Reach { from, to, addresses, passes, unknown, sometimes, .. } in &analysis.reach {
        for from in from {
            for to in to.iter().filter(|to| *to != from) {
                let said = (passes.clone(), unknown.clone(), sometimes.clone());
                cells.entry((from.clone(), to.clone())).or_default().push((addresses.clone(), said));
            }
        }
    }
    cells
}

/// Whether one of these sets holds all packets to this port.
pub fn holds(all: &[Traffic], family: u8, protocol: &str, port: u16) -> bool {
    sets_with(all, family, protocol, port).any(is_whole)
}

/// The sets that hold packets to this port.
fn sets_with<'a>(
    all: &'a [Traffic],
    family: u8,
    protocol: &'a str,
    port: u16,
) -> impl Iterator<Item = &'a Traffic> {
    all.iter().filter(move |traffic| {
        let packets = &traffic.packets;
        let within = || {
            packets.ports.as_deref().is_none_or(|text| {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                (from.parse::<u16>().unwrap()..=to.parse().unwrap()).contains(&port)
            })
        };
        traffic.family == family && (packets.protocol == "all" || packets.protocol == protocol && within())
    })
}

/// Whether a set holds packets from every source port.
fn is_whole(traffic: &Traffic) -> bool {
    traffic.packets.source_ports.is_none() && traffic.packets.nat_ports.is_none()
}

/// Whether a question is answered with yes, no, or neither; none where it cannot be asked.
pub fn reachable(fabric: &Fabric, topology: &Topology, request: &ExplainRequest) -> Option<Option<bool>> {
    match explain(fabric, topology, request).ok()? {
        Explained::One(one) => Some(one.reachable),
        Explained::Many(many) => Some(many.reachable),
    }
}

/// Tests of at most `pairs` pairs between instances, internet hosts and customers' hosts: what the matrix says of a port
/// over TCP and UDP, in each family that the two have. About half of the pairs are asked about what passes, if anything does.
pub fn conversations(fabric: &Fabric, topology: &Topology, pairs: usize, rng: &mut Rng) -> Vec<Value> {
    let all = everybody(fabric, topology);
    let cells = cells(&all);
    let is_guest = |kind: &str| matches!(kind, "instance" | "internet_host" | "customer_host");
    let mut others: Vec<(&str, &str)> = Vec::new();
    for from in all.from.iter().filter(|end| is_guest(&end.kind)) {
        let to = all.to.iter().filter(|to| is_guest(&to.kind) && to.name != from.name);
        others.extend(to.map(|to| (from.name.as_str(), to.name.as_str())));
    }
    let mut tests = Vec::new();
    let mut asked = 0;
    while asked < pairs && !others.is_empty() {
        let (from, to) = others.swap_remove(rng.below(others.len()));
        let nothing = Vec::new();
        let said = cells.get(&(from.to_owned(), to.to_owned())).unwrap_or(&nothing);
        let any = [22, 53, 80, 443, 5432, 8080];
        let open = open_ports(said);
        let ports: &[u16] = if open.is_empty() || rng.chance(50) { &any } else { &open };
        let port = *rng.pick(ports);
        let before = tests.len();
        for protocol in ["tcp", "udp"] {
            for family in [4, 6] {
                tests.extend(conversation(fabric, topology, (from, to), said, (protocol, family, port)));
            }
        }
        asked += usize::from(tests.len() > before);
    }
    tests
}

/// Ports at which sets of what passes begin.
fn open_ports(said: &[(Vec<String>, Said)]) -> Vec<u16> {
    let passes = said.iter().flat_map(|(_, (passes, _, _))| passes);
    let ports = passes.filter_map(|traffic| traffic.packets.ports.as_deref());
    ports.filter_map(|text| text.split('-').next()?.parse().ok()).filter(|port| *port > 0).collect()
}

/// What the matrix says of one port, as a test; none where the two cannot talk in this family, nothing is known, or only some
/// source ports pass.
fn conversation(
    fabric: &Fabric,
    topology: &Topology,
    (from, to): (&str, &str),
    said: &[(Vec<String>, Said)],
    (protocol, family, port): (&str, u8, u16),
) -> Option<Value> {
    let request = ExplainRequest {
        from: from.to_owned(),
        to: to.to_owned(),
        port: Some(port),
        protocol: Some(protocol.to_owned()),
        family: Some(family),
        ..ExplainRequest::default()
    };
    let Explained::One(answer) = explain(fabric, topology, &request).ok()? else { return None };
    if answer.from.address.is_some() && answer.from.address == answer.to.address {
        // Of two who have the same address, each talks to itself.
        return None;
    }
    let sets_of = |of: fn(&Said) -> &Vec<Traffic>| -> Vec<&Traffic> {
        said.iter().flat_map(|(_, said)| sets_with(of(said), family, protocol, port)).collect()
    };
    let (passing, unknown, sometimes) =
        (sets_of(|said| &said.0), sets_of(|said| &said.1), sets_of(|said| &said.2));
    let passes = passing.iter().any(|set| is_whole(set));
    let in_part = passing.iter().chain(&sometimes).any(|set| !is_whole(set));
    if !unknown.is_empty() || in_part && !passes {
        return None;
    }
    let expect = if passes { "allowed" } else { "denied" };
    let name = format!("{from} to {to}, {protocol} {port} over IPv{family}");
    let mut test = json!({ "name": name, "from": from, "to": to, "port": port, "protocol": protocol, "family": family, "expect": expect });
    if expect == "denied" {
        // Who is to be denied is so by each of his addresses, and by NAT64; the matrix speaks of one.
        let at = |name: &str, address: &Option<String>| match address {
            Some(address) if topology.instances.contains_key(name) => json!(format!("{name}/{address}")),
            _ => json!(name),
        };
        test["from"] = at(from, &answer.from.address);
        if topology.instances.contains_key(from) {
            test["to"] = at(to, &answer.to.address);
        }
    }
    let is_stopped = |name: &str| {
        let instance = topology.instances.get(name);
        instance.is_some_and(|instance| !instance.state.is_running())
    };
    let is_dead = answer.blockers.iter().any(|blocker| blocker.code == "BAD_STATE");
    if expect == "denied" && (is_dead || is_stopped(from) || is_stopped(to)) {
        // A test that may be denied by nothing else has to say that it means this.
        test["because"] = json!({ "code": "BAD_STATE" });
    } else if expect == "denied" && answer.blockers.iter().all(|blocker| blocker.direction == "return") {
        // So has one of which the request arrives; from which other ports replies return is not the matrix's to say.
        test["because"] = json!({ "direction": "return" });
        test["source_port"] = json!(40_000);
    }
    Some(test)
}
