//! What does an expression of a template come to?
//!
//! The [`Evaluator`] knows parameters, pseudo parameters, mappings, conditions and every intrinsic function, across
//! all stacks. What it returns has references and missing values as [`Token`]s inside texts; [`Evaluator::finished`]
//! reads them back into [`Val`]. Attributes of resources (`Fn::GetAtt`) are in [`super::attributes`], parameters in
//! [`super::parameter`], conditions in [`super::condition`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::attributes::Chosen;
use super::stack::Stack;
use super::token::{Address, Piece, Token, pieces, plain, split};
use super::yaml::spelled;
use crate::val::{Missing, Named, Unknown, Val};

/// How deep expressions lead to one another.
pub(super) const DEEPEST: usize = 100;
/// How many nodes are evaluated at most: templates that nobody wrote by hand stop here.
const MOST_NODES: usize = 2_000_000;
/// How long a text may get: as long as a template may be.
const LONGEST: usize = 1 << 20;
/// The zones of every region.
pub(super) const ZONES: [&str; 3] = ["a", "b", "c"];

/// Evaluates expressions of stacks.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    stacks: &'a [Stack],
    pub(super) depth: Cell<usize>,
    spent: Cell<usize>,
    /// Whether some expression is too large to be evaluated.
    pub(super) exhausted: Cell<bool>,
    /// How often an expression was too deep or too large: what has one inside is another value elsewhere.
    pub(super) cut: Cell<usize>,
    /// Attributes of resources that were evaluated, with their sizes.
    pub(super) properties: RefCell<Properties>,
    pub(super) conditions: RefCell<BTreeMap<(usize, String), Result<bool, Token>>>,
    exports: RefCell<Option<Exports>>,
    /// Addresses that the templates use and do not state.
    pub(super) chosen: RefCell<Chosen>,
}

/// Outputs with an export name: by region, account and name, the stack and the output.
type Exports = BTreeMap<(String, String, String), (usize, String)>;

/// What attributes of resources come to, by stack, logical id and attribute, and how many nodes that has.
type Properties = BTreeMap<(usize, String, String), (Option<Val>, usize)>;

impl<'a> Evaluator<'a> {
    pub(super) fn new(stacks: &'a [Stack]) -> Self {
        Self {
            stacks,
            depth: Cell::new(0),
            spent: Cell::new(0),
            exhausted: Cell::new(false),
            cut: Cell::new(0),
            properties: RefCell::default(),
            conditions: RefCell::default(),
            exports: RefCell::new(None),
            chosen: RefCell::default(),
        }
    }

