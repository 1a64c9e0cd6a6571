//! What would change, and does the lab take it?

use serde_json::Value;
use vpclab_api::{Change, Replaced};
use vpclab_check::style::{BAD, FAINT, GOOD, UNSURE, columns, paint};
use vpclab_model::{Document, Topology};

use crate::args::Apply;
use crate::get::{KINDS, resources};
use crate::output::{self, Answer, Failure, mistakes};
use crate::running::{client, failed, topology};

/// Makes the running lab match a file.
pub(crate) fn apply(apply: &Apply) -> Result<Answer, Failure> {
    let document = Document::from_path(&apply.topology)?;
    let current = topology(&apply.lab.lab)?.topology;
    let wanted = Topology::from_document(&document, Some(&current))
        .map_err(|error| mistakes(&apply.topology.display().to_string(), &error))?;
    let client = client(&apply.lab.lab)?;
    let changes = changes(&current, &wanted);
    if !apply.format.json {
        output::text(&plan(&changes))?;
    }
    let replaced = if apply.dry_run {
        Replaced { generation: client.generation().map_err(failed)?.generation, changes }
    } else {
        client.put_topology(&document).map_err(failed)?
    };
    if apply.format.json {
        output::json(&replaced)?;
    } else if apply.dry_run {
        output::text(&format!("{}\n", paint(FAINT, "nothing was changed (--dry-run)")))?;
    } else {
        output::text(&format!("every packet now obeys generation {}\n", replaced.generation))?;
    }
    Ok(Answer::Yes)
}

/// What becomes different, by kind and name.
fn changes(current: &Topology, wanted: &Topology) -> Vec<Change> {
    let mut changes = Vec::new();
    for kind in KINDS {
        let (before, after) = (resources(current, kind), resources(wanted, kind));
        let change = |action: &str, name: &String| Change {
            action: action.to_owned(),
            kind: kind.plural.to_owned(),
            name: name.clone(),
        };
        let empty = serde_json::Map::new();
        let map = |value: &Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
        let (before, after) = (map(&before), map(&after));
        for (name, resource) in &after {
            match before.get(name) {
                None => changes.push(change("create", name)),
                Some(old) if old != resource => changes.push(change("update", name)),
                Some(_) => {}
            }
        }
        changes.extend(
            before.keys().filter(|name| !after.contains_key(*name)).map(|name| change("delete", name)),
        );
    }
    changes
}

fn plan(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| vec![change.action.clone(), format!("{}.{}", change.kind, change.name)])
        .collect();
    columns(&rows, "  ", |place, column, cell| match (column, changes[place].action.as_str()) {
        (0, "create") => paint(GOOD, cell),
        (0, "delete") => paint(BAD, cell),
        (0, _) => paint(UNSURE, cell),
        _ => cell.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use vpclab_model::Syntax;

    use super::*;

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
        let found: Vec<_> =
            changes(&before, &after).into_iter().map(|c| (c.action, c.kind, c.name)).collect();
        let expected = [("update", "b"), ("create", "c"), ("delete", "a")]
            .map(|(action, name)| (action.to_owned(), "subnets".to_owned(), name.to_owned()));
        assert_eq!(found, expected);
        assert!(changes(&after, &after).is_empty());
    }
}
