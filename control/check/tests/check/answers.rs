//! What does an answer hold, and is it never a false yes?

use vpclab_api::{ExplainRequest, LegVerdict, RuleReference};

use crate::{Network, quickstart, request, yaml};

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
    // What the other one would let in is no part of the answer.
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: w, cidr_block: 10.0.0.0/24}}\n\
         security_groups: {g: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [10.0.0.0/16]}]}}\n\
         instances: {a: {subnet: s}, twin: {subnet: s, private_ip: 10.0.0.9, security_groups: [g]}, b: {subnet: t, private_ip: 10.0.0.9}}\n",
    );
    let answer = network.explain("a", "b/tcp");
    assert_eq!((answer.reachable, answer.not_denied.as_slice()), (Some(false), &[][..]));
}

/// A private host whose way to the internet leads through an instance that forwards as `attribute` says.
fn behind_nat_instance(attribute: &str) -> Network {
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
         internet_gateways: {{igw: {{vpc: v}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: via}}, t: {{vpc: v, cidr_block: 10.0.1.0/24, route_table: out}}}}\n\
         route_tables: {{via: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, network_interface: nat}}]}},\n\
           out: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
         security_groups: {{open: {{vpc: v, ingress: [{{protocol: '-1', cidr_blocks: [10.0.0.0/16]}}]}}}}\n\
         instances: {{a: {{subnet: s}}, nat: {{subnet: t, source_dest_check: false, security_groups: [open],\n\
           associate_public_ip_address: true{attribute}}}}}\n"
    ))
}

#[test]
fn a_guest_without_the_check_is_assumed_to_forward_as_it_declares() {
    let ask = |attribute: &str| behind_nat_instance(attribute).explain("a", "internet:443");
    let codes = |answer: &vpclab_api::Explanation| -> Vec<String> {
        answer.blockers.iter().map(|blocker| blocker.code.clone()).collect()
    };
    let nat = ask(", forwards: nat");
    assert_eq!((nat.reachable, codes(&nat)), (Some(true), Vec::new()));
    let told = nat.assumed.iter().find(|assumed| assumed.resource == "nat").unwrap();
    // Linux takes another port where the sender's is taken: what an ACL makes of that one is not asked.
    let port_too = "from its own address and by the sender's port, which is free there";
    assert!(told.assumption.contains(port_too), "{}", told.assumption);
    let seen = nat.forward.observed.unwrap().source.address;
    assert!(!seen.starts_with("10."), "{seen}");
    assert_eq!(nat.back.unwrap().observed.unwrap().destination.address, "10.0.0.4");
    // As it is: the gateway has no public address for `a`.
    let plain = ask("");
    assert_eq!(codes(&plain), ["IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"]);
    assert_eq!(plain.reachable, Some(false));
    let none = ask(", forwards: none");
    assert_eq!((none.reachable, codes(&none)), (Some(false), vec!["GUEST_DOES_NOT_FORWARD".to_owned()]));
    assert!(none.back.is_none());
    let stopped = ask(", state: stopped");
    assert_eq!(codes(&stopped), ["BAD_STATE_ROUTE"]);
}

#[test]
fn what_is_taken_for_granted_is_listed() {
    let network = quickstart();
    let assumed = |to: &str| network.explain("web-1", to).assumed;
    let internet = assumed("internet:443");
    assert!(
        internet.iter().any(|a| a.assumption.contains("no rule or route on the way tells 192.0.2.1 from"))
    );
    assert!(internet.iter().any(|a| a.resource == "web-1" && a.assumption.contains("ports 32768-60999")));
    assert!(!assumed("client/icmp").iter().any(|a| a.assumption.contains("32768-60999")));
    let fixed = ExplainRequest { source_port: Some(53), ..request("web-1", "client:443") };
    assert!(!network.ask(&fixed).unwrap().assumed.iter().any(|a| a.assumption.contains("32768-60999")));
    for nobody in ["10.0.1.99:443", "10.0.1.1/icmp", "169.254.169.254:80"] {
        assert!(!assumed(nobody).iter().any(|a| a.assumption.contains("firewall")), "{nobody}");
    }
    assert!(assumed("198.51.100.99:443").iter().any(|a| a.assumption.contains("though none is declared")));
    assert!(!assumed("198.51.100.7:443").iter().any(|a| a.assumption.contains("declared")));
    assert!(assumed("client/icmp").iter().any(|a| a.assumption.starts_with("it answers echo requests")));
}

