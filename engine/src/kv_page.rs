//! [`PageBuilder`]: pairs in, one [`ScanPage`] out, within the limits of its [`ScanRequest`].
//!
//! Used where the rows are ([`crate::mvcc::read_page`]) and where buffered writes are laid over them
//! ([`crate::kv_buffer`]), so that limits and programs mean the same in both places.

use bytes::Bytes;

use crate::kv::{
    Direction, Flow, Key, ProgramError, ScanEvaluator, ScanPage, ScanRequest, ScanRows, ScanRun, ScanServed,
    Span, Value,
};

/// Whether a page takes more pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFlow {
    /// It does.
    More,
    /// A limit of the request is reached; the scan can go on behind this pair.
    Full,
    /// The program has enough; the scan is over.
    Stop,
}

/// What becomes of the pairs.
enum Output {
    Pairs(Vec<(Key, Value)>),
    Program { run: Box<dyn ScanRun>, outputs: Vec<Bytes> },
}

/// A page that is being made.
pub struct PageBuilder {
    output: Output,
    rows_max: u64,
    bytes_max: u64,
    rows_read: u64,
    visited: u64,
    bytes: u64,
    is_stopped: bool,
}

impl PageBuilder {
    /// An empty page for this request.
    ///
    /// # Errors
    /// A program that cannot be read.
    pub fn new(request: &ScanRequest, evaluator: &dyn ScanEvaluator) -> Result<Self, ProgramError> {
        let output = match &request.program {
            None => Output::Pairs(Vec::new()),
            Some(program) => Output::Program { run: evaluator.start(program)?, outputs: Vec::new() },
        };
        Ok(Self {
            output,
            rows_max: request.rows_max.max(1),
            bytes_max: request.bytes_max,
            rows_read: 0,
            visited: 0,
            bytes: 0,
            is_stopped: false,
        })
    }

    /// Takes the next live pair. A page takes at least one, however large.
    ///
    /// # Errors
    /// The program failed on it.
    pub fn push(&mut self, key: &Key, value: Value) -> Result<PageFlow, ProgramError> {
        assert!(!self.is_stopped, "a page that its program has stopped takes no more pairs");
        self.rows_read += 1;
        let flow = match &mut self.output {
            Output::Pairs(pairs) => {
                self.bytes += (key.len() + value.len()) as u64;
                pairs.push((key.clone(), value));
                Flow::Continue
            }
            Output::Program { run, outputs } => {
                let before = outputs.len();
                let flow = run.pair(key.as_ref(), &value, outputs)?;
                assert!(outputs.len() >= before, "a program takes back no output");
                self.bytes += outputs.iter().skip(before).map(|output| output.len() as u64).sum::<u64>();
                flow
            }
        };
        self.is_stopped |= flow == Flow::Stop;
        Ok(match flow {
            Flow::Stop => PageFlow::Stop,
            Flow::Continue if self.rows_read >= self.rows_max || self.bytes >= self.bytes_max => {
                PageFlow::Full
            }
            Flow::Continue => PageFlow::More,
        })
    }

    /// Notes how many versions were stepped over for the page.
    pub fn visited(&mut self, versions: u64) {
        self.visited = versions;
    }

    /// Ends the page; `resume` is what is left to visit.
    ///
    /// # Errors
    /// The program failed at its end.
    pub fn finish(self, resume: Option<Span>) -> Result<ScanPage, ProgramError> {
        let (rows, rows_returned) = match self.output {
            Output::Pairs(pairs) => {
                let count = pairs.len() as u64;
                (ScanRows::Pairs(pairs), count)
            }
            Output::Program { mut run, mut outputs } => {
                run.finish(&mut outputs)?;
                let count = outputs.len() as u64;
                (ScanRows::Outputs(outputs), count)
            }
        };
        assert!(!self.is_stopped || resume.is_none(), "a scan that is stopped has nothing left");
        let served = ScanServed {
            rows_read: self.rows_read,
            rows_returned,
            visited: self.visited,
            ..ScanServed::default()
        };
        Ok(ScanPage { rows, resume, is_stopped: self.is_stopped, served })
    }
}

/// What is left of a span once `last` was visited; `None` where nothing is.
pub fn remaining(span: &Span, direction: Direction, last: &Key) -> Option<Span> {
    assert!(span.contains(last), "a page visits keys of its span");
    match direction {
        Direction::Forward => {
            let rest = Span::new(last.successor(), span.end.clone());
            (!rest.is_empty()).then_some(rest)
        }
        // An end equal to the start would be an empty span, and an empty end would mean "to the end".
        Direction::Reverse => (*last > span.start).then(|| Span::new(span.start.clone(), last.clone())),
    }
}

/// The part of a span that a page has visited, which left `resume` to the next.
pub fn covered(span: &Span, direction: Direction, resume: Option<&Span>) -> Span {
    match (resume, direction) {
        (None, _) => span.clone(),
        (Some(rest), Direction::Forward) => Span::new(span.start.clone(), rest.start.clone()),
        (Some(rest), Direction::Reverse) => Span::new(rest.end.clone(), span.end.clone()),
    }
}
