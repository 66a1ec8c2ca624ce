//! `pg_roles`, `pg_user`, `pg_namespace`, `pg_database`. There are no roles yet: whoever connects may do all. All objects
//! belong to `root`, and a session's user is a role while it lasts.

use super::state::SystemState;
use super::values::{NULL, flag, nulls, number, text};
use crate::catalog::system::Schema;
use crate::types::Row;

/// Who all objects belong to.
pub const OWNER: &str = "root";
/// Its number: that of PostgreSQL's first role.
pub const OWNER_OID: u32 = 10;
/// The session's user, where that is another.
const USER_OID: u32 = 16_383;
/// PostgreSQL's number for UTF-8.
const UTF8: u32 = 6;
/// The database, by the number of the first one that PostgreSQL's users work with.
const DATABASE_OID: u32 = 5;
/// PostgreSQL's default tablespace.
const DEFAULT_TABLESPACE: u32 = 1_663;

/// Numbers and names of all roles.
pub fn all(state: &SystemState<'_>) -> Vec<(u32, String)> {
    let mut all = vec![(OWNER_OID, OWNER.to_owned())];
    if state.user != OWNER {
        all.push((USER_OID, state.user.to_owned()));
    }
    all
}

/// `pg_roles`.
pub fn roles(state: &SystemState<'_>) -> Vec<Row> {
    let row = |(oid, name): (u32, String)| {
        let mut row = vec![text(name)];
        row.extend((0..6).map(|_| flag(true)));
        row.extend([number(-1), text("********"), NULL, flag(true), NULL, number(oid)]);
        row
    };
    all(state).into_iter().map(row).collect()
}

/// `pg_user`.
pub fn users(state: &SystemState<'_>) -> Vec<Row> {
    let row = |(oid, name): (u32, String)| {
        let mut row = vec![text(name), number(oid)];
        row.extend((0..4).map(|_| flag(true)));
        row.extend([text("********"), NULL, NULL]);
        row
    };
    all(state).into_iter().map(row).collect()
}

/// `pg_namespace`.
pub fn schemas() -> Vec<Row> {
    let row = |schema: Schema| vec![number(schema.oid()), text(schema.name()), number(OWNER_OID), NULL];
    Schema::ALL.into_iter().map(row).collect()
}

/// `pg_database`: the one that there is, by the name that the client has for it.
pub fn databases(state: &SystemState<'_>) -> Vec<Row> {
    let mut row = vec![number(DATABASE_OID), text(state.database), number(OWNER_OID), number(UTF8)];
    row.extend([text("c"), flag(false), flag(true), number(-1), number(0), number(0)]);
    row.extend([number(DEFAULT_TABLESPACE), text("C"), text("C")]);
    row.extend(nulls(3));
    vec![row]
}
