//! Reporting every failed case of a table, not only the first.

use std::fmt::{Debug, Display, Write as _};

/// The failed cases of a test that goes through a table.
///
/// They fail the test together: in [`Failures::report`], or when this value is dropped without it.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Compares what a case expected with what it got.
    pub fn check<E: PartialEq<G> + Debug, G: Debug>(&mut self, case: impl Display, expected: E, got: G) {
        if expected != got {
            self.add(case, format!("{expected:?}"), format!("{got:?}"));
        }
    }

    /// Adds a failed case, with what it expected and what it got.
    pub fn add(&mut self, case: impl Display, expected: impl Display, got: impl Display) {
        self.0.push(format!("{case}\n  expected: {expected}\n  got:      {got}"));
    }

    /// Fails the test if any case has failed.
    pub fn report(self) {}
}

impl Drop for Failures {
    fn drop(&mut self) {
        // A second panic would abort the process and hide the first.
        if self.0.is_empty() || std::thread::panicking() {
            return;
        }
        let mut text = format!("{} failed\n", self.0.len());
        for case in &self.0 {
            _ = write!(text, "\n{case}\n");
        }
        panic!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn every_failed_case_is_in_the_message() {
        let failing = std::panic::catch_unwind(|| {
            let mut failures = Failures::default();
            failures.check("first", 1, 2);
            failures.check("second", 3, 3);
            failures.check("third", "a", "b");
            failures.report();
        });
        let message = *failing.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(
            message,
            "2 failed\n\nfirst\n  expected: 1\n  got:      2\n\nthird\n  expected: \"a\"\n  got:      \"b\"\n"
        );
    }

    #[test]
    fn failures_are_reported_even_if_nobody_asks() {
        assert!(std::panic::catch_unwind(|| Failures::default().check("case", 1, 2)).is_err());
        assert!(std::panic::catch_unwind(|| Failures::default().check("case", 1, 1)).is_ok());
    }
}
