//! Which name did the user probably mean?

/// Longer names are nobody's slip.
const LONGEST: usize = 255;
/// So many letters more or fewer are another name, not a slip.
const MOST_LETTERS_OFF: usize = 3;

/// The candidate closest to `word`, if it is close enough to be a slip: one edit in three characters, letter case
/// aside. Names of more than 255 characters, and ones that differ by more than three letters in length, are left out.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let len = word.chars().count();
    if len > LONGEST {
        return None;
    }
    let allowed = (len / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| {
            let other = candidate.chars().count();
            other <= LONGEST && other.abs_diff(len) <= MOST_LETTERS_OFF
        })
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// What to do about the unknown name `word`: the one that was probably meant, else the ones there are.
pub fn remedy(word: &str, mut known: Vec<&str>) -> String {
    const MOST: usize = 12;
    if let Some(meant) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{meant}`?");
    }
    known.sort_unstable();
    known.dedup();
    let rest = known.len().saturating_sub(MOST);
    known.truncate(MOST);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are {}{more}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name() {
        assert_eq!(nearest("wbe-1", ["web-1", "db-1"]), Some("web-1"));
        assert_eq!(nearest("WEB-1", ["web-1", "db-1"]), Some("web-1"));
        assert_eq!(nearest("cache", ["web-1", "db-1"]), None);
    }

    #[test]
    fn names_of_very_different_length_and_very_long_ones_are_no_slips() {
        assert_eq!(nearest("availability", ["availability-zone"]), None);
        assert_eq!(nearest("availability_zones", ["availability_zone"]), Some("availability_zone"));
        let long = "x".repeat(256);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert_eq!(nearest(&long[..255], [&long[..254], long.as_str()]), Some(&long[..254]));
    }

    #[test]
    fn without_a_slip_the_names_there_are_are_listed_once() {
        assert_eq!(remedy("cache", vec!["web-1", "db-1", "web-1"]), "there are db-1, web-1");
        let many: Vec<String> = (10..30).map(|i| format!("host-number-{i}")).collect();
        assert!(remedy("x", many.iter().map(String::as_str).collect()).ends_with("and 8 more"));
    }
}
