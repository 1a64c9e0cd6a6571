//! Does a change happen whole or not at all?

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vpclab_api::ExplainRequest;
use vpclab_daemon::ClientError;
use vpclab_model::Document;
use vpclab_tap::Netns;

use crate::fixture::{Inhabitant, Lab, live, topology, unique_name, wait_until, without};

fn refusal(error: ClientError) -> vpclab_api::ErrorBody {
    match error {
        ClientError::Api(error) | ClientError::Broken(error) => error.error,
        other => panic!("the lab does not run: {other}"),
    }
}

#[test]
fn a_document_with_ten_mistakes_changes_nothing_and_names_them_all() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut bad = without(topology(), "c");
    for number in 0..10 {
        bad["instances"][format!("bad-{number}")] = json!({ "subnet": format!("no-such-{number}") });
    }
    let error = refusal(lab.client.put_topology(&Document::from(bad)).unwrap_err());
    assert_eq!(error.code, "InvalidTopology");
    for number in 0..10 {
        let resource = format!("instances.bad-{number}");
        assert!(error.mistakes.iter().any(|mistake| mistake.resource == resource), "{resource}: {error:?}");
    }
    assert_eq!(lab.client.generation().unwrap().generation, 1);
    assert_eq!(lab.client.topology().unwrap(), Document::from(topology()));
    assert!(Netns::exists(&lab.netns_name("c")));
    assert!(lab.pings("c", "10.7.1.10"));
}

#[test]
fn a_change_is_obeyed_when_it_is_answered() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    assert!(!lab.pings("a", "10.7.2.10"));
    let mut open = topology();
    open["security_groups"]["closed"]["ingress"] =
        json!([{ "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["10.7.0.0/16"] }]);
    open["instances"]["d"] =
        json!({ "subnet": "two", "private_ip": "10.7.2.11", "security_groups": ["closed"] });
    let replaced = lab.put(&open);
    assert_eq!(replaced.generation, 2);
    let changes: Vec<_> =
        replaced.changes.iter().map(|c| (c.action.as_str(), c.kind.as_str(), c.name.as_str())).collect();
    for change in [
        ("create", "instances", "d"),
        ("create", "network_interfaces", "d"),
        ("update", "security_groups", "closed"),
    ] {
        assert!(changes.contains(&change), "{changes:?}");
    }
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!(lab.pings("a", "10.7.2.10") && lab.pings("a", "10.7.2.11"));

    lab.put(&without(open, "d"));
    assert!(!Netns::exists(&lab.netns_name("d")), "what is gone leaves no namespace");
    assert!(!lab.pings("a", "10.7.2.11"));
}

#[test]
fn the_region_and_the_settings_are_among_the_changes() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut other = topology();
    other["settings"] = json!({ "icmp_timeout": 45 });
    let change = |kind: &str, name: &str| vpclab_api::Change {
        action: "update".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    assert_eq!(lab.put(&other).changes, [change("settings", "icmp_timeout")]);
    other["region"] = json!("eu-west-1");
    assert_eq!(lab.put(&other).changes[0], change("region", "eu-west-1"));
    assert_eq!(lab.put(&other).changes, []);
}

#[test]
fn an_address_that_changes_moves_on_the_living_device() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut moved = topology();
    moved["instances"]["b"]["private_ip"] = json!("10.7.1.99");
    lab.put(&moved);
    let addresses = lab.ip("b", "-4 address show eth0");
    assert!(addresses.contains("10.7.1.99/24") && !addresses.contains("10.7.1.11"), "{addresses}");
    assert!(lab.pings("a", "10.7.1.99"));
}

#[test]
fn a_guest_that_cannot_follow_a_change_is_told_with_the_answer_and_with_the_instance() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let alias = || lab.ip("b", "link show eth0").split("alias ").nth(1).unwrap().trim().to_owned();
    let own = alias();
    lab.ip("b", "link set eth0 alias stranger");
    let mut moved = topology();
    moved["instances"]["b"]["private_ip"] = json!("10.7.1.99");
    let applied = lab.client.apply(&Document::from(moved.clone())).unwrap();
    assert_eq!(applied.replaced.generation, 2, "it is in force all the same");
    assert!(
        applied.warnings.len() == 1 && applied.warnings[0].starts_with("b: interface b could not"),
        "{applied:?}"
    );
    assert_eq!(lab.client.instance("b").unwrap().warnings.len(), 1);
    assert_eq!(lab.client.instance("a").unwrap().warnings, Vec::<String>::new());
    lab.ip("b", &format!("link set eth0 alias {own}"));
    assert_eq!(lab.client.apply(&Document::from(moved)).unwrap().warnings, Vec::<String>::new());
    assert_eq!(lab.client.instance("b").unwrap().warnings, Vec::<String>::new());
    assert!(lab.pings("a", "10.7.1.99"));
}

