//! What would change, and does the lab take it?
//!
//! What changes is what the lab says; with `--dry-run` what it would say. Here is only how they differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use vpclab_api::{Applied, Change, Replaced};
use vpclab_check::style::{BAD, FAINT, GOOD, UNSURE, columns, paint};
use vpclab_daemon::changes;
use vpclab_model::{Document, Topology};

use crate::args::Apply;
use crate::get::{all_kinds, resources};
use crate::output::{self, Answer, Failure, mistakes};
use crate::running::difference::{self, brief};
use crate::running::{client, failed, topology};

/// A change, and what is different: nothing for what comes or goes as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Detailed {
    change: Change,
    differences: Vec<String>,
}

/// Makes the running lab match a file.
pub(crate) fn apply(apply: &Apply) -> Result<Answer, Failure> {
    let document = Document::from_path(&apply.topology)?;
    let current = topology(&apply.lab.lab)?.topology;
    let wanted = Topology::from_document(&document, Some(&current))
        .map_err(|error| mistakes(&apply.topology.display().to_string(), &error))?;
    let client = client(&apply.lab.lab)?;
    let applied = if apply.dry_run {
        let generation = client.generation().map_err(failed)?.generation;
        Applied {
            replaced: Replaced { generation, changes: changes(&current, &wanted) },
            warnings: client.foretell(&wanted).map_err(failed)?,
        }
    } else {
        client.apply(&document).map_err(failed)?
    };
    if apply.format.json {
        output::json(&applied)?;
        return Ok(Answer::Yes);
    }
    let Applied { replaced: Replaced { generation, changes }, warnings } = applied;
    output::text(&told(&detailed(changes, &current, &wanted)))?;
    let warnings = output::warnings(&warnings);
    if apply.dry_run {
        output::text(&format!("{warnings}{}\n", paint(FAINT, "nothing was changed (--dry-run)")))?;
    } else {
        output::text(&format!("{warnings}every packet now obeys generation {generation}\n"))?;
    }
    Ok(Answer::Yes)
}

/// What differs in each change. Which changes there are the lab says: another may have changed it since it was asked.
fn detailed(changes: Vec<Change>, current: &Topology, wanted: &Topology) -> Vec<Detailed> {
    let mut versions = BTreeMap::new();
    let became = |before: &str, after: &str| vec![format!("{before} → {after}")];
    let detail = |change: Change| {
        let kind = change.kind.as_str();
        let (before, after) =
            versions.entry(kind.to_owned()).or_insert_with(|| (things(current, kind), things(wanted, kind)));
        let differences = match (before.get(&change.name), after.get(&change.name)) {
            _ if kind == Change::REGION && current.region != wanted.region => {
                became(&current.region, &wanted.region)
            }
            (Some(before), Some(after)) if before == after => Vec::new(),
            (Some(before), Some(after)) if kind == Change::SETTINGS => became(&brief(before), &brief(after)),
            (Some(before), Some(after)) => {
                difference::between((current, before), (wanted, after), kind, &change.name)
            }
            _ => Vec::new(),
        };
        Detailed { change, differences }
    };
    changes.into_iter().map(detail).collect()
}

/// The settings or the resources of a kind, by name. The region is one thing.
fn things(topology: &Topology, kind: &str) -> Map<String, Value> {
    let found = all_kinds().find(|known| known.plural == kind);
    object(match (kind, found) {
        (_, Some(found)) => Some(resources(topology, &found)),
        (Change::SETTINGS, None) => serde_json::to_value(topology.settings).ok(),
        _ => None,
    })
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

fn told(changes: &[Detailed]) -> String {
    if changes.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let mut rows = Vec::new();
    let mut actions = Vec::new();
    for Detailed { change, differences } in changes {
        let name = match change.kind.as_str() {
            Change::REGION => Change::REGION.to_owned(),
            kind => format!("{kind}.{}", change.name),
        };
        let first = differences.first().cloned().unwrap_or_default();
        rows.push(vec![change.action.clone(), name, first]);
        rows.extend(differences.iter().skip(1).map(|more| vec![String::new(), String::new(), more.clone()]));
        actions.resize(rows.len(), change.action.as_str());
    }
    columns(&rows, "  ", |place, column, cell| match (column, actions[place]) {
        (0, "create") => paint(GOOD, cell),
        (0, "delete") => paint(BAD, cell),
        (0, _) => paint(UNSURE, cell),
        (2, _) => paint(FAINT, cell),
        _ => cell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use vpclab_model::Syntax;

    use super::*;

    fn plan(current: &Topology, wanted: &Topology) -> Vec<Detailed> {
        detailed(changes(current, wanted), current, wanted)
    }

    fn topology(text: &str) -> Topology {
        Topology::from_document(&Document::parse(text, Syntax::Yaml).unwrap(), None).unwrap()
    }

    #[test]
    fn the_plan_names_what_comes_changes_and_goes() {
        let base = "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n";
        let before = topology(&format!(
            "{base}subnets: {{a: {{vpc: v, cidr_block: 10.0.0.0/24}}, b: {{vpc: v, cidr_block: 10.0.1.0/24}}}}"
        ));
        let after = topology(&format!(
            "{base}subnets: {{b: {{vpc: v, cidr_block: 10.0.2.0/24}}, c: {{vpc: v, cidr_block: 10.0.3.0/24}}}}"
        ));
        let planned = plan(&before, &after);
        let found: Vec<_> = planned
            .iter()
            .map(|p| (p.change.action.as_str(), p.change.kind.as_str(), p.change.name.as_str()))
            .collect();
        assert_eq!(
            found,
            [("delete", "subnets", "a"), ("update", "subnets", "b"), ("create", "subnets", "c")]
        );
        assert_eq!(planned[1].differences, ["cidr_block: 10.0.1.0/24 → 10.0.2.0/24"]);
        assert!(plan(&after, &after).is_empty());
        assert_eq!(told(&[]), "nothing to change\n");
    }

    #[test]
    fn the_region_and_the_settings_are_part_of_the_plan() {
        let before = topology("region: us-east-1");
        let after = topology("region: eu-west-1\nsettings: {icmp_timeout: 45}");
        let planned = plan(&before, &after);
        let found: Vec<_> = planned
            .iter()
            .map(|p| (p.change.kind.as_str(), p.change.name.as_str(), &p.differences[0]))
            .collect();
        assert_eq!(
            found,
            [
                ("region", "eu-west-1", &"us-east-1 → eu-west-1".to_owned()),
                ("settings", "icmp_timeout", &"30 → 45".to_owned())
            ]
        );
        let same = detailed(changes(&before, &after), &after, &after);
        assert!(
            same.len() == 2 && same.iter().all(|detailed| detailed.differences.is_empty()),
            "what another has changed meanwhile is told, and not how: {same:?}"
        );
        let text = told(&planned);
        assert!(text.contains("settings.icmp_timeout") && text.contains("30 → 45"), "{text}");
    }
}
