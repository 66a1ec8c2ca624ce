//! The part of TOML that our manifests are written in: sections, and one `key = value` a line.

/// One entry of a section.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Section as written, without brackets.
    pub section: String,
    /// Key up to the first dot: `tokio` in `tokio.workspace = true`.
    pub key: String,
    /// The rest of the line after the key, comment excluded.
    pub value: String,
    /// The comment at the line's end.
    pub comment: Option<String>,
    /// Line number from 1.
    pub line: usize,
}

/// The entries of a manifest, in order. Keys of a `[dependencies.NAME]` section count as one entry of that name.
pub fn entries(text: &str) -> Vec<Entry> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let (content, comment) = split_comment(content);
        if let Some(header) = content.strip_prefix('[') {
            section = header.trim_end_matches(']').trim_matches('[').to_owned();
            continue;
        }
        let Some((key, value)) = split_key(content) else { continue };
        let comment = comment.map(str::to_owned);
        entries.push(Entry { section: section.clone(), key, value, comment, line });
    }
    entries
}

fn split_key(content: &str) -> Option<(String, String)> {
    let (path, value) = content.split_once('=')?;
    let path = path.trim();
    Some(match path.split_once('.') {
        Some((key, rest)) => (key.to_owned(), format!("{{ {rest} = {} }}", value.trim())),
        None => (path.to_owned(), value.trim().to_owned()),
    })
}

/// Splits off `# comment`, minding quotes.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return (line[..at].trim(), Some(line[at + 1..].trim())),
            _ => {}
        }
    }
    (line.trim(), None)
}

#[test]
fn manifest_lines_become_entries() {
    let found = entries(
        "# head\n[dependencies]\ntokio.workspace = true\nx = { version = \"1#2\" } # reason\n[[test]]\nname = \"t\"\n",
    );
    let entry = |section: &str, key: &str, value: &str, comment: Option<&str>, line| Entry {
        section: section.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
        comment: comment.map(str::to_owned),
        line,
    };
    assert_eq!(
        found,
        [
            entry("dependencies", "tokio", "{ workspace = true }", None, 3),
            entry("dependencies", "x", "{ version = \"1#2\" }", Some("reason"), 4),
            entry("test", "name", "\"t\"", None, 6),
        ]
    );
}
