//! Faults of a configuration, collected, and the checked value where there are none.

use std::fmt;

/// A checked value, and what is odd about it though not wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<T> {
    /// The value.
    pub value: T,
    /// Sentences for the person who typed it.
    pub warnings: Vec<String>,
}

/// One fault of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The flag at fault.
    pub flag: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// All faults of a configuration, in the order of the flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// An error that knows what to do about it.
pub trait Advise: fmt::Display {
    /// What to do.
    fn advice(&self) -> String;
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, flag: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Fault { flag, what: what.into(), advice: advice.into() });
    }

    /// The value, or nothing and a fault more.
    pub fn take<T, E: Advise>(&mut self, flag: &'static str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(flag, error.to_string(), error.advice())).ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}\n  do: {}", self.flag, self.what, self.advice)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}error: {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
