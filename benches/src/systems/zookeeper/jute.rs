//! Jute, the encoding of ZooKeeper's protocol, as far as the bench speaks it: big-endian integers, and texts and byte
//! strings behind their length, in frames behind theirs.
//!
//! ```text
//! request: length │ xid │ operation │ fields …      reply: length │ xid │ zxid (8 bytes) │ error │ fields …
//! ```
//!
//! Numbers and orders of fields are those of ZooKeeper's `zookeeper.jute` and `ZooDefs.java`.

use bytes::{Buf, Bytes, TryGetError};

/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;
/// Number of pings, and of their replies.
pub const PING_XID: i32 = -2;
/// Number of the message about a watch; the bench sets none.
pub const WATCH_XID: i32 = -1;
/// The node does not exist.
pub const NO_NODE: i32 = -101;
/// Any version of a node may be replaced.
const ANY_VERSION: i32 = -1;
/// All that an access rule can allow.
const ALL_PERMISSIONS: i32 = 31;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Makes a node that lasts, and that anyone may read and write.
    Create(String, &'a [u8]),
    /// Replaces a node's value.
    SetData(String, &'a [u8]),
    /// Reads a node's value from the server that is asked.
    GetData(String),
    /// Brings the server that is asked up to the leader: what is read behind it is no older.
    Sync(String),
}

impl Request<'_> {
    fn operation(&self) -> i32 {
        match self {
            Self::Create(..) => 1,
            Self::GetData(_) => 4,
            Self::SetData(..) => 5,
            Self::Sync(_) => 9,
        }
    }

    /// Appends it as a frame.
    pub fn encode(&self, xid: i32, frames: &mut Vec<u8>) {
        let mut frame = Frame::begin(frames);
        frame.int(xid).int(self.operation());
        match self {
            Self::Create(path, value) => {
                // The access rules: one, for everyone. No flag: the node is neither ephemeral nor numbered.
                frame.buffer(path.as_bytes()).buffer(value).int(1).int(ALL_PERMISSIONS);
                frame.buffer(b"world").buffer(b"anyone").int(0)
            }
            Self::SetData(path, value) => frame.buffer(path.as_bytes()).buffer(value).int(ANY_VERSION),
            Self::GetData(path) => frame.buffer(path.as_bytes()).flag(false),
            Self::Sync(path) => frame.buffer(path.as_bytes()),
        };
        frame.end();
    }
}

/// The first frame of a connection: asks for a new session that lasts so long without a sign of life.
pub fn connect(timeout_ms: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = Frame::begin(&mut bytes);
    // Version 0; nothing was seen yet; no session, and so no password; not read-only.
    frame.int(0).long(0).int(timeout_ms).long(0).buffer(&[0; 16]).flag(false);
    frame.end();
    bytes
}

/// Keeps the session.
pub fn ping() -> Vec<u8> {
    header_alone(PING_XID, 11)
}

/// Ends the session.
pub fn close() -> Vec<u8> {
    header_alone(0, -11)
}

fn header_alone(xid: i32, operation: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = Frame::begin(&mut bytes);
    frame.int(xid).int(operation);
    frame.end();
    bytes
}

/// A frame that is being written at the end of a buffer.
struct Frame<'a> {
    bytes: &'a mut Vec<u8>,
    begin: usize,
}

impl<'a> Frame<'a> {
    fn begin(bytes: &'a mut Vec<u8>) -> Self {
        let begin = bytes.len();
        bytes.extend([0; LENGTH_BYTES]);
        Self { bytes, begin }
    }

    fn int(&mut self, value: i32) -> &mut Self {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    fn long(&mut self, value: i64) -> &mut Self {
        self.bytes.extend(value.to_be_bytes());
        self
    }

    fn flag(&mut self, value: bool) -> &mut Self {
        self.bytes.push(u8::from(value));
        self
    }

    fn buffer(&mut self, value: &[u8]) -> &mut Self {
        self.int(length_of(value.len()));
        self.bytes.extend(value);
        self
    }

    fn end(self) {
        let length = length_of(self.bytes.len() - self.begin - LENGTH_BYTES);
        if let Some(place) = self.bytes.get_mut(self.begin..self.begin + LENGTH_BYTES) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// Values are far shorter (`values::VALUE_MAX_BYTES`), and a server refuses frames of more than 1 MiB.
fn length_of(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Number of the request.
    pub xid: i32,
    /// 0, or why it was refused.
    pub error: i32,
    /// The fields.
    pub fields: Bytes,
}

impl Reply {
    /// Reads a frame, its length apart.
    ///
    /// # Errors
    /// It is too short.
    pub fn decode(mut frame: Bytes) -> Result<Self, TryGetError> {
        let xid = frame.try_get_i32()?;
        let _zxid = frame.try_get_i64()?;
        Ok(Self { xid, error: frame.try_get_i32()?, fields: frame })
    }
}

/// The session's timeout in milliseconds, from the answer to [`connect`]; 0 where the server refuses a session.
///
/// # Errors
/// The frame is too short.
pub fn decode_connected(mut frame: Bytes) -> Result<i32, TryGetError> {
    let _version = frame.try_get_i32()?;
    frame.try_get_i32()
}

/// A byte string at the beginning of a reply's fields; `None` where it is cut off.
pub fn decode_buffer(mut fields: Bytes) -> Option<Bytes> {
    let length = fields.try_get_i32().ok()?;
    // A node without a value has the length -1.
    let length = usize::try_from(length.max(0)).ok()?;
    (length <= fields.len()).then(|| fields.split_to(length))
}
