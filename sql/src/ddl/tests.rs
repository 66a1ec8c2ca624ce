//! Jobs: their state machine by scripts, their bytes, and drivers that end or stand still at every point.

use quorate_engine::hlc::Timestamp;
use quorate_engine::testing::fixture;

use super::job::{Claim, DriverSign, Job, JobKind, JobOrigin, JobStep};
use super::job_format;

mod points;
mod scripts;
mod streams;
mod writers;

fn job() -> Job {
    Job {
        id: 300,
        epoch: 2,
        step: JobStep::DropRanges,
        kind: JobKind::CreateTable,
        origin: JobOrigin::Transaction,
        claim: Claim { node_id: 3, incarnation: 17 },
        table_id: 104,
        name: "kinds".to_owned(),
        created: Timestamp::from_raw(5),
        updated: Timestamp::from_raw(9),
        attempts: 1,
        error: Some("its transaction was rolled back".to_owned()),
        replaces: None,
    }
}

#[test]
fn job_bytes_are_as_in_the_fixture() {
    let bytes = job_format::encode(&job());
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "job", &bytes);
    assert_eq!(job_format::decode(&stored), Ok(job()));
    assert!((0..stored.len()).all(|end| job_format::decode(&stored[..end]).is_err()));
    let sign = DriverSign { incarnation: 17, at: Timestamp::from_raw(9) };
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "job_sign", &job_format::encode_sign(sign));
    assert_eq!(job_format::decode_sign(&stored), Ok(sign));
    assert!((0..stored.len()).all(|end| job_format::decode_sign(&stored[..end]).is_err()));
}

#[test]
fn job_that_takes_the_place_of_another_table_says_of_which() {
    let step = JobStep::CopyRows;
    let job = Job { kind: JobKind::AddPrimaryKey, step, replaces: Some(103), error: None, ..job() };
    let bytes = job_format::encode(&job);
    assert_eq!(bytes[0], 2, "nodes of before do not drive it");
    let stored = fixture::check(env!("CARGO_MANIFEST_DIR"), "job_2", &bytes);
    assert_eq!(job_format::decode(&stored), Ok(job.clone()));
    assert!((0..stored.len()).all(|end| job_format::decode(&stored[..end]).is_err()));
    assert!(bytes.starts_with(&job_format::fence(&job).prefix));
}

#[test]
fn job_bytes_begin_with_what_fences_compare() {
    let job = job();
    let bytes = job_format::encode(&job);
    assert!(bytes.starts_with(&job_format::fence(&job).prefix));
    let other_epoch = Job { epoch: 3, ..job.clone() };
    let other_step = Job { step: JobStep::Undone, ..job.clone() };
    let noted = Job { attempts: 7, error: None, updated: Timestamp::MAX, ..job };
    assert!(!bytes.starts_with(&job_format::fence(&other_epoch).prefix));
    assert!(!bytes.starts_with(&job_format::fence(&other_step).prefix));
    assert!(
        bytes.starts_with(&job_format::fence(&noted).prefix),
        "what is noted of a job does not stop its driver"
    );
}
