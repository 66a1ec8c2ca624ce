//! How long a message takes through loopback and back: two threads, one connection.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::time::Instant;

use super::Measured;
use crate::latency::Latencies;

/// Bytes of a message: a small request.
const MESSAGE_BYTES: usize = 64;
/// How long the other side may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Sends and waits in turn, for this long.
pub fn round_trips(time: Duration) -> io::Result<Measured> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::scope(|scope| {
        let other = scope.spawn(move || echo(&listener));
        let measured = ask(&prepare(TcpStream::connect(address)?)?, time);
        match other.join() {
            Ok(ended) => ended?,
            Err(_) => return Err(io::Error::other("the thread that answers died")),
        }
        measured
    })
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}

/// Answers until the other side closes.
fn echo(listener: &TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    let mut stream = prepare(stream)?;
    let mut message = [0; MESSAGE_BYTES];
    loop {
        match stream.read_exact(&mut message) {
            Ok(()) => stream.write_all(&message)?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn ask(mut stream: &TcpStream, time: Duration) -> io::Result<Measured> {
    let mut message = [0x5a; MESSAGE_BYTES];
    let (mut latencies, begun) = (Latencies::default(), Instant::now());
    while begun.elapsed() < time {
        let before = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        latencies.record(before.elapsed());
    }
    let seconds = begun.elapsed().as_secs_f64();
    stream.shutdown(std::net::Shutdown::Both)?;
    Ok(Measured { latencies, seconds })
}
