//! Which resources are there, and what do they say?
//!
//! The same values whether a file or the running lab is asked: with AWS's defaults, each with its id.

use serde_json::{Map, Value};
use vpclab_api::{ApiError, Counters, InstanceState, RunState};
use vpclab_check::style::{FAINT, STRONG, columns, paint};
use vpclab_model::{
    DEFAULT_OWNER, DEFAULT_REGION, Kind as _, NOT_MODELLED, Name, NotModelledKind, Topology, kind,
};

use crate::args::{Format, Get, Lab, Source};
use crate::load;
use crate::output::{self, Answer, Failure};
use crate::running;

/// A kind of resource as it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Its key in documents and paths.
    pub plural: &'static str,
    /// What one is called in sentences.
    noun: &'static str,
    /// EC2's code for one that does not exist (ERR-31).
    not_found: &'static str,
    /// The attributes that a table shows.
    shown: &'static [&'static str],
    id: Id,
}

/// How the id of a resource is made from its name.
#[derive(Debug, Clone, Copy)]
enum Id {
    Of(fn(&str) -> String),
    NotModelled(&'static NotModelledKind),
}

impl Kind {
    /// A kind that is stored and not modelled.
    fn not_modelled(kind: &'static NotModelledKind) -> Self {
        Self {
            plural: kind.plural,
            noun: kind.noun,
            not_found: kind.not_found,
            shown: &["vpc", "subnets", "network_interfaces"],
            id: Id::NotModelled(kind),
        }
    }

    fn id(&self, name: &str) -> String {
        match self.id {
            Id::Of(id) => id(name),
            Id::NotModelled(kind) => kind.id(name),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident, $not_found:literal, $shown:expr;)*) => {
        /// Every kind, in the order of a topology's fields.
        const KINDS: &[Kind] = &[$(Kind {
            plural: kind::$kind::PLURAL,
            noun: kind::$kind::NOUN,
            not_found: $not_found,
            shown: &$shown,
            id: Id::Of(|name| Name::<kind::$kind>::new(name).id()),
        }),*];
    };
}

kinds! {
    Vpc, "InvalidVpcID.NotFound", ["cidr_block", "ipv6_cidr_blocks", "main_route_table", "default_network_acl"];
    Subnet, "InvalidSubnetID.NotFound",
        ["vpc", "availability_zone", "cidr_block", "ipv6_cidr_block", "route_table", "network_acl"];
    RouteTable, "InvalidRouteTableID.NotFound", ["vpc", "main", "routes"];
    InternetGateway, "InvalidInternetGatewayID.NotFound", ["vpc"];
    EgressOnlyInternetGateway, "InvalidGatewayID.NotFound", ["vpc"];
    NatGateway, "NatGatewayNotFound", ["subnet", "connectivity_type", "private_ips", "public_ips", "state"];
    VpcPeeringConnection, "InvalidVpcPeeringConnectionID.NotFound", ["vpc", "peer_vpc", "state"];
    TransitGateway, "InvalidTransitGatewayID.NotFound", ["amazon_side_asn", "default_route_table"];
    TransitGatewayVpcAttachment, "InvalidTransitGatewayAttachmentID.NotFound",
        ["transit_gateway", "vpc", "subnets", "appliance_mode_support", "state"];
    TransitGatewayPeeringAttachment, "InvalidTransitGatewayAttachmentID.NotFound",
        ["transit_gateway", "peer_transit_gateway", "state"];
    TransitGatewayRouteTable, "InvalidRouteTableID.NotFound",
        ["transit_gateway", "associations", "propagations", "routes"];
    ManagedPrefixList, "InvalidPrefixListID.NotFound",
        ["address_family", "max_entries", "version", "entries"];
    NetworkAcl, "InvalidNetworkAclID.NotFound", ["vpc", "default", "ingress", "egress"];
    SecurityGroup, "InvalidGroup.NotFound", ["vpc", "description", "ingress", "egress"];
    NetworkInterface, "InvalidNetworkInterfaceID.NotFound",
        ["subnet", "private_ip", "public_ips", "ipv6_addresses", "security_groups"];
    Instance, "InvalidInstanceID.NotFound", ["network_interfaces"];
    Eip, "InvalidAllocationID.NotFound", ["public_ip", "association"];
    InternetHost, "InvalidInternetHostID.NotFound", ["address", "ipv6_address"];
    VpnGateway, "InvalidVpnGatewayID.NotFound",
        ["vpc", "amazon_side_asn", "routes"];
    CustomerGateway, "InvalidCustomerGatewayID.NotFound",
        ["bgp_asn", "ip_address", "customer_network"];
    VpnConnection, "InvalidVpnConnectionID.NotFound",
        ["vpn_gateway", "transit_gateway", "customer_gateway", "static_routes_only", "routes", "bgp_routes", "tunnels"];
    DxGateway, "InvalidDirectConnectGatewayID.NotFound",
        ["amazon_side_asn"];
    DxGatewayAssociation, "InvalidDirectConnectGatewayAssociationID.NotFound",
        ["dx_gateway", "vpn_gateway", "transit_gateway", "allowed_prefixes"];
    DxPrivateVirtualInterface, "InvalidVirtualInterfaceID.NotFound",
        ["vpn_gateway", "dx_gateway", "mtu", "bgp_routes", "state"];
    DxTransitVirtualInterface, "InvalidVirtualInterfaceID.NotFound",
        ["dx_gateway", "mtu", "bgp_routes", "state"];
    CustomerNetwork, "InvalidCustomerNetworkID.NotFound", ["cidr_blocks", "ipv6_cidr_blocks", "mtu"];
    CustomerHost, "InvalidCustomerHostID.NotFound", ["customer_network", "address", "ipv6_address"];
    VpcEndpoint, "InvalidVpcEndpointId.NotFound",
        ["vpc", "vpc_endpoint_type", "service_name", "route_tables", "subnets", "state"];
    Service, "InvalidServiceName", ["address", "ipv6_address", "cidr_blocks", "protocols"];
}

/// Every kind, those that are stored and not modelled behind the others.
pub(crate) fn all_kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().copied().chain(NOT_MODELLED.iter().map(Kind::not_modelled))
}

