//! Suggestions for misspelt names.

/// The most letters that may be wrong.
const WRONG_MAX: usize = 2;

/// Returns the known name that is nearest to the written one; `None` if more than one letter in three would be wrong.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance takes time with the product of the lengths, and a client chooses one of them.
    let is_alike_in_length = |name: &&str| name.len().abs_diff(written.len()) <= 4 * WRONG_MAX;
    let near = known.into_iter().filter(is_alike_in_length).filter_map(|name| {
        let wrong_max = (written.len().min(name.len()) / 3).clamp(1, WRONG_MAX);
        let wrong = strsim::osa_distance(written, name);
        (wrong <= wrong_max).then_some((wrong, name))
    });
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typo_is_recognized_and_another_word_is_not() {
        let known = ["name", "amount", "source_repo_name", "deployment", "stop"];
        for (written, expected) in [
            ("nam", Some("name")),
            ("naem", Some("name")),
            ("ammount", Some("amount")),
            ("deplyoment", Some("deployment")),
            ("source_repo_url", None),
            ("deployed", None),
            ("size", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
