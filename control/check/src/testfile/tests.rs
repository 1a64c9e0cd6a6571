//! Are files of tests read as they were meant?

use vpclab_model::Syntax;

use super::*;

fn read(text: &str) -> Result<TestFile, Mistakes> {
    let document = Document::parse(text, Syntax::Yaml).unwrap();
    TestFile::from_document(Path::new("configs/a.tests.yaml"), &document)
}

fn tests(file: &TestFile) -> Vec<&TestCase> {
    file.tests().collect()
}

#[test]
fn a_file_is_read_with_its_topology_beside_it() {
    let file = read(
        "topology: a.json\ntests:\n- {from: web-1, to: 'db-1:22', expect: denied, because: {rule: 200, direction: forward}}\n\
         - {name: b, from: web-1, to: db-1, protocol: 50, family: 6, expect: allowed, source_seen: '2001:db8::1', x-why: y}\n",
    )
    .unwrap();
    assert_eq!(file.topology, Some(PathBuf::from("configs/a.json")));
    assert_eq!(tests(&file)[0].name, "web-1 → db-1:22");
    assert_eq!(tests(&file)[0].because.rule, Some(RuleReference::Number(200)));
    assert_eq!(tests(&file)[1].request.protocol.as_deref(), Some("50"));
    assert_eq!(tests(&file)[1].request.family, Some(6));
    assert_eq!(tests(&file)[1].source_seen, Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let Err(mistakes) = read(
        "topolgy: a.json\ntests:\n- {from: a, expect: maybe, port: 70000, family: 5, frm: b}\n- 7\n\
         - {name: x, from: a, to: b, expect: allowed, because: {cod: A}}\n\
         - {name: x, from: a, to: b, expect: denied, source_seen: nowhere, because: {direction: up}}\n",
    ) else {
        panic!("a file full of mistakes was read")
    };
    let told: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
    for beginning in [
        "topolgy: `topolgy` is not an attribute of a test file; did you mean `topology`?",
        "tests[0].frm: `frm` is not an attribute of a test; did you mean `from`?",
        "tests[0].to: a test needs `to`; give an end such as \"db-1:5432/tcp\" (MissingParameter)",
        "tests[0].expect: \"maybe\" is not an answer; give \"allowed\" or \"denied\"",
        "tests[0].port: the number 70000 is not a port; give a number from 1 to 65535",
        "tests[0].family: the number 5 is not an address family; give 4 or 6",
        "tests[1]: the number 7 is not a map",
        "tests[2].because.cod: `cod` is not an attribute of a reason; did you mean `code`?",
        "tests[2].because: only a denied test has a reason",
        "tests[3].source_seen: \"nowhere\" is not an address",
        "tests[3].because.direction: no such direction",
        "tests[3].name: another test is called \"x\" too",
    ] {
        assert!(told.iter().any(|line| line.starts_with(beginning)), "{beginning}\nis not among\n{told:#?}");
    }
    assert_eq!(told.len(), 12, "{told:#?}");
}

#[test]
fn numbers_may_be_in_quotes() {
    let file = |family: &str| {
        read(&format!(
            "tests: [{{from: a, to: b, port: '80', source_port: '53', family: {family}, expect: allowed}}]"
        ))
    };
    for (written, family) in [("4", 4), ("'4'", 4), ("6", 6), ("\"6\"", 6)] {
        let request = file(written).unwrap().sections.remove(0).tests.remove(0).request;
        assert_eq!((request.family, request.port, request.source_port), (Some(family), Some(80), Some(53)));
    }
    for (written, told) in [("5", "the number 5"), ("'ipv6'", "the text \"ipv6\""), ("true", "`true`")] {
        let error = file(written).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("tests[0].family: {told} is not an address family; give 4 or 6 ")),
            "{error}"
        );
    }
}

#[test]
fn questions_that_differ_in_anything_have_names_of_their_own() {
    let file = read(
        "tests:\n- {from: a, to: 'b:53', expect: allowed}\n- {from: a, to: 'b:53', family: 4, expect: allowed}\n\
         - {from: a, to: 'b:53', family: 6, expect: allowed}\n- {from: a, to: 'b:53', source_port: 53, expect: denied}\n\
         - {from: a, to: b, port: 53, protocol: udp, source_port: 53, family: 6, expect: allowed}\n",
    )
    .unwrap();
    let names: Vec<&str> = file.tests().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "a → b:53",
            "a → b:53 (IPv4)",
            "a → b:53 (IPv6)",
            "a → b:53 (source port 53)",
            "a → b (port 53, protocol udp, source port 53, IPv6)",
        ]
    );
    let same = "{from: a, to: b, family: 4, expect: allowed}";
    assert!(read(&format!("tests: [{same}, {same}]")).is_err());
}

#[test]
fn a_code_that_no_blocker_can_have_is_a_mistake() {
    let file = |code: &str| {
        read(&format!("tests: [{{from: a, to: b, expect: denied, because: {{code: {code}}}}}]"))
            .map_err(|mistakes| mistakes.to_string())
    };
    assert!(file("SUBNET_ACL_RESTRICTION").is_ok());
    assert!(file("ONLY_SOME_ADDRESSES").is_ok());
    for (code, meant) in [
        ("SUBNET_ACL_RESTRICTON", "did you mean `SUBNET_ACL_RESTRICTION`?"),
        ("subnet_acl_restriction", "did you mean `SUBNET_ACL_RESTRICTION`?"),
        ("SG_HAS_NO_RULE", "did you mean `SG_HAS_NO_RULES`?"),
        ("FIREWALL", "`vpclab explain` names the codes"),
    ] {
        let told = file(code).unwrap_err();
        assert!(
            told.starts_with(&format!("tests[0].because.code: no blocker has the code `{code}`; {meant}")),
            "{told}"
        );
    }
}

#[test]
fn after_fifty_mistakes_no_more_slips_are_looked_for() {
    let tests: Vec<String> =
        (0..60).map(|port| format!("{{from: a, to: 'b:{port}', expect: allowed, nam: x}}")).collect();
    let Err(mistakes) = read(&format!("tests: [{}]", tests.join(", "))) else {
        panic!("a file full of mistakes was read")
    };
    let guesses = mistakes.0.iter().filter(|mistake| mistake.remedy.starts_with("did you mean")).count();
    assert_eq!((guesses, mistakes.0.len()), (50, 60));
}

#[test]
fn a_file_without_a_test_is_a_mistake() {
    for text in ["topology: a.json", "tests: []", "[]", "tests: 7"] {
        assert!(read(text).is_err(), "{text}");
    }
}