/// Shows a kind, or one resource.
pub(crate) fn get(get: &Get) -> Result<Answer, Failure> {
    if get.kind == "counters" {
        if get.source.topology.is_some() {
            return Err(Failure::new(
                "InvalidParameterCombination",
                "only a running lab counts; leave -t out",
            ));
        }
        if let Some(name) = &get.name {
            let message = format!("counters have no names: they are shown together; leave `{name}` out");
            return Err(Failure::new("InvalidParameterCombination", message));
        }
        return counters(&get.source.lab, get.format);
    }
    let kind = &find_kind(&get.kind)?;
    let name = get.name.as_deref();
    let value = match (&get.source.topology, name) {
        (Some(path), name) => {
            let all = resources(&load::from_path(path)?.topology, kind);
            match name {
                Some(name) => one(&all, kind, name)?,
                None => all,
            }
        }
        (None, Some(name)) => {
            running::client(&get.source.lab.lab)?.resource(kind.plural, name).map_err(running::failed)?
        }
        (None, None) => {
            running::client(&get.source.lab.lab)?.resources(kind.plural).map_err(running::failed)?
        }
    };
    if get.format.json {
        output::json(&value)?;
        return Ok(Answer::Yes);
    }
    let is_guest = matches!(
        kind.plural,
        kind::Instance::PLURAL
            | kind::InternetHost::PLURAL
            | kind::CustomerHost::PLURAL
            | kind::Service::PLURAL
    );
    let running = if is_guest && get.source.topology.is_none() {
        running::client(&get.source.lab.lab)?.instances().map_err(running::failed)?
    } else {
        Vec::new()
    };
    let mut value = value;
    if kind.plural == kind::NatGateway::PLURAL {
        let interfaces = find_kind(kind::NetworkInterface::PLURAL)?;
        let interfaces = match &get.source.topology {
            Some(path) => resources(&load::from_path(path)?.topology, &interfaces),
            None => {
                running::client(&get.source.lab.lab)?.resources(interfaces.plural).map_err(running::failed)?
            }
        };
        if name.is_some() {
            complete_gateway(&mut value, &interfaces);
        } else {
            let all = value.as_object_mut().into_iter().flat_map(Map::values_mut);
            all.for_each(|one| complete_gateway(one, &interfaces));
        }
    }
    if name.is_some() {
        add_what_runs(&mut value, &running);
        output::text(&card(&value))?;
    } else {
        value
            .as_object_mut()
            .into_iter()
            .flat_map(Map::values_mut)
            .for_each(|one| add_what_runs(one, &running));
        let mut more = foreign(&value, &get.source)?;
        if !running.is_empty() {
            more.extend(["runs in", "state"]);
        }
        output::text(&table(&value, kind, &more))?;
    }
    let warnings: Vec<String> = running
        .iter()
        .filter(|state| name.is_none_or(|name| name == state.name || name == state.id))
        .flat_map(|state| state.warnings.iter().map(|warning| format!("{}: {warning}", state.name)))
        .collect();
    output::text(&output::warnings(&warnings))?;
    Ok(Answer::Yes)
}

/// The region of what names no other.
fn default_region(source: &Source) -> Result<String, Failure> {
    let Some(path) = &source.topology else {
        let declared = running::client(&source.lab.lab)?.topology().map_err(running::failed)?;
        let region = declared.as_value().get("region").and_then(Value::as_str);
        return Ok(region.unwrap_or(DEFAULT_REGION).to_owned());
    };
    Ok(load::from_path(path)?.topology.region)
}

