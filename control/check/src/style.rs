//! Which colour says what? One palette for every text; whoever prints decides whether colours reach the terminal.

use anstyle::{AnsiColor, Style};

/// Yes, allowed, passed.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// No, denied, failed.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Unknown, assumed.
pub const UNSURE: Style = AnsiColor::Yellow.on_default();
/// What matters less.
pub const FAINT: Style = Style::new().dimmed();
/// What matters most.
pub const STRONG: Style = Style::new().bold();

/// `text` in `style`.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Rows with their columns aligned: cells are plain text, and `paint` colours one after its width is known. Trailing
/// empty cells leave no spaces behind.
pub fn columns(rows: &[Vec<String>], indent: &str, paint: impl Fn(usize, usize, &str) -> String) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let last = row.iter().rposition(|cell| !cell.is_empty());
        text.push_str(if last.is_some() { indent } else { "" });
        for (column, cell) in row.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            // A column that is empty in every row takes no room.
            if widths[column] == 0 {
                continue;
            }
            text.push_str(&paint(place, column, cell));
            if Some(column) != last {
                let padding = widths[column] - cell.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
    }
    text
}
