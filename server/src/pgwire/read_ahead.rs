//! Runs of one INSERT that have come already are looked through before the first of them runs, so that all look up their keys
//! together ([`Session::read_ahead`](quorate_sql::session::Session::read_ahead)).
//!
//! ```text
//! in hand: Execute, Bind        in the buffer: Execute, Bind, Execute, …      one request for all keys
//! ```
//!
//! Nothing is taken out of the buffer: each message is read, and answered, in its turn.

use bytes::BytesMut;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::extendedquery::Bind;
use quorate_sql::cancel::CancelToken;
use quorate_sql::session::{Prepared, TransactionStatus};
use quorate_sql::types::Datum;

use super::connection::Connection;
use super::extended::read_parameters;
use super::shape;
use crate::limits::READ_AHEAD_RUNS_MAX;

/// Runs of a statement whose keys were read together.
#[derive(Debug)]
pub struct Ahead {
    prepared: Prepared,
    /// Those that have not run yet.
    left: usize,
}

impl Connection {
    /// Whether a run comes next whose keys were read already, and its messages are here up to a Sync: nothing is waited for until
    /// then.
    pub(super) fn has_run_ahead(&self) -> bool {
        let is_sync = |frame: &[u8]| frame.first() == Some(&b'S');
        self.ahead.as_ref().is_some_and(|ahead| ahead.left > 0) && self.reader.waiting().any(is_sync)
    }

    /// Before a run that others may follow: reads its keys with theirs, unless that was done for it already.
    pub(super) async fn read_ahead(
        &mut self,
        (prepared, parameters): (&Prepared, &[Datum]),
        next: Option<&Bind>,
        cancel: &CancelToken,
    ) {
        if let Some(ahead) = &mut self.ahead
            && ahead.prepared.is_same(prepared)
            && ahead.left > 0
        {
            ahead.left -= 1;
            return;
        }
        self.ahead = None;
        if (next.is_none() && self.reader.waiting().next().is_none()) || !self.session.reads_ahead(prepared) {
            return;
        }
        let mut runs = vec![parameters.to_vec()];
        runs.extend(next.and_then(|bind| self.run_of(prepared, bind)));
        self.add_waiting(prepared, &mut runs);
        if runs.len() > 1 && self.session.read_ahead(prepared, &runs, cancel).await {
            self.ahead = Some(Ahead { prepared: prepared.clone(), left: runs.len() - 1 });
        }
    }

    /// Adds the parameters of the runs that wait in the buffer.
    fn add_waiting(&self, prepared: &Prepared, runs: &mut Vec<Vec<Datum>>) {
        let is_in_block = self.session.transaction_status() == TransactionStatus::Active;
        for frame in self.reader.waiting() {
            match frame.first() {
                Some(b'B') => {
                    let Ok(PgWireFrontendMessage::Bind(bind)) = shape::decode(BytesMut::from(frame)) else {
                        return;
                    };
                    runs.extend(self.run_of(prepared, &bind));
                }
                Some(b'D' | b'E' | b'H') => {}
                Some(b'S') if is_in_block => {}
                // What comes behind these may be something else.
                Some(_) | None => return,
            }
            if runs.len() >= READ_AHEAD_RUNS_MAX {
                return;
            }
        }
    }

    /// The parameters of a run of this statement; `None` for other statements, and for what cannot be read.
    fn run_of(&self, prepared: &Prepared, bind: &Bind) -> Option<Vec<Datum>> {
        let named = self.session.statement(bind.statement_name.as_deref().unwrap_or_default()).ok()?;
        let is_same = named.prepared.as_ref().is_some_and(|other| other.is_same(prepared));
        is_same.then(|| read_parameters(bind, prepared.parameter_types()).ok()).flatten()
    }
}
