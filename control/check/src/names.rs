//! What to do about a name that nobody has?

use vpclab_model::nearest;

/// What to do about the unknown name `word`: those that have a source before it, the one that was probably meant, else the
/// ones there are.
pub fn remedy(word: &str, mut known: Vec<&str>) -> String {
    const MOST: usize = 12;
    const FEW: usize = 4;
    let mut longer: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| {
            name.strip_suffix(word).is_some_and(|before| before.ends_with('/') && before.len() > 1)
        })
        .collect();
    longer.sort_unstable();
    longer.dedup();
    if !longer.is_empty() && longer.len() <= FEW {
        return format!("did you mean `{}`?", longer.join("` or `"));
    }
    if let Some(meant) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{meant}`?");
    }
    known.sort_unstable();
    known.dedup();
    let rest = known.len().saturating_sub(MOST);
    known.truncate(MOST);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    match known.as_slice() {
        [] => "there are none".to_owned(),
        [only] => format!("there is only {only}"),
        several => format!("there are {}{more}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_slip_the_names_there_are_are_listed_once() {
        assert_eq!(remedy("WBE-1", vec!["web-1", "db-1"]), "did you mean `web-1`?");
        assert_eq!(remedy("db", vec!["shop/db", "shop/db-2"]), "did you mean `shop/db`?");
        assert_eq!(remedy("db", vec!["a/db", "b/db"]), "did you mean `a/db` or `b/db`?");
        assert_eq!(remedy("cache", vec!["web-1", "db-1", "web-1"]), "there are db-1, web-1");
        assert_eq!(remedy("a", vec!["internet", "internet"]), "there is only internet");
        assert_eq!(remedy("a", Vec::new()), "there are none");
        let many: Vec<String> = (10..30).map(|i| format!("host-number-{i}")).collect();
        assert!(remedy("x", many.iter().map(String::as_str).collect()).ends_with("and 8 more"));
    }
}
