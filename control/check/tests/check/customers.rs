//! Is whoever is in the user's own networks heard, though no host is declared there?

use vpclab_api::{AnalyseRequest, Expected, Explained, Outcome};
use vpclab_check::{TestCase, VirtualProber};

use crate::{Network, case, one, request, yaml};

/// A database that its group opens to `rules`, behind a VPN; `customer` says what is known of the other end.
fn network(rules: &str, vpn: &str, customer: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
vpn_gateways: {{vgw: {{vpc: v}}}}
customer_gateways: {{cgw: {{ip_address: 198.51.100.200, bgp_asn: 65000}}}}
vpn_connections: {{vpn: {{vpn_gateway: vgw, customer_gateway: cgw, {vpn}}}}}
route_tables: {{v/main: {{propagating_vgws: [vgw]}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}
security_groups: {{db: {{vpc: v, ingress: [{rules}]}}}}
instances: {{db: {{subnet: s, security_groups: [db]}}}}
{customer}
"#
    ))
}

const STATIC: &str = "static_routes_only: true, routes: [192.168.0.0/16]";
const DECLARED: &str = "customer_networks: {dc: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}";

fn sql(blocks: &str) -> String {
    format!("{{protocol: tcp, from_port: 5432, to_port: 5432, cidr_blocks: [{blocks}]}}")
}

fn only(only: &[&str]) -> TestCase {
    let only = only.iter().map(|name| (*name).to_owned()).collect();
    TestCase { only, request: request("*", "db:5432"), ..case("*", "db:5432", Expected::Only) }
}

/// What a test comes to, at the levels explain and virtual alike.
fn told(network: &Network, test: TestCase) -> (Option<Outcome>, Vec<String>) {
    let explained = one(network, test.clone(), None);
    let mut guests = VirtualProber::new(&network.topology);
    let sent = one(network, test, Some(&mut guests));
    assert_eq!(explained.failures, sent.failures);
    (explained.outcome, explained.failures)
}

#[test]
fn a_declared_network_without_hosts_asks_as_a_host_of_it_would() {
    let open = network(&sql("192.168.0.0/16"), STATIC, DECLARED);
    assert_eq!(told(&open, only(&[])).1, ["dc → db: expected denied, and it is allowed"]);
    for who in ["dc", "192.168.0.0/16", "vpn"] {
        assert_eq!(told(&open, only(&[who])).1, [""; 0], "{who}");
    }
    // Those of another block are not those who may.
    let told_of = told(&open, only(&["192.168.128.0/17"])).1;
    assert_eq!(told_of, ["dc → db: expected denied, and it is allowed"]);
    let half = network(&sql("192.168.128.0/17"), STATIC, DECLARED);
    assert_eq!(told(&half, only(&["192.168.128.0/17"])).1, [""; 0]);
    let told_of = told(&half, only(&[])).1;
    assert_eq!(told_of, ["dc → db: from dc/192.168.128.1: expected denied, and it is allowed"]);
    let closed = network("", STATIC, DECLARED);
    assert_eq!(told(&closed, only(&[])).1, [""; 0]);
    assert_eq!(open.pairs("dc", "db:5432").reachable, Some(true));
    assert_eq!(open.pairs("db", "dc:22").reachable, None, "whether somebody is there is not known");
}

#[test]
fn a_network_that_is_not_declared_makes_unknown_what_nothing_denies() {
    for vpn in [STATIC, "bgp_routes: [192.168.0.0/16]", ""] {
        let open = network(&sql("192.168.0.0/16"), vpn, "");
        let (outcome, failures) = told(&open, only(&[]));
        assert_eq!(outcome, Some(Outcome::Unknown), "{vpn}: {failures:?}");
        assert!(failures[0].contains("no network is declared at the customer's end"), "{vpn}: {failures:?}");
        for closed in ["", &sql("203.0.113.0/24")] {
            let closed = network(closed, vpn, "");
            assert_eq!(told(&closed, only(&[])).1, [""; 0], "{vpn}: its group denies it for sure");
        }
    }
}

