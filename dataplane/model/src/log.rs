//! Where in the document are we, and what have we found wrong so far?
//!
//! Every phase of validation writes into one [`Log`] and goes on; nobody stops at the first mistake. What always
//! holds: the mistakes come out in the order of kinds, then of names, whatever the order of the document.

use std::cell::RefCell;
use std::rc::Rc;

use crate::mistake::{Mistake, Mistakes};
use crate::name::{KINDS, Kind, Name};

/// A place in the document: a resource, and an attribute within it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    resource: Rc<str>,
    attribute: String,
}

impl Place {
    /// The document as a whole.
    pub(crate) fn document() -> Self {
        Self { resource: "".into(), attribute: String::new() }
    }

    /// The resource called `name` of kind `K`.
    pub(crate) fn resource<K: Kind>(name: &Name<K>) -> Self {
        Self { resource: format!("{}.{name}", K::PLURAL).into(), attribute: String::new() }
    }

    /// The resource called `name` of the kind with this key.
    pub(crate) fn named(plural: &str, name: &str) -> Self {
        Self { resource: format!("{plural}.{name}").into(), attribute: String::new() }
    }

    /// An attribute of this place.
    pub(crate) fn attribute(&self, name: &str) -> Self {
        let attribute =
            if self.attribute.is_empty() { name.to_owned() } else { format!("{}.{name}", self.attribute) };
        Self { resource: self.resource.clone(), attribute }
    }

    /// The item at `index` of the list at this place.
    pub(crate) fn item(&self, index: usize) -> Self {
        Self { resource: self.resource.clone(), attribute: format!("{}[{index}]", self.attribute) }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Log(RefCell<Vec<Mistake>>);

impl Log {
    /// Notes a mistake: EC2's code for it, what is wrong, and what would be right.
    pub(crate) fn report(
        &self,
        at: &Place,
        code: &'static str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.borrow_mut().push(Mistake {
            resource: at.resource.as_ref().to_owned(),
            attribute: at.attribute.clone(),
            code,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// Whether so much is wrong already that nobody reads a guess at what was meant for each.
    pub(crate) fn is_long(&self) -> bool {
        const MANY: usize = 100;
        self.0.borrow().len() > MANY
    }

    /// Nothing, or every mistake in order.
    pub(crate) fn finish(self) -> Result<(), Mistakes> {
        let mut mistakes = self.0.into_inner();
        mistakes.sort_by(|a, b| rank(&a.resource).cmp(&rank(&b.resource)));
        mistakes.dedup();
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }
}

fn rank(resource: &str) -> (usize, &str) {
    match resource.split_once('.') {
        Some((plural, name)) => {
            (1 + KINDS.iter().position(|kind| *kind == plural).unwrap_or(KINDS.len()), name)
        }
        None => (0, resource),
    }
}
