//! Are tests asked of the network after what happens to it?

use vpclab_api::{Expected, TestResult};
use vpclab_check::{Changed, Prober, TestFile, VirtualProber, run};
use vpclab_model::{Document, Syntax};

use crate::{Network, askable::file, yaml};

/// The topology of `configs/` of this name.
fn configured(name: &str) -> Network {
    let path = format!("{}/../../configs/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Network::new(&Document::from_path(path).unwrap())
}

/// What the tests come to, at the levels explain and virtual.
fn results(network: &Network, file: &TestFile) -> Vec<TestResult> {
    let networks = file
        .check(&network.document, &network.topology, &network.fabric)
        .unwrap_or_else(|error| panic!("{:#?}", error.error));
    let mut results = Vec::new();
    for (section, changed) in file.sections.iter().zip(&networks) {
        let own = (&network.topology, &network.fabric);
        let (topology, fabric) = changed.as_ref().map_or(own, |changed| (&changed.topology, &changed.fabric));
        let mut guests = VirtualProber::new(topology);
        for prober in [None, Some(&mut guests as &mut dyn Prober)] {
            results.extend(run(topology, fabric, "a.tests.yaml", section, prober, |_| {}));
        }
    }
    results
}

fn pass(network: &Network, tests: &str) {
    for result in results(network, &file(tests)) {
        assert!(result.passed, "{} at {:?}: {:#?}", result.name, result.level, result.failures);
    }
}

/// The mistakes in what happens, as they are told.
fn mistakes(network: &Network, when: &str) -> Vec<String> {
    let file = file(&format!("- {{from: web-a, to: 'app-a:8080', expect: allowed, when: {when}}}\n"));
    let error = file.check(&network.document, &network.topology, &network.fabric).unwrap_err().error;
    assert_eq!(error.code, "InvalidTestFile");
    let line =
        |m: &vpclab_api::MistakeBody| format!("{} {}: {}; {}", m.resource, m.attribute, m.problem, m.remedy);
    error.mistakes.iter().map(line).collect()
}

#[test]
fn a_nat_gateway_that_is_down_takes_its_own_zones_way_out_along_and_no_other() {
    pass(
        &configured("three-tier"),
        "- {from: app-a, to: 'client:443', family: 4, expect: allowed, source_seen: 203.0.113.9}\n\
         - when: {down: nat-a}\n  tests:\n  \
         - {from: app-a, to: 'client:443', family: 4, expect: denied, because: {code: BAD_STATE_ROUTE, resource: app-a}}\n  \
         - {from: app-a, to: 'client:443', family: 6, expect: allowed}\n  \
         - {from: app-b, to: 'client:443', family: 4, expect: allowed, source_seen: 203.0.113.10}\n\
         - {name: all is well again, from: app-a, to: 'client:443', family: 4, expect: allowed}\n",
    );
}

#[test]
fn a_zone_that_is_down_takes_everything_in_it_along() {
    pass(
        &configured("three-tier"),
        "- when: {down: us-east-1a}\n  tests:\n  \
         - {from: internet, to: 'web-a:443', family: 4, expect: denied, because: {code: BAD_STATE}}\n  \
         - {from: web-b, to: 'app-a:8080', expect: denied, because: {code: BAD_STATE}}\n  \
         - {from: internet, to: 'web-b:443', family: 4, expect: allowed}\n  \
         - {from: web-b, to: 'app-b:8080', expect: allowed}\n  \
         - {from: app-b, to: 'db-b:5432', expect: allowed}\n  \
         - {from: app-b, to: 'client:443', family: 4, expect: allowed, source_seen: 203.0.113.10}\n\
         - when: [{down: us-east-1a}, {down: us-east-1b}]\n  tests:\n  \
         - {from: web-b, to: 'app-b:8080', expect: denied, because: {code: BAD_STATE}}\n",
    );
}

#[test]
fn several_things_happen_one_after_the_other_and_a_patch_can_mend() {
    pass(
        &configured("three-tier"),
        "- {from: app-a, to: 'client:443', family: 4, expect: allowed, source_seen: 203.0.113.10, when: [\n    \
           {down: nat-a}, {apply: {route_tables: {app-a: {routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat-b}]}}}}]}\n\
         - when: {apply: {security_groups: {web: {ingress: []}}}}\n  tests:\n  \
         - {from: client, to: 'web-a:443', expect: denied, because: {code: SG_HAS_NO_RULES, resource: web-a}}\n  \
         - {from: client, to: 'web-b:443', expect: denied, when: {down: instances.web-b}, family: 4}\n\
         - {from: web-b, to: 'app-a:8080', expect: denied, because: {code: BAD_STATE}, when: {down: instances.app-a}}\n",
    );
}

#[test]
fn a_resource_is_removed_with_whoever_it_was() {
    let network = configured("three-tier");
    let address = network.topology.network_interfaces["web-a"].private_ips().next().unwrap();
    pass(
        &network,
        &format!(
            "- {{from: web-b, to: '{address}:443', expect: denied, because: {{code: NO_POSSIBLE_DESTINATION}}, when: {{remove: web-a}}}}\n"
        ),
    );
    let told = mistakes(&network, "{remove: nat-a}");
    assert_eq!(
        told,
        [
            "tests[0].when remove: `nat-a` can mean nat_gateways.nat-a or eips.nat-a; write `nat_gateways.nat-a`, say"
        ]
    );
    let told = mistakes(&network, "{remove: nat_gateways.nat-a}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("tests[0].when remove: then route_tables.app-a.routes[0].nat_gateway: "),
        "{told:?}"
    );
    assert!(told[0].ends_with("or say `down`, which leaves what refers to it in place"), "{told:?}");
    let gone = file("- {from: web-a, to: 'app-a:8080', expect: denied, when: {remove: web-a}}\n");
    let error = gone.check(&network.document, &network.topology, &network.fabric).unwrap_err().error;
    assert_eq!(
        (error.mistakes[0].resource.as_str(), error.mistakes[0].attribute.as_str()),
        ("tests[0]", "from")
    );
}

#[test]
fn what_cannot_happen_is_a_mistake_that_says_what_can() {
    let network = configured("three-tier");
    for (when, told) in [
        (
            "{down: nat-c}",
            "tests[0].when down: nothing that can be down is called `nat-c`; did you mean `nat-a`?",
        ),
        (
            "[{down: us-east-1c}]",
            "tests[0].when[0] down: nothing that can be down is called `us-east-1c`; did you mean `us-east-1a`?",
        ),
        (
            "{down: igw}",
            "tests[0].when down: `igw` is internet_gateways.igw, of which AWS knows no outage; name an instance, a NAT gateway, \
             a connection, an endpoint or an availability zone, or say `remove` or `apply`",
        ),
        (
            "[{down: nat-a}, {down: nat-a}]",
            "tests[0].when[1] down: nothing is different when nat-a is down; change what the topology does not say already",
        ),
        (
            "{remove: wbe-a}",
            "tests[0].when remove: nothing that the topology declares is called `wbe-a`; did you mean `web-a`?",
        ),
        (
            "{apply: {instances: {wbe-a: null}}}",
            "tests[0].when apply: it takes instances.wbe-a away, which is not there; did you mean `web-a`?",
        ),
        (
            "{apply: {region: us-east-1}}",
            "tests[0].when apply: nothing is different when a change of region is applied; change what the topology does not \
             say already",
        ),
    ] {
        assert_eq!(mistakes(&network, when), [told], "{when}");
    }
    let all = mistakes(
        &network,
        "{apply: {vpcs: {shop: {cidr_blok: x}}, subnets: {app-a: {cidr_block: nonsense}}}}",
    );
    assert_eq!(all.len(), 2, "all mistakes at once: {all:?}");
    let file = mistakes(&network, "{apply: nowhere.yaml}");
    assert!(file[0].starts_with("tests[0].when apply: nowhere.yaml: "), "{file:?}");
}

#[test]
fn a_group_with_a_wrong_change_tells_it_once() {
    let network = configured("three-tier");
    let file = file(
        "- when: {down: nat-c}\n  tests:\n  - {from: web-a, to: 'app-a:8080', expect: allowed}\n  - {from: web-a, to: 'app-b:8080', expect: allowed}\n",
    );
    let error = file.check(&network.document, &network.topology, &network.fabric).unwrap_err().error;
    assert_eq!(error.mistakes.len(), 1, "{:?}", error.mistakes);
}

/// Two zones with an endpoint and an attachment in both, and two sites behind a VPN connection.
fn connected() -> Network {
    yaml(
        r#"
region: us-east-1
vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.1.0.0/16}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments:
  v-at: {transit_gateway: hub, vpc: v, subnets: [a, b]}
  w-at: {transit_gateway: hub, vpc: w, subnets: [far]}
route_tables:
  v/main: {routes: [{cidr_block: 10.1.0.0/16, transit_gateway: hub}, {cidr_block: 192.168.0.0/16, gateway: vgw}]}
  w/main: {routes: [{cidr_block: 10.0.0.0/16, transit_gateway: hub}]}
subnets:
  a: {vpc: v, cidr_block: 10.0.0.0/24, availability_zone: us-east-1a}
  b: {vpc: v, cidr_block: 10.0.1.0/24, availability_zone: us-east-1b}
  far: {vpc: w, cidr_block: 10.1.0.0/24, availability_zone: us-east-1b}
security_groups:
  open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}
  far-open: {vpc: w, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}
instances:
  one: {subnet: a, security_groups: [open]}
  two: {subnet: b, security_groups: [open]}
  far: {subnet: far, security_groups: [far-open], tags: {Name: distant}}
vpn_gateways: {vgw: {vpc: v}}
customer_gateways: {cgw: {bgp_asn: 65001}}
vpn_connections: {vpn: {vpn_gateway: vgw, customer_gateway: cgw, static_routes_only: true, routes: [192.168.0.0/16]}}
customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}
customer_hosts: {desk: {customer_network: office, address: 192.168.0.9}}
"#,
    )
}

