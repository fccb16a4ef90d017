//! Steps on the app itself: name, owner, stack, settings, contacts.

use annals_model::app::{
    ChangeStack, DeleteApp, EditApp, GrantConsent, HdsContact, RenameApp, SetHdsContact, TransferApp,
};

use super::{Kind, Step, email, flag, text};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "rename the app", decide: rename },
    Kind { name: "transfer the app", decide: transfer },
    Kind { name: "edit the app", decide: edit },
    Kind { name: "change the stack", decide: change_stack },
    Kind { name: "grant consent", decide: grant_consent },
    Kind { name: "set the HDS contact", decide: set_hds_contact },
    Kind { name: "delete the app", decide: delete },
];

fn rename(step: &mut Step<'_>) -> Decided {
    let new_name = text(&["first-name", "second-name", "no"], step.a);
    step.act(&RenameApp { current_name: step.app.name.clone(), new_name })
}

fn transfer(step: &mut Step<'_>) -> Decided {
    step.act(&TransferApp { owner: email(step.a), current_name: None })
}

fn edit(step: &mut Step<'_>) -> Decided {
    step.act(&EditApp { force_https: flag(step.a), sticky_session: flag(step.b), router_logs: None })
}

fn change_stack(step: &mut Step<'_>) -> Decided {
    let stack_id = text(&["scalingo-22", "scalingo-24", "scalingo-18", "none"], step.a);
    step.act(&ChangeStack { stack_id })
}

fn grant_consent(step: &mut Step<'_>) -> Decided {
    let now = step.context.now;
    let until = |days: usize| (days > 0).then(|| now.plus_millis(days as u64 * 86_400_000));
    step.act(&GrantConsent { databases_until: until(step.a), containers_until: until(step.b) })
}

fn set_hds_contact(step: &mut Step<'_>) -> Decided {
    let contact = HdsContact {
        name: text(&["Jane", ""], step.a),
        email: email(step.b),
        phone_number: None,
        company: None,
        address_line1: None,
        address_line2: None,
        address_city: None,
        address_zip: None,
        address_country: Some("FR".to_owned()),
        notes: None,
    };
    step.act(&SetHdsContact(contact))
}

/// Confirms the deletion seldom, since a history ends with it.
fn delete(step: &mut Step<'_>) -> Decided {
    let is_confirmed = (step.a, step.b) == (1, 5);
    step.act(&DeleteApp { current_name: is_confirmed.then(|| step.app.name.clone()) })
}
