//! What FROM may name.

use super::{Expr, Name, TableRef};

/// What FROM names.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// A table.
    Table(TableRef),
    /// A function whose result is read as a table.
    Function(FunctionRef),
    /// Rows.
    Values(ValuesRef),
}

/// `f(a, b) [WITH ORDINALITY] [AS t (x, y)]` in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionRef {
    /// The call.
    pub call: Expr,
    /// Each row ends in its number.
    pub ordinality: bool,
    /// `AS t (x, y)`.
    pub alias: Option<Alias>,
}

/// `(VALUES …) AS t (x, y)` in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuesRef {
    /// The rows.
    pub rows: Vec<Vec<Expr>>,
    /// `AS t (x, y)`.
    pub alias: Alias,
}

/// The name of a relation in its statement, perhaps with names for its first columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The relation's.
    pub name: Name,
    /// The columns'.
    pub columns: Vec<Name>,
}
