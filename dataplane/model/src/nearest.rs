//! Which word did the user probably mean?

/// Longer words are no slips of the pen, and comparing them takes long.
const LONGEST: usize = 255;

/// The candidate closest to `word`, if it is close enough to be a slip: one edit in three characters, letter case
/// aside. Words of more than 255 characters are left out.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_nothing() {
        let known = ["cidr_block", "ipv6_cidr_block", "availability_zone"];
        for (word, meant) in [
            ("cidr_blok", Some("cidr_block")),
            ("CIDR_BLOCK", Some("cidr_block")),
            ("cidr_blokc", Some("cidr_block")),
            ("availability_zones", Some("availability_zone")),
            ("availability", None),
            ("tenancy", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        let long = "x".repeat(256);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
