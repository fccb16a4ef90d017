//! Errors by field of a request.

use std::collections::BTreeMap;

/// The error messages for each field. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// Returns one error of one field.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.into(), vec![message.into()])]))
    }

    /// Collects errors; `None` if there are none.
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

    /// Joins the errors of several parts; `None` if there are none.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        Self::any(
            errors.into_iter().flat_map(|errors| errors.0).flat_map(|(field, messages)| {
                messages.into_iter().map(move |message| (field.clone(), message))
            }),
        )
    }

    /// Returns the errors of a part with its fields named from the whole: `name` in `type_data` is `type_data.name`.
    #[must_use]
    pub fn within(&self, whole: &str) -> Self {
        let named = |field: &String| match field.as_str() {
            "" => whole.to_owned(),
            field if field.starts_with('[') => format!("{whole}{field}"),
            field => format!("{whole}.{field}"),
        };
        Self(self.0.iter().map(|(field, messages)| (named(field), messages.clone())).collect())
    }

    /// Returns the messages by field.
    pub fn as_map(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0
    }
}
