//! Connecting, and the diagnosis where it fails: what happened, and the command to run.

use std::fmt;
use std::io;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use super::report;
use crate::cli::ExitStatus;
use crate::shell::report::Report;

/// How long a connection may take, where the URL does not say: a live node answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The URL makes no sense, or asks for something that Quorate does not have.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Nobody answers, or not as a SQL server.
    Unreachable {
        /// What happened.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The node answered, and refused.
    Refused(Box<Report>),
}

impl ConnectFailure {
    /// How the shell ends.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Usage { .. } => ExitStatus::Usage,
            Self::Unreachable { .. } | Self::Refused(_) => ExitStatus::Unreachable,
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { what, advice } | Self::Unreachable { what, advice } => {
                write!(f, "error: {what}\n  do: {advice}")
            }
            Self::Refused(report) => write!(f, "{}", report.render("")),
        }
    }
}

/// Opens a connection and drives it in a task of its own.
pub async fn connect(url: &str) -> Result<Client, ConnectFailure> {
    let config = config(url)?;
    let target = target(&config);
    let (client, connection) = config.connect(NoTls).await.map_err(|error| diagnose(&error, &target))?;
    tokio::spawn(drive(connection));
    Ok(client)
}

fn config(url: &str) -> Result<Config, ConnectFailure> {
    let example = "write postgres://USER@HOST:PORT/DATABASE, such as postgres://root@127.0.0.1:5401/quorate";
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
        ConnectFailure::Usage {
            what: format!("'{url}' is no URL of a database: {cause}"),
            advice: example.to_owned(),
        }
    })?;
    if config.get_hosts().is_empty() {
        let what = format!("'{url}' names no host");
        return Err(ConnectFailure::Usage { what, advice: example.to_owned() });
    }
    if config.get_ssl_mode() == SslMode::Require {
        let what = "the URL asks for TLS, which Quorate does not have yet".to_owned();
        return Err(ConnectFailure::Usage { what, advice: "leave sslmode out of the URL".to_owned() });
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("quorate sql");
    }
    Ok(config)
}

/// Hosts and ports, for messages.
fn target(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let host = |(at, host): (usize, &Host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        Host::Unix(path) => path.display().to_string(),
    };
    config.get_hosts().iter().enumerate().map(host).collect::<Vec<_>>().join(", ")
}

fn diagnose(error: &tokio_postgres::Error, target: &str) -> ConnectFailure {
    if let Some(report) = report(error) {
        return ConnectFailure::Refused(Box::new(report));
    }
    let source = std::error::Error::source(error);
    let kind = source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    let cause = source.map_or(error.to_string(), ToString::to_string);
    let advice = match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            "nothing listens there: start the node (quorate start --help), or name the --sql address of one that runs"
        }
        Some(io::ErrorKind::TimedOut) => {
            "no answer: look at the network and the firewall, or name the --sql address of another node"
        }
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            "something else listens there: name the --sql address, not the one of --listen or --http"
        }
        Some(_) => "look at the host's name, or name the --sql address of another node",
        None if error.is_closed() => "something else listens there: name the --sql address of a node",
        None => "name the --sql address of a node, such as postgres://root@127.0.0.1:5401/quorate",
    };
    let what = format!("cannot connect to {target}: {cause}");
    ConnectFailure::Unreachable { what, advice: advice.to_owned() }
}

/// Carries messages until the connection ends; notices are printed as they come.
async fn drive(mut connection: Connection<Socket, tokio_postgres::tls::NoTlsStream>) {
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                eprintln!("{}: {}", notice.severity(), notice.message());
            }
            Ok(_) => {}
            // The statement that waits for an answer reports it.
            Err(_) => return,
        }
    }
}
