//! Gives a node a command that changes the cluster: with the token where there is one, else over the socket of its machine.

use std::path::Path;
use std::time::Duration;

use quorate_placement::topology::StoreId;
use quorate_raft_groups::cluster::admin::{AdminCommand, AdminRequest, Token};
use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use quorate_raft_groups::wire::bootstrap::{read_answer, write_request};

use super::{ask, unreachable_node};
use crate::cli::{AdminArguments, ExitStatus};
use crate::rpc::ask::{SocketError, ask_socket};

/// The variable that may hold the token.
const TOKEN_VARIABLE: &str = "QUORATE_TOKEN";

/// Gives the command; the answer, or how the command ends, which was told.
///
/// # Errors
/// No node answered, or it may not be commanded from here.
pub(super) async fn give(
    to: &AdminArguments,
    command: AdminCommand,
    timeout: Duration,
) -> Result<BootstrapAnswer, ExitStatus> {
    let (host, token) = (to.to.host.to_string(), token_of(to)?);
    let has_token = token.is_some();
    let request = AdminRequest { token, store_id: None, command: command.clone() };
    let answer = ask(&host, &BootstrapRequest::Admin(request), timeout).await;
    let answer = answer.map_err(|reason| unreachable_node(&reason))?;
    let BootstrapAnswer::NotEntitled { store_id, socket } = answer else { return Ok(answer) };
    if has_token {
        eprintln!(
            "error: there is no cluster yet, so that no token is its; nothing was done\n  do: run quorate init on \
             the machine of {host}, as the user that its node runs as"
        );
        return Err(ExitStatus::Failed);
    }
    give_to_socket(&host, Path::new(&socket), (store_id, command), timeout).await
}

/// The node takes it from its own machine alone: perhaps that is this one.
async fn give_to_socket(
    host: &str,
    socket: &Path,
    (store_id, command): (StoreId, AdminCommand),
    timeout: Duration,
) -> Result<BootstrapAnswer, ExitStatus> {
    let request = AdminRequest { token: None, store_id: Some(store_id), command };
    let payload = write_request(&BootstrapRequest::Admin(request));
    match ask_socket(socket, payload, timeout).await {
        Ok(answer) => read_answer(answer)
            .map_err(|error| unreachable_node(&format!("the answer of {host} cannot be read: {error}"))),
        Err(error @ (SocketError::Absent(_) | SocketError::Forbidden(_))) => {
            let whose = match &error {
                SocketError::Absent(_) => "on its machine",
                SocketError::Forbidden(_) | SocketError::Other(_) => "as the user that the node runs as",
            };
            eprintln!(
                "error: {host} takes commands that change something from its own user on its own machine, or with the \
                 cluster's token; nothing was done ({error})\n  do: run it {whose}, or with --token-file FILE (or \
                 {TOKEN_VARIABLE}) and the token that init or quorate token printed"
            );
            Err(ExitStatus::Failed)
        }
        Err(SocketError::Other(reason)) => Err(unreachable_node(&reason)),
    }
}

/// The token of the flag's file, or of the environment.
fn token_of(to: &AdminArguments) -> Result<Option<Token>, ExitStatus> {
    let Some(file) = &to.token_file else {
        let text = std::env::var(TOKEN_VARIABLE).ok();
        return Ok(text.filter(|text| !text.trim().is_empty()).map(|text| Token::new(&text)));
    };
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(Token::new(&text))),
        Err(error) => {
            eprintln!("error: --token-file {}: {error}; nothing was done", file.display());
            Err(ExitStatus::Usage)
        }
    }
}
