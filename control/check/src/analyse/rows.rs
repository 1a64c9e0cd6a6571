//! Which ends can be told in one row?
//!
//! Whoever is reached alike by everybody is one group, and of those who reach him alike one row. What always holds: the
//! rows say for every pair what its own cell says, and nothing of anybody and himself.

/// Those who are asked, by their classes, and who reaches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) to: Vec<usize>,
    /// What, and the classes from which.
    pub(crate) rows: Vec<(usize, Vec<usize>)>,
}

/// What stands where a row and a column meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meets {
    /// This value.
    Value(usize),
    /// Somebody and himself, of whom nothing is said.
    Himself,
}

/// Groups the columns of a table that agree wherever they say something. Rows whose value `is_told` refuses are left out.
pub(crate) fn groups(
    from: usize,
    to: usize,
    value: impl Fn(usize, usize) -> Meets,
    is_told: impl Fn(usize) -> bool,
) -> Vec<Group> {
    let mut known: Vec<(Vec<Meets>, Vec<usize>)> = Vec::new();
    for column in 0..to {
        let says: Vec<Meets> = (0..from).map(|row| value(row, column)).collect();
        let agrees = |like: &[Meets]| {
            like.iter().zip(&says).all(|(a, b)| a == b || *a == Meets::Himself || *b == Meets::Himself)
        };
        match known.iter_mut().find(|(like, _)| agrees(like)) {
            Some((like, columns)) => {
                columns.push(column);
                for (a, b) in like.iter_mut().zip(says) {
                    if *a == Meets::Himself {
                        *a = b;
                    }
                }
            }
            None => known.push((says, vec![column])),
        }
    }
    let group = |(says, to): (Vec<Meets>, Vec<usize>)| {
        let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
        for (row, meets) in says.into_iter().enumerate() {
            let Meets::Value(value) = meets else { continue };
            if !is_told(value) {
                continue;
            }
            match rows.iter_mut().find(|(known, _)| *known == value) {
                Some((_, from)) => from.push(row),
                None => rows.push((value, vec![row])),
            }
        }
        // One whom nobody but himself would be told of says nothing.
        let is_told_of = |column: &usize| {
            let mut askers = rows.iter().flat_map(|(_, from)| from);
            askers.any(|&row| value(row, *column) != Meets::Himself)
        };
        Group { to: to.into_iter().filter(is_told_of).collect(), rows }
    };
    known.into_iter().map(group).filter(|group| !group.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::Meets::{Himself, Value};
    use super::*;

    #[test]
    fn rows_say_what_every_cell_says() {
        for table in [
            vec![vec![Himself, Value(1), Value(1)], vec![Value(2), Himself, Value(2)], vec![Value(0); 3]],
            vec![vec![Himself, Value(1)], vec![Value(1), Himself]],
            vec![vec![Value(1), Value(2)], vec![Value(1), Value(1)]],
        ] {
            let (from, to) = (table.len(), table[0].len());
            let told = groups(from, to, |row, column| table[row][column], |value| value != 0);
            for (row, of_row) in table.iter().enumerate() {
                for (column, meets) in of_row.iter().enumerate() {
                    let said = told
                        .iter()
                        .filter(|group| group.to.contains(&column))
                        .flat_map(|group| &group.rows)
                        .find(|(_, from)| from.contains(&row))
                        .map_or(0, |(value, _)| *value);
                    assert!(*meets == Himself || *meets == Value(said), "{row} {column} of {table:?}");
                }
            }
        }
    }

    #[test]
    fn nobody_is_told_of_himself_alone() {
        let table =
            [[Himself, Value(1), Value(1)], [Value(0), Himself, Value(0)], [Value(0), Value(0), Himself]];
        let told = groups(3, 3, |row, column| table[row][column], |value| value != 0);
        assert_eq!(told, [Group { to: vec![1, 2], rows: vec![(1, vec![0])] }]);
    }

    #[test]
    fn those_who_differ_in_themselves_alone_are_one_group() {
        let told = groups(2, 2, |row, column| if row == column { Himself } else { Value(1) }, |_| true);
        assert_eq!(told, [Group { to: vec![0, 1], rows: vec![(1, vec![0, 1])] }]);
    }
}
