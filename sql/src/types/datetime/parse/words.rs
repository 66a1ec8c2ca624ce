//! The words of a date's text, and what the names among them mean.

use crate::types::datetime::MICROS_PER_SECOND;

/// Most characters of a text, as in PostgreSQL.
const TEXT_MAX_BYTES: usize = 128;

/// A word of a text; names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `2013-01-31`, `31/jan/2013`: its parts.
    Date(Vec<String>),
    /// `05:00:30.25`
    Time(String),
    /// Digits, perhaps with a fraction.
    Number(String),
    /// `+05:30`
    Zone(String),
    /// `america/new_york`
    ZoneName(String),
    /// A name with a sign, which is minus.
    Signed(bool, String),
    /// A name.
    Name(String),
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A month, from 1.
    Month(i64),
    /// Days of the week, `at`, `on`.
    Ignored,
    /// `BC`, `AD`.
    Era {
        /// `BC`.
        is_before_christ: bool,
    },
    /// `AM`, `PM`.
    Half {
        /// `PM`.
        is_afternoon: bool,
    },
    /// The `T` between date and time.
    TimeFollows,
    /// A name of UTC.
    Utc,
    /// What PostgreSQL reads and we do not.
    Unsupported,
    /// Nothing.
    Unknown,
}

/// The meaning of a name.
pub fn meaning(name: &str) -> Meaning {
    match name {
        "jan" | "january" => Meaning::Month(1),
        "feb" | "february" => Meaning::Month(2),
        "mar" | "march" => Meaning::Month(3),
        "apr" | "april" => Meaning::Month(4),
        "may" => Meaning::Month(5),
        "jun" | "june" => Meaning::Month(6),
        "jul" | "july" => Meaning::Month(7),
        "aug" | "august" => Meaning::Month(8),
        "sep" | "sept" | "september" => Meaning::Month(9),
        "oct" | "october" => Meaning::Month(10),
        "nov" | "november" => Meaning::Month(11),
        "dec" | "december" => Meaning::Month(12),
        "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu" | "thur"
        | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" | "sun" | "sunday" | "at" | "on" => {
            Meaning::Ignored
        }
        "ad" => Meaning::Era { is_before_christ: false },
        "bc" => Meaning::Era { is_before_christ: true },
        "am" => Meaning::Half { is_afternoon: false },
        "pm" => Meaning::Half { is_afternoon: true },
        "t" => Meaning::TimeFollows,
        "utc" | "gmt" | "z" | "zulu" | "ut" | "uct" => Meaning::Utc,
        "now" | "today" | "tomorrow" | "yesterday" | "allballs" | "j" | "jd" | "julian" | "est" | "edt"
        | "cst" | "cdt" | "mst" | "mdt" | "pst" | "pdt" | "cet" | "cest" | "met" | "eet" | "eest" | "wet"
        | "west" | "bst" | "ist" | "jst" | "kst" | "msk" | "dst" => Meaning::Unsupported,
        _ => Meaning::Unknown,
    }
}

/// Cuts a text into words; `None` for a character that none has.
pub fn split(text: &str) -> Option<Vec<Word>> {
    if text.len() > TEXT_MAX_BYTES {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => rest.get(1..)?,
            '0'..='9' => number_or_date(rest, &mut words),
            'a'..='z' | 'A'..='Z' => name_or_date(rest, &mut words)?,
            '+' | '-' => signed(rest, first == '-', &mut words)?,
            // Punctuation between fields is passed over (`January 8, 1999`).
            ',' => rest.get(1..).filter(|behind| behind.starts_with(' '))?,
            _ => return None,
        };
    }
    Some(words)
}

/// The start of `text` whose characters are like this, and the rest.
fn take(text: &str, is_like: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_like(c)).unwrap_or(text.len()))
}

fn is_delimiter(c: char) -> bool {
    matches!(c, '-' | '/' | '.')
}

