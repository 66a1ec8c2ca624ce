//! Schemas, and what relations are.

/// A schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// `pg_catalog`, in which unqualified names are looked for first.
    Catalog,
    /// `information_schema`, whose relations are found by qualified names alone.
    Information,
    /// `public`: all tables of users.
    Public,
}

impl Schema {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Catalog, Self::Information, Self::Public];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "pg_catalog",
            Self::Information => "information_schema",
            Self::Public => "public",
        }
    }

    /// Its number, where PostgreSQL has given it one; the information schema's is ours.
    pub const fn oid(self) -> u32 {
        match self {
            Self::Catalog => 11,
            Self::Information => 12_000,
            Self::Public => 2_200,
        }
    }

    /// The schema of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schema| schema.name() == name)
    }
}

/// What PostgreSQL says a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table.
    Table,
    /// A view.
    View,
}
