//! String literals as PostgreSQL reads them, over the tokens of the grammar's tokenizer.
//!
//! ```text
//! 'one '  newline  'two'      one literal, 'one two'        'one ' 'two'     42601 at 'two'
//! E'\xc3\xa4'                 the bytes of one character    E'\xff'          22021
//! ```
//!
//! The tokenizer takes each literal for itself, and each `\x` or octal escape for a character of its own; so literals
//! with a line's end between them are joined here, and those with escapes are read again from the text.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::{SqlError, SqlState};
use crate::types::text::not_utf8;

use super::{Source, lower_first};

/// Joins and reads the literals of all tokens; white space and comments are left out of what is returned.
///
/// # Errors
/// 42601 where two literals stand on one line, 22021 and 22025 for escapes that are no character.
pub fn read(source: &Source<'_>, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut walk = Walk::new(source.text);
    // Whether what stands since the last token lets a literal go on: a line's end, and nothing but white space and
    // comments of one line.
    let mut gap = Gap::None;
    for token in tokens {
        match token.token {
            Token::EOF => {}
            Token::Whitespace(space) => gap = gap.after(&space),
            _ => {
                let gap = std::mem::replace(&mut gap, Gap::None);
                let token = with_escapes(source, &mut walk, token)?;
                check_number(source, kept.last(), &token)?;
                match kept.last_mut().filter(|last| is_string(&last.token) && is_string(&token.token)) {
                    None => kept.push(token),
                    Some(last) if gap == Gap::Line && matches!(token.token, Token::SingleQuotedString(_)) => {
                        let more = continuation(source, &mut walk, &last.token, &token)?;
                        append(&mut last.token, &more);
                        last.span.end = token.span.end;
                    }
                    Some(_) => return Err(source.near(&token)),
                }
            }
        }
    }
    Ok(kept)
}

/// All tokens of the text. A literal whose escapes the tokenizer does not take ends its work; it is read here, and the
/// tokenizer goes on behind it.
///
/// # Errors
/// As [`read`], and 42601 for what is no token.
pub fn tokens(source: &Source<'_>) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut all = Vec::new();
    let mut walk = Walk::new(source.text);
    loop {
        let (start, from) = (walk.location(), walk.byte);
        let first = all.len();
        let rest = source.text.get(from..).unwrap_or_default();
        let dialect = PostgreSqlDialect {};
        let result = Tokenizer::new(&dialect, rest).tokenize_with_location_into_buf(&mut all);
        for token in all.iter_mut().skip(first) {
            token.span.start = moved(token.span.start, start);
            token.span.end = moved(token.span.end, start);
        }
        let Err(error) = result else { return Ok(all) };
        let at = moved(error.location, start);
        let position = source.positions.of(at);
        if !error.message.contains("encoded string") {
            let message = match error.message.as_str() {
                "Unterminated string literal" => unterminated(source.text.get(walk.byte_of(at)..)),
                message => lower_first(message),
            };
            return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
        }
        // Behind the letter E.
        let begin = walk.byte_of(at);
        let open = begin + 1;
        let raw = source.text.get(open..).unwrap_or_default();
        let (text, length) = unescaped(raw).map_err(|error| error.at(position))?;
        let Some(length) = length else {
            let message = unterminated(source.text.get(begin..));
            return Err(SqlError::new(SqlState::SyntaxError, message).at(position));
        };
        walk.pass(open + length);
        let span = Span { start: at, end: walk.location() };
        all.push(TokenWithSpan { token: Token::EscapedStringLiteral(text), span });
    }
}

/// What is said of a literal without an end, from where it begins.
fn unterminated(rest: Option<&str>) -> String {
    format!("unterminated quoted string at or near \"{}\"", rest.unwrap_or_default())
}

/// A location in a text that starts at another one.
fn moved(location: Location, start: Location) -> Location {
    let column = if location.line == 1 { location.column + start.column - 1 } else { location.column };
    Location { line: location.line + start.line - 1, column }
}

