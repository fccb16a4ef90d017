//! Steps that are reports instead of actions.

use annals_model::Report;

use super::{Kind, Step};
use crate::platform::{Decided, named};

const EXAMPLES: &str = include_str!("../../../../../docs/examples.ndjson");

pub(super) const KINDS: &[Kind] = &[Kind { name: "report", decide: report }];

/// Reports one of the examples. A report is a fact, so it is recorded whatever the state is.
fn report(step: &mut Step<'_>) -> Decided {
    let examples: Vec<_> = EXAMPLES.lines().collect();
    let report = Report::parse(examples[step.example.index(examples.len())]).unwrap();
    let events: Vec<_> = report.app.map(|_| report.data).into_iter().collect();
    Ok(named(events.into()))
}
