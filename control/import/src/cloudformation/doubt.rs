//! What may be other than it is written, as something that changes it is not read?
//!
//! A nested stack whose template nobody gave adds routes and rules to what it is given; a macro rewrites its whole
//! template. What they name is doubted once all templates were read, as only then it is known what there is.

use super::functions::Evaluator;
use super::token::{Piece, Token, pieces};
use crate::estate::{Address, Estate, Key};
use crate::report::{Fate, Note, NoteKind};
use crate::val::Val;

/// What of a template may be changed by what is left out.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    named: Vec<(Key, String, Address)>,
    /// Functions that are given a VPC, by the name of their resource.
    given_vpcs: Vec<(String, String, Address)>,
    templates: Vec<(usize, String)>,
}

/// What a resource that is left out may change of what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All of it.
    Everything,
    /// All but VPCs: a function is given one to look something up most of the time, and everything is in one.
    ButVpcs,
    /// Nothing: it puts interfaces next to others.
    Nothing,
}

/// The kinds that something else can change, by the type that they have in templates.
const CHANGEABLE: &[(&str, &str)] = &[
    ("AWS::EC2::VPC", "vpcs"),
    ("AWS::EC2::Subnet", "subnets"),
    ("AWS::EC2::RouteTable", "route_tables"),
    ("AWS::EC2::NetworkAcl", "network_acls"),
    ("AWS::EC2::SecurityGroup", "security_groups"),
    ("AWS::EC2::PrefixList", "managed_prefix_lists"),
    ("AWS::EC2::Instance", "instances"),
    ("AWS::EC2::NetworkInterface", "network_interfaces"),
    ("AWS::EC2::InternetGateway", "internet_gateways"),
    ("AWS::EC2::VPNGateway", "vpn_gateways"),
    ("AWS::EC2::VPNConnection", "vpn_connections"),
    ("AWS::EC2::VPCEndpoint", "vpc_endpoints"),
    ("AWS::EC2::TransitGateway", "transit_gateways"),
    ("AWS::EC2::TransitGatewayRouteTable", "transit_gateway_route_tables"),
    ("AWS::EC2::TransitGatewayAttachment", "transit_gateway_vpc_attachments"),
    ("AWS::EC2::TransitGatewayVpcAttachment", "transit_gateway_vpc_attachments"),
    ("AWS::EC2::TransitGatewayPeeringAttachment", "transit_gateway_peering_attachments"),
    ("AWS::ElasticLoadBalancing::LoadBalancer", "load_balancers"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "load_balancers"),
];

fn reach(of_type: &str) -> Reach {
    match of_type {
        _ if super::service::is_service(of_type) || super::database::is_database(of_type) => Reach::Nothing,
        "AWS::AutoScaling::AutoScalingGroup"
        | "AWS::EC2::EC2Fleet"
        | "AWS::EC2::SpotFleet"
        | "AWS::EKS::Nodegroup"
        | "AWS::EKS::FargateProfile"
        | "AWS::RDS::DBSecurityGroup"
        | "AWS::RDS::DBSecurityGroupIngress" => Reach::Nothing,
        _ if of_type.starts_with("AWS::WorkSpaces::") => Reach::Nothing,
        "AWS::CloudFormation::CustomResource" => Reach::ButVpcs,
        _ if of_type.starts_with("Custom::") => Reach::ButVpcs,
        _ => Reach::Everything,
    }
}

impl Doubts {
    /// Doubts what a resource that is left out names, and says what of it is not doubted. `written` is what its
    /// attributes were evaluated to, tokens and all.
    pub(super) fn left_out(
        &mut self,
        of_type: &str,
        own: &str,
        written: &Val,
        why: &str,
        by: &Address,
    ) -> Vec<Note> {
        let reach = reach(of_type);
        let mut named = Vec::new();
        named_in(written, &mut named);
        named.sort();
        named.dedup();
        let mut notes = Vec::new();
        for (kind, name) in named.into_iter().filter(|_| reach != Reach::Nothing) {
            if kind == "vpcs" && reach == Reach::ButVpcs {
                let text = format!(
                    "it is given the VPC {name}, which is taken as it stands: give what its function changes"
                );
                notes.push(Note::new(NoteKind::Approximated, text));
                self.given_vpcs.push((own.to_owned(), name, by.clone()));
            } else {
                let why = format!("{} is given it: {why}", by.address);
                self.named.push(((kind, name), why, by.clone()));
            }
        }
        notes
    }

