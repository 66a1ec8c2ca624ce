//! `quorate range`: asks a node, waits where something takes its time, and prints what became of it.

use std::time::Duration;

use quorate_placement::topology::{NodeId, RangeId};
use quorate_raft_groups::cluster::admin::AdminCommand;
use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use quorate_raft_groups::cluster::range_command::{LookAt, RangeCommand};
use quorate_raft_groups::cluster::status::{ClusterStatus, RangeStatus};
use tokio::time::Instant;

use super::{STATUS_TIMEOUT, admin, ask, failed, refused, unreachable_node};
use crate::cli::{AdminArguments, ExitStatus, RangeAction, RangeArguments};
use crate::status::{describe_change, ranges};

/// Longest wait for a node's answer to a command: it may try some times.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a move is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Runs one of them.
pub async fn run(arguments: RangeArguments) -> ExitStatus {
    let admin = &arguments.admin;
    let host = admin.to.host.to_string();
    match arguments.action {
        RangeAction::Ls => show(&host, |status| Some(ranges::list(status)), None).await,
        RangeAction::Describe { range } => {
            show(&host, |status| find(status, range).map(ranges::describe), Some(range)).await
        }
        RangeAction::Move { range, from, to, share_tier, timeout } => {
            let command = RangeCommand::Move { range_id: range, from, to, share_tier };
            match send(admin, range, command).await {
                Ok(begun) => {
                    println!("{begun}");
                    await_move(&host, &Move { range, from, to }, Duration::from_secs(timeout)).await
                }
                Err(status) => status,
            }
        }
        RangeAction::Split { range, at } => {
            told(send(admin, range, RangeCommand::Split { range_id: range, at }).await)
        }
        RangeAction::TransferLeader { range, to } => {
            told(send(admin, range, RangeCommand::TransferLeader { range_id: range, to }).await)
        }
    }
}

fn told(result: Result<String, ExitStatus>) -> ExitStatus {
    match result {
        Ok(done) => {
            println!("{done}");
            ExitStatus::Done
        }
        Err(status) => status,
    }
}

fn find(status: &ClusterStatus, range: RangeId) -> Option<&RangeStatus> {
    status.ranges.iter().find(|known| known.range_id == range)
}

/// Prints something of the status.
async fn show(
    host: &str,
    render: impl Fn(&ClusterStatus) -> Option<String>,
    range: Option<RangeId>,
) -> ExitStatus {
    let status = match status_of(host).await {
        Ok(status) => status,
        Err(ended) => return ended,
    };
    if let Some(partial) = &status.partial {
        eprintln!("only what {} knows by itself: {partial}", status.told_by);
    }
    match (render(&status), range) {
        (Some(text), _) => {
            print!("{text}");
            ExitStatus::Done
        }
        (None, Some(range)) => {
            eprintln!("error: there is no range {range}\n  do: quorate range ls --host {host}");
            ExitStatus::Failed
        }
        (None, None) => failed("nothing to show"),
    }
}

async fn status_of(host: &str) -> Result<ClusterStatus, ExitStatus> {
    match ask(host, &BootstrapRequest::Status, STATUS_TIMEOUT).await {
        Ok(BootstrapAnswer::Status(status)) => Ok(status),
        Ok(other) => Err(refused(other)),
        Err(reason) => Err(unreachable_node(&reason)),
    }
}

/// Sends a command; a refusal is printed with the command to run next.
async fn send(to: &AdminArguments, range: RangeId, command: RangeCommand) -> Result<String, ExitStatus> {
    let host = &to.to.host;
    match admin::give(to, AdminCommand::Range(command), COMMAND_TIMEOUT).await {
        Ok(BootstrapAnswer::RangeDone(text)) => Ok(text),
        Ok(BootstrapAnswer::RangeRefused { reason, look_at }) => {
            let next = match look_at {
                LookAt::Ranges => "range ls".to_owned(),
                LookAt::Range => format!("range describe {range}"),
                LookAt::Status => "status".to_owned(),
            };
            eprintln!("error: {reason}\n  do: quorate {next} --host {host}");
            Err(ExitStatus::Failed)
        }
        Ok(other) => Err(refused(other)),
        Err(ended) => Err(ended),
    }
}

struct Move {
    range: RangeId,
    from: NodeId,
    to: NodeId,
}

/// Looks at a move until it is done, has failed, or the time is over; each new thing is printed.
async fn await_move(host: &str, wanted: &Move, timeout: Duration) -> ExitStatus {
    let deadline = Instant::now() + timeout;
    let Move { range, from, to } = wanted;
    let mut last = String::new();
    while Instant::now() < deadline {
        tokio::time::sleep(LOOK_INTERVAL).await;
        // A node that does not answer at the moment may do so the next time.
        let Ok(BootstrapAnswer::Status(status)) = ask(host, &BootstrapRequest::Status, STATUS_TIMEOUT).await
        else {
            continue;
        };
        let Some(known) = find(&status, *range) else { continue };
        if known.replicas.contains(to) && !known.replicas.contains(from) {
            println!("{range} has its replica on {to}, and none on {from}");
            return ExitStatus::Done;
        }
        let Some(change) = &known.change else { continue };
        if change.add == Some(*to)
            && let Some(failure) = &change.failure
        {
            eprintln!("error: {failure}\n  do: quorate range describe {range} --host {host}");
            return ExitStatus::Failed;
        }
        let text = describe_change(change);
        if text != last {
            println!("{range}  {text}");
            last = text;
        }
    }
    eprintln!(
        "error: {range} is not on {to} within {timeout:?}; it may still come there\n  do: quorate range describe \
         {range} --host {host}"
    );
    ExitStatus::Failed
}
