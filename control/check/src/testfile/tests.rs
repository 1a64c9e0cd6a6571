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
    assert_eq!(tests(&file)[0].name, "web-1 → db-1:22 (because rule 200 on the forward way)");
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

#[test]
fn a_matrix_is_a_test_for_each_cell() {
    let file = read(
        "tests:\n- name: tiers\n  family: 4\n  matrix:\n    to: ['web:443', 'db:5432']\n    from:\n      internet: [allowed, denied]\n      web: [~, allowed]\n",
    )
    .unwrap();
    let told: Vec<(String, String, String, Expected)> = tests(&file)
        .into_iter()
        .map(|test| (test.name.clone(), test.request.from.clone(), test.request.to.clone(), test.expected))
        .collect();
    let cell = |name: &str, from: &str, to: &str, expected| {
        (name.to_owned(), from.to_owned(), to.to_owned(), expected)
    };
    assert_eq!(
        told,
        [
            cell("tiers: internet → web:443 (IPv4)", "internet", "web:443", Expected::Allowed),
            cell("tiers: internet → db:5432 (IPv4)", "internet", "db:5432", Expected::Denied),
            cell("tiers: web → db:5432 (IPv4)", "web", "db:5432", Expected::Allowed),
        ]
    );
    assert!(tests(&file).iter().all(|test| test.request.family == Some(4) && test.at == "tests[0]"));
}

#[test]
fn ports_in_cells_are_allowed_and_all_others_of_the_matrix_denied() {
    let file = read(
        "tests:\n- matrix:\n    to: [web, db]\n    from:\n      a: [443, []]\n      b: [[443, '53/udp'], denied]\n      c: ['-', allowed]\n",
    )
    .unwrap();
    let told: Vec<(&str, Expected)> =
        tests(&file).iter().map(|test| (test.name.as_str(), test.expected)).collect();
    let (yes, no) = (Expected::Allowed, Expected::Denied);
    assert_eq!(
        told,
        [
            ("a → web (port 53, protocol udp)", no),
            ("a → web (port 443)", yes),
            ("a → db (port 53, protocol udp)", no),
            ("a → db (port 443)", no),
            ("b → web (port 53, protocol udp)", yes),
            ("b → web (port 443)", yes),
            ("b → db (port 53, protocol udp)", no),
            ("b → db (port 443)", no),
            ("c → db (port 53, protocol udp)", yes),
            ("c → db (port 443)", yes),
        ]
    );
}

#[test]
fn what_is_wrong_with_an_entry_is_told_by_its_kind() {
    for (entry, told) in [
        ("matrix: []", "tests[0].matrix: a list is not a map; give a map"),
        ("matrix: {from: {a: [allowed]}}", "tests[0].matrix.to: a matrix needs columns"),
        ("matrix: {to: [b]}", "tests[0].matrix.from: a matrix needs rows"),
        ("matrix: {to: [b, c], from: {a: [~, '-']}}", "tests[0].matrix.from: no cell asks anything"),
        ("from: a, to: b, expect: denied, level: live", "tests[0].level: \"live\" is no level"),
        (
            "matrix: {to: [b], from: {a: [allowed, denied]}}",
            "tests[0].matrix.from.a: the row has 2 cells, and there are 1 columns",
        ),
        (
            "matrix: {to: [b], from: {a: allowed}}",
            "tests[0].matrix.from.a: the text \"allowed\" is not a list",
        ),
        (
            "matrix: {to: [b], from: {a: [maybe]}}",
            "tests[0].matrix.from.a[0]: the text \"maybe\" is no cell of a matrix",
        ),
        (
            "matrix: {to: [b], from: {a: [70000]}}",
            "tests[0].matrix.from.a[0]: the number 70000 is no cell of a matrix",
        ),
        ("matrix: {to: [b], from: {a: [[]]}}", "tests[0].matrix.from: no cell names a port"),
        (
            "matrix: {to: [b], rows: {a: [allowed]}}",
            "tests[0].matrix.rows: `rows` is not an attribute of a matrix",
        ),
        (
            "matrix: {to: [b], from: {a: [allowed]}}, expect: allowed",
            "tests[0].expect: `expect` is not an attribute of a matrix of tests",
        ),
        ("only: [a]", "tests[0].to: a test needs `to`"),
        ("only: ~, to: b", "tests[0].only: nobody is named"),
        (
            "only: [a], to: b, expect: denied",
            "tests[0].expect: `expect` is not an attribute of a test of who only may ask",
        ),
        ("only: [7], to: b", "tests[0].only: the number 7 is not a name"),
        ("from: a, to: b, expect: denied, path: [x]", "tests[0].path: a denied packet has no way"),
        (
            "from: a, to: b, expect: allowed, both_directions: 1",
            "tests[0].both_directions: the number 1 is not true or false",
        ),
        (
            "from: a, to: b, expect: allowed, both_directions: true, path: [x]",
            "tests[0].path: `path` is about one direction",
        ),
        (
            "from: a, to: b, expect: denied, both_directions: true, because: {rule: 1}",
            "tests[0].because: `because` is about one direction",
        ),
        (
            "from: a, to: b, expect: allowed, both_directions: true, source_seen: 10.0.0.1",
            "tests[0].source_seen: `source_seen` is about one direction",
        ),
    ] {
        let Err(mistakes) = read(&format!("tests: [{{{entry}}}]")) else { panic!("{entry} was read") };
        let lines: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.starts_with(told)), "{told}\nis not among\n{lines:#?}");
    }
}