#[test]
fn connections_go_down_as_aws_has_it_of_their_kind() {
    let network = connected();
    for (when, from, to, expected) in [
        ("{down: us-east-1a}", "two", "far:80", Expected::Allowed),
        ("{down: us-east-1b}", "one", "far:80", Expected::Denied),
        ("{down: v-at}", "two", "far:80", Expected::Denied),
        ("{down: vpn/tunnel1}", "one", "desk:80", Expected::Allowed),
        ("[{down: vpn/tunnel1}, {down: vpn/tunnel2}]", "one", "desk:80", Expected::Denied),
        ("{down: vpn}", "one", "desk:80", Expected::Denied),
    ] {
        let word = if expected == Expected::Allowed { "allowed" } else { "denied" };
        let tests = format!("- {{from: {from}, to: '{to}', expect: {word}, when: {when}}}\n");
        for result in results(&network, &file(&tests)) {
            assert!(result.passed, "{tests}{:#?}", result.failures);
        }
    }
    // One instance, by its alias.
    pass(
        &network,
        "- {from: two, to: 'far:80', expect: denied, because: {code: BAD_STATE}, when: {down: distant}}\n",
    );
}

#[test]
fn what_was_assigned_stays_when_something_goes() {
    let network = connected();
    let before = network.topology.network_interfaces["two"].private_ips().collect::<Vec<_>>();
    let file = file("- {from: two, to: 'far:80', expect: allowed, when: {remove: one}}\n");
    let changed = Changed::new(&network.document, &network.topology, &file.sections[0].when).unwrap();
    assert!(!changed.topology.instances.contains_key("one"));
    assert_eq!(changed.topology.network_interfaces["two"].private_ips().collect::<Vec<_>>(), before);
}

