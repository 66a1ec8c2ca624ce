//! Connections to whatever speaks PostgreSQL's wire protocol, and what its errors mean.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::error::{BenchError, Fate, OpError};

/// Rows of one INSERT while loading.
const LOAD_ROWS: i64 = 500;

/// Where a system's SQL is served.
#[derive(Clone, Debug)]
pub struct SqlSystem {
    name: &'static str,
    urls: Vec<String>,
}

impl SqlSystem {
    /// Of this name, at these addresses.
    pub fn new(name: &'static str, urls: Vec<String>) -> Self {
        Self { name, urls }
    }

    /// The addresses.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Connects client `number` to its node, by turns.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn connect(&self, number: usize) -> Result<Client, BenchError> {
        let url = self.urls.get(number % self.urls.len().max(1)).map_or("", String::as_str);
        connect(url).await.map_err(|error| self.error(format!("connecting to {url}"), &error))
    }

    /// An error of this system, in this bench's terms.
    pub fn error(&self, what: impl Into<String>, error: &tokio_postgres::Error) -> BenchError {
        BenchError::System { system: self.name.to_owned(), what: what.into(), detail: words_of(error) }
    }

    /// Runs statements on a connection of their own.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn run(&self, statements: &str) -> Result<(), BenchError> {
        let client = self.connect(0).await?;
        client.batch_execute(statements).await.map_err(|error| self.error(statements, &error))
    }

    /// Inserts the rows of ids 0 to `count`, each in words.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn fill(
        &self,
        client: &Client,
        table: &str,
        count: i64,
        row: impl Fn(i64) -> String,
    ) -> Result<(), BenchError> {
        let mut first = 0;
        while first < count {
            let rows: Vec<String> = (first..count.min(first + LOAD_ROWS)).map(&row).collect();
            let statement = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
            let loaded = client.batch_execute(&statement).await;
            loaded.map_err(|error| self.error(format!("loading {table}"), &error))?;
            first += LOAD_ROWS;
        }
        Ok(())
    }
}

/// Connects; the connection's task ends with the client.
///
/// # Errors
/// The node does not answer.
pub async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        // Its end is told to whoever waits for an answer.
        let _ = connection.await;
    });
    Ok(client)
}

/// The server's message with its SQLSTATE, or the driver's.
pub fn words_of(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} (SQLSTATE {})", error.message(), error.code().code()),
        None => error.to_string(),
    }
}

impl From<tokio_postgres::Error> for OpError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { fate: error.code().map_or(Fate::Unknown, fate_of), detail: words_of(&error) }
    }
}

/// What a SQLSTATE says of a statement: a syntax error, a constraint or a conflict means that it has not happened; of
/// all others nobody should be sure.
fn fate_of(state: &SqlState) -> Fate {
    match state.code() {
        "40001" | "40P01" => Fate::Retry,
        code if ["0A", "22", "23", "25", "42"].iter().any(|class| code.starts_with(class)) => Fate::Refused,
        _ => Fate::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_follow_from_the_sqlstate() {
        let fate = |code| fate_of(&SqlState::from_code(code));
        assert_eq!((fate("40001"), fate("40P01")), (Fate::Retry, Fate::Retry));
        assert_eq!((fate("23505"), fate("42P01")), (Fate::Refused, Fate::Refused));
        assert_eq!(
            (fate("40003"), fate("57P01"), fate("08006")),
            (Fate::Unknown, Fate::Unknown, Fate::Unknown)
        );
    }
}
