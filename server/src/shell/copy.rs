//! COPY through the shell: `COPY … TO STDOUT` and `COPY … FROM STDIN` with the shell's own streams, and `\copy` with a
//! file of this machine. In a file of statements, the data of FROM STDIN are the lines behind it, up to one with `\.` alone.

use std::path::PathBuf;
use std::pin::pin;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::client::{ShellClient, StatementFailure};
use super::output::Output;
use super::script::Lines;
use super::splitter::leading_words;

/// Bytes of a file sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Which way a COPY goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `FROM STDIN`.
    In,
    /// `TO STDOUT`.
    Out,
}

/// `\copy`: the statement for the server, and where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCopy {
    /// `COPY … FROM STDIN …` or `COPY … TO STDOUT …`.
    pub statement: String,
    /// Which way.
    pub direction: Direction,
    /// The file; `None` for the shell's own streams.
    pub file: Option<PathBuf>,
}

/// The direction of a COPY statement that uses the client's streams; `None` for any other statement.
pub fn direction(statement: &str) -> Option<Direction> {
    if leading_words(statement, 1) != ["COPY"] {
        return None;
    }
    let words: Vec<String> = statement
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';' | ','))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    words.windows(2).find_map(|pair| match pair {
        [from, stdin] if from == "FROM" && stdin == "STDIN" => Some(Direction::In),
        [to, stdout] if to == "TO" && stdout == "STDOUT" => Some(Direction::Out),
        _ => None,
    })
}

/// Reads `\copy TABLE FROM 'file' WITH (…)` and the like, without `\copy` itself.
pub fn parse(arguments: &str) -> Option<FileCopy> {
    let (at, direction) = find_direction(arguments)?;
    let (target, rest) = arguments.split_at_checked(at)?;
    let keyword = if direction == Direction::In { "FROM" } else { "TO" };
    let rest = rest.get(keyword.len()..)?.trim_start();
    let (file, options) = take_file(rest)?;
    let stream = if direction == Direction::In { "STDIN" } else { "STDOUT" };
    let options = options.trim().trim_end_matches(';').trim_end();
    let statement = format!("COPY {} {keyword} {stream} {options}", target.trim()).trim_end().to_owned();
    let own = file.eq_ignore_ascii_case("stdin") || file.eq_ignore_ascii_case("stdout");
    Some(FileCopy { statement, direction, file: (!own).then(|| PathBuf::from(file)) })
}

/// The first FROM or TO outside of parentheses.
fn find_direction(text: &str) -> Option<(usize, Direction)> {
    let mut depth = 0_i32;
    let mut word_start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_word = c.is_alphanumeric() || c == '_' || c == '"' || c == '.';
        if is_word {
            word_start = word_start.or(Some(at));
            continue;
        }
        if let Some(start) = word_start.take().filter(|_| depth == 0) {
            let word = text.get(start..at).unwrap_or_default();
            if word.eq_ignore_ascii_case("from") {
                return Some((start, Direction::In));
            }
            if word.eq_ignore_ascii_case("to") {
                return Some((start, Direction::Out));
            }
        }
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A file's name, quoted or bare, and what follows.
fn take_file(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return quoted.split_once('\'');
    }
    let text = text.trim_end_matches(';');
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(file, _)| !file.is_empty())
}

/// Runs a COPY with the shell's own streams.
pub async fn run(
    client: &ShellClient,
    direction: Direction,
    statement: &str,
    output: &mut Output,
) -> Result<(), StatementFailure> {
    match direction {
        Direction::In => {
            let rows = send(client, statement, tokio::io::stdin()).await?;
            output.end(&format!("COPY {rows}")).map_err(StatementFailure::Output)
        }
        Direction::Out => {
            let rows = client.postgres().copy_out(statement).await;
            let mut rows = pin!(rows.map_err(|error| StatementFailure::of(error, statement))?);
            while let Some(chunk) = rows.next().await {
                let chunk = chunk.map_err(|error| StatementFailure::of(error, statement))?;
                output.raw(&chunk).map_err(StatementFailure::Output)?;
            }
            output.abandon().map_err(StatementFailure::Output)
        }
    }
}

/// Runs a `\copy`.
pub async fn run_file(
    client: &ShellClient,
    copy: &FileCopy,
    output: &mut Output,
) -> Result<(), StatementFailure> {
    let Some(path) = &copy.file else { return run(client, copy.direction, &copy.statement, output).await };
    let unreadable =
        |error: std::io::Error| StatementFailure::Shell(format!("error: {}: {error}", path.display()));
    match copy.direction {
        Direction::In => {
            let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            let rows = send(client, &copy.statement, file).await?;
            output.end(&format!("COPY {rows}")).map_err(StatementFailure::Output)
        }
        Direction::Out => {
            let rows = client.postgres().copy_out(&copy.statement).await;
            let mut rows = pin!(rows.map_err(|error| StatementFailure::of(error, &copy.statement))?);
            let mut file = tokio::fs::File::create(path).await.map_err(unreadable)?;
            while let Some(chunk) = rows.next().await {
                let chunk = chunk.map_err(|error| StatementFailure::of(error, &copy.statement))?;
                file.write_all(&chunk).await.map_err(unreadable)?;
            }
            file.flush().await.map_err(unreadable)
        }
    }
}

/// Runs a `COPY … FROM STDIN` whose data are the next lines of its file; these are read in any case, as they are no statements.
pub async fn run_lines(
    client: &ShellClient,
    statement: &str,
    lines: &mut Lines<'_>,
    output: &mut Output,
) -> Result<(), StatementFailure> {
    lines.begin_data();
    let sent = send_lines(client, statement, lines).await;
    if sent.is_err() {
        while !lines.data(CHUNK_BYTES).await?.is_empty() {}
    }
    output.end(&format!("COPY {}", sent?)).map_err(StatementFailure::Output)
}

async fn send_lines(
    client: &ShellClient,
    statement: &str,
    lines: &mut Lines<'_>,
) -> Result<u64, StatementFailure> {
    let failed = |error| StatementFailure::of(error, statement);
    let mut sink = pin!(client.postgres().copy_in::<_, Bytes>(statement).await.map_err(failed)?);
    loop {
        let data = lines.data(CHUNK_BYTES).await?;
        if data.is_empty() {
            return sink.finish().await.map_err(failed);
        }
        sink.send(Bytes::from(data)).await.map_err(failed)?;
    }
}

/// Sends all that the reader has, and returns the number of rows.
async fn send(
    client: &ShellClient,
    statement: &str,
    mut reader: impl AsyncRead + Unpin,
) -> Result<u64, StatementFailure> {
    let failed = |error| StatementFailure::of(error, statement);
    let mut sink = pin!(client.postgres().copy_in::<_, Bytes>(statement).await.map_err(failed)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = reader.read(&mut chunk).await;
        let read = read
            .map_err(|error| StatementFailure::Shell(format!("error: the data cannot be read: {error}")))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sink.send(Bytes::copy_from_slice(bytes)).await.map_err(failed)?;
    }
    sink.finish().await.map_err(failed)
}

#[cfg(test)]
mod tests;
