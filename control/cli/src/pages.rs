//! What do the shell and `man` know about the commands?

use std::fs;

use clap::CommandFactory;

use crate::args::{Cli, Completions, Man};
use crate::output::{self, Answer, Failure};

/// Prints the completions for a shell.
pub(crate) fn completions(completions: &Completions) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Cli::command(), "vpclab", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(Answer::Yes)
}

/// Writes `vpclab.1` and a page for each command.
pub(crate) fn man(man: &Man) -> Result<Answer, Failure> {
    let folder = man.folder.display();
    fs::create_dir_all(&man.folder).map_err(|error| Failure::file(format!("{folder}: {error}")))?;
    clap_mangen::generate_to(Cli::command(), &man.folder)
        .map_err(|error| Failure::file(format!("{folder}: {error}")))?;
    Ok(Answer::Yes)
}
