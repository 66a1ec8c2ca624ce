//! Bytes of what nodes, and the command line, say to an address before node ids are known: `init`, join, status.
//!
//! Version 1: a version byte, a byte for the kind, the fields. Every answer can be a refusal with a text for a person.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

use super::admin::{AdminRequest, Token};
use super::admin_format::{put_admin, take_admin};
use super::hello::{Hello, put_hello, take_hello};
use super::local_state::{Membership, put_membership, take_membership};
use super::node_format::{NodeRecord, put_node, take_node};
use super::range_command::LookAt;
use super::status::ClusterStatus;
use super::status_format::{put_number, put_status, put_text, take_number, take_status, take_text};
use crate::api_format::{put_list, take_list};

/// Newest version of these bytes.
const BOOTSTRAP_VERSION: u8 = 1;

/// What is asked of the process at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapRequest {
    /// By a node that runs `init`: who are you, and is there a cluster, or another `init`? Carries the asker's store,
    /// which is not another one where a node asks itself.
    Probe {
        /// The asker's store.
        asker: StoreId,
    },
    /// By a node without a cluster: is there one now, and who am I in it?
    Join(NodeRecord),
    /// By the command line: how is the cluster?
    Status,
    /// By the command line: create or change the cluster.
    Admin(AdminRequest),
    /// By the node that ran `init`: does SQL answer?
    Serves,
    /// By a node that has started, before it votes: this is my start; do you believe it?
    Announce(Hello),
    /// Who are you, and may you vote?
    Identify,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapAnswer {
    /// To `Probe`: no cluster, and no `init` under way.
    Free(NodeRecord),
    /// To `Probe`: an `init` is under way here.
    Initialising,
    /// To `Probe` and an `init`: there is a cluster.
    Exists {
        /// Its id.
        cluster_id: Uuid,
    },
    /// To `Join`: who you are.
    Joined(Membership),
    /// To `Join` and `Status`: there is no cluster yet; how to create one.
    Uninitialised {
        /// What to run.
        hint: String,
    },
    /// To an `init`: created.
    Created {
        /// Its id.
        cluster_id: Uuid,
        /// Its first nodes.
        nodes: Vec<NodeRecord>,
        /// The token for commands from other machines; `None` where it could not be stored.
        token: Option<Token>,
        /// Nodes that do not serve SQL yet, with what they say.
        not_serving: Vec<String>,
    },
    /// To `Status`.
    Status(ClusterStatus),
    /// To `Serves`: yes.
    Serving,
    /// To `Serves`: no.
    NotServing {
        /// Why.
        reason: String,
    },
    /// To a command from the network that brings no token: where commands are taken without one.
    NotEntitled {
        /// The store of the node.
        store_id: StoreId,
        /// Path of the socket on its machine; empty where it has none.
        socket: String,
    },
    /// To a wish for a new token.
    TokenMade {
        /// The token.
        token: Token,
    },
    /// The node is removed.
    NodeRemoved,
    /// The node is not removed yet; ask again.
    RemovalWaits {
        /// For what.
        waits_for: String,
    },
    /// To a range's command: done, or begun where it takes longer.
    RangeDone(String),
    /// To a range's command: no, why, and where to look.
    RangeRefused {
        /// Why.
        reason: String,
        /// Where to look.
        look_at: LookAt,
    },
    /// No, and why.
    Refused(String),
    /// To `Announce`: you are believed.
    Welcome,
    /// To `Announce`: you are not.
    Unwelcome {
        /// Why not.
        reason: String,
        /// Whether the store must not be used any more: it is an old copy, or has forgotten what it had synced.
        is_final: bool,
    },
    /// To `Identify`: the start of this process, once it has one; and why it takes no part, if it does not.
    Identity(Box<Identity>),
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its store.
    pub store_id: StoreId,
    /// Its node; `None` before it belongs to a cluster.
    pub node_id: Option<NodeId>,
    /// As it greets others; `None` before it does.
    pub hello: Option<Hello>,
    /// Why it neither votes nor serves, if it must not.
    pub refusal: Option<String>,
}

const PROBE: u8 = 1;
const JOIN: u8 = 2;
const STATUS: u8 = 4;
const ANNOUNCE: u8 = 6;
const IDENTIFY: u8 = 7;
const ADMIN: u8 = 8;
const SERVES: u8 = 9;

