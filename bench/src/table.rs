//! The figures, in the order of their measurement.

use serde::Serialize;

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

#[derive(Serialize)]
struct Row {
    figure: String,
    value: f64,
    unit: &'static str,
}

impl Table {
    pub(crate) fn row(&mut self, figure: impl Into<String>, value: f64, unit: &'static str) {
        let figure = figure.into();
        eprintln!("{figure}: {} {unit}", in_words(value));
        self.0.push(Row { figure, value, unit });
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = "| figure | value |\n|---|---:|\n".to_owned();
        for Row { figure, value, unit } in &self.0 {
            text.push_str(&format!("| {figure} | {} {unit} |\n", in_words(*value)));
        }
        text
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)?)
    }
}

/// Formats a value with at least three significant figures.
fn in_words(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