#[test]
fn what_happens_is_read_and_named() {
    let document = Document::parse(
        "tests:\n- {from: a, to: 'b:1', expect: denied, when: {down: x}}\n- {from: a, to: 'b:1', expect: allowed}\n\
         - when: [{remove: y}, {apply: z.yaml}]\n  tests: [{from: a, to: 'b:1', expect: allowed}]\n",
        Syntax::Yaml,
    );
    let file = TestFile::from_document(std::path::Path::new("a/b.tests.yaml"), &document.unwrap()).unwrap();
    let names: Vec<&str> = file.tests().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        ["a → b:1, when x is down", "a → b:1", "a → b:1, when y is removed and z.yaml is applied"]
    );
    assert_eq!(file.sections.len(), 3);
    for (entry, told) in [
        (
            "when: {dwon: x}, from: a, to: b, expect: allowed",
            "tests[0].when.dwon: `dwon` is not an attribute of a change; did you mean `down`?",
        ),
        (
            "when: {down: x, remove: y}, from: a, to: b, expect: allowed",
            "tests[0].when: one change is one thing; give one of down, apply and remove",
        ),
        ("when: [], from: a, to: b, expect: allowed", "tests[0].when: nothing happens"),
        ("when: {down: x}, tests: []", "tests[0].tests: the group holds no test"),
        ("when: {down: x}, test: []", "tests[0].test: `test` is not an attribute of a test"),
        ("when: [7], from: a, to: b, expect: allowed", "tests[0].when[0]: the number 7 is not a map"),
    ] {
        let document = Document::parse(&format!("tests: [{{{entry}}}]"), Syntax::Yaml).unwrap();
        let mistakes = TestFile::from_document(std::path::Path::new("a.yaml"), &document).unwrap_err();
        let lines: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.starts_with(told)), "{told}\nis not among\n{lines:#?}");
    }
}