/// Region and owner are worth a column where some resource has another than the default.
fn foreign(all: &Value, source: &Source) -> Result<Vec<&'static str>, Failure> {
    let has = |attribute: &str, other_than: Option<&str>| {
        let mut all = all.as_object().into_iter().flat_map(Map::values);
        all.any(|one| one.get(attribute).is_some_and(|value| other_than.is_none_or(|known| value != known)))
    };
    let mut columns = Vec::new();
    if has("region", None) && has("region", Some(&default_region(source)?)) {
        columns.push("region");
    }
    columns.extend(has("owner", Some(DEFAULT_OWNER)).then_some("owner"));
    Ok(columns)
}

/// Adds to a NAT gateway the addresses of its interface, and puts into words what it failed of.
fn complete_gateway(gateway: &mut Value, interfaces: &Value) {
    let Some(gateway) = gateway.as_object_mut() else { return };
    if let Some(failed) = gateway.get("state").and_then(|state| state.get("failed")) {
        let text = |key: &str| failed.get(key).and_then(Value::as_str).unwrap_or_default();
        let state = format!("failed: {} ({})", text("failure_message"), text("failure_code"));
        gateway.insert("state".to_owned(), state.into());
    }
    let interface = gateway.get("network_interface").and_then(Value::as_str);
    let Some(interface) = interface.and_then(|name| interfaces.get(name)) else { return };
    let secondary = interface.get("secondary_private_ips").and_then(Value::as_array);
    let primary = interface.get("private_ip").filter(|address| address.is_string());
    let all = primary.into_iter().chain(secondary.into_iter().flatten()).cloned();
    gateway.insert("private_ips".to_owned(), Value::Array(all.collect()));
    let public = interface.get("public_ips").cloned().unwrap_or_default();
    gateway.insert("public_ips".to_owned(), public);
}

/// Adds to a guest what it runs in, and whether that is still there.
fn add_what_runs(resource: &mut Value, running: &[InstanceState]) {
    let Some(object) = resource.as_object_mut() else { return };
    let id = object.get("id").and_then(Value::as_str);
    let Some(state) = running.iter().find(|state| Some(state.id.as_str()) == id) else { return };
    let is = match state.state {
        RunState::Running => "running",
        RunState::Gone => "gone",
    };
    object.insert("runs in".to_owned(), running::guest::what_it_is(&state.attachment.target).into());
    object.insert("state".to_owned(), is.into());
}

/// Shows what a running lab has counted.
pub(crate) fn counters(lab: &Lab, format: Format) -> Result<Answer, Failure> {
    let counters = running::client(&lab.lab)?.counters().map_err(running::failed)?;
    if format.json {
        output::json(&counters)?;
    } else {
        output::text(&counted(&counters))?;
    }
    Ok(Answer::Yes)
}

/// All resources of a kind by name, each with its id, as the API gives them.
pub(crate) fn resources(topology: &Topology, kind: &Kind) -> Value {
    let all = serde_json::to_value(topology).ok();
    let of_kind = all.as_ref().and_then(|all| all.get(kind.plural)).and_then(Value::as_object);
    let with_ids = of_kind.into_iter().flatten().map(|(name, resource)| {
        let mut object = Map::new();
        object.insert("id".to_owned(), kind.id(name).into());
        object.extend(resource.as_object().cloned().unwrap_or_default());
        (name.clone(), Value::Object(object))
    });
    Value::Object(with_ids.collect())
}

