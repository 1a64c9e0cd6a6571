//! Are the mistakes of test files told before a test runs?

use std::path::Path;

use vpclab_check::TestFile;
use vpclab_model::{Document, Syntax};

use crate::{Network, quickstart, yaml};

pub(crate) fn file(tests: &str) -> TestFile {
    let document = Document::parse(&format!("tests:\n{tests}"), Syntax::Yaml).unwrap();
    TestFile::from_document(Path::new("shop.tests.yaml"), &document).unwrap()
}

pub(crate) fn told(network: &Network, tests: &str) -> Vec<String> {
    match file(tests).check(&network.document, &network.topology, &network.fabric) {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert_eq!(error.error.code, "InvalidTestFile");
            let line = |m: &vpclab_api::MistakeBody| {
                format!("{}.{}: {}; {}", m.resource, m.attribute, m.problem, m.remedy)
            };
            error.error.mistakes.iter().map(line).collect()
        }
    }
}

#[test]
fn every_end_port_and_protocol_that_does_not_exist_is_told_at_its_key() {
    let nobody = |name: &str| format!("nothing that can be asked about is called `{name}`; ");
    for (test, mistakes) in [
        ("from: web-1, to: 'db-1:5432'", vec![]),
        ("from: web-1, to: 'db-1:543222'", vec!["to: 543222 is not a port; give one from 1 to 65535".to_owned()]),
        ("from: web-1, to: 'db-1:0'", vec!["to: 0 is not a port that packets can be sent to; give one from 1 to 65535".to_owned()]),
        ("from: web-1, to: 'db-1:5432/tpc'", vec!["to: `tpc` is not a protocol; did you mean `tcp`?".to_owned()]),
        (
            "from: web-1, to: db-1/icmp, port: 80",
            vec!["port: only tcp and udp have ports; leave the port out, or ask for tcp or udp".to_owned()],
        ),
        (
            "from: web-1, to: 'db-1:80', port: 81",
            vec!["port: the port is given twice, and differently; give it once".to_owned()],
        ),
        ("from: web-1, to: db-1, protocol: tpc", vec!["protocol: `tpc` is not a protocol; did you mean `tcp`?".to_owned()]),
        (
            "from: wbe-1, to: dbb-1, protocol: tpc",
            vec![
                format!("from: {}did you mean `web-1`?", nobody("wbe-1")),
                "protocol: `tpc` is not a protocol; did you mean `tcp`?".to_owned(),
                format!("to: {}did you mean `db-1`?", nobody("dbb-1")),
            ],
        ),
        (
            "from: 'web-1:53', to: 'db-1:80'",
            vec!["from: `web-1:53`: a port or protocol belongs to the destination; ask from `web-1`, and for a source port use `source_port`".to_owned()],
        ),
        (
            "from: db-1, to: '10.0.2.10:80'",
            vec!["to: both ends are db-1; what a host sends to itself never reaches the network".to_owned()],
        ),
    ] {
        let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("tests[1].{mistake}")).collect();
        let tests = format!("- {{from: app-1, to: 'db-1:22', expect: denied}}\n- {{{test}, expect: allowed}}\n");
        assert_eq!(told(&quickstart(), &tests), mistakes, "{test}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let tests = "- {from: a, to: 'db-1:22', expect: denied}\n- {from: web-1, to: 'db-1:22', expect: denied, because: {resource: dbb}}\n\
                 - {from: web-1, to: 'db-1:99999', expect: denied}\n";
    let network = quickstart();
    let error = file(tests).check(&network.document, &network.topology, &network.fabric).unwrap_err();
    let places: Vec<_> =
        error.error.mistakes.iter().map(|m| format!("{}.{}", m.resource, m.attribute)).collect();
    assert_eq!(places, ["tests[0].from", "tests[1].because.resource", "tests[2].to"]);
    assert_eq!(error.to_string(), "shop.tests.yaml has 3 mistakes (InvalidTestFile)");
}

#[test]
fn a_reason_names_what_is_declared() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\nsubnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, network_acl: edge}}\n\
         route_tables: {gone: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\ninternet_gateways: {igw: {}}\n\
         network_acls: {edge: {vpc: v, ingress: [{rule_no: 90, action: deny, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n\
         instances: {a: {subnet: s}, b: {subnet: s}}\n",
    );
    for (because, mistakes) in [
        ("{resource: b}", vec![]),
        ("{resource: edge, rule: 90}", vec![]),
        ("{resource: edge, rule: '*'}", vec![]),
        // Of the default ACL, which is another.
        ("{rule: 100}", vec![]),
        ("{resource: gone, rule: 0.0.0.0/0}", vec![]),
        ("{resource: edgee}", vec!["resource: no resource is called `edgee`; did you mean `edge`?"]),
        ("{resource: edge, rule: 100}", vec!["rule: network ACL edge has no rule 100; there are *, 90"]),
        ("{rule: 9999}", vec!["rule: no network ACL has a rule 9999; there are *, 100, 90"]),
        (
            "{resource: gone, rule: 10.9.0.0/16}",
            vec!["rule: route table gone has no route 10.9.0.0/16; did you mean `10.0.0.0/16`?"],
        ),
    ] {
        let mistakes: Vec<String> =
            mistakes.iter().map(|mistake| format!("tests[0].because.{mistake}")).collect();
        let tests = format!("- {{from: a, to: 'b:80', expect: denied, because: {because}}}\n");
        assert_eq!(told(&network, &tests), mistakes, "{because}");
    }
}

#[test]
fn a_question_without_an_answer_is_no_mistake() {
    let tests = "- {from: web-1, to: '10.0.1.99:80', expect: denied}\n- {from: app-1, to: '10.0.2.10:22', family: 6, expect: denied}\n\
                 - {from: web-1, to: '169.254.169.254:80', expect: denied}\n- {from: web-1, to: db-1, expect: denied}\n";
    assert_eq!(told(&quickstart(), tests), Vec::<String>::new());
}

#[test]
fn a_name_that_several_passable_things_have_is_no_way() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.1.0/24, route_table: nat}}\n\
         route_tables: {nat: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\n\
         nat_gateways: {nat: {subnet: a, connectivity_type: private}}\n\
         instances: {one: {subnet: a, associate_public_ip_address: true}}\n\
         internet_hosts: {client: {address: 198.51.100.7}}\n",
    );
    let test = |path: &str| format!("- {{from: one, to: 'client:443', expect: allowed, path: ['{path}']}}\n");
    assert_eq!(
        self::told(&network, &test("nat")),
        [
            "tests[0].path: packets can pass more than one `nat`: `route_table:nat`, `nat_gateway:nat`; write which, such as \
          `route_table:nat`"
        ]
    );
    for right in ["nat_gateway:nat", "route_table:nat", "igw", "one", "client", "internet"] {
        assert_eq!(self::told(&network, &test(right)), Vec::<String>::new(), "{right}");
    }
}