#[test]
fn the_examples_of_the_manual_pass_on_their_topology() {
    let network = configured("three-tier");
    let path = format!("{}/../../docs/tests.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let examples = text.split("```yaml\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    let mut tried = 0;
    for example in examples.filter(|example| example.starts_with("topology: three-tier.json")) {
        let document = Document::parse(example, Syntax::Yaml).unwrap();
        let file = TestFile::from_document(std::path::Path::new("a.tests.yaml"), &document).unwrap();
        for result in results(&network, &file) {
            assert!(result.passed, "{} at {:?}: {:#?}", result.name, result.level, result.failures);
        }
        tried += 1;
    }
    assert_eq!(tried, 5);
}

#[test]
fn a_denial_by_nothing_but_that_somebody_is_stopped_says_nothing_unless_it_is_meant() {
    let network = configured("three-tier");
    let failures = |tests: &str| -> Vec<Vec<String>> {
        results(&network, &file(tests)).into_iter().map(|result| result.failures).collect()
    };
    for vacuous in [
        "- {from: app-a, to: 'client:443', expect: denied, when: {down: us-east-1a}}\n",
        "- {from: web-b, to: 'app-a:8080', expect: denied, when: {down: instances.app-a}}\n",
        "- {to: 'db-a:5432', only: [], when: {down: instances.db-a}}\n",
        "- {from: internet, to: 'web-a:443', expect: denied, when: {down: instances.web-a}}\n",
        "- {to: 'db-b:5432', only: [app-b], when: {down: us-east-1a}}\n",
        "- {matrix: {to: ['web-a:443'], from: {internet: [denied]}}, when: {down: instances.web-a}}\n",
    ] {
        for failures in failures(vacuous) {
            assert!(
                failures.iter().any(|f| f.contains("says nothing of the network")),
                "{vacuous}{failures:#?}"
            );
        }
    }
    // What would deny it if he ran is something.
    pass(&network, "- {from: '*', to: 'db-a:22', expect: denied, when: {down: instances.app-a}}\n");
    pass(&network, "- {to: 'db-a:22', only: [], when: {down: us-east-1a}}\n");
    pass(&network, "- {from: internet, to: 'web-a:22', expect: denied, when: {down: instances.web-a}}\n");
    pass(
        &network,
        "- {to: 'db-b:5432', only: [app-b], because: {code: BAD_STATE}, when: {down: us-east-1a}}\n\
         - {from: internet, to: 'web-a:443', expect: denied, because: {code: BAD_STATE}, when: {down: instances.web-a}}\n",
    );
}

/// Null is what is not written, and a load balancer has no state of its own.
#[test]
fn what_has_all_its_subnets_in_a_zone_is_down_or_unknown_with_it() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}
subnets:
  a: {vpc: v, cidr_block: 10.0.1.0/24, availability_zone: us-east-1a}
  b: {vpc: v, cidr_block: 10.0.2.0/24, availability_zone: us-east-1b}
security_groups: {open: {vpc: v, ingress: [{protocol: "-1", cidr_blocks: [0.0.0.0/0]}]}}
services: {com.amazonaws.us-east-1.sqs: {address: 10.99.9.9, protocols: [tcp]}}
vpc_endpoints:
  sqs: {vpc: v, vpc_endpoint_type: Interface, service_name: com.amazonaws.us-east-1.sqs, subnets: ~, subnet_ids: [a], security_groups: [open]}
load_balancers:
  one: {subnets: [a], load_balancer_type: application, security_groups: [open]}
  two: {subnets: [a, b], load_balancer_type: application, security_groups: [open]}
listeners:
  tls-1: {load_balancer: one, port: 443, protocol: HTTPS}
  tls-2: {load_balancer: two, port: 443, protocol: HTTPS}
instances: {ia: {subnet: a, security_groups: [open]}, ib: {subnet: b, security_groups: [open]}}
internet_hosts: {client: {address: 198.51.100.7}}
"#,
    );
    pass(
        &network,
        "- {from: ib, to: 'sqs:443', expect: allowed}\n\
         - {from: client, to: 'one:443', expect: allowed, level: explain}\n\
         - {from: one, to: 'ib:80', expect: allowed, level: explain}\n\
         - when: {down: us-east-1a}\n  tests:\n  \
         - {name: endpoint, from: ib, to: 'sqs:443', expect: denied, because: {code: BAD_STATE}}\n  \
         - {name: other zone, from: client, to: 'two:443', expect: allowed, level: explain}\n",
    );
    for test in ["{from: client, to: 'one:443'", "{from: one, to: 'ib:80'"] {
        for expected in ["allowed", "denied"] {
            let test =
                format!("- {test}, expect: {expected}, level: explain, when: {{down: us-east-1a}}}}\n");
            for result in results(&network, &file(&test)) {
                assert!(!result.passed, "{test}");
                assert!(result.failures[0].contains("which is down"), "{:?}", result.failures);
            }
        }
    }
}

/// Its transit gateway's tables have no attachment that is not available.
#[test]
fn an_attachment_that_is_down_leaves_the_tables_that_name_it() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.1.0.0/16}, w: {cidr_block: 10.2.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.1.1.0/24, route_table: v}, t: {vpc: w, cidr_block: 10.2.1.0/24, route_table: w}}\n\
         route_tables: {v: {vpc: v, routes: [{cidr_block: 10.2.0.0/16, transit_gateway: hub}]}, \
         w: {vpc: w, routes: [{cidr_block: 10.1.0.0/16, transit_gateway: hub}]}}\n\
         transit_gateways: {hub: {default_route_table_association: disable, default_route_table_propagation: disable}}\n\
         transit_gateway_vpc_attachments: {a: {transit_gateway: hub, vpc: v, subnets: [s]}, b: {transit_gateway: hub, vpc: w, subnets: [t]}}\n\
         transit_gateway_route_tables: {all: {transit_gateway: hub, associations: [a, b], propagations: [a], \
         routes: [{destination_cidr_block: 10.2.0.0/16, attachment: b}]}}\n\
         security_groups: {any: {vpc: w, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}\n\
         instances: {x: {subnet: s}, y: {subnet: t, security_groups: [any]}}\n",
    );
    pass(
        &network,
        "- {from: x, to: 'y:80', expect: allowed}\n\
         - {from: x, to: 'y:80', expect: denied, when: {down: a}}\n\
         - {from: x, to: 'y:80', expect: denied, when: {down: b}}\n",
    );
}
