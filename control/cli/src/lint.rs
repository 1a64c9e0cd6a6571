//! What in this design is probably a mistake: of a file, or of the running lab?

use vpclab_api::ApiError;
use vpclab_check::lint;
use vpclab_model::Document;

use crate::args::Lint;
use crate::load;
use crate::output::{self, Answer, Failure};
use crate::running;

/// Looks for mistakes; yes if there are none, or notes only.
pub(crate) fn lint(args: &Lint) -> Result<Answer, Failure> {
    let (name, document, topology) = match args.file.as_ref().or(args.source.topology.as_ref()) {
        Some(path) => {
            let (name, document) = (path.display().to_string(), Document::from_path(path)?);
            let topology = load::topology(&name, &document)?;
            (name, document, topology)
        }
        None => {
            let lab = &args.source.lab.lab;
            let document = running::client(lab)?.topology().map_err(running::failed)?;
            (lab.clone(), document, running::topology(lab)?.topology)
        }
    };
    let report = lint::lint(&document, &topology).map_err(|mistakes| {
        let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        let message = format!("{name} has {} {noun} in what it accepts", mistakes.len());
        let mut error = ApiError::new("InvalidTopology", message);
        error.error.mistakes = mistakes;
        error
    })?;
    if args.format.json {
        output::json(&report)?;
    } else {
        output::text(&lint::render(&report))?;
    }
    Ok(if lint::is_clean(&report, args.strict) { Answer::Yes } else { Answer::No })
}
