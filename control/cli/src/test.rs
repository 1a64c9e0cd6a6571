//! Do the tests pass?

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use vpclab_api::{ApiError, FileError, Level, TestReport, TestResult};
use vpclab_check::style::{BAD, paint};
use vpclab_check::{LiveProber, Prober, TestFile, TestFileError, VirtualProber, report};

use crate::args::{DEFAULT_LAB, LAB_VARIABLE, Test, TestLevel};
use crate::load::{self, Loaded};
use crate::output::{self, Answer, Failure};
use crate::running;
use crate::running::ephemeral::{Ephemeral, Interruption};

/// A file of tests with its topology.
struct Suite {
    file: TestFile,
    loaded: Rc<Loaded>,
    /// Where the topology was read; none where the running lab's own is meant.
    topology: Option<PathBuf>,
}

/// What a file at the level live came to.
struct Live {
    results: Vec<TestResult>,
    /// How its lab was removed: who or what is left of it.
    removed: Result<Vec<String>, Failure>,
}

/// Runs test files.
pub(crate) fn test(test: &Test) -> Result<Answer, Failure> {
    let level = match test.level {
        TestLevel::Explain => Level::Explain,
        TestLevel::Virtual => Level::Virtual,
        TestLevel::Live => Level::Live,
    };
    if test.lab.is_some() && level != Level::Live {
        let message = format!(
            "no running lab takes part at the level {}; give --level live, or leave --lab out",
            report::level_word(level)
        );
        return Err(Failure::new("InvalidParameterCombination", message));
    }
    let lab = test
        .lab
        .clone()
        .or_else(|| std::env::var(LAB_VARIABLE).ok().filter(|name| !name.is_empty() && level == Level::Live));
    let (suites, wrong) = suites(test, lab.as_deref())?;
    let has_own_labs = level == Level::Live && suites.iter().any(|suite| suite.topology.is_some());
    let interruption = has_own_labs.then(Interruption::expect).transpose()?;
    let widest =
        suites.iter().flat_map(|suite| &suite.file.tests).map(|test| test.name.chars().count()).max();
    let width = widest.unwrap_or(0);
    let is_for_people = !test.json && !test.tap;
    let mut results = Vec::new();
    // What goes wrong beside the tests is told when the results are, and hides none of them.
    let mut trouble = None;
    let mut left = Vec::new();
    let mut not_done = Vec::new();
    for suite in &suites {
        let path = suite.file.path.display().to_string();
        if is_for_people && test.files.len() > 1 {
            trouble = trouble.or(output::text(&format!("{path}\n")).err());
        }
        let mut show = |result: &TestResult| {
            interruption.iter().for_each(Interruption::pass);
            if is_for_people {
                trouble = trouble.take().or(output::text(&report::line(result, width)).err());
            } else if std::io::stderr().is_terminal() {
                progress(result);
            }
        };
        let Suite { file, loaded, .. } = suite;
        if !wrong.is_empty() {
            let files: Vec<&str> = wrong.iter().map(|error| error.file.as_str()).collect();
            let reason = format!("nothing runs before every file is right: {}", files.join(", "));
            results.extend(vpclab_check::not_run(&path, &file.tests, level, &reason, &mut show));
            continue;
        }
        let mut run = |prober: Option<&mut dyn Prober>| {
            vpclab_check::run(&loaded.topology, &loaded.fabric, &path, &file.tests, prober, &mut show)
        };
        results.extend(match level {
            Level::Explain => run(None),
            Level::Virtual => run(Some(&mut VirtualProber::new(&suite.loaded.topology))),
            Level::Live => match live(suite, lab.as_deref(), interruption.as_ref(), run) {
                Ok(Live { results, removed }) => {
                    match removed {
                        Ok(more) => left.extend(more),
                        Err(failure) => not_done.push(failure),
                    }
                    results
                }
                Err(failure) => {
                    vpclab_check::not_run(&path, &file.tests, level, &failure.error.to_string(), &mut show)
                }
            },
        });
    }
    interruption.iter().for_each(Interruption::pass);
    let summarised = TestReport { errors: wrong, ..vpclab_check::summarise(level, results) };
    if let Some(path) = &test.junit
        && let Err(error) = fs::write(path, report::junit(&summarised))
    {
        not_done.push(Failure::file(format!("{}: {error}", path.display())));
    }
    if let Some(failure) = trouble {
        return Err(failure);
    }
    if test.json {
        output::json(&summarised)?;
    } else if test.tap {
        output::text(&report::tap(&summarised))?;
    } else if !summarised.tests.is_empty() {
        output::text(&format!("{}{}", report::assumed(&summarised), report::summary(&summarised)))?;
    }
    output::aside(&output::warnings(&left));
    // The report is the one value that a pipe gets.
    let wrong = summarised.errors.iter().map(|wrong| ApiError { error: wrong.error.clone() });
    wrong.for_each(|error| output::failure(&error, false));
    not_done.iter().for_each(|failure| output::failure(&failure.error, false));
    Ok(match (report::not_run(&summarised), summarised.failed) {
        _ if !not_done.is_empty() || !summarised.errors.is_empty() => Answer::Unknown,
        (0, 0) => Answer::Yes,
        (0, _) => Answer::No,
        _ => Answer::Unknown,
    })
}

