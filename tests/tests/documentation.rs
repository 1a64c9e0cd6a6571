//! Does the documentation say what is so?
//!
//! Every example is read by the reader that reads topologies, and every attribute that the reader knows is in the guide.
//! What it knows it tells by itself: given an attribute that nobody has, it answers with all those that there are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests they are the assertion")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vpclab_check::{TestFile, run};
use vpclab_engine::Fabric;
use vpclab_model::{Document, Mistakes, NotModelledKind, Syntax, Topology};
use vpclab_tests::harness::topology;

const GUIDE: &str = include_str!("../../docs/topology.md");
const README: &str = include_str!("../../README.md");

/// An attribute that no resource has, and that resembles none.
const NOBODYS: &str = "qqqqqqqqqqqq";

/// A block of code in a page.
struct Example<'a> {
    /// What stands behind the fence.
    info: &'a str,
    text: String,
}

fn examples(page: &str) -> Vec<Example<'_>> {
    let mut all: Vec<Example<'_>> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) if open => {
                assert_eq!(info, "", "a block of code has no end before this: {line}");
                open = false;
            }
            Some(info) => {
                all.push(Example { info, text: String::new() });
                open = true;
            }
            None if open => {
                assert!(!line.starts_with('#') || !all.last().unwrap().info.starts_with("json"), "{line}");
                all.last_mut().unwrap().text.extend([line, "\n"]);
            }
            None => {}
        }
    }
    assert!(!open, "a block of code has no end");
    all
}

fn parse(example: &Example<'_>) -> Document {
    let syntax = if example.info.starts_with("yaml") { Syntax::Yaml } else { Syntax::Json };
    Document::parse(&example.text, syntax).unwrap_or_else(|error| panic!("{error}\n{}", example.text))
}

fn read(example: &Example<'_>) -> Result<Topology, Mistakes> {
    Topology::from_document(&parse(example), None)
}

#[test]
fn every_topology_of_the_guide_is_a_right_one() {
    let examples = examples(GUIDE);
    let topologies = examples.iter().filter(|example| ["json", "yaml"].contains(&example.info));
    let mut count = 0;
    for example in topologies {
        read(example).unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", example.text));
        count += 1;
    }
    assert!(count >= 10, "{count} examples");
}

#[test]
fn the_guides_example_of_mistakes_is_told_as_it_says() {
    let examples = examples(GUIDE);
    let at = examples.iter().position(|example| example.info == "json mistakes").unwrap();
    let mistakes = read(&examples[at]).unwrap_err();
    let count = mistakes.0.len();
    let expected = format!("{mistakes}\nerror: shop.json has {count} mistakes (InvalidTopology)\n");
    assert_eq!(examples[at + 1].text, expected);
}

#[test]
fn the_readmes_topology_passes_the_readmes_tests() {
    let examples = examples(README);
    let [shop, tests] =
        examples.iter().filter(|example| example.info == "json").collect::<Vec<_>>().try_into().ok().unwrap();
    let topology = read(shop).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let file = TestFile::from_document(Path::new("shop.tests.json"), &parse(tests)).unwrap();
    assert_eq!(file.topology.as_deref().and_then(Path::file_name), Some("shop.json".as_ref()));
    let short = examples.iter().find(|example| example.info == "yaml").unwrap();
    let short = TestFile::from_document(Path::new("short.tests.yaml"), &parse(short)).unwrap();
    let fabric = Fabric::compile(&topology, None);
    for (file, count) in [(file, 3), (short, 9)] {
        let networks = file.check(&parse(shop), &topology, &fabric).unwrap();
        let mut results = Vec::new();
        for (section, changed) in file.sections.iter().zip(&networks) {
            let own = (&topology, &fabric);
            let (topology, fabric) =
                changed.as_ref().map_or(own, |changed| (&changed.topology, &changed.fabric));
            results.extend(run(topology, fabric, "shop.tests", section, None, |_| {}));
        }
        assert_eq!(results.len(), count);
        for result in results {
            assert!(result.passed, "{result:#?}");
        }
    }
}

/// The attributes that the reader knows wherever `document` has [`NOBODYS`], under its own spelling; no labels.
fn known(document: &Value) -> BTreeSet<String> {
    let mistakes = topology(document, None).unwrap_err();
    let told = mistakes.0.iter().filter(|mistake| mistake.attribute.ends_with(NOBODYS));
    let names = told.flat_map(|mistake| {
        let words = mistake.remedy.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    });
    names.filter(|name| !["tags", "not_modelled"].contains(&name.as_str())).collect()
}

