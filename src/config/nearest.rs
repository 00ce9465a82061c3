//! What somebody meant who wrote a name that does not exist.

/// Names that differ in more than this share of their letters are not alike: one half.
const UNLIKE_DIVISOR: usize = 2;

/// The name that is most like the given one, unless none is alike.
pub(super) fn nearest<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (distance(given, name), name))
        .min()
        .filter(|&(distance, name)| distance <= name.len() / UNLIKE_DIVISOR)
        .map(|(_, name)| name)
}

/// How many letters must be added, dropped or changed to make one of the other.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (left, &wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != wanted);
            diagonal = row[left + 1];
            row[left + 1] = changed.min(row[left] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_with_the_fewest_changes_is_found() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        let names = ["postgres.url", "mongodb.url", "node.name"];
        assert_eq!(nearest("postgres.uri", names), Some("postgres.url"));
        assert_eq!(nearest("mongo.url", names), Some("mongodb.url"));
        assert_eq!(nearest("quite.something.else", names), None);
    }
}