const FREE: u8 = 1;
const INITIALISING: u8 = 2;
const EXISTS: u8 = 3;
const JOINED: u8 = 4;
const UNINITIALISED: u8 = 5;
const STATUS_ANSWER: u8 = 7;
const REFUSED: u8 = 8;
const RANGE_DONE: u8 = 9;
const RANGE_REFUSED: u8 = 10;
const WELCOME: u8 = 11;
const UNWELCOME: u8 = 12;
const IDENTITY: u8 = 13;
const CREATED: u8 = 14;
const SERVING: u8 = 15;
const NOT_SERVING: u8 = 16;
const NOT_ENTITLED: u8 = 17;
const TOKEN_MADE: u8 = 18;
const NODE_REMOVED: u8 = 19;
const REMOVAL_WAITS: u8 = 20;

/// The bytes of a request.
pub fn encode_bootstrap_request(request: &BootstrapRequest) -> Vec<u8> {
    let mut writer = Writer::versioned(BOOTSTRAP_VERSION);
    match request {
        BootstrapRequest::Probe { asker } => {
            writer.u8(PROBE).u64(asker.0);
        }
        BootstrapRequest::Join(record) => put_node(writer.u8(JOIN), record),
        BootstrapRequest::Status => {
            writer.u8(STATUS);
        }
        BootstrapRequest::Admin(request) => put_admin(writer.u8(ADMIN), request),
        BootstrapRequest::Serves => {
            writer.u8(SERVES);
        }
        BootstrapRequest::Announce(hello) => put_hello(writer.u8(ANNOUNCE), hello),
        BootstrapRequest::Identify => {
            writer.u8(IDENTIFY);
        }
    }
    writer.finish()
}

/// Reads a request.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_bootstrap_request(bytes: &[u8]) -> Result<BootstrapRequest, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, BOOTSTRAP_VERSION, "bootstrap request")?;
    let request = match reader.u8()? {
        PROBE => BootstrapRequest::Probe { asker: StoreId(reader.u64()?) },
        JOIN => BootstrapRequest::Join(take_node(&mut reader)?),
        STATUS => BootstrapRequest::Status,
        ADMIN => BootstrapRequest::Admin(take_admin(&mut reader)?),
        SERVES => BootstrapRequest::Serves,
        ANNOUNCE => BootstrapRequest::Announce(take_hello(&mut reader)?),
        IDENTIFY => BootstrapRequest::Identify,
        other => return Err(reader.invalid(u64::from(other))),
    };
    reader.finish()?;
    Ok(request)
}

/// The bytes of an answer.
pub fn encode_bootstrap_answer(answer: &BootstrapAnswer) -> Vec<u8> {
    let mut writer = Writer::versioned(BOOTSTRAP_VERSION);
    match answer {
        BootstrapAnswer::Free(record) => put_node(writer.u8(FREE), record),
        BootstrapAnswer::Initialising => {
            writer.u8(INITIALISING);
        }
        BootstrapAnswer::Exists { cluster_id } => {
            writer.u8(EXISTS).uuid(*cluster_id);
        }
        BootstrapAnswer::Joined(membership) => put_membership(writer.u8(JOINED), membership),
        BootstrapAnswer::Uninitialised { hint } => {
            writer.u8(UNINITIALISED).text(hint);
        }
        BootstrapAnswer::Created { cluster_id, nodes, token, not_serving } => {
            put_list(writer.u8(CREATED).uuid(*cluster_id), nodes, put_node);
            writer.optional_bytes(token.as_ref().map(|token| token.reveal().as_bytes()));
            put_list(&mut writer, not_serving, |writer, text| {
                writer.text(text);
            });
        }
        BootstrapAnswer::Serving => {
            writer.u8(SERVING);
        }
        BootstrapAnswer::NotServing { reason } => {
            writer.u8(NOT_SERVING).text(reason);
        }
        BootstrapAnswer::NotEntitled { store_id, socket } => {
            writer.u8(NOT_ENTITLED).u64(store_id.0).text(socket);
        }
        BootstrapAnswer::TokenMade { token } => {
            writer.u8(TOKEN_MADE).text(token.reveal());
        }
        BootstrapAnswer::NodeRemoved => {
            writer.u8(NODE_REMOVED);
        }
        BootstrapAnswer::RemovalWaits { waits_for } => {
            writer.u8(REMOVAL_WAITS).text(waits_for);
        }
        BootstrapAnswer::Status(status) => put_status(writer.u8(STATUS_ANSWER), status),
        BootstrapAnswer::RangeDone(text) => {
            writer.u8(RANGE_DONE).text(text);
        }
        BootstrapAnswer::RangeRefused { reason, look_at } => {
            writer.u8(RANGE_REFUSED).text(reason).u8(look_at.code());
        }
        BootstrapAnswer::Refused(reason) => {
            writer.u8(REFUSED).text(reason);
        }
        BootstrapAnswer::Welcome => {
            writer.u8(WELCOME);
        }
        BootstrapAnswer::Unwelcome { reason, is_final } => {
            writer.u8(UNWELCOME).text(reason).bool(*is_final);
        }
        BootstrapAnswer::Identity(identity) => put_identity(writer.u8(IDENTITY), identity),
    }
    writer.finish()
}

