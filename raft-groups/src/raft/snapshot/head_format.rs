//! A snapshot's head, and the marker of an installation under way.
//!
//! ```text
//! key     range id u64 · 3      marker, in the family `range`
//! marker  version 1 · area u64 · head · spans that the replica held before
//! head    position · optional position and membership · first key and end of the shared pairs
//!         · count u32 { key · value } · spans
//! spans   count u32 { family u8 · start · end }
//! ```
//!
//! A marker says all that is needed to finish, with the area where the staged parts lie.

use bytes::Bytes;
use quorate_engine::codec::check::{Broken, must_hold};
use quorate_engine::staging::Pair;
use quorate_engine::store::Family;
use quorate_placement::topology::RangeId;

use super::{KeySpan, SnapshotHead, validate_spans};
use crate::decode::{Decoder, FormatError, put_bytes, put_count};
use crate::raft::applied_format::AppliedMembership;
use crate::raft::entry_format::{
    get_membership, get_optional_position, get_position, put_membership, put_optional_position, put_position,
};

const VERSION: u8 = 1;
/// Kind of the marker's key, beside those of `applied_format`.
const MARKER: u8 = 3;
/// Least bytes of a pair, and of a span.
const PAIR_BYTES_MIN: usize = 8;
const SPAN_BYTES_MIN: usize = 9;

/// An installation that has begun and is to be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Where its parts are staged.
    pub(crate) area: u64,
    pub(crate) head: SnapshotHead,
    /// What the replica held before.
    pub(crate) replaced: Vec<KeySpan>,
}

impl Marker {
    /// What must hold of a marker.
    ///
    /// # Errors
    /// The rule that does not.
    pub(crate) fn validate(&self) -> Result<(), Broken> {
        self.head.validate()?;
        validate_spans(&self.replaced)
    }
}

pub(crate) fn marker_key(range: RangeId) -> Vec<u8> {
    let mut key = range.0.to_be_bytes().to_vec();
    key.push(MARKER);
    key
}

/// The range whose marker lies under this key.
pub(crate) fn range_of_marker_key(key: &[u8]) -> Option<RangeId> {
    let (&kind, id) = key.split_last()?;
    let id = u64::from_be_bytes(id.try_into().ok()?);
    (kind == MARKER && id != 0).then_some(RangeId(id))
}

pub(crate) fn encode_marker(marker: &Marker) -> Bytes {
    must_hold("a snapshot's marker", marker.validate());
    let mut out = vec![VERSION];
    out.extend_from_slice(&marker.area.to_be_bytes());
    put_head(&mut out, &marker.head);
    put_spans(&mut out, &marker.replaced);
    out.into()
}

pub(crate) fn decode_marker(bytes: Bytes) -> Result<Marker, FormatError> {
    let mut decoder = Decoder::new("a snapshot's marker", bytes);
    decoder.version(VERSION)?;
    let area = decoder.u64("area")?;
    let head = get_head(&mut decoder)?;
    let replaced = get_spans(&mut decoder)?;
    let marker = Marker { area, head, replaced };
    decoder.sound(marker.validate())?;
    decoder.finish()?;
    Ok(marker)
}

pub(crate) fn put_head(out: &mut Vec<u8>, head: &SnapshotHead) {
    must_hold("a snapshot's head", head.validate());
    put_position(out, head.position);
    put_optional_position(out, head.membership.position);
    put_membership(out, &head.membership.membership);
    put_bytes(out, &head.shared_bounds.0);
    put_bytes(out, &head.shared_bounds.1);
    put_pairs(out, &head.shared);
    put_spans(out, &head.spans);
}

pub(crate) fn get_head(decoder: &mut Decoder) -> Result<SnapshotHead, FormatError> {
    let position = get_position(decoder)?;
    let membership =
        AppliedMembership { position: get_optional_position(decoder)?, membership: get_membership(decoder)? };
    let shared_bounds = (decoder.bytes("start of shared pairs")?, decoder.bytes("end of shared pairs")?);
    let shared = get_pairs(decoder)?;
    let spans = get_spans(decoder)?;
    let head = SnapshotHead { position, membership, spans, shared, shared_bounds };
    decoder.sound(head.validate())?;
    Ok(head)
}

pub(crate) fn put_pairs(out: &mut Vec<u8>, pairs: &[Pair]) {
    put_count(out, pairs.len());
    for (key, value) in pairs {
        put_bytes(out, key);
        put_bytes(out, value);
    }
}

pub(crate) fn get_pairs(decoder: &mut Decoder) -> Result<Vec<Pair>, FormatError> {
    let count = decoder.count("pairs", PAIR_BYTES_MIN)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((decoder.bytes("key")?, decoder.bytes("value")?));
    }
    Ok(pairs)
}

fn put_spans(out: &mut Vec<u8>, spans: &[KeySpan]) {
    put_count(out, spans.len());
    for span in spans {
        out.push(family_code(span.family));
        put_bytes(out, &span.start);
        put_bytes(out, &span.end);
    }
}

fn get_spans(decoder: &mut Decoder) -> Result<Vec<KeySpan>, FormatError> {
    let count = decoder.count("spans", SPAN_BYTES_MIN)?;
    let mut spans = Vec::with_capacity(count);
    for _ in 0..count {
        let code = decoder.u8("family")?;
        let family = Family::ALL.into_iter().find(|family| family_code(*family) == code);
        let family = family.ok_or_else(|| decoder.invalid("family", u64::from(code)))?;
        spans.push(KeySpan { family, start: decoder.bytes("start")?, end: decoder.bytes("end")? });
    }
    Ok(spans)
}

const fn family_code(family: Family) -> u8 {
    match family {
        Family::Raft => 1,
        Family::Range => 2,
        Family::Txn => 3,
        Family::Lock => 4,
        Family::Data => 5,
    }
}
