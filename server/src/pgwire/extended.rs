//! The extended protocol: Parse, Bind, Describe, Execute, Close. Each answers for itself; the client waits for the
//! answers at its Sync.
//!
//! All messages up to a Sync are one implicit transaction, as in PostgreSQL. A portal of which a number of rows is asked
//! for in the user's transaction is a cursor of the session's under its name, and reads rows as they are fetched. Others
//! run to their end at their first Execute; rows beyond those asked for are held for the next one, up to a limit.
//!
//! ```text
//! Execute, Sync                     runs alone: one command commits it, before it is told to be complete
//! Execute, Bind, Execute, …, Sync   run in a transaction, which the last, or the Sync behind it, commits
//! ```
//!
//! Which of the two it is the next message tells: an Execute waits for it. Nobody waits for the answer meanwhile, since
//! nothing is sent before a Flush or a Sync.

use std::any::Any;

use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use quorate_sql::cancel::CancelToken;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::session::statements::NamedStatement;
use quorate_sql::session::{Completion, Prepared, TransactionStatus};
use quorate_sql::types::{DataType, Datum};

use super::connection::{Connection, End, Failure};
use super::frame::violation;
use super::memory::Reservation;
use super::portal::{Portal, PortalState};
use super::reply;
use super::sink::{SinkEnd, WireSink};
use super::types::{Formats, WireType, parameter_type};
use super::values;
use crate::metrics::{StatementProtocol, StatementTimer};

impl Connection {
    /// Parse: binds a statement and keeps it under a name.
    pub(super) async fn parse(&mut self, parse: &Parse, memory: Option<Reservation>) -> Result<(), Failure> {
        let types: Vec<Option<DataType>> =
            parse.type_oids.iter().map(|oid| parameter_type(*oid)).collect::<Result<_, SqlError>>()?;
        let mut statements = self.session.parse(&parse.query)?;
        let statement = statements.pop();
        if !statements.is_empty() {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(SqlError::new(SqlState::SyntaxError, message).into());
        }
        let prepared = match statement {
            Some(statement) => Some(Box::pin(self.session.prepare(&statement, &types)).await?),
            None => None,
        };
        let name = parse.name.as_deref().unwrap_or_default();
        let held = memory.map(|memory| -> Box<dyn Any + Send + Sync> { Box::new(memory) });
        let given_types = parse.type_oids.clone();
        let named = NamedStatement { prepared, given_types, text_bytes: 0, held };
        self.session.add_statement(name, named)?;
        self.out.push(&PgWireBackendMessage::ParseComplete(ParseComplete::new()))?;
        Ok(())
    }

