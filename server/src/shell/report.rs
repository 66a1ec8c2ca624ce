//! Errors as a person reads them: SQLSTATE and message, the line with a caret, detail and hint.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters of a line shown around the caret: a terminal's line, less the prefix.
const EXCERPT_CHARS: usize = 100;

/// What the server said, or the parts of it that are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `ERROR`, `FATAL`, `NOTICE`, …
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Position in the statement in characters, from 1.
    pub position: Option<u32>,
}

impl From<&tokio_postgres::error::DbError> for Report {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        let position = match error.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
            Some(tokio_postgres::error::ErrorPosition::Internal { .. }) | None => None,
        };
        Self {
            severity: error.severity().to_owned(),
            code: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            position,
        }
    }
}

impl Report {
    /// The report with an excerpt of the statement it is about.
    pub fn render(&self, statement: &str) -> String {
        let mut text = format!("{}: {} {}", self.severity, self.code, self.message);
        if let Some(excerpt) = self.position.and_then(|position| excerpt(statement, position)) {
            let _ = write!(text, "\n{excerpt}");
        }
        if let Some(detail) = &self.detail {
            let _ = write!(text, "\nDETAIL: {detail}");
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nHINT: {hint}");
        }
        text
    }
}

/// The line at the position with a caret under it; `None` where the position lies outside.
fn excerpt(statement: &str, position: u32) -> Option<String> {
    let before = usize::try_from(position).ok()?.checked_sub(1)?;
    if before > statement.chars().count() {
        return None;
    }
    let byte = statement.char_indices().nth(before).map_or(statement.len(), |(byte, _)| byte);
    let (head, tail) = statement.split_at_checked(byte)?;
    let number = head.matches('\n').count() + 1;
    let left = head.rsplit('\n').next().unwrap_or_default();
    let right = tail.split('\n').next().unwrap_or_default();
    let (left, cut_left) = last_chars(left, EXCERPT_CHARS / 2);
    let (right, cut_right) = first_chars(right, EXCERPT_CHARS / 2);
    let prefix = format!("LINE {number}: {}", if cut_left { "…" } else { "" });
    let line =
        format!("{prefix}{}{}{}", blank_tabs(left), blank_tabs(right), if cut_right { "…" } else { "" });
    let indent: usize = prefix.width() + left.chars().map(|c| c.width().unwrap_or(1)).sum::<usize>();
    Some(format!("{}\n{}^", line.trim_end(), " ".repeat(indent)))
}

/// A tab would move the caret's line and not the caret.
fn blank_tabs(text: &str) -> String {
    text.replace(['\t', '\r'], " ")
}

fn last_chars(text: &str, count: usize) -> (&str, bool) {
    let total = text.chars().count();
    let skip = total.saturating_sub(count);
    let start = text.char_indices().nth(skip).map_or(text.len(), |(byte, _)| byte);
    (text.get(start..).unwrap_or_default(), skip > 0)
}

fn first_chars(text: &str, count: usize) -> (&str, bool) {
    match text.char_indices().nth(count) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    }
}
