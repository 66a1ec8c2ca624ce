//! What the Rust clients share: a step prints one line and does not keep the next from being tried.

use std::fmt::Debug;

/// Prints a step's outcome.
pub fn say<T: Debug>(feature: &str, name: &str, outcome: Result<T, String>) {
    let text = match outcome {
        Ok(value) => format!("{value:?}"),
        Err(text) => text,
    };
    println!("{feature} / {name}: {}", text.replace('\n', "\\n"));
}

/// A variable that the harness sets.
///
/// # Panics
///
/// Where it is not set.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// The server's address as a URL.
#[must_use]
pub fn url() -> String {
    let [user, host, port, database] = ["PGUSER", "PGHOST", "PGPORT", "PGDATABASE"].map(variable);
    format!("postgres://{user}@{host}:{port}/{database}")
}
