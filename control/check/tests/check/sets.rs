//! Whom do names of sets hold, and what is answered about them?

use vpclab_api::{Expected, Explained};

use crate::{Network, case, one, yaml};

/// A fleet of two in private subnets, a web server in public, a host behind a peering connection and one outside.
fn network() -> Network {
    yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16, tags: {Name: shop}}, w: {cidr_block: 10.1.0.0/16}}
internet_gateways: {igw: {vpc: v}, other: {vpc: w}}
internet_hosts: {out: {address: 198.51.100.7}}
vpc_peering_connections: {pcx: {vpc: v, peer_vpc: w, auto_accept: true}}
route_tables:
  public: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {cidr_block: 10.1.0.0/16, vpc_peering_connection: pcx}]}
  w/main: {routes: [{cidr_block: 10.0.0.0/16, vpc_peering_connection: pcx}]}
subnets:
  pub: {vpc: v, cidr_block: 10.0.0.0/24, route_table: public}
  priv: {vpc: v, cidr_block: 10.0.1.0/24}
  far: {vpc: w, cidr_block: 10.1.0.0/24}
security_groups:
  open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}
  fleet-sg: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, security_groups: [open]}]}
  far-open: {vpc: w, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}
instances:
  net/web: {subnet: pub, security_groups: [open], associate_public_ip_address: true, tags: {Name: front, team: a}}
  fleet[0]: {subnet: priv, security_groups: [fleet-sg], tags: {Name: worker, team: b}}
  fleet[1]: {subnet: priv, security_groups: [fleet-sg], tags: {Name: worker, team: b}}
  host: {subnet: far, security_groups: [far-open]}
"#,
    )
}

/// Each pair with its answer.
fn told(network: &Network, from: &str, to: &str) -> Vec<(String, String, Option<bool>)> {
    let pairs = network.pairs(from, to);
    let all = pairs.answers.into_iter().map(|one| (one.from.name, one.to.name, one.reachable));
    all.collect()
}

fn pair(from: &str, to: &str, reachable: bool) -> (String, String, Option<bool>) {
    (from.to_owned(), to.to_owned(), Some(reachable))
}

#[test]
fn a_set_is_asked_about_member_by_member() {
    let network = network();
    let fleet = [pair("net/web", "fleet[0]", true), pair("net/web", "fleet[1]", true)];
    for set in ["priv", "fleet-sg", "fleet", "tag:team=b", "worker", "10.0.1.0/24"] {
        assert_eq!(told(&network, "net/web", &format!("{set}:80")), fleet, "{set}");
        assert_eq!(network.pairs("net/web", &format!("{set}:80")).reachable, Some(true), "{set}");
        assert_eq!(network.pairs("net/web", &format!("{set}:81")).reachable, Some(false), "{set}");
    }
    let within = told(&network, "fleet", "fleet:80");
    assert_eq!(within, [pair("fleet[0]", "fleet[1]", false), pair("fleet[1]", "fleet[0]", false)]);
    for set in ["v", "shop"] {
        assert_eq!(told(&network, "host", &format!("{set}:80")).len(), 3, "{set}");
    }
    assert_eq!(told(&network, "*", "host:80").len(), 3, "nobody is asked about himself");
    assert_eq!(told(&network, "*", "*:80").len(), 12);
}

#[test]
fn an_alias_and_the_end_of_a_qualified_name_name_one_host() {
    let network = network();
    for name in ["front", "web", "net/web"] {
        assert_eq!(network.explain("host", &format!("{name}:80")).to.name, "net/web", "{name}");
    }
    let ambiguous = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, tags: {Name: x}}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, tags: {Name: x}}}\n\
         instances: {a: {subnet: s}, b: {subnet: s}}\n",
    );
    let error = ambiguous.refusal("a", "x:80").error;
    assert!(
        error.message.contains("can mean the subnet subnet-") && error.message.contains("the VPC vpc-"),
        "{}",
        error.message
    );
}

