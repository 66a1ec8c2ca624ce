//! Scripts over formats and error reports.

use std::error::Error;

use goldenscript::Context;

use super::{Column, ColumnKind, Format, Renderer, TextRow};
use crate::shell::report::Report;

#[derive(Default)]
struct Runner {
    columns: Vec<Column>,
    rows: Vec<TextRow>,
}

#[derive(goldenscript::Command)]
enum Script {
    /// Sets the columns, `name` or `name:number` or `name:bool`.
    Columns {
        #[arg(pos, many, optional)]
        columns: Vec<String>,
    },
    /// Adds a row; `NULL` is NULL.
    Row {
        #[arg(pos, many, optional)]
        values: Vec<String>,
    },
    /// Prints the rows in all formats.
    Show,
    /// Prints an error at a position of a statement.
    Report {
        #[arg(key)]
        statement: String,
        #[arg(key)]
        position: u32,
        #[arg(key)]
        message: String,
        #[arg(key)]
        detail: Option<String>,
        #[arg(key)]
        hint: Option<String>,
    },
}

impl goldenscript::Runner for Runner {
    type Command = Script;

    fn run(&mut self, command: &Script, _: &Context) -> Result<String, Box<dyn Error>> {
        match command {
            Script::Columns { columns } => {
                self.rows.clear();
                self.columns = columns.iter().map(|text| column(text)).collect();
                Ok(String::new())
            }
            Script::Row { values } => {
                self.rows.push(values.iter().map(|value| (value != "NULL").then(|| value.clone())).collect());
                Ok(String::new())
            }
            Script::Show => self.show(),
            Script::Report { statement, position, message, detail, hint } => {
                let report = Report {
                    severity: "ERROR".to_owned(),
                    code: "42703".to_owned(),
                    message: message.clone(),
                    detail: detail.clone(),
                    hint: hint.clone(),
                    position: Some(*position),
                };
                Ok(report.render(statement) + "\n")
            }
        }
    }
}

impl Runner {
    fn show(&self) -> Result<String, Box<dyn Error>> {
        let mut text = String::new();
        for format in [Format::Table, Format::Tsv, Format::Csv, Format::Json] {
            text += &format!("{format:?}:\n{}", render(format, &self.columns, &self.rows)?);
        }
        Ok(text)
    }
}

fn column(text: &str) -> Column {
    let (name, kind) = match text.split_once(':') {
        Some((name, "number")) => (name, ColumnKind::Number),
        Some((name, "bool")) => (name, ColumnKind::Bool),
        _ => (text, ColumnKind::Text),
    };
    Column { name: name.to_owned(), kind }
}

fn render(format: Format, columns: &[Column], rows: &[TextRow]) -> Result<String, Box<dyn Error>> {
    let mut out = Vec::new();
    let mut renderer = Renderer::new(format, columns.to_vec(), None);
    renderer.begin(&mut out)?;
    for row in rows {
        renderer.row(&mut out, row.clone())?;
    }
    renderer.end(&mut out)?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn shell_formats() -> std::io::Result<()> {
    goldenscript::run(&mut Runner::default(), "testscripts/shell/formats")
}

#[test]
fn shell_reports() -> std::io::Result<()> {
    goldenscript::run(&mut Runner::default(), "testscripts/shell/reports")
}

#[test]
fn table_streams_rows_beyond_its_limit() {
    let columns = vec![column("n")];
    let mut renderer = Renderer::new(Format::Table, columns, None);
    let mut out = Vec::new();
    for row in 0..2_500 {
        renderer.row(&mut out, vec![Some(row.to_string())]).unwrap();
    }
    let printed = String::from_utf8(out.clone()).unwrap();
    assert!(printed.lines().count() > 2_400, "rows beyond the limit wait for the end");
    renderer.end(&mut out).unwrap();
    let all = String::from_utf8(out).unwrap();
    assert!(all.ends_with(" 2499\n(2500 rows)\n\n"), "{}", all.get(all.len() - 40..).unwrap());
}
