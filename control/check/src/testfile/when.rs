//! What happens to the network before a test is asked?

use std::path::Path;

use serde_json::{Map, Value};

use super::reader::{Reader, describe};
use super::{Change, Event};

/// The keys of a change; one of them is given.
pub(super) const CHANGE_KEYS: [&str; 3] = ["down", "apply", "remove"];

/// The changes under `when`: one, or a list of them in order.
pub(super) fn read(reader: &mut Reader<'_, '_>, folder: &Path) -> Vec<Change> {
    let one;
    let (list, is_list) = match reader.given("when") {
        None => return Vec::new(),
        Some(Value::Array(list)) => (list.as_slice(), true),
        Some(other) => {
            one = [other.clone()];
            (one.as_slice(), false)
        }
    };
    if list.is_empty() {
        reader.mistake("when", "nothing happens", "give at least one: [ { \"down\": ... } ]");
    }
    let mut changes = Vec::new();
    for (place, change) in list.iter().enumerate() {
        let at = if is_list { format!("{}.when[{place}]", reader.at) } else { format!("{}.when", reader.at) };
        let nothing = Map::new();
        let object = change.as_object().unwrap_or(&nothing);
        let mut reader = Reader { log: reader.log, at, object };
        if !change.is_object() {
            let problem = format!("{} is not a map", describe(change));
            reader.mistake("", problem, "give a map such as { \"down\": \"nat-a\" }");
            continue;
        }
        reader.check_keys(&CHANGE_KEYS, "a change");
        let given: Vec<&str> = CHANGE_KEYS.into_iter().filter(|key| reader.given(key).is_some()).collect();
        let event = match given.as_slice() {
            ["down"] => reader.text("down").map(Event::Down),
            ["remove"] => reader.text("remove").map(Event::Remove),
            ["apply"] => match reader.given("apply") {
                Some(Value::Object(patch)) => Some(Event::Apply(patch.clone())),
                _ => reader.text("apply").map(|path| Event::ApplyFile(folder.join(path))),
            },
            _ => {
                let remedy = "give one of down, apply and remove, and a list where several things happen";
                reader.mistake("", "one change is one thing", remedy);
                None
            }
        };
        changes.extend(event.map(|event| Change { at: reader.at.clone(), event }));
    }
    changes
}
