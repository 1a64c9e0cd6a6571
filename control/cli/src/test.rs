//! Do the tests pass?

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use vpclab_api::{Level, TestResult};
use vpclab_check::style::{BAD, paint};
use vpclab_check::{LiveProber, Prober, TestFile, TestFileError, VirtualProber, report};

use crate::args::{DEFAULT_LAB, Test, TestLevel};
use crate::load::{self, Loaded};
use crate::output::{self, Answer, Failure};
use crate::running::{self, ephemeral::Ephemeral};

/// A file of tests with its topology.
struct Suite {
    file: TestFile,
    loaded: Loaded,
    /// Where the topology was read; none where the running lab's own is meant.
    topology: Option<PathBuf>,
}

/// Runs test files.
pub(crate) fn test(test: &Test) -> Result<Answer, Failure> {
    let suites = suites(test)?;
    let level = match test.level {
        TestLevel::Explain => Level::Explain,
        TestLevel::Virtual => Level::Virtual,
        TestLevel::Live => Level::Live,
    };
    let widest =
        suites.iter().flat_map(|suite| &suite.file.tests).map(|test| test.name.chars().count()).max();
    let width = widest.unwrap_or(0);
    let is_for_people = !test.json && !test.tap;
    let mut results = Vec::new();
    let mut broken = None;
    for suite in &suites {
        let path = suite.file.path.display().to_string();
        if is_for_people && suites.len() > 1 {
            output::text(&format!("{path}\n"))?;
        }
        let mut show = |result: &TestResult| {
            if is_for_people {
                broken = broken.take().or(output::text(&report::line(result, width)).err());
            } else if std::io::stderr().is_terminal() {
                progress(result);
            }
        };
        let mut run = |prober: Option<&mut dyn Prober>| {
            let Suite { file, loaded, .. } = suite;
            vpclab_check::run(&loaded.topology, &loaded.fabric, &path, &file.tests, prober, &mut show)
        };
        results.extend(match level {
            Level::Explain => run(None),
            Level::Virtual => run(Some(&mut VirtualProber::new(&suite.loaded.topology))),
            Level::Live => live(test, suite, run)?,
        });
    }
    if let Some(failure) = broken {
        return Err(failure);
    }
    let report = vpclab_check::summarise(level, results);
    if let Some(path) = &test.junit {
        fs::write(path, report::junit(&report))
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
    }
    if test.json {
        output::json(&report)?;
    } else if test.tap {
        output::text(&report::tap(&report))?;
    } else {
        output::text(&report::summary(&report))?;
    }
    Ok(if report.failed == 0 { Answer::Yes } else { Answer::No })
}

/// Runs a file in the running lab, or in one made for it.
fn live(
    test: &Test,
    suite: &Suite,
    run: impl FnOnce(Option<&mut dyn Prober>) -> Vec<TestResult>,
) -> Result<Vec<TestResult>, Failure> {
    let ephemeral = suite.topology.as_deref().map(Ephemeral::start).transpose()?;
    let lab = ephemeral.as_ref().map(Ephemeral::name).or(test.lab.as_deref()).unwrap_or(DEFAULT_LAB);
    let instances = running::client(lab)?.instances().map_err(running::failed)?;
    let mut prober =
        LiveProber::new(&instances).map_err(|message| Failure::new("IncorrectState", message))?;
    let results = run(Some(&mut prober));
    drop(prober);
    if let Some(ephemeral) = ephemeral {
        ephemeral.stop()?;
    }
    Ok(results)
}

/// Reads all files before anything runs.
fn suites(test: &Test) -> Result<Vec<Suite>, Failure> {
    let running_lab = test.lab.as_deref().filter(|_| test.level == TestLevel::Live);
    if running_lab.is_some() && test.topology.is_some() {
        let message = "a running lab has its own topology; give --lab or -t, not both";
        return Err(Failure::new("InvalidParameterCombination", message));
    }
    let read = |path: &PathBuf| {
        let file = TestFile::from_path(path).map_err(|error| match error {
            TestFileError::Document(error) => Failure::from(error),
            TestFileError::Mistakes(path, mistakes) => {
                output::mistakes(&path.display().to_string(), &mistakes).into()
            }
        })?;
        if let Some(lab) = running_lab {
            return Ok(Suite { file, loaded: running::topology(lab)?, topology: None });
        }
        let topology = test.topology.clone().or_else(|| file.topology.clone()).ok_or_else(|| {
            let path = path.display();
            Failure::new(
                "MissingParameter",
                format!("{path} names no topology; add `topology` to it, or give -t FILE"),
            )
        })?;
        Ok(Suite { file, loaded: load::from_path(&topology)?, topology: Some(topology) })
    };
    test.files.iter().map(read).collect()
}

/// Tells people at a terminal how far it is, while the answer goes elsewhere.
fn progress(result: &TestResult) {
    let word = if result.passed { "passed".to_owned() } else { paint(BAD, "failed") };
    let _ = writeln!(anstream::stderr().lock(), "{word}  {}", result.name);
}
