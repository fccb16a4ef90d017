//! Reading filters: first words, then how they belong together.

use std::ops::Range;

use winnow::combinator::{alt, delimited, eof, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::{LocatingSlice, Location as _};
use winnow::token::{any, none_of, one_of, take_while};
use winnow::{ModalResult, Parser as _};

use super::{Actor, Created, FILTER_BYTES_MAX, Filter, FilterError, Text};
use crate::catalogue::{self, Category};
use crate::{Time, nearest};

/// The fields that a filter can ask for.
const FIELDS: [&str; 6] = ["type", "category", "actor", "app", "created", "text"];

/// How deep parentheses and negations may be.
const DEPTH_MAX: usize = 32;

/// A word, and the bytes that it has in the text.
type Positioned = (Token, Range<usize>);
type Input<'a> = LocatingSlice<&'a str>;

/// A word of a filter.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Minus,
    And,
    Or,
    Not,
    Text(String),
    Field { name: String, values: Vec<Value> },
}

#[derive(Debug, Clone, PartialEq)]
struct Value {
    text: String,
    is_quoted: bool,
    at: usize,
}

impl Filter {
    /// Reads a filter. An empty one matches every event. `now` is what times like `-7d` refer to.
    ///
    /// # Errors
    ///
    /// Says what is wrong at which column, and what was probably meant.
    pub fn parse(text: &str, now: Time) -> Result<Self, FilterError> {
        let error = |at: usize, message: String| FilterError {
            column: text.get(..at).unwrap_or(text).chars().count() + 1,
            message,
        };
        if text.len() > FILTER_BYTES_MAX {
            return Err(error(0, format!("the filter is longer than {FILTER_BYTES_MAX} bytes")));
        }
        let tokens = read_tokens(text).map_err(|(at, message)| error(at, message))?;
        let mut parser = Parser { tokens: &tokens, next: 0, end: text.len(), depth: 0, now };
        parser.filter().map_err(|Wrong(at, message)| error(at, message))
    }

    /// Reads the values of one field, as in `type=scale,restart`.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and what was probably meant.
    pub fn of_field(field: &str, values: &str, now: Time) -> Result<Self, String> {
        let values: Vec<_> = values
            .split(',')
            .map(|value| Value { text: value.trim().to_owned(), is_quoted: false, at: 0 })
            .collect();
        field_filter(field, 0, &values, now).map_err(|Wrong(_, message)| message)
    }
}

/// What is wrong, and at which byte.
struct Wrong(usize, String);

fn read_tokens(text: &str) -> Result<Vec<Positioned>, (usize, String)> {
    let mut input = LocatingSlice::new(text);
    let read =
        terminated(repeat(0.., preceded(space, token.with_span())), (space, eof)).parse_next(&mut input);
    read.map_err(|_| {
        let at = input.current_token_start();
        // What cannot be read is a text without its end: every other character can be in a word.
        let message = match text[at..].find('"') {
            Some(_) => "the quotation mark has no counterpart; write \\\" for one inside a text".to_owned(),
            None => "this cannot be read; put it in quotation marks".to_owned(),
        };
        (at, message)
    })
}

fn space<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    take_while(0.., char::is_whitespace).parse_next(input)
}

fn token(input: &mut Input<'_>) -> ModalResult<Token> {
    alt((
        '('.value(Token::Open),
        ')'.value(Token::Close),
        '-'.value(Token::Minus),
        field,
        quoted.map(Token::Text),
        word.map(|word| match word {
            "AND" => Token::And,
            "OR" => Token::Or,
            "NOT" => Token::Not,
            word => Token::Text(word.to_owned()),
        }),
    ))
    .parse_next(input)
}

fn field(input: &mut Input<'_>) -> ModalResult<Token> {
    let name = take_while(1.., |char: char| char.is_ascii_alphabetic() || char == '_');
    let (name, _) = (name, ':').parse_next(input)?;
    let values = opt(separated(1.., value, ',')).parse_next(input)?.unwrap_or_default();
    Ok(Token::Field { name: name.to_owned(), values })
}

fn value(input: &mut Input<'_>) -> ModalResult<Value> {
    let bare = take_while(1.., |char: char| !char.is_whitespace() && !"(),\"".contains(char));
    let parsed = alt((quoted.map(|text| (text, true)), bare.map(|text: &str| (text.to_owned(), false))));
    let ((text, is_quoted), span) = parsed.with_span().parse_next(input)?;
    Ok(Value { text, is_quoted, at: span.start })
}

fn quoted(input: &mut Input<'_>) -> ModalResult<String> {
    let char = alt((preceded('\\', any), none_of(['"', '\\'])));
    delimited('"', repeat(0.., char), '"').parse_next(input)
}

