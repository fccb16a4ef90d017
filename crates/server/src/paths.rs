//! What a request for an unknown path gets: the feature that annals lacks, or the path that was meant.

use annals_model::nearest;

/// Features of Scalingo's API that annals does not have: where they would be, what they are, and what to use instead. A
/// path covers the paths below it; `*` stands for one segment. A row with a method is about a path that annals has, without
/// that method.
const NOT_OFFERED: &[(&str, &str, &str)] = &[
    ("/v1/apps/*/alerts", "alerts", "report them with POST /v1/events"),
    // Clients read the list, which is always empty, before they scale.
    ("/v1/apps/*/autoscalers", "autoscalers", SCALE),
    ("POST /v1/apps/*/autoscalers", "autoscalers", SCALE),
    ("/v1/apps/*/cron_tasks", "cron tasks", NOTHING_RUNS),
    ("DELETE /v1/apps/*/data_access_consent", "withdrawal of a consent", "it ends by itself at its time"),
    ("/v1/apps/*/containers/*/kill", "signals to containers", NOTHING_RUNS),
    (
        "/v1/apps/*/logs",
        "container logs",
        "POST /v1/apps/{app}/log_drains names where your platform sends them",
    ),
    ("/v1/apps/*/logs_archives", "log archives", NOTHING_RUNS),
    ("/v1/apps/*/notifiers", "notifiers", READ_TIMELINES),
    ("/v1/apps/*/private_network_domain_names", "private networks", NOTHING_RUNS),
    ("/v1/apps/*/stats", "container metrics", NOTHING_RUNS),
    ("/v1/apps/*/addons/*/resume", "suspension of add-ons", "report it with POST /v1/events"),
    ("/v1/apps/*/addons/*/sso", "dashboards of add-ons", "ask the add-on's provider"),
    ("/v1/apps/*/scm_repo_link/branches", "branches of repositories", ASK_THE_FORGE),
    ("/v1/apps/*/scm_repo_link/deployments", "this listing", "use GET /v1/apps/{app}/deployments"),
    ("/v1/scm_integrations/*/import_keys", "import of public keys", "add each with POST /v1/keys"),
    ("/v1/scm_integrations/*", "searches at Git hosting services", ASK_THE_FORGE),
    ("/v1/scm_repo_links", "this listing", "use GET /v1/apps/{app}/scm_repo_link"),
    ("/v1/collaborators", "this listing", "use GET /v1/apps/{app}/collaborators"),
    ("/v1/notification_platforms", "notifiers", READ_TIMELINES),
    ("/v1/private_networks", "private networks", NOTHING_RUNS),
    ("/v1/projects", "projects", "GET /v1/apps lists all apps"),
    ("/v1/databases", "database management", DATABASES),
    ("/v1/database_types", "database management", DATABASES),
    ("/v1/database_type_versions", "database management", DATABASES),
    ("/v1/features/metrics", "container metrics", NOTHING_RUNS),
    ("GET /v1/tokens/*", "one token by itself", "use GET /v1/tokens"),
    ("/v1/client/tfa", "two-factor authentication", "the password, or an API token, is enough"),
    ("/v1/account/invoices", "invoices", BILLING),
    ("/v1/account/profile", "this path", BILLING),
    ("/v1/account/referrals", "referrals", BILLING),
    ("/v1/contracts", "contracts", BILLING),
    ("/v1/organizations", "organizations", "share apps with POST /v1/apps/{app}/collaborators"),
    ("/v1/users/account", "changes of an account", "the operator registers users with POST /v1/users"),
    ("/v1/users/delete", "deletion of accounts", "the operator decides on accounts"),
    ("/v1/users/stop_free_trial", "free trials", BILLING),
    ("/profile", "this path", BILLING),
    ("/profiles", "this path", BILLING),
    ("/v1/users/roles", "roles of users", "an app's roles are at GET /v1/apps/{app}/collaborators"),
    ("/api/backups", "database backups", DATABASES),
    ("/api/databases", "database management", DATABASES),
    ("/api/database_types", "database management", DATABASES),
    ("/api/database_type_versions", "database management", DATABASES),
    ("/api/firewall", "firewalls", NOTHING_RUNS),
];