    /// Bind: gives a statement its parameters and keeps both under a name.
    pub(super) fn bind(&mut self, bind: &Bind, memory: Option<Reservation>) -> Result<(), Failure> {
        let name = bind.statement_name.as_deref().unwrap_or_default();
        let prepared = self.session.statement(name)?.prepared.clone();
        if let Some(prepared) = &prepared {
            self.session.check_accepts(prepared)?;
        }
        let types = prepared.as_ref().map(Prepared::parameter_types).unwrap_or_default();
        let parameters = read_parameters(bind, types)?;
        let columns = prepared.as_ref().and_then(Prepared::columns).map_or(0, <[_]>::len);
        let formats = Formats::read(&bind.result_column_format_codes, columns)?;
        let behind = self.session.savepoints_set();
        let portal =
            Portal { prepared, parameters, formats, state: PortalState::Ready, tag: None, behind, memory };
        let name = bind.portal_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            self.session.close_cursor(name);
        } else if self.session.cursor(name).is_some() {
            let message = format!("cursor \"{name}\" already exists");
            return Err(SqlError::new(SqlState::DuplicateCursor, message).into());
        }
        self.named.add_portal(name, portal)?;
        self.out.push(&PgWireBackendMessage::BindComplete(BindComplete::new()))?;
        Ok(())
    }

    /// Describe: tells parameters and columns of a statement, or columns of a portal.
    pub(super) fn describe(&mut self, describe: &Describe) -> Result<(), Failure> {
        let name = describe.name.as_deref().unwrap_or_default();
        let columns = if describe.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = self.session.statement(name)?;
            if let Some(prepared) = statement.prepared.as_ref().filter(|known| known.columns().is_some()) {
                self.session.check_accepts(prepared)?;
            }
            let oids = parameter_oids(statement.prepared.as_ref(), &statement.given_types);
            let oids = ParameterDescription::new(oids);
            self.out.push(&PgWireBackendMessage::ParameterDescription(oids))?;
            statement.prepared.as_ref().and_then(Prepared::columns).map(|columns| (columns, &Formats::TEXT))
        } else if let Some((columns, is_binary)) = self.session.cursor(name)
            && !self.named.has_portal(name)
        {
            // Drivers declare a cursor by a statement, and ask for its columns as for those of a portal.
            Some((columns, if is_binary { &Formats::BINARY } else { &Formats::TEXT }))
        } else {
            let portal = self.named.portal(name)?;
            portal.prepared.as_ref().and_then(Prepared::columns).map(|columns| (columns, &portal.formats))
        };
        let answer = match columns {
            Some((columns, formats)) => reply::row_description(columns, formats),
            None => PgWireBackendMessage::NoData(NoData::new()),
        };
        self.out.push(&answer)?;
        Ok(())
    }

    /// Close: forgets a statement or a portal.
    pub(super) fn close(&mut self, close: &Close) -> Result<(), End> {
        let name = close.name.as_deref().unwrap_or_default();
        if close.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.session.close_statement(name);
        } else {
            self.named.close_portal(name);
            self.session.close_cursor(name);
        }
        Ok(self.out.push(&PgWireBackendMessage::CloseComplete(CloseComplete::new()))?)
    }

    /// Execute: a portal that has not run waits for the next message; a COPY must ask for its data first.
    pub(super) async fn execute(&mut self, execute: &Execute) -> Result<(), Failure> {
        let name = execute.name.as_deref().unwrap_or_default();
        let waiting = Waiting {
            portal: name.to_owned(),
            rows_max: u64::try_from(execute.max_rows).ok().filter(|rows| *rows > 0),
        };
        let portal = self.named.portal(name)?;
        let prepared = portal.prepared.as_ref().filter(|_| matches!(portal.state, PortalState::Ready));
        if prepared.is_some_and(|prepared| !prepared.is_copy_in()) {
            self.waiting = Some(waiting);
            return Ok(());
        }
        self.run_execute(&waiting, false, None).await
    }

    /// Runs the Execute that has waited for a message of this type; `next` is the message, if it could be read.
    pub(super) async fn run_waiting(
        &mut self,
        kind: u8,
        next: Option<&PgWireFrontendMessage>,
    ) -> Result<(), End> {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        // A client that leaves without a Sync wants nothing of it.
        if kind == TERMINATE {
            return Ok(());
        }
        let result = self.run_execute(&waiting, kind == SYNC, next).await;
        self.extended(result).await
    }

    /// Runs a portal, or goes on sending its rows.
    async fn run_execute(
        &mut self,
        execute: &Waiting,
        is_last: bool,
        next: Option<&PgWireFrontendMessage>,
    ) -> Result<(), Failure> {
        let Waiting { portal: name, rows_max } = execute;
        let (name, rows_max) = (name.as_str(), *rows_max);
        let portal = self.named.portal(name)?;
        match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Suspended(held) => {
                let end = SinkEnd { sent: 0, held, limited: false };
                self.send_held(name, end, rows_max).await
            }
            PortalState::Cursor => {
                portal.state = PortalState::Cursor;
                let formats = portal.formats.clone();
                let token = self.slot.begin();
                let result = self.fetch_portal(name, formats, rows_max, &token).await;
                self.slot.end();
                result
            }
            PortalState::Done
                if portal.prepared.as_ref().is_some_and(|prepared| prepared.columns().is_some()) =>
            {
                let tag = tag_of_fetch(portal.tag.as_deref(), 0);
                Ok(self.out.push(&reply::complete(tag))?)
            }
            PortalState::Done => {
                let message = format!("portal \"{name}\" cannot be run");
                Err(SqlError::new(SqlState::ObjectNotInPrerequisiteState, message).into())
            }
            PortalState::Ready => {
                let parameters = std::mem::take(&mut portal.parameters);
                let memory = portal.memory.take();
                let (prepared, formats) = (portal.prepared.clone(), portal.formats.clone());
                let Some(prepared) = prepared else {
                    portal.state = PortalState::Ready;
                    return Ok(self
                        .out
                        .push(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?);
                };
                let timer = StatementTimer::begin(StatementProtocol::Extended);
                let token = self.slot.begin();
                let task = Task { prepared, parameters, formats, rows_max, is_last };
                let is_first =
                    self.session.transaction_status() == TransactionStatus::Idle && self.ahead.is_none();
                let result = if (is_first && is_last) || task.rows_max.is_some() {
                    self.run_portal(name, &task, &token).await
                } else {
                    // Seldom: kept out of the futures of all statements.
                    Box::pin(self.run_in_turn(name, &task, next, &token)).await
                };
                self.slot.end();
                drop(timer);
                // A cursor keeps its parameters; of others they have been used.
                if let Ok(portal) = self.named.portal(name)
                    && matches!(portal.state, PortalState::Cursor)
                {
                    portal.memory = memory;
                }
                result
            }
        }
    }

    /// Runs a portal that others may follow: it may be done already, together with those before it.
    async fn run_in_turn(
        &mut self,
        name: &str,
        task: &Task,
        next: Option<&PgWireFrontendMessage>,
        token: &CancelToken,
    ) -> Result<(), Failure> {
        let run = (&task.prepared, task.parameters.as_slice());
        let Some(added) = self.run_ahead(run, next, token).await? else {
            return self.run_portal(name, task, token).await;
        };
        if task.is_last {
            self.session.sync().await?;
        }
        let tag = format!("INSERT 0 {added}");
        if let Ok(portal) = self.named.portal(name) {
            portal.tag = Some(tag.clone());
        }
        Ok(self.out.push(&reply::complete(tag))?)
    }

    /// Sends rows of a portal that is a cursor: as many as asked for, or all.
    async fn fetch_portal(
        &mut self,
        name: &str,
        formats: Formats,
        rows_max: Option<u64>,
        token: &CancelToken,
    ) -> Result<(), Failure> {
        let mut sink = WireSink::portal(&mut self.out, formats, None);
        let sent = Box::pin(self.session.fetch_portal((name, rows_max), token, &mut sink)).await?;
        sink.finish()?;
        self.after_statement();
        if rows_max.is_some_and(|max| sent >= max) {
            return Ok(self.out.push(&PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?);
        }
        Ok(self.out.push(&reply::complete(format!("SELECT {sent}")))?)
    }

    async fn run_portal(&mut self, name: &str, task: &Task, token: &CancelToken) -> Result<(), Failure> {
        if task.rows_max.is_some() {
            let statement = (&task.prepared, task.parameters.as_slice());
            if Box::pin(self.session.declare_portal(name, statement, token)).await? {
                self.named.portal(name)?.state = PortalState::Cursor;
                return self.fetch_portal(name, task.formats.clone(), task.rows_max, token).await;
            }
        }
        let mut sink = WireSink::portal(&mut self.out, task.formats.clone(), task.rows_max);
        let Task { prepared, parameters, .. } = task;
        let completion = if task.is_last {
            Box::pin(self.session.run(prepared, parameters, token, &mut sink)).await?
        } else {
            Box::pin(self.session.run_before_sync(prepared, parameters, token, &mut sink)).await?
        };
        let end = sink.finish()?;
        self.after_statement();
        match completion {
            Completion::Tag(tag) => {
                let is_end = matches!(tag.as_str(), "COMMIT" | "ROLLBACK");
                if is_end && self.session.transaction_status() == TransactionStatus::Idle {
                    self.named.close_portals();
                }
                if let Ok(portal) = self.named.portal(name) {
                    portal.tag = Some(tag.clone());
                }
                if end.limited {
                    return self.suspend(name, end.held);
                }
                Ok(self.out.push(&reply::complete(tag))?)
            }
            Completion::Empty => {
                Ok(self.out.push(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?)
            }
            Completion::CopyIn(copy) => {
                let tag = self.copy_in(*copy, token).await?;
                Ok(self.out.push(&reply::complete(tag))?)
            }
        }
    }

    /// Sends rows that were held, as many as asked for.
    async fn send_held(
        &mut self,
        name: &str,
        mut end: SinkEnd,
        rows_max: Option<u64>,
    ) -> Result<(), Failure> {
        while rows_max.is_none_or(|max| end.sent < max) {
            let Some((row, columns)) = end.held.next() else {
                let tag = tag_of_fetch(self.named.portal(name)?.tag.as_deref(), end.sent);
                return Ok(self.out.push(&reply::complete(tag))?);
            };
            self.out.push_row(row, columns)?;
            self.out.flush_if_large().await?;
            end.sent += 1;
        }
        self.suspend(name, end.held)
    }

    /// The client has as many rows as it asked for. Whether there are more it learns when it asks again.
    fn suspend(&mut self, name: &str, held: super::sink::HeldRows) -> Result<(), Failure> {
        self.named.portal(name)?.state = PortalState::Suspended(held);
        Ok(self.out.push(&PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?)
    }
}

/// The tag of a portal behind its last rows: where it has a number, that of this fetch.
fn tag_of_fetch(tag: Option<&str>, sent: u64) -> String {
    let tag = tag.unwrap_or("SELECT 0");
    match tag.rsplit_once(' ') {
        Some((what, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{what} {sent}"),
        Some(_) | None => tag.to_owned(),
    }
}

/// Type of the message that ends an implicit transaction.
pub(super) const SYNC: u8 = b'S';
/// Type of the message that ends a session.
pub(super) const TERMINATE: u8 = b'X';

/// An Execute that waits for the message behind it.
#[derive(Debug)]
pub struct Waiting {
    portal: String,
    rows_max: Option<u64>,
}

/// One run of a portal.
struct Task {
    prepared: Prepared,
    parameters: Vec<Datum>,
    formats: Formats,
    rows_max: Option<u64>,
    /// A Sync follows it.
    is_last: bool,
}

/// Numbers of the parameters' types: the client's where it gave one, else those that binding has found.
fn parameter_oids(prepared: Option<&Prepared>, given: &[u32]) -> Vec<u32> {
    let types = prepared.map(Prepared::parameter_types).unwrap_or_default();
    let given = given.iter().copied().chain(std::iter::repeat(0));
    types
        .iter()
        .zip(given)
        .map(|(data_type, oid)| if oid == 0 { WireType::of(data_type).oid } else { oid })
        .collect()
}

pub(super) fn read_parameters(bind: &Bind, types: &[DataType]) -> Result<Vec<Datum>, SqlError> {
    if bind.parameters.len() != types.len() {
        let name = bind.statement_name.as_deref().unwrap_or_default();
        return Err(violation(format!(
            "bind message supplies {} parameters, but prepared statement \"{name}\" requires {}",
            bind.parameters.len(),
            types.len()
        )));
    }
    let formats = Formats::read(&bind.parameter_format_codes, types.len())?;
    let values = bind.parameters.iter().zip(types).enumerate();
    values
        .map(|(position, (value, data_type))| {
            values::read(value.as_deref(), data_type, formats.of(position), position + 1)
        })
        .collect()
}
