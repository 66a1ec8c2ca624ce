//! The pages over a real socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{FIRST_BYTE_MAX, NotReady, REFUSAL, Readiness, limits, serve};
use crate::limited::LimitedListener;
use crate::metrics;

struct Switch(Mutex<Option<NotReady>>);

impl Readiness for Switch {
    fn ready(&self) -> Result<(), NotReady> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}

/// Most connections of these tests.
const CONNECTIONS: usize = 8;

/// As [`get`], again where it is refused: the silent ones before it were silent for too short a time.
async fn answered(address: std::net::SocketAddr, path: &str) -> (String, String) {
    loop {
        match try_get(address, path).await {
            Ok(answer) if !answer.0.contains("503") => return answer,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[test]
fn http_refusal_is_an_answer() {
    let text = std::str::from_utf8(REFUSAL).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}: {}", body.len());
    assert!(head.lines().all(|line| line == line.trim()), "{head}");
}

/// Status line and body of a page.
async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
    try_get(address, path).await.unwrap()
}

async fn try_get(address: std::net::SocketAddr, path: &str) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

#[tokio::test]
async fn http_tells_health_readiness_and_metrics() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reason = NotReady {
        reason: "no cluster yet".to_owned(),
        advice: "quorate init --host 127.0.0.1:7001".to_owned(),
    };
    let switch = Arc::new(Switch(Mutex::new(Some(reason))));
    let (stop, stopped) = oneshot::channel::<()>();
    let page = metrics::install().unwrap();
    let listener = LimitedListener::new(listener, limits(CONNECTIONS));
    let server = tokio::spawn(serve(listener, Arc::clone(&switch) as _, page, async {
        let _ = stopped.await;
    }));

    assert_eq!(get(address, "/health").await.0, "HTTP/1.1 200 OK");
    let (status, body) = get(address, "/ready").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("no cluster yet") && body.contains("quorate init --host 127.0.0.1:7001"), "{body}");
    *switch.0.lock() = None;
    assert_eq!(get(address, "/ready").await.0, "HTTP/1.1 200 OK");
    drop(metrics::OpenConnection::begin());
    let (status, body) = get(address, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.contains("# HELP quorate_wire_connections"), "{body}");
    let (status, body) = get(address, "/nothing").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found");
    assert!(body.contains("/ready"), "{body}");

    // Silent connections, more than there are places: they hold up nobody, and the oldest go.
    let mut silent = Vec::new();
    for _ in 0..3 * CONNECTIONS {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let (status, _) = tokio::time::timeout(FIRST_BYTE_MAX, answered(address, "/health")).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    let mut oldest = silent.remove(0);
    let end = tokio::time::timeout(FIRST_BYTE_MAX, oldest.read(&mut [0; 1])).await;
    assert!(!matches!(end, Ok(Ok(1..)) | Err(_)), "the oldest was not closed for others: {end:?}");
    drop(silent);

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
