//! Does every topology in `configs/` do what its tests say?
//!
//! Each file is loaded; its tests pass at the levels `explain` and `virtual`. A topology without tests is a failure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests they are the assertion")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vpclab_api::{ApiError, Expected, Level, TestResult};
use vpclab_check::{Because, Prober, TestFile, VirtualProber, run};
use vpclab_engine::Fabric;
use vpclab_model::{Document, Topology};

/// Topologies with their test files.
fn scenarios() -> Vec<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut topologies: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "json") && !path.to_string_lossy().contains(".tests.")
        })
        .collect();
    topologies.sort();
    topologies.into_iter().map(|path| (path.clone(), path.with_extension("tests.json"))).collect()
}

#[test]
fn every_topology_passes_its_tests_at_explain_and_virtual() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 2, "{scenarios:?}");
    for (path, tests) in scenarios {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let document = Document::from_path(&path).unwrap_or_else(|error| panic!("{error}"));
        let topology = Topology::from_document(&document, None).unwrap_or_else(|error| panic!("{error}"));
        let fabric = Fabric::compile(&topology, None);
        let file = TestFile::from_path(&tests).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(file.topology.as_deref().and_then(Path::file_name), path.file_name(), "{name}");
        for test in file.tests().filter(|test| test.expected == Expected::Denied) {
            // Denied for any reason at all is denied for the wrong one some day.
            assert_ne!(test.because, Because::default(), "{name}: \"{}\" says no reason", test.name);
        }
        for level in [Level::Explain, Level::Virtual] {
            let results = results(&document, &topology, &fabric, &file, level).unwrap();
            assert_eq!(results.len(), file.tests().count());
            for result in results {
                assert!(result.passed, "{result:#?}");
                assert_eq!(result.level, level);
            }
        }
    }
}

/// What decides about packets and stands in lists: each entry is taken out once.
const LISTS: [&str; 6] = ["routes", "ingress", "egress", "propagations", "associations", "route_tables"];

/// What decides about packets and stands alone: each is left to AWS's default once.
const ATTRIBUTES: [&str; 5] = [
    "appliance_mode_support",
    "assign_generated_ipv6_cidr_block",
    "network_acl",
    "route_table",
    "source_dest_check",
];

/// What can be taken out of a topology without its tests noticing, and why that is right: topology, place, reason.
const UNNOTICED: [(&str, &str, &str); 15] = [
    (
        "benchmark",
        "/network_acls/edge/ingress/0",
        "it denies a block where nobody is, and is there to be looked past",
    ),
    ("benchmark", "/security_groups/peers/ingress/1", "it allows a block where nobody is, likewise"),
    (
        "central-egress",
        "/security_groups/app/ingress/0",
        "what it lets in dies at the blackhole route before",
    ),
    (
        "central-egress",
        "/security_groups/dev/ingress/0",
        "what it lets in dies at the blackhole route before",
    ),
    ("inspection", "/security_groups/right/ingress/1", "what it lets in dies at the firewall before"),
    ("middlebox", "/security_groups/web/ingress/1", "what it lets in dies at the firewall before"),
    (
        "peering-triangle",
        "/route_tables/web~1main/routes/0",
        "the default route leads to the same connection",
    ),
    (
        "peering-triangle",
        "/route_tables/web~1main/routes/2",
        "the default route leads to the same connection",
    ),
    ("private-endpoints", "/subnets/batch/route_table", "the main table has the endpoint's route as well"),
    (
        "public-private-nat",
        "/route_tables/public/routes/1",
        "the network ACL stops IPv6 before, as a test says",
    ),
    ("quickstart", "/network_acls/database/ingress/3", "the last rule, `*`, denies the same"),
    ("quickstart", "/network_acls/database/egress/2", "the last rule, `*`, denies the same"),
    ("quickstart", "/network_acls/database/egress/3", "the last rule, `*`, denies the same"),
    ("quickstart", "/security_groups/web/ingress/1", "HTTP is for the reader's own first question"),
    ("quickstart", "/security_groups/db/ingress/1", "what it lets in dies at the network ACL before"),
];