#[test]
fn hosts_beside_the_declared_ones_are_strangers() {
    let customer =
        format!("{DECLARED}\ncustomer_hosts: {{desk: {{customer_network: dc, address: 192.168.7.7}}}}");
    let open = network(&sql("192.168.0.0/16"), STATIC, &customer);
    assert_eq!(told(&open, only(&["desk"])).1, ["dc → db: expected denied, and it is allowed"]);
    assert_eq!(told(&open, only(&["dc"])).1, [""; 0]);
    let narrow = network(&sql("192.168.7.7/32"), STATIC, &customer);
    assert_eq!(told(&narrow, only(&["desk"])).1, [""; 0]);
    // The matrix has the declared one.
    let names = matrix(&open);
    assert!(names.iter().any(|name| name == "desk") && !names.iter().any(|name| name == "dc"), "{names:?}");
}

fn matrix(network: &Network) -> Vec<String> {
    let told = vpclab_check::analyse(&network.fabric, &network.topology, &AnalyseRequest::default()).unwrap();
    told.from.into_iter().map(|end| end.name).collect()
}

#[test]
fn the_matrix_and_its_changes_tell_of_them() {
    let (closed, open) = (network("", STATIC, DECLARED), network(&sql("192.168.0.0/16"), STATIC, DECLARED));
    let row = |network: &Network| {
        let told =
            vpclab_check::analyse(&network.fabric, &network.topology, &AnalyseRequest::default()).unwrap();
        told.reach
            .into_iter()
            .find(|row| row.from == ["dc"])
            .map(|row| (row.to, row.passes.len(), row.unknown.len()))
    };
    assert_eq!(row(&closed), None);
    assert_eq!(row(&open), Some((vec!["db".to_owned()], 1, 0)));
    let change = vpclab_check::diff(&closed.topology, &open.topology);
    assert_eq!(change.pairs.gained, 1, "{change:#?}");
    let undeclared = network(&sql("192.168.0.0/16"), STATIC, "");
    let told =
        vpclab_check::analyse(&undeclared.fabric, &undeclared.topology, &AnalyseRequest::default()).unwrap();
    let row = told.reach.iter().find(|row| row.from == ["cgw"]).unwrap();
    assert_eq!((row.passes.len(), row.unknown.len(), row.depends_on.clone()), (0, 1, vec!["cgw".to_owned()]));
}

#[test]
fn what_is_behind_a_connection_is_asked_by_its_name() {
    let open = network(&sql("192.168.0.0/16"), STATIC, DECLARED);
    for name in ["dc", "vpn", "vgw", "192.168.0.0/16"] {
        let told = vpclab_check::explain(&open.fabric, &open.topology, &request(name, "db:5432")).unwrap();
        assert!(matches!(told, Explained::Many(told) if told.reachable == Some(true)), "{name}");
    }
    let undeclared = network(&sql("192.168.0.0/16"), STATIC, "");
    assert_eq!(undeclared.pairs("cgw", "db:5432").reachable, None);
}

/// An office whose halves are reached by two connections, behind a network ACL with `entries` before its last one.
fn halves(entries: &str, rules: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.1.0.0/16}}, lab: {{cidr_block: 10.5.0.0/16}}}}
network_acls:
  n:
    vpc: v
    ingress: [{entries}{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]
    egress: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]
subnets: {{s: {{vpc: v, cidr_block: 10.1.1.0/24, network_acl: n}}}}
vpn_gateways: {{vgw: {{vpc: v}}}}
customer_gateways: {{cgw: {{bgp_asn: 65001}}, cgw2: {{bgp_asn: 65001}}}}
vpn_connections:
  vpn1: {{vpn_gateway: vgw, customer_gateway: cgw, bgp_routes: [192.168.0.0/16, 172.30.0.0/16, 10.5.0.0/16]}}
  vpn2: {{vpn_gateway: vgw, customer_gateway: cgw2, bgp_routes: [192.168.128.0/17]}}
customer_networks:
  office: {{cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw, cgw2], routes: [{{cidr_block: 10.1.0.0/16, link: vpn1}}]}}
customer_hosts: {{desk: {{customer_network: office, address: 192.168.0.7}}}}
route_tables: {{v/main: {{propagating_vgws: [vgw]}}}}
security_groups: {{g: {{vpc: v, ingress: [{rules}]}}}}
instances: {{db: {{subnet: s, security_groups: [g], private_ips: [10.1.1.10, 10.1.1.11]}}}}
"#
    ))
}

