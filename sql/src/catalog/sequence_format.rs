//! Sequences as stored in range 1.
//!
//! ```text
//! sequence  version | id | name | descriptor version | epoch | type | increment | least | greatest | start | cache | cycles |
//!           origin: value, is called | 0 no owner, 1 owner, 2 owner by identity: table id, column id
//! position  version | epoch | value | is called
//! ```

use quorate_engine::codec::CodecError;
use quorate_engine::codec::check::must_hold;
use quorate_engine::codec::value::{Reader, Writer};

use super::sequence::{Place, SequenceDescriptor, SequenceOwner, SequencePosition};
use crate::storage::type_format::{put_type, read_type};

/// Newest version of both.
pub const SEQUENCE_FORMAT_VERSION: u8 = 1;

const SEQUENCE: &str = "sequence";
const POSITION: &str = "position of a sequence";

const NO_OWNER: u8 = 0;
const OWNER: u8 = 1;
const IDENTITY_OWNER: u8 = 2;

/// A descriptor's bytes.
pub fn encode(sequence: &SequenceDescriptor) -> Vec<u8> {
    must_hold(SEQUENCE, sequence.validate());
    let mut out = Writer::versioned(SEQUENCE_FORMAT_VERSION);
    out.u64(sequence.id).text(&sequence.name).varint(sequence.version).varint(sequence.epoch);
    put_type(&mut out, sequence.data_type);
    out.signed(sequence.increment).signed(sequence.min).signed(sequence.max);
    out.signed(sequence.start).signed(sequence.cache).bool(sequence.cycles);
    put_place(&mut out, sequence.origin);
    match sequence.owner {
        None => {
            out.u8(NO_OWNER);
        }
        Some(owner) => {
            out.u8(if owner.is_identity { IDENTITY_OWNER } else { OWNER });
            out.u64(owner.table_id).varint(u64::from(owner.column_id));
        }
    }
    out.finish()
}

/// Reads a descriptor.
///
/// # Errors
/// Bytes that do not follow the format, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<SequenceDescriptor, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, SEQUENCE_FORMAT_VERSION, SEQUENCE)?;
    let sequence = SequenceDescriptor {
        id: reader.u64()?,
        name: reader.text()?.to_owned(),
        version: reader.varint()?,
        epoch: reader.varint()?,
        data_type: read_type(&mut reader)?,
        increment: reader.signed()?,
        min: reader.signed()?,
        max: reader.signed()?,
        start: reader.signed()?,
        cache: reader.signed()?,
        cycles: reader.bool()?,
        origin: read_place(&mut reader)?,
        owner: read_owner(&mut reader)?,
    };
    reader.sound(sequence.validate())?;
    reader.finish()?;
    Ok(sequence)
}

fn read_owner(reader: &mut Reader<'_>) -> Result<Option<SequenceOwner>, CodecError> {
    let is_identity = match reader.u8()? {
        NO_OWNER => return Ok(None),
        OWNER => false,
        IDENTITY_OWNER => true,
        other => return Err(reader.invalid(u64::from(other))),
    };
    let (table_id, column_id) = (reader.u64()?, reader.varint()?);
    let column_id = u32::try_from(column_id).map_err(|_| reader.invalid(column_id))?;
    Ok(Some(SequenceOwner { table_id, column_id, is_identity }))
}

/// A position's bytes.
pub fn encode_position(position: SequencePosition) -> Vec<u8> {
    must_hold(POSITION, position.validate());
    let mut out = Writer::versioned(SEQUENCE_FORMAT_VERSION);
    put_place(out.varint(position.epoch), position.place);
    out.finish()
}

/// Reads a position.
///
/// # Errors
/// As [`decode`].
pub fn decode_position(bytes: &[u8]) -> Result<SequencePosition, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, SEQUENCE_FORMAT_VERSION, POSITION)?;
    let position = SequencePosition { epoch: reader.varint()?, place: read_place(&mut reader)? };
    reader.sound(position.validate())?;
    reader.finish()?;
    Ok(position)
}

fn put_place(out: &mut Writer, place: Place) {
    out.signed(place.value).bool(place.is_called);
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, CodecError> {
    Ok(Place { value: reader.signed()?, is_called: reader.bool()? })
}
