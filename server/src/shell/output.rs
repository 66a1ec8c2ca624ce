//! Where the shell writes: rows and their count to one stream, everything said about them to another.

use std::io::{self, BufWriter, Write};

use super::render::{Column, ColumnKind, Format, Renderer, TextRow, table};

/// Bytes kept before a write to stdout.
const OUT_BUFFER_BYTES: usize = 64 << 10;

/// The two streams and the format.
pub struct Output {
    rows: BufWriter<Box<dyn Write + Send>>,
    words: Box<dyn Write + Send>,
    format: Format,
    renderer: Option<Renderer>,
    /// Each column stands in a line of its own, where a person reads.
    is_expanded: bool,
    /// What stands above the next rows.
    title: Option<String>,
}

impl Output {
    /// Rows to stdout, words to stderr.
    pub fn stdout(format: Format) -> Self {
        Self::new(format, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Rows to the first, words to the second.
    pub fn new(format: Format, rows: Box<dyn Write + Send>, words: Box<dyn Write + Send>) -> Self {
        Self {
            rows: BufWriter::with_capacity(OUT_BUFFER_BYTES, rows),
            words,
            format,
            renderer: None,
            is_expanded: false,
            title: None,
        }
    }

    /// The format of rows.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether each column stands in a line of its own.
    pub fn is_expanded(&self) -> bool {
        self.is_expanded
    }

    /// From now on each column stands in a line of its own, or not.
    pub fn set_expanded(&mut self, is_expanded: bool) {
        self.is_expanded = is_expanded;
    }

    /// What stands above the rows of the next statement, where a person reads.
    pub fn set_title(&mut self, title: &str) {
        self.title = Some(title.to_owned());
    }

    /// Prints a line among the rows.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.rows, "{text}")?;
        self.rows.flush()
    }

    /// Prints rows of text, all at once; what stands above and below them only where a person reads.
    pub fn titled_table(
        &mut self,
        title: &str,
        head: &[&str],
        rows: Vec<TextRow>,
        below: &[String],
    ) -> io::Result<()> {
        let column = |name: &&str| Column { name: (*name).to_owned(), kind: ColumnKind::Text };
        let columns: Vec<Column> = head.iter().map(column).collect();
        if self.format == Format::Table {
            table::write_titled(&mut self.rows, title, &columns, &rows)?;
            for line in below {
                writeln!(self.rows, "{line}")?;
            }
            writeln!(self.rows)?;
            return self.rows.flush();
        }
        let mut renderer = Renderer::new(self.format, columns, None);
        renderer.begin(&mut self.rows)?;
        for row in rows {
            renderer.row(&mut self.rows, row)?;
        }
        renderer.end(&mut self.rows)?;
        self.rows.flush()
    }

    /// Begins a statement's rows.
    pub fn begin(&mut self, columns: Vec<Column>) -> io::Result<()> {
        let title = self.title.take();
        let mut renderer = if self.is_expanded && self.format == Format::Table {
            Renderer::expanded(columns)
        } else {
            Renderer::new(self.format, columns, title)
        };
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
        self.title = None;
        self.rows.flush()
    }

    /// Prints bytes as they are, such as what COPY puts out.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rows.write_all(bytes)
    }

    /// Says something about the rows.
    pub fn say(&mut self, text: &str) {
        // Where even stderr is gone, nobody listens.
        let _ = writeln!(self.words, "{text}");
    }
}
