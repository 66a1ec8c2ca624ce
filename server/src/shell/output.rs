//! Where the shell writes: rows and their count to one stream, everything said about them to another.

use std::io::{self, BufWriter, Write};

use super::render::{Column, Format, Renderer, TextRow};

/// Bytes kept before a write to stdout.
const OUT_BUFFER_BYTES: usize = 64 << 10;

/// The two streams and the format.
pub struct Output {
    rows: BufWriter<Box<dyn Write + Send>>,
    words: Box<dyn Write + Send>,
    format: Format,
    renderer: Option<Renderer>,
}

impl Output {
    /// Rows to stdout, words to stderr.
    pub fn stdout(format: Format) -> Self {
        Self::new(format, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Rows to the first, words to the second.
    pub fn new(format: Format, rows: Box<dyn Write + Send>, words: Box<dyn Write + Send>) -> Self {
        Self { rows: BufWriter::with_capacity(OUT_BUFFER_BYTES, rows), words, format, renderer: None }
    }

    /// The format of rows.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Begins a statement's rows.
    pub fn begin(&mut self, columns: Vec<Column>) -> io::Result<()> {
        let mut renderer = Renderer::new(self.format, columns);
        renderer.begin(&mut self.rows)?;
        self.renderer = Some(renderer);
        Ok(())
    }

    /// Prints a row.
    pub fn row(&mut self, row: TextRow) -> io::Result<()> {
        match &mut self.renderer {
            Some(renderer) => renderer.row(&mut self.rows, row),
            None => Ok(()),
        }
    }

    /// Ends a statement; one without rows shows its tag where a person reads.
    pub fn end(&mut self, tag: &str) -> io::Result<()> {
        match (self.renderer.take(), self.format) {
            (Some(mut renderer), _) => renderer.end(&mut self.rows)?,
            (None, Format::Table) => writeln!(self.rows, "{tag}")?,
            (None, Format::Csv | Format::Json | Format::Tsv) => {}
        }
        self.rows.flush()
    }

    /// Forgets the rows of a statement that failed.
    pub fn abandon(&mut self) -> io::Result<()> {
        self.renderer = None;
        self.rows.flush()
    }

    /// Prints bytes as they are, such as what COPY puts out.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rows.write_all(bytes)
    }

    /// Prints a prompt, without a line's end.
    pub fn prompt(&mut self, text: &str) -> io::Result<()> {
        self.rows.write_all(text.as_bytes())?;
        self.rows.flush()
    }

    /// Says something about the rows.
    pub fn say(&mut self, text: &str) {
        // Where even stderr is gone, nobody listens.
        let _ = writeln!(self.words, "{text}");
    }
}