/// A public host `a` whose filters and routes are these.
fn public_host(ingress: &str, egress: &str, routes: &str, group: &str) -> Network {
    let rule = |block: &str, action: &str, number: usize| {
        format!("{{rule_no: {number}, action: {action}, protocol: '-1', cidr_block: {block}}}")
    };
    let entries = |denied: &str| {
        let denied =
            denied.split_whitespace().enumerate().map(|(place, block)| rule(block, "deny", 100 + place));
        denied.chain([rule("0.0.0.0/0", "allow", 30_000)]).collect::<Vec<_>>().join(", ")
    };
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: r, network_acl: n}}}}\n\
         network_acls: {{n: {{vpc: v, ingress: [{}], egress: [{}]}}}}\n\
         route_tables: {{r: {{vpc: v, routes: [{routes}]}}}}\n\
         security_groups: {{g: {{vpc: v, ingress: [{{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [{group}]}}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}}}\n",
        entries(ingress),
        entries(egress)
    ))
}

const ALL_OUT: &str = "{cidr_block: 0.0.0.0/0, gateway: igw}";

#[test]
fn the_internet_is_every_range_that_rules_and_routes_on_the_way_tell_apart() {
    let no_other = "{cidr_block: 0.0.0.0/1, gateway: igw}";
    let half = "0.0.0.0/1";
    for (what, network, reachable, partial) in [
        ("open to all", public_host("", "", ALL_OUT, "0.0.0.0/0"), Some(true), None),
        (
            "open to all in two halves",
            public_host("", "", ALL_OUT, "0.0.0.0/1, 128.0.0.0/1"),
            Some(true),
            None,
        ),
        ("closed to all", public_host("0.0.0.0/0", "", ALL_OUT, "0.0.0.0/0"), Some(false), None),
        (
            "a group for one half",
            public_host("", "", ALL_OUT, half),
            Some(false),
            Some(("1.0.0.0", "192.0.2.1")),
        ),
        ("a group for one host", public_host("", "", ALL_OUT, "8.8.8.8/32"), Some(false), None),
        ("an ACL against one host", public_host("8.8.8.8/32", "", ALL_OUT, "0.0.0.0/0"), Some(true), None),
        ("an ACL against its replies", public_host("", "8.8.8.8/32", ALL_OUT, "0.0.0.0/0"), Some(true), None),
        (
            "a route back for one half",
            public_host("", "", no_other, "0.0.0.0/0"),
            Some(false),
            Some(("", "192.0.2.1")),
        ),
        (
            "private blocks cut nothing",
            public_host("10.0.0.0/8", "", ALL_OUT, "0.0.0.0/0, 172.16.0.0/12"),
            Some(true),
            None,
        ),
    ] {
        let answer = network.explain("internet", "a:80");
        assert_eq!(answer.reachable, reachable, "{what}: {:#?}", answer.blockers);
        let told = answer.blockers.iter().find(|blocker| blocker.code == "ONLY_SOME_ADDRESSES");
        assert_eq!(told.is_some(), partial.is_some(), "{what}: {told:?}");
        if let (Some(told), Some((passing, dying))) = (told, partial) {
            let begins = format!("only for some sources: it passes from {passing}");
            let ends = format!("not from {dying}");
            assert!(
                told.message.starts_with(&begins) && told.message.contains(&ends),
                "{what}: {}",
                told.message
            );
        }
        assert!(answer.assumed.iter().any(|a| a.resource == "internet"), "{what}");
    }
    let outwards = public_host("", "0.0.0.0/2", ALL_OUT, "0.0.0.0/0").explain("a", "internet:443");
    assert_eq!(outwards.reachable, Some(false));
    assert!(
        outwards.blockers[0].message.starts_with("only for some destinations: it passes to "),
        "{outwards:#?}"
    );
}

#[test]
fn somebody_whom_a_rule_names_is_not_the_internet_and_is_told_of() {
    let leaves_out = |answer: &vpclab_api::Explanation| {
        let of_internet = answer.assumed.iter().filter(|a| a.resource == "internet");
        of_internet.map(|a| a.assumption.clone()).find(|a| a.starts_with("leaves out"))
    };
    let office = public_host("", "", ALL_OUT, "8.8.8.8/32, 9.9.9.0/24");
    let answer = office.explain("internet", "a:80");
    assert_eq!(answer.reachable, Some(false));
    assert_eq!(answer.blockers[0].code, "ENI_SG_RULES_MISMATCH");
    assert_eq!(
        leaves_out(&answer).as_deref(),
        Some(
            "leaves out who is named by a rule or route: it passes from 8.8.8.8; ask about internet:ADDRESS"
        )
    );
    assert_eq!(leaves_out(&office.explain("internet", "a:81")), None, "they fare alike");
    assert_eq!(office.explain("internet:9.9.9.9", "a:80").reachable, Some(true));
    let blocked = public_host("8.8.8.8/32", "", ALL_OUT, "0.0.0.0/0").explain("internet", "a:80");
    assert_eq!(blocked.reachable, Some(true));
    assert!(leaves_out(&blocked).unwrap().contains("it does not pass from 8.8.8.8"));
}

