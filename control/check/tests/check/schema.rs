//! Does the published schema of test files say what is read?

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vpclab_check::TestFile;
use vpclab_model::{Document, Syntax};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema() -> Value {
    let text = std::fs::read_to_string(root().join("docs/schema/tests.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn wrong(schema: &jsonschema::Validator, file: &Value) -> Vec<String> {
    schema.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

/// The files of a folder whose names end so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

#[test]
fn the_schema_takes_every_file_of_tests_that_is_read() {
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let mut paths = files("configs", ".tests.json");
    paths.extend(files("control/cli/tests/files", ".tests.yaml"));
    paths.extend(files("examples", ".tests.yaml"));
    let mut taken = 0;
    for path in paths {
        let document = Document::from_path(&path).unwrap();
        let is_read = TestFile::from_document(&path, &document).is_ok();
        let wrong = wrong(&schema, document.as_value());
        if is_read {
            assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
            taken += 1;
        }
    }
    assert!(taken > 15, "{taken} files are too few to show anything");
}

#[test]
fn the_schema_takes_the_examples_of_the_manual() {
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let text = std::fs::read_to_string(root().join("docs/tests.md")).unwrap();
    let mut taken = 0;
    for (syntax, fence) in [(Syntax::Json, "```json\n"), (Syntax::Yaml, "```yaml\n")] {
        for block in text.split(fence).skip(1) {
            let example = block.split("\n```").next().unwrap();
            let document =
                Document::parse(example, syntax).unwrap_or_else(|error| panic!("{example}\n{error}"));
            if document.as_value().get("tests").is_none() {
                continue;
            }
            let wrong = wrong(&schema, document.as_value());
            assert!(wrong.is_empty(), "{example}\n{wrong:#?}");
            TestFile::from_document(Path::new("a.json"), &document)
                .unwrap_or_else(|error| panic!("{example}\n{error}"));
            taken += 1;
        }
    }
    assert!(taken >= 4, "{taken}");
}

#[test]
fn the_schema_refuses_what_is_not_read() {
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let test = |more: Value| {
        let mut test = json!({ "from": "a", "to": "b:1", "expect": "allowed" });
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "tests": [test] })
    };
    assert_eq!(wrong(&schema, &test(json!({ "x-why": 1 }))), [""; 0]);
    for file in [
        json!({}),
        json!({ "tests": [] }),
        json!({ "tests": [{ "from": "a", "to": "b" }] }),
        json!({ "tests": [{ "to": "b", "only": [7] }] }),
        json!({ "tests": [{ "matrix": { "to": ["b"] } }] }),
        json!({ "tests": [{ "matrix": { "to": ["b"], "from": { "a": ["maybe"] } } }] }),
        json!({ "tests": [{ "when": { "down": "x" }, "tests": [] }] }),
        test(json!({ "expect": "maybe" })),
        test(json!({ "frm": "a" })),
        test(json!({ "port": 70_000 })),
        test(json!({ "family": 5 })),
        test(json!({ "because": {} })),
        test(json!({ "because": { "cod": "x" } })),
        test(json!({ "both_directions": 1 })),
        test(json!({ "when": [] })),
        test(json!({ "when": { "dwon": "x" } })),
        test(json!({ "when": { "down": "x", "remove": "y" } })),
    ] {
        assert!(!wrong(&schema, &file).is_empty(), "the schema takes {file}");
        assert!(
            TestFile::from_document(Path::new("a.json"), &Document::from(file.clone())).is_err(),
            "{file} is read"
        );
    }
}
