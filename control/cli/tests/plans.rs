//! What does a Terraform plan change? `vpclab diff plan.json`, through the command.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // As everywhere in tests: there they are the assertion.

use std::process::{Command, Output};

use serde_json::{Map, Value, json};

/// A plan in which resources are made, kept, changed, replaced and destroyed.
#[derive(Default)]
struct Plan {
    prior: Vec<Value>,
    planned: Vec<Value>,
    changes: Vec<Value>,
    written: Vec<Value>,
    keeps_no_state: bool,
}

fn resource(address: &str, values: &Value) -> Value {
    let (of_type, name) = address.split_once('.').unwrap();
    json!({ "address": address, "mode": "managed", "type": of_type, "name": name, "values": values })
}

impl Plan {
    /// A VPC with a subnet and two groups, all there: whoever is in `web` may be asked by anybody of the VPC.
    fn shop() -> Self {
        Self::default()
            .kept(
                "aws_vpc.main",
                json!({ "id": "vpc-00000000000000001", "cidr_block": "10.0.0.0/16",
                "arn": "arn:aws:ec2:us-east-1:111122223333:vpc/vpc-00000000000000001" }),
            )
            .kept(
                "aws_subnet.a",
                json!({ "id": "subnet-00000000000000001", "vpc_id": "vpc-00000000000000001",
                "cidr_block": "10.0.1.0/24", "availability_zone": "us-east-1a" }),
            )
            .kept("aws_security_group.web", group("web", "10.0.0.0/16", 443))
            .kept(
                "aws_security_group.app",
                json!({ "id": "sg-app", "name": "app", "vpc_id": "vpc-00000000000000001",
                "egress": [rule("0.0.0.0/0", 0, "-1")], "ingress": [] }),
            )
    }

    /// The shop with two instances.
    fn with_instances() -> Self {
        Self::shop()
            .kept("aws_instance.web", instance("sg-web", Some("10.0.1.37")))
            .kept("aws_instance.app", instance("sg-app", Some("10.0.1.38")))
    }

    fn and(
        mut self,
        address: &str,
        actions: Value,
        before: Option<Value>,
        after: Option<Value>,
        unknown: Value,
    ) -> Self {
        let (of_type, name) = address.split_once('.').unwrap();
        self.prior.retain(|one| one["address"] != address);
        self.planned.retain(|one| one["address"] != address);
        self.changes.retain(|one| one["address"] != address);
        self.prior.extend(before.iter().map(|values| resource(address, values)));
        self.planned.extend(after.iter().map(|values| resource(address, values)));
        self.changes.push(json!({ "address": address, "mode": "managed", "type": of_type, "name": name,
            "change": { "actions": actions, "before": before, "after": after, "after_unknown": unknown } }));
        self
    }

    /// How a resource was written: attributes and what they refer to.
    fn written(mut self, address: &str, references: Value) -> Self {
        let (of_type, name) = address.split_once('.').unwrap();
        let expressions: Map<String, Value> = references
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, all)| (key.clone(), json!({ "references": all })))
            .collect();
        self.written
            .push(json!({ "mode": "managed", "type": of_type, "name": name, "expressions": expressions }));
        self
    }

    fn kept(self, address: &str, values: Value) -> Self {
        self.and(address, json!(["no-op"]), Some(values.clone()), Some(values), json!({}))
    }

    fn updated(self, address: &str, before: Value, after: Value, unknown: Value) -> Self {
        self.and(address, json!(["update"]), Some(before), Some(after), unknown)
    }

    fn destroyed(self, address: &str, before: Value) -> Self {
        self.and(address, json!(["delete"]), Some(before), None, json!({}))
    }

    fn created(self, address: &str, after: Value) -> Self {
        self.and(address, json!(["create"]), None, Some(after), json!({ "id": true }))
    }

    fn json(&self) -> Value {
        let mut plan = json!({
            "format_version": "1.2", "terraform_version": "1.9.0", "resource_changes": self.changes,
            "planned_values": { "root_module": { "resources": self.planned } },
            "configuration": { "root_module": { "resources": self.written } },
        });
        if !self.keeps_no_state {
            plan["prior_state"] = json!({ "values": { "root_module": { "resources": self.prior } } });
        }
        plan
    }

    fn diff(&self, options: &[&str]) -> Output {
        run(&self.json().to_string(), options)
    }

    /// What the command says, and its exit status.
    #[track_caller]
    fn says(&self) -> (String, i32) {
        let output = self.diff(&[]);
        (
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
            output.status.code().unwrap(),
        )
    }

    /// Nothing changes, and nothing is in doubt.
    #[track_caller]
    fn changes_nothing(&self) {
        let (said, status) = self.says();
        assert!(said.starts_with("nothing changes between ") && said.lines().count() == 1, "{said}");
        assert_eq!(status, 0);
    }

    #[track_caller]
    fn has(&self, parts: &[&str]) -> String {
        let (said, status) = self.says();
        for part in parts {
            assert!(said.contains(part), "{part}:\n{said}");
        }
        assert_eq!(status, 1, "{said}");
        said
    }
}