/// Refuses numbers with letters or underscores, which PostgreSQL 15 does not have.
fn check_number(
    source: &Source<'_>,
    before: Option<&TokenWithSpan>,
    token: &TokenWithSpan,
) -> Result<(), SqlError> {
    let is_junk = match (&token.token, before) {
        (Token::Number(digits, _), _) => digits.contains('_'),
        (Token::Word(word), Some(number)) if word.quote_style.is_none() => {
            matches!(number.token, Token::Number(..)) && number.span.end == token.span.start
        }
        _ => false,
    };
    if !is_junk {
        return Ok(());
    }
    let message = "trailing junk after numeric literal";
    Err(SqlError::new(SqlState::SyntaxError, message).at(source.positions.of(token.span.start)))
}

/// What stands between two tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Nothing, or white space within a line.
    None,
    /// White space with a line's end.
    Line,
    /// A comment that may span lines: no literal goes on behind it.
    Comment,
}

impl Gap {
    fn after(self, space: &Whitespace) -> Self {
        match (self, space) {
            (Self::Comment, _) | (_, Whitespace::MultiLineComment(_)) => Self::Comment,
            (_, Whitespace::Newline) => Self::Line,
            (_, Whitespace::SingleLineComment { comment, .. }) if comment.ends_with(['\n', '\r']) => {
                Self::Line
            }
            (gap, Whitespace::Space | Whitespace::Tab | Whitespace::SingleLineComment { .. }) => gap,
        }
    }
}

fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
    )
}

fn append(token: &mut Token, more: &str) {
    if let Token::SingleQuotedString(text)
    | Token::EscapedStringLiteral(text)
    | Token::UnicodeStringLiteral(text)
    | Token::NationalStringLiteral(text)
    | Token::HexStringLiteral(text)
    | Token::SingleQuotedByteStringLiteral(text) = token
    {
        text.push_str(more);
    }
}

/// The text of a literal that goes on: it has the escapes of the one that it goes on from.
fn continuation(
    source: &Source<'_>,
    walk: &mut Walk<'_>,
    first: &Token,
    token: &TokenWithSpan,
) -> Result<String, SqlError> {
    let Token::SingleQuotedString(plain) = &token.token else { return Err(source.near(token)) };
    match first {
        Token::EscapedStringLiteral(_) => {
            let raw = source.text.get(walk.byte_of(token.span.start)..).unwrap_or_default();
            let (text, _) =
                unescaped(raw).map_err(|error| error.at(source.positions.of(token.span.start)))?;
            Ok(text)
        }
        Token::UnicodeStringLiteral(_) if plain.contains('\\') => {
            let what = "an escape in the second part of a literal with U&";
            Err(source.unsupported(what, token))
        }
        _ => Ok(plain.clone()),
    }
}

/// A literal with escapes, read from the text; other tokens as they are.
fn with_escapes(
    source: &Source<'_>,
    walk: &mut Walk<'_>,
    token: TokenWithSpan,
) -> Result<TokenWithSpan, SqlError> {
    if !matches!(token.token, Token::EscapedStringLiteral(_)) {
        return Ok(token);
    }
    let start = walk.byte_of(token.span.start).saturating_add(1);
    let raw = source.text.get(start..).unwrap_or_default();
    let (text, _) = unescaped(raw).map_err(|error| error.at(source.positions.of(token.span.start)))?;
    Ok(TokenWithSpan { token: Token::EscapedStringLiteral(text), span: token.span })
}

/// Reads a literal with escapes from its opening quote on; also the bytes it takes, `None` where it has no end.
fn unescaped(raw: &str) -> Result<(String, Option<usize>), SqlError> {
    let mut bytes = Vec::new();
    let mut rest = raw.strip_prefix('\'').unwrap_or(raw);
    let end = loop {
        let special = rest.find(['\'', '\\']).unwrap_or(rest.len());
        let (plain, behind) = rest.split_at(special);
        bytes.extend_from_slice(plain.as_bytes());
        if let Some(behind) = behind.strip_prefix("''") {
            bytes.push(b'\'');
            rest = behind;
        } else if let Some(behind) = behind.strip_prefix('\\') {
            rest = escape(behind, &mut bytes)?;
        } else {
            break behind.strip_prefix('\'').map(|behind| raw.len() - behind.len());
        }
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(not_utf8(&bytes, at));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, end)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(not_utf8(error.as_bytes(), at))
        }
    }
}

