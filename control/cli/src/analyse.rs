//! What does analyse say?

use vpclab_api::{AnalyseRequest, By};
use vpclab_check::analyse as told;

use crate::args::{Analyse, AnalyseBy, Matrix};
use crate::ask;
use crate::load::Loaded;
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