#[test]
fn who_lived_in_an_instance_that_is_taken_away_is_told_with_the_answer() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut program = lab.command("b", "sleep").arg("600").spawn().unwrap();
    let mut stranger = Inhabitant::of(&lab.netns("b"));
    let mut attached = Inhabitant::apart();
    let target = vpclab_api::AttachmentTarget::Process(attached.pid());
    lab.client.attach("c", &vpclab_api::AttachRequest { target }).unwrap();
    let mut told =
        lab.client.apply(&Document::from(without(without(topology(), "b"), "c"))).unwrap().warnings;
    told.sort_unstable();
    let pids = (program.id(), stranger.pid(), attached.pid());
    assert_eq!(
        told,
        [
            format!("ended with its instance: sleep ({}) in b", pids.0),
            format!("lives on: process {}, which ran as instance c", pids.2),
            format!("lives on: sleep ({}) in b, without a network; `vpclab exec` did not start it", pids.1),
        ]
    );
    assert!(program.wait().is_ok() && stranger.is_alive() && attached.is_alive());
}

#[test]
fn a_change_that_cannot_be_made_real_is_undone() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let in_the_way = lab.netns_name("z");
    let foreign = Netns::create(&in_the_way).unwrap();
    let mut more = without(topology(), "c");
    more["instances"]["y"] = json!({ "subnet": "one", "security_groups": ["friends"] });
    more["instances"]["z"] = json!({ "subnet": "one", "security_groups": ["friends"] });
    let error = refusal(lab.client.put_topology(&Document::from(more)).unwrap_err());
    assert!(
        error.message.contains(&in_the_way) && error.message.contains("nothing was changed"),
        "{error:?}"
    );
    assert_eq!(lab.client.generation().unwrap().generation, 1);
    assert!(!Netns::exists(&lab.netns_name("y")), "what was made for the change is removed");
    assert!(lab.pings("c", "10.7.1.10"));
    drop(foreign);
    Netns::delete(&in_the_way).unwrap();
}

#[test]
fn changes_that_come_at_once_happen_one_after_the_other() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let mut generations: Vec<u64> = std::thread::scope(|scope| {
        let changes: Vec<_> = (0..6)
            .map(|number| {
                let lab = &lab;
                let document = if number % 2 == 0 { topology() } else { without(topology(), "c") };
                scope.spawn(move || lab.put(&document).generation)
            })
            .collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    generations.sort_unstable();
    assert_eq!(generations, [2, 3, 4, 5, 6, 7]);
    lab.put(&topology());
    assert!(lab.pings("c", "10.7.1.10"));
}

#[test]
fn resources_are_read_by_kind_name_and_id() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let main = lab.client.resource("route_tables", "v/main").unwrap();
    assert_eq!(main["main"], json!(true));
    let by_id = lab.client.resource("route_tables", main["id"].as_str().unwrap()).unwrap();
    assert_eq!(by_id, main);
    let all = lab.client.resources("instances").unwrap();
    assert_eq!(all.as_object().unwrap().len(), 3);
    let error = refusal(lab.client.resource("subnets", "none").unwrap_err());
    assert_eq!(error.code, "InvalidSubnetID.NotFound");
    let health = lab.client.health().unwrap();
    assert_eq!((health.status.as_str(), health.pid, health.generation), ("ok", lab.pid(), 1));
}

#[test]
fn a_question_goes_to_the_configuration_in_force() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    lab.put(&topology());
    let request = ExplainRequest { from: "a".to_owned(), to: "b".to_owned(), ..ExplainRequest::default() };
    let error = refusal(lab.client.explain(&request).unwrap_err());
    assert_eq!((error.code.as_str(), error.message.as_str()), ("NotExplainedHere", "a to b in generation 2"));
}

