//! Connections that are silent, too many, or too slow, over real sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{LimitedListener, LimitedStream, Limits, Phase};

const LONG: Duration = Duration::from_secs(60);
/// Generous: nothing waits for it where all is well.
const DEADLINE: Duration = Duration::from_secs(20);

fn limits() -> Limits {
    Limits {
        connections_max: 2,
        first_byte_max: LONG,
        request_max: None,
        life_max: None,
        first_silence_min: Duration::ZERO,
        silence_min: Duration::ZERO,
        refusal: b"no place",
    }
}

struct Listener {
    listener: LimitedListener,
}

impl Listener {
    async fn new(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener: LimitedListener::new(listener, limits) }
    }

    /// A client and the server's end of its connection.
    async fn pair(&mut self) -> (TcpStream, LimitedStream) {
        let address = self.listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), self.listener.next());
        (client.unwrap(), server.0)
    }
}

/// Why a stream's next read fails.
async fn failure(stream: &mut LimitedStream) -> String {
    timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap_err().to_string()
}

/// What a client is told before it is closed.
async fn told(mut client: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = timeout(DEADLINE, client.read_to_end(&mut all)).await.unwrap();
    all
}

#[tokio::test]
async fn limited_gives_the_place_of_the_one_that_was_silent_the_longest() {
    let mut listener = Listener::new(limits()).await;
    let (mut first, mut first_server) = listener.pair().await;
    let (_second, mut second_server) = listener.pair().await;
    first.write_all(b"x").await.unwrap();
    assert_eq!(first_server.read_u8().await.unwrap(), b'x');
    let (mut third, mut third_server) = listener.pair().await;
    assert!(failure(&mut second_server).await.contains("given to another"), "it has sent nothing");
    drop(second_server);
    third.write_all(b"y").await.unwrap();
    assert_eq!(third_server.read_u8().await.unwrap(), b'y');
    let (_fourth, _fourth_server) = listener.pair().await;
    assert!(failure(&mut first_server).await.contains("given to another"), "it was silent the longest");
    assert!(timeout(Duration::from_millis(20), third_server.read_u8()).await.is_err(), "the third stays");
}

#[tokio::test]
async fn limited_refuses_where_none_is_silent() {
    let mut listener = Listener::new(Limits { first_silence_min: LONG, silence_min: LONG, ..limits() }).await;
    let address = listener.listener.local_addr().unwrap();
    let (_first, first_server) = listener.pair().await;
    let (_second, _second_server) = listener.pair().await;
    let third = TcpStream::connect(address).await.unwrap();
    assert!(timeout(Duration::from_millis(20), listener.listener.next()).await.is_err(), "it has no place");
    assert_eq!(told(third).await, b"no place");
    drop(first_server);
    let (mut fourth, mut fourth_server) = listener.pair().await;
    fourth.write_all(b"y").await.unwrap();
    assert_eq!(fourth_server.read_u8().await.unwrap(), b'y', "a place that was given back is free");
}

#[tokio::test]
async fn limited_ends_what_is_too_slow() {
    let soon = Duration::from_millis(20);
    let mut listener = Listener::new(Limits { first_byte_max: soon, ..limits() }).await;
    let (_client, mut server) = listener.pair().await;
    assert!(failure(&mut server).await.contains("timed out"), "no first byte");

    let mut listener = Listener::new(Limits { request_max: Some(soon), ..limits() }).await;
    let (mut client, mut server) = listener.pair().await;
    client.write_all(b"half a request").await.unwrap();
    server.read_exact(&mut [0; 14]).await.unwrap();
    assert!(failure(&mut server).await.contains("timed out"), "the rest of a request");

    let mut listener = Listener::new(Limits { life_max: Some(soon), ..limits() }).await;
    let (_client, mut server) = listener.pair().await;
    assert!(failure(&mut server).await.contains("timed out"), "a life");
}

#[tokio::test]
async fn limited_times_requests_and_not_the_rest_between_them() {
    let mut listener = Listener::new(Limits { request_max: Some(LONG), ..limits() }).await;
    let (mut client, mut server) = listener.pair().await;
    for _ in 0..2 {
        client.write_all(b"request").await.unwrap();
        server.read_exact(&mut [0; 7]).await.unwrap();
        assert!(server.phase == Phase::Request && server.timer.is_some());
        server.write_all(b"answer").await.unwrap();
        assert!(server.phase == Phase::Rest && server.timer.is_none());
    }
    let mut listener = Listener::new(limits()).await;
    let (mut client, mut server) = listener.pair().await;
    assert!(server.phase == Phase::New && server.timer.is_some());
    client.write_all(b"x").await.unwrap();
    server.read_u8().await.unwrap();
    assert!(
        server.timer.is_none(),
        "where requests cannot be told there is no deadline after the first byte"
    );
}
