//! Asks an address, or a node's command socket, without knowing who is there: init, join, status, commands.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tonic::transport::{Channel, Endpoint};

use super::proto::Question;
use super::proto::peer_client::PeerClient;
use super::socket::reachable_path;
use crate::config::Address;
use crate::limits::NODE_FRAME_MAX_BYTES;

/// Asks whoever listens at `address` (`host:port`) and waits for the answer.
///
/// # Errors
/// In words: an unknown name, nobody listens there, it is no Quorate node, or no answer came within `timeout`.
pub async fn ask(address: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, String> {
    // Others say where they are to be asked: nothing but a host and a port is taken for an address.
    let parsed = Address::parse(address).map_err(|error| format!("{address} is no address: it {error}"))?;
    let endpoint = Endpoint::from_shared(format!("http://{parsed}"))
        .map_err(|error| format!("{address} is no address: {error}"))?
        .connect_timeout(timeout)
        .tcp_nodelay(true);
    let call = async {
        look_up(&parsed).await?;
        let channel = endpoint.connect().await.map_err(|error| no_connection(address, &error))?;
        put_question(channel, address, payload).await
    };
    let answer = tokio::time::timeout(timeout, call).await;
    answer.map_err(|_| format!("no answer from {address} within {timeout:?}"))?
}

/// Why the socket of a node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is none at this path: the node is on another machine, or does not run.
    #[error("there is no socket {0}")]
    Absent(String),
    /// This user may not open it.
    #[error("{0} may be opened by the node's own user alone")]
    Forbidden(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Asks the node whose command socket this is.
///
/// # Errors
/// See [`SocketError`].
pub async fn ask_socket(path: &Path, payload: Bytes, timeout: Duration) -> Result<Bytes, SocketError> {
    let shown = path.display().to_string();
    let of_io = |error: &io::Error| {
        if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) {
            SocketError::Absent(shown.clone())
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            SocketError::Forbidden(shown.clone())
        } else {
            SocketError::Other(format!("{shown}: {error}"))
        }
    };
    let (_open, reachable) = reachable_path(path).map_err(|error| of_io(&error))?;
    let endpoint = Endpoint::from_shared(format!("unix:{}", reachable.display()))
        .map_err(|error| SocketError::Other(format!("{shown}: {error}")))?;
    let call = async {
        let channel = endpoint.connect().await.map_err(|error| match io_error_of(&error) {
            Some(io) => of_io(io),
            None => SocketError::Other(format!("{shown}: {error}")),
        })?;
        put_question(channel, &shown, payload).await.map_err(SocketError::Other)
    };
    let answer = tokio::time::timeout(timeout, call).await;
    answer.map_err(|_| SocketError::Other(format!("no answer from {shown} within {timeout:?}")))?
}

async fn put_question(channel: Channel, asked: &str, payload: Bytes) -> Result<Bytes, String> {
    let mut client = PeerClient::new(channel).max_decoding_message_size(NODE_FRAME_MAX_BYTES);
    let answer = client.ask(Question { payload }).await;
    Ok(answer.map_err(|status| format!("{asked} answered: {}", status.message()))?.into_inner().payload)
}

/// Whether the host's name means an address at all: who is not found there is told apart from who does not listen.
async fn look_up(address: &Address) -> Result<(), String> {
    let host = address.host();
    let found = tokio::net::lookup_host(address.to_string()).await;
    match found.map(|mut addresses| addresses.next()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!("the name {host} has no address")),
        Err(error) => Err(format!("the name {host} is not known on this machine: {error}")),
    }
}

/// Why no connection came about, in words.
pub(super) fn no_connection(address: &str, error: &tonic::transport::Error) -> String {
    match io_error_of(error) {
        Some(io) if io.kind() == io::ErrorKind::ConnectionRefused => format!("nobody listens at {address}"),
        Some(io) => format!("{address} cannot be reached: {io}"),
        None => format!("{address} cannot be reached: {error}"),
    }
}

/// The system's error below one of tonic.
fn io_error_of(error: &tonic::transport::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = error.source();
    }
    None
}
