//! Which resources do the files of a dump hold, and where were they seen?
//!
//! What `aws` prints is found by its content: in one file or many, under any name, with the region and the account in
//! the names of folders or in keys. A resource that several calls show is one.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde_json::Value;

use crate::describe::collections::{self, Collection, Meaning};
use crate::describe::contradiction;
use crate::estate::{Address, Estate};
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::source::{Read, SourceError, is_region};
use crate::val::Val;

/// A resource as a dump has it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub by: Address,
    /// What it says.
    pub body: BTreeMap<String, Val>,
    /// The region that the folder or a key around it says, or the source.
    pub region: String,
    /// The same of the account.
    pub account: String,
    /// The attributes that different calls show differently, with all that they show.
    pub contradicted: BTreeMap<String, Vec<Val>>,
}

/// Everything in all dumps: by collection, then by id.
#[derive(Debug, Default)]
pub(super) struct Dump {
    items: BTreeMap<&'static str, BTreeMap<String, Item>>,
    /// The collections that were listed at all, empty ones too.
    listed: std::collections::BTreeSet<&'static str>,
    /// What each listing of an attachment says of its route table, by its id. A peering of two transit gateways has one at
    /// each end, and each end lists its own.
    associations: BTreeMap<String, Vec<Val>>,
    /// The collections that go on where the dump ends, with the id that the answer is about where the call names one.
    pub partial: std::collections::BTreeSet<(&'static str, Option<String>)>,
    /// Tags that are listed apart from what they are on, by its id.
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where in a file the reader stands.
#[derive(Debug, Clone)]
struct Position<'a> {
    source: &'a Read,
    region: String,
    account: String,
    /// The file, in the words of the report.
    file: String,
    /// The id of what the answer is about, where the call names it and the answer does not.
    about: Option<String>,
}

impl Dump {
    /// All resources of a collection, by id.
    pub(super) fn all(&self, collection: &'static str) -> impl Iterator<Item = (&String, &Item)> {
        self.items.get(collection).into_iter().flatten()
    }

    pub(super) fn get(&self, collection: &'static str, id: &str) -> Option<&Item> {
        self.items.get(collection)?.get(id)
    }

    /// The resources that different files show differently, with their collection and id.
    pub(super) fn contradicted(&self) -> impl Iterator<Item = (&'static str, &String, &Item)> {
        let all = self.items.iter().flat_map(|(key, all)| all.iter().map(|(id, item)| (*key, id, item)));
        all.filter(|(.., item)| !item.contradicted.is_empty())
    }

    /// What listings of attachments to transit gateways say of their route tables, with the attachment's id.
    pub(super) fn associations(&self) -> impl Iterator<Item = (&String, &Val)> {
        self.associations.iter().flat_map(|(id, all)| all.iter().map(move |one| (id, one)))
    }

    /// Whether more of a collection was to come than the dump has.
    pub(super) fn is_partial(&self, collection: &'static str) -> bool {
        self.partial.iter().any(|(key, _)| *key == collection)
    }

    /// Whether more was to come of the parts of the resource `about`, or of those of a resource that nobody names.
    pub(super) fn is_partial_about(&self, collections: &[&str], about: &str) -> bool {
        self.partial
            .iter()
            .any(|(key, of)| collections.contains(key) && of.as_deref().is_none_or(|of| of == about))
    }

    /// Gives what is known by a name its name: with its region, and its account, where another has the same.
    fn settle_names(&mut self) {
        for all in self.items.values_mut() {
            let homes = |key: &str| -> Option<(String, String, String)> {
                let mut parts = key.split(APART).map(str::to_owned);
                Some((parts.next()?, parts.next()?, parts.next()?))
            };
            let of_names: Vec<_> = all.keys().filter_map(|key| homes(key)).collect();
            for (name, region, account) in &of_names {
                let same = of_names.iter().filter(|(other, ..)| other == name);
                let regions = same.clone().filter(|(_, other, _)| other == region).count();
                let id = match (same.count(), regions) {
                    (1, _) => name.clone(),
                    (_, 1) => format!("{region}/{name}"),
                    _ => format!("{account}/{region}/{name}"),
                };
                if let Some(mut item) = all.remove(&regional(name, region, account)) {
                    item.by.address.clone_from(&id);
                    all.insert(id, item);
                }
            }
        }
    }

