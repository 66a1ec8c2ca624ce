//! Rust source taken apart into code, comments and string literals, so that a rule sees only what it is about.
//!
//! This is no parser: it knows where comments, strings, characters and lifetimes begin and end, nothing else. Both
//! layers keep the lines of the source, with blanks in place of what belongs to the other.

/// A string literal.
#[derive(Debug, PartialEq, Eq)]
pub struct Literal {
    /// Line where it starts, counted from 1.
    pub line: usize,
    /// What is between the quotes, escapes as written.
    pub value: String,
    /// The code before it on its line and, where that is blank, the last code before that.
    pub before: String,
}

/// A source taken apart.
#[derive(Debug, Default)]
pub struct RustSource {
    /// Code alone: comments and the insides of strings are blank.
    pub code: String,
    /// Comments alone.
    pub comments: String,
    /// String literals in order.
    pub literals: Vec<Literal>,
}

impl RustSource {
    /// Takes a source apart.
    pub fn of(text: &str) -> Self {
        let mut reader = Reader { rest: text, line: 1, source: Self::default() };
        while reader.step() {}
        reader.source
    }

    /// Lines of the code with their numbers from 1.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    source: RustSource,
}

/// Where a piece of text belongs.
#[derive(Clone, Copy)]
enum Layer {
    Code,
    Comment,
    Neither,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()), Layer::Comment);
        } else if rest.starts_with("/*") {
            self.take(block_comment_len(rest), Layer::Comment);
        } else if let Some(hashes) = raw_string_hashes(rest).filter(|_| !self.after_word()) {
            self.raw_string(hashes);
        } else if first == '"' {
            self.string();
        } else if first == '\'' {
            self.take(char_or_lifetime_len(rest), Layer::Code);
        } else {
            self.take(first.len_utf8(), Layer::Code);
        }
        true
    }

    /// Moves this many bytes to a layer, and blanks to the others.
    fn take(&mut self, len: usize, layer: Layer) {
        let (taken, rest) = self.rest.split_at(len);
        let blank: String = taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        let (code, comment) = match layer {
            Layer::Code => (taken, blank.as_str()),
            Layer::Comment => (blank.as_str(), taken),
            Layer::Neither => (blank.as_str(), blank.as_str()),
        };
        self.source.code.push_str(code);
        self.source.comments.push_str(comment);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    fn after_word(&self) -> bool {
        self.source.code.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }

    fn string(&mut self) {
        self.take(1, Layer::Code);
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.literal(end.unwrap_or(self.rest.len()), 1);
    }

    fn raw_string(&mut self, hashes: usize) {
        let open = self.rest.find('"').map_or(self.rest.len(), |at| at + 1);
        self.take(open, Layer::Code);
        let close = format!("\"{}", "#".repeat(hashes));
        self.literal(self.rest.find(&close).unwrap_or(self.rest.len()), close.len());
    }

    fn literal(&mut self, len: usize, close_len: usize) {
        let code = self.source.code.trim_end_matches(['"', '#', 'r', 'b']).trim_end();
        let before = code.lines().next_back().unwrap_or_default().to_owned();
        let line = self.line;
        self.source.literals.push(Literal { line, value: self.rest[..len].to_owned(), before });
        self.take(len, Layer::Neither);
        self.take(close_len.min(self.rest.len()), Layer::Code);
    }
}

/// Block comments nest.
fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if text[..at].ends_with("*/") && at > 2 {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    text.len()
}

/// The number of hashes of a raw string that starts here.
fn raw_string_hashes(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// `'a'`, `'\n'` or `'\''` as a whole; of a lifetime the quote alone.
fn char_or_lifetime_len(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..].find('\'').map_or(text.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn source_is_taken_apart_into_code_comments_and_strings() {
    let text = r###"//! head
fn f<'a>(x: &'a str) -> char { // todo!() here is a comment
    let s = "todo!() \" // no comment"; let r = r#"a "quoted" b"#; /* one /* two */ "no string" */ g('"', '\'')
}
counter!(
    "name")"###;
    let source = RustSource::of(text);
    assert!(!source.code.contains("todo!") && source.code.contains("fn f<'a>(x: &'a str) -> char {"));
    assert!(source.code.contains("g('\"', '\\'')"), "{}", source.code);
    assert!(source.comments.contains("here is a comment") && source.comments.contains("\"no string\""));
    let values: Vec<&str> = source.literals.iter().map(|literal| literal.value.as_str()).collect();
    assert_eq!(values, [r#"todo!() \" // no comment"#, r#"a "quoted" b"#, "name"]);
    assert_eq!((source.literals[2].line, source.literals[2].before.as_str()), (6, "counter!("));
    assert_eq!(source.code.lines().count(), text.lines().count());
}
