//! What is an instance called where only file names will do?
//!
//! A plain name stays itself; any other becomes a readable rest, `~` and a hash of the whole, which no plain name can
//! be mistaken for.

use std::collections::BTreeSet;

/// Leaves room for `vpclab-LAB-` in the 255 bytes of a file name.
const LONGEST: usize = 100;
const READABLE: usize = 40;
/// The longest label of a host name (RFC 1035).
const LONGEST_LABEL: usize = 63;

/// The name of a file for `name`, different from all in `taken`. `fingerprint` is the name's hash.
pub(crate) fn slug(name: &str, fingerprint: u128, taken: &BTreeSet<String>) -> String {
    let plain = !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with(['.', '-'])
        && name.chars().all(is_plain);
    if plain && !taken.contains(name) {
        return name.to_owned();
    }
    let readable: String = name.chars().take(READABLE).map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{}~{fingerprint:032x}", readable.trim_start_matches(['.', '-']))
}

/// The host name of an instance: its name where that is a label, else what of it can stand in one.
pub(crate) fn hostname(name: &str, fingerprint: u128) -> String {
    let is_label_char = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = (1..=LONGEST_LABEL).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.chars().all(is_label_char);
    if is_label {
        return name.to_owned();
    }
    let readable: String =
        name.chars().take(READABLE).map(|c| if is_label_char(c) { c } else { '-' }).collect();
    let readable = readable.trim_matches('-');
    if readable.is_empty() { format!("host-{:08x}", fingerprint & 0xffff_ffff) } else { readable.to_owned() }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_its_own_file_name_and_any_other_is_told_apart() {
        let none = BTreeSet::new();
        assert_eq!(slug("web-1", 7, &none), "web-1");
        let all = [
            slug("a b", 1, &none),
            slug("a:b", 2, &none),
            slug("a_b", 3, &none),
            slug("..", 4, &none),
            slug(&"x".repeat(255), 5, &none),
            slug("", 6, &none),
            slug("web-1", 8, &BTreeSet::from(["web-1".to_owned()])),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        for slug in &all {
            assert!(slug.len() <= LONGEST && !slug.contains('/') && !slug.starts_with('.'), "{slug}");
        }
    }

    #[test]
    fn a_host_name_is_one_label() {
        for (name, expected) in [
            ("web-1", "web-1"),
            ("web 1", "web-1"),
            ("web.internal", "web-internal"),
            ("-a-", "a"),
            ("ü", "host-000000ff"),
        ] {
            assert_eq!(hostname(name, 0xff), expected);
        }
    }
}