fn word<'a>(input: &mut Input<'a>) -> Result<&'a str, ErrMode<ContextError>> {
    let first = one_of(|char: char| !char.is_whitespace() && !"()\"-".contains(char));
    let rest = take_while(0.., |char: char| !char.is_whitespace() && !"()\"".contains(char));
    (first, rest).take().parse_next(input)
}

struct Parser<'a> {
    tokens: &'a [Positioned],
    next: usize,
    /// Where the text ends.
    end: usize,
    depth: usize,
    now: Time,
}

impl Parser<'_> {
    fn filter(&mut self) -> Result<Filter, Wrong> {
        if self.tokens.is_empty() {
            return Ok(Filter::EVERYTHING);
        }
        let filter = self.any()?;
        match self.tokens.get(self.next) {
            None => Ok(filter),
            Some((_, at)) => Err(Wrong(at.start, "there is no opening parenthesis for this".to_owned())),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, span)| span.start)
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.next += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Result<Filter, Wrong> {
        let mut any = vec![self.all()?];
        while self.take(&Token::Or) {
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Filter::Any(any) })
    }

    fn all(&mut self) -> Result<Filter, Wrong> {
        let mut all = self.one()?;
        loop {
            let is_and = self.take(&Token::And);
            match self.peek() {
                None | Some(Token::Close | Token::Or) if !is_and => return Ok(all),
                _ => all = all.and(self.one()?),
            }
        }
    }

    fn one(&mut self) -> Result<Filter, Wrong> {
        let at = self.at();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Wrong(at, format!("parentheses and negations are more than {DEPTH_MAX} deep")));
        }
        let Some((token, _)) = self.tokens.get(self.next) else {
            return Err(Wrong(at, "something to look for is missing here".to_owned()));
        };
        self.next += 1;
        let filter = match token {
            Token::Minus | Token::Not => Filter::Not(Box::new(self.one()?)),
            Token::Open => {
                let filter = self.any()?;
                if !self.take(&Token::Close) {
                    return Err(Wrong(at, "the parenthesis has no counterpart".to_owned()));
                }
                filter
            }
            Token::Text(text) => Filter::Text(vec![Text::new(text.clone())]),
            Token::Field { name, values } => field_filter(name, at, values, self.now)?,
            Token::Close | Token::And | Token::Or => {
                return Err(Wrong(at, "something to look for is missing before this".to_owned()));
            }
        };
        self.depth -= 1;
        Ok(filter)
    }
}

fn field_filter(field: &str, at: usize, values: &[Value], now: Time) -> Result<Filter, Wrong> {
    if !FIELDS.contains(&field) {
        let meant = match nearest(field, FIELDS) {
            Some(meant) => format!("did you mean `{meant}:`?"),
            None => format!("known: {}; to look for this text, put it in quotation marks", FIELDS.join(", ")),
        };
        return Err(Wrong(at, format!("unknown field `{field}:`; {meant}")));
    }
    if values.iter().all(|value| value.text.is_empty()) {
        return Err(Wrong(at, format!("`{field}:` needs a value")));
    }
    let texts = || values.iter().map(|value| value.text.clone());
    Ok(match field {
        "type" => Filter::Type(each(values, |name| {
            catalogue::find(name)
                .ok_or_else(|| unknown("event type", name, catalogue::all().iter().map(|known| known.name)))
        })?),
        "category" => Filter::Category(each(values, |name| {
            let category = Category::ALL.iter().copied().find(|category| category.describe().0 == name);
            category.ok_or_else(|| unknown("category", name, Category::ALL.iter().map(|of| of.describe().0)))
        })?),
        "actor" => Filter::Actor(
            values
                .iter()
                .map(|value| match &*value.text {
                    "none" if !value.is_quoted => Actor::None,
                    name => Actor::Named(name.to_owned()),
                })
                .collect(),
        ),
        "app" => Filter::App(texts().collect()),
        "created" => {
            let mut spans =
                each(values, |value| Created::parse(value, now))?.into_iter().map(Filter::Created);
            match (spans.next(), spans.len()) {
                (Some(span), 0) => span,
                (first, _) => Filter::Any(first.into_iter().chain(spans).collect()),
            }
        }
        _ => Filter::Text(texts().map(Text::new).collect()),
    })
}

fn each<T>(values: &[Value], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Wrong> {
    values.iter().map(|value| read(&value.text).map_err(|message| Wrong(value.at, message))).collect()
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(meant) => format!("unknown {what} `{name}`; did you mean `{meant}`?"),
        None => format!("unknown {what} `{name}`; GET /v1/event_types and /v1/event_categories list all"),
    }
}
