//! Bytes of a [`ClusterStatus`] within an answer; the messages that carry it have the version byte.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use quorate_placement::view::Liveness;

use super::node_format::{put_node, take_node};
use super::status::{
    ChangeStatus, ClusterStatus, DiskSyncs, MemberStatus, NodeStatus, PeerClock, Presence, RangeStatus,
};
use crate::api_format::{put_list, put_span, take_list, take_span};

const LIVE: u8 = 1;
const SUSPECT: u8 = 2;
const DEAD: u8 = 3;
const DRAINING: u8 = 4;

const REPORTS: u8 = 1;
const AWAITED: u8 = 2;
const UNHEARD: u8 = 3;
const MISSING: u8 = 4;
const UNREACHABLE: u8 = 5;

pub(super) fn put_status(writer: &mut Writer, status: &ClusterStatus) {
    writer.uuid(status.cluster_id).varint(status.told_by.0).timestamp(status.told_at);
    put_text(writer, status.partial.as_deref());
    put_list(writer, &status.nodes, put_node_status);
    put_list(writer, &status.ranges, put_range_status);
}

pub(super) fn take_status(reader: &mut Reader<'_>) -> Result<ClusterStatus, CodecError> {
    Ok(ClusterStatus {
        cluster_id: reader.uuid()?,
        told_by: NodeId(reader.varint()?),
        told_at: reader.timestamp()?,
        partial: take_text(reader)?,
        nodes: take_list(reader, take_node_status)?,
        ranges: take_list(reader, take_range_status)?,
    })
}

fn put_node_status(writer: &mut Writer, node: &NodeStatus) {
    put_node(writer, &node.record);
    writer.u8(match node.liveness {
        Liveness::Live => LIVE,
        Liveness::Suspect => SUSPECT,
        Liveness::Dead => DEAD,
        Liveness::Draining => DRAINING,
    });
    put_number(writer, node.heard_ms);
    writer.varint(node.leaders).varint(node.replicas);
    writer.varint(node.disk_used_bytes).varint(node.disk_total_bytes);
    put_number(writer, node.catalog_version);
    put_number(writer, node.clock_offset_ms.map(zigzag));
    put_text(writer, node.absence.as_deref());
    put_presence(writer, node.presence);
    put_syncs(writer, node.syncs);
    put_list(writer, &node.clocks, |writer, clock| {
        writer.varint(clock.node_id.0).varint(zigzag(clock.ahead_ms));
    });
    put_text(writer, node.clock_doubt.as_deref());
    put_names(writer, &node.damaged_files);
}

/// Small numbers of either sign are short.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The number that [`zigzag`] was given.
pub(super) fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

fn put_presence(writer: &mut Writer, presence: Presence) {
    match presence {
        Presence::Reports => writer.u8(REPORTS),
        Presence::Unheard { is_awaited: true } => writer.u8(AWAITED),
        Presence::Unheard { is_awaited: false } => writer.u8(UNHEARD),
        Presence::Missing => writer.u8(MISSING),
        Presence::Unreachable { heard_by } => {
            put_number(writer.u8(UNREACHABLE), heard_by.map(|node| node.0));
            writer
        }
    };
}

fn take_presence(reader: &mut Reader<'_>) -> Result<Presence, CodecError> {
    Ok(match reader.u8()? {
        REPORTS => Presence::Reports,
        AWAITED => Presence::Unheard { is_awaited: true },
        UNHEARD => Presence::Unheard { is_awaited: false },
        MISSING => Presence::Missing,
        UNREACHABLE => Presence::Unreachable { heard_by: take_number(reader)?.map(NodeId) },
        other => return Err(reader.invalid(u64::from(other))),
    })
}

pub(super) fn put_syncs(writer: &mut Writer, syncs: DiskSyncs) {
    writer.varint(syncs.p99_ms).varint(syncs.longest_ms).varint(syncs.running_ms);
}

pub(super) fn take_syncs(reader: &mut Reader<'_>) -> Result<DiskSyncs, CodecError> {
    Ok(DiskSyncs { p99_ms: reader.varint()?, longest_ms: reader.varint()?, running_ms: reader.varint()? })
}

fn take_node_status(reader: &mut Reader<'_>) -> Result<NodeStatus, CodecError> {
    Ok(NodeStatus {
        record: take_node(reader)?,
        liveness: match reader.u8()? {
            LIVE => Liveness::Live,
            SUSPECT => Liveness::Suspect,
            DEAD => Liveness::Dead,
            DRAINING => Liveness::Draining,
            other => return Err(reader.invalid(u64::from(other))),
        },
        heard_ms: take_number(reader)?,
        leaders: reader.varint()?,
        replicas: reader.varint()?,
        disk_used_bytes: reader.varint()?,
        disk_total_bytes: reader.varint()?,
        catalog_version: take_number(reader)?,
        clock_offset_ms: take_number(reader)?.map(unzigzag),
        absence: take_text(reader)?,
        presence: take_presence(reader)?,
        syncs: take_syncs(reader)?,
        clocks: take_list(reader, |reader| {
            Ok(PeerClock { node_id: NodeId(reader.varint()?), ahead_ms: unzigzag(reader.varint()?) })
        })?,
        clock_doubt: take_text(reader)?,
        damaged_files: take_names(reader)?,
    })
}

