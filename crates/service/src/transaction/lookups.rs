//! What the rules look up, besides the states that they decide on.

use std::sync::Arc;

use annals_model::{Directory, Integration, Lookups, Person, Rules, UserId};
use annals_store::{Error, key};

use super::Transaction;

impl Lookups for Transaction<'_> {
    fn directory(&self) -> &Directory {
        self.directory.get_or_init(|| {
            let found = self.looked_up(self.get(key::Directory()));
            found.unwrap_or_else(|| Arc::clone(&self.settings.default_directory))
        })
    }

    fn rules(&self) -> &Rules {
        &self.settings.rules
    }

    fn person(&self, user: UserId) -> Option<Person> {
        Some(self.looked_up(self.account(user))?.person.clone())
    }

    fn person_with_email(&self, email: &str) -> Option<Person> {
        self.person(self.looked_up(self.get(key::Email::of(email)))?)
    }

    fn integration(&self, user: UserId, name: &str) -> Option<Integration> {
        self.looked_up(self.account(user))?.integration(name).cloned()
    }
}

impl Transaction<'_> {
    /// Returns what a lookup found. If the lookup failed, keeps the error for [`Transaction::decided`].
    fn looked_up<T>(&self, found: Result<Option<T>, Error>) -> Option<T> {
        found.unwrap_or_else(|error| {
            self.failed_lookup.replace(Some(error));
            None
        })
    }
}
