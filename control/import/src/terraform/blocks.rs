//! Which block of the configuration is an item of a list of blocks made from?

use serde_json::Value;

/// The blocks of the configuration that a list of blocks was made from, in whichever order.
pub(super) struct Blocks<'a> {
    expression: Option<&'a Value>,
    used: Vec<usize>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(expression: Option<&'a Value>) -> Self {
        Self { expression, used: Vec::new() }
    }

    /// The block of an item: of those that say nothing else than it does, the first that no other item has.
    pub(super) fn of(&mut self, at: usize, item: &Value) -> Option<&'a Value> {
        let expression = self.expression?;
        let Some(blocks) = expression.as_array() else { return Some(expression) };
        let fits = |block: &Value| {
            let written = block.as_object().into_iter().flatten();
            written.into_iter().all(|(key, expression)| {
                expression.get("constant_value").is_none_or(|constant| same(constant, item.get(key)))
            })
        };
        let free = |at: &usize| blocks.get(*at).is_some_and(fits) && !self.used.contains(at);
        let chosen = Some(at).filter(free).or_else(|| (0..blocks.len()).find(free));
        // One that was made by a `dynamic` block has none of its own.
        let chosen = chosen?;
        self.used.push(chosen);
        blocks.get(chosen)
    }
}

/// Whether two values are one, however numbers are written; nothing and emptiness are, too.
pub(super) fn same(a: &Value, b: Option<&Value>) -> bool {
    let plain = |value: &Value| match value {
        Value::Array(items) if items.is_empty() => String::new(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    };
    b.is_some_and(|b| plain(a) == plain(b) || matches!(a, Value::Array(_)) && matches!(b, Value::Array(_)))
}
