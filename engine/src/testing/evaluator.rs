//! [`TextEvaluator`]: scan programs in plain text, for tests below SQL.
//!
//! `show` puts out `key=value`; `match TEXT` the same for values that contain the text; `limit N` stops after as many
//! pairs; `count` puts out their number at the end of the page; `fail TEXT` fails at a value that contains the text.

use bytes::Bytes;

use crate::kv::{Flow, ProgramError, ScanEvaluator, ScanFilter, ScanProgram, ScanRun, Value};

/// Runs programs in text.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextEvaluator;

/// A program that was read.
enum Program {
    Show,
    Match(String),
    Limit(usize),
    Count,
    Fail(String),
}

struct TextRun {
    program: Program,
    seen: usize,
}

/// The program with this text.
pub fn program(text: &str) -> ScanProgram {
    ScanProgram(Bytes::copy_from_slice(text.as_bytes()))
}

fn error(message: String) -> ProgramError {
    ProgramError { sqlstate: "XX000".to_owned(), message }
}

impl ScanEvaluator for TextEvaluator {
    fn start(&self, program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        let text = String::from_utf8_lossy(&program.0).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let program = match word {
            "show" => Program::Show,
            "match" => Program::Match(rest.to_owned()),
            "limit" => Program::Limit(rest.parse().map_err(|_| error(format!("no number: {rest}")))?),
            "count" => Program::Count,
            "fail" => Program::Fail(rest.to_owned()),
            other => return Err(error(format!("unknown program {other}"))),
        };
        Ok(Box::new(TextRun { program, seen: 0 }))
    }

    fn filter(&self, program: &ScanProgram) -> Result<Box<dyn ScanFilter>, ProgramError> {
        let text = String::from_utf8_lossy(&program.0).into_owned();
        Ok(Box::new(TextFilter { wanted: text.strip_prefix("match ").map(str::to_owned) }))
    }
}

/// What `match` refuses does not pass; everything else does.
struct TextFilter {
    wanted: Option<String>,
}

impl ScanFilter for TextFilter {
    fn passes(&mut self, _: &[u8], value: &Value) -> bool {
        self.wanted.as_ref().is_none_or(|text| value.escape_ascii().to_string().contains(text))
    }
}

impl ScanRun for TextRun {
    fn pair(&mut self, key: &[u8], value: &Value, out: &mut Vec<Bytes>) -> Result<Flow, ProgramError> {
        self.seen += 1;
        let shown = format!("{}={}", key.escape_ascii(), value.escape_ascii());
        let holds = |text: &str| value.escape_ascii().to_string().contains(text);
        match &self.program {
            Program::Show => out.push(shown.into()),
            Program::Match(text) if holds(text) => out.push(shown.into()),
            Program::Match(_) | Program::Count => {}
            Program::Limit(limit) => {
                out.push(shown.into());
                if self.seen >= *limit {
                    return Ok(Flow::Stop);
                }
            }
            Program::Fail(text) if holds(text) => return Err(error(format!("met {shown}"))),
            Program::Fail(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProgramError> {
        if let Program::Count = self.program {
            out.push(self.seen.to_string().into());
        }
        Ok(())
    }
}
