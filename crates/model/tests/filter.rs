//! The filter language: its forms, its errors, and what it finds.

use annals_model::catalogue::{self, Category};
use annals_model::filter::{FILTER_BYTES_MAX, Filter, Kind, OwnKind};
use annals_model::{Time, event};
use proptest::prelude::*;

const EXAMPLES: &str = include_str!("../../../docs/examples.ndjson");
const DOCUMENT: &str = include_str!("../../../docs/filters.md");

fn now() -> Time {
    "2026-11-28T12:00:00Z".parse().expect("a time")
}

fn canonical(text: &str) -> String {
    Filter::parse(text, now()).map_or_else(|error| error.to_string(), |filter| filter.to_string())
}

fn count(text: &str) -> usize {
    let filter = Filter::parse(text, now()).unwrap_or_else(|error| panic!("{text}: {error}"));
    EXAMPLES.lines().filter(|line| filter.matches(line.as_bytes(), line.as_bytes())).count()
}

#[test]
fn a_filter_has_one_canonical_form() {
    for (text, expected) in [
        ("", ""),
        ("  type:scale ", "type:scale"),
        ("type:scale,restart", "type:scale,restart"),
        ("type:database/add_feature", "type:database/add_feature"),
        ("type:scale AND actor:bob", "type:scale actor:bob"),
        ("a b", "\"a\" \"b\""),
        ("a OR b c", "\"a\" OR \"b\" \"c\""),
        ("(a OR b) c", "(\"a\" OR \"b\") \"c\""),
        ("((a))", "\"a\""),
        ("(a b) c", "\"a\" \"b\" \"c\""),
        ("NOT a", "-\"a\""),
        ("- a", "-\"a\""),
        ("--a", "--\"a\""),
        ("-(a b)", "-(\"a\" \"b\")"),
        ("well-known", "\"well-known\""),
        ("or", "\"or\""),
        ("\"OR\"", "\"OR\""),
        (r#""say \"hi\" \\""#, r#""say \"hi\" \\""#),
        ("actor:none,\"none\",Jane", "actor:none,\"none\",Jane"),
        ("actor:\"Jane Doe\"", "actor:\"Jane Doe\""),
        ("text:a,b", "text:a,b"),
        ("created:2026-11-01", "created:2026-11-01T00:00:00.000Z..2026-11-01T23:59:59.999Z"),
        ("created:2026-02", "created:2026-02-01T00:00:00.000Z..2026-02-28T23:59:59.999Z"),
        ("created:>2026-11-01", "created:>=2026-11-02T00:00:00.000Z"),
        ("created:<2026-11-01", "created:<=2026-10-31T23:59:59.999Z"),
        ("created:<=2026-11-01", "created:<=2026-11-01T23:59:59.999Z"),
        ("created:<1970-01-01", "created:<1970-01-01T00:00:00.000Z"),
        ("created:2026-11-01..", "created:>=2026-11-01T00:00:00.000Z"),
        ("created:..2026-11-01T08:00:00+01:00", "created:<=2026-11-01T07:00:00.000Z"),
        ("created:-1d", "created:>=2026-11-27T12:00:00.000Z"),
        ("created:-2d..-1d", "created:2026-11-26T12:00:00.000Z..2026-11-27T12:00:00.000Z"),
        ("created:2026-11-01T08:00:00Z", "created:2026-11-01T08:00:00.000Z"),
        ("café 🚀", "\"café\" \"🚀\""),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected, "{text}");
    }
}