    /// Labels of a resource, wherever they were.
    pub(super) fn tags(&self, id: &str, item: &Item) -> BTreeMap<String, String> {
        let mut tags = self.tags.get(id).cloned().unwrap_or_default();
        for key in ["Tags", "TagSet", "TagList"] {
            for tag in item.body.get(key).map_or(&[][..], Val::items) {
                if let Some(key) = tag.text_of("Key") {
                    tags.insert(key, tag.text_of("Value").unwrap_or_default());
                }
            }
        }
        tags
    }
}

/// What stands between the parts of a key until names are settled.
const APART: char = '\u{0}';

fn regional(name: &str, region: &str, account: &str) -> String {
    format!("{name}{APART}{region}{APART}{account}")
}

/// Reads all files of all dumps.
pub(super) fn gather(sources: &[&Read], estate: &mut Estate) -> Result<Dump, SourceError> {
    let mut dump = Dump::default();
    for source in sources {
        for (path, text) in &source.files {
            let value: Value = serde_json::from_str(text)
                .map_err(|error| SourceError::Syntax { path: path.clone(), problem: error.to_string() })?;
            let position = Position::of_file(source, path);
            walk(&mut dump, &position, "", Val::from(value), estate);
        }
    }
    if dump.listed.is_empty() {
        let path = sources.first().map(|source| source.path.clone()).unwrap_or_default();
        let problem = "there is nothing in it that `aws ec2 describe-*` prints, such as `Vpcs` or `Subnets`";
        return Err(SourceError::Unrecognised { path, problem: problem.to_owned() });
    }
    dump.settle_names();
    Ok(dump)
}

impl<'a> Position<'a> {
    /// What the names of the file and its folders say.
    fn of_file(source: &'a Read, path: &Path) -> Self {
        let mut position = Position {
            source,
            region: source.region.clone(),
            account: source.account.clone(),
            file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            about: None,
        };
        let inside = path.strip_prefix(&source.path).unwrap_or(path);
        let mut after_accounts = false;
        for component in inside.components() {
            let Component::Normal(word) = component else { continue };
            let word = word.to_string_lossy();
            position.learn(&word, after_accounts);
            after_accounts = word == "accounts";
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let words = stem.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        position.about = words.clone().find_map(|word| {
            let at = word.find("tgw-rtb-").or_else(|| word.find("pl-"))?;
            word.get(at..).map(str::to_owned)
        });
        position
    }

    /// Takes a region or an account from a name; whether it is one.
    fn learn(&mut self, word: &str, as_account: bool) -> bool {
        if is_region(word) {
            self.region = word.to_owned();
        } else if let Some(account) = account(word).filter(|_| as_account || word.len() == 12) {
            self.account = account;
        } else {
            return false;
        }
        true
    }
}

/// An account's twelve digits; of fewer digits, as stand for accounts in tests, with zeros before them.
pub(crate) fn account(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| format!("{text:0>12}"))
}

/// Looks for collections in a value, whatever stands around them.
fn walk(dump: &mut Dump, at: &Position<'_>, key: &str, value: Val, estate: &mut Estate) {
    match value {
        Val::List(items) => match collections::of(key, &items) {
            Some(collection) => take(dump, at, collection, items, estate),
            None => unknown(at, key, &items, estate),
        },
        Val::Map(mut map) => {
            let mut at = at.clone();
            at.learn(key, true);
            for about in ["TransitGatewayRouteTableId", "PrefixListId"] {
                at.about = map.get(about).and_then(Val::text).or(at.about);
            }
            for word in ["Region", "AccountId", "Account", "OwnerId"] {
                if let Some(word) = map.get(word).and_then(Val::text) {
                    at.learn(&word, true);
                }
            }
            let goes_on = ["NextToken", "nextToken", "NextMarker", "Marker"]
                .iter()
                .any(|key| matches!(map.get(*key), Some(Val::Text(token)) if !token.is_empty()))
                || map.get("AdditionalRoutesAvailable") == Some(&Val::Bool(true));
            if goes_on {
                partial(dump, &at, &map, estate);
            }
            // An answer about one resource only, such as `get-function`.
            if let Some(collection) = collections::of_single(key) {
                return take(dump, &at, collection, vec![Val::Map(map)], estate);
            }
            for (key, value) in std::mem::take(&mut map) {
                walk(dump, &at, &key, value, estate);
            }
        }
        _ => {}
    }
}

/// Remembers which lists of an answer go on elsewhere, and notes it of the source.
fn partial(dump: &mut Dump, at: &Position<'_>, map: &BTreeMap<String, Val>, estate: &mut Estate) {
    let lists = map.iter().filter_map(|(key, value)| match value {
        Val::List(items) => collections::of(key, items),
        _ => None,
    });
    let keys: Vec<&'static str> = lists.map(|collection| collection.key).collect();
    if keys.is_empty() {
        return;
    }
    let text = format!(
        "{}: AWS had more of {} than the dump has: read all pages (`aws` does without --no-paginate and --max-items)",
        at.file,
        keys.join(", ")
    );
    if let Some(source) = estate.report.sources.iter_mut().find(|source| source.name == at.source.name) {
        source.notes.push(Note::new(NoteKind::Omitted, text));
    }
    for key in keys {
        // Instances come inside reservations.
        let key = if key == "Reservations" { "Instances" } else { key };
        dump.partial.insert((key, at.about.clone()));
    }
}

fn take(
    dump: &mut Dump,
    at: &Position<'_>,
    collection: &'static Collection,
    items: Vec<Val>,
    estate: &mut Estate,
) {
    dump.listed.insert(collection.key);
    for (position, item) in items.into_iter().enumerate() {
        let Val::Map(body) = capitalised(item) else { continue };
        match collection.key {
            // One more list around instances, with their owner.
            "Reservations" => {
                let mut body = body;
                let owner = body.get("OwnerId").cloned();
                let Some(Val::List(instances)) = body.remove("Instances") else { continue };
                let instances =
                    instances.into_iter().map(|instance| with(instance, "OwnerId", owner.as_ref()));
                if let Some(collection) = collections::named("Instances") {
                    take(dump, at, collection, instances.collect(), estate);
                }
            }
            "Tags" => {
                let text = |key: &str| body.get(key).and_then(Val::text);
                if let (Some(on), Some(key)) = (text("ResourceId"), text("Key")) {
                    dump.tags.entry(on).or_default().insert(key, text("Value").unwrap_or_default());
                }
            }
            _ => put(dump, at, collection, position, body, estate),
        }
    }
}

fn put(
    dump: &mut Dump,
    at: &Position<'_>,
    collection: &'static Collection,
    position: usize,
    mut body: BTreeMap<String, Val>,
    estate: &mut Estate,
) {
    if let Some(about) = &at.about {
        for key in collection.about {
            body.entry((*key).to_owned()).or_insert_with(|| Val::Text(about.clone()));
        }
    }
    let id =
        collection.ids.iter().find_map(|key| body.get(*key).and_then(Val::text)).filter(|id| !id.is_empty());
    // What has no id of its own is found by its place.
    let id = match id {
        Some(id) if collection.is_regional() => regional(&id, &at.region, &at.account),
        Some(id) if collection.about.is_empty() => id,
        Some(id) => format!("{id}#{}", dump.items.get(collection.key).map_or(0, BTreeMap::len)),
        None => format!("{}#{}[{position}]", at.file, collection.key),
    };
    let by = Address { source: at.source.name.clone(), address: id.clone() };
    match collection.meaning {
        Meaning::Network | Meaning::Detail => {
            let (region, account) = (at.region.clone(), at.account.clone());
            let item = Item { by, body, region, account, contradicted: BTreeMap::new() };
            if collection.of_type == "transit-gateway-attachment" {
                let association = item.body.get("Association").cloned();
                dump.associations.entry(id.clone()).or_default().extend(association);
            }
            let all = dump.items.entry(collection.key).or_default();
            match all.get_mut(&id) {
                // Another account, or another call, shows it too: each may know what the other does not.
                Some(known) => contradiction::join(collection.key, known, item.body),
                None => {
                    all.insert(id, item);
                }
            }
        }
        Meaning::NotNetwork | Meaning::LeftOut(_) => {
            let all = dump.items.entry(collection.key).or_default();
            let (region, account) = (at.region.clone(), at.account.clone());
            let item = Item { by: by.clone(), body, region, account, contradicted: BTreeMap::new() };
            if all.insert(id, item).is_none() {
                let (fate, notes) = match collection.meaning {
                    Meaning::LeftOut(why) => (Fate::LeftOut, vec![Note::new(NoteKind::Omitted, why)]),
                    _ => (Fate::NotNetwork, Vec::new()),
                };
                let Address { source, address } = by;
                let of_type = collection.of_type.to_owned();
                estate.report(ReportedResource {
                    source,
                    address,
                    of_type,
                    fate,
                    becomes: Vec::new(),
                    notes,
                });
            }
        }
    }
}

/// A list that nobody knows: one line in the report for all of it.
fn unknown(at: &Position<'_>, key: &str, items: &[Val], estate: &mut Estate) {
    let resources = items.iter().filter(|item| matches!(item, Val::Map(_))).count();
    if resources == 0 {
        return;
    }
    let address = if key.is_empty() { at.file.clone() } else { format!("{}#{key}", at.file) };
    let why = format!("{resources} of `{key}` are nothing that is understood here");
    estate.report(ReportedResource {
        source: at.source.name.clone(),
        address,
        of_type: key.to_owned(),
        fate: Fate::LeftOut,
        becomes: Vec::new(),
        notes: vec![Note::new(NoteKind::Omitted, why)],
    });
}

fn with(item: Val, key: &str, value: Option<&Val>) -> Val {
    match (item, value) {
        (Val::Map(mut map), Some(value)) => {
            map.entry(key.to_owned()).or_insert_with(|| value.clone());
            Val::Map(map)
        }
        (item, _) => item,
    }
}

/// Keys with a capital first, as EC2 has them: some other services' begin in lower case.
fn capitalised(value: Val) -> Val {
    match value {
        Val::List(items) => Val::List(items.into_iter().map(capitalised).collect()),
        Val::Map(map) => {
            Val::Map(map.into_iter().map(|(key, value)| (capital(&key), capitalised(value))).collect())
        }
        other => other,
    }
}

fn capital(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
