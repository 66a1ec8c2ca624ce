//! The pages over a real socket.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{NotReady, Readiness, serve};
use crate::metrics;

struct Switch(Mutex<Option<NotReady>>);

impl Readiness for Switch {
    fn ready(&self) -> Result<(), NotReady> {
        self.0.lock().clone().map_or(Ok(()), Err)
    }
}

/// Status line and body of a page.
async fn get(address: std::net::SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
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

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
