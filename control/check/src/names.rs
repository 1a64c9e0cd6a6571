//! Which name did the user probably mean?

/// The candidate closest to `word`, if it is close enough to be a slip: one edit in three characters, letter case
/// aside.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
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
    fn without_a_slip_the_names_there_are_are_listed_once() {
        assert_eq!(remedy("cache", vec!["web-1", "db-1", "web-1"]), "there are db-1, web-1");
        let many: Vec<String> = (10..30).map(|i| format!("host-number-{i}")).collect();
        assert!(remedy("x", many.iter().map(String::as_str).collect()).ends_with("and 8 more"));
    }
}
