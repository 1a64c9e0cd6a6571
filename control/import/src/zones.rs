//! Which zone has an id such as `use1-az1`?
//!
//! Each account has names of its own for the zones of a region, and AWS shuffles them: only an account knows that its
//! us-east-1c is use1-az1. Where nobody says, each id is one zone by its number, everywhere the same, so that what is in
//! one zone stays in one. Local Zones and those of Wavelength have the same name in every account.

use crate::report::{Note, NoteKind};

/// The zone of a region that stands for the one with an id; nothing where the id is none.
pub(crate) fn zone_of_id(region: &str, id: &str) -> Option<String> {
    let parts: Vec<&str> = id.trim().split('-').collect();
    match parts.as_slice() {
        [_, zone] => Some(format!("{region}{}", letter(zone)?)),
        [_, group, city, zone] if group.starts_with("wl") => {
            let number = zone.strip_prefix("wlz").filter(|number| number.parse::<u8>().is_ok())?;
            Some(format!("{region}-{group}-{city}-wlz-{number}"))
        }
        [_, city, zone] => {
            let word = city.trim_end_matches(|digit: char| digit.is_ascii_digit());
            let number = city.strip_prefix(word).filter(|number| !word.is_empty() && !number.is_empty())?;
            Some(format!("{region}-{word}-{number}{}", letter(zone)?))
        }
        _ => None,
    }
}

/// What there is to say of a zone that was chosen for an id. `is_mixed` is whether others are there by their names: whether
/// those are the same zones is not known.
pub(crate) fn chosen(attribute: &str, id: &str, zone: &str, is_mixed: bool) -> Note {
    let text = format!("{attribute} {id} is taken to be {zone}: only the account knows its names of zones");
    if is_mixed {
        let more = "; others are written by name, and may be this one or not";
        return Note::new(NoteKind::Approximated, format!("{text}{more}"));
    }
    Note::new(NoteKind::Assigned, text)
}

/// The letter of `az1` and so on: a region has no more than six zones.
fn letter(zone: &str) -> Option<char> {
    let number: u8 = zone.strip_prefix("az")?.parse().ok()?;
    (1..=6).contains(&number).then(|| char::from(b'a' + number - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_zone_by_its_number() {
        for (region, id, expected) in [
            ("us-east-1", "use1-az1", Some("us-east-1a")),
            ("us-east-1", "use1-az6", Some("us-east-1f")),
            ("us-east-1", "use1-az7", None),
            ("us-west-2", "usw2-lax1-az2", Some("us-west-2-lax-1b")),
            ("us-east-1", "use1-wl1-bos-wlz1", Some("us-east-1-wl1-bos-wlz-1")),
            ("us-east-1", "us-east-1a", None),
            ("us-east-1", "", None),
        ] {
            assert_eq!(zone_of_id(region, id).as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn a_zone_next_to_named_ones_is_an_approximation() {
        assert_eq!(chosen("zone", "use1-az1", "us-east-1a", false).kind, NoteKind::Assigned);
        assert_eq!(chosen("zone", "use1-az1", "us-east-1a", true).kind, NoteKind::Approximated);
    }
}