/// Whether the reader takes `name` as an attribute where `document` has [`NOBODYS`].
fn knows(document: &Value, name: &str) -> bool {
    let text = document.to_string().replace(NOBODYS, name);
    let written: Value = serde_json::from_str(&text).unwrap();
    let mistakes = topology(&written, None).err().map(|mistakes| mistakes.0).unwrap_or_default();
    let unknown = |attribute: &str| attribute.rsplit('.').next() == Some(name);
    !mistakes.iter().any(|mistake| mistake.code == "UnknownParameter" && unknown(&mistake.attribute))
}

/// The keys of the kinds of resources.
fn kinds() -> BTreeSet<String> {
    let mut keys = known(&json!({ NOBODYS: null }));
    for key in ["region", "settings", "quotas"] {
        assert!(keys.remove(key), "{key}");
    }
    keys
}

/// The part of the guide below this heading, without what other headings of the same rank or a higher one begin.
fn section(heading: &str) -> &'static str {
    let start = format!("\n## {heading}\n");
    let at = GUIDE.find(&start).unwrap_or_else(|| panic!("docs/topology.md has no section `## {heading}`"));
    let rest = &GUIDE[at + start.len()..];
    rest.split("\n## ").next().unwrap()
}

/// The names in the columns of a section's tables that give names of attributes.
fn names(section: &str) -> BTreeSet<String> {
    let mut columns: Vec<bool> = Vec::new();
    let mut names = BTreeSet::new();
    for line in section.lines() {
        let Some(row) = line.strip_prefix('|') else {
            columns.clear();
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if columns.is_empty() {
            let gives_names =
                |cell: &&str| -> bool { cell.starts_with("attribute") || ["setting", "also"].contains(cell) };
            columns = cells.iter().map(gives_names).collect();
            continue;
        }
        for (cell, _) in cells.iter().zip(&columns).filter(|(_, is_name)| **is_name) {
            names.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names
}

/// What is in a kind's resource or in the settings, and has attributes of its own: where [`NOBODYS`] stands.
fn inside(kind: &str) -> Vec<Value> {
    let nobody = json!({ NOBODYS: null });
    let lists: &[&str] = match kind {
        "route_tables" | "transit_gateway_route_tables" | "customer_networks" => &["routes"],
        "managed_prefix_lists" => &["entries"],
        "network_acls" | "security_groups" => &["ingress", "egress"],
        "instances" => &["network_interfaces"],
        "vpc_endpoints" => &["subnet_configuration"],
        "vpn_connections" | "dx_private_virtual_interfaces" | "dx_transit_virtual_interfaces" => {
            &["bgp_routes"]
        }
        _ => &[],
    };
    let maps: &[&str] = match kind {
        "network_interfaces" => &["attachment", "connection_tracking"],
        "instances" => &["connection_tracking"],
        _ => &[],
    };
    let lists = lists.iter().map(|list| json!({ kind: { "x": { *list: [nobody] } } }));
    lists.chain(maps.iter().map(|map| json!({ kind: { "x": { *map: nobody } } }))).collect()
}

#[test]
fn the_guide_lists_every_kind_of_resource() {
    let top = section("The top level");
    for kind in kinds() {
        let place = match NotModelledKind::of(&kind) {
            Some(_) => section("What is stored and not modelled"),
            None => top,
        };
        assert!(place.contains(&format!("`{kind}`")), "docs/topology.md lists no `{kind}`");
    }
}

#[test]
fn the_guide_has_every_attribute_and_none_that_is_not() {
    for kind in kinds().iter().filter(|kind| NotModelledKind::of(kind).is_none()) {
        let mut told = names(section(kind));
        // Attributes that another kind's section has for both.
        let shared: &[&str] = match kind.as_str() {
            "instances" => &["network_interfaces"],
            "dx_private_virtual_interfaces" | "dx_transit_virtual_interfaces" => &["vpn_connections"],
            _ => &[],
        };
        let places = inside(kind);
        let places: Vec<Value> =
            places.into_iter().chain([json!({ kind.as_str(): { "x": { NOBODYS: null } } })]).collect();
        for name in &told {
            assert!(places.iter().any(|place| knows(place, name)), "{kind} have no attribute `{name}`");
        }
        told.extend(shared.iter().flat_map(|other| names(section(other))));
        for name in places.iter().flat_map(known) {
            assert!(told.contains(&name), "docs/topology.md does not say that {kind} have `{name}`");
        }
    }
}

#[test]
fn the_guide_has_every_setting_and_none_that_is_not() {
    let place = json!({ "settings": { NOBODYS: null } });
    assert_eq!(names(section("Settings")), known(&place));
}
