//! GET of a page of a node on loopback: as much HTTP as that needs.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest page that is read.
const PAGE_MAX_BYTES: u64 = 16 << 20;

/// Status and body of a page at a port of loopback.
///
/// # Errors
/// Nobody answers, or not in HTTP.
pub async fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    tokio::time::timeout(ANSWER_MAX, ask(port, path)).await.map_err(late)?
}

async fn ask(port: u16, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(PAGE_MAX_BYTES).read_to_string(&mut answer).await?;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let status = answer.split_whitespace().nth(1).and_then(|word| word.parse().ok()).ok_or_else(invalid)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(invalid)?;
    Ok((status, body.to_owned()))
}
