//! The frame of a lane's stream, by hand: `Frame` of `proto/peer.proto`, whose messages may consist of pieces.
//!
//! What a message shares with others, as the bytes of a log entry, is copied here, into the buffer that goes to the socket, and
//! nowhere before. On the way in each message is a part of the buffer that came from there.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{
    self, DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, skip_field,
};
use quorate_raft_groups::transport::Message;

use super::proto::Hello;

/// Numbers of the fields.
const HELLO: u32 = 1;
const MESSAGES: u32 = 2;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// In the first frame of a stream only.
    pub hello: Option<Hello>,
    /// In order.
    pub messages: Vec<Message>,
}

impl prost::Message for Frame {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(hello) = &self.hello {
            encoding::message::encode(HELLO, hello, buf);
        }
        for message in &self.messages {
            encode_key(MESSAGES, WireType::LengthDelimited, buf);
            encode_varint(message.len() as u64, buf);
            message.pieces().for_each(|piece| buf.put_slice(piece));
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            HELLO => encoding::message::merge(wire_type, self.hello.get_or_insert_default(), buf, ctx),
            MESSAGES => {
                let mut message = Bytes::new();
                encoding::bytes::merge(wire_type, &mut message, buf, ctx)?;
                self.messages.push(message.into());
                Ok(())
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let hello = self.hello.as_ref().map_or(0, |hello| encoding::message::encoded_len(HELLO, hello));
        let messages = self.messages.iter().map(Message::len);
        let messages = messages.map(|length| key_len(MESSAGES) + encoded_len_varint(length as u64) + length);
        hello + messages.sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use quorate_raft_groups::transport::MessageBuilder;

    use super::*;

    #[test]
    fn frame_is_read_as_it_was_written_and_as_others_write_it() {
        let large = Bytes::from(vec![7; 5_000]);
        let mut builder = MessageBuilder::new(b"head".to_vec());
        builder.share(large.clone());
        let hello = Hello { to_node: 2, lane: 1, introduction: Bytes::from_static(b"who") };
        let pieces = builder.finish();
        let frame = Frame {
            hello: Some(hello.clone()),
            messages: vec![pieces.clone(), Bytes::from_static(b"small").into()],
        };
        let mut bytes = frame.encode_to_vec();
        assert_eq!(bytes.len(), frame.encoded_len());
        // A field of a newer release.
        bytes.extend_from_slice(&[0xc0, 0x3e, 0x07]);
        let read = Frame::decode(Bytes::from(bytes.clone())).unwrap();
        assert_eq!(read.hello, Some(hello));
        let read: Vec<Bytes> = read.messages.into_iter().map(Message::into_bytes).collect();
        assert_eq!(read, [pieces.into_bytes(), Bytes::from_static(b"small")]);
        // A hello, and two fields of bytes.
        assert_eq!(bytes[..2], [0x0a, 9]);
        assert_eq!(bytes[11..14], [0x12, 0x8c, 0x27]);
        for cut in 0..bytes.len() {
            let _ = Frame::decode(&bytes[..cut]);
        }
    }

    #[test]
    fn frame_gives_out_parts_of_what_came_in() {
        let frame = Frame { hello: None, messages: vec![Bytes::from(vec![7; 5_000]).into()] };
        let bytes = Bytes::from(frame.encode_to_vec());
        let read = Frame::decode(bytes.clone()).unwrap().messages.remove(0).into_bytes();
        assert_eq!(read.as_ptr_range().end, bytes.as_ptr_range().end);
    }
}
