//! SHOW: state as rows.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::keyspace;

use super::dispatch::tag;
use super::held_rows::HeldRows;
use super::sink::{Completion, ResultSink};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::cluster::RangeInfo;
use crate::ddl;
use crate::ddl::job::Job;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::plan::node::OutputColumn;
use crate::storage::key_text;
use crate::types::datetime::EPOCH_2000_MICROS;
use crate::types::{Datum, Row};

/// Sends a whole result; its tag is `SHOW`.
pub async fn send(
    columns: &[OutputColumn],
    rows: Vec<Row>,
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let mut held = HeldRows::new(sink, columns);
    held.rows(rows).await?;
    held.finish().await?;
    Ok(tag("SHOW"))
}

fn text(value: impl Into<String>) -> Datum {
    Datum::Text(value.into())
}

fn number(value: u64) -> Datum {
    Datum::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// `SHOW TABLES`.
///
/// # Errors
/// The sink's.
pub async fn tables(
    catalog: &CatalogSnapshot,
    columns: &[OutputColumn],
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let rows = catalog.tables().map(|table| vec![text(&table.name)]).collect();
    send(columns, rows, sink).await
}

/// `SHOW RANGES FROM TABLE t`.
///
/// # Errors
/// The cluster's and the sink's.
pub async fn ranges(
    node: &SqlNode,
    table: &TableDescriptor,
    columns: &[OutputColumn],
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let ranges = node.cluster.ranges(keyspace::table_span(table.id)).await?;
    let rows = ranges.iter().map(|range| range_row(node, range)).collect();
    send(columns, rows, sink).await
}

fn range_row(node: &SqlNode, range: &RangeInfo) -> Row {
    let catalog = node.catalog.snapshot();
    let layout_of = |id| catalog.table_by_id(id).map(|table| Arc::clone(table.layout()));
    let replicas = range.replicas.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    vec![
        number(range.range_id),
        text(key_text::start_key(&range.span.start, layout_of)),
        text(key_text::end_key(&range.span.end, layout_of)),
        number(range.size_bytes),
        range.leader_node.map_or(Datum::Null, number),
        range.leader_zone.clone().map_or(Datum::Null, text),
        text(format!("{{{replicas}}}")),
    ]
}

/// `SHOW JOBS`: those that are under way, and for a while those that are over; the newest first.
///
/// # Errors
/// The store's and the sink's.
pub async fn jobs(
    node: &SqlNode,
    columns: &[OutputColumn],
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let mut jobs = ddl::rows::all_jobs(node).await?;
    jobs.sort_by_key(|job| std::cmp::Reverse(job.id));
    send(columns, jobs.iter().map(job_row).collect(), sink).await
}

fn job_row(job: &Job) -> Row {
    vec![
        number(job.id),
        text(job.kind.name()),
        text(&job.name),
        text(job.step.name()),
        number(job.claim.node_id),
        number(job.epoch),
        time(job.created),
        time(job.updated),
        job.error.clone().map_or(Datum::Null, text),
    ]
}

fn time(at: Timestamp) -> Datum {
    let micros = i64::try_from(at.micros()).unwrap_or(i64::MAX);
    Datum::Timestamp(micros.saturating_sub(EPOCH_2000_MICROS))
}

/// `SHOW CLUSTER SETTINGS`.
///
/// # Errors
/// The cluster's and the sink's.
pub async fn cluster_settings(
    node: &SqlNode,
    columns: &[OutputColumn],
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let settings = node.cluster.settings().await?.into_iter();
    let rows = settings
        .map(|setting| {
            vec![text(setting.name), text(setting.value), text(setting.default), text(setting.description)]
        })
        .collect();
    send(columns, rows, sink).await
}
