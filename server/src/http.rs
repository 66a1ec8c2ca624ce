//! HTTP of a node: `/health` (the process lives), `/ready` (it serves), `/metrics`.
//!
//! Invariant: nothing here waits for a range, for the disk, or for whatever else the process does: it has a thread of its
//! own ([`serve_apart`]). What `/ready` says is what the node knows already.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::time::interval;

use crate::limited::{LimitedListener, LimitedStream, Limits};
use crate::metrics::{MetricsPage, UPKEEP_INTERVAL};
use crate::threads;

/// How long a client may take to send its first byte: probes and scrapers send it at once.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(5);
/// How long a request may take to come and to be answered.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long a connection may live: probes and scrapers connect anew.
const CONNECTION_MAX: Duration = Duration::from_secs(60);
/// One that was silent for this long is between two requests.
const SILENCE_MIN: Duration = Duration::from_millis(500);
/// What one beyond the number is told.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\
    Retry-After: 1\r\nConnection: close\r\n\r\n{\"error\": \"too many HTTP connections\"}\n";

/// The limits of HTTP, for so many connections.
pub const fn limits(connections_max: usize) -> Limits {
    Limits {
        connections_max,
        first_byte_max: FIRST_BYTE_MAX,
        request_max: Some(REQUEST_MAX),
        life_max: Some(CONNECTION_MAX),
        first_silence_min: SILENCE_MIN,
        silence_min: SILENCE_MIN,
        refusal: REFUSAL,
    }
}

impl axum::serve::Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.next().await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

/// Why a node does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// What it waits for, in one sentence.
    pub reason: String,
    /// The command to run, or what to wait for.
    pub advice: String,
}

/// Whether a node serves; its assembly implements it.
pub trait Readiness: Send + Sync + 'static {
    /// Fails with the reason while the node does not serve SQL.
    ///
    /// # Errors
    /// The reason.
    fn ready(&self) -> Result<(), NotReady>;
}

/// What handlers share.
#[derive(Clone)]
struct Pages {
    readiness: Arc<dyn Readiness>,
    metrics: MetricsPage,
}

/// Serves until `stop` is ready.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: LimitedListener,
    readiness: Arc<dyn Readiness>,
    metrics: MetricsPage,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = routes(Pages { readiness, metrics: metrics.clone() });
    let server = axum::serve(listener, routes).with_graceful_shutdown(stop);
    let mut upkeep = interval(UPKEEP_INTERVAL);
    let mut server = std::pin::pin!(server.into_future());
    loop {
        tokio::select! {
            ended = &mut server => return ended,
            _ = upkeep.tick() => metrics.keep_up(),
        }
    }
}

/// Serves on a thread of its own until the sender says so. Gives who is told when that has ended.
///
/// # Errors
/// The system gives no thread.
pub fn serve_apart(
    listener: TcpListener,
    limits: Limits,
    (readiness, metrics): (Arc<dyn Readiness>, MetricsPage),
    mut stopped: watch::Receiver<bool>,
) -> io::Result<oneshot::Receiver<()>> {
    // Its events come to the runtime in which it was made, so that it is made once more.
    let listener = listener.into_std()?;
    threads::run_apart("http", move || async move {
        let serving = async {
            let listener = LimitedListener::new(TcpListener::from_std(listener)?, limits);
            // An error means that whoever would tell is gone, which is a stop too.
            let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
            serve(listener, readiness, metrics, stop).await
        };
        if let Err(error) = serving.await {
            tracing::error!(%error, "the listener for HTTP ended");
        }
    })
}

fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .with_state(pages)
}

async fn health() -> Response {
    answer(StatusCode::OK, &json!({"status": "live"}))
}

async fn ready(State(pages): State<Pages>) -> Response {
    match pages.readiness.ready() {
        Ok(()) => answer(StatusCode::OK, &json!({"status": "ready"})),
        Err(NotReady { reason, advice }) => {
            let body = json!({"status": "not ready", "reason": reason, "do": advice});
            answer(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], pages.metrics.render())
        .into_response()
}

async fn unknown() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({"error": "not found", "paths": ["/health", "/ready", "/metrics"]}))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests;
