//! What do CloudFormation templates make?
//!
//! Templates become [`stack::Stack`]s, with their nested stacks; [`functions::Evaluator`] evaluates what they write; and
//! each resource that is made is mapped by its type. Every resource is reported once, whatever becomes of it. What
//! always holds: all templates are read before anything is evaluated, as exports cross them.

mod attributes;
mod condition;
mod database;
mod doubt;
mod endpoint;
mod filter;
mod foreach;
mod functions;
mod host;
mod load_balancer;
mod parameter;
mod private_link;
mod resource;
mod routing;
mod service;
mod stack;
mod token;
mod transit;
mod types;
mod vpc;
mod yaml;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::doubt::Doubts;
use self::functions::Evaluator;
use self::resource::Resource;
use self::stack::{Argument, Stack, Template};
use crate::estate::{Address, Estate};
use crate::mapping::Mapping;
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::source::{Read, SourceError};
use crate::val::Val;
use crate::{Options, Problem};

/// Reads all templates into the estate.
pub(crate) fn read(sources: &[&Read], options: &Options, estate: &mut Estate) -> Result<(), SourceError> {
    if sources.is_empty() {
        return Ok(());
    }
    let mut stacks = Vec::new();
    for source in sources {
        let text = source.files.values().next().map_or("", String::as_str);
        let (template, notes) = Template::read(text)
            .map_err(|problem| SourceError::Syntax { path: source.path.clone(), problem })?;
        stacks.push(Stack::of_source(source, template, notes));
    }
    take_parameters(&mut stacks, options, estate);
    let stacks = stack::with_nested(stacks);
    for value in stacks.iter().flat_map(|stack| stack.template.resources.values()) {
        estate.ipv6.note(&value.to_string());
    }
    for stack in &stacks {
        if let Some(problem) = &stack.problem {
            let address = stack.address.trim_end_matches('/').to_owned();
            estate.problem(&Address { source: stack.source.clone(), address }, problem.clone());
        }
    }
    let evaluator = Evaluator::new(&stacks);
    evaluator.chosen.borrow_mut().pool = std::mem::take(&mut estate.ipv6);
    let mut rules = Rules::default();
    let mut doubts = Doubts::default();
    for (position, stack) in stacks.iter().enumerate() {
        for name in &stack.template.macros {
            doubts
                .template(position, format!("what the transform {name} makes of the template is not known"));
        }
        for logical in stack.template.resources.keys() {
            take_resource(&evaluator, position, logical, &mut rules, &mut doubts, estate);
        }
    }
    rules.settle(estate);
    doubts.settle(&evaluator, estate);
    write_chosen(&evaluator, estate);
    estate.ipv6 = std::mem::take(&mut evaluator.chosen.borrow_mut().pool);
    take_notes(&evaluator, estate);
    if evaluator.exhausted.get() {
        let by = Address { source: String::new(), address: "templates".to_owned() };
        estate.problem(
            &by,
            "their expressions refer to one another so often that they are too large to evaluate",
        );
    }
    Ok(())
}

/// Rules of groups and network ACLs that are resources of their own, by kind, owner and direction.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    added: BTreeMap<Direction, Vec<(Value, Address)>>,
}

/// A kind, the name of a group or ACL of it, and `ingress` or `egress`.
type Direction = (&'static str, String, &'static str);

impl Rules {
    /// Adds a rule to a group or a network ACL.
    pub(crate) fn add(
        &mut self,
        kind: &'static str,
        owner: &str,
        direction: &'static str,
        rule: Value,
        by: &Address,
    ) {
        let rules = self.added.entry((kind, owner.to_owned(), direction)).or_default();
        rules.push((rule, by.clone()));
    }

