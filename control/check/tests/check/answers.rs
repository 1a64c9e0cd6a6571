//! What does an answer hold, and is it never a false yes?

use vpclab_api::{ExplainRequest, LegVerdict, RuleReference};

use crate::{quickstart, request, yaml};

#[test]
fn a_yes_names_every_rule_that_let_it_pass() {
    let answer = quickstart().explain("web-1", "db-1:5432/tcp");
    assert_eq!(answer.reachable, Some(true));
    assert!(answer.blockers.is_empty() && answer.unmodelled.is_empty());
    let acl = answer.forward.steps.iter().find(|step| step.resource == "database").unwrap();
    assert_eq!(
        (acl.rule.clone(), acl.detail.as_deref()),
        (Some(RuleReference::Number(100)), Some("private-a"))
    );
    let group = answer.forward.steps.iter().rfind(|step| step.component == "security_group").unwrap();
    let rule = RuleReference::Text("db ingress[0]: tcp 5432 from web".to_owned());
    assert_eq!(
        (group.resource.as_str(), group.rule.clone(), group.groups.as_slice()),
        ("db-1", Some(rule), &["db".to_owned()][..])
    );
    let observed = answer.forward.observed.unwrap();
    assert_eq!(observed.source.port.as_deref(), Some("32768-60999"));
    assert_eq!(observed.destination.port.as_deref(), Some("5432"));
    let back = answer.back.unwrap();
    assert_eq!(back.observed.unwrap().destination.port.as_deref(), Some("32768-60999"));
    assert!(
        answer
            .assumed
            .iter()
            .any(|a| a.resource == "db-1" && a.assumption.contains("listens on tcp port 5432"))
    );
}

#[test]
fn the_receiver_sees_the_public_address_behind_the_gateway() {
    let answer = quickstart().explain("web-1", "client:443");
    assert_eq!(answer.forward.observed.unwrap().source.address, "203.0.113.10");
    let gateway = answer.forward.steps.iter().find(|step| step.component == "internet_gateway").unwrap();
    assert_eq!(
        (gateway.action.as_str(), gateway.detail.as_deref()),
        ("translate", Some("10.0.1.10 becomes 203.0.113.10"))
    );
}

#[test]
fn all_blockers_are_named_with_interface_and_groups() {
    let answer = quickstart().explain("app-1", "db-1:22/tcp");
    assert_eq!(answer.reachable, Some(false));
    let codes: Vec<&str> = answer.blockers.iter().map(|blocker| blocker.code.as_str()).collect();
    assert_eq!(codes, ["SUBNET_ACL_RESTRICTION", "ENI_SG_RULES_MISMATCH"]);
    assert_eq!(answer.blockers[0].rule, Some(RuleReference::Number(200)));
    assert_eq!(answer.blockers[1].resource.as_deref(), Some("db-1"));
    assert_eq!(answer.blockers[1].groups, ["db"]);
}

#[test]
fn an_interface_without_a_public_address_is_no_and_not_an_error() {
    let four = ExplainRequest { family: Some(4), ..request("client", "app-1:443") };
    let answer = quickstart().ask(&four).unwrap();
    assert_eq!(answer.reachable, Some(false));
    assert_eq!(answer.blockers[0].code, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS");
    assert_eq!(answer.blockers[0].resource.as_deref(), Some("app-1"));
    assert_eq!(answer.to.address, None);
}

/// The false green we fear: an ACL that lets replies back to some ephemeral ports only.
#[test]
fn replies_to_some_source_ports_only_are_no_with_the_ports_that_die() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24, network_acl: edge}}\n\
         network_acls: {edge: {vpc: v,\n\
           ingress: [{rule_no: 100, action: allow, protocol: tcp, from_port: 443, to_port: 443, cidr_block: 10.0.0.0/24}],\n\
           egress: [{rule_no: 100, action: allow, protocol: tcp, from_port: 49152, to_port: 65535, cidr_block: 10.0.0.0/24}]}}\n\
         security_groups: {any: {vpc: v, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [10.0.0.0/16]}]}}\n\
         instances: {a: {subnet: s}, b: {subnet: t, security_groups: [any]}}\n",
    );
    let answer = network.explain("a", "b:443");
    assert_eq!(answer.reachable, Some(false));
    let [blocker] = answer.blockers.as_slice() else { panic!("{:#?}", answer.blockers) };
    assert_eq!((blocker.code.as_str(), blocker.direction.as_str()), ("SUBNET_ACL_RESTRICTION", "return"));
    assert_eq!(blocker.rule, Some(RuleReference::Text("*".to_owned())));
    let [partial] = blocker.partial.as_slice() else { panic!("{:#?}", blocker.partial) };
    assert_eq!(partial.source_ports.as_deref(), Some("32768-49151"));
    let high = ExplainRequest { source_port: Some(50_000), ..request("a", "b:443") };
    assert_eq!(network.ask(&high).unwrap().reachable, Some(true));
}

#[test]
fn a_service_of_the_platform_makes_the_answer_unknown() {
    let answer = quickstart().explain("web-1", "169.254.169.254:80");
    assert_eq!(answer.reachable, None);
    assert_eq!(answer.forward.verdict, LegVerdict::NotModelled);
    assert_eq!(answer.unmodelled[0].resource, "instance metadata");
}

#[test]
fn somebody_else_with_the_same_address_is_not_who_was_asked_for() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: w, cidr_block: 10.0.0.0/24}}\n\
         instances: {a: {subnet: s}, twin: {subnet: s, private_ip: 10.0.0.9}, b: {subnet: t, private_ip: 10.0.0.9}}\n",
    );
    assert_eq!(network.explain("a", "twin:80").reachable, Some(true));
    let answer = network.explain("a", "b:80");
    assert_eq!(answer.reachable, Some(false));
    assert_eq!(answer.blockers[0].code, "MISDELIVERED");
    assert!(answer.back.is_none());
}

#[test]
fn a_guest_that_is_to_forward_makes_the_answer_unknown() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: via}, t: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         route_tables: {via: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, network_interface: nat}]}}\n\
         instances: {a: {subnet: s}, nat: {subnet: t, source_dest_check: false}}\n",
    );
    let answer = network.explain("a", "internet:443");
    assert_eq!(answer.reachable, None, "{:#?}", answer.blockers);
    assert_eq!(answer.unmodelled[0].resource, "nat");
    assert!(answer.back.is_none());
}

#[test]
fn what_is_taken_for_granted_is_listed() {
    let network = quickstart();
    let assumed = |to: &str| network.explain("web-1", to).assumed;
    assert!(assumed("internet:443").iter().any(|a| a.assumption.contains("no rule or route names")));
    assert!(assumed("198.51.100.99:443").iter().any(|a| a.assumption.contains("though none is declared")));
    assert!(!assumed("198.51.100.7:443").iter().any(|a| a.assumption.contains("declared")));
    assert!(assumed("client/icmp").iter().any(|a| a.assumption.starts_with("it answers echo requests")));
}
