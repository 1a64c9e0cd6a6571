//! Do the tests pass?

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use vpclab_api::{ApiError, FileError, Level, TestReport, TestResult};
use vpclab_check::style::{BAD, paint};
use vpclab_check::{Changed, LiveProber, Prober, Section, TestFile, TestFileError, VirtualProber, report};
use vpclab_engine::Fabric;
use vpclab_model::Topology;

use crate::args::{DEFAULT_LAB, LAB_VARIABLE, STDOUT, Test, TestLevel};
use crate::load::{self, Loaded};
use crate::output::{self, Answer, Failure};
use crate::running;
use crate::running::altered::Altered;
use crate::running::ephemeral::{Ephemeral, Interruption};

/// A file of tests with its topology.
struct Suite {
    file: TestFile,
    loaded: Rc<Loaded>,
    /// The network of each section; none where that is the topology itself.
    networks: Vec<Option<Rc<Changed>>>,
    /// Where the topology was read; none where the running lab's own is meant.
    topology: Option<PathBuf>,
}

/// What a file at the level live came to.
struct Live {
    results: Vec<TestResult>,
    /// How its lab was left: who or what is left of it, if it was removed, and whether changes were put back.
    removed: Result<Vec<String>, Failure>,
}

/// Runs test files.
pub(crate) fn test(test: &Test) -> Result<Answer, Failure> {
    let level = match test.level {
        TestLevel::Explain => Level::Explain,
        TestLevel::Virtual => Level::Virtual,
        TestLevel::Live => Level::Live,
    };
    let shape = Shape::of(test)?;
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
    let has_own_labs = suites.iter().any(|suite| suite.topology.is_some());
    let changes_labs = suites.iter().any(|suite| suite.networks.iter().any(Option::is_some));
    let is_to_undo = level == Level::Live && (has_own_labs || changes_labs);
    let interruption = is_to_undo.then(Interruption::expect).transpose()?;
    let all = || suites.iter().flat_map(|suite| suite.file.tests());
    let width = all().map(|test| test.name.chars().count()).max().unwrap_or(0);
    let mut progress = Progress::new(all().count(), shape.is_for_people());
    let mut results = Vec::new();
    // What goes wrong beside the tests is told when the results are, and hides none of them.
    let mut trouble = None;
    let mut left = Vec::new();
    let mut not_done = Vec::new();
    for suite in &suites {
        let path = suite.file.path.display().to_string();
        if shape.is_for_people() && test.files.len() > 1 {
            trouble = trouble.or(output::text(&format!("{path}\n")).err());
        }
        let mut show = |result: &TestResult| {
            interruption.iter().for_each(Interruption::pass);
            progress.step(result);
            if shape.is_for_people() {
                trouble = trouble.take().or(output::text(&report::line(result, width)).err());
            }
        };
        if !wrong.is_empty() {
            let files: Vec<&str> = wrong.iter().map(|error| error.file.as_str()).collect();
            let reason = format!("nothing runs before every file is right: {}", files.join(", "));
            for section in &suite.file.sections {
                results.extend(vpclab_check::not_run(&path, section, level, &reason, &mut show));
            }
            continue;
        }
        results.extend(match level {
            Level::Explain => suite.run(&path, |_| Ok(None), &mut show),
            Level::Virtual => suite.virtually(&path, &mut show),
            Level::Live => match live(suite, &path, lab.as_deref(), interruption.as_ref(), &mut show) {
                Ok(Live { results, removed }) => {
                    match removed {
                        Ok(more) => left.extend(more),
                        Err(failure) => not_done.push(failure),
                    }
                    results
                }
                Err(failure) => {
                    let reason = failure.error.to_string();
                    let sections = suite.file.sections.iter();
                    let not_run = sections
                        .map(|section| vpclab_check::not_run(&path, section, level, &reason, &mut show));
                    not_run.flatten().collect()
                }
            },
        });
    }
    interruption.iter().for_each(Interruption::pass);
    progress.end();
    let summarised = TestReport { errors: wrong, ..vpclab_check::summarise(level, results) };
    let beside = [
        (test.junit.as_deref(), report::junit as fn(&TestReport) -> String),
        (shape.markdown_file(test), report::markdown),
    ];
    for (path, told) in beside {
        if let Some(path) = path
            && let Err(error) = fs::write(path, told(&summarised))
        {
            not_done.push(Failure::file(format!("{}: {error}", path.display())));
        }
    }
    if let Some(failure) = trouble {
        return Err(failure);
    }
    match shape {
        Shape::Json => output::json(&summarised)?,
        Shape::Tap => output::text(&report::tap(&summarised))?,
        Shape::Markdown => output::text(&report::markdown(&summarised))?,
        Shape::People | Shape::Github => {
            if !summarised.tests.is_empty() {
                output::text(&format!("{}{}", report::assumed(&summarised), report::summary(&summarised)))?;
            }
            if shape == Shape::Github {
                output::text(&report::github(&summarised, |file| fs::read_to_string(file).ok()))?;
            }
        }
    }
    output::aside(&output::warnings(&left));
    // The report is the one value that a pipe gets.
    let wrong = summarised.errors.iter().map(|wrong| ApiError { error: wrong.error.clone() });
    wrong.for_each(|error| output::failure(&error, false));
    not_done.iter().for_each(|failure| output::failure(&failure.error, false));
    Ok(match (report::not_run(&summarised), summarised.failed) {
        _ if !not_done.is_empty() || !summarised.errors.is_empty() => Answer::Unknown,
        // No test at all shows nothing.
        (0, 0) if summarised.tests.is_empty() => Answer::Unknown,
        (0, 0) => Answer::Yes,
        (0, _) => Answer::No,
        _ => Answer::Unknown,
    })
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    People,
    Github,
    Json,
    Tap,
    Markdown,
}

