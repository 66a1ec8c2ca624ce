//! DECLARE, FETCH, MOVE and CLOSE, read from their tokens.

use sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::ast::session::{Declare, Direction, Fetch, SessionStatement};
use super::cursor::Cursor;
use super::session::preparable;
use crate::error::{SqlError, SqlState};

/// `DECLARE name options CURSOR FOR query`.
pub fn declare(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let name = cursor.name()?;
    let options = options(cursor)?;
    cursor.expect("cursor")?;
    if cursor.take_all(&["with", "hold"]) {
        return Err(SqlError::unsupported("DECLARE CURSOR WITH HOLD").at(name.position));
    }
    cursor.take_all(&["without", "hold"]);
    cursor.expect("for")?;
    let is_query = |first| super::is_keyword(first, "select") || super::is_keyword(first, "values");
    let begins_query = cursor.peek().is_some_and(|first| first.token == Token::LParen || is_query(first));
    let is_refused = cursor.peek().is_some_and(|first| super::is_keyword(first, "with"));
    if !begins_query && !is_refused {
        return Err(cursor.unexpected());
    }
    let query = Box::new(preparable(cursor)?);
    match query.as_ref() {
        Statement::Query(_) => Ok(SessionStatement::Declare(Declare {
            name,
            binary: options.binary,
            scroll: options.scroll,
            query,
        })),
        _ => Err(SqlError::unsupported("DECLARE CURSOR for other than a query").at(name.position)),
    }
}

#[derive(Default)]
struct Options {
    binary: bool,
    scroll: bool,
}

/// Any of the words before CURSOR, in any order, more than once.
fn options(cursor: &mut Cursor<'_>) -> Result<Options, SqlError> {
    let mut options = Options::default();
    let (mut no_scroll, mut insensitive, mut asensitive) = (false, false, false);
    loop {
        if cursor.take("binary") {
            options.binary = true;
        } else if cursor.take("scroll") {
            options.scroll = true;
        } else if cursor.take_all(&["no", "scroll"]) {
            no_scroll = true;
        } else if cursor.take("insensitive") {
            insensitive = true;
        } else if cursor.take("asensitive") {
            asensitive = true;
        } else {
            break;
        }
    }
    let both = match (options.scroll && no_scroll, insensitive && asensitive) {
        (true, _) => "SCROLL and NO SCROLL",
        (false, true) => "ASENSITIVE and INSENSITIVE",
        (false, false) => return Ok(options),
    };
    let message = format!("cannot specify both {both}");
    Err(SqlError::new(SqlState::InvalidCursorDefinition, message))
}

/// `FETCH [direction] [FROM | IN] name`.
pub fn fetch(cursor: &mut Cursor<'_>, is_move: bool) -> Result<SessionStatement, SqlError> {
    let direction = direction(cursor)?;
    let _ = cursor.take("from") || cursor.take("in");
    let name = cursor.name()?;
    Ok(SessionStatement::Fetch(Fetch { name, direction, is_move }))
}

/// Where to. A cursor may bear the name of a direction: a word with nothing behind it is the cursor's.
fn direction(cursor: &mut Cursor<'_>) -> Result<Direction, SqlError> {
    if cursor.rest().len() == 1 {
        return Ok(Direction::By(1));
    }
    if let Some(count) = maybe_count(cursor)? {
        return Ok(Direction::By(count));
    }
    if cursor.take("next") {
        return Ok(Direction::By(1));
    }
    if cursor.take("prior") {
        return Ok(Direction::By(-1));
    }
    if cursor.take("first") {
        return Ok(Direction::Absolute(1));
    }
    if cursor.take("last") {
        return Ok(Direction::Absolute(-1));
    }
    if cursor.take("absolute") {
        return count(cursor).map(Direction::Absolute);
    }
    if cursor.take("relative") {
        return count(cursor).map(Direction::Relative);
    }
    if cursor.take("all") {
        return Ok(Direction::ToEnd);
    }
    if cursor.take("forward") {
        return steps(cursor, 1, Direction::ToEnd);
    }
    if cursor.take("backward") {
        return steps(cursor, -1, Direction::ToStart);
    }
    Ok(Direction::By(1))
}

/// What may follow FORWARD and BACKWARD.
fn steps(cursor: &mut Cursor<'_>, sign: i64, all: Direction) -> Result<Direction, SqlError> {
    if cursor.rest().len() > 1 && cursor.take("all") {
        return Ok(all);
    }
    Ok(Direction::By(sign * maybe_count(cursor)?.unwrap_or(1)))
}

fn count(cursor: &mut Cursor<'_>) -> Result<i64, SqlError> {
    maybe_count(cursor)?.ok_or_else(|| cursor.unexpected())
}

/// A whole number of 32 bits, perhaps with a sign.
fn maybe_count(cursor: &mut Cursor<'_>) -> Result<Option<i64>, SqlError> {
    let sign = match (cursor.take_token(&Token::Minus), cursor.peek()) {
        (true, _) => -1,
        (false, Some(token)) if token.token == Token::Plus => {
            cursor.next();
            1
        }
        (false, _) => 1,
    };
    let Some(Token::Number(digits, _)) = cursor.peek().map(|token| &token.token) else { return Ok(None) };
    let Ok(number) = digits.parse::<i32>() else { return Err(cursor.unexpected()) };
    cursor.next();
    Ok(Some(sign * i64::from(number)))
}

/// `CLOSE name`, `CLOSE ALL`.
pub fn close(cursor: &mut Cursor<'_>) -> Result<SessionStatement, SqlError> {
    let name = if cursor.take("all") { None } else { Some(cursor.name()?) };
    Ok(SessionStatement::Close { name })
}
