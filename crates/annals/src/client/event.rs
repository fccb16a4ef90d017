//! Events as the commands show them.

use annals_model::catalogue;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The parts of an event that are shown.
#[derive(Deserialize)]
pub(super) struct ShownEvent {
    pub(super) id: String,
    pub(super) created_at: String,
    pub(super) user: Option<ShownUser>,
    pub(super) app_name: Option<String>,
    pub(super) project_name: Option<String>,
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) type_data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct ShownUser {
    pub(super) username: String,
}

impl ShownEvent {
    pub(super) fn parse(json: &str) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(json)?)
    }

    /// Returns who did it.
    pub(super) fn actor(&self) -> &str {
        self.user.as_ref().map_or("-", |user| &user.username)
    }

    /// Returns the app or the project that it names.
    pub(super) fn subject(&self) -> &str {
        self.app_name.as_deref().or(self.project_name.as_deref()).unwrap_or("-")
    }

    /// Returns a sentence that says what happened. For an event whose fields are partly hidden, or of a type that a later version
    /// knows, this is the name of the type.
    pub(super) fn sentence(&self) -> String {
        let Some(event_type) = catalogue::find(&self.event_type) else { return self.event_type.clone() };
        let data = self.type_data.as_ref().and_then(|data| event_type.parse(data).ok());
        data.map_or_else(|| event_type.display_name.to_lowercase(), |data| data.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_sentence_also_if_fields_are_hidden() {
        let event = |event_type: &str, data: &str| {
            let json = format!(
                r#"{{"id":"6905bc8073636100011a0000","created_at":"2026-11-01T08:00:00.000Z","type":"{event_type}","type_data":{data}}}"#
            );
            ShownEvent::parse(&json).expect("an event").sentence()
        };
        assert_eq!(event("restart", "{}"), "restarted all containers");
        assert_eq!(event("run", r#"{"command":null}"#), "command run");
        assert_eq!(event("of_a_later_version", "{}"), "of_a_later_version");
    }
}
