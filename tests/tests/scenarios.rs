//! Does every topology in `configs/` do what its tests say?
//!
//! Each file is loaded; its tests pass at the levels `explain` and `virtual`. A topology without tests is a failure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests they are the assertion")]

use std::path::{Path, PathBuf};

use vpclab_api::Level;
use vpclab_check::{Prober, TestFile, VirtualProber, run};
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
        for level in [Level::Explain, Level::Virtual] {
            let mut guests = VirtualProber::new(&topology);
            let prober: Option<&mut dyn Prober> = (level == Level::Virtual).then_some(&mut guests as _);
            let results = run(&topology, &fabric, &name, &file.tests, prober, |_| {});
            assert_eq!(results.len(), file.tests.len());
            for result in results {
                assert!(result.passed, "{result:#?}");
                assert_eq!(result.level, level);
            }
        }
    }
}