#[test]
fn every_failure_of_the_api_is_an_error_with_a_code() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let socket = vpclab_daemon::paths(&lab.name).unwrap().socket;
    let long = "x".repeat(33 * 1024 * 1024);
    let file = std::env::temp_dir().join(unique_name("long"));
    std::fs::write(&file, long).unwrap();
    let at_file = format!("@{}", file.display());
    let ourselves = format!("{{\"target\": {{\"process\": {}}}}}", std::process::id());
    for (method, path, body, status, code) in [
        ("GET", "/", None, "404", "InvalidAction"),
        ("GET", "/v1/carrots", None, "404", "InvalidAction"),
        ("DELETE", "/v1/health", None, "405", "InvalidAction"),
        ("POST", "/v1/explain", Some("{\"from\": 1}"), "400", "InvalidParameterValue"),
        (
            "POST",
            "/v1/explain",
            Some("{\"from\": \"a\", \"to\": \"b\", \"x\": 1}"),
            "400",
            "InvalidParameterValue",
        ),
        ("PUT", "/v1/topology", Some("{\"vpcs\": {}, \"vpcs\": {}}"), "400", "InvalidParameterValue"),
        ("PUT", "/v1/topology", Some(at_file.as_str()), "413", "RequestEntityTooLarge"),
        (
            "PUT",
            "/v1/instances/nobody/attachment",
            Some("{\"target\": {\"process\": 1}}"),
            "404",
            "InvalidInstanceID.NotFound",
        ),
        ("PUT", "/v1/instances/a/attachment", Some(ourselves.as_str()), "400", "InvalidParameterValue"),
    ] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-X", method, "-w", "\n%{http_code}", "--unix-socket"]).arg(&socket);
        if let Some(body) = body {
            curl.args(["--data-binary", body]);
        }
        let output =
            String::from_utf8(curl.arg(format!("http://lab{path}")).output().unwrap().stdout).unwrap();
        let (body, got) = output.rsplit_once('\n').unwrap();
        let error: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{method} {path}: {output}"));
        assert_eq!((got, error["error"]["code"].as_str()), (status, Some(code)), "{method} {path}: {output}");
    }
    std::fs::remove_file(file).unwrap();
    assert_eq!(lab.client.generation().unwrap().generation, 1);
}

/// A NAT gateway beside an instance in another subnet, with a second address or after it was taken away.
fn with_nat_gateway(secondary: &Value) -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.7.0.0/16" } },
        "subnets": {
            "one": { "vpc": "v", "cidr_block": "10.7.1.0/24" },
            "two": { "vpc": "v", "cidr_block": "10.7.2.0/24" } },
        "nat_gateways": { "nat": { "subnet": "two", "connectivity_type": "private", "private_ip": "10.7.2.20",
            "secondary_private_ips": secondary, "max_drain_duration_seconds": 2 } },
        "instances": { "a": { "subnet": "one", "private_ip": "10.7.1.10" } }
    })
}

#[test]
fn an_address_that_a_nat_gateway_has_lost_is_nobodys_when_its_flows_are_over() {
    if !live() {
        return;
    }
    let lab = Lab::up(&with_nat_gateway(&json!(["10.7.2.21"])));
    let dropped = |reason: &str| {
        assert!(!lab.pings("a", "10.7.2.21"));
        let counters = lab.client.counters().unwrap().dropped;
        counters.iter().filter(|drop| drop.reason == reason).map(|drop| drop.frames).sum::<u64>()
    };
    assert_eq!(dropped("nat-no-mapping"), 1);
    let before = Instant::now();
    assert_eq!(lab.put(&with_nat_gateway(&json!([]))).generation, 2);
    assert_eq!(dropped("nat-no-mapping"), 2, "it drains");
    // Nobody has to change anything.
    wait_until("the address is nobody's", || dropped("no-such-address") > 0);
    assert!(before.elapsed() > Duration::from_secs(2), "the flows have their time");
    assert_eq!(lab.client.generation().unwrap().generation, 2, "what is declared is the same");
    assert_eq!(lab.put(&with_nat_gateway(&json!([]))).generation, 3);
}
