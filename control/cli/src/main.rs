//! The command `vpclab`: what does the user want, and who answers it?
//!
//! Words in, words out. Every answer comes from another crate; here are the options, the choice between a file and the
//! running lab, and the exit status.

mod analyse;
mod args;
mod ask;
mod diff;
mod get;
mod import;
mod lint;
mod load;
mod output;
mod pages;
mod running;
mod test;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use vpclab_api::ApiError;

use crate::args::{Cli, Command};
use crate::output::{Answer, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if !asked_for && std::env::args_os().any(|argument| argument == "--json") {
                let message = error.render().to_string();
                output::failure(&ApiError::new("InvalidParameterCombination", message.trim_end()), true);
            } else {
                // Help's reader may go away too.
                let _ = error.print();
            }
            return ExitCode::from(if asked_for { 0 } else { 2 });
        }
    };
    let as_json = wants_json(&cli.command);
    ExitCode::from(match run(cli.command) {
        Ok(answer) => answer.status(),
        Err(Failure { error, status }) => {
            output::failure(&error, as_json);
            status
        }
    })
}

fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Up(up) => running::up::up(&up),
        Command::Down(down) => running::up::down(&down),
        Command::Apply(apply) => running::apply::apply(&apply),
        Command::Get(get) => get::get(&get),
        Command::Exec(exec) => running::guest::exec(&exec),
        Command::Attach(attach) => running::guest::attach(&attach),
        Command::Detach(detach) => running::guest::detach(&detach),
        Command::Explain(explain) => ask::explain(&explain),
        Command::Analyse(analyse) => analyse::analyse(&analyse),
        Command::Diff(diff) => diff::diff(&diff),
        Command::Test(test) => test::test(&test),
        Command::Lint(lint) => lint::lint(&lint),
        Command::Map(map) => ask::map(&map),
        Command::Import(import) => import::import(&import),
        Command::Counters(counters) => get::counters(&counters.lab, counters.format),
        Command::Completions(completions) => pages::completions(&completions),
        Command::Man(man) => pages::man(&man),
    }
}

fn wants_json(command: &Command) -> bool {
    match command {
        Command::Up(up) => up.format.json,
        Command::Down(down) => down.format.json,
        Command::Apply(apply) => apply.format.json,
        Command::Get(get) => get.format.json,
        Command::Attach(attach) => attach.format.json,
        Command::Detach(detach) => detach.format.json,
        Command::Explain(explain) => explain.format.json,
        Command::Analyse(analyse) => analyse.output.json,
        Command::Diff(diff) => diff.output.json,
        Command::Test(test) => test.json,
        Command::Lint(lint) => lint.format.json,
        Command::Map(map) => map.json,
        Command::Import(import) => import.json,
        Command::Counters(counters) => counters.format.json,
        Command::Exec(_) | Command::Completions(_) | Command::Man(_) => false,
    }
}