fn number_or_date<'a>(text: &'a str, words: &mut Vec<Word>) -> &'a str {
    let (digits, rest) = take(text, |c| c.is_ascii_digit());
    let mut behind = rest.chars();
    match behind.next() {
        Some(':') => {
            let (time, rest) = take(text, |c| c.is_ascii_digit() || c == ':' || c == '.');
            words.push(Word::Time(time.to_owned()));
            rest
        }
        Some(delimiter) if is_delimiter(delimiter) => {
            let rest = behind.as_str();
            if !rest.starts_with(|c: char| c.is_ascii_digit()) {
                let (_, end) = take(rest, |c| c.is_ascii_alphanumeric() || c == delimiter);
                push_date(text, end, delimiter, words);
                return end;
            }
            let (_, end) = take(rest, |c| c.is_ascii_digit());
            if end.starts_with(delimiter) {
                let (_, end) = take(end, |c| c.is_ascii_digit() || c == delimiter);
                push_date(text, end, delimiter, words);
                return end;
            }
            if delimiter == '.' {
                words.push(Word::Number(text.get(..text.len() - end.len()).unwrap_or_default().to_owned()));
            } else {
                push_date(text, end, delimiter, words);
            }
            end
        }
        _ => {
            words.push(Word::Number(digits.to_owned()));
            rest
        }
    }
}

/// The word that `text` starts with, up to `end`, as a date.
fn push_date(text: &str, end: &str, delimiter: char, words: &mut Vec<Word>) {
    let word = text.get(..text.len() - end.len()).unwrap_or_default().to_ascii_lowercase();
    words.push(Word::Date(word.split(delimiter).map(str::to_owned).collect()));
}

fn name_or_date<'a>(text: &'a str, words: &mut Vec<Word>) -> Option<&'a str> {
    let (name, rest) = take(text, |c| c.is_ascii_alphabetic());
    let name = name.to_ascii_lowercase();
    let next = rest.chars().next();
    match next {
        Some(delimiter) if is_delimiter(delimiter) => {
            let (whole, end) =
                take(text, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '/' | '_' | '.' | ':'));
            if matches!(meaning(&name), Meaning::Month(_)) {
                push_date(text, end, delimiter, words);
                return Some(end);
            }
            if meaning(&name) != Meaning::Utc && !whole.contains('/') {
                return None;
            }
            words.push(Word::ZoneName(whole.to_ascii_lowercase()));
            Some(end)
        }
        _ => {
            words.push(Word::Name(name));
            Some(rest)
        }
    }
}

fn signed<'a>(text: &'a str, is_minus: bool, words: &mut Vec<Word>) -> Option<&'a str> {
    let behind = text.get(1..)?.trim_start();
    if behind.starts_with(|c: char| c.is_ascii_digit()) {
        let (digits, rest) = take(behind, |c| c.is_ascii_digit() || c == ':');
        words.push(Word::Zone(format!("{}{digits}", if is_minus { '-' } else { '+' })));
        return Some(rest);
    }
    let (name, rest) = take(behind, |c| c.is_ascii_alphabetic());
    if name.is_empty() || !is_minus {
        return None;
    }
    words.push(Word::Signed(is_minus, name.to_ascii_lowercase()));
    Some(rest)
}

/// A number of digits alone; `None` also where it does not fit 32 bits.
pub fn number(digits: &str) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<i32>().ok().map(i64::from))?
}

/// `05:00`, `05:00:30` or `05:00:30.25` as hour, minute, and second with fraction in microseconds.
pub fn time(text: &str) -> Option<(i64, i64, i64)> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let Some(second) = parts.next() else { return Some((hour, minute, 0)) };
    let (second, fraction) = second.split_once('.').map_or((second, ""), |parts| parts);
    let fraction = if fraction.is_empty() { 0 } else { fraction_micros(fraction)? };
    Some((hour, minute, number(second)? * MICROS_PER_SECOND + fraction))
}

/// Digits behind the point of a second, rounded to microseconds as a double is.
pub fn fraction_micros(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = (format!("0.{digits}").parse::<f64>().ok()? * 1e6).round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and a million")]
    Some(micros as i64)
}
