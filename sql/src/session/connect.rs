//! How sessions of a node begin.

use std::sync::Arc;

use super::{Session, SessionOptions};
use crate::error::{SqlError, SqlState};
use crate::node::{DATABASE, SqlNode};

/// Names under which clients find it: tools that administer a server look for PostgreSQL's own.
const DATABASES: &[&str] = &[DATABASE, "postgres"];

impl SqlNode {
    /// A session of one client.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Session {
        Session::new(Arc::clone(self), options)
    }

    /// A session of a client that connects: to a database that exists, with settings that hold from the start and come
    /// back with RESET.
    ///
    /// # Errors
    /// 3D000 for another database; for settings as [`Session::set_at_connect`].
    pub fn connect(
        self: &Arc<Self>,
        options: SessionOptions,
        settings: &[(String, String)],
    ) -> Result<Session, SqlError> {
        if !DATABASES.contains(&options.database.as_str()) {
            let message = format!("database \"{}\" does not exist", options.database);
            return Err(SqlError::new(SqlState::UndefinedDatabase, message).with_hint(format!(
                "There is one database, \"{DATABASE}\"; say dbname={DATABASE}. Clients may call it {} too.",
                DATABASES.iter().skip(1).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
            )));
        }
        let mut session = self.session(options);
        for (name, value) in settings {
            session.set_at_connect(name, value)?;
        }
        Ok(session)
    }
}
