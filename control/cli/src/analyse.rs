//! What do analyse and diff say?

use vpclab_api::{AnalyseRequest, By};
use vpclab_check::{analyse as told, diff as changes};

use crate::args::{Analyse, AnalyseBy, Diff, Matrix, Review};
use crate::ask;
use crate::load::{self, Loaded};
use crate::output::{self, Answer, Failure};

/// Says who reaches whom.
pub(crate) fn analyse(analyse: &Analyse) -> Result<Answer, Failure> {
    let request = AnalyseRequest {
        from: analyse.from.clone(),
        to: analyse.to.clone(),
        by: match analyse.by {
            AnalyseBy::Instance => By::Instance,
            AnalyseBy::Subnet => By::Subnet,
            AnalyseBy::Group => By::Group,
        },
        family: analyse.family,
    };
    let Loaded { topology, fabric, .. } = ask::topology(&analyse.source)?;
    let analysis = vpclab_check::analyse(&fabric, &topology, &request)?;
    match analyse.output {
        Matrix { json: true, .. } => output::json(&analysis)?,
        Matrix { csv: true, .. } => output::text(&told::csv(&analysis))?,
        Matrix { markdown: true, .. } => output::text(&told::markdown(&analysis))?,
        Matrix { dot: true, .. } => output::text(&told::dot(&analysis))?,
        _ => output::text(&told::table(&analysis))?,
    }
    Ok(Answer::Yes)
}

/// Says what changes in connectivity.
pub(crate) fn diff(diff: &Diff) -> Result<Answer, Failure> {
    let (old, new) = (load::from_path(&diff.old)?, load::from_path(&diff.new)?);
    let told = vpclab_check::diff(&old.topology, &new.topology);
    match diff.output {
        Review { json: true, .. } => output::json(&told)?,
        Review { markdown: true, .. } => output::text(&changes::markdown(&told))?,
        Review { .. } => output::text(&changes::text(&told))?,
    }
    Ok(if told.changes.is_empty() { Answer::Yes } else { Answer::No })
}
