//! How does a tree look as text?
//!
//! Branches with lines, notes below them and branches of their own. Lines that are rows line up with the rows beside
//! them.

use std::fmt::Write as _;

use crate::style::{FAINT, columns, paint};

/// A line of a tree, with what hangs on it.
#[derive(Debug, Default)]
pub(crate) struct Branch {
    line: Line,
    notes: Vec<String>,
    below: Vec<Branch>,
}

/// What stands on a branch.
#[derive(Debug)]
enum Line {
    /// As it is.
    Text(String),
    /// Plain cells, lined up with those of the rows beside.
    Row(Vec<String>),
}

impl Default for Line {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Branch {
    /// A branch with a text, which may have colours.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { line: Line::Text(text.into()), ..Self::default() }
    }

    /// A branch that is a row of plain cells.
    pub(crate) fn row(cells: Vec<String>) -> Self {
        Self { line: Line::Row(cells), ..Self::default() }
    }

    /// The same with a faint line below it.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same with these branches.
    pub(crate) fn with(mut self, below: impl IntoIterator<Item = Branch>) -> Self {
        self.below.extend(below);
        self
    }
}

/// The branches as text; `paint_cell` colours the cell of a column once its width is known.
pub(crate) fn grow(branches: &[Branch], paint_cell: &impl Fn(usize, &str) -> String) -> String {
    let mut text = String::new();
    add(&mut text, branches, "", paint_cell);
    text
}

fn add(text: &mut String, branches: &[Branch], trunk: &str, paint_cell: &impl Fn(usize, &str) -> String) {
    let rows: Vec<Vec<String>> = branches
        .iter()
        .filter_map(|branch| match &branch.line {
            Line::Row(cells) => Some(cells.clone()),
            Line::Text(_) => None,
        })
        .collect();
    let rows = columns(&rows, "", |_, column, cell| paint_cell(column, cell));
    let mut rows = rows.lines();
    for (place, branch) in branches.iter().enumerate() {
        let is_last = place + 1 == branches.len();
        let (joint, rest) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
        let line = match &branch.line {
            Line::Text(line) => line,
            Line::Row(_) => rows.next().unwrap_or_default(),
        };
        let _ = writeln!(text, "{trunk}{joint} {line}");
        let trunk = format!("{trunk}{rest}");
        let fence = if branch.below.is_empty() { ' ' } else { '│' };
        for note in &branch.notes {
            let _ = writeln!(text, "{trunk}{}", paint(FAINT, format_args!("{fence}  {note}")));
        }
        add(text, &branch.below, &trunk, paint_cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_and_notes_hang_below_their_line() {
        let row = |cells: [&str; 2]| Branch::row(cells.map(str::to_owned).to_vec());
        let tree = [
            Branch::text("one").note("about one").with([row(["a", "1"]), row(["bcd", "2"])]),
            Branch::text("two").note("about two"),
        ];
        let faint = |note: &str| paint(FAINT, note);
        let expected = format!(
            "├─ one\n│  {}\n│  ├─ a    1\n│  └─ bcd  2\n└─ two\n   {}\n",
            faint("│  about one"),
            faint("   about two")
        );
        assert_eq!(grow(&tree, &|_, cell| cell.to_owned()), expected);
    }
}
