//! Parameters that a client is told of at the start: what drivers look at before their first statement.

use std::collections::BTreeMap;

use super::SERVER_VERSION;

/// What holds in every session, where the session itself does not say otherwise.
const FIXED: &[(&str, &str)] = &[
    ("server_version", SERVER_VERSION),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
    ("is_superuser", "on"),
    ("in_hot_standby", "off"),
    ("default_transaction_read_only", "off"),
];

/// All parameters, by name.
pub fn at_start(user: &str, application_name: &str, session: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut all: BTreeMap<String, String> =
        FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.insert("application_name".to_owned(), application_name.to_owned());
    all.insert("session_authorization".to_owned(), user.to_owned());
    all.extend(session);
    // The number that clients choose their features by is the wire's own.
    all.insert("server_version".to_owned(), SERVER_VERSION.to_owned());
    all.into_iter().collect()
}