impl Shape {
    fn of(test: &Test) -> Result<Self, Failure> {
        let on_stdout = test.markdown.as_ref().is_some_and(|path| path.as_os_str() == STDOUT);
        let given = [
            (test.json, Self::Json),
            (test.tap, Self::Tap),
            (test.github, Self::Github),
            (on_stdout, Self::Markdown),
        ];
        let mut given = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, shape)| shape);
        match (given.next(), given.next()) {
            (None, _) => Ok(Self::People),
            (Some(shape), None) => Ok(shape),
            (Some(_), Some(_)) => Err(Failure::new(
                "InvalidParameterCombination",
                "standard output gets one report; give one of --tap, --json, --github and --markdown, or --markdown=FILE",
            )),
        }
    }

    fn is_for_people(self) -> bool {
        matches!(self, Self::People | Self::Github)
    }

    fn markdown_file(self, test: &Test) -> Option<&Path> {
        test.markdown.as_deref().filter(|_| self != Self::Markdown).filter(|path| path.as_os_str() != STDOUT)
    }
}

impl Suite {
    /// Each section with its network.
    fn sections(&self) -> impl Iterator<Item = (&Section, Option<&Rc<Changed>>)> {
        self.file.sections.iter().zip(self.networks.iter().map(Option::as_ref))
    }

    /// Runs every section; `prober` makes who witnesses for the tests of one, or says why nobody can.
    fn run<'p>(
        &self,
        path: &str,
        mut prober: impl FnMut(Option<&Rc<Changed>>) -> Result<Option<Box<dyn Prober + 'p>>, (Level, String)>,
        mut show: impl FnMut(&TestResult),
    ) -> Vec<TestResult> {
        let one = |(section, network): (&Section, Option<&Rc<Changed>>)| match prober(network) {
            Ok(mut prober) => {
                let (topology, fabric) = self.network(network);
                let prober = prober.as_mut().map(|prober| &mut **prober as &mut dyn Prober);
                vpclab_check::run(topology, fabric, path, section, prober, &mut show)
            }
            Err((level, reason)) => vpclab_check::not_run(path, section, level, &reason, &mut show),
        };
        self.sections().flat_map(one).collect()
    }

    fn network<'a>(&'a self, changed: Option<&'a Rc<Changed>>) -> (&'a Topology, &'a Fabric) {
        match changed {
            Some(changed) => (&changed.topology, &changed.fabric),
            None => (&self.loaded.topology, &self.loaded.fabric),
        }
    }

    fn virtually(&self, path: &str, show: impl FnMut(&TestResult)) -> Vec<TestResult> {
        let prober = |network: Option<&Rc<Changed>>| -> Result<Option<Box<dyn Prober>>, _> {
            Ok(Some(Box::new(VirtualProber::new(self.network(network).0))))
        };
        self.run(path, prober, show)
    }
}

