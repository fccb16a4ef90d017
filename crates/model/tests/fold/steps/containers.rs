//! Steps on containers: scale, restart, run.

use annals_model::app::{Restart, Run, Scale, ScaledType};

use super::{Kind, Step, text};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "scale amounts", decide: scale_amounts },
    Kind { name: "scale sizes", decide: scale_sizes },
    Kind { name: "restart", decide: restart },
    Kind { name: "run", decide: run },
];

fn scale_amounts(step: &mut Step<'_>) -> Decided {
    let name = text(&["web", "worker", "b@d"], step.a);
    let container = ScaledType { name, amount: step.b as i64 * 3 - 2, size: None };
    step.act(&Scale { containers: vec![container] })
}

fn scale_sizes(step: &mut Step<'_>) -> Decided {
    let size = Some(text(&["S", "L", "huge"], step.a));
    let web = ScaledType { name: "web".to_owned(), amount: 1, size };
    step.act(&Scale { containers: vec![web] })
}

fn restart(step: &mut Step<'_>) -> Decided {
    step.act(&Restart { scope: vec![text(&["web", "web-1", "nothing"], step.a)] })
}

fn run(step: &mut Step<'_>) -> Decided {
    step.act(&Run { command: text(&["ls", ""], step.a), size: None, detached: step.b.is_multiple_of(2) })
}
