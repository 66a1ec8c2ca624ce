//! What the state machine keeps of Raft, in the family `range`: the applied position and the membership as of it.
//!
//! ```text
//! key    range id u64 · 1      applied position          (kinds from 16 on belong to the replica: `range_format`)
//!        range id u64 · 2      membership
//! value  version 1 · position
//!        version 1 · optional position of its entry · membership     (see `entry_format`)
//! ```

use bytes::Bytes;
use quorate_engine::codec::check::{Broken, holds, must_hold};
use quorate_placement::topology::RangeId;

use super::entry_format::{
    get_membership, get_optional_position, get_position, put_membership, put_optional_position, put_position,
};
use crate::decode::{Decoder, FormatError};
use crate::log_position::LogPosition;
use crate::membership::GroupMembership;

const VERSION: u8 = 1;
const APPLIED: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// A membership and the entry that brought it; none for that of a seed or of a group without members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppliedMembership {
    pub(crate) position: Option<LogPosition>,
    pub(crate) membership: GroupMembership,
}

impl AppliedMembership {
    /// What must hold of it.
    ///
    /// # Errors
    /// The rule that does not.
    pub(crate) fn validate(&self) -> Result<(), Broken> {
        let is_empty = self.membership == GroupMembership::default();
        holds(self.position.is_some() || is_empty, "a membership comes with an entry")?;
        self.membership.validate()
    }
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
    must_hold("an applied membership", membership.validate());
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
    let applied = AppliedMembership { position, membership };
    decoder.sound(applied.validate())?;
    decoder.finish()?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use quorate_placement::topology::{NodeId, ReplicaId};

    use super::*;

    #[test]
    fn applied_membership_is_sound_or_not_read() {
        let nodes = [(ReplicaId(1), NodeId(1)), (ReplicaId(2), NodeId(2))].into();
        let membership =
            GroupMembership { voters: vec![[ReplicaId(1)].into(), [ReplicaId(2)].into()], nodes };
        let sound = AppliedMembership { position: Some(LogPosition::SEED), membership };
        assert_eq!((sound.validate(), AppliedMembership::default().validate()), (Ok(()), Ok(())));
        let with = |voters: Vec<_>| {
            let membership = GroupMembership { voters, ..sound.membership.clone() };
            AppliedMembership { membership, ..sound.clone() }
        };
        let broken = [
            AppliedMembership { position: None, ..sound.clone() },
            with(vec![[ReplicaId(3)].into()]),
            with(vec![[ReplicaId(1)].into(), [ReplicaId(2)].into(), [ReplicaId(1)].into()]),
        ];
        for membership in broken {
            assert!(membership.validate().is_err(), "{membership:?}");
        }
        let mut bytes = encode_membership(&sound).to_vec();
        let first_voter_ends = 1 + 17 + 4 + 4 + 8;
        bytes[first_voter_ends - 1] = 3;
        assert!(matches!(decode_membership(bytes.into()), Err(FormatError::Broken { .. })));
    }
}
