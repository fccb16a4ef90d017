//! The words that the project gave up, each with the term of the field that stands in its place.

use crate::{assert_none, read, tracked_files};

/// Names that no type, function, field or variable has, and what to call it.
const NAMES: &[(&str, &str)] = &[
    ("Draft", "Transaction"),
    ("View", "Snapshot"),
    ("Sight", "TrackingSnapshot"),
    ("Change", "Command"),
    ("Refusal", "CommandError"),
    ("Writes", "WriteSet"),
    ("Seen", "ReadSet"),
    ("Shared", "a name that says what is shared"),
    ("Kept", "Inner, or StoredOutcome"),
    ("Known", "Cached…"),
    ("Memory", "Cache"),
    ("Facts", "PrivateState"),
    ("Told", "WebhookEvent"),
    ("Entry", "a name that says the entry of what"),
    ("Recorded", "a name that says what was recorded"),
    ("Platform", "Lookups, Role::Operator, or what it is"),
    ("place", "distribution_key, or what it is"),
    ("is_spread", "is_distributed"),
    ("beyond_events", "force_checkpoint"),
    ("stretches", "ranges"),
    ("given_ids", "external_ids"),
    ("id_given", "has_external_id"),
    ("as_now", "refresh"),
    ("unplaced", "unassigned"),
    ("hear_of", "pull_request_received"),
    ("nobody_tried", "equalize_timing"),
    ("guard", "owning_timeline"),
    ("news", "notifications"),
    ("made", "created"),
];

/// Phrases that no code, comment, message or document has, in lower case, and what to write.
const PHRASES: &[(&str, &str)] = &[
    ("who asks", "the caller"),
    ("whoever asks", "the caller"),
    ("is no event type", "unknown event type"),
    ("is one too many", "limit reached (N)"),
    ("are worth nothing", "expire"),
    ("is worth nothing", "expires"),
    ("cannot do it now", "database unavailable"),
    ("always quicker", "too much contention, try again"),
    ("stops in order", "shuts down gracefully"),
    ("ending them in order", "shutting them down gracefully"),
    ("goes on where it was", "resumes"),
    ("whose app it is not", "apps you cannot access return 404"),
    ("there is nothing at this path", "what annals does not offer, and what does"),
    ("whoever answers is believed", "the certificate is not verified"),
    ("with as many processes as it takes", "any number of processes"),
    ("hears of", "receives"),
    ("it is only said whether", "checks without doing"),
    ("beyond it 429", "excess requests get 429"),
    ("getv1", "the handler's name"),
];

/// This file, and files that others wrote: their words are not ours.
fn is_exempt(file: &str) -> bool {
    let is_text = ["rs", "md", "toml", "sql", "sh", "mjs", "json", "snap", "yaml", "yml"]
        .iter()
        .any(|extension| file.ends_with(&format!(".{extension}")))
        || !file.rsplit('/').next().unwrap_or(file).contains('.');
    !is_text
        || file.ends_with("repository/words.rs")
        || file.ends_with("package-lock.json")
        || file == "Cargo.lock"
        || file == "LICENSE"
}

#[test]
fn names_that_were_given_up_stay_away() {
    let mut findings = Vec::new();
    for file in tracked_files().iter().filter(|file| file.ends_with(".rs") && !is_exempt(file)) {
        for (number, line) in read(file).lines().enumerate() {
            for name in defined_in(line) {
                let given_up = NAMES.iter().find(|(old, _)| {
                    *old == name || (*old == "Known" && name.starts_with("Known") && is_type(name))
                });
                if let Some((_, better)) = given_up {
                    findings.push(format!("{file}:{}: `{name}`: {better}", number + 1));
                }
            }
        }
    }
    assert_none("names that were given up", &findings);
}

fn is_type(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// The names that a line of Rust defines: items, and what `let`, a field or a parameter names.
fn defined_in(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let words: Vec<&str> =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let mut names: Vec<&str> = words
        .windows(2)
        .filter(|pair| {
            matches!(
                pair[0],
                "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static" | "let" | "mut"
            )
        })
        .map(|pair| pair[1])
        .filter(|name| *name != "mut")
        .collect();
    // `name: Type` is a field or a parameter, but a string's text is neither.
    let unquoted: String = code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    for (at, _) in unquoted.match_indices(": ") {
        let before = &unquoted[..at];
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        if let Some(name) = words.iter().find(|word| ***word == before[start..]) {
            names.push(name);
        }
    }
    names
}

#[test]
fn phrases_that_were_given_up_stay_away() {
    let mut findings = Vec::new();
    for file in tracked_files().iter().filter(|file| !is_exempt(file)) {
        let (text, line_starts) = flowing(&read(file));
        for (phrase, better) in PHRASES {
            for (at, _) in text.match_indices(phrase) {
                let line = line_starts.partition_point(|start| *start <= at);
                findings.push(format!("{file}:{line}: \"{phrase}\": {better}"));
            }
        }
    }
    assert_none("phrases that were given up", &findings);
}

/// A text in lower case in one line, without the marks of comments, so that a phrase is found also where it runs over the end
/// of a line; and where in it each line begins.
fn flowing(text: &str) -> (String, Vec<usize>) {
    let (mut flowing, mut line_starts) = (String::with_capacity(text.len()), Vec::new());
    for line in text.lines() {
        line_starts.push(flowing.len());
        for word in line.trim_start().trim_start_matches(['/', '!', '#', '>', '|', '*']).split_whitespace() {
            flowing.push_str(&word.to_lowercase());
            flowing.push(' ');
        }
    }
    (flowing, line_starts)
}

/// Only the catalogue's own test says how many event types the contract has. Everything else derives the number.
#[test]
fn the_number_of_event_types_stands_in_one_place() {
    let mut findings = Vec::new();
    for file in
        tracked_files().iter().filter(|file| !is_exempt(file) && *file != "crates/model/tests/catalogue.rs")
    {
        let (text, _) = flowing(&read(file));
        for number in ["46", "forty-six"] {
            for after in ["types", "event types", "sample events", "events of the contract"] {
                if text.contains(&format!("{number} {after}")) {
                    findings.push(format!("{file}: \"{number} {after}\""));
                }
            }
        }
    }
    assert_none("the number of event types", &findings);
}

#[test]
fn words_are_found_where_they_stand() {
    assert_eq!(defined_in("pub(crate) struct Draft<'a> {"), ["Draft"]);
    assert_eq!(defined_in("    let mut place = Place::new(); // let news"), ["place"]);
    assert_eq!(defined_in("fn guard(key: &Key, news: u8) -> X {"), ["guard", "key", "news"]);
    assert_eq!(defined_in(r#"    panic!("the place: {news}");"#), Vec::<&str>::new());
    let (text, line_starts) = flowing("/// Of who\n    /// asks  for it.");
    assert_eq!((text.as_str(), line_starts), ("of who asks for it. ", vec![0, 7]));
}
