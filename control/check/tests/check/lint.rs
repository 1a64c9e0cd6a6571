//! What is found in whole topologies, and how is it accepted and told?

use std::path::PathBuf;
use std::time::{Duration, Instant};

use vpclab_api::{Finding, LintReport, MistakeBody, Severity};
use vpclab_check::lint::{is_clean, lint};
use vpclab_model::{Document, Syntax, Topology};

pub(crate) fn report(document: &Document) -> Result<LintReport, Vec<MistakeBody>> {
    let topology = Topology::from_document(document, None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    lint(document, &topology)
}

pub(crate) fn findings(yaml: &str) -> Vec<Finding> {
    report(&Document::parse(yaml, Syntax::Yaml).unwrap()).unwrap().findings
}

/// `kind.name rule` of every finding with this id.
pub(crate) fn found(yaml: &str, id: &str) -> Vec<String> {
    let all = findings(yaml).into_iter().filter(|finding| finding.id == id);
    all.map(|Finding { resource, rule, .. }| {
        let rule = rule.map(|rule| format!(" {rule}")).unwrap_or_default();
        format!("{}.{}{rule}", resource.kind, resource.name)
    })
    .collect()
}

/// The one finding with this id.
pub(crate) fn one(yaml: &str, id: &str) -> Finding {
    let mut all: Vec<Finding> = findings(yaml).into_iter().filter(|finding| finding.id == id).collect();
    assert_eq!(all.len(), 1, "{id}: {all:#?}");
    all.remove(0)
}

fn config(name: &str) -> Document {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    Document::from_path(path).unwrap()
}

#[test]
fn nothing_is_found_in_the_topologies_that_ship_but_what_they_accept() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && !name.ends_with(".tests.json") {
            let report = report(&config(&name)).unwrap();
            assert!(report.findings.is_empty(), "{name}: {:#?}", report.findings);
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen}");
}

/// What the topologies say to try is what would be found.
#[test]
fn what_the_topologies_that_ship_warn_of_is_found_in_them() {
    let mut inspection = config("inspection.json").into_value();
    let attachment = &mut inspection["transit_gateway_vpc_attachments"]["inspection"];
    attachment.as_object_mut().unwrap().remove("appliance_mode_support");
    let mut quickstart = config("quickstart.json").into_value();
    quickstart["network_acls"]["database"]["egress"].as_array_mut().unwrap().remove(0);
    let mut nat = config("public-private-nat.json").into_value();
    nat["network_acls"]["edge"]["ingress"].as_array_mut().unwrap().remove(2);
    for (document, id, resource) in [
        (inspection, "asymmetric-route", "firewall-b"),
        (quickstart, "reply-blocked-by-acl", "database"),
        (nat, "reply-blocked-by-acl", "edge"),
    ] {
        let report = report(&Document::from(document)).unwrap();
        let is_it = |finding: &Finding| finding.id == id && finding.resource.name == resource;
        assert!(report.findings.iter().any(is_it), "{id}: {:#?}", report.findings);
        assert!(!is_clean(&report, false));
    }
}