#[test]
fn whoever_is_in_a_part_of_a_network_has_a_way_and_a_reason_of_his_own() {
    let open = halves("", &sql("192.168.0.0/16"));
    let mut by = case("192.168.0.0/16", "db:5432", Expected::Allowed);
    by.path.never = vec!["vpn2".to_owned()];
    let failures = one(&open, by, None).failures;
    assert!(failures.iter().any(|told| told.contains("the way back was not to pass vpn2")), "{failures:?}");
    let deny = "{rule_no: 90, action: deny, protocol: '-1', cidr_block: 192.168.128.0/17}, ";
    let denied = halves(deny, &sql("192.168.128.0/17"));
    for code in ["ENI_SG_RULES_MISMATCH", "SUBNET_ACL_RESTRICTION"] {
        let mut test = case("192.168.0.0/16", "db:5432", Expected::Denied);
        test.because.code = Some(code.to_owned());
        assert!(!one(&denied, test, None).passed, "{code} denies a half");
    }
}

#[test]
fn what_a_network_announces_beyond_its_blocks_is_behind_it() {
    // An address of a VPC is the office's, too, where nothing joins the two.
    for (block, stranger) in [("172.30.0.0/16", "172.30.0.9"), ("10.5.0.0/16", "10.5.0.9")] {
        let network = halves("", &(sql("192.168.0.7/32") + ", " + &sql(block)));
        let told = told(&network, only(&["desk"]));
        assert!(told.1[0].starts_with("office → db: from office/"), "{block}: {:?}", told.1);
        let back = network.explain("db", &format!("{stranger}:80"));
        assert_eq!(back.reachable, None, "{block}: {:?}", back.blockers);
        let told = one(&network, case(stranger, "db:5432", Expected::Denied), None);
        assert_eq!(told.failures, ["expected denied, and it is allowed"], "{stranger}");
    }
    let network = halves("", &sql("192.168.5.0/24"));
    let told = one(&network, case("192.168.5.9", "db:5432", Expected::Denied), None);
    assert_eq!(
        told.failures,
        ["expected denied, and it is allowed"],
        "one host is declared, and it is another"
    );
    assert_eq!(one(&network, case("192.168.6.9", "db:5432", Expected::Denied), None).failures, [""; 0]);
}

#[test]
fn the_matrix_tells_what_is_not_known_of_a_network_and_each_address_that_it_asks() {
    let blocks: Vec<String> = (0..100).map(|place| format!("192.168.{place}.0/24")).collect();
    let row = |network: &Network, name: &str| {
        let request = AnalyseRequest { to: Some("db".to_owned()), ..AnalyseRequest::default() };
        let told = vpclab_check::analyse(&network.fabric, &network.topology, &request).unwrap();
        let mut rows = told.reach.into_iter().filter(|row| row.from == [name]);
        rows.next().map(|row| (row.to, row.passes.len(), row.unknown.len()))
    };
    let many = network(&sql(&blocks.join(", ")), STATIC, DECLARED);
    let (_, passes, unknown) = row(&many, "dc").unwrap();
    assert!(passes == 0 && unknown > 0, "of the last ranges nothing is known: {passes} {unknown}");
    let apart = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.1.0/24}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments: {av: {transit_gateway: hub, vpc: v, subnets: [s]}}
transit_gateway_route_tables: {hub/default: {routes: [{destination_cidr_block: 10.0.1.10/32, blackhole: true}]}}
route_tables: {v/main: {routes: [{cidr_block: 192.168.0.0/16, transit_gateway: hub}]}}
security_groups: {g: {vpc: v, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [192.168.0.0/16]}]}}
instances: {db: {subnet: s, private_ips: [10.0.1.10, 10.0.1.11], security_groups: [g]}}
customer_gateways: {cgw: {bgp_asn: 65001}}
vpn_connections: {vpn: {transit_gateway: hub, customer_gateway: cgw}}
customer_networks: {dc: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}
"#,
    );
    assert_eq!(row(&apart, "dc"), Some((vec!["db/10.0.1.11".to_owned()], 1, 0)));
}