const SCALE: &str = "scale with POST /v1/apps/{app}/scale";
const NOTHING_RUNS: &str = "it records what happens and runs nothing";
const READ_TIMELINES: &str = "read GET /v1/apps/{app}/events";
const ASK_THE_FORGE: &str = "ask the Git hosting service";
const DATABASES: &str =
    "it has the features and the maintenance of an add-on's database, at /api/databases/{addon}";
const BILLING: &str = "see /v1/account/billing";

/// Returns what to tell a client that requested an unknown path; `None` unless it belongs to a feature that annals lacks.
pub(crate) fn not_offered(path: &str) -> Option<String> {
    in_words(|pattern| covers(pattern, path))
}

/// Returns what to tell a client that requested a path with a method that the path does not have; `None` unless the two
/// together belong to a feature that annals lacks.
pub(crate) fn method_not_offered(method: &str, path: &str) -> Option<String> {
    in_words(|pattern| {
        pattern.split_once(' ').is_some_and(|(with, pattern)| with == method && covers(pattern, path))
    })
}

fn in_words(is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let (_, feature, instead) = NOT_OFFERED.iter().find(|(pattern, ..)| is_meant(pattern))?;
    Some(format!("annals does not offer {feature}; {instead}"))
}

fn covers(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    pattern.split('/').all(|part| segments.next().is_some_and(|segment| part == "*" || part == segment))
}

/// The path that was meant, if one of the known ones is near.
pub(crate) fn meant<'a>(path: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let path = path.trim_end_matches('/');
    let candidates = [path.to_owned(), format!("/v1{path}"), path.replacen("/api/v1/", "/v1/", 1)];
    let near = known.flat_map(|pattern| candidates.iter().filter_map(|path| corrected(path, pattern)));
    // The path with the fewest corrections. Of several, always the same one.
    near.min().map(|(_, path)| path)
}

/// Returns the path with its misspelt segments corrected as in the pattern, and the number of these segments; `None` if it
/// is another path.
fn corrected(path: &str, pattern: &str) -> Option<(usize, String)> {
    let (segments, parts): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
    if segments.len() != parts.len() {
        return None;
    }
    let mut wrong = 0;
    let mut corrected = Vec::with_capacity(parts.len());
    for (segment, part) in segments.into_iter().zip(parts) {
        let is_right = segment == part || part.starts_with('{') && !segment.is_empty();
        if !is_right {
            wrong += 1;
            nearest(segment, [part])?;
        }
        corrected.push(if is_right { segment } else { part });
    }
    Some((wrong, corrected.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_was_meant_is_found_and_another_is_not() {
        let known =
            ["/v1/apps", "/v1/apps/{app}", "/v1/apps/{app}/events", "/v1/events", "/api/databases/{id}"];
        for (path, expected) in [
            ("/apps", Some("/v1/apps")),
            ("/v1/apps/", Some("/v1/apps")),
            ("/v1/app/my-app/evnts", Some("/v1/apps/my-app/events")),
            ("/api/v1/events", Some("/v1/events")),
            ("/v1/event", Some("/v1/events")),
            ("/v2/apps", Some("/v1/apps")),
            ("/", None),
            ("/v1/apps/my-app/everything", None),
            ("/wp-login.php", None),
        ] {
            assert_eq!(meant(path, known.into_iter()).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_feature_that_is_not_offered_covers_what_is_below_it() {
        assert!(not_offered("/v1/apps/my-app/notifiers/1/test").is_some());
        assert!(not_offered("/v1/projects").is_some());
        assert!(not_offered("/v1/apps/my-app/notifier").is_none());
        assert!(not_offered("/v1/apps/notifiers").is_none());
        assert!(method_not_offered("GET", "/v1/tokens/1").is_some());
        assert!(method_not_offered("PATCH", "/v1/tokens/1").is_none());
    }
}
