//! Can the tests of a file be asked of this topology?
//!
//! What a file says is known to be well-formed; here its ends, ports and reasons meet what is declared. What always
//! holds: all mistakes are told, each at the key that has to change, and no packet is asked about. A question that is
//! understood and has no answer, such as one in a family that an end lacks, is no mistake: its result tells.

use std::rc::Rc;

use vpclab_api::{ApiError, Expected, ExplainRequest, MistakeBody, RuleReference};
use vpclab_engine::Fabric;
use vpclab_engine::explain::TrafficQuestion;
use vpclab_model::{Document, InterfaceType, Topology};

use crate::change::Changed;
use crate::question::{Request, questions, reversed};
use crate::testfile::{Because, Change, TestCase, TestFile, Way};
use crate::{names, way};

/// An end that every question understands, whoever is declared.
const ANYBODY: &str = "internet:8.8.8.8";

/// What a question says beside its ends.
const BESIDE: [&str; 4] = ["port", "source_port", "protocol", "family"];

impl TestFile {
    /// Whether all tests can be asked of the network that `document` declares, `topology` being what it means and
    /// `fabric` compiled from that; and the network of each section, none for those that change nothing.
    ///
    /// # Errors
    ///
    /// `InvalidTestFile` with every mistake, at its test and key as in `tests[3]` and `to`: a change that cannot be made,
    /// an end that nobody has, a port or protocol that does not exist, a reason or way that names what is not declared.
    pub fn check(
        &self,
        document: &Document,
        topology: &Topology,
        fabric: &Fabric,
    ) -> Result<Vec<Option<Rc<Changed>>>, ApiError> {
        let mut mistakes: Vec<MistakeBody> = Vec::new();
        let mut known: Vec<(&[Change], Rc<Changed>)> = Vec::new();
        let mut networks = Vec::new();
        for section in &self.sections {
            if section.when.is_empty() {
                Asked { topology, fabric }.all(&section.tests, &mut mistakes);
                networks.push(None);
                continue;
            }
            let is_same = |(when, _): &&(&[Change], Rc<Changed>)| {
                when.iter().map(|change| &change.event).eq(section.when.iter().map(|change| &change.event))
            };
            let changed = match known.iter().find(is_same) {
                Some((_, changed)) => Rc::clone(changed),
                None => match Changed::new(document, topology, &section.when) {
                    Ok(changed) => Rc::new(changed),
                    Err(told) => {
                        // Several tests of one group have one change.
                        mistakes.extend(
                            told.into_iter().filter(|one| !mistakes.contains(one)).collect::<Vec<_>>(),
                        );
                        continue;
                    }
                },
            };
            Asked { topology: &changed.topology, fabric: &changed.fabric }.all(&section.tests, &mut mistakes);
            known.push((&section.when, Rc::clone(&changed)));
            networks.push(Some(changed));
        }
        if mistakes.is_empty() {
            Ok(networks)
        } else {
            Err(invalid_file(&self.path.display().to_string(), mistakes))
        }
    }
}

/// The error for the test file at `path` with these mistakes.
fn invalid_file(path: &str, mistakes: Vec<MistakeBody>) -> ApiError {
    let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
    let mut error = ApiError::new("InvalidTestFile", format!("{path} has {} {noun}", mistakes.len()));
    error.error.mistakes = mistakes;
    error
}

/// What the tests are asked of.
struct Asked<'a> {
    topology: &'a Topology,
    fabric: &'a Fabric,
}

