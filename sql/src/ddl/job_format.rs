//! Jobs, and signs of life of those who drive them, as stored in range 1.
//!
//! ```text
//! job   version | epoch, 8 bytes | step | id | kind | origin | node | incarnation | table id | name |
//!       created | updated | attempts | optional error | from version 2 on the id of the table before
//! sign  version | incarnation | at
//! ```
//!
//! Only a job that has a table before it is written in version 2.
//!
//! Invariant: a job's bytes begin with its version, epoch and step: a call that carries them was made by the driver of then,
//! at the step of then.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use quorate_engine::kv::Fence;

use super::job::{Claim, DriverSign, Job, JobKind, JobOrigin, JobStep};
use crate::catalog::keys;

/// Newest version of both.
pub const JOB_FORMAT_VERSION: u8 = 2;
/// What nodes of before read.
const WITHOUT_REPLACED: u8 = 1;

const CREATE_TABLE: u8 = 1;
const DROP_TABLE: u8 = 2;
const ADD_PRIMARY_KEY: u8 = 3;

const BY_STATEMENT: u8 = 1;
const BY_TRANSACTION: u8 = 2;

const MAKE_RANGE: u8 = 1;
const SETTLE: u8 = 2;
const DROP_RANGES: u8 = 3;
const DONE: u8 = 4;
const UNDONE: u8 = 5;
const COPY_ROWS: u8 = 6;
const DROP_REPLACED: u8 = 7;

/// What must be so in range 1 for a call of the job's driver, at the step where it stands, to take effect.
pub fn fence(job: &Job) -> Fence {
    Fence { key: keys::job_key(job.id), prefix: head(job).finish().into() }
}

/// What the bytes of a job begin with.
fn head(job: &Job) -> Writer {
    let version = if job.replaces.is_some() { JOB_FORMAT_VERSION } else { WITHOUT_REPLACED };
    let mut writer = Writer::versioned(version);
    writer.u64(job.epoch).u8(match job.step {
        JobStep::MakeRange => MAKE_RANGE,
        JobStep::CopyRows => COPY_ROWS,
        JobStep::Settle => SETTLE,
        JobStep::DropRanges => DROP_RANGES,
        JobStep::DropReplaced => DROP_REPLACED,
        JobStep::Done => DONE,
        JobStep::Undone => UNDONE,
    });
    writer
}

/// A job's bytes.
pub fn encode(job: &Job) -> Vec<u8> {
    let mut writer = head(job);
    writer.varint(job.id);
    writer.u8(match job.kind {
        JobKind::CreateTable => CREATE_TABLE,
        JobKind::DropTable => DROP_TABLE,
        JobKind::AddPrimaryKey => ADD_PRIMARY_KEY,
    });
    writer.u8(match job.origin {
        JobOrigin::Statement => BY_STATEMENT,
        JobOrigin::Transaction => BY_TRANSACTION,
    });
    writer.varint(job.claim.node_id).varint(job.claim.incarnation);
    writer.varint(job.table_id).text(&job.name);
    writer.timestamp(job.created).timestamp(job.updated).varint(job.attempts);
    writer.optional_bytes(job.error.as_ref().map(String::as_bytes));
    job.replaces.iter().for_each(|id| {
        writer.varint(*id);
    });
    writer.finish()
}

/// Reads a job.
///
/// # Errors
/// Bytes that do not follow the format, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<Job, CodecError> {
    let (mut reader, version) = Reader::versioned(bytes, JOB_FORMAT_VERSION, "job")?;
    let job = Job {
        epoch: reader.u64()?,
        step: take_step(&mut reader)?,
        id: reader.varint()?,
        kind: match reader.u8()? {
            CREATE_TABLE => JobKind::CreateTable,
            DROP_TABLE => JobKind::DropTable,
            ADD_PRIMARY_KEY => JobKind::AddPrimaryKey,
            other => return Err(reader.invalid(u64::from(other))),
        },
        origin: match reader.u8()? {
            BY_STATEMENT => JobOrigin::Statement,
            BY_TRANSACTION => JobOrigin::Transaction,
            other => return Err(reader.invalid(u64::from(other))),
        },
        claim: Claim { node_id: reader.varint()?, incarnation: reader.varint()? },
        table_id: reader.varint()?,
        name: reader.text()?.to_owned(),
        created: reader.timestamp()?,
        updated: reader.timestamp()?,
        attempts: reader.varint()?,
        error: reader.optional_bytes()?.map(|text| String::from_utf8_lossy(text).into_owned()),
        replaces: if version > WITHOUT_REPLACED { Some(reader.varint()?) } else { None },
    };
    reader.finish()?;
    Ok(job)
}

fn take_step(reader: &mut Reader<'_>) -> Result<JobStep, CodecError> {
    Ok(match reader.u8()? {
        MAKE_RANGE => JobStep::MakeRange,
        SETTLE => JobStep::Settle,
        DROP_RANGES => JobStep::DropRanges,
        DONE => JobStep::Done,
        UNDONE => JobStep::Undone,
        COPY_ROWS => JobStep::CopyRows,
        DROP_REPLACED => JobStep::DropReplaced,
        other => return Err(reader.invalid(u64::from(other))),
    })
}

/// The bytes of a sign of life.
pub fn encode_sign(sign: DriverSign) -> Vec<u8> {
    Writer::versioned(WITHOUT_REPLACED).varint(sign.incarnation).timestamp(sign.at).finish()
}

/// Reads a sign of life.
///
/// # Errors
/// As [`decode`].
pub fn decode_sign(bytes: &[u8]) -> Result<DriverSign, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, JOB_FORMAT_VERSION, "sign of a job's driver")?;
    let sign = DriverSign { incarnation: reader.varint()?, at: reader.timestamp()? };
    reader.finish()?;
    Ok(sign)
}