    /// Doubts everything in a stack: its template is not what is made.
    pub(super) fn template(&mut self, stack: usize, why: impl Into<String>) {
        self.templates.push((stack, why.into()));
    }

    /// Doubts what there is of all this.
    pub(super) fn settle(self, evaluator: &Evaluator<'_>, estate: &mut Estate) {
        for ((kind, name), why, by) in self.named {
            if is_there(estate, kind, &name) {
                estate.doubt(kind, &name, why, &by);
            }
        }
        // What a function answers is most likely what AWS makes together with the VPC: its main table, its default filters.
        for (function, vpc, by) in self.given_vpcs {
            for (kind, word) in
                [("route_tables", "main"), ("network_acls", "default"), ("security_groups", "default")]
            {
                let is_answered = |(of, name): &Key| {
                    *of == kind && name.strip_prefix(&function).is_some_and(|rest| rest.starts_with('.'))
                };
                if estate.stand_ins.keys().any(is_answered) && is_there(estate, "vpcs", &vpc) {
                    let why = format!("{} may answer with it, and others change what it answers", by.address);
                    estate.doubt(kind, &format!("{vpc}/{word}"), why, &by);
                }
            }
        }
        for (stack, why) in self.templates {
            let Some(own) = evaluator.stack(stack) else { continue };
            let is_inside =
                |by: &Address| by.source == own.source && by.address.starts_with(own.address.as_str());
            let inside = estate.origins.iter().filter(|(_, by)| is_inside(by));
            let inside: Vec<(Key, Address)> = inside.map(|(key, by)| (key.clone(), by.clone())).collect();
            for ((kind, name), by) in inside {
                estate.doubt(kind, &name, why.clone(), &by);
            }
            for resource in &mut estate.report.resources {
                let by = Address { source: resource.source.clone(), address: resource.address.clone() };
                let is_firm = matches!(resource.fate, Fate::Understood | Fate::Approximated);
                if is_firm && is_inside(&by) {
                    resource.fate = Fate::NotModelled;
                    resource.notes.push(Note::new(NoteKind::Unknown, why.clone()));
                }
            }
        }
    }
}

/// Whether the templates make it, or AWS together with its VPC.
fn is_there(estate: &Estate, kind: &'static str, name: &str) -> bool {
    let has = |kind: &str, name: &str| estate.resources.get(kind).is_some_and(|all| all.contains_key(name));
    let owner = match kind {
        "security_groups" | "network_acls" => name.strip_suffix("/default").map(|vpc| ("vpcs", vpc)),
        "transit_gateway_route_tables" => {
            name.strip_suffix("/default").map(|gateway| ("transit_gateways", gateway))
        }
        _ => None,
    };
    has(kind, name) || owner.is_some_and(|(kind, name)| has(kind, name))
}

/// The resources that a value names, also inside its texts: a list of subnets is handed on as one text.
fn named_in(value: &Val, found: &mut Vec<Key>) {
    match value {
        Val::List(items) => items.iter().for_each(|item| named_in(item, found)),
        Val::Map(map) => map.values().for_each(|item| named_in(item, found)),
        Val::Text(text) => {
            for piece in pieces(text) {
                let Piece::Token(Token::Resource { of_type, name, .. }) = piece else { continue };
                let kind = CHANGEABLE.iter().find(|(theirs, _)| *theirs == of_type).map(|(_, kind)| *kind);
                found.extend(kind.map(|kind| (kind, name)));
            }
        }
        _ => {}
    }
}

/// The macro that stands beside the type and the attributes of a resource, and may change both.
pub(super) fn macro_name(written: &serde_json::Value) -> String {
    written.get("Name").and_then(serde_json::Value::as_str).unwrap_or("a macro").to_owned()
}

/// The macro that adds to a map of attributes what it likes, wherever it stands inside.
pub(super) fn inline_macro(value: &Val) -> Option<String> {
    match value {
        Val::List(items) => items.iter().find_map(inline_macro),
        Val::Map(map) => match map.get("Fn::Transform") {
            Some(written) => Some(written.text_of("Name").unwrap_or_else(|| "a macro".to_owned())),
            None => map.values().find_map(inline_macro),
        },
        _ => None,
    }
}