#[test]
fn rules_that_do_not_guard_the_way_cut_nothing() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: r}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\n\
         security_groups: {g: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [0.0.0.0/0]}]},\n\
           other: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [0.0.0.0/1]}]}}\n\
         instances: {a: {subnet: s, security_groups: [g], associate_public_ip_address: true}, b: {subnet: s, security_groups: [other]}}\n",
    );
    assert_eq!(network.explain("internet", "a:80").reachable, Some(true));
}

#[test]
fn both_families_are_cut() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1::/64', assign_ipv6_address_on_creation: true, route_table: r}}\n\
         route_tables: {r: {vpc: v, routes: [{ipv6_cidr_block: '::/0', gateway: igw}]}}\n\
         security_groups: {g: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, ipv6_cidr_blocks: ['2600::/12']}]}}\n\
         instances: {a: {subnet: s, security_groups: [g]}}\n",
    );
    let six = ExplainRequest { family: Some(6), ..request("internet", "a:80") };
    let answer = network.ask(&six).unwrap();
    assert_eq!(answer.reachable, Some(false));
    assert!(
        answer.blockers[0].message.starts_with("only for some sources: it passes from 2600::, and"),
        "{answer:#?}"
    );
}

#[test]
fn more_ranges_than_can_be_asked_are_no_answer() {
    let network = |count: usize| {
        let port = |i: usize| {
            format!(
                "{{protocol: tcp, from_port: {}, to_port: {}, cidr_blocks: [8.8.{}.{}/32]}}",
                i + 10_000,
                i + 10_000,
                i / 256,
                i % 256
            )
        };
        let rules: Vec<String> = (0..count).map(port).collect();
        yaml(&format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: r}}}}\n\
             route_tables: {{r: {{vpc: v, routes: [{ALL_OUT}]}}}}\n\
             security_groups: {{g: {{vpc: v, ingress: [{}]}}}}\n\
             instances: {{a: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}}}\n",
            rules.join(", ")
        ))
    };
    // Those whom rules name change no answer, however many they are; what was not asked is said.
    let answer = network(600).explain("internet", "a:9000");
    assert_eq!(answer.reachable, Some(false));
    assert!(answer.assumed.iter().any(|a| a.assumption.starts_with("leaves out 89 ranges")), "{answer:#?}");
    // Addresses that one rule lists together are one range.
    let blocks: Vec<String> = (0..400).map(|i| format!("8.8.{}.{}/32", i / 256, i % 256)).collect();
    let listed = public_host("", "", ALL_OUT, &blocks.join(", ")).explain("internet", "a:80");
    assert!(!listed.assumed.iter().any(|a| a.assumption.contains("ranges")), "{listed:#?}");
    // Parts of the internet are asked about, all of them, or there is no answer.
    let part = |n: usize| {
        format!(
            "{{protocol: tcp, from_port: {0}, to_port: {0}, ipv6_cidr_blocks: ['{1:x}::/16']}}",
            10_000 + n,
            0x2000 + n
        )
    };
    let parts = |count: usize| {
        let rules: Vec<String> = (0..count).map(part).collect();
        let network = yaml(&format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}}}\n\
             internet_gateways: {{igw: {{vpc: v}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1::/64', \
             assign_ipv6_address_on_creation: true, route_table: r}}}}\n\
             route_tables: {{r: {{vpc: v, routes: [{{ipv6_cidr_block: '::/0', gateway: igw}}]}}}}\n\
             security_groups: {{g: {{vpc: v, ingress: [{}]}}}}\ninstances: {{a: {{subnet: s, security_groups: [g]}}}}\n",
            rules.join(", ")
        ));
        network.ask(&ExplainRequest { family: Some(6), ..request("internet", "a:9000") }).unwrap()
    };
    assert_eq!(parts(20).reachable, Some(false));
    let answer = parts(600);
    assert_eq!(answer.reachable, None);
    let reason = &answer.unmodelled[0].reason;
    assert!(reason.starts_with("rules and routes tell 601 ranges"), "{reason}");
}