/// A kind by its plural or singular, hyphens as good as underscores.
fn find_kind(asked: &str) -> Result<Kind, Failure> {
    let word = asked.to_ascii_lowercase().replace('-', "_");
    let singular = |plural: &str| plural.strip_suffix('s').map(str::to_owned);
    let found = all_kinds().find(|kind| kind.plural == word || singular(kind.plural).as_ref() == Some(&word));
    found.ok_or_else(|| {
        let plurals: Vec<&str> = all_kinds().map(|kind| kind.plural).chain(["counters"]).collect();
        let remedy = vpclab_model::nearest(&word, plurals.iter().copied()).map_or_else(
            || format!("there are {}", plurals.join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        Failure::new("InvalidAction", format!("`{asked}` is not a kind of resource; {remedy}"))
    })
}

/// The resource called `reference`, or with that id.
fn one(all: &Value, kind: &Kind, reference: &str) -> Result<Value, ApiError> {
    let all = all.as_object();
    let found = all.and_then(|all| {
        all.get_key_value(reference).or_else(|| {
            all.iter().find(|(_, resource)| resource.get("id").and_then(Value::as_str) == Some(reference))
        })
    });
    let Some((name, resource)) = found else {
        let known = all.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let remedy = vpclab_check::remedy(reference, known);
        return Err(ApiError::new(
            kind.not_found,
            format!("there is no {} named {reference}; {remedy}", kind.noun),
        ));
    };
    let mut object = Map::new();
    object.insert("name".to_owned(), name.clone().into());
    object.extend(resource.as_object().cloned().unwrap_or_default());
    Ok(Value::Object(object))
}

/// A row for each resource.
fn table(all: &Value, kind: &Kind, more: &[&str]) -> String {
    let shown = || kind.shown.iter().chain(more).copied();
    let mut rows = vec![std::iter::once("name").chain(shown()).map(str::to_owned).collect::<Vec<_>>()];
    for (name, resource) in all.as_object().into_iter().flatten() {
        let cells = shown().map(|attribute| {
            let value = resource.get(attribute).unwrap_or(&Value::Null);
            counted_list(attribute, value).unwrap_or_else(|| cell(value))
        });
        rows.push(std::iter::once(name.clone()).chain(cells).collect());
    }
    if rows.len() == 1 {
        return format!("no {}\n", kind.plural.replace('_', " "));
    }
    columns(&rows, "", |row, column, cell| match (row, column) {
        (0, _) => paint(FAINT, cell),
        (_, 0) => paint(STRONG, cell),
        _ => cell.to_owned(),
    })
}

/// A list of rules or routes in one cell: none at all says something, too.
fn counted_list(attribute: &str, value: &Value) -> Option<String> {
    let noun = match attribute {
        "ingress" | "egress" => "rule",
        "routes" => "route",
        _ => return None,
    };
    let count = value.as_array()?.len();
    Some(if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") })
}

/// A value in one cell: long lists are counted, not written out.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.len().to_string(),
        Value::Object(object) if object.is_empty() => "-".to_owned(),
        Value::Object(object) => {
            let pairs: Vec<String> =
                object.values().map(|value| value.get("address").map_or_else(|| cell(value), cell)).collect();
            pairs.join(" ")
        }
    }
}

/// One resource, an attribute to a line; a list of rules is a table of its own.
fn card(resource: &Value) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut lists = Vec::new();
    for (key, value) in resource.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => lists.push((key, items)),
            _ => rows.push(vec![key.clone(), counted_list(key, value).unwrap_or_else(|| cell(value))]),
        }
    }
    text.push_str(&columns(
        &rows,
        "",
        |_, column, cell| if column == 0 { paint(FAINT, cell) } else { cell.to_owned() },
    ));
    for (key, items) in lists {
        let mut keys: Vec<&String> = Vec::new();
        for key in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut rows = vec![keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>()];
        rows.extend(items.iter().map(|item| {
            keys.iter().map(|key| cell(item.get(key.as_str()).unwrap_or(&Value::Null))).collect::<Vec<_>>()
        }));
        text.push_str(&format!("\n{}\n", paint(STRONG, key)));
        text.push_str(&columns(
            &rows,
            "  ",
            |row, _, cell| if row == 0 { paint(FAINT, cell) } else { cell.to_owned() },
        ));
    }
    text
}

fn counted(counters: &Counters) -> String {
    let totals = [
        ("received", counters.received),
        ("forwarded", counters.forwarded),
        ("answered", counters.answered),
        ("born", counters.born),
        ("write failures", counters.write_failures),
        ("flows", counters.flows),
    ];
    let rows: Vec<Vec<String>> =
        totals.iter().map(|(what, count)| vec![(*what).to_owned(), count.to_string()]).collect();
    let faint_first =
        |_: usize, column: usize, cell: &str| if column == 0 { paint(FAINT, cell) } else { cell.to_owned() };
    let mut text = columns(&rows, "", faint_first);
    if !counters.dropped.is_empty() {
        let rows: Vec<Vec<String>> = counters
            .dropped
            .iter()
            .map(|drop| vec![drop.port.clone(), drop.reason.clone(), drop.frames.to_string()])
            .collect();
        text.push_str(&format!("\n{}\n", paint(STRONG, "dropped")));
        text.push_str(&columns(&rows, "  ", |_, _, cell| cell.to_owned()));
    }
    let lost: Vec<Vec<String>> = counters
        .devices
        .iter()
        .filter(|device| device.kernel_dropped > 0)
        .map(|device| vec![device.port.clone(), device.kernel_dropped.to_string()])
        .collect();
    if !lost.is_empty() {
        text.push_str(&format!(
            "\n{}\n",
            paint(STRONG, "dropped by the kernel before the engine could read them")
        ));
        text.push_str(&columns(&lost, "  ", |_, _, cell| cell.to_owned()));
    }
    text
}