fn put_range_status(writer: &mut Writer, range: &RangeStatus) {
    put_span(writer.varint(range.range_id.0), &range.span);
    put_list(writer, &range.replicas, put_node_id);
    put_list(writer, &range.missing, put_node_id);
    put_number(writer, range.leader.map(|node| node.0));
    put_text(writer.varint(range.size_bytes), range.complaint.as_deref());
    put_list(writer.varint(range.generation), &range.members, |writer, member| {
        writer.varint(member.replica_id.0).varint(member.node_id.0).bool(member.is_voter);
        put_number(writer, member.applied);
        put_text(writer, member.damage.as_deref());
    });
    writer.bool(range.change.is_some());
    if let Some(change) = &range.change {
        put_change(writer, change);
    }
    put_text(writer, range.outlook.as_deref());
    put_number(writer, range.leaderless_ms);
}

pub(super) fn put_change(writer: &mut Writer, change: &ChangeStatus) {
    writer.varint(change.range_id.0);
    put_number(writer, change.add.map(|node| node.0));
    put_number(writer, change.remove.map(|node| node.0));
    writer.text(&change.stage).varint(change.elapsed_ms);
    writer.varint(change.bytes).varint(change.bytes_expected).varint(change.copying_ms);
    put_text(writer, change.failure.as_deref());
}

pub(super) fn take_change(reader: &mut Reader<'_>) -> Result<ChangeStatus, CodecError> {
    Ok(ChangeStatus {
        range_id: RangeId(reader.varint()?),
        add: take_number(reader)?.map(NodeId),
        remove: take_number(reader)?.map(NodeId),
        stage: reader.text()?.to_owned(),
        elapsed_ms: reader.varint()?,
        bytes: reader.varint()?,
        bytes_expected: reader.varint()?,
        copying_ms: reader.varint()?,
        failure: take_text(reader)?,
    })
}

fn take_member(reader: &mut Reader<'_>) -> Result<MemberStatus, CodecError> {
    Ok(MemberStatus {
        replica_id: ReplicaId(reader.varint()?),
        node_id: NodeId(reader.varint()?),
        is_voter: reader.bool()?,
        applied: take_number(reader)?,
        damage: take_text(reader)?,
    })
}

fn take_range_status(reader: &mut Reader<'_>) -> Result<RangeStatus, CodecError> {
    Ok(RangeStatus {
        range_id: RangeId(reader.varint()?),
        span: take_span(reader)?,
        replicas: take_list(reader, take_node_id)?,
        missing: take_list(reader, take_node_id)?,
        leader: take_number(reader)?.map(NodeId),
        size_bytes: reader.varint()?,
        complaint: take_text(reader)?,
        generation: reader.varint()?,
        members: take_list(reader, take_member)?,
        change: if reader.bool()? { Some(take_change(reader)?) } else { None },
        outlook: take_text(reader)?,
        leaderless_ms: take_number(reader)?,
    })
}

fn put_node_id(writer: &mut Writer, node: &NodeId) {
    writer.varint(node.0);
}

fn take_node_id(reader: &mut Reader<'_>) -> Result<NodeId, CodecError> {
    reader.varint().map(NodeId)
}

pub(super) fn put_names(writer: &mut Writer, names: &[String]) {
    put_list(writer, names, |writer, name| {
        writer.text(name);
    });
}

pub(super) fn take_names(reader: &mut Reader<'_>) -> Result<Vec<String>, CodecError> {
    take_list(reader, |reader| reader.text().map(str::to_owned))
}

pub(super) fn put_number(writer: &mut Writer, number: Option<u64>) {
    writer.bool(number.is_some()).varint(number.unwrap_or_default());
}

pub(super) fn take_number(reader: &mut Reader<'_>) -> Result<Option<u64>, CodecError> {
    let is_some = reader.bool()?;
    let number = reader.varint()?;
    Ok(is_some.then_some(number))
}

pub(super) fn put_text(writer: &mut Writer, text: Option<&str>) {
    writer.optional_bytes(text.map(str::as_bytes));
}

pub(super) fn take_text(reader: &mut Reader<'_>) -> Result<Option<String>, CodecError> {
    let Some(bytes) = reader.optional_bytes()? else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|error| reader.invalid(error.valid_up_to() as u64))?;
    Ok(Some(text.to_owned()))
}
