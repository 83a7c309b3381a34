//! Counts of the names that a file brings. Their number is bounded.

use std::collections::BTreeMap;

/// All further names are counted under this one.
const OTHERS: &str = "...";

/// Counts a name, among at most `names_max` different ones.
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, name: String, names_max: usize) {
    let known = counts.len() < names_max || counts.contains_key(&name);
    let name = if known { name } else { OTHERS.to_owned() };
    *counts.entry(name).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut counts = BTreeMap::new();
        for number in 0..1000 {
            count(&mut counts, format!("field-{}", number % 500), 256);
        }
        assert_eq!(counts.len(), 256 + 1);
        assert_eq!(counts["field-7"], 2);
        assert_eq!(counts.values().sum::<u64>(), 1000);
    }
}