#[test]
fn a_gateway_is_whom_it_leads_to_and_counts_only_where_packets_pass_it() {
    let network = network();
    assert_eq!(network.pairs("net/web", "igw:443").reachable, Some(true));
    let wrong = network.pairs("net/web", "other:443");
    assert_eq!(wrong.reachable, Some(false));
    assert_eq!(wrong.answers[0].blockers[0].code, "NOT_BY_THIS_GATEWAY");
    assert_eq!(network.pairs("fleet", "igw:443").reachable, Some(false), "no way out");
    assert_eq!(network.pairs("igw", "net/web:443").reachable, Some(true));
    assert_eq!(told(&network, "net/web", "pcx:80"), [pair("net/web", "host", true)]);
    let by_peering = told(&network, "pcx", "net/web:80");
    assert_eq!(by_peering, [pair("host", "net/web", true)], "those of its own VPC do not come that way");
}

#[test]
fn a_public_block_is_everybody_who_has_an_address_of_it() {
    let mut document = serde_json::json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "route_tables": { "v/main": { "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] } },
        "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24" } },
        "security_groups": { "g": { "vpc": "v", "ingress": [
            { "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["192.0.2.0/25"] }] } },
        "instances": { "a": { "subnet": "s", "security_groups": ["g"], "associate_public_ip_address": true } } });
    let asked = |document: &serde_json::Value, block: &str| {
        Network::new(&vpclab_model::Document::from(document.clone())).pairs(block, "a:22").reachable
    };
    assert_eq!(asked(&document, "192.0.2.0/25"), Some(true));
    assert_eq!(asked(&document, "192.0.2.64/26"), Some(true));
    assert_eq!(asked(&document, "192.0.2.0/24"), Some(false), "half of it is not let in");
    assert_eq!(asked(&document, "192.0.2.128/25"), Some(false));
    document["security_groups"]["g"]["ingress"][0]["cidr_blocks"] = serde_json::json!(["192.0.2.7/32"]);
    assert_eq!(asked(&document, "192.0.2.0/24"), Some(false), "one is not all");
    assert_eq!(asked(&document, "192.0.2.7/32"), Some(true));
}

#[test]
fn ends_without_a_common_family_reach_each_other_by_no_way() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}\n\
         subnets: {four: {vpc: v, cidr_block: 10.0.0.0/24}, six: {vpc: v, ipv6_native: true, ipv6_cidr_block: '2001:db8:1:1::/64'}}\n\
         instances: {a: {subnet: four}, b: {subnet: six}, c: {subnet: four}}\n",
    );
    let told = network.pairs("a", "*:80");
    let of = |name: &str| told.answers.iter().find(|one| one.to.name == name).unwrap();
    assert_eq!(
        (of("b").reachable, of("b").blockers[0].code.as_str()),
        (Some(false), "NO_COMMON_ADDRESS_FAMILY")
    );
    assert_eq!(of("c").reachable, Some(true));
    let text = vpclab_check::render::explained(&Explained::Many(told));
    assert!(text.contains("1 of 2 pairs pass") && text.contains("no address family in common"), "{text}");
}

#[test]
fn a_test_about_a_set_holds_for_every_pair() {
    let network = network();
    let passes = |from: &str, to: &str, expected| one(&network, case(from, to, expected), None);
    assert!(passes("net/web", "fleet:80", Expected::Allowed).passed);
    assert!(passes("fleet", "net/web:80", Expected::Allowed).passed);
    let some = passes("*", "fleet[0]:80", Expected::Allowed);
    assert!(!some.passed);
    assert!(
        some.failures.iter().any(|failure| failure.starts_with("fleet[1] → fleet[0]: ")),
        "{:?}",
        some.failures
    );
    assert!(!passes("*", "fleet[0]:80", Expected::Denied).passed, "net/web reaches it");
    assert!(passes("fleet", "fleet:80", Expected::Denied).passed);
    let nobody = passes("tag:team=c", "fleet:80", Expected::Denied);
    assert!(!nobody.passed && nobody.outcome.is_none(), "a set without members proves nothing");
}