/// Runs a file in the running lab, or in one made for it.
fn live(
    suite: &Suite,
    lab: Option<&str>,
    interruption: Option<&Interruption>,
    run: impl FnOnce(Option<&mut dyn Prober>) -> Vec<TestResult>,
) -> Result<Live, Failure> {
    let own = suite.topology.as_deref().zip(interruption);
    let ephemeral = own.map(|(topology, end)| Ephemeral::start(topology, end)).transpose()?;
    let lab = ephemeral.as_ref().map(Ephemeral::name).or(lab).unwrap_or(DEFAULT_LAB);
    let client = running::client(lab)?;
    let instances = client.instances().map_err(running::failed)?;
    let counters = || client.counters().map_err(|error| error.to_string());
    let mut prober = LiveProber::new(&instances, Box::new(counters));
    let results = run(Some(&mut prober));
    drop(prober);
    let removed = ephemeral.map_or_else(|| Ok(Vec::new()), Ephemeral::stop);
    Ok(Live { results, removed })
}

/// Reads all files before anything runs: those that are right, and what is wrong with the others.
fn suites(test: &Test, running_lab: Option<&str>) -> Result<(Vec<Suite>, Vec<FileError>), Failure> {
    if running_lab.is_some() && test.topology.is_some() {
        let message = "a running lab has its own topology; give --lab or -t, not both";
        return Err(Failure::new("InvalidParameterCombination", message));
    }
    let running = running_lab.map(running::topology).transpose()?.map(Rc::new);
    let (mut suites, mut wrong) = (Vec::new(), Vec::new());
    for path in &test.files {
        match suite(path, test.topology.as_deref(), running.as_ref()) {
            Ok(suite) => suites.push(suite),
            Err(Failure { error: ApiError { error }, .. }) => {
                wrong.push(FileError { file: path.display().to_string(), error });
            }
        }
    }
    Ok((suites, wrong))
}

/// Reads a file, and what it is to be asked of.
fn suite(path: &Path, topology: Option<&Path>, running: Option<&Rc<Loaded>>) -> Result<Suite, Failure> {
    let file = TestFile::from_path(path).map_err(|error| match error {
        TestFileError::Document(error) => Failure::from(error),
        TestFileError::Mistakes(path, mistakes) => {
            output::mistakes_with_code("InvalidTestFile", &path.display().to_string(), &mistakes).into()
        }
    })?;
    let (loaded, topology) = match running {
        Some(running) => (Rc::clone(running), None),
        None => {
            let topology = topology.or(file.topology.as_deref()).ok_or_else(|| {
                let path = path.display();
                Failure::new(
                    "MissingParameter",
                    format!("{path} names no topology; add `topology` to it, or give -t FILE"),
                )
            })?;
            (Rc::new(load::from_path(topology)?), Some(topology.to_owned()))
        }
    };
    file.check(&loaded.topology, &loaded.fabric)?;
    Ok(Suite { file, loaded, topology })
}

/// Tells people at a terminal how far it is, while the answer goes elsewhere.
fn progress(result: &TestResult) {
    let word = match (result.passed, result.outcome) {
        (true, _) => "passed".to_owned(),
        (false, Some(_)) => paint(BAD, "failed"),
        (false, None) => paint(BAD, "not run"),
    };
    let _ = writeln!(anstream::stderr().lock(), "{word}  {}", result.name);
}