/// Reads what stands behind a backslash; returns the rest.
fn escape<'a>(behind: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, SqlError> {
    let mut characters = behind.chars();
    let Some(first) = characters.next() else { return Ok(behind) };
    let rest = characters.as_str();
    let simple = match first {
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '0'..='7' => return Ok(byte(behind, (8, 3), bytes)),
        'x' if rest.starts_with(|c: char| c.is_ascii_hexdigit()) => return Ok(byte(rest, (16, 2), bytes)),
        'u' => return unicode(rest, 4, bytes),
        'U' => return unicode(rest, 8, bytes),
        other => {
            bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(rest);
        }
    };
    bytes.push(simple);
    Ok(rest)
}

/// A byte by its number in this base, of at most so many digits; as in PostgreSQL only its low eight bits count.
fn byte<'a>(text: &'a str, (base, digits_max): (u32, usize), bytes: &mut Vec<u8>) -> &'a str {
    let count = text.chars().take(digits_max).take_while(|c| c.is_digit(base)).count();
    // The digits are ASCII, so that characters are bytes.
    let (digits, rest) = text.split_at(count);
    let [low, ..] = u32::from_str_radix(digits, base).unwrap_or(0).to_le_bytes();
    bytes.push(low);
    rest
}

/// A character by its number of exactly so many digits; two surrogates are one character.
fn unicode<'a>(text: &'a str, digits: usize, bytes: &mut Vec<u8>) -> Result<&'a str, SqlError> {
    let bad_pair = || SqlError::new(SqlState::SyntaxError, "invalid Unicode surrogate pair");
    let (number, mut rest) = hex(text, digits)?;
    let code = if (0xd800..0xdc00).contains(&number) {
        let second = [("\\u", 4), ("\\U", 8)]
            .into_iter()
            .find_map(|(prefix, digits)| Some((rest.strip_prefix(prefix)?, digits)));
        let (second, digits) = second.ok_or_else(bad_pair)?;
        let (low, behind) = hex(second, digits)?;
        rest = behind;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(bad_pair());
        }
        0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00)
    } else {
        number
    };
    if (0xdc00..0xe000).contains(&code) {
        return Err(bad_pair());
    }
    let invalid = || SqlError::new(SqlState::SyntaxError, "invalid Unicode escape value");
    let character = char::from_u32(code).filter(|c| *c != '\0').ok_or_else(invalid)?;
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(rest)
}

fn hex(text: &str, digits: usize) -> Result<(u32, &str), SqlError> {
    let parsed = text.split_at_checked(digits).and_then(|(digits, rest)| {
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some((is_hex.then(|| u32::from_str_radix(digits, 16).ok())??, rest))
    });
    parsed.ok_or_else(|| {
        SqlError::new(SqlState::InvalidEscapeSequence, "invalid Unicode escape")
            .with_hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
    })
}

/// Finds the bytes of locations that only ever go forward, so that a text is walked once.
struct Walk<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1, column: 1 }
    }

    fn location(&self) -> Location {
        Location { line: self.line, column: self.column }
    }

    fn byte_of(&mut self, location: Location) -> usize {
        self.walk(|walk| (walk.line, walk.column) < (location.line, location.column));
        self.byte
    }

    /// Goes to a byte.
    fn pass(&mut self, byte: usize) {
        self.walk(|walk| walk.byte < byte);
    }

    fn walk(&mut self, goes_on: impl Fn(&Self) -> bool) {
        for character in self.text.get(self.byte..).unwrap_or_default().chars() {
            if !goes_on(self) {
                break;
            }
            self.byte += character.len_utf8();
            if character == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
    }
}