    pub(super) fn stacks(&self) -> &'a [Stack] {
        self.stacks
    }

    pub(super) fn stack(&self, stack: usize) -> Option<&'a Stack> {
        self.stacks.get(stack)
    }

    /// The value with its references, as mappings read it.
    pub(super) fn value(&self, stack: usize, value: &Value) -> Val {
        self.finished(self.evaluate(stack, value))
    }

    /// The text that an expression comes to, tokens and all.
    pub(super) fn text(&self, stack: usize, value: &Value) -> Option<String> {
        self.evaluate(stack, value).text()
    }

    /// What an expression comes to, with tokens in its texts.
    pub(super) fn evaluate(&self, stack: usize, value: &Value) -> Val {
        self.spend(1);
        if self.depth.get() >= DEEPEST || self.spent.get() > MOST_NODES {
            self.cut.set(self.cut.get() + 1);
            return missing("expression", "it leads back to itself, or is larger than anybody writes");
        }
        self.depth.set(self.depth.get() + 1);
        let evaluated = self.evaluate_node(stack, value);
        self.depth.set(self.depth.get() - 1);
        match evaluated {
            Val::Text(text) if text.len() > LONGEST => {
                self.exhausted.set(true);
                missing("expression", "its text is longer than anybody writes")
            }
            evaluated => evaluated,
        }
    }

    /// Counts nodes that were evaluated or copied.
    pub(super) fn spend(&self, nodes: usize) {
        self.spent.set(self.spent.get().saturating_add(nodes));
        if self.spent.get() > MOST_NODES {
            self.exhausted.set(true);
        }
    }

    fn evaluate_node(&self, stack: usize, value: &Value) -> Val {
        match value {
            Value::String(text) => Val::Text(with_dynamic_references(text)),
            Value::Array(items) => Val::List(
                items.iter().map(|item| self.evaluate(stack, item)).filter(|item| !item.is_null()).collect(),
            ),
            Value::Object(map) => match single(map) {
                Some(("Ref", Value::String(name))) => self.reference(stack, name),
                // Loops make names of their parts.
                Some(("Ref", argument)) => match self.text(stack, argument) {
                    Some(name) => self.reference(stack, &plain(&name)),
                    None => missing("Ref", "a reference to nothing"),
                },
                Some((function, argument)) if function.starts_with("Fn::") => {
                    self.function(stack, function.trim_start_matches("Fn::"), argument)
                }
                _ => {
                    let of = |(key, value): (&String, &Value)| (key.clone(), self.evaluate(stack, value));
                    Val::Map(map.iter().map(of).filter(|(_, value)| !value.is_null()).collect())
                }
            },
            plain => Val::from(plain.clone()),
        }
    }

    pub(super) fn function(&self, stack: usize, function: &str, argument: &Value) -> Val {
        let known = match function {
            "GetAtt" => self.get_att_written(stack, argument),
            "Sub" => self.sub(stack, argument),
            "Join" => self.join(stack, argument),
            "Select" => self.select(stack, argument),
            "Split" => self.split(stack, argument),
            "Cidr" => self.cidr(stack, argument),
            "GetAZs" => self.zones(stack, argument),
            "FindInMap" => self.find_in_map(stack, argument),
            "If" => self.choose(stack, argument),
            "ImportValue" => Some(self.import(stack, argument)),
            "Base64" => Some(self.evaluate(stack, argument)),
            "Length" => match self.evaluate(stack, argument) {
                Val::List(items) => Some(Val::Number(items.len().into())),
                Val::Text(text) => Token::first_missing(&text).map(|token| Val::Text(token.encode())),
                _ => None,
            },
            "ToJsonString" => Some(Val::Text(to_json(&self.evaluate(stack, argument)).to_string())),
            "Equals" | "And" | "Or" | "Not" | "Contains" | "EachMemberEquals" | "EachMemberIn" => {
                Some(match self.truth_of(stack, function, argument) {
                    Ok(yes) => Val::Bool(yes),
                    Err(token) => Val::Text(token.encode()),
                })
            }
            "Transform" => Some(missing("Fn::Transform", "a macro makes it, and macros cannot be run here")),
            _ => Some(missing(function, format!("the function Fn::{function} is not known"))),
        };
        known.unwrap_or_else(|| missing(function, format!("Fn::{function} is not used as it can be")))
    }

    fn reference(&self, stack: usize, name: &str) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let text = |text: &str| Val::Text(text.to_owned());
        match name {
            "AWS::NoValue" => return Val::Null,
            "AWS::Region" => return text(&own.region),
            "AWS::AccountId" => return text(&own.account),
            "AWS::StackName" => return text(&own.name),
            "AWS::Partition" if own.region.starts_with("cn-") => return text("aws-cn"),
            "AWS::Partition" if own.region.starts_with("us-gov-") => return text("aws-us-gov"),
            "AWS::Partition" => return text("aws"),
            "AWS::URLSuffix" if own.region.starts_with("cn-") => return text("amazonaws.com.cn"),
            "AWS::URLSuffix" => return text("amazonaws.com"),
            "AWS::StackId" => {
                let (region, account, name) = (&own.region, &own.account, &own.name);
                return Val::Text(format!("arn:aws:cloudformation:{region}:{account}:stack/{name}/0"));
            }
            "AWS::NotificationARNs" => return Val::List(Vec::new()),
            _ => {}
        }
        if own.template.parameters.contains_key(name) {
            return self.parameter(stack, name);
        }
        match own.type_of(name) {
            Some(of_type) => {
                let address = if of_type == "AWS::EC2::EIP" { Address::Public } else { Address::None };
                let token = Token::Resource { of_type: of_type.to_owned(), name: own.name_of(name), address };
                Val::Text(token.encode())
            }
            // What transforms make has names of its own, as MyFunctionRole.
            None => missing(own.name_of(name), own.has_no(name)),
        }
    }

    fn get_att_written(&self, stack: usize, argument: &Value) -> Option<Val> {
        match argument {
            Value::Array(parts) => {
                let (resource, attribute) = parts.split_first()?;
                let resource = self.text(stack, resource)?;
                if let Some(token) = Token::first_missing(&resource) {
                    return Some(Val::Text(token.encode()));
                }
                let parts: Option<Vec<_>> = attribute.iter().map(|part| self.text(stack, part)).collect();
                Some(self.attribute(stack, &plain(&resource), &parts?.join(".")))
            }
            Value::String(text) => {
                let (resource, attribute) = text.split_once('.')?;
                Some(self.attribute(stack, resource, attribute))
            }
            _ => None,
        }
    }

    fn sub(&self, stack: usize, argument: &Value) -> Option<Val> {
        let (template, variables) = match argument {
            Value::String(template) => (template.as_str(), None),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(template)] => (template.as_str(), None),
                [Value::String(template), Value::Object(variables)] => (template.as_str(), Some(variables)),
                _ => return None,
            },
            _ => return None,
        };
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((inside, after)) = after.split_once('}') else {
                text.push_str("${");
                rest = after;
                continue;
            };
            let name = inside.trim();
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str("${");
                text.push_str(literal);
                text.push('}');
            } else {
                let value = match variables.and_then(|variables| variables.get(name)) {
                    Some(value) => self.evaluate(stack, value),
                    None => match name.split_once('.') {
                        Some((resource, attribute)) => self.attribute(stack, resource, attribute),
                        None => self.reference(stack, name),
                    },
                };
                text.push_str(&flat(&value, ","));
            }
            rest = after;
        }
        text.push_str(rest);
        Some(Val::Text(with_dynamic_references(&text)))
    }

    fn join(&self, stack: usize, argument: &Value) -> Option<Val> {
        let [separator, items] = argument.as_array()?.as_slice() else { return None };
        let separator = self.text(stack, separator)?;
        Some(Val::Text(with_dynamic_references(&flat(&self.evaluate(stack, items), &separator))))
    }

    fn select(&self, stack: usize, argument: &Value) -> Option<Val> {
        let [index, items] = argument.as_array()?.as_slice() else { return None };
        let index = self.text(stack, index)?;
        if let Some(token) = Token::first_missing(&index) {
            return Some(Val::Text(token.encode()));
        }
        let index: usize = index.trim().parse().ok()?;
        // Some regions have more zones than the three that are taken everywhere.
        if items.get("Fn::GetAZs").is_some()
            && let Some(Val::Text(first)) = self.zones(stack, items.get("Fn::GetAZs")?).and_then(first_item)
            && let Some(letter) = ["a", "b", "c", "d", "e", "f"].get(index)
        {
            return Some(Val::Text(format!("{}{letter}", first.trim_end_matches('a'))));
        }
        match self.evaluate(stack, items) {
            Val::List(items) => match items.as_slice() {
                [Val::Text(single)] => match Token::whole(single) {
                    Some(Token::Missing { name, why, remedy }) if index > 0 => {
                        Some(item_of(&name, why, remedy, index))
                    }
                    _ => items.get(index).cloned(),
                },
                _ => items.get(index).cloned(),
            },
            Val::Text(text) => match Token::whole(&text) {
                Some(Token::Missing { name, why, remedy }) => Some(item_of(&name, why, remedy, index)),
                Some(_) => None,
                None => split(&text, ",").get(index).map(|item| Val::Text(item.clone())),
            },
            _ => None,
        }
    }

    fn split(&self, stack: usize, argument: &Value) -> Option<Val> {
        let [separator, text] = argument.as_array()?.as_slice() else { return None };
        let separator = self.text(stack, separator)?;
        let text = match self.evaluate(stack, text) {
            Val::List(items) => return Some(Val::List(items)),
            other => other.text()?,
        };
        if matches!(Token::whole(&text), Some(Token::Missing { .. })) {
            return Some(Val::Text(text));
        }
        Some(Val::List(split(&text, &separator).into_iter().map(Val::Text).collect()))
    }

    fn cidr(&self, stack: usize, argument: &Value) -> Option<Val> {
        let parts: Vec<_> = argument.as_array()?.iter().map(|part| self.evaluate(stack, part)).collect();
        let texts: Option<Vec<_>> = parts.iter().map(Val::text).collect();
        let texts = texts.or_else(|| match parts.as_slice() {
            // A list of one block in place of the block.
            [Val::List(blocks), rest @ ..] => blocks.first().into_iter().chain(rest).map(Val::text).collect(),
            _ => None,
        })?;
        if let Some(token) = texts.iter().find_map(|text| Token::first_missing(text)) {
            return Some(Val::Text(token.encode()));
        }
        let (block, count, bits) = match texts.as_slice() {
            [block, count] => (block, count, None),
            [block, count, bits] => (block, count, Some(bits.trim().parse::<u8>().ok()?)),
            _ => return None,
        };
        let block: IpNet = block.trim().parse().ok()?;
        let count: usize = count.trim().parse().ok().filter(|count| (1..=256).contains(count))?;
        let prefix = block.max_prefix_len().checked_sub(bits.unwrap_or(8))?;
        let subnets: Vec<_> =
            block.subnets(prefix).ok()?.take(count).map(|net| Val::Text(net.to_string())).collect();
        (subnets.len() == count).then_some(Val::List(subnets))
    }

    fn zones(&self, stack: usize, argument: &Value) -> Option<Val> {
        let region = self.evaluate(stack, argument).text().unwrap_or_default();
        if let Some(token) = Token::first_missing(&region) {
            return Some(Val::Text(token.encode()));
        }
        let region = if region.is_empty() { self.stack(stack)?.region.clone() } else { region };
        Some(Val::List(ZONES.iter().map(|letter| Val::Text(format!("{region}{letter}"))).collect()))
    }

    fn find_in_map(&self, stack: usize, argument: &Value) -> Option<Val> {
        let (keys, otherwise) = match argument.as_array()?.as_slice() {
            [map, first, second] => ([map, first, second], None),
            [map, first, second, otherwise] => ([map, first, second], otherwise.get("DefaultValue")),
            _ => return None,
        };
        let [map, first, second] = keys.map(|key| self.text(stack, key));
        let (map, first, second) = (map?, first?, second?);
        let own = self.stack(stack)?;
        let inside = |value: &'a Value, key: &str| value.as_object().and_then(|map| spelled(map, key));
        let found = own.template.mappings.get(&map);
        let found = found.and_then(|map| inside(map, &first)).and_then(|map| inside(map, &second));
        if let Some(found) = found {
            return Some(self.evaluate(stack, found));
        }
        // The default is for a key that is known to be absent.
        if let Some(token) = [&map, &first, &second].into_iter().find_map(|key| Token::first_missing(key)) {
            return Some(Val::Text(token.encode()));
        }
        if let Some(otherwise) = otherwise {
            return Some(self.evaluate(stack, otherwise));
        }
        Some(missing(
            format!("{map}.{first}.{second}"),
            format!("the mapping {map} has nothing under {first}, {second}"),
        ))
    }

    fn choose(&self, stack: usize, argument: &Value) -> Option<Val> {
        let [condition, then, otherwise] = argument.as_array()?.as_slice() else { return None };
        let truth = match condition {
            Value::String(name) => self.condition(stack, name),
            Value::Bool(word) => self.condition(stack, &word.to_string()),
            expression => self.truth(stack, expression),
        };
        Some(match truth {
            Ok(true) => self.evaluate(stack, then),
            Ok(false) => self.evaluate(stack, otherwise),
            Err(token) => {
                let (then, otherwise) = (self.evaluate(stack, then), self.evaluate(stack, otherwise));
                if then == otherwise { then } else { Val::Text(token.encode()) }
            }
        })
    }

    fn import(&self, stack: usize, argument: &Value) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let name = plain(&self.text(stack, argument).unwrap_or_default());
        if self.exports.borrow().is_none() {
            let exports = self.find_exports();
            *self.exports.borrow_mut() = Some(exports);
        }
        let key = (own.region.clone(), own.account.clone(), name.clone());
        let found = self.exports.borrow().as_ref().and_then(|exports| exports.get(&key).cloned());
        match found {
            Some((stack, output)) => self.output(stack, &output),
            None => {
                let why = format!("no given template exports {name}");
                let remedy = match self.parameter_in(stack, argument) {
                    Some(parameter) => format!(
                        "give the template that does, or --parameter {parameter}=VALUE, of which the name is made"
                    ),
                    None => "give the template that does".to_owned(),
                };
                Val::Text(Token::Missing { name, why, remedy: Some(remedy) }.encode())
            }
        }
    }

    /// The first parameter in an expression that nobody gave, as `--parameter` takes it.
    fn parameter_in(&self, stack: usize, value: &Value) -> Option<String> {
        let own = self.stack(stack)?;
        let is_open = |name: &str| {
            own.template.parameters.contains_key(name)
                && !own.arguments.contains_key(name)
                && own.address.is_empty()
        };
        let qualified = |name: &str| match own.prefix.as_str() {
            "" => name.to_owned(),
            _ => format!("{}.{name}", own.source),
        };
        match value {
            // Of a text, what is between `${` and `}`.
            Value::String(text) => {
                let mut names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
                names.find(|(name, _)| is_open(name.trim())).map(|(name, _)| qualified(name.trim()))
            }
            Value::Array(items) => items.iter().find_map(|item| self.parameter_in(stack, item)),
            Value::Object(map) => match map.get("Ref").and_then(Value::as_str) {
                Some(name) => is_open(name).then(|| qualified(name)),
                None => map.values().find_map(|item| self.parameter_in(stack, item)),
            },
            _ => None,
        }
    }

    fn find_exports(&self) -> Exports {
        let mut exports = Exports::new();
        for (position, stack) in self.stacks.iter().enumerate() {
            for (output, declared) in &stack.template.outputs {
                let Some(name) = declared.get("Export").and_then(|export| export.get("Name")) else {
                    continue;
                };
                let Some(name) = self.text(position, name) else { continue };
                let key = (stack.region.clone(), stack.account.clone(), plain(&name));
                exports.insert(key, (position, output.clone()));
            }
        }
        exports
    }

    /// The value of an output.
    pub(super) fn output(&self, stack: usize, output: &str) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let Some(declared) = own.template.outputs.get(output) else {
            return missing(own.name_of(output), format!("{} has no output {output}", own.path.display()));
        };
        if let Some(Value::String(condition)) = declared.get("Condition") {
            match self.condition(stack, condition) {
                Ok(true) => {}
                Ok(false) => {
                    return missing(own.name_of(output), format!("the output {output} is not made"));
                }
                Err(token) => return Val::Text(token.encode()),
            }
        }
        declared.get("Value").map_or(Val::Null, |value| match self.evaluate(stack, value) {
            Val::List(items) => Val::Text(flat(&Val::List(items), ",")),
            value => value,
        })
    }

    /// What was evaluated, with tokens read back.
    pub(super) fn finished(&self, value: Val) -> Val {
        match value {
            Val::Text(text) => self.finished_text(&text),
            Val::List(items) => Val::List(items.into_iter().map(|item| self.finished(item)).collect()),
            Val::Map(map) => {
                Val::Map(map.into_iter().map(|(key, value)| (plain(&key), self.finished(value))).collect())
            }
            other => other,
        }
    }

    fn finished_text(&self, text: &str) -> Val {
        match Token::whole(text).or_else(|| Token::first_missing(text)) {
            Some(Token::Resource { of_type, name, .. }) => return Val::Name(Named { of_type, name }),
            Some(Token::Missing { name, why, remedy }) => {
                let missing = Missing { name: plain(&name), remedy };
                return Val::Unknown(Unknown { why: plain(&why), missing: Some(missing) });
            }
            None => {}
        }
        let mut plain = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => plain.push_str(text),
                Piece::Token(Token::Resource { name, address: Address::Public, .. }) => {
                    plain.push_str(&self.public_address(&name));
                }
                Piece::Token(Token::Resource { name, .. } | Token::Missing { name, .. }) => {
                    plain.push_str(&name);
                }
            }
        }
        Val::Text(plain)
    }
}

