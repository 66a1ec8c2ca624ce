//! Bytes of votes, positions, memberships and kinds of entries, shared by the log, the applied state and markers.
//!
//! ```text
//! position    term u64 · index u64              optional: 0, or 1 and the position
//! vote        term u64 · candidate u64 · committed bool
//! membership  sets u32 · { voters u32 · replica u64 … } … · nodes u32 · { replica u64 · node u64 } …
//! payload     1 (blank) | 2 · membership | 3 · bytes of the command, up to the end
//! ```

use std::collections::{BTreeMap, BTreeSet};

use quorate_placement::topology::{NodeId, ReplicaId};

use crate::decode::{Decoder, FormatError, put_count};
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;

pub(super) const BLANK: u8 = 1;
pub(super) const MEMBERSHIP: u8 = 2;
pub(super) const COMMAND: u8 = 3;

pub(crate) fn put_position(out: &mut Vec<u8>, position: LogPosition) {
    out.extend_from_slice(&position.term.to_be_bytes());
    out.extend_from_slice(&position.index.to_be_bytes());
}

pub(crate) fn get_position(decoder: &mut Decoder) -> Result<LogPosition, FormatError> {
    Ok(LogPosition { term: decoder.u64("term")?, index: decoder.u64("index")? })
}

pub(crate) fn put_optional_position(out: &mut Vec<u8>, position: Option<LogPosition>) {
    out.push(u8::from(position.is_some()));
    if let Some(position) = position {
        put_position(out, position);
    }
}

pub(crate) fn get_optional_position(decoder: &mut Decoder) -> Result<Option<LogPosition>, FormatError> {
    if decoder.bool("presence of a position")? { get_position(decoder).map(Some) } else { Ok(None) }
}

pub(crate) fn put_vote(out: &mut Vec<u8>, vote: VoteState) {
    out.extend_from_slice(&vote.term.to_be_bytes());
    out.extend_from_slice(&vote.candidate.0.to_be_bytes());
    out.push(u8::from(vote.is_committed));
}

pub(crate) fn get_vote(decoder: &mut Decoder) -> Result<VoteState, FormatError> {
    Ok(VoteState {
        term: decoder.u64("term")?,
        candidate: ReplicaId(decoder.u64("candidate")?),
        is_committed: decoder.bool("committed")?,
    })
}

pub(crate) fn put_membership(out: &mut Vec<u8>, membership: &GroupMembership) {
    put_count(out, membership.voters.len());
    for voters in &membership.voters {
        put_count(out, voters.len());
        voters.iter().for_each(|voter| out.extend_from_slice(&voter.0.to_be_bytes()));
    }
    put_count(out, membership.nodes.len());
    for (replica, node) in &membership.nodes {
        out.extend_from_slice(&replica.0.to_be_bytes());
        out.extend_from_slice(&node.0.to_be_bytes());
    }
}

pub(crate) fn get_membership(decoder: &mut Decoder) -> Result<GroupMembership, FormatError> {
    let sets = decoder.count("sets of voters", 4)?;
    let voters = (0..sets).map(|_| get_voters(decoder)).collect::<Result<Vec<_>, _>>()?;
    let count = decoder.count("nodes", 16)?;
    let mut nodes = BTreeMap::new();
    for _ in 0..count {
        nodes.insert(ReplicaId(decoder.u64("replica")?), NodeId(decoder.u64("node")?));
    }
    let membership = GroupMembership { voters, nodes };
    decoder.sound(membership.validate())?;
    Ok(membership)
}

fn get_voters(decoder: &mut Decoder) -> Result<BTreeSet<ReplicaId>, FormatError> {
    let count = decoder.count("voters", 8)?;
    (0..count).map(|_| decoder.u64("voter").map(ReplicaId)).collect()
}
