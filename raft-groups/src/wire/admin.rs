//! Commands that change the cluster, as the command line sends them: [`AdminRequest`].

use bytes::Bytes;
use quorate_placement::topology::{NodeId, RangeId, StoreId};

use super::pieces::{Nothing, own_key};
use super::{WireError, must};
use crate::cluster::admin::{AdminCommand, AdminRequest, Token};
use crate::cluster::range_command::RangeCommand;

const COMMAND: &str = "a command";

/// An [`AdminRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AdminForm {
    #[prost(string, optional, tag = "1")]
    token: Option<String>,
    #[prost(fixed64, optional, tag = "2")]
    store_id: Option<u64>,
    #[prost(oneof = "Command", tags = "3, 4, 5, 6, 7, 8")]
    command: Option<Command>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Command {
    #[prost(message, tag = "3")]
    Init(Nothing),
    #[prost(message, tag = "4")]
    Move(MoveForm),
    #[prost(message, tag = "5")]
    Split(SplitForm),
    #[prost(message, tag = "6")]
    TransferLeader(TransferLeaderForm),
    #[prost(uint64, tag = "7")]
    RemoveNode(u64),
    #[prost(message, tag = "8")]
    NewToken(Nothing),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct MoveForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    from: u64,
    #[prost(uint64, tag = "3")]
    to: u64,
    #[prost(bool, tag = "4")]
    share_tier: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SplitForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(bytes = "bytes", optional, tag = "2")]
    at: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct TransferLeaderForm {
    #[prost(uint64, tag = "1")]
    range_id: u64,
    #[prost(uint64, tag = "2")]
    to: u64,
}

impl From<&AdminRequest> for AdminForm {
    fn from(request: &AdminRequest) -> Self {
        Self {
            token: request.token.as_ref().map(|token| token.reveal().to_owned()),
            store_id: request.store_id.map(|store| store.0),
            command: Some((&request.command).into()),
        }
    }
}

impl TryFrom<AdminForm> for AdminRequest {
    type Error = WireError;

    fn try_from(form: AdminForm) -> Result<Self, WireError> {
        Ok(Self {
            token: form.token.as_deref().map(Token::new),
            store_id: form.store_id.map(StoreId),
            command: must(COMMAND, "kind", form.command)?.into(),
        })
    }
}

impl From<&AdminCommand> for Command {
    fn from(command: &AdminCommand) -> Self {
        match command {
            AdminCommand::Init => Self::Init(Nothing {}),
            AdminCommand::Range(RangeCommand::Move { range_id, from, to, share_tier }) => {
                let (range_id, from, to) = (range_id.0, from.0, to.0);
                Self::Move(MoveForm { range_id, from, to, share_tier: *share_tier })
            }
            AdminCommand::Range(RangeCommand::Split { range_id, at }) => {
                let at = at.as_ref().map(|at| at.bytes().clone());
                Self::Split(SplitForm { range_id: range_id.0, at })
            }
            AdminCommand::Range(RangeCommand::TransferLeader { range_id, to }) => {
                Self::TransferLeader(TransferLeaderForm { range_id: range_id.0, to: to.0 })
            }
            AdminCommand::RemoveNode(node) => Self::RemoveNode(node.0),
            AdminCommand::NewToken => Self::NewToken(Nothing {}),
        }
    }
}

impl From<Command> for AdminCommand {
    fn from(form: Command) -> Self {
        match form {
            Command::Init(Nothing {}) => Self::Init,
            Command::Move(MoveForm { range_id, from, to, share_tier }) => {
                let (range_id, from, to) = (RangeId(range_id), NodeId(from), NodeId(to));
                Self::Range(RangeCommand::Move { range_id, from, to, share_tier })
            }
            Command::Split(SplitForm { range_id, at }) => {
                Self::Range(RangeCommand::Split { range_id: RangeId(range_id), at: at.as_ref().map(own_key) })
            }
            Command::TransferLeader(TransferLeaderForm { range_id, to }) => {
                Self::Range(RangeCommand::TransferLeader { range_id: RangeId(range_id), to: NodeId(to) })
            }
            Command::RemoveNode(node) => Self::RemoveNode(NodeId(node)),
            Command::NewToken(Nothing {}) => Self::NewToken,
        }
    }
}