/// An open group whose finding ACCEPTS says something about.
fn open(accepts: &str, at_top: &str) -> Result<LintReport, Vec<MistakeBody>> {
    let yaml = format!(
        "{at_top}\nvpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
         security_groups: {{ssh: {{vpc: v, {accepts} ingress: [{{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [ssh], associate_public_ip_address: true}}}}\n"
    );
    report(&Document::parse(&yaml, Syntax::Yaml).unwrap())
}

#[test]
fn a_finding_is_accepted_with_its_reason_in_its_resource_or_at_the_top() {
    let here = "x-vpclab-accept: {open-to-the-world: a bastion},";
    let top = "x-vpclab-accept: {open-to-the-world: everybody may}";
    assert_eq!(open("", "").unwrap().findings.len(), 1);
    for (accepts, at_top, reason) in [(here, "", "a bastion"), ("", top, "everybody may")] {
        let report = open(accepts, at_top).unwrap();
        assert!(report.findings.is_empty() && is_clean(&report, true), "{report:#?}");
        assert_eq!(report.accepted[0].accepted, reason);
        assert_eq!(report.accepted[0].finding.id, "open-to-the-world");
    }
}

#[test]
fn an_acceptance_that_matches_nothing_is_a_finding() {
    let report = open("x-vpclab-accept: {open-to-the-world: yes it is, stale-rule: none left},", "").unwrap();
    let told: Vec<_> =
        report.findings.iter().map(|one| (one.id.as_str(), one.resource.name.as_str())).collect();
    assert_eq!(told, [("unused-acceptance", "ssh")]);
    assert!(report.findings[0].reason.contains("stale-rule"));
    // What the resource says of itself, the document need not say.
    let both = "x-vpclab-accept: {open-to-the-world: a bastion}";
    let report = open(&format!("{both},"), both).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(
        (report.findings[0].resource.kind.as_str(), report.findings[0].severity),
        ("", Severity::Warning)
    );
}

#[test]
fn an_acceptance_names_a_finding_and_says_why() {
    for (accepts, attribute, code, problem) in [
        ("{open-to-world: why}", "x-vpclab-accept.open-to-world", "UnknownParameter", "there is no finding"),
        (
            "{open-to-the-world: '  '}",
            "x-vpclab-accept.open-to-the-world",
            "MissingParameter",
            "nothing says why",
        ),
        (
            "{open-to-the-world: true}",
            "x-vpclab-accept.open-to-the-world",
            "MissingParameter",
            "nothing says why",
        ),
        (
            "{unused-acceptance: why}",
            "x-vpclab-accept.unused-acceptance",
            "InvalidParameterValue",
            "cannot be accepted",
        ),
        (
            "{open-to-the-world: {'ingress[0]': ''}}",
            "x-vpclab-accept.open-to-the-world.ingress[0]",
            "MissingParameter",
            "nothing says why",
        ),
        (
            "{open-to-the-world: {}}",
            "x-vpclab-accept.open-to-the-world",
            "MissingParameter",
            "nothing says why",
        ),
        ("[open-to-the-world]", "x-vpclab-accept", "InvalidParameterValue", "a map"),
    ] {
        let mistakes = open(&format!("x-vpclab-accept: {accepts},"), "").unwrap_err();
        let mistake = &mistakes[0];
        assert_eq!(
            (mistake.resource.as_str(), mistake.attribute.as_str()),
            ("security_groups.ssh", attribute)
        );
        assert_eq!(mistake.code, code);
        assert!(mistake.problem.contains(problem), "{}", mistake.problem);
    }
    let top = open("", "x-vpclab-accept: {open-to-the-world: {'ingress[0]': why}}").unwrap_err();
    assert_eq!((top[0].resource.as_str(), top[0].code.as_str()), ("", "InvalidParameterValue"));
    assert_eq!(top[0].remedy, "give the reason as a text, or accept the place in its resource");
    let slip = open("x-vpclab-accept: {open-to-world: why},", "").unwrap_err();
    assert_eq!(slip[0].remedy, "did you mean `open-to-the-world`?");
}

/// As [`open`], with MySQL open as well, before SSH.
fn two_open(accepts: &str) -> LintReport {
    let mysql = "{protocol: tcp, from_port: 3306, to_port: 3306, cidr_blocks: [0.0.0.0/0]}";
    let yaml = format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
         security_groups: {{ssh: {{vpc: v, x-vpclab-accept: {{open-to-the-world: {accepts}}}, ingress: [{mysql}, {{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [ssh], associate_public_ip_address: true}}}}\n"
    );
    report(&Document::parse(&yaml, Syntax::Yaml).unwrap()).unwrap()
}

#[test]
fn a_finding_accepted_at_its_place_hides_no_other() {
    let rules = |findings: &mut dyn Iterator<Item = &Finding>| -> Vec<String> {
        findings.map(|one| format!("{} {}", one.id, one.rule.as_deref().unwrap_or_default())).collect()
    };
    let (mysql, ssh) = ("open-to-the-world ingress[0]", "open-to-the-world ingress[1]");
    for (accepts, left, accepted) in [
        // The text is that of the rule, wherever it stands.
        ("{tcp 22 from 0.0.0.0/0: a bastion}", vec![mysql], vec![ssh]),
        ("{'ingress[0]': a bastion}", vec![ssh], vec![mysql]),
        ("{tcp 22 from 0.0.0.0/0: a bastion, 'ingress[0]': a bastion}", vec![], vec![mysql, ssh]),
        ("a bastion", vec![], vec![mysql, ssh]),
        ("{tcp 23 from 0.0.0.0/0: a bastion}", vec![mysql, ssh, "unused-acceptance "], vec![]),
    ] {
        let report = two_open(accepts);
        assert_eq!(rules(&mut report.findings.iter()), left, "{accepts}");
        assert_eq!(rules(&mut report.accepted.iter().map(|one| &one.finding)), accepted, "{accepts}");
        assert!(report.accepted.iter().all(|one| one.accepted == "a bastion"));
    }
    let unused = two_open("{tcp 23 from 0.0.0.0/0: why}").findings;
    let unused = unused.iter().find(|one| one.id == "unused-acceptance").unwrap();
    assert!(unused.reason.contains("open-to-the-world at `tcp 23 from 0.0.0.0/0`"), "{}", unused.reason);
    assert_eq!(unused.remedy, "take `tcp 23 from 0.0.0.0/0` out of `open-to-the-world` in `x-vpclab-accept`");
}

#[test]
fn errors_that_are_accepted_are_told_by_name() {
    let shown = vpclab_check::lint::render(&two_open("{tcp 22 from 0.0.0.0/0: a bastion}"));
    assert!(shown.contains("open-to-the-world  security_groups.ssh ingress[1]: a bastion"), "{shown}");
    assert!(shown.contains("accepted errors") && shown.contains("1 accepted"), "{shown}");
    let none = vpclab_check::lint::render(&open("", "").unwrap());
    assert!(!none.contains("accepted"), "{none}");
}

/// Ten VPCs at a transit gateway, each with three tiers in two zones, and 1,000 instances in them.
fn large() -> String {
    use std::fmt::Write as _;
    let (mut vpcs, mut subnets, mut groups, mut instances) =
        (String::new(), String::new(), String::new(), String::new());
    let (mut attachments, mut tables, mut acls) = (String::new(), String::new(), String::new());
    for v in 0..10 {
        let _ = write!(vpcs, "v{v}: {{cidr_block: 10.{v}.0.0/16}}, ");
        let _ = write!(
            attachments,
            "at{v}: {{transit_gateway: hub, vpc: v{v}, subnets: [v{v}-web-a, v{v}-web-b]}}, "
        );
        let _ = write!(tables, "v{v}/main: {{routes: [{{cidr_block: 10.0.0.0/8, transit_gateway: hub}}]}}, ");
        let _ = write!(
            acls,
            "acl{v}: {{vpc: v{v}, ingress: [{{rule_no: 100, action: allow, protocol: tcp, from_port: 5432, to_port: 5432, cidr_block: 10.{v}.0.0/16}}, \
             {{rule_no: 110, action: allow, protocol: tcp, from_port: 1024, to_port: 65535, cidr_block: 10.{v}.0.0/16}}], \
             egress: [{{rule_no: 100, action: allow, protocol: tcp, from_port: 1024, to_port: 65535, cidr_block: 10.{v}.0.0/16}}]}}, "
        );
        for (t, tier) in ["web", "app", "db"].into_iter().enumerate() {
            let before = ["web", "web", "app"][t];
            let _ = write!(
                groups,
                "v{v}-{tier}: {{vpc: v{v}, ingress: [{{protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [v{v}-{before}]}}, \
                 {{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [10.0.0.0/8]}}]}}, "
            );
            for (z, zone) in ["a", "b"].into_iter().enumerate() {
                let acl = if tier == "db" { format!(", network_acl: acl{v}") } else { String::new() };
                let block = t * 2 + z;
                let _ = write!(
                    subnets,
                    "v{v}-{tier}-{zone}: {{vpc: v{v}, cidr_block: 10.{v}.{block}.0/24, availability_zone: us-east-1{zone}{acl}}}, "
                );
                for i in 0..17 {
                    let _ = write!(
                        instances,
                        "v{v}-{tier}-{zone}-{i}: {{subnet: v{v}-{tier}-{zone}, security_groups: [v{v}-{tier}]}}, "
                    );
                }
            }
        }
    }
    format!(
        "quotas: none\nvpcs: {{{vpcs}}}\nsubnets: {{{subnets}}}\ntransit_gateways: {{hub: {{}}}}\n\
         transit_gateway_vpc_attachments: {{{attachments}}}\nroute_tables: {{{tables}}}\nnetwork_acls: {{{acls}}}\n\
         security_groups: {{{groups}}}\ninstances: {{{instances}}}\n"
    )
}

#[test]
fn a_thousand_instances_take_no_longer_than_the_kinds_there_are_of_them() {
    let document = Document::parse(&large(), Syntax::Yaml).unwrap();
    let topology = Topology::from_document(&document, None).unwrap();
    assert!(topology.instances.len() > 1000);
    let start = Instant::now();
    let report = lint(&document, &topology).unwrap();
    // A second with optimisation, which tests do without.
    let limit = if cfg!(debug_assertions) { Duration::from_secs(40) } else { Duration::from_secs(1) };
    println!("{:?}", start.elapsed());
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    assert!(report.findings.iter().all(|finding| finding.severity != Severity::Error), "{report:#?}");
}
