//! Runs of one INSERT that have come already are looked through before the first of them runs, so that they are done together
//! ([`Session::run_ahead`](quorate_sql::session::Session::run_ahead)).
//!
//! ```text
//! in hand: Execute, Bind        in the buffer: Execute, Bind, Execute, …      one statement, or one request for all keys
//! ```
//!
//! Nothing is taken out of the buffer: each message is read, and answered, in its turn. Only runs whose Bind and Execute are both
//! there are counted, with nothing between them but what does nothing: what is done ahead is sure to have its turn, or to be
//! undone with the transaction.

use std::collections::VecDeque;

use bytes::BytesMut;
use pgwire::messages::PgWireFrontendMessage as M;
use pgwire::messages::extendedquery::Bind;
use quorate_sql::cancel::CancelToken;
use quorate_sql::error::SqlError;
use quorate_sql::session::{Prepared, TransactionStatus, run_ahead as session};
use quorate_sql::types::Datum;

use super::connection::Connection;
use super::extended::read_parameters;
use super::shape;
use crate::limits::RUNS_AHEAD_MAX;

/// Runs of a statement for which something was done ahead.
#[derive(Debug)]
pub struct Ahead {
    prepared: Prepared,
    /// Those that have not had their turn yet.
    left: usize,
    /// How many rows the next of them have added; empty where only their keys were read.
    added: VecDeque<usize>,
}

impl Ahead {
    /// What one more run has done ahead of its turn: rows that it has added.
    fn next(&mut self) -> Option<usize> {
        assert!(self.left > 0 && self.added.len() <= self.left, "turns are counted");
        self.left -= 1;
        self.added.pop_front()
    }
}

/// The look at what has come.
struct Look<'a> {
    prepared: &'a Prepared,
    /// The portal and the parameters of a run whose Bind was seen, and its Execute not yet.
    bound: Option<(String, Vec<Datum>)>,
    /// The parameters of the runs, each with its Execute.
    runs: Vec<Vec<Datum>>,
}

impl Connection {
    /// Whether the next messages are runs for which something was done ahead, up to a Sync that is here: nothing is waited for
    /// until then.
    pub(super) fn has_run_ahead(&self) -> bool {
        let is_of_run = |kind: &u8| matches!(kind, b'B' | b'D' | b'E');
        let mut kinds = self.reader.waiting().filter_map(|frame| frame.first().copied());
        self.ahead.is_some() && kinds.find(|kind| !is_of_run(kind)) == Some(b'S')
    }

    /// What ends a cycle, or is no run, comes behind all turns of what was done ahead.
    pub(super) fn end_ahead(&mut self) {
        let ahead = self.ahead.take();
        let is_done = ahead.is_none_or(|ahead| ahead.added.is_empty());
        assert!(is_done, "what was done ahead has its turn before anything else");
    }

    /// Before a run that others may follow: does for it and for them what can be done together, unless that was done already.
    /// `next` is the message behind its Execute. Gives how many rows the run has added, if it is done.
    pub(super) async fn run_ahead(
        &mut self,
        (prepared, parameters): (&Prepared, &[Datum]),
        next: Option<&M>,
        cancel: &CancelToken,
    ) -> Result<Option<usize>, SqlError> {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.prepared.is_same(prepared)) {
            return Ok(self.take_turn());
        }
        self.end_ahead();
        if !self.session.runs_ahead(prepared) {
            return Ok(None);
        }
        let runs = self.waiting_runs((prepared, parameters), next);
        if runs.len() < 2 {
            return Ok(None);
        }
        let (left, added) = match self.session.run_ahead(prepared, &runs, cancel).await? {
            session::Ahead::Nothing => return Ok(None),
            session::Ahead::KeysRead => (runs.len(), VecDeque::new()),
            session::Ahead::Done(added) => (added.len(), added.into()),
        };
        self.ahead = Some(Ahead { prepared: prepared.clone(), left, added });
        Ok(self.take_turn())
    }

    fn take_turn(&mut self) -> Option<usize> {
        let mut ahead = self.ahead.take()?;
        let added = ahead.next();
        self.ahead = Some(ahead).filter(|ahead| ahead.left > 0);
        added
    }

    /// The parameters of a run, and of those that follow it in the buffer, each with its Execute, and nothing between them but
    /// what does nothing. The buffer begins behind the message in hand.
    fn waiting_runs(&self, (prepared, first): (&Prepared, &[Datum]), in_hand: Option<&M>) -> Vec<Vec<Datum>> {
        let mut look = Look { prepared, bound: None, runs: vec![first.to_vec()] };
        if in_hand.is_some_and(|message| self.goes_on(message, &mut look)) {
            for frame in self.reader.waiting() {
                let message = shape::decode(BytesMut::from(frame));
                let goes_on = message.is_ok_and(|message| self.goes_on(&message, &mut look));
                if !goes_on || look.runs.len() >= RUNS_AHEAD_MAX {
                    break;
                }
            }
        }
        look.runs
    }

    /// Looks at a message; false where what follows it may be something else.
    fn goes_on(&self, message: &M, look: &mut Look<'_>) -> bool {
        if let M::Bind(bind) = message {
            let is_first = look.bound.is_none();
            look.bound = self.run_of(look.prepared, bind);
            return is_first && look.bound.is_some();
        }
        if let M::Execute(execute) = message {
            let name = execute.name.as_deref().unwrap_or_default();
            let run = look.bound.take().filter(|(portal, _)| portal == name && execute.max_rows <= 0);
            let is_run = run.is_some();
            look.runs.extend(run.map(|(_, parameters)| parameters));
            return is_run;
        }
        let is_in_block = self.session.transaction_status() == TransactionStatus::Active;
        matches!(message, M::Describe(_) | M::Flush(_)) || (is_in_block && matches!(message, M::Sync(_)))
    }

    /// The portal and the parameters of a run of this statement; `None` for other statements, and for what cannot be read.
    fn run_of(&self, prepared: &Prepared, bind: &Bind) -> Option<(String, Vec<Datum>)> {
        let named = self.session.statement(bind.statement_name.as_deref().unwrap_or_default()).ok()?;
        let is_same = named.prepared.as_ref().is_some_and(|other| other.is_same(prepared));
        let parameters = is_same.then(|| read_parameters(bind, prepared.parameter_types()).ok()).flatten()?;
        Some((bind.portal_name.clone().unwrap_or_default(), parameters))
    }
}
