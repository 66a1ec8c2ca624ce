//! What the state machine keeps of Raft, in the family `range`: the applied position and the membership as of it.
//!
//! ```text
//! key    range id u64 · 1      applied position          (kinds from 16 on belong to the replica: `range_format`)
//!        range id u64 · 2      membership
//! value  version 1 · position
//!        version 1 · optional position of its entry · membership     (see `entry_format`)
//! ```

use bytes::Bytes;
use quorate_placement::topology::RangeId;

use super::entry_format::{
    get_membership, get_optional_position, get_position, put_membership, put_optional_position, put_position,
};
use super::types::{GroupMembership, LogPosition};
use crate::decode::{Decoder, FormatError};

const VERSION: u8 = 1;
const APPLIED: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// A membership and the entry that brought it; none for that of a seed or of a group without members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppliedMembership {
    pub(crate) position: Option<LogPosition>,
    pub(crate) membership: GroupMembership,
}

fn kind_key(range: RangeId, kind: u8) -> Vec<u8> {
    let mut key = range.0.to_be_bytes().to_vec();
    key.push(kind);
    key
}

pub(crate) fn applied_key(range: RangeId) -> Vec<u8> {
    kind_key(range, APPLIED)
}

pub(crate) fn membership_key(range: RangeId) -> Vec<u8> {
    kind_key(range, MEMBERSHIP)
}

pub(crate) fn encode_applied(position: LogPosition) -> Bytes {
    let mut out = vec![VERSION];
    put_position(&mut out, position);
    out.into()
}

pub(crate) fn decode_applied(bytes: Bytes) -> Result<LogPosition, FormatError> {
    let mut decoder = Decoder::new("an applied position", bytes);
    decoder.version(VERSION)?;
    let position = get_position(&mut decoder)?;
    decoder.finish()?;
    Ok(position)
}

pub(crate) fn encode_membership(membership: &AppliedMembership) -> Bytes {
    let mut out = vec![VERSION];
    put_optional_position(&mut out, membership.position);
    put_membership(&mut out, &membership.membership);
    out.into()
}

pub(crate) fn decode_membership(bytes: Bytes) -> Result<AppliedMembership, FormatError> {
    let mut decoder = Decoder::new("an applied membership", bytes);
    decoder.version(VERSION)?;
    let position = get_optional_position(&mut decoder)?;
    let membership = get_membership(&mut decoder)?;
    decoder.finish()?;
    Ok(AppliedMembership { position, membership })
}