/// Every document that lacks one of the things that decide, with the place of what it lacks.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    collect(document, "", &mut places);
    places
        .into_iter()
        .map(|(parent, key)| {
            let mut mutant = document.clone();
            let place = format!("{parent}/{key}");
            match mutant.pointer_mut(&parent).unwrap() {
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                Value::Object(object) => drop(object.remove(&key.replace("~1", "/"))),
                _ => panic!("{place} is in no list and no map"),
            }
            (place, mutant)
        })
        .collect()
}

/// The places of all that decides below `value`, which stands at `at`.
fn collect(value: &Value, at: &str, places: &mut Vec<(String, String)>) {
    let Value::Object(object) = value else { return };
    for (key, inner) in object {
        let escaped = key.replace('/', "~1");
        let here = format!("{at}/{escaped}");
        match inner {
            Value::Array(list) if LISTS.contains(&key.as_str()) => {
                places.extend((0..list.len()).map(|place| (here.clone(), place.to_string())));
            }
            Value::Object(_) => collect(inner, &here, places),
            _ if ATTRIBUTES.contains(&key.as_str()) => places.push((at.to_owned(), escaped)),
            _ => {}
        }
    }
}

/// What the tests of a file come to, each section on its own network.
fn results(
    document: &Document,
    topology: &Topology,
    fabric: &Fabric,
    file: &TestFile,
    level: Level,
) -> Result<Vec<TestResult>, ApiError> {
    let networks = file.check(document, topology, fabric)?;
    let mut results = Vec::new();
    for (section, changed) in file.sections.iter().zip(&networks) {
        let (topology, fabric) =
            changed.as_ref().map_or((topology, fabric), |changed| (&changed.topology, &changed.fabric));
        let mut guests = VirtualProber::new(topology);
        let prober: Option<&mut dyn Prober> = (level == Level::Virtual).then_some(&mut guests as _);
        results.extend(run(topology, fabric, "scenario", section, prober, |_| {}));
    }
    Ok(results)
}

/// Whether all tests pass at the level `explain`.
fn passes(document: &Document, topology: &Topology, file: &TestFile) -> bool {
    let fabric = Fabric::compile(topology, None);
    results(document, topology, &fabric, file, Level::Explain)
        .is_ok_and(|results| results.iter().all(|result| result.passed))
}

#[test]
fn whatever_is_taken_out_of_a_topology_one_of_its_tests_notices() {
    let mut unnoticed = Vec::new();
    let mut tried = 0;
    for (path, tests) in scenarios() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = TestFile::from_path(&tests).unwrap();
        let whole: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (place, mutant) in mutations(&whole) {
            tried += 1;
            let document = Document::from(mutant);
            // What is not even a topology any more is noticed before any test.
            if Topology::from_document(&document, None)
                .is_ok_and(|topology| passes(&document, &topology, &file))
            {
                unnoticed.push((name.clone(), place));
            }
        }
    }
    let allowed: Vec<(String, String)> =
        UNNOTICED.iter().map(|(name, place, _)| ((*name).to_owned(), (*place).to_owned())).collect();
    assert!(tried > 100, "{tried} things are too few to show anything");
    assert_eq!(unnoticed, allowed);
}

#[test]
fn a_way_round_a_firewall_is_noticed() {
    let round = [
        (
            "inspection",
            "/transit_gateway_route_tables/before/routes/0",
            json!({ "destination_cidr_block": "10.2.0.0/16", "attachment": "right" }),
        ),
        (
            "inspection",
            "/route_tables/to-firewall-a/routes/0",
            json!({ "cidr_block": "0.0.0.0/0", "transit_gateway": "hub" }),
        ),
        ("middlebox", "/route_tables/web/routes/0", json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw" })),
    ];
    for (name, place, instead) in round {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.json"));
        let file = TestFile::from_path(&path.with_extension("tests.json")).unwrap();
        let mut changed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        *changed.pointer_mut(place).unwrap() = instead;
        let document = Document::from(changed);
        let topology = Topology::from_document(&document, None).unwrap();
        assert!(!passes(&document, &topology, &file), "{name}: {place}");
    }
}
