//! The client against a server that expects exact bytes and answers with others, those of ZooKeeper 3.8.

use std::future::Future;

use tokio::net::TcpListener;

use super::*;
use crate::error::Fate;

/// Generous: these machines are shared.
const DEADLINE: Duration = Duration::from_secs(60);
const KEY_7: &[u8] = b"\0\0\0\x17/bench/0000000000000007";

/// The server's end of one connection.
struct Server {
    stream: TcpStream,
}

impl Server {
    /// Takes a connection and gives a session that lasts so long.
    async fn accept(listener: TcpListener, timeout_ms: i32) -> Self {
        let mut server = Self { stream: listener.accept().await.unwrap().0 };
        let asked = [&[0; 12][..], &SESSION_MS.to_be_bytes(), &[0; 8], b"\0\0\0\x10", &[0; 16], &[0]];
        assert_eq!(server.frame().await, asked.concat());
        server.answer(&[&[0; 4], &timeout_ms.to_be_bytes(), &[7; 8], b"\0\0\0\x10", &[9; 16], &[0]]).await;
        server
    }

    async fn frame(&mut self) -> Vec<u8> {
        let length = self.stream.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        frame
    }

    async fn expect(&mut self, parts: &[&[u8]]) {
        assert_eq!(self.frame().await, parts.concat());
    }

    async fn answer(&mut self, parts: &[&[u8]]) {
        let frame = parts.concat();
        self.stream.write_u32(u32::try_from(frame.len()).unwrap()).await.unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn reply(&mut self, xid: i32, error: i32, fields: &[u8]) {
        self.answer(&[&xid.to_be_bytes(), &[0, 0, 0, 0, 0, 0, 0, 5], &error.to_be_bytes(), fields]).await;
    }
}

/// Runs a client's part beside a server's, both of them to their ends.
async fn with_server<S, C>(
    timeout_ms: i32,
    serve: impl FnOnce(Server) -> S,
    ask: impl FnOnce(ZookeeperClient) -> C,
) where
    S: Future<Output = ()>,
    C: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async { serve(Server::accept(listener, timeout_ms).await).await };
    let client = async { ask(ZookeeperClient::connect(port).await.unwrap()).await };
    tokio::time::timeout(DEADLINE, async { tokio::join!(server, client) }).await.unwrap();
}

#[tokio::test]
async fn put_and_get_are_bytes_of_the_protocol() {
    let serve = async |mut server: Server| {
        server.expect(&[b"\0\0\0\x01\0\0\0\x05", KEY_7, b"\0\0\0\x03abc\xff\xff\xff\xff"]).await;
        server.reply(1, 0, &[0; 68]).await;
        // Both are there before any is answered; what nobody has asked for now comes in between.
        server.expect(&[b"\0\0\0\x02\0\0\0\x09", b"\0\0\0\x06/bench"]).await;
        server.expect(&[b"\0\0\0\x03\0\0\0\x04", KEY_7, b"\0"]).await;
        server.reply(jute::PING_XID, 0, b"").await;
        server.reply(2, 0, b"\0\0\0\x06/bench").await;
        server.reply(jute::WATCH_XID, 0, b"\0\0\0\x01").await;
        server.reply(3, 0, &[&b"\0\0\0\x03abc"[..], &[0; 68]].concat()).await;
        // The client says good-bye.
        server.expect(&[b"\0\0\0\0\xff\xff\xff\xf5"]).await;
    };
    with_server(30_000, serve, async |mut client| {
        client.put(7, "abc").await.unwrap();
        assert_eq!(client.get(7).await.unwrap().as_deref(), Some("abc"));
    })
    .await;
}

#[tokio::test]
async fn load_has_many_requests_under_way() {
    let rows: Vec<(u64, String)> = (0..600).map(|key| (key, "x".to_owned())).collect();
    let serve = async |mut server: Server| {
        let (mut xid, mut key) = (1, 0);
        for count in [IN_FLIGHT_MAX, IN_FLIGHT_MAX, 600 - 2 * IN_FLIGHT_MAX] {
            for _ in 0..count {
                let frame = server.frame().await;
                let path = format!("/bench/{key:016x}");
                key += 1;
                let value_and_rules =
                    b"\0\0\0\x01x\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\0";
                assert_eq!(frame[4..8], [0, 0, 0, 1]);
                assert_eq!(frame[12..], [path.as_bytes(), value_and_rules].concat());
            }
            for _ in 0..count {
                server.reply(xid, 0, b"\0\0\0\x01/").await;
                xid += 1;
            }
        }
    };
    with_server(30_000, serve, async |mut client| client.load(&rows).await.unwrap()).await;
}

#[tokio::test]
async fn keys_that_are_missing_and_errors_are_told_apart() {
    let serve = async |mut server: Server| {
        for xid in [1, 2] {
            server.frame().await;
            server.reply(xid, if xid == 2 { jute::NO_NODE } else { 0 }, b"").await;
        }
        for (xid, error) in [(3, 0), (4, 0), (5, jute::NO_NODE)] {
            server.frame().await;
            server.reply(xid, error, &[&b"\0\0\0\x01v"[..], &[0; 68]].concat()).await;
        }
        server.frame().await;
        server.reply(6, jute::NO_NODE, b"").await;
    };
    with_server(30_000, serve, async |mut client| {
        assert_eq!(client.get(7).await.unwrap(), None);
        assert_eq!(client.scan(7, 2).await.unwrap(), [(7, "v".to_owned())]);
        let error = client.put(7, "abc").await.unwrap_err();
        assert_eq!((error.fate, error.detail.as_str()), (Fate::Unknown, "error -101"));
    })
    .await;
}

#[tokio::test]
async fn session_with_a_wrong_answer_is_not_used_again() {
    let serve = async |mut server: Server| {
        server.frame().await;
        server.reply(2, 0, &[0; 68]).await;
        server.expect(&[b"\0\0\0\0\xff\xff\xff\xf5"]).await;
    };
    with_server(30_000, serve, async |mut client| {
        let error = client.put(7, "abc").await.unwrap_err();
        assert_eq!(
            (error.fate, error.detail.as_str()),
            (Fate::Unknown, "an answer to request 2 instead of 1")
        );
        let error = client.put(7, "abc").await.unwrap_err();
        assert_eq!(error.fate, Fate::Refused, "{error}");
    })
    .await;
}

#[tokio::test]
async fn session_that_rests_is_kept() {
    let (rested, has_rested) = tokio::sync::oneshot::channel();
    let serve = async |mut server: Server| {
        for _ in 0..3 {
            server.expect(&[b"\xff\xff\xff\xfe\0\0\0\x0b"]).await;
            server.reply(jute::PING_XID, 0, b"").await;
        }
        rested.send(()).unwrap();
        // Pings go on beside the put.
        while server.frame().await[4..8] != [0, 0, 0, 5] {}
        server.reply(1, 0, &[0; 68]).await;
    };
    with_server(30, serve, async |mut client| {
        has_rested.await.unwrap();
        client.put(7, "abc").await.unwrap();
    })
    .await;
}
