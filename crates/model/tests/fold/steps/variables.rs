//! Steps on variables.

use annals_model::app::{
    ChangeVariable, DeleteVariable, DeleteVariables, NewValue, SetVariable, SetVariables, variable_id,
};

use super::{Kind, Step, variable_name, variable_value};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "set a variable", decide: set_one },
    Kind { name: "change a variable", decide: change_one },
    Kind { name: "delete a variable", decide: delete_one },
    Kind { name: "set several variables", decide: set_several },
    Kind { name: "delete several variables", decide: delete_several },
];

fn variable(name: usize, value: usize) -> NewValue {
    NewValue { name: variable_name(name), value: variable_value(value) }
}

fn set_one(step: &mut Step<'_>) -> Decided {
    step.act(&SetVariable(variable(step.a, step.b)))
}

fn change_one(step: &mut Step<'_>) -> Decided {
    let id = variable_id(step.app.id, &variable_name(step.a));
    step.act(&ChangeVariable { id, value: variable_value(step.b) })
}

fn delete_one(step: &mut Step<'_>) -> Decided {
    step.act(&DeleteVariable { id: variable_id(step.app.id, &variable_name(step.a)) })
}

fn set_several(step: &mut Step<'_>) -> Decided {
    step.act(&SetVariables(vec![variable(step.a, step.b), variable(step.b, step.a)]))
}

fn delete_several(step: &mut Step<'_>) -> Decided {
    let ids = [step.a, step.b].map(|choice| variable_id(step.app.id, &variable_name(choice)));
    step.act(&DeleteVariables(ids.to_vec()))
}