#[test]
fn a_private_address_asked_from_the_internet_is_no() {
    let network = quickstart();
    for (from, to) in [
        ("client", "10.0.1.10:443"),
        ("internet", "10.0.1.10:443"),
        ("internet", "shop/10.0.1.10:443"),
        ("1.2.3.4", "10.0.1.10:443"),
        ("internet", "10.0.2.10:5432"),
        ("internet", "172.16.0.1:80"),
    ] {
        let answer = network.explain(from, to);
        assert_eq!(answer.reachable, Some(false), "{from} {to}");
        assert_eq!(answer.blockers[0].code, "DESTINATION_NOT_PUBLIC", "{from} {to}");
        assert!(
            answer.blockers[0].message.contains("the internet has no route to 1"),
            "{}",
            answer.blockers[0].message
        );
        assert!(!answer.assumed.iter().any(|a| a.assumption.contains("firewall")));
    }
    assert_eq!(
        network.explain("client", "web-1:443").reachable,
        Some(true),
        "a name stands for its public address"
    );
    assert_eq!(
        network.explain("web-1", "10.0.2.10:5432").reachable,
        Some(true),
        "inside it is an address like any"
    );
}

#[test]
fn the_router_answers_ping_itself_and_nothing_is_assumed_of_it() {
    let answer = quickstart().explain("web-1", "10.0.1.1/icmp");
    assert_eq!(answer.reachable, Some(true));
    let last = answer.forward.steps.last().unwrap();
    assert_eq!((last.component.as_str(), last.resource.as_str()), ("router", "10.0.1.1"));
    let told = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
    assert!(told.contains("it answers by itself") && !told.contains("no answer is expected"), "{told}");
}

#[test]
fn what_is_too_much_to_ask_has_no_answer_and_says_so() {
    let single = |from: usize, count: usize| {
        (0..count).map(move |n| (n + 1, from + n * 2)).map(|(number, port)| {
            format!("{{rule_no: {number}, action: allow, protocol: tcp, from_port: {port}, to_port: {port}, cidr_block: 0.0.0.0/0}}")
        })
    };
    let entries = |from: usize, count: usize| {
        let all = "{rule_no: 9000, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}".to_owned();
        single(from, count).chain([all]).collect::<Vec<_>>().join(", ")
    };
    let network = yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, t: {{vpc: v, cidr_block: 10.0.1.0/24, network_acl: n}}}}\n\
         network_acls: {{n: {{vpc: v, ingress: [{}], egress: [{}]}}}}\n\
         security_groups: {{g: {{vpc: v, ingress: [{{protocol: '-1', cidr_blocks: [0.0.0.0/0]}}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [g]}}, b: {{subnet: t, security_groups: [g]}}}}\n",
        entries(1, 300),
        entries(33_000, 300)
    ));
    let all = ExplainRequest { protocol: Some("tcp".to_owned()), ..request("a", "b") };
    let answer = network.ask(&all).unwrap();
    assert_eq!(answer.reachable, None);
    assert!(answer.unmodelled[0].reason.contains("name a protocol and a port"), "{answer:#?}");
    assert_eq!(network.explain("a", "b:443").reachable, Some(true));
}

#[test]
fn mail_to_the_internet_is_denied_and_the_rest_is_not() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: r}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\n\
         instances: {a: {subnet: s, associate_public_ip_address: true}}\n",
    );
    let mail = network.ask(&request("a", "internet:25")).unwrap();
    assert_eq!((mail.reachable, mail.blockers[0].code.as_str()), (Some(false), "OUTBOUND_SMTP_BLOCKED"));
    let all = network.ask(&request("a", "internet/tcp")).unwrap();
    let ports: Vec<_> = all.not_denied.iter().filter_map(|part| part.ports.as_deref()).collect();
    assert_eq!(ports, ["0-24", "26-65535"]);
    assert_eq!(all.blockers[0].partial[0].ports.as_deref(), Some("25"));
}

#[test]
fn a_unique_local_address_is_no_way_in_from_the_internet() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 'fd00:1:2::/56'}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 'fd00:1:2:1::/64', route_table: r}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {ipv6_cidr_block: '::/0', gateway: igw}]}}\n\
         instances: {a: {subnet: s, ipv6_addresses: ['fd00:1:2:1::10']}}\n\
         internet_hosts: {client: {ipv6_address: '2001:db8:ffff::7'}}\n",
    );
    let answer = network.explain("client", "a:443");
    assert_eq!(answer.reachable, Some(false));
    assert_eq!(answer.blockers[0].code, "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS");
}

