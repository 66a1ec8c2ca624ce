//! Commands that change the cluster, and who may give them.
//!
//! Whoever reaches the node's command socket may: the file system of its machine decides who does. From elsewhere a
//! command brings the cluster's **token**, a random secret that is made at `init` or later, told once, and kept in range 1
//! as its SHA-256 alone, so that every member checks it, whenever it joined. Nothing is encrypted here: that is the
//! transport's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_placement::topology::{NodeId, StoreId};
use rand::RngExt;
use sha2::{Digest, Sha256};

use super::ClusterNode;
use super::admin_format::TOKEN_HASH_BYTES;
use super::bootstrap::Created;
use super::bootstrap_message::BootstrapAnswer;
use super::error::ClusterError;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use super::range_command::RangeCommand;

/// Random bytes of a token: nobody guesses 32.
const TOKEN_BYTES: usize = 32;
/// What a token begins with, so that people and scanners for secrets know it.
const TOKEN_PREFIX: &str = "quorate-token-";
/// Longest wait until all nodes of a new cluster serve SQL.
const SERVING_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for range 1's leaseholder to remove a node: it reads the directory, and may write.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Over the node's command socket: whoever may open that file may command.
    Machine,
    /// Over the network: from anybody.
    Network,
}

/// What changes the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminCommand {
    /// Create it.
    Init,
    /// Change a range.
    Range(RangeCommand),
    /// Strike a node that is gone off the registry.
    RemoveNode(NodeId),
    /// Make a new token; the one before is void.
    NewToken,
}

/// A command, and what entitles to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRequest {
    /// The cluster's token, where it does not come over the machine's socket.
    pub token: Option<Token>,
    /// The store of the node that is meant: the same path may be another node's socket.
    pub store_id: Option<StoreId>,
    /// What to do.
    pub command: AdminCommand,
}

/// A secret; it is not shown where values are.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// From what somebody typed, or a file holds.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn generate(bytes: [u8; TOKEN_BYTES]) -> Self {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{TOKEN_PREFIX}{digits}"))
    }

    fn hash(&self) -> [u8; TOKEN_HASH_BYTES] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl ClusterNode {
    /// Carries out a command, if whoever gives it may.
    pub(super) async fn answer_admin(
        self: &Arc<Self>,
        request: AdminRequest,
        origin: Origin,
    ) -> BootstrapAnswer {
        if let Err(refusal) = self.authorise(&request, origin).await {
            return refusal;
        }
        match (request.command, self.member.get()) {
            (AdminCommand::Init, _) => self.answer_init().await,
            (_, None) => BootstrapAnswer::Uninitialised { hint: self.absence() },
            (AdminCommand::Range(command), Some(member)) => member.run_range_command(command).await,
            (AdminCommand::RemoveNode(node), Some(member)) => member.remove_node(node).await,
            (AdminCommand::NewToken, Some(member)) => match member.make_token().await {
                Ok(token) => BootstrapAnswer::TokenMade { token },
                Err(error) => BootstrapAnswer::Refused(format!("no token was made: {error}")),
            },
        }
    }

    async fn authorise(&self, request: &AdminRequest, origin: Origin) -> Result<(), BootstrapAnswer> {
        let own = self.local.store_id();
        if let Some(meant) = request.store_id
            && meant != own
        {
            let reason = "the command was meant for another node than this socket's; nothing was done";
            return Err(BootstrapAnswer::Refused(reason.to_owned()));
        }
        match (origin, &request.token, self.member.get()) {
            (Origin::Machine, ..) => Ok(()),
            (Origin::Network, Some(token), Some(member)) => match member.knows_token(token).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(BootstrapAnswer::Refused(
                    "the token is not this cluster's, or a newer one was made since; nothing was done. On a node's \
                     machine quorate token makes a new one"
                        .to_owned(),
                )),
                Err(error) => Err(BootstrapAnswer::Refused(format!(
                    "the token cannot be checked: {error}; nothing was done. Commands on a node's own machine need none"
                ))),
            },
            (Origin::Network, ..) => Err(BootstrapAnswer::NotEntitled {
                store_id: own,
                socket: self.config.command_socket.clone().unwrap_or_default(),
            }),
        }
    }

    /// Creates the cluster, and answers when SQL does on all its nodes.
    async fn answer_init(self: &Arc<Self>) -> BootstrapAnswer {
        let Created { cluster_id, nodes } = match self.init().await {
            Ok(created) => created,
            Err(ClusterError::Exists(cluster_id)) => return BootstrapAnswer::Exists { cluster_id },
            Err(error) => return BootstrapAnswer::Refused(error.to_string()),
        };
        let not_serving = self.await_serving(&nodes, SERVING_WAIT).await;
        let token = match self.member.get() {
            Some(member) => member.make_token().await.ok(),
            None => None,
        };
        BootstrapAnswer::Created { cluster_id, nodes, token, not_serving }
    }
}

impl Member {
    /// Makes a new token, and keeps its hash in range 1.
    ///
    /// # Errors
    /// Range 1 was not written.
    pub async fn make_token(&self) -> Result<Token, ClusterError> {
        let token = Token::generate(self.rng.lock().random());
        self.directory.set_token_hash(token.hash()).await?;
        Ok(token)
    }

    /// Whether this is the cluster's token.
    async fn knows_token(&self, token: &Token) -> Result<bool, ClusterError> {
        let Ok(_permit) = self.token_checks.try_acquire() else {
            return Err(ClusterError::Unavailable("too many tokens are being checked".to_owned()));
        };
        let known = self.directory.token_hash().await?;
        // Hashes are compared: how long that takes tells nothing of the token.
        Ok(known == Some(token.hash()))
    }

    /// Asks for a node's removal: done, or what it waits for, in which case it is to be asked again.
    async fn remove_node(&self, node: NodeId) -> BootstrapAnswer {
        match self.calls.ask_leader(&ClusterRequest::RemoveNode { node }, REMOVE_TIMEOUT).await {
            Ok(ClusterAnswer::Done) => BootstrapAnswer::NodeRemoved,
            Ok(ClusterAnswer::Unavailable(waits_for)) => BootstrapAnswer::RemovalWaits { waits_for },
            Ok(other) => BootstrapAnswer::Refused(other.complaint()),
            Err(error) => BootstrapAnswer::Refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_not_shown_and_reads_back_as_typed() {
        let token = Token::generate([7; TOKEN_BYTES]);
        assert!(!format!("{token:?}").contains("0707"), "{token:?}");
        let typed = Token::new(&format!(" {}\n", token.reveal()));
        assert_eq!(typed.hash(), token.hash());
        assert_ne!(Token::new("quorate-token-").hash(), token.hash());
    }
}
