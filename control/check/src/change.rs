//! What is the network like after something has happened to it?
//!
//! Changes are made to the document, as its owner would make them, and the model judges what comes out: an outage is a
//! `state` that AWS has for the resource. What always holds: a change that would change nothing is a mistake, as a test of
//! it would prove nothing; what was assigned before stays assigned; all mistakes are told, each at its change.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use vpclab_api::MistakeBody;
use vpclab_engine::Fabric;
use vpclab_model::{Document, Mistakes, Topology, TransitGatewayVpcAttachmentName, resolve};

use crate::names;
use crate::testfile::{Change, Event};

/// A network after changes.
#[derive(Debug)]
pub struct Changed {
    /// As it would be declared.
    pub document: Document,
    /// What the document means.
    pub topology: Topology,
    /// Compiled.
    pub fabric: Fabric,
}

/// A resource by the key of its kind and its name.
type Named = (&'static str, String);

/// Declares a function that finds what is called `text` among the kinds of these keys.
macro_rules! find_in {
    ($(#[$doc:meta])* $function:ident, $kinds:ident: $($kind:ident),* $(,)?) => {
        const $kinds: &[&str] = &[$(stringify!($kind)),*];

        $(#[$doc])*
        fn $function(topology: &Topology, text: &str) -> Vec<Named> {
            let (wanted, name) = qualified(text, $kinds);
            let mut found = Vec::new();
            $(
                if wanted.is_none_or(|kind| kind == stringify!($kind))
                    && let Some((name, _)) = resolve(&topology.$kind, name)
                {
                    found.push((stringify!($kind), name.to_string()));
                }
            )*
            found
        }
    };
}

find_in!(
    /// What can stop working.
    that_can_fail, FAILING:
    instances, nat_gateways, vpn_connections, vpc_peering_connections, transit_gateway_vpc_attachments,
    transit_gateway_peering_attachments, vpc_endpoints, dx_private_virtual_interfaces, dx_transit_virtual_interfaces,
);

find_in!(
    /// Every resource.
    anything, ALL:
    vpcs, subnets, route_tables, internet_gateways, egress_only_internet_gateways, nat_gateways,
    vpc_peering_connections, transit_gateways, transit_gateway_vpc_attachments, transit_gateway_peering_attachments,
    transit_gateway_route_tables, managed_prefix_lists, network_acls, security_groups, network_interfaces, instances,
    eips, internet_hosts, vpc_endpoints, services, vpn_gateways, customer_gateways, vpn_connections, dx_gateways,
    dx_gateway_associations, dx_private_virtual_interfaces, dx_transit_virtual_interfaces, customer_networks,
    customer_hosts,
);

/// What a change cannot be made for: the key of the change, what is wrong, what would be right.
type Refused = (&'static str, String, String);

impl Changed {
    /// The network that `document` declares, after `changes`; `topology` is what `document` means.
    ///
    /// # Errors
    ///
    /// Every mistake in the first change that has some, at the place of the change.
    pub fn new(
        document: &Document,
        topology: &Topology,
        changes: &[Change],
    ) -> Result<Self, Vec<MistakeBody>> {
        let mut value = document.as_value().clone();
        let mut topology = topology.clone();
        for change in changes {
            let key = change.event.key();
            let made = match &change.event {
                Event::Down(name) => down(&mut value, &topology, name),
                Event::Remove(name) => remove(&mut value, &topology, name),
                Event::Apply(patch) => apply(&mut value, patch),
                Event::ApplyFile(path) => match Document::from_path(path) {
                    Ok(document) => match document.as_value() {
                        Value::Object(patch) => apply(&mut value, patch),
                        _ => Err(vec![(
                            "apply",
                            format!("{} holds no map", path.display()),
                            "give the parts of the topology that change".to_owned(),
                        )]),
                    },
                    Err(error) => {
                        let remedy = "give a file of the parts of the topology that change, from the test file's folder";
                        Err(vec![("apply", error.to_string(), remedy.to_owned())])
                    }
                },
            };
            made.map_err(|refused| {
                refused.into_iter().map(|told| mistake(change, told)).collect::<Vec<_>>()
            })?;
            let after = Topology::from_document(&Document::from(value.clone()), Some(&topology))
                .map_err(|mistakes| of_topology(change, &mistakes))?;
            if after == topology {
                let problem = format!("nothing is different when {}", change.words());
                let remedy = "change what the topology does not say already".to_owned();
                return Err(vec![mistake(change, (key, problem, remedy))]);
            }
            topology = after;
        }
        let fabric = Fabric::compile(&topology, None);
        Ok(Self { document: Document::from(value), topology, fabric })
    }
}

impl Event {
    fn key(&self) -> &'static str {
        match self {
            Self::Down(_) => "down",
            Self::Remove(_) => "remove",
            Self::ApplyFile(_) | Self::Apply(_) => "apply",
        }
    }
}

fn mistake(change: &Change, (key, problem, remedy): Refused) -> MistakeBody {
    MistakeBody {
        resource: change.at.clone(),
        attribute: key.to_owned(),
        code: "InvalidParameterValue".to_owned(),
        problem,
        remedy,
    }
}

/// The mistakes that the model finds in what has come of a change.
fn of_topology(change: &Change, mistakes: &Mistakes) -> Vec<MistakeBody> {
    let keeps_routes = matches!(&change.event, Event::Remove(_));
    let told = mistakes.0.iter().map(|found| {
        let place = [found.resource.as_str(), found.attribute.as_str()];
        let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
        let remedy = if keeps_routes {
            format!("{}; or say `down`, which leaves what refers to it in place", found.remedy)
        } else {
            found.remedy.clone()
        };
        MistakeBody {
            resource: change.at.clone(),
            attribute: change.event.key().to_owned(),
            code: found.code.to_owned(),
            problem: format!("then {}: {}", place.join("."), found.problem),
            remedy,
        }
    });
    told.collect()
}

/// `KIND.NAME`, or a name.
fn qualified<'t>(text: &'t str, kinds: &[&'static str]) -> (Option<&'static str>, &'t str) {
    let split = text.split_once('.').and_then(|(kind, name)| {
        let kind = kinds.iter().find(|known| **known == kind)?;
        Some((Some(*kind), name))
    });
    split.unwrap_or((None, text))
}

/// The one resource that `text` names.
fn one(
    key: &'static str,
    text: &str,
    mut found: Vec<Named>,
    document: &Value,
    kinds: &'static [&'static str],
    others: &[String],
) -> Result<Named, Vec<Refused>> {
    if found.is_empty() {
        found = by_alias(document, text, kinds);
    }
    if found.len() > 1 {
        let meanings: Vec<String> = found.iter().map(|(kind, name)| format!("{kind}.{name}")).collect();
        let problem = format!("`{text}` can mean {}", meanings.join(" or "));
        return Err(vec![(key, problem, format!("write `{}`, say", meanings[0]))]);
    }
    found.pop().ok_or_else(|| {
        let (wanted, name) = qualified(text, kinds);
        let known = kinds.iter().filter(|kind| wanted.is_none_or(|wanted| wanted == **kind));
        let known = known.filter_map(|kind| document.get(kind)?.as_object()).flat_map(Map::keys);
        let known: BTreeSet<&str> =
            known.map(String::as_str).chain(others.iter().map(String::as_str)).collect();
        let problem = if key == "down" {
            format!("nothing that can be down is called `{text}`")
        } else {
            format!("nothing that the topology declares is called `{text}`")
        };
        vec![(key, problem, names::remedy(name, known.into_iter().collect()))]
    })
}

/// What has `text` as its Name tag, or as its name but for the source before it.
fn by_alias(document: &Value, text: &str, kinds: &[&'static str]) -> Vec<Named> {
    let (wanted, text) = qualified(text, kinds);
    let mut found = Vec::new();
    for kind in kinds.iter().filter(|kind| wanted.is_none_or(|wanted| wanted == **kind)) {
        let all = document.get(kind).and_then(Value::as_object);
        for (name, resource) in all.into_iter().flatten() {
            let tag = resource.get("tags").and_then(|tags| tags.get("Name")).and_then(Value::as_str);
            let is_end =
                name.strip_suffix(text).is_some_and(|source| source.len() > 1 && source.ends_with('/'));
            if tag == Some(text) || is_end {
                found.push((*kind, name.clone()));
            }
        }
    }
    found
}

/// Stops a resource, or everything in an availability zone.
fn down(document: &mut Value, topology: &Topology, text: &str) -> Result<(), Vec<Refused>> {
    let zones: BTreeSet<String> =
        topology.subnets.values().map(|subnet| subnet.availability_zone.clone()).collect();
    if zones.contains(text) {
        zone_down(document, topology, text);
        return Ok(());
    }
    let (name, tunnel) = match text.rsplit_once('/') {
        Some((name, "tunnel1")) => (name, Some(0)),
        Some((name, "tunnel2")) => (name, Some(1)),
        _ => (text, None),
    };
    let zones: Vec<String> = zones.into_iter().collect();
    let found = that_can_fail(topology, text);
    let (found, tunnel) = match tunnel {
        Some(_) if found.is_empty() => (that_can_fail(topology, name), tunnel),
        _ => (found, None),
    };
    if found.is_empty()
        && let Some((kind, name)) = anything(topology, text).first()
    {
        let problem = format!("`{text}` is {kind}.{name}, of which AWS knows no outage");
        let remedy = "name an instance, a NAT gateway, a connection, an endpoint or an availability zone, or say `remove` or \
                      `apply`";
        return Err(vec![("down", problem, remedy.to_owned())]);
    }
    let (kind, name) = one("down", text, found, document, FAILING, &zones)?;
    if tunnel.is_some() && kind != "vpn_connections" {
        let problem = format!("{kind}.{name} has no tunnels");
        return Err(vec![("down", problem, format!("write `{name}`"))]);
    }
    stop(document, kind, &name, tunnel);
    Ok(())
}

/// Stops one resource, as AWS tells it of its kind.
fn stop(document: &mut Value, kind: &str, name: &str, tunnel: Option<usize>) {
    match kind {
        "instances" => set(document, kind, name, &["state", "instance_state"], json!("stopped")),
        "vpn_connections" => {
            let up = || json!(["up", "up"]);
            let now = document.get(kind).and_then(|all| all.get(name)?.get("tunnels").cloned());
            let mut tunnels =
                now.filter(|now| now.as_array().is_some_and(|now| now.len() == 2)).unwrap_or_else(up);
            if let Value::Array(tunnels) = &mut tunnels {
                for (place, state) in tunnels.iter_mut().enumerate() {
                    if tunnel.is_none_or(|tunnel| tunnel == place) {
                        *state = json!("down");
                    }
                }
            }
            set(document, kind, name, &["tunnels"], tunnels);
        }
        "dx_private_virtual_interfaces" | "dx_transit_virtual_interfaces" => {
            set(document, kind, name, &["state"], json!("down"));
        }
        "vpc_peering_connections" => {
            // Whoever had accepted it: it is no more.
            set(document, kind, name, &["state", "accept_status", "auto_accept"], json!("deleted"));
        }
        _ => {
            set(document, kind, name, &["state"], json!("failed"));
            if kind == "transit_gateway_vpc_attachments" {
                leave_tables(document, name);
            }
        }
    }
}

/// Takes an attachment that has failed out of the tables of its transit gateway, which have none that is not available; their
/// static routes to it are black holes then.
fn leave_tables(document: &mut Value, attachment: &str) {
    let id = TransitGatewayVpcAttachmentName::new(attachment).id();
    let is_it = |one: &Value| one.as_str().is_some_and(|one| one == attachment || one == id);
    let tables = document.get_mut("transit_gateway_route_tables").and_then(Value::as_object_mut);
    for table in tables.into_iter().flat_map(Map::values_mut) {
        for list in ["associations", "propagations"] {
            if let Some(Value::Array(all)) = table.get_mut(list) {
                all.retain(|one| !is_it(one));
            }
        }
    }
}

/// Sets the first of `attributes` of a resource, and takes the others away, which say the same.
fn set(document: &mut Value, kind: &str, name: &str, attributes: &[&str], value: Value) {
    let resource = document.get_mut(kind).and_then(|all| all.get_mut(name)).and_then(Value::as_object_mut);
    let (Some(resource), [first, others @ ..]) = (resource, attributes) else { return };
    for other in others {
        resource.remove(*other);
    }
    resource.insert((*first).to_owned(), value);
}

/// Stops everything that has an interface in a zone: instances and NAT gateways. Endpoints and attachments of transit
/// gateways go on in their other zones, and have failed where there is none.
fn zone_down(document: &mut Value, topology: &Topology, zone: &str) {
    let is_in = |subnet: &str| {
        topology.find_subnet(subnet).is_some_and(|(_, subnet)| subnet.availability_zone == zone)
    };
    for (name, instance) in &topology.instances {
        let mut own = topology
            .network_interfaces
            .values()
            .filter(|eni| eni.attachment.as_ref().is_some_and(|attached| attached.instance == *name));
        if !instance.network_interfaces.is_empty() && own.any(|eni| is_in(eni.subnet.as_str())) {
            stop(document, "instances", name.as_str(), None);
        }
    }
    for (name, nat) in &topology.nat_gateways {
        if is_in(nat.subnet.as_str()) {
            stop(document, "nat_gateways", name.as_str(), None);
        }
    }
    for kind in ["vpc_endpoints", "transit_gateway_vpc_attachments"] {
        let all = document.get(kind).and_then(Value::as_object);
        let all: Vec<String> = all.into_iter().flat_map(Map::keys).cloned().collect();
        for name in all {
            leave_zone(document, kind, &name, &is_in);
        }
    }
    for (kind, all) in &topology.not_modelled {
        for (name, resource) in all {
            let interfaces = resource.network_interfaces.iter();
            let mut subnets =
                interfaces.filter_map(|eni| topology.network_interfaces.get(eni)).map(|eni| &eni.subnet);
            if subnets.clone().any(|subnet| is_in(subnet.as_str())) {
                if subnets.all(|subnet| is_in(subnet.as_str())) {
                    // AWS has no state for it; that nothing of it is known any more keeps every answer from a yes.
                    let reason = format!("everything that it has is in {zone}, which is down");
                    set(document, kind, name, &["not_modelled"], json!(reason));
                } else {
                    leave_zone(document, kind, name, &is_in);
                }
            }
        }
    }
}

/// Takes the subnets of a zone from a resource that has one in each of several.
fn leave_zone(document: &mut Value, kind: &'static str, name: &str, is_in: &impl Fn(&str) -> bool) {
    let resource = document.get_mut(kind).and_then(|all| all.get_mut(name)).and_then(Value::as_object_mut);
    let Some(resource) = resource else { return };
    let of_subnet = |one: &Value| {
        ["subnet", "subnet_id"].iter().find_map(|key| one.get(key)?.as_str().map(str::to_owned))
    };
    for mapped in ["subnet_mapping", "subnet_mappings"] {
        if let Some(Value::Array(all)) = resource.get_mut(mapped) {
            all.retain(|one| !of_subnet(one).is_some_and(|subnet| is_in(&subnet)));
        }
    }
    // Null is what is not written.
    let is_written = |key: &&str| resource.get(*key).is_some_and(|value| !value.is_null());
    let Some(list) = ["subnets", "subnet_ids"].into_iter().find(is_written) else {
        return;
    };
    let Some(Value::Array(subnets)) = resource.get(list) else { return };
    let left: Vec<Value> =
        subnets.iter().filter(|subnet| !subnet.as_str().is_some_and(is_in)).cloned().collect();
    if left.len() == subnets.len() {
        return;
    }
    if left.is_empty() {
        stop(document, kind, name, None);
        return;
    }
    resource.insert(list.to_owned(), Value::Array(left));
    for chosen in ["subnet_configurations", "subnet_configuration"] {
        if let Some(Value::Array(chosen)) = resource.get_mut(chosen) {
            chosen.retain(|one| !of_subnet(one).is_some_and(|subnet| is_in(&subnet)));
        }
    }
}

/// Takes a resource out of the document.
fn remove(document: &mut Value, topology: &Topology, text: &str) -> Result<(), Vec<Refused>> {
    let found = anything(topology, text);
    let declared = |(kind, name): &Named| document.get(kind).is_some_and(|all| all.get(name).is_some());
    let found = found.into_iter().filter(declared).collect();
    let (kind, name) = one("remove", text, found, document, ALL, &[])?;
    if let Some(Value::Object(all)) = document.get_mut(kind) {
        all.shift_remove(&name);
    }
    Ok(())
}

/// Merges a patch into the document, and tells what it takes away that is not there.
fn apply(document: &mut Value, patch: &Map<String, Value>) -> Result<(), Vec<Refused>> {
    let mut refused = Vec::new();
    merge(document, patch, "", &mut refused);
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// RFC 7386, section 2; null takes away.
fn merge(target: &mut Value, patch: &Map<String, Value>, at: &str, refused: &mut Vec<Refused>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match value {
            Value::Null => {
                if target.shift_remove(key).is_none() {
                    let known = target.keys().map(String::as_str).collect();
                    let problem = format!("it takes {at} away, which is not there");
                    refused.push(("apply", problem, names::remedy(key, known)));
                }
            }
            Value::Object(patch) => {
                merge(target.entry(key).or_insert(Value::Null), patch, &at, refused);
            }
            other => drop(target.insert(key.clone(), other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7386, appendix A, whose patch is a map and takes nothing away that is not there.
    #[test]
    fn patches_are_merged_as_the_rfc_has_it() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d"}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({"a": "foo"}), json!({"a": {"b": {"c": 1}}}), json!({"a": {"b": {"c": 1}}})),
        ] {
            let mut target = target;
            assert!(apply(&mut target, patch.as_object().unwrap()).is_ok());
            assert_eq!(target, result, "{patch}");
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_away() {
        let mut target = json!({"instances": {"web-1": {}}});
        let patch = json!({"instances": {"wbe-1": null}, "vpcs": null});
        let refused = apply(&mut target, patch.as_object().unwrap()).unwrap_err();
        let told: Vec<(&str, &str)> =
            refused.iter().map(|(_, what, how)| (what.as_str(), how.as_str())).collect();
        assert_eq!(told[0], ("it takes instances.wbe-1 away, which is not there", "did you mean `web-1`?"));
        assert_eq!(told[1], ("it takes vpcs away, which is not there", "there is only instances"));
    }
}