/// Runs a file in the running lab, or in one made for it.
fn live(
    suite: &Suite,
    path: &str,
    lab: Option<&str>,
    interruption: Option<&Interruption>,
    show: impl FnMut(&TestResult),
) -> Result<Live, Failure> {
    let own = suite.topology.as_deref().zip(interruption);
    let ephemeral = own.map(|(topology, end)| Ephemeral::start(topology, end)).transpose()?;
    let lab = ephemeral.as_ref().map(Ephemeral::name).or(lab).unwrap_or(DEFAULT_LAB);
    let client = running::client(lab)?;
    let mut altered = Altered::new(lab, &client, &suite.loaded.document, interruption);
    // Without a lab no test runs, and the reason is told once.
    client.instances().map_err(running::failed)?;
    let client = &client;
    let prober = |network: Option<&Rc<Changed>>| -> Result<Option<Box<dyn Prober + '_>>, _> {
        let instances = altered
            .become_like(network.map(|network| &network.document))
            .and_then(|()| client.instances().map_err(running::failed));
        let instances = instances.map_err(|failure| (Level::Live, failure.error.to_string()))?;
        let counters = || client.counters().map_err(|error| error.to_string());
        Ok(Some(Box::new(LiveProber::new(&instances, Box::new(counters)))))
    };
    let results = suite.run(path, prober, show);
    // A lab of the tests' own is going; whatever it is like.
    let put_back = if ephemeral.is_none() { altered.become_like(None) } else { Ok(()) };
    let removed = ephemeral.map_or_else(|| Ok(Vec::new()), Ephemeral::stop);
    Ok(Live { results, removed: put_back.and(removed) })
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
            let is_named = topology.is_none();
            let topology = topology.or(file.topology.as_deref()).ok_or_else(|| {
                let path = path.display();
                Failure::new(
                    "MissingParameter",
                    format!("{path} names no topology; add `topology` to it, or give -t FILE"),
                )
            })?;
            let loaded = load::from_path(topology).map_err(|mut failure| {
                let told = &mut failure.error.error;
                if is_named && told.mistakes.is_empty() {
                    told.message =
                        format!("{}, which {} names as its `topology`", told.message, path.display());
                }
                failure
            });
            (Rc::new(loaded?), Some(topology.to_owned()))
        }
    };
    let networks = file.check(&loaded.document, &loaded.topology, &loaded.fabric)?;
    Ok(Suite { file, loaded, networks, topology })
}

/// Tells people at a terminal how far it is, while the answer goes elsewhere.
struct Progress {
    done: usize,
    all: usize,
    is_shown: bool,
}

impl Progress {
    /// Results that are told one by one at the same terminal are progress enough.
    fn new(all: usize, is_for_people: bool) -> Self {
        let is_told = is_for_people && std::io::stdout().is_terminal();
        Self { done: 0, all, is_shown: std::io::stderr().is_terminal() && !is_told }
    }

    fn step(&mut self, result: &TestResult) {
        self.done += 1;
        if !self.is_shown {
            return;
        }
        let Self { done, all, .. } = self;
        let clear = "\r\u{1b}[K";
        let mut out = anstream::stderr().lock();
        let _ = match (result.passed, result.outcome) {
            (true, _) => write!(out, "{clear}{done} of {all}  {}", result.name),
            (false, Some(_)) => writeln!(out, "{clear}{}  {}", paint(BAD, "failed"), result.name),
            (false, None) => writeln!(out, "{clear}{}  {}", paint(BAD, "not run"), result.name),
        };
    }

    fn end(&self) {
        if self.is_shown {
            let _ = write!(anstream::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