/// Reads an answer.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub fn decode_bootstrap_answer(bytes: &[u8]) -> Result<BootstrapAnswer, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, BOOTSTRAP_VERSION, "bootstrap answer")?;
    let answer = match reader.u8()? {
        FREE => BootstrapAnswer::Free(take_node(&mut reader)?),
        INITIALISING => BootstrapAnswer::Initialising,
        EXISTS => BootstrapAnswer::Exists { cluster_id: reader.uuid()? },
        JOINED => BootstrapAnswer::Joined(take_membership(&mut reader)?),
        UNINITIALISED => BootstrapAnswer::Uninitialised { hint: reader.text()?.to_owned() },
        CREATED => take_created(&mut reader)?,
        SERVING => BootstrapAnswer::Serving,
        NOT_SERVING => BootstrapAnswer::NotServing { reason: reader.text()?.to_owned() },
        NOT_ENTITLED => BootstrapAnswer::NotEntitled {
            store_id: StoreId(reader.u64()?),
            socket: reader.text()?.to_owned(),
        },
        TOKEN_MADE => BootstrapAnswer::TokenMade { token: Token::new(reader.text()?) },
        NODE_REMOVED => BootstrapAnswer::NodeRemoved,
        REMOVAL_WAITS => BootstrapAnswer::RemovalWaits { waits_for: reader.text()?.to_owned() },
        STATUS_ANSWER => BootstrapAnswer::Status(take_status(&mut reader)?),
        RANGE_DONE => BootstrapAnswer::RangeDone(reader.text()?.to_owned()),
        RANGE_REFUSED => {
            let (reason, code) = (reader.text()?.to_owned(), reader.u8()?);
            let look_at = LookAt::of(code).ok_or_else(|| reader.invalid(u64::from(code)))?;
            BootstrapAnswer::RangeRefused { reason, look_at }
        }
        REFUSED => BootstrapAnswer::Refused(reader.text()?.to_owned()),
        WELCOME => BootstrapAnswer::Welcome,
        UNWELCOME => {
            let (reason, is_final) = (reader.text()?.to_owned(), reader.bool()?);
            BootstrapAnswer::Unwelcome { reason, is_final }
        }
        IDENTITY => BootstrapAnswer::Identity(Box::new(take_identity(&mut reader)?)),
        other => return Err(reader.invalid(u64::from(other))),
    };
    reader.finish()?;
    Ok(answer)
}
fn put_identity(writer: &mut Writer, identity: &Identity) {
    put_number(writer.u64(identity.store_id.0), identity.node_id.map(|node| node.0));
    put_text(writer, identity.refusal.as_deref());
    writer.bool(identity.hello.is_some());
    if let Some(hello) = &identity.hello {
        put_hello(writer, hello);
    }
}

fn take_identity(reader: &mut Reader<'_>) -> Result<Identity, CodecError> {
    Ok(Identity {
        store_id: StoreId(reader.u64()?),
        node_id: take_number(reader)?.map(NodeId),
        refusal: take_text(reader)?,
        hello: if reader.bool()? { Some(take_hello(reader)?) } else { None },
    })
}

fn take_created(reader: &mut Reader<'_>) -> Result<BootstrapAnswer, CodecError> {
    let (cluster_id, nodes) = (reader.uuid()?, take_list(reader, take_node)?);
    let token = reader.optional_bytes()?.map(std::str::from_utf8).transpose();
    let token = token.map_err(|_| reader.invalid(0))?.map(Token::new);
    let not_serving = take_list(reader, |reader| reader.text().map(str::to_owned))?;
    Ok(BootstrapAnswer::Created { cluster_id, nodes, token, not_serving })
}
