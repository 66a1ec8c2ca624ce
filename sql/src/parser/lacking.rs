//! What Quorate lacks and the grammar does not know, or takes for something else: found by its words, and told by its name.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{Source, is_keyword};
use crate::error::SqlError;

/// A word, the words and brackets that follow it, and what they say. The error stands at the last of them.
const LACKING: [(Keyword, &[&str], &str); 11] = [
    (Keyword::BETWEEN, &["symmetric"], "BETWEEN SYMMETRIC"),
    (Keyword::LIKE, &["all"], "LIKE ALL"),
    (Keyword::ILIKE, &["all"], "LIKE ALL"),
    (Keyword::WHERE, &["current", "of"], "WHERE CURRENT OF"),
    (Keyword::UNION, &["all", "(", "values"], "UNION"),
    (Keyword::INTERSECT, &["all", "(", "values"], "INTERSECT"),
    (Keyword::EXCEPT, &["all", "(", "values"], "EXCEPT"),
    (Keyword::ANY, &["(", "values"], "a subquery"),
    (Keyword::SOME, &["(", "values"], "a subquery"),
    (Keyword::ALL, &["(", "values"], "a subquery"),
    (Keyword::ARRAY, &["[", "["], "a multidimensional array"),
];

/// # Errors
/// 0A000 where the tokens say something that is lacking.
pub(super) fn check(source: &Source<'_>, tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    for (index, token) in tokens.iter().enumerate() {
        let Token::Word(Word { keyword, .. }) = &token.token else { continue };
        for (first, parts, what) in LACKING {
            let end = index + 1 + parts.len();
            let following = tokens.get(index + 1..end).unwrap_or_default();
            if first == *keyword
                && let Some(last) = following.last()
                && following.iter().zip(parts).all(is)
            {
                return Err(source.unsupported(what, last));
            }
        }
    }
    Ok(())
}

fn is((token, part): (&TokenWithSpan, &&str)) -> bool {
    match *part {
        "(" => token.token == Token::LParen,
        "[" => token.token == Token::LBracket,
        word => is_keyword(token, word),
    }
}