/// A value that is not there, as evaluation hands it on.
pub(super) fn missing(name: impl Into<String>, why: impl Into<String>) -> Val {
    Val::Text(Token::missing(name, why).encode())
}

fn first_item(list: Val) -> Option<Val> {
    match list {
        Val::List(items) => items.into_iter().next(),
        other => Some(other).filter(|other| !matches!(other, Val::Text(_))),
    }
}

fn item_of(list: &str, why: String, remedy: Option<String>, index: usize) -> Val {
    Val::Text(Token::Missing { name: format!("{list}[{index}]"), why, remedy }.encode())
}

pub(super) fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) => Some((key, value)),
        _ => None,
    }
}

/// The value as one text, items of a list with `separator` between them.
pub(super) fn flat(value: &Val, separator: &str) -> String {
    match value {
        Val::List(items) => {
            let items = items.iter().filter(|item| !item.is_null()).map(|item| flat(item, separator));
            items.collect::<Vec<_>>().join(separator)
        }
        Val::Map(_) => to_json(value).to_string(),
        other => other.text().unwrap_or_default(),
    }
}

fn to_json(value: &Val) -> Value {
    match value {
        Val::Null | Val::Unknown(_) => Value::Null,
        Val::Bool(yes) => Value::Bool(*yes),
        Val::Number(number) => Value::Number(number.clone()),
        Val::Text(text) => Value::String(text.clone()),
        Val::Name(named) => Value::String(named.name.clone()),
        Val::List(items) => items.iter().map(to_json).collect(),
        Val::Map(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), to_json(value))).collect())
        }
    }
}

/// The text with a token in place of each `{{resolve:…}}`, whose value is kept elsewhere.
fn with_dynamic_references(text: &str) -> String {
    let mut known = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{resolve:") {
        let Some((inside, after)) = after.split_once("}}") else { break };
        known.push_str(before);
        known.push_str(
            &Token::missing(plain(inside), format!("{} is kept elsewhere", plain(inside))).encode(),
        );
        rest = after;
    }
    known.push_str(rest);
    known
}
