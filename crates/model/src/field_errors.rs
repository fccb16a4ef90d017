//! What is wrong with the fields of a request.

use std::collections::BTreeMap;

/// What is wrong with each field; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// One thing wrong with one field.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.into(), vec![message.into()])]))
    }

    /// What was collected, if anything was wrong.
    pub fn any(errors: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
        let mut fields = BTreeMap::<String, Vec<String>>::new();
        for (field, message) in errors {
            let messages = fields.entry(field).or_default();
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        (!fields.is_empty()).then_some(Self(fields))
    }

    /// The messages by field.
    pub fn as_map(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}

/// The errors of a part, named from the whole: `type_data` and `name` make `type_data.name`.
pub fn within(whole: &str, errors: &FieldErrors) -> FieldErrors {
    let named = errors.as_map().iter().flat_map(|(field, messages)| {
        let field = match field.as_str() {
            "" => whole.to_owned(),
            field if field.starts_with('[') => format!("{whole}{field}"),
            field => format!("{whole}.{field}"),
        };
        messages.iter().map(move |message| (field.clone(), message.clone()))
    });
    FieldErrors::any(named).expect("errors are never empty")
}
