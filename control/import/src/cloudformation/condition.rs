//! Does a condition hold?
//!
//! Logic of three values: what has no value is carried on as the [`Token`] of what is missing, and matters only where
//! the rest does not decide.

use serde_json::Value;

use super::functions::{DEEPEST, Evaluator, flat, single};
use super::token::Token;
use super::yaml::spelled;
use crate::val::Val;

/// Attributes that take ids of resources.
const IDS: &[&str] = &[
    "VpcId",
    "PeerVpcId",
    "SubnetId",
    "SubnetIds",
    "Subnets",
    "VPCZoneIdentifier",
    "GroupId",
    "GroupSet",
    "SecurityGroups",
    "SecurityGroupIds",
    "SourceSecurityGroupId",
    "DestinationSecurityGroupId",
    "VpcSecurityGroupIds",
    "VPCSecurityGroups",
    "RouteTableId",
    "TransitGatewayId",
    "NetworkInterfaceId",
];

impl Evaluator<'_> {
    /// Whether a resource is made, as its condition says; or what has no value.
    pub(super) fn is_made(&self, stack: usize, logical: &str) -> Result<bool, Token> {
        let Some(own) = self.stack(stack) else { return Ok(false) };
        match own.template.resources.get(logical).and_then(|resource| resource.get("Condition")) {
            Some(Value::String(condition)) => self.condition(stack, condition),
            Some(Value::Bool(word)) => self.condition(stack, &word.to_string()),
            _ => Ok(true),
        }
    }

    /// Whether a resource is made, and every stack around it.
    pub(super) fn is_made_at_all(&self, stack: usize, logical: &str) -> Result<bool, Token> {
        let around = self.stack(stack).and_then(|own| own.parent.as_ref());
        match (self.is_made(stack, logical), around) {
            (Ok(true), Some((parent, logical))) => self.is_made_at_all(*parent, logical),
            (made, _) => made,
        }
    }

    /// Whether a condition of the template holds.
    pub(super) fn condition(&self, stack: usize, name: &str) -> Result<bool, Token> {
        let key = (stack, name.to_owned());
        if let Some(known) = self.conditions.borrow().get(&key) {
            return known.clone();
        }
        let Some(own) = self.stack(stack) else { return Ok(false) };
        let truth = match spelled(&own.template.conditions, name) {
            Some(condition) => self.truth(stack, condition),
            None => Err(Token::missing(own.name_of(name), format!("the template has no condition {name}"))),
        };
        self.conditions.borrow_mut().insert(key, truth.clone());
        truth
    }

    pub(super) fn truth(&self, stack: usize, value: &Value) -> Result<bool, Token> {
        if self.depth.get() >= DEEPEST {
            return Err(Token::missing("condition", "the condition leads back to itself"));
        }
        self.depth.set(self.depth.get() + 1);
        let truth = match value {
            Value::Object(map) => match single(map) {
                Some(("Condition", Value::String(name))) => self.condition(stack, name),
                Some(("Condition", Value::Bool(word))) => self.condition(stack, &word.to_string()),
                Some((function, argument)) if function.starts_with("Fn::") => {
                    self.truth_of(stack, function.trim_start_matches("Fn::"), argument)
                }
                _ => self.truth_of_value(stack, value),
            },
            other => self.truth_of_value(stack, other),
        };
        self.depth.set(self.depth.get() - 1);
        truth
    }

    fn truth_of_value(&self, stack: usize, value: &Value) -> Result<bool, Token> {
        match self.evaluate(stack, value) {
            Val::Bool(yes) => Ok(yes),
            Val::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Val::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Val::Text(text) => Err(Token::first_missing(&text)
                .unwrap_or_else(|| Token::missing(&*text, format!("{text} is no condition")))),
            _ => Err(Token::missing("condition", "it is no condition")),
        }
    }

    pub(super) fn truth_of(&self, stack: usize, function: &str, argument: &Value) -> Result<bool, Token> {
        let arguments = || argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let all = |wanted: bool| {
            let mut unknown = None;
            for argument in arguments() {
                match self.truth(stack, argument) {
                    Ok(truth) if truth == wanted => return Ok(wanted),
                    Ok(_) => {}
                    Err(token) => unknown = unknown.or(Some(token)),
                }
            }
            unknown.map_or(Ok(!wanted), Err)
        };
        match (function, arguments()) {
            ("And", _) => all(false),
            ("Or", _) => all(true),
            ("Not", [single]) => self.truth(stack, single).map(|truth| !truth),
            ("Not", []) => self.truth(stack, argument).map(|truth| !truth),
            ("Equals", [left, right]) => {
                equal(&self.evaluate(stack, left), &self.evaluate(stack, right), |name| {
                    self.is_id(stack, name)
                })
            }
            ("Contains" | "EachMemberIn" | "EachMemberEquals", [left, right]) => {
                let items = |value: &Value| match self.evaluate(stack, value) {
                    Val::List(items) => items,
                    single => vec![single],
                };
                let (left, right) = (items(left), items(right));
                let is_in = |item: &Val, all: &[Val]| {
                    let mut unknown = None;
                    for other in all {
                        match equal(item, other, |_| false) {
                            Ok(true) => return Ok(true),
                            Ok(false) => {}
                            Err(token) => unknown = Some(token),
                        }
                    }
                    unknown.map_or(Ok(false), Err)
                };
                if function == "Contains" {
                    return right.first().map_or(Ok(false), |item| is_in(item, &left));
                }
                for item in &left {
                    if !is_in(item, &right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => {
                let value = self.function(stack, function, argument);
                match value.text().as_deref() {
                    Some("true") => Ok(true),
                    Some("false") => Ok(false),
                    text => Err(text.and_then(Token::first_missing).unwrap_or_else(|| {
                        Token::missing(function, format!("Fn::{function} is no condition"))
                    })),
                }
            }
        }
    }

    /// Whether a parameter without a value is an id: it then is something, and no text that a template compares it to.
    fn is_id(&self, stack: usize, name: &str) -> bool {
        let Some(own) = self.stack(stack) else { return false };
        let key = name.strip_prefix(&own.prefix).unwrap_or(name);
        let of_type = own.template.parameters.get(key).and_then(|declared| declared.get("Type"));
        let of_type = of_type.and_then(Value::as_str).unwrap_or_default().trim_start_matches("List<");
        (of_type.starts_with("AWS::") && !of_type.starts_with("AWS::SSM::"))
            || own.template.resources.values().any(|resource| {
                resource.get("Properties").is_some_and(|properties| refers_by_id(properties, key, false))
            })
    }
}

/// Whether two values are the same text; or what of them has no value.
fn equal(left: &Val, right: &Val, is_id: impl Fn(&str) -> bool) -> Result<bool, Token> {
    let (left, right) = (flat(left, ","), flat(right, ","));
    if left == right {
        return Ok(true);
    }
    for text in [&left, &right] {
        match Token::first_missing(text) {
            Some(Token::Missing { name, .. }) if Token::whole(text).is_some() && is_id(&name) => {
                return Ok(false);
            }
            Some(token) => return Err(token),
            None => {}
        }
    }
    Ok(false)
}

/// Whether `{"Ref": name}` stands where ids do.
fn refers_by_id(value: &Value, name: &str, is_id: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| refers_by_id(item, name, is_id)),
        Value::Object(map) => map.iter().any(|(key, value)| match key.as_str() {
            "Ref" => is_id && value.as_str() == Some(name),
            key if key.starts_with("Fn::") => refers_by_id(value, name, is_id),
            key => refers_by_id(value, name, IDS.contains(&key)),
        }),
        _ => false,
    }
}
