//! What do explain and map say: about a file, or about the running lab?

use vpclab_api::{ExplainRequest, Explained};
use vpclab_check::{Lines, render};

use crate::args::{Explain, Map, Source};
use crate::load::{self, Loaded};
use crate::output::{self, Answer, Failure};
use crate::running;

/// Answers a reachability question.
pub(crate) fn explain(explain: &Explain) -> Result<Answer, Failure> {
    let request = ExplainRequest {
        from: explain.from.clone(),
        to: explain.to.clone(),
        port: explain.port,
        protocol: explain.protocol.clone(),
        source_port: explain.source_port,
        family: explain.family,
    };
    let explained = match &explain.source.topology {
        Some(path) => {
            let Loaded { document, topology, fabric } = load::from_path(path)?;
            let mut explained = vpclab_check::explain(&fabric, &topology, &request)?;
            if is_denied(&explained) {
                // What could be read once can be read for its lines.
                let text = std::fs::read_to_string(path).unwrap_or_default();
                Lines::of(&text, document.as_value()).annotate(&mut explained);
            }
            explained
        }
        None => running::client(&explain.source.lab.lab)?.explain(&request).map_err(running::failed)?,
    };
    if explain.format.json {
        output::json(&explained)?;
    } else {
        output::text(&render::explained(&explained))?;
    }
    Ok(Answer::of(match &explained {
        Explained::One(one) => one.reachable,
        Explained::Many(many) => many.reachable,
    }))
}

/// Whether something denies, of which it can be told where it stands.
fn is_denied(explained: &Explained) -> bool {
    match explained {
        Explained::One(one) => !one.blockers.is_empty(),
        Explained::Many(many) => many.answers.iter().any(|one| !one.blockers.is_empty()),
    }
}

/// Draws the network.
pub(crate) fn map(map: &Map) -> Result<Answer, Failure> {
    let loaded = topology(&map.source)?;
    if map.json {
        output::json(&loaded.topology)?;
    } else {
        output::text(&vpclab_check::map(&loaded.topology))?;
    }
    Ok(Answer::Yes)
}

/// The topology of a file, or of the running lab.
pub(crate) fn topology(source: &Source) -> Result<Loaded, Failure> {
    match &source.topology {
        Some(path) => load::from_path(path),
        None => running::topology(&source.lab.lab),
    }
}