#[test]
fn an_ipv6_source_that_is_not_public_is_told_as_one() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: 'fd12:1:2::/56'}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: 'fd12:1:2:1::/64', route_table: r}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {ipv6_cidr_block: '::/0', gateway: igw}]}}\n\
         instances: {a: {subnet: s, ipv6_addresses: ['fd12:1:2:1::10']}}\n\
         internet_hosts: {client: {address: 192.0.2.7, ipv6_address: '2001:db8:ffff::7'}}\n",
    );
    for (family, message) in [
        (4, "a has no public IPv4 address, so internet gateway igw cannot send it out"),
        (
            6,
            "a sends from fd12:1:2:1::10, which is unique local (RFC 4193), so internet gateway igw cannot send it out",
        ),
    ] {
        let ask = ExplainRequest { family: Some(family), ..request("a", "client:443") };
        let answer = network.ask(&ask).unwrap();
        let [blocker] = answer.blockers.as_slice() else { panic!("{:#?}", answer.blockers) };
        assert_eq!(
            (blocker.code.as_str(), blocker.message.as_str()),
            ("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS", message)
        );
    }
}

#[test]
fn an_answer_that_comes_from_elsewhere_is_told_from_one_that_arrives_elsewhere() {
    let told = |network: &Network, from: &str, to: &str| {
        let answer = network.explain(from, to);
        assert_eq!(answer.reachable, Some(false), "{from} {to}");
        let [blocker] = answer.blockers.as_slice() else { panic!("{:#?}", answer.blockers) };
        assert_eq!(blocker.direction, "return");
        (blocker.code.clone(), blocker.resource.clone().unwrap_or_default(), blocker.message.clone())
    };
    // The way back leads through a NAT gateway, which lends its own address.
    let elsewhere = told(&two_addresses("nat_gateway: nat"), "client", "i:53/udp");
    let message = "it arrives from 203.0.113.9 (of nat), which is not the address that was asked";
    assert_eq!(elsewhere, ("ANSWERED_FROM_ELSEWHERE".to_owned(), "nat".to_owned(), message.to_owned()));
    // Two VPCs with the same block, of which the hub's table knows the first.
    let twins = yaml(
        "vpcs: {a: {cidr_block: 10.0.0.0/16}, b: {cidr_block: 10.1.0.0/16}, c: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {a: {vpc: a, cidr_block: 10.0.0.0/24}, b: {vpc: b, cidr_block: 10.1.0.0/24}, c: {vpc: c, cidr_block: 10.0.0.0/24}}\n\
         transit_gateways: {hub: {}}\n\
         transit_gateway_vpc_attachments: {a: {transit_gateway: hub, vpc: a, subnets: [a]}, b: {transit_gateway: hub, vpc: b, subnets: [b]},\n\
         \x20 c: {transit_gateway: hub, vpc: c, subnets: [c], transit_gateway_default_route_table_propagation: false}}\n\
         route_tables: {b/main: {routes: [{cidr_block: 10.0.0.0/16, transit_gateway: hub}]}, c/main: {routes: [{cidr_block: 10.1.0.0/16, transit_gateway: hub}]}}\n\
         security_groups: {oa: {vpc: a, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}, ob: {vpc: b, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}\n\
         instances: {twin: {subnet: a, private_ip: 10.0.0.10, security_groups: [oa]}, ib: {subnet: b, security_groups: [ob]}, ic: {subnet: c, private_ip: 10.0.0.10}}\n",
    );
    let message = "it arrives at twin, and not where it was asked from";
    let astray = told(&twins, "ic", "ib:80");
    assert_eq!(astray, ("MISDELIVERED".to_owned(), "twin".to_owned(), message.to_owned()));
}

/// An instance `i` with a public address whose subnet's way out leads to `target`, and a host of the internet.
pub(crate) fn two_addresses(target: &str) -> Network {
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\neips: {{e: {{public_ip: 203.0.113.9}}}}\n\
         nat_gateways: {{nat: {{subnet: pub, allocation: e}}}}\n\
         subnets: {{pub: {{vpc: v, cidr_block: 10.0.1.0/24, route_table: pub}}, priv: {{vpc: v, cidr_block: 10.0.2.0/24, route_table: priv}}}}\n\
         route_tables: {{pub: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}, priv: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, {target}}}]}}}}\n\
         security_groups: {{o: {{vpc: v, ingress: [{{protocol: '-1', cidr_blocks: [0.0.0.0/0]}}]}}}}\n\
         instances: {{i: {{subnet: priv, security_groups: [o], public_ip: 203.0.113.10}},\n\
         \x20 relay: {{subnet: pub, security_groups: [o], public_ip: 203.0.113.11, source_dest_check: false, forwards: nat}}}}\n\
         internet_hosts: {{client: {{address: 198.51.100.7}}}}\n",
    ))
}