#[test]
fn a_fleet_is_named_without_the_source_before_it() {
    let network = |more: &str| {
        yaml(&format!(
            "vpcs: {{net/v: {{cidr_block: 10.0.0.0/16}}}}\n\
             subnets: {{net/a: {{vpc: net/v, cidr_block: 10.0.1.0/24}}}}\n\
             instances: {{web: {{subnet: net/a}}, 'app/Database[0]': {{subnet: net/a, tags: {{Name: Database}}}}, 'app/Database[1]': {{subnet: net/a}}{more}}}\n"
        ))
    };
    let own = network("");
    let asked = |text: &str| -> Vec<String> {
        own.pairs("web", text).answers.iter().map(|answer| answer.to.name.clone()).collect()
    };
    assert_eq!(asked("app/Database:3306"), ["app/Database[0]", "app/Database[1]"]);
    // Whatever a tag says of one of them.
    assert_eq!(asked("Database:3306"), ["app/Database[0]", "app/Database[1]"]);
    let two = network(", 'x/Web[0]': {subnet: net/a}, 'x/Web[1]': {subnet: net/a}");
    let asked: Vec<String> =
        two.pairs("web", "Web:80").answers.iter().map(|answer| answer.to.name.clone()).collect();
    assert_eq!(asked, ["x/Web[0]", "x/Web[1]"]);
    let told = |network: &Network, tests: &str| crate::askable::told(network, tests);
    let several = network(", 'x/Web[0]': {subnet: net/a}, 'y/Web[0]': {subnet: net/a}");
    let mistakes = told(&several, "- {from: web, to: 'Web:80', expect: denied}\n");
    assert!(
        mistakes[0].contains("can mean each interface of x/Web or each interface of y/Web"),
        "{mistakes:?}"
    );
}

#[test]
fn what_packets_pass_is_named_without_the_source_before_it() {
    let network = yaml(
        "vpcs: {net/v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {net/Igw: {vpc: net/v}}\n\
         eips: {nat/Eip: {}}\n\
         nat_gateways: {nat/Nat: {subnet: net/out, allocation: nat/Eip}}\n\
         route_tables: {net/out: {vpc: net/v, routes: [{cidr_block: 0.0.0.0/0, gateway: net/Igw}]}, net/in: {vpc: net/v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat/Nat}]}}\n\
         subnets: {net/out: {vpc: net/v, cidr_block: 10.0.0.0/24, route_table: net/out}, net/a: {vpc: net/v, cidr_block: 10.0.1.0/24, route_table: net/in}}\n\
         instances: {web: {subnet: net/a}}\n\
         internet_hosts: {client: {address: 198.51.100.7}}\n",
    );
    let tests = "- {name: a, from: web, to: 'client:443', expect: allowed, path: [Nat, Igw]}\n\
                 - {name: b, from: web, to: 'client:443', expect: allowed, path: ['nat_gateway:Nat']}\n\
                 - {name: c, from: web, to: 'client:443', expect: allowed, not_path: Igw}\n";
    assert!(crate::askable::told(&network, tests).is_empty(), "{:?}", crate::askable::told(&network, tests));
    let file = crate::askable::file(tests);
    let results = crate::results(&network, &file.sections[0].tests, None);
    let passed: Vec<bool> = results.iter().map(|result| result.passed).collect();
    assert_eq!(passed, [true, true, false], "{results:#?}");
    let told =
        crate::askable::told(&network, "- {from: web, to: 'client:443', expect: allowed, path: [out]}\n");
    assert!(told.is_empty(), "one table goes by that, and packets pass no subnet: {told:?}");
    let told = crate::askable::told(
        &network,
        "- {from: web, to: 'client:443', expect: denied, because: {resource: Igw}}\n",
    );
    assert!(told[0].ends_with("did you mean `net/Igw`?"), "{told:?}");
}