    /// Pushes all, next to what AWS has where nothing else is written: separate rules only add.
    fn settle(self, estate: &mut Estate) {
        for ((kind, owner, direction), rules) in self.added {
            let resource = estate.resources.get(kind).and_then(|all| all.get(&owner));
            let is_default = owner.ends_with("/default");
            let is_written = resource.is_some_and(|resource| resource.contains_key(direction));
            let before = match (kind, direction) {
                _ if is_written || (resource.is_none() && !is_default) => json!([]),
                ("security_groups", "egress") => json!([
                    { "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] },
                    { "protocol": "-1", "ipv6_cidr_blocks": ["::/0"] }
                ]),
                ("security_groups", _) if is_default => json!([{ "protocol": "-1", "self": true }]),
                ("network_acls", _) if is_default => json!([
                    { "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" },
                    { "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }
                ]),
                _ => json!([]),
            };
            let Some((_, first)) = rules.first() else { continue };
            let first = first.clone();
            let defaults: Vec<Value> = before.as_array().cloned().unwrap_or_default();
            for rule in &defaults {
                estate.push(kind, &owner, direction, rule.clone(), &first);
            }
            for (rule, by) in rules {
                if !defaults.contains(&rule) {
                    estate.push(kind, &owner, direction, rule, &by);
                }
            }
        }
    }
}

/// Gives the stacks the values of their parameters, and says which are wrong.
fn take_parameters(stacks: &mut [Stack], options: &Options, estate: &mut Estate) {
    for given in &options.parameters {
        let mut is_taken = false;
        for stack in stacks.iter_mut() {
            let is_meant = given.source.as_ref().is_none_or(|source| *source == stack.source);
            let Some(declared) = stack.template.parameters.get(&given.key).filter(|_| is_meant) else {
                continue;
            };
            is_taken = true;
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let allowed = declared.get("AllowedValues").and_then(Value::as_array);
            let is_list =
                declared.get("Type").and_then(Value::as_str).is_some_and(|name| name.contains("List"));
            let items = given.value.split(',').map(str::trim).filter(|_| is_list);
            let items: Vec<_> = if is_list { items.collect() } else { vec![given.value.as_str()] };
            if let Some(allowed) = allowed {
                let allowed: BTreeSet<String> = allowed.iter().map(text).collect();
                if let Some(item) = items.into_iter().find(|item| !allowed.contains(*item)) {
                    let of = allowed.into_iter().collect::<Vec<_>>().join(", ");
                    estate.problems.push(Problem {
                        source: stack.source.clone(),
                        address: given.key.clone(),
                        problem: format!("{item} is not one of the values that the parameter allows: {of}"),
                    });
                }
            }
            stack.arguments.insert(given.key.clone(), Argument::Text(given.value.clone()));
        }
        if !is_taken {
            estate.problems.push(Problem {
                source: given.source.clone().unwrap_or_default(),
                address: given.key.clone(),
                problem: "no given template has such a parameter".to_owned(),
            });
        }
    }
}

fn take_resource(
    evaluator: &Evaluator<'_>,
    position: usize,
    logical: &str,
    rules: &mut Rules,
    doubts: &mut Doubts,
    estate: &mut Estate,
) {
    let Some(stack) = evaluator.stack(position) else { return };
    let by = Address { source: stack.source.clone(), address: format!("{}{logical}", stack.address) };
    let of_type = stack.type_of(logical).unwrap_or("");
    let plain = |fate: Fate, notes: Vec<Note>| ReportedResource {
        source: by.source.clone(),
        address: by.address.clone(),
        of_type: of_type.to_owned(),
        fate,
        becomes: Vec::new(),
        notes,
    };
    if of_type.is_empty() {
        let note =
            Note::new(NoteKind::Omitted, "it has no type: it may be what a macro makes into resources");
        let whole = stack.template.resources.get(logical);
        if logical.starts_with("Fn::") || whole.is_some_and(|whole| whole.get("Fn::Transform").is_some()) {
            doubts.template(position, format!("what {logical} adds to the template is not known"));
        }
        return estate.report(plain(Fate::LeftOut, vec![note]));
    }
    let is_made = match types::changes_no_packet(of_type) {
        // Whether it is made makes no difference.
        true => Ok(evaluator.is_made(position, logical).unwrap_or(true)),
        false => evaluator.is_made_at_all(position, logical),
    };
    let mut uncertain = None;
    match is_made {
        Ok(true) => {}
        Ok(false) => return estate.report(plain(Fate::NotMade, Vec::new())),
        Err(token) => {
            let Val::Unknown(unknown) = evaluator.finished(Val::Text(token.encode())) else { return };
            let text = format!("whether it is made is not known: {}", unknown.why);
            if let Some(remedy) = unknown.missing.and_then(|missing| missing.remedy) {
                // What is inside a nested stack says it once, by the stack.
                if evaluator.is_made(position, logical).is_err() {
                    estate.problem(&by, format!("{text}; {remedy}"));
                }
                return estate.report(plain(Fate::LeftOut, vec![Note::new(NoteKind::Omitted, text)]));
            }
            uncertain = Some(text);
        }
    }
    if types::changes_no_packet(of_type) {
        return estate.report(plain(Fate::NotNetwork, Vec::new()));
    }
    let whole = stack.template.resources.get(logical);
    let written = whole.and_then(|resource| resource.get("Properties"));
    let evaluated = written.map_or(Val::Null, |written| evaluator.evaluate(position, written));
    let beside = whole.and_then(|resource| resource.get("Fn::Transform"));
    let by_macro = beside.map(doubt::macro_name).or_else(|| doubt::inline_macro(&evaluated));
    if let Some(name) = &by_macro {
        uncertain.get_or_insert(format!("what {name} makes of it is not known"));
    }
    let properties = match evaluator.finished(evaluated.clone()) {
        Val::Map(map) => map,
        Val::Unknown(unknown) => {
            let why = format!("its properties are not known: {}", unknown.why);
            // Whatever it names, it may change.
            doubts.template(position, format!("{} is left out: {why}", by.address));
            let note = Note::new(NoteKind::Omitted, why);
            return estate.report(plain(Fate::LeftOut, vec![note]));
        }
        _ => BTreeMap::new(),
    };
    let properties = host::with_template(evaluator, of_type, properties);
    let name = stack.name_of(logical);
    let mut mapping = Mapping::new(by.clone(), of_type, &name, &properties, estate);
    mapping.uncertain = uncertain;
    let is_rewritten = by_macro.is_some();
    let resource = Resource { evaluator, stack: position, logical, is_rewritten, rules, mapping };
    if let Err(why) = types::map(resource) {
        let mut notes = doubts.left_out(of_type, &name, &evaluated, &why, &by);
        notes.insert(0, Note::new(NoteKind::Omitted, why));
        estate.report(plain(Fate::LeftOut, notes));
    }
}

/// Writes the addresses that were chosen because templates use them.
fn write_chosen(evaluator: &Evaluator<'_>, estate: &mut Estate) {
    let chosen = evaluator.chosen.borrow();
    let by = Address { source: String::new(), address: "addresses".to_owned() };
    let public = chosen.public.iter().map(|(name, address)| ("eips", name, "public_ip", address));
    let private = chosen.private.iter().map(|((of_type, name), address)| {
        let kind = if of_type == "AWS::EC2::Instance" { "instances" } else { "network_interfaces" };
        (kind, name, "private_ip", address)
    });
    for (kind, name, attribute, address) in public.chain(private) {
        if estate.resources.get(kind).is_some_and(|all| all.contains_key(name)) {
            estate.set(kind, name, attribute, Value::String(address.to_string()), &by);
        }
    }
}

/// Notes of templates as a whole, and of parameters without a value that no packet depends on.
fn take_notes(evaluator: &Evaluator<'_>, estate: &mut Estate) {
    let wanted: BTreeSet<String> = estate
        .stand_ins
        .keys()
        .map(|(_, name)| name.split('[').next().unwrap_or_default().to_owned())
        .collect();
    for stack in evaluator.stacks() {
        let mut notes = stack.notes.clone();
        for (key, declared) in &stack.template.parameters {
            let of_type = declared.get("Type").and_then(Value::as_str).unwrap_or("String");
            let has_value = stack.arguments.contains_key(key)
                || (declared.get("Default").is_some_and(|value| !value.is_null())
                    && !of_type.starts_with("AWS::SSM::"));
            if has_value || wanted.contains(&stack.name_of(key)) {
                continue;
            }
            let text = if of_type.contains("AvailabilityZone::Name") {
                format!(
                    "the parameter {}{key} has no value; zones of {} are taken",
                    stack.address, stack.region
                )
            } else if estate.stand_ins.keys().any(|(_, name)| name.contains(key.as_str())) {
                format!("the parameter {}{key} has no value; stand-ins are called after it", stack.address)
            } else {
                format!("the parameter {}{key} has no value; no packet depends on it", stack.address)
            };
            notes.push(Note::new(NoteKind::Assigned, text));
        }
        if let Some(source) = estate.report.sources.iter_mut().find(|source| source.name == stack.source) {
            notes.retain(|note| !source.notes.contains(note));
            notes.dedup();
            source.notes.append(&mut notes);
        }
    }
}