#[test]
fn a_test_of_who_only_may_says_so_in_its_name() {
    let file = read(
        "tests: [{to: 'db:5432', only: [app, 10.0.0.0/24]}, {to: 'db:22', only: [], family: 4}, {to: 'db:23', only: app},\n\
         {from: a, to: 'b:80', expect: allowed, both_directions: true}]",
    )
    .unwrap();
    let names: Vec<&str> = file.tests().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        ["only app, 10.0.0.0/24 → db:5432", "nobody → db:22 (IPv4)", "only app → db:23", "a ↔ b:80"]
    );
}

#[test]
fn a_test_of_which_ports_only_are_let_in_says_so_in_its_name() {
    let file = read(
        "tests: [{from: internet, to: web, only_ports: [443, '53/UDP', icmp, '443/tcp']}, {from: a, to: b, only_ports: []},\n\
         {from: a, to: c, only_ports: 22, family: 6}]",
    )
    .unwrap();
    let names: Vec<&str> = file.tests().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        ["internet → web (only 443, 53/udp, icmp)", "a → b (nothing)", "a → c (IPv6, only 22)"]
    );
    for wrong in ["0", "70000", "53/sctp", "{}", "~"] {
        let told = read(&format!("tests: [{{from: a, to: b, only_ports: [{wrong}]}}]"));
        assert!(told.is_err_and(|told| told.0[0].attribute == "only_ports"), "{wrong}");
    }
}

#[test]
fn a_reason_says_something_and_one_port_is_one_test() {
    for nothing in ["{}", "{code: ~}", "{x-why: 1}"] {
        let told = read(&format!("tests: [{{from: a, to: b, expect: denied, because: {nothing}}}]"));
        assert!(told.is_err_and(|told| told.0[0].problem == "it says nothing"), "{nothing}");
    }
    assert!(read("tests: [{to: b, only: [], because: {code: BAD_STATE}}]").is_ok());
    assert!(read("tests: [{to: b, only: [], because: {direction: return}}]").is_ok());
    assert!(read("tests: [{to: b, only: [], because: {code: SUBNET_ACL_RESTRICTION}}]").is_err());
    let ports = |protocol: &str| {
        let text = format!(
            "tests: [{{{protocol}matrix: {{to: [w], from: {{a: [443], b: ['443/tcp'], c: ['53/udp']}}}}}}]"
        );
        read(&text).unwrap().tests().count()
    };
    assert_eq!(ports(""), 6, "two ports of three rows");
    assert_eq!(ports("protocol: udp, "), 9, "443 is one of UDP");
}

/// The schema is written by hand: it has to know the keys that are read, and no others.
#[test]
fn the_published_schema_has_the_keys_that_are_read() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/schema/tests.schema.json")).unwrap();
    let keys = |place: &str| {
        let properties = schema.pointer(&format!("{place}/properties")).and_then(Value::as_object).unwrap();
        let keys: BTreeSet<&str> =
            properties.keys().map(String::as_str).filter(|key| *key != "$schema").collect();
        keys
    };
    for (place, read) in [
        ("", &FILE_KEYS[..]),
        ("/$defs/test", &entries::TEST_KEYS),
        ("/$defs/only", &entries::ONLY_KEYS),
        ("/$defs/only_ports", &entries::ONLY_PORTS_KEYS),
        ("/$defs/group", &entries::GROUP_KEYS),
        ("/$defs/matrix", &matrix::MATRIX_KEYS),
        ("/$defs/matrix/properties/matrix", &matrix::GRID_KEYS),
        ("/$defs/because", &reader::BECAUSE_KEYS),
    ] {
        assert_eq!(keys(place), read.iter().copied().collect(), "{place}");
    }
    let places = ["/$defs/change/then", "/$defs/change/else/then", "/$defs/change/else/else"];
    let changes: BTreeSet<&str> = places.into_iter().flat_map(keys).collect();
    assert_eq!(changes, when::CHANGE_KEYS.into_iter().collect());
}
