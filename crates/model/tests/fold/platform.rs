//! The platform that histories are decided on, and what a step decides.

use annals_model::{Decision, Directory, Integration, Lookups, Person, Rejection, Rules, Time, UserId};
use serde::Serialize;

/// A platform with three users, who have all connected GitHub.
pub(crate) struct Fixed {
    pub(crate) directory: Directory,
    pub(crate) rules: Rules,
    pub(crate) people: Vec<Person>,
}

impl Lookups for Fixed {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn person(&self, user: UserId) -> Option<Person> {
        self.people.iter().find(|person| person.id == user).cloned()
    }

    fn person_with_email(&self, email: &str) -> Option<Person> {
        self.people.iter().find(|person| person.email == email).cloned()
    }

    fn integration(&self, _: UserId, name: &str) -> Option<Integration> {
        (name == "github").then(|| Integration {
            id: "6e6f0000-0000-4000-8000-000000000001".to_owned(),
            scm_type: "github".to_owned(),
            url: "https://github.com".to_owned(),
            login: String::new(),
            created_at: Time::EPOCH,
        })
    }
}

pub(crate) fn people() -> Vec<Person> {
    ["jane", "sam", "kim"]
        .iter()
        .enumerate()
        .map(|(index, name)| Person {
            username: (*name).to_owned(),
            email: format!("{name}@example.com"),
            id: format!("us-00000000-0000-4000-8000-00000000000{index}").parse().unwrap(),
        })
        .collect()
}

/// What a step decided, with the name of the thing it created, if it created one.
pub(crate) type Decided = Result<Decision<Option<String>>, Rejection>;

/// Turns the created thing's name, whatever its type, into text.
pub(crate) fn named<C: Serialize>(decision: Decision<C>) -> Decision<Option<String>> {
    let created = serde_json::to_value(decision.created).unwrap();
    Decision { events: decision.events, created: created.as_str().map(str::to_owned) }
}
