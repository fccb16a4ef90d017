//! Which events a command is about.

use clap::Args;

use super::api::Query;

/// The options that select events.
#[derive(Args)]
pub(super) struct Selection {
    /// Only these types, such as deployment,scale; `annals types` lists them
    #[arg(long = "type", value_name = "TYPES", help_heading = "Events")]
    types: Option<String>,

    /// Only what these users did: usernames, addresses or identifiers; none for what nobody did
    #[arg(long, value_name = "USERS", help_heading = "Events")]
    actor: Option<String>,

    /// Only what happened from then on: 7d, 12h, 2026-01-31, 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", help_heading = "Events")]
    since: Option<String>,

    /// Only what happened up to then
    #[arg(long, value_name = "TIME", help_heading = "Events")]
    until: Option<String>,

    /// Words of the filter language, such as 'type:scale OR "needs text"'; begin with NOT rather than with a hyphen
    #[arg(value_name = "FILTER", help_heading = "Events")]
    words: Vec<String>,
}

impl Selection {
    /// Returns the parameters of the requests.
    pub(super) fn query(&self) -> Query {
        let mut query = Vec::new();
        query.extend(self.types.clone().map(|types| ("type", types)));
        query.extend(self.actor.clone().map(|actor| ("actor", actor)));
        query.extend(self.since.as_deref().map(|since| ("since", ago(since))));
        query.extend(self.until.as_deref().map(|until| ("until", ago(until))));
        if !self.words.is_empty() {
            query.push(("q", self.words.join(" ")));
        }
        query
    }
}

/// Returns a time as the API takes it: `7d` means seven days ago.
pub(super) fn ago(time: &str) -> String {
    let is_amount = time.len() > 1
        && time.ends_with(['s', 'm', 'h', 'd', 'w'])
        && time[..time.len() - 1].bytes().all(|byte| byte.is_ascii_digit());
    if is_amount { format!("-{time}") } else { time.to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn amounts_of_time_lie_in_the_past() {
        for (written, sent) in [
            ("7d", "-7d"),
            ("-7d", "-7d"),
            ("90m", "-90m"),
            ("2026-01-31", "2026-01-31"),
            ("d", "d"),
            ("é", "é"),
        ] {
            assert_eq!(super::ago(written), sent);
        }
    }
}
