//! The filter language: which events of a timeline a reader asks for.
//!
//! `type:scale,restart -actor:bob created:>=2026-01-01 "needs text" (app:shop OR app:blog)`
//!
//! | word | matches an event |
//! |---|---|
//! | `type:scale` | of this type |
//! | `category:addons` | of a type in this category |
//! | `actor:jane` | of the user with this username, email address or identifier; `actor:none`: of nobody |
//! | `app:shop` | of the app that had this name then, or has this identifier |
//! | `created:…` | that happened then: `2026-01-31`, `>=2026-01-31`, `<2026-01-31T08:00:00Z`, `2026-01..`, `A..B`, `-7d` |
//! | `text:…`, or a word alone | whose sentence, names or visible values contain this text, in any case |
//!
//! Several values, separated by commas, mean any of them. Terms side by side must all match; `OR` means any, `NOT` or `-` the
//! opposite, and parentheses group.
//!
//! [`Filter::parse`] reads a filter, `Display` writes it in its one canonical form, and [`Filter::matches`] gives its meaning.
//! What makes a search fast (an index) never changes what it finds.

mod created;
mod error;
mod kind;
mod matching;
mod parse;
pub mod summary;
mod verdict;

use std::fmt::{self, Write as _};

use crate::EventType;
use crate::catalogue::Category;

pub use created::Created;
pub use error::FilterError;
pub use kind::{Kind, OwnKind};
pub use summary::Summary;

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 2_000;

/// A condition on events, as their reader may see them.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every one of them; all events if there is none.
    All(Vec<Filter>),
    /// At least one of them.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// One of these types.
    Type(Vec<&'static EventType>),
    /// A type in one of these categories.
    Category(Vec<Category>),
    /// Done by one of these.
    Actor(Vec<Actor>),
    /// Of one of these apps, by name or identifier.
    App(Vec<String>),
    /// Happened then.
    Created(Created),
    /// Contains one of these texts.
    Text(Vec<Text>),
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody: an add-on, or the platform.
    None,
    /// The user with this username, email address or identifier.
    Named(String),
}

/// A text to look for, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    written: String,
    lower: String,
}

impl Text {
    pub(crate) fn new(written: String) -> Self {
        let lower = written.to_lowercase();
        Self { written, lower }
    }
}

impl Filter {
    /// The filter that every event matches.
    pub const EVERYTHING: Self = Self::All(Vec::new());

    /// Returns whether every event matches, because nothing is asked.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(all) if all.is_empty())
    }

    /// Returns the filter that both this and another one ask for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let parts = |filter| match filter {
            Self::All(parts) => parts,
            one => vec![one],
        };
        let mut all = parts(self);
        all.extend(parts(other));
        if all.len() == 1 { all.remove(0) } else { Self::All(all) }
    }

    /// Returns a span of time that has every event that can match. It may have others.
    pub fn span(&self) -> Created {
        match self {
            Self::Created(created) => *created,
            Self::All(all) => all.iter().map(Self::span).fold(Created::ALWAYS, Created::within),
            _ => Created::ALWAYS,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(all) => {
                for (index, part) in all.iter().enumerate() {
                    if index > 0 {
                        f.write_char(' ')?;
                    }
                    part.write_within(f, matches!(part, Self::Any(_) | Self::All(_)))?;
                }
                Ok(())
            }
            Self::Any(any) => {
                for (index, part) in any.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" OR ")?;
                    }
                    part.write_within(f, matches!(part, Self::Any(_)))?;
                }
                Ok(())
            }
            Self::Not(not) => {
                f.write_char('-')?;
                not.write_within(f, matches!(**not, Self::Any(_) | Self::All(_)))
            }
            Self::Type(types) => write_values(f, "type:", types.iter().map(|of| of.name)),
            Self::Category(categories) => {
                write_values(f, "category:", categories.iter().map(|of| of.describe().0))
            }
            Self::Actor(actors) => {
                f.write_str("actor:")?;
                for (index, actor) in actors.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    match actor {
                        Actor::None => f.write_str("none")?,
                        // In quotation marks, it is the name of somebody.
                        Actor::Named(name) if name == "none" => f.write_str("\"none\"")?,
                        Actor::Named(name) => write_value(f, name)?,
                    }
                }
                Ok(())
            }
            Self::App(apps) => write_values(f, "app:", apps.iter().map(String::as_str)),
            Self::Created(created) => write!(f, "created:{created}"),
            Self::Text(texts) => match &texts[..] {
                [text] => write_quoted(f, &text.written),
                texts => write_values(f, "text:", texts.iter().map(|text| &*text.written)),
            },
        }
    }
}

impl Filter {
    fn write_within(&self, f: &mut fmt::Formatter<'_>, is_grouped: bool) -> fmt::Result {
        if is_grouped { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

fn write_values<'a>(
    f: &mut fmt::Formatter<'_>,
    field: &str,
    values: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    f.write_str(field)?;
    for (index, value) in values.enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write_value(f, value)?;
    }
    Ok(())
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let is_plain = |char: char| char.is_alphanumeric() || "_-./@+:".contains(char);
    if !value.is_empty() && value.chars().all(is_plain) { f.write_str(value) } else { write_quoted(f, value) }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(char)?;
    }
    f.write_char('"')
}
