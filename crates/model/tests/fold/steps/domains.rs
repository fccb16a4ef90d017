//! Steps on domains.

use annals_model::ResourceId;
use annals_model::app::{AddDomain, CertificateChange, DeleteDomain, EditDomain, domain_id};

use super::{Kind, Step, flag, text};
use crate::platform::Decided;

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "add a domain", decide: add },
    Kind { name: "edit a domain", decide: edit },
    Kind { name: "delete a domain", decide: delete },
];

fn domain(step: &Step<'_>) -> ResourceId {
    domain_id(step.app.id, &text(&["a.io", "b.io", "c.io"], step.a))
}

fn add(step: &mut Step<'_>) -> Decided {
    step.act(&AddDomain {
        name: text(&["a.io", "b.io", "c.io", "bad"], step.a),
        certificate: None,
        canonical: step.b == 0,
        letsencrypt_enabled: step.b != 1,
    })
}

fn edit(step: &mut Step<'_>) -> Decided {
    step.act(&EditDomain {
        id: domain(step),
        certificate: CertificateChange::Remove,
        canonical: flag(step.b),
        letsencrypt_enabled: flag(step.b + 1),
    })
}

fn delete(step: &mut Step<'_>) -> Decided {
    step.act(&DeleteDomain { id: domain(step) })
}
