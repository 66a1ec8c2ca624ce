//! The line that is typed: editing, and the history of statements, by rustyline. A thread of its own reads, since a read of
//! a terminal cannot be broken off and must not hold up the end; it is asked for one line at a time.

use std::path::{Path, PathBuf};

use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor};
use tokio::sync::mpsc;

/// Statements that are kept from one shell to the next.
const HISTORY_MAX: usize = 1_000;
/// Longest statement that is kept, in bytes: longer ones are data.
const KEPT_MAX_BYTES: usize = 16 << 10;
/// Where the history is, instead of in the user's data folder; none for an empty text.
const HISTORY_VARIABLE: &str = "QUORATE_SQL_HISTORY";

/// What the reader is asked to do.
enum Ask {
    /// Read a line behind this prompt.
    Line(String),
    /// Keep a statement.
    Keep(String),
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// It is here.
    Line(String),
    /// It was dropped: Ctrl-C.
    Dropped,
    /// There is no more: Ctrl-D, or a terminal that is gone.
    End,
}

/// Reads lines of the terminal.
pub struct LineReader {
    asks: mpsc::Sender<Ask>,
    typed: mpsc::Receiver<Typed>,
}

impl LineReader {
    /// Starts the reader; a history that cannot be read is none.
    #[expect(clippy::disallowed_methods, reason = "a read of a terminal cannot be broken off")]
    pub fn start() -> Self {
        let (asks, mut asked) = mpsc::channel(4);
        let (sender, typed) = mpsc::channel(1);
        std::thread::spawn(move || {
            let file = history_file();
            let Some(mut editor) = editor(file.as_deref()) else { return };
            while let Some(ask) = asked.blocking_recv() {
                match ask {
                    Ask::Line(prompt) => {
                        if sender.blocking_send(read(&mut editor, &prompt)).is_err() {
                            return;
                        }
                    }
                    Ask::Keep(text) => keep(&mut editor, file.as_deref(), &text),
                }
            }
        });
        Self { asks, typed }
    }

    /// The next line.
    pub async fn line(&mut self, prompt: String) -> Typed {
        if self.asks.send(Ask::Line(prompt)).await.is_err() {
            return Typed::End;
        }
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// Keeps a statement or a command in the history.
    pub async fn keep(&self, text: &str) {
        let text = text.trim();
        if !text.is_empty() && text.len() <= KEPT_MAX_BYTES {
            // Without a reader there is nothing to keep it for.
            let _ = self.asks.send(Ask::Keep(text.to_owned())).await;
        }
    }
}

type LineEditor = Editor<(), DefaultHistory>;

fn editor(history: Option<&Path>) -> Option<LineEditor> {
    let config = Config::builder().max_history_size(HISTORY_MAX).ok()?.build();
    let mut editor = LineEditor::with_config(config).ok()?;
    if let Some(path) = history {
        // The first shell of a user has none.
        let _ = editor.load_history(path);
    }
    Some(editor)
}

fn read(editor: &mut LineEditor, prompt: &str) -> Typed {
    match editor.readline(prompt) {
        Ok(line) => Typed::Line(line),
        Err(ReadlineError::Interrupted) => Typed::Dropped,
        Err(_) => Typed::End,
    }
}

/// Keeps it in the file at once: a shell may be killed. Where the file cannot be written, the history lasts for this shell.
fn keep(editor: &mut LineEditor, history: Option<&Path>, text: &str) {
    if editor.add_history_entry(text).is_ok_and(|is_new| is_new)
        && let Some(path) = history
        && let Some(folder) = path.parent()
        && std::fs::create_dir_all(folder).is_ok()
    {
        let _ = editor.append_history(path);
    }
}

/// The file in the user's data folder.
fn history_file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = std::env::var_os(HISTORY_VARIABLE) {
        return (!path.is_empty()).then(|| PathBuf::from(path));
    }
    let data = variable("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share")))?;
    Some(data.join("quorate").join("sql_history"))
}
