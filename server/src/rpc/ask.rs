//! Asks an address, without knowing who is there: init, join and status.

use std::time::Duration;

use bytes::Bytes;
use tonic::transport::Endpoint;

use super::FRAME_MAX_BYTES;
use super::proto::Question;
use super::proto::peer_client::PeerClient;

/// Asks whoever listens at `address` (`host:port`) and waits for the answer.
///
/// # Errors
/// In words: nobody listens there, it is no Quorate node, or no answer came within `timeout`.
pub async fn ask(address: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| format!("{address} is no address: {error}"))?
        .connect_timeout(timeout)
        .tcp_nodelay(true);
    let call = async {
        let channel = endpoint.connect().await.map_err(|_| format!("nobody listens at {address}"))?;
        let mut client = PeerClient::new(channel).max_decoding_message_size(FRAME_MAX_BYTES);
        let answer = client.ask(Question { payload }).await;
        answer.map_err(|status| format!("{address} answered: {}", status.message()))
    };
    let answer = tokio::time::timeout(timeout, call).await;
    Ok(answer.map_err(|_| format!("no answer from {address} within {timeout:?}"))??.into_inner().payload)
}