#[test]
fn an_error_has_the_column_and_what_was_meant() {
    for (text, expected) in [
        ("typ:scale", "column 1: unknown field `typ:`; did you mean `type:`?"),
        (
            "a colour:red",
            "column 3: unknown field `colour:`; known: type, category, actor, app, created, text",
        ),
        ("http://example.com", "column 1: unknown field `http:`"),
        ("type:", "column 1: `type:` needs a value"),
        ("type:\"\"", "column 1: `type:` needs a value"),
        ("type:scale,scal", "column 12: unknown event type `scal`; did you mean `scale`?"),
        ("type:zzzzzzzz", "column 6: unknown event type `zzzzzzzz`; GET /v1/event_types"),
        ("category:addon", "did you mean `addons`?"),
        ("created:yesterday", "column 9: \"yesterday\" is not a time; write a day (2026-01-31)"),
        ("created:2026-13-01", "is not a time"),
        ("created:-7", "is not a time"),
        ("created:-7y", "is not a time"),
        ("created:2026-11-02..2026-11-01", "the span ends before it begins"),
        ("é (a", "column 3: the parenthesis has no counterpart"),
        ("a )", "column 3: there is no opening parenthesis for this"),
        ("a OR", "column 5: something to look for is missing here"),
        ("OR a", "column 1: something to look for is missing before this"),
        ("()", "column 2: something to look for is missing before this"),
        ("NOT", "column 4: something to look for is missing here"),
        ("a \"b", "column 3: the quotation mark has no counterpart"),
    ] {
        let error = canonical(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let nested = |depth: usize| canonical(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
    assert_eq!(nested(31), "\"a\"");
    assert!(nested(32).contains("more than 32 deep"));
    assert!(canonical(&"-".repeat(FILTER_BYTES_MAX)).contains("more than 32 deep"));
    assert!(canonical(&"a".repeat(FILTER_BYTES_MAX + 1)).contains("is longer than 2000 bytes"));
}

#[test]
fn the_examples_of_the_document_find_what_it_says() {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows: Vec<_> = rows
        .filter_map(|(filter, rest)| Some((filter, rest.rsplit(" | ").next()?.strip_suffix(" |")?)))
        .filter_map(|(filter, count)| Some((filter, count.parse::<usize>().ok()?)))
        .collect();
    assert_eq!(rows.len(), 20);
    let wrong: Vec<_> = rows
        .into_iter()
        .map(|(filter, said)| (filter, said, count(filter)))
        .filter(|(_, said, counted)| said != counted)
        .collect();
    assert!(wrong.is_empty(), "said, counted: {wrong:#?}");
}

/// What is known by type and time alone is what every event of this type and time says.
#[test]
fn a_verdict_agrees_with_what_matches() {
    let mut known = 0;
    for (filter, _) in EXAMPLE_FILTERS {
        let filter = Filter::parse(filter, now()).expect("a filter");
        for line in EXAMPLES.lines() {
            let kind = OwnKind::of(line.as_bytes());
            let time = kind.created_at;
            let matches = filter.matches(line.as_bytes(), line.as_bytes());
            for times in [time..=time, time.minus_millis(3_600_000)..=time.plus_millis(3_600_000)] {
                if let Some(verdict) = filter.verdict(kind.kind(), &times) {
                    assert_eq!(verdict, matches, "{filter} {line}");
                    known += 1;
                }
            }
        }
    }
    assert!(known > 500, "{known}");
}

/// Filters of every kind, and whether type and time decide them.
const EXAMPLE_FILTERS: [(&str, bool); 12] = [
    ("", true),
    ("type:scale,restart", true),
    ("-type:scale", true),
    ("category:addons OR type:run", true),
    ("created:2026-11-01", true),
    ("created:>=2026-11-01T08:30:00Z", true),
    ("created:..2026-11-01T08:30:00Z", true),
    ("-created:2026-11-01T08:00:00Z..2026-11-01T09:00:00Z type:scale", true),
    ("actor:jane", false),
    ("type:scale actor:jane", false),
    ("type:scale OR web", false),
    ("-(type:scale app:my-app)", false),
];

#[test]
fn time_and_type_decide_what_asks_for_nothing_else() {
    let instant = now()..=now();
    for (text, decided) in EXAMPLE_FILTERS {
        let filter = Filter::parse(text, now()).expect("a filter");
        let scale = Kind { event_type: catalogue::find("scale"), ..Kind::default() };
        let verdict = filter.verdict(scale, &instant);
        assert_eq!(verdict.is_some(), decided || text.contains("OR"), "{text}");
    }
}

#[test]
fn hidden_fields_never_match() {
    let stored = r#"{"id":"6905bc8073636100011a0000","created_at":"2026-11-01T08:00:00.000Z","type":"run","type_data":{"command":"rake secret","audit_log_id":"1"}}"#;
    let seen = stored.replace("rake secret", "");
    let finds = |filter: &str, seen: &str| {
        Filter::parse(filter, now()).unwrap().matches(stored.as_bytes(), seen.as_bytes())
    };
    assert!(finds("secret", stored));
    assert!(!finds("secret", &seen));
    assert!(!finds("type:run", "null"));
    assert!(!finds("created:2026-11", "null"));
}

#[test]
fn a_text_is_found_in_any_case_and_behind_any_escape() {
    let event = |name: &str| {
        let name = serde_json::Value::from(name);
        format!(
            r#"{{"id":"6905bc8073636100011a0000","created_at":"2026-11-01T08:00:00.000Z","app_name":{name},"type":"restart","type_data":{{}}}}"#
        )
    };
    for (name, filter, is_found) in [
        ("My-App", "my-app", true),
        ("my-app", "MY-APP", true),
        ("say \"hi\"", r#""say \"HI\"""#, true),
        (r"a\b", r#""A\\B""#, true),
        ("a\tb", "\"a\tb\"", true),
        ("\u{212a}elvin", "kelvin", true),
        ("ÉCOLE", "école", true),
        ("my-app", "your-app", false),
        // Neither keys nor the form of JSON are text.
        ("my-app", "app_name", false),
        ("my-app", "\":\"", false),
    ] {
        let filter = Filter::parse(filter, now()).unwrap();
        let event = event(name);
        assert_eq!(filter.matches(event.as_bytes(), event.as_bytes()), is_found, "{filter} in {name}");
    }
}

#[test]
fn every_type_and_category_is_found_by_its_name() {
    for event_type in catalogue::all() {
        let matches = |line: &&str| event::type_in(line.as_bytes()) == Some(event_type.name);
        let expected = EXAMPLES.lines().filter(matches).count();
        assert_eq!(count(&format!("type:{}", event_type.name)), expected, "{}", event_type.name);
    }
    let all: usize =
        Category::ALL.iter().map(|category| count(&format!("category:{}", category.describe().0))).sum();
    assert_eq!(all, EXAMPLES.lines().count());
}

/// Filters as text, with every form of the language.
fn filters() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just("type:scale,restart,new_app"),
        Just("category:addons,github"),
        Just("actor:none"),
        Just("actor:johndoe,\"none\""),
        Just("actor:NEW-JOHN@doe.com"),
        Just("app:new-app-name"),
        Just("created:2026-11-01T09:00:00Z.."),
        Just("created:<2026-11-01T10:00:00Z,>2026-11-01T11:00:00Z"),
        Just("created:-26d"),
        Just("web"),
        Just("\"a \\\" b\""),
        Just("text:martini,doe"),
    ];
    let one = one.prop_map(str::to_owned);
    one.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| format!("({})", all.join(" "))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| format!("({})", any.join(" OR "))),
            inner.prop_map(|not| format!("-{not}")),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same(text in filters()) {
        let filter = Filter::parse(&text, now()).unwrap();
        let again = Filter::parse(&filter.to_string(), now()).unwrap();
        prop_assert_eq!(filter.to_string(), again.to_string());
        for line in EXAMPLES.lines().map(str::as_bytes) {
            let matches = filter.matches(line, line);
            prop_assert_eq!(matches, again.matches(line, line));
            prop_assert_eq!(matches, !Filter::Not(Box::new(filter.clone())).matches(line, line));
            // An event that matches is within the span that the filter says it needs.
            let happened_at = event::created_at_in(line).unwrap();
            prop_assert!(!matches || filter.span().contains(happened_at));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}|[-a-z:,.()\" OR<>=0-9\\\\]{0,60}") {
        if let Ok(filter) = Filter::parse(&text, now()) {
            let again = Filter::parse(&filter.to_string(), now());
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(filter.to_string()));
        }
    }
}
