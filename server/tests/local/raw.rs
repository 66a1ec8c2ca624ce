//! A client that sends and reads single messages.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// A message of the server: its type and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The type.
    pub kind: char,
    /// The body, without its length.
    pub body: Vec<u8>,
}

impl Message {
    /// The field of an error or notice.
    pub fn field(&self, code: char) -> Option<String> {
        let fields = self.body.split(|byte| *byte == 0).filter_map(|field| std::str::from_utf8(field).ok());
        fields.filter_map(|field| field.strip_prefix(code)).next().map(str::to_owned)
    }

    /// The body as text, zeros as `|`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).replace('\0', "|")
    }
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
}

/// A message of a client.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A packet without a type.
pub fn packet(body: &[u8]) -> Vec<u8> {
    message(0, body)[1..].to_vec()
}

/// A simple query.
pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

/// Parse, Bind and Execute of a text without parameters, without Sync.
pub fn parse_bind_execute(text: &str, rows_max: i32) -> Vec<u8> {
    let parse = message(b'P', format!("\0{text}\0\0\0").as_bytes());
    let bind = message(b'B', b"\0\0\0\0\0\0\0\0");
    let execute = message(b'E', &[&b"\0"[..], &rows_max.to_be_bytes()].concat());
    [parse, bind, execute].concat()
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

impl Raw {
    /// Connects, and sends nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: within("a raw client connects", TcpStream::connect(address)).await.unwrap() }
    }

    /// Connects and starts a session; returns what the server said up to ReadyForQuery.
    pub async fn session(address: SocketAddr) -> (Self, Vec<Message>) {
        let mut raw = Self::connect(address).await;
        raw.send(&packet(b"\0\x03\0\0user\0root\0database\0quorate\0application_name\0raw\0\0")).await;
        let greeting = raw.until_ready().await;
        (raw, greeting)
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        within("a raw client sends", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends bytes, of which the server may take only some.
    pub async fn try_send(&mut self, bytes: &[u8]) {
        let _ = within("a raw client sends", self.stream.write_all(bytes)).await;
    }

    /// Reads one byte.
    pub async fn byte(&mut self) -> u8 {
        within("a byte comes", self.stream.read_u8()).await.unwrap()
    }

    /// Reads one message; `None` at the end of the connection.
    pub async fn read(&mut self) -> Option<Message> {
        let read = async {
            let kind = self.stream.read_u8().await.ok()?;
            let length = usize::try_from(self.stream.read_u32().await.ok()?).unwrap();
            let mut body = vec![0; length - 4];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Message { kind: char::from(kind), body })
        };
        within("a message comes", read).await
    }

    /// Reads up to ReadyForQuery, which is the last of the messages.
    pub async fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let Some(message) = self.read().await else { panic!("the connection ended after {messages:?}") };
            let is_last = message.kind == 'Z';
            messages.push(message);
            if is_last {
                return messages;
            }
        }
    }

    /// Sends, and reads up to ReadyForQuery: types, with tags of completions and SQLSTATEs of errors.
    pub async fn ask(&mut self, bytes: &[u8]) -> String {
        self.send(bytes).await;
        outline(&self.until_ready().await)
    }

    /// Reads up to a message, which is the last of them.
    pub async fn until(&mut self, is_last: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let Some(message) = self.read().await else { panic!("the connection ended after {messages:?}") };
            messages.push(message);
            if messages.last().is_some_and(&is_last) {
                return messages;
            }
        }
    }

    /// Sends nothing any more, and still reads.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads to the end of the connection.
    pub async fn until_end(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.read().await {
            messages.push(message);
        }
        messages
    }
}

/// Types of messages, with what matters of their bodies.
pub fn outline(messages: &[Message]) -> String {
    let one = |message: &Message| match message.kind {
        'C' | 'Z' => format!("{}({})", message.kind, message.text().trim_end_matches('|')),
        'E' => format!("E({})", message.field('C').unwrap()),
        kind => kind.to_string(),
    };
    messages.iter().map(one).collect::<Vec<_>>().join(" ")
}