impl Asked<'_> {
    /// What is wrong with these tests.
    fn all(&self, tests: &[TestCase], mistakes: &mut Vec<MistakeBody>) {
        for test in tests {
            let told = |at: String, key: &str, problem: String, remedy: String| MistakeBody {
                resource: at,
                attribute: key.to_owned(),
                code: "InvalidParameterValue".to_owned(),
                problem,
                remedy,
            };
            let request = match test.expected {
                // Everybody is there, or the topology holds nobody.
                Expected::Only if test.only_ports.is_none() => {
                    ExplainRequest { from: ANYBODY.to_owned(), ..test.request.clone() }
                }
                _ => test.request.clone(),
            };
            let question = self.question(&request);
            let is_right = question.is_empty();
            if test.only_ports.is_some() && is_right {
                let asked = Request::of(self.fabric, self.topology, &request).ok();
                if asked.is_some_and(|asked| asked.traffic != TrafficQuestion::All) {
                    let problem = format!("`{}` names a port or protocol", request.to);
                    let remedy = "name the end alone, and all that is let in under `only_ports`".to_owned();
                    mistakes.push(told(test.at.clone(), "to", problem, remedy));
                }
            }
            mistakes.extend(question.into_iter().map(|(key, error)| of_question(&test.at, key, error)));
            for (place, name) in test.only.iter().enumerate() {
                let from = ExplainRequest {
                    from: name.clone(),
                    to: ANYBODY.to_owned(),
                    ..ExplainRequest::default()
                };
                // Who is on the internet himself is asked about the end that is meant.
                let own = ExplainRequest { from: name.clone(), ..test.request.clone() };
                let understood = self.understands(&from);
                let understood =
                    if is_right { understood.or_else(|_| self.understands(&own)) } else { understood };
                let error = understood.err();
                mistakes.extend(error.map(|error| of_question(&test.at, &format!("only[{place}]"), error)));
            }
            if test.both_directions && is_right {
                let back = reversed(self.fabric, self.topology, &request);
                let error = back.and_then(|back| self.understands(&back)).err();
                mistakes.extend(error.map(|error| of_question(&test.at, "both_directions", error)));
            }
            let reason = self.reason(&test.because);
            let at = || format!("{}.because", test.at);
            mistakes.extend(reason.map(|(key, problem, remedy)| told(at(), key, problem, remedy)));
            let Way { forward, back, never } = &test.path;
            for (key, names) in [("path", forward), ("return_path", back), ("not_path", never)] {
                let wrong = names.iter().filter_map(|name| self.passed(name));
                mistakes.extend(wrong.map(|(problem, remedy)| told(test.at.clone(), key, problem, remedy)));
            }
        }
    }

    /// What is wrong with the name of something that packets are to pass, or not.
    fn passed(&self, text: &str) -> Option<(String, String)> {
        let (component, name) = way::split(text);
        let mut places = way::places(self.topology);
        places.retain(|(_, place)| self.owner_of(place).is_none());
        if !self.names().contains(&name) {
            let meant = way::bare(self.topology, component, name);
            return match meant.as_slice() {
                [] => Some((format!("no resource is called `{name}`"), names::remedy(name, self.names()))),
                [_] => None,
                [(first, whole), ..] => {
                    let each: Vec<String> = meant.iter().map(|(of, name)| format!("`{of}:{name}`")).collect();
                    let problem = format!("`{name}` can mean {}", each.join(" or "));
                    Some((problem, format!("write which, such as `{first}:{whole}`")))
                }
            };
        }
        let mut components: Vec<&str> =
            places.into_iter().filter(|(_, place)| *place == name).map(|(of, _)| of).collect();
        components.dedup();
        // A guest is told of by its interface.
        let is_of = |component: &str, place: &str| {
            component == place || component == "guest" && place == "network_interface"
        };
        match (components.as_slice(), component) {
            ([], None | Some("internet")) if name == "internet" => None,
            ([], _) => {
                let remedy = match self.owner_of(name) {
                    Some((kind, owner)) => {
                        format!("it is told of by the {kind} that it belongs to: write `{owner}`")
                    }
                    None => {
                        "name an interface, an instance, a route table, a network ACL or a gateway".to_owned()
                    }
                };
                Some((format!("packets pass nothing that is called `{name}`"), remedy))
            }
            ([first, ..], Some(component)) if !components.iter().any(|place| is_of(component, place)) => {
                let problem = format!("`{name}` is no {}", component.replace('_', " "));
                Some((problem, format!("write `{first}:{name}`, or `{name}`")))
            }
            // Any of them would do for a bare name, also the one that was not meant.
            ([first, _, ..], None) => {
                let each: Vec<String> = components.iter().map(|of| format!("`{of}:{name}`")).collect();
                let problem = format!("packets can pass more than one `{name}`: {}", each.join(", "));
                Some((problem, format!("write which, such as `{first}:{name}`")))
            }
            _ => None,
        }
    }

    /// Whose interface this is, of those that steps tell of by their gateways alone.
    fn owner_of(&self, interface: &str) -> Option<(&'static str, String)> {
        match &self.topology.network_interfaces.get(interface)?.interface_type {
            InterfaceType::NatGateway(gateway) => Some(("NAT gateway", gateway.to_string())),
            InterfaceType::TransitGateway(attachment) => {
                let attachment = self.topology.transit_gateway_vpc_attachments.get(attachment)?;
                Some(("transit gateway", attachment.transit_gateway.to_string()))
            }
            _ => None,
        }
    }

    /// What is wrong with a question, by the key that has to change.
    fn question(&self, request: &ExplainRequest) -> Vec<(&'static str, ApiError)> {
        let Err(whole) = self.understands(request) else { return Vec::new() };
        let anybody = || ANYBODY.to_owned();
        let mut told = Vec::new();
        let from = ExplainRequest { from: request.from.clone(), to: anybody(), ..ExplainRequest::default() };
        told.extend(self.understands(&from).err().map(|error| ("from", error)));
        let beside = ExplainRequest { from: anybody(), to: anybody(), ..request.clone() };
        let to = match self.understands(&beside) {
            Ok(()) => ExplainRequest { from: anybody(), ..request.clone() },
            Err(error) => {
                told.push((self.culprit(&beside).unwrap_or("protocol"), error));
                ExplainRequest { from: anybody(), to: request.to.clone(), ..ExplainRequest::default() }
            }
        };
        told.extend(self.understands(&to).err().map(|error| (self.culprit(&to).unwrap_or("to"), error)));
        if told.is_empty() {
            // Each end is right, and they are the same one.
            told.push(("to", whole));
        }
        told
    }

    fn understands(&self, request: &ExplainRequest) -> Result<(), ApiError> {
        questions(self.fabric, self.topology, request).map(|_| ())
    }

    /// The key beside the ends without which the question is understood.
    fn culprit(&self, request: &ExplainRequest) -> Option<&'static str> {
        BESIDE.into_iter().find(|key| {
            let mut rest = request.clone();
            match *key {
                "port" => rest.port = None,
                "source_port" => rest.source_port = None,
                "protocol" => rest.protocol = None,
                _ => rest.family = None,
            }
            rest != *request && self.understands(&rest).is_ok()
        })
    }

    /// What in a reason is not declared: the key, what is wrong, what would be right.
    fn reason(&self, because: &Because) -> impl Iterator<Item = (&'static str, String, String)> {
        let resource = because.resource.as_deref().and_then(|name| {
            let known = self.names();
            (!known.contains(&name)).then(|| {
                let problem = format!("no resource is called `{name}`");
                // A group denies at an interface, which is what it is told by.
                let is_group = |known: &&str| self.topology.security_groups.contains_key(*known);
                let others = known.iter().copied().filter(|known| !is_group(known));
                let remedy = match vpclab_model::nearest(name, others) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => names::remedy(name, known),
                };
                ("resource", problem, remedy)
            })
        });
        let rule = because.rule.as_ref().and_then(|rule| {
            let told = crate::render::rule(rule);
            let (nobody_has, known) = self.rules(because.resource.as_deref(), rule);
            (told != "*" && !known.contains(&told)).then(|| {
                let known = known.iter().map(String::as_str).chain(["*"]).collect();
                ("rule", format!("{nobody_has} {told}"), names::remedy(&told, known))
            })
        });
        resource.into_iter().chain(rule)
    }

    /// What a blocker can name: every resource, and the internet.
    fn names(&self) -> Vec<&str> {
        let Topology {
            vpcs,
            subnets,
            route_tables,
            internet_gateways,
            egress_only_internet_gateways,
            nat_gateways,
            vpc_peering_connections,
            managed_prefix_lists,
            transit_gateway_peering_attachments,
            transit_gateway_route_tables,
            transit_gateway_vpc_attachments,
            transit_gateways,
            network_acls,
            security_groups,
            network_interfaces,
            instances,
            eips,
            internet_hosts,
            vpn_gateways,
            customer_gateways,
            vpn_connections,
            dx_gateways,
            dx_gateway_associations,
            dx_private_virtual_interfaces,
            dx_transit_virtual_interfaces,
            customer_networks,
            customer_hosts,
            services,
            vpc_endpoints,
            not_modelled,
            region: _,
            settings: _,
        } = self.topology;
        let mut names = vec!["internet"];
        names.extend(vpcs.keys().map(|name| name.as_str()));
        names.extend(subnets.keys().map(|name| name.as_str()));
        names.extend(route_tables.keys().map(|name| name.as_str()));
        names.extend(internet_gateways.keys().map(|name| name.as_str()));
        names.extend(egress_only_internet_gateways.keys().map(|name| name.as_str()));
        names.extend(nat_gateways.keys().map(|name| name.as_str()));
        names.extend(vpc_peering_connections.keys().map(|name| name.as_str()));
        names.extend(transit_gateways.keys().map(|name| name.as_str()));
        names.extend(transit_gateway_vpc_attachments.keys().map(|name| name.as_str()));
        names.extend(transit_gateway_peering_attachments.keys().map(|name| name.as_str()));
        names.extend(transit_gateway_route_tables.keys().map(|name| name.as_str()));
        names.extend(managed_prefix_lists.keys().map(|name| name.as_str()));
        names.extend(network_acls.keys().map(|name| name.as_str()));
        names.extend(security_groups.keys().map(|name| name.as_str()));
        names.extend(network_interfaces.keys().map(|name| name.as_str()));
        names.extend(instances.keys().map(|name| name.as_str()));
        names.extend(eips.keys().map(|name| name.as_str()));
        names.extend(internet_hosts.keys().map(|name| name.as_str()));
        names.extend(vpc_endpoints.keys().map(|name| name.as_str()));
        names.extend(services.keys().map(|name| name.as_str()));
        names.extend(vpn_gateways.keys().map(|name| name.as_str()));
        names.extend(customer_gateways.keys().map(|name| name.as_str()));
        names.extend(vpn_connections.keys().map(|name| name.as_str()));
        names.extend(dx_gateways.keys().map(|name| name.as_str()));
        names.extend(dx_gateway_associations.keys().map(|name| name.as_str()));
        names.extend(dx_private_virtual_interfaces.keys().map(|name| name.as_str()));
        names.extend(dx_transit_virtual_interfaces.keys().map(|name| name.as_str()));
        names.extend(not_modelled.values().flat_map(|all| all.keys().map(String::as_str)));
        names.extend(customer_networks.keys().map(|name| name.as_str()));
        names.extend(customer_hosts.keys().map(|name| name.as_str()));
        names
    }

    /// The rules of the kind that `rule` is one of, of the resource of this name if it has such rules, else of all; and
    /// the beginning of the sentence that none of them is meant.
    fn rules(&self, resource: Option<&str>, rule: &RuleReference) -> (String, Vec<String>) {
        let Topology { network_acls, route_tables, .. } = self.topology;
        let is = |name: &str| resource == Some(name);
        match rule {
            RuleReference::Number(_) => {
                let named = network_acls.keys().find(|name| is(name.as_str()));
                let meant = network_acls.iter().filter(|(name, _)| named.is_none_or(|named| named == *name));
                let entries = meant.flat_map(|(_, acl)| acl.ingress.iter().chain(&acl.egress));
                let nobody_has = named.map_or_else(
                    || "no network ACL has a rule".to_owned(),
                    |name| format!("network ACL {name} has no rule"),
                );
                (nobody_has, entries.map(|entry| entry.rule_number.to_string()).collect())
            }
            RuleReference::Text(_) => {
                let named = route_tables.keys().find(|name| is(name.as_str()));
                let meant = route_tables.iter().filter(|(name, _)| named.is_none_or(|named| named == *name));
                let routes = meant.flat_map(|(_, table)| &table.routes);
                let nobody_has = named.map_or_else(
                    || "no route table has a route".to_owned(),
                    |name| format!("route table {name} has no route"),
                );
                (nobody_has, routes.map(|route| route.destination.to_string()).collect())
            }
        }
    }
}

/// A question's error as a mistake of its test: what the command line says with options a file says with keys.
fn of_question(at: &str, key: &str, ApiError { error }: ApiError) -> MistakeBody {
    let told = error
        .message
        .replace("--source-port", "`source_port`")
        .replace("--port", "`port`")
        .replace("--protocol", "`protocol`");
    let (problem, remedy) = told.split_once("; ").unwrap_or((&told, "name another end"));
    MistakeBody {
        resource: at.to_owned(),
        attribute: key.to_owned(),
        code: error.code,
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}