fn rule(block: &str, port: u16, protocol: &str) -> Value {
    json!({ "from_port": port, "to_port": port, "protocol": protocol, "cidr_blocks": [block] })
}

fn group(name: &str, block: &str, port: u16) -> Value {
    json!({ "id": format!("sg-{name}"), "name": name, "vpc_id": "vpc-00000000000000001",
        "egress": [rule("0.0.0.0/0", 0, "-1")], "ingress": [rule(block, port, "tcp")] })
}

fn instance(group: &str, address: Option<&str>) -> Value {
    let mut values = json!({ "subnet_id": "subnet-00000000000000001", "vpc_security_group_ids": [group] });
    if let Some(address) = address {
        values["id"] = json!(format!("i-{group}"));
        values["private_ip"] = json!(address);
    }
    values
}

fn vpclab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(arguments);
    for variable in ["VPCLAB_LAB", "CLICOLOR_FORCE", "NO_COLOR", "COLUMNS", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// The command on one file with this text.
fn run(text: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.json"), text).unwrap();
    vpclab(&[&["diff", "plan.json"], options].concat()).current_dir(folder.path()).output().unwrap()
}

#[track_caller]
fn refused(text: &str, options: &[&str]) -> String {
    let output = run(text, options);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_plan_that_does_nothing_changes_nothing() {
    Plan::with_instances().changes_nothing();
}

#[test]
fn all_of_a_first_plan_is_new() {
    let mut plan = Plan::default()
        .created("aws_vpc.main", json!({ "cidr_block": "10.0.0.0/16" }))
        .created("aws_subnet.a", json!({ "cidr_block": "10.0.1.0/24", "availability_zone": "us-east-1a" }))
        .created(
            "aws_security_group.web",
            json!({ "name": "web", "ingress": [rule("10.0.0.0/16", 443, "tcp")],
            "egress": [rule("0.0.0.0/0", 0, "-1")] }),
        )
        .created("aws_instance.web", json!({}))
        .created("aws_instance.app", json!({}))
        .written("aws_vpc.main", json!({}))
        .written("aws_subnet.a", json!({ "vpc_id": ["aws_vpc.main.id"] }))
        .written("aws_security_group.web", json!({ "vpc_id": ["aws_vpc.main.id"] }));
    for name in ["web", "app"] {
        plan = plan.written(&format!("aws_instance.{name}"),
            json!({ "subnet_id": ["aws_subnet.a.id"], "vpc_security_group_ids": ["aws_security_group.web.id"] }));
    }
    for change in &mut plan.changes {
        let unknown = &mut change["change"]["after_unknown"];
        for key in ["vpc_id", "subnet_id", "vpc_security_group_ids"] {
            unknown[key] = json!(true);
        }
    }
    // A plan of nothing has a state before that is empty, or none.
    for keeps_no_state in [false, true] {
        plan.keeps_no_state = keeps_no_state;
        let said = plan.has(&["new: aws_instance.app, aws_instance.web", "+ tcp 443"]);
        assert!(!said.contains("- tcp") && !said.contains("gone"), "{said}");
    }
}

#[test]
fn a_changed_rule_is_told_with_both_rules() {
    let mut plan = Plan::with_instances().updated(
        "aws_security_group.web",
        group("web", "10.0.0.0/16", 443),
        group("web", "10.0.0.0/16", 8443),
        json!({}),
    );
    for keeps_no_state in [false, true] {
        plan.keeps_no_state = keeps_no_state;
        plan.has(&[
            "aws_instance.app → aws_instance.web  + tcp 8443  - tcp 443",
            "security group aws_security_group.web ingress[0]: tcp 8443 from 10.0.0.0/16",
        ]);
    }
}

#[test]
fn what_is_destroyed_is_gone() {
    let plan = Plan::with_instances().destroyed("aws_instance.web", instance("sg-web", Some("10.0.1.37")));
    let said = plan.has(&["gone: aws_instance.web", "aws_instance.app → aws_instance.web  - tcp 443"]);
    assert!(!said.contains("gained"), "{said}");
}

#[test]
fn what_only_terraform_forgets_stays() {
    let values = instance("sg-web", Some("10.0.1.37"));
    Plan::with_instances()
        .and("aws_instance.web", json!(["forget"]), Some(values), None, json!({}))
        .changes_nothing();
}

#[test]
fn what_is_moved_is_the_same_under_its_new_address() {
    let values = instance("sg-web", Some("10.0.1.37"));
    let mut plan = Plan::with_instances().kept("aws_instance.web", values).json();
    for list in ["/planned_values/root_module/resources", "/resource_changes"] {
        let all = plan.pointer_mut(list).unwrap().as_array_mut().unwrap();
        let web = all.iter_mut().find(|one| one["address"] == "aws_instance.web").unwrap();
        web["address"] = json!("aws_instance.shop");
        web["name"] = json!("shop");
        web["previous_address"] = json!("aws_instance.web");
    }
    let output = run(&plan.to_string(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_replaced_instance_is_the_same_one_but_for_its_address() {
    let unknown = json!({ "id": true, "private_ip": true });
    let replaced = |plan: Plan| {
        plan.and(
            "aws_instance.web",
            json!(["delete", "create"]),
            Some(instance("sg-web", Some("10.0.1.37"))),
            Some(instance("sg-web", None)),
            unknown.clone(),
        )
        .written("aws_instance.web", json!({ "subnet_id": ["aws_subnet.a.id"] }))
    };
    replaced(Plan::with_instances()).changes_nothing();
    // The address that somebody else's rule names is given up.
    let named = Plan::with_instances().kept("aws_security_group.app", group("app", "10.0.1.37/32", 22));
    replaced(named).has(&["aws_instance.web → aws_instance.app  - tcp 22"]);
}

/// Nobody states an address of these; which one is chosen is no change of the plan's.
#[test]
fn an_instance_in_front_renumbers_nobody() {
    let plan = Plan::shop()
        .kept("aws_security_group.app", group("app", "10.0.1.4/32", 22))
        .kept("aws_instance.m", json!({ "id": "i-m", "subnet_id": "subnet-00000000000000001", "vpc_security_group_ids": ["sg-web"] }))
        .kept("aws_instance.n", json!({ "id": "i-n", "subnet_id": "subnet-00000000000000001", "vpc_security_group_ids": ["sg-app"] }))
        .created("aws_instance.a", instance("sg-web", None));
    let said = plan.has(&["new: aws_instance.a"]);
    assert!(!said.contains("tcp 22") && !said.contains("lost"), "{said}");
}

#[test]
fn what_is_known_after_apply_is_neither_gained_nor_lost() {
    // A block that is known after apply: what passed may pass no longer, and more may pass.
    let mut after = group("web", "10.0.0.0/16", 443);
    after["ingress"][0]["cidr_blocks"] = json!([null]);
    let plan = Plan::with_instances()
        .updated(
            "aws_security_group.web",
            group("web", "10.0.0.0/16", 443),
            after,
            json!({ "ingress": [{ "cidr_blocks": [true] }] }),
        )
        .written("aws_security_group.web", json!({ "ingress": ["aws_eip.x.public_ip"] }));
    let said = plan.has(&["not known", "? ", "aws_security_group.web"]);
    assert!(!said.contains("\ngained") && !said.contains("\nlost"), "{said}");
    // A list that nobody wrote, and that the provider will read again.
    let mut after = group("web", "10.0.0.0/16", 443);
    after.as_object_mut().unwrap().remove("ingress");
    let plan = Plan::with_instances()
        .updated(
            "aws_security_group.web",
            group("web", "10.0.0.0/16", 443),
            after,
            json!({ "ingress": true }),
        )
        .written("aws_security_group.web", json!({}));
    let said = plan.has(&["not known", "? "]);
    assert!(!said.contains("\ngained") && !said.contains("\nlost"), "{said}");
    // An address, a role, a name: nothing that a packet meets.
    Plan::with_instances()
        .updated(
            "aws_instance.web",
            instance("sg-web", Some("10.0.1.37")),
            instance("sg-web", None),
            json!({ "private_ip": true, "private_dns": true, "public_ip": true }),
        )
        .written("aws_instance.web", json!({ "vpc_security_group_ids": ["aws_security_group.web.id"] }))
        .changes_nothing();
}

#[test]
fn what_is_known_of_neither_side_is_told() {
    let plan = Plan::with_instances().kept(
        "aws_instance.web",
        json!({ "id": "i-sg-web", "private_ip": "10.0.1.37",
            "subnet_id": "subnet-00000000000000001", "vpc_security_group_ids": ["sg-web", "sg-elsewhere"] }),
    );
    let (said, status) = plan.says();
    assert!(
        said.contains("before and after") && said.contains("sg-elsewhere") && said.contains("--stand-ins"),
        "{said}"
    );
    assert_eq!(status, 2);
    let output = plan.diff(&["--stand-ins"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with("nothing changes between 6 pairs\nbetween ")
            && said.contains("known neither before nor now"),
        "{said}"
    );
    assert!(said.contains("depends on\n  ") && said.contains("sg-elsewhere"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_problem_says_on_which_side_it_is() {
    let plan = Plan::with_instances().created("aws_instance.new", instance("sg-elsewhere", None));
    let (said, status) = plan.says();
    assert!(said.contains("after") && !said.contains("before") && said.contains("sg-elsewhere"), "{said}");
    assert_eq!(status, 2);
    let output = plan.diff(&["--stand-ins", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &told["added"][0]["name"]), (Some(1), &json!("aws_instance.new")));
}

#[test]
fn what_is_left_out_is_said_beside_the_answer() {
    let plan = Plan::with_instances().created("aws_something_new.x", json!({}));
    let output = plan.diff(&["--markdown"]);
    let (said, beside) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(said.starts_with("### Connectivity: nothing changes"), "{said}");
    assert!(beside.contains("left out (after): aws_something_new aws_something_new.x"), "{beside}");
}

#[test]
fn a_deposed_object_has_a_name_of_its_own() {
    let mut plan = Plan::with_instances().json();
    let mut deposed = resource("aws_instance.web", &instance("sg-web", Some("10.0.1.39")));
    deposed["deposed_key"] = json!("0a1b2c3d");
    plan["prior_state"]["values"]["root_module"]["resources"].as_array_mut().unwrap().push(deposed);
    plan["resource_changes"].as_array_mut().unwrap().push(
        json!({ "address": "aws_instance.web", "deposed": "0a1b2c3d",
        "mode": "managed", "type": "aws_instance", "name": "web",
        "change": { "actions": ["delete"], "before": {}, "after": null, "after_unknown": {} } }),
    );
    let output = run(&plan.to_string(), &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("gone: aws_instance.web (deposed 0a1b2c3d)"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn only_a_plan_stands_alone() {
    let state = json!({ "format_version": "1.0", "terraform_version": "1.9.0", "values": { "root_module": { "resources": [] } } });
    let cases = [
        (
            state.to_string(),
            "plan.json is a Terraform state, which has one side; give OLD and NEW; alone stands only a Terraform plan",
        ),
        (
            json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } } }).to_string(),
            "plan.json is a topology; give OLD and NEW",
        ),
        (json!({ "Resources": {} }).to_string(), "plan.json is a template; give OLD and NEW"),
        (
            json!({ "Vpcs": [] }).to_string(),
            "plan.json is what `aws ec2 describe-*` prints; give OLD and NEW",
        ),
        ("PK\u{3}\u{4}".to_owned(), "give what `terraform show -json` prints of it"),
        (
            "{\"@level\":\"info\"}\n{\"@level\":\"info\"}".to_owned(),
            "save the plan with `terraform plan -out=FILE`",
        ),
        (
            json!({ "planned_values": {}, "errored": true }).to_string(),
            "Terraform could not finish this plan",
        ),
        ("{".to_owned(), "plan.json"),
    ];
    for (text, expected) in cases {
        let said = refused(&text, &[]);
        assert!(said.contains(expected), "{expected}:\n{said}");
        let as_json = run(&text, &["--json"]);
        let told: Value = serde_json::from_slice(&as_json.stdout).unwrap();
        assert!(told["error"]["message"].as_str().unwrap().contains(expected), "{told}");
    }
}

/// Of two plans what each makes is compared; a topology compares with a plan, and a template with a template.
#[test]
fn either_of_two_files_may_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let diff = |arguments: &[&str]| {
        let output = vpclab(&[&["diff"], arguments].concat()).current_dir(folder.path()).output().unwrap();
        (
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
            output.status.code(),
        )
    };
    let one = Plan::with_instances();
    write("one.json", &one.json().to_string());
    let other = Plan::with_instances().updated(
        "aws_security_group.web",
        group("web", "10.0.0.0/16", 443),
        group("web", "10.0.0.0/16", 8443),
        json!({}),
    );
    write("two.json", &other.json().to_string());
    let (said, status) = diff(&["one.json", "two.json"]);
    assert!(said.contains("+ tcp 8443  - tcp 443"), "{said}");
    assert_eq!(status, Some(1));
    let imported =
        vpclab(&["import", "one.json", "-o", "net.json"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(imported.status.code(), Some(0));
    let (said, status) = diff(&["net.json", "one.json"]);
    assert_eq!((said.as_str(), status), ("nothing changes between 6 pairs\n", Some(0)));
    // The host that an import adds for tests is no difference, be it that the gateway goes.
    let gateway = json!({ "id": "igw-00000000000000001", "vpc_id": "vpc-00000000000000001" });
    let open = Plan::with_instances().kept("aws_internet_gateway.g", gateway);
    write("open.json", &open.json().to_string());
    let imported =
        vpclab(&["import", "open.json", "-o", "opened.json"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(imported.status.code(), Some(0));
    let opened = std::fs::read_to_string(folder.path().join("opened.json")).unwrap();
    assert!(opened.contains("internet-host"), "{opened}");
    for files in [["opened.json", "open.json"], ["open.json", "opened.json"], ["opened.json", "one.json"]] {
        let (said, status) = diff(&files);
        assert!(!said.contains("internet-host") && said.starts_with("nothing changes"), "{files:?}: {said}");
        assert_eq!(status, Some(0), "{files:?}");
    }
    write(
        "t.yaml",
        "Parameters:\n  Block: {Type: String}\nResources:\n  Net:\n    Type: AWS::EC2::VPC\n    Properties: {CidrBlock: !Ref Block}\n",
    );
    let (said, status) = diff(&["t.yaml", "net.json"]);
    assert!(
        said.contains("t.yaml: nothing is imported") && said.contains("`vpclab import` takes parameters"),
        "{said}"
    );
    assert_eq!(status, Some(2));
}
