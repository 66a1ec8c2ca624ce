//! CREATE, ALTER and DROP SEQUENCE, and the sequences of new columns.

use std::sync::Arc;

use super::{Binder, naming};
use crate::catalog::descriptor::{ColumnDescriptor, TableDescriptor};
use crate::catalog::sequence::{Place, SequenceDescriptor, SequenceOwner, bounds_of};
use crate::error::{SqlError, SqlState};
use crate::expr::{CastKind, Expr};
use crate::parser::ast::sequence::{ColumnName, Generated, SequenceOptions, SequenceStatement};
use crate::parser::ast::{ColumnDefinition, Name};
use crate::types::DataType;

/// A bound statement about sequences.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundSequence {
    /// `CREATE SEQUENCE`. Whether the name is free is for the one who creates it.
    Create {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The sequence, with id 0.
        sequence: SequenceDescriptor,
        /// The table that it belongs to.
        owner: Option<Arc<TableDescriptor>>,
    },
    /// `ALTER SEQUENCE`.
    Alter {
        /// Its next version.
        sequence: SequenceDescriptor,
        /// The table that it belongs to from now on.
        owner: Option<Arc<TableDescriptor>>,
    },
    /// `ALTER SEQUENCE IF EXISTS` of one that does not.
    AlterMissing {
        /// Its name.
        name: String,
    },
    /// `DROP SEQUENCE`.
    Drop {
        /// Sequences that exist.
        sequences: Vec<Arc<SequenceDescriptor>>,
        /// Names that do not; only with `IF EXISTS`.
        missing: Vec<String>,
    },
}

/// The sequence of a column of a new table.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSequence {
    /// The sequence, with id 0; it belongs to the column, of a table with id 0.
    pub sequence: SequenceDescriptor,
    /// The column's id.
    pub column_id: u32,
}

impl ColumnSequence {
    /// Lets the column of a table, which has its id, take its values from the sequence with this id.
    pub fn connect(&self, table: &mut TableDescriptor, sequence_id: u64) {
        let own = table.columns.iter_mut().find(|column| column.id == self.column_id);
        if let Some(column) = own {
            column.default = Some(next_value_of(column.data_type, sequence_id));
        }
    }

    /// The descriptor for a table with this id.
    #[must_use]
    pub fn of_table(&self, table_id: u64) -> SequenceDescriptor {
        let owner = self.sequence.owner.map(|owner| owner.of_table(table_id));
        SequenceDescriptor { owner, ..self.sequence.clone() }
    }
}

/// The next value of a sequence as a column's default.
fn next_value_of(data_type: DataType, sequence_id: u64) -> Expr {
    let value = Expr::next_value(sequence_id);
    if data_type == DataType::Int8 {
        return value;
    }
    Expr::Cast { operand: Box::new(value), to: data_type, kind: CastKind::Assignment }
}

impl Binder<'_> {
    /// Binds a statement about sequences.
    pub(super) fn sequence_statement(
        &self,
        statement: &SequenceStatement,
    ) -> Result<BoundSequence, SqlError> {
        match statement {
            SequenceStatement::Create { if_not_exists, name, options } => {
                naming::check_name(name)?;
                self.check_generation(3, "CREATE SEQUENCE")?;
                let sequence = created(name.value.clone(), options)?;
                let (owner, table) = self.owner(options.owner.as_ref())?;
                let sequence = SequenceDescriptor { owner, ..sequence };
                Ok(BoundSequence::Create { if_not_exists: *if_not_exists, sequence, owner: table })
            }
            SequenceStatement::Alter { if_exists, name, options } => {
                self.alter_sequence(*if_exists, name, options)
            }
            SequenceStatement::Drop { if_exists, names, cascade } => {
                self.drop_sequence(*if_exists, names, *cascade)
            }
        }
    }

    /// The sequence of a name.
    fn sequence(&self, name: &Name) -> Result<Arc<SequenceDescriptor>, SqlError> {
        self.catalog.sequence(&name.value).ok_or_else(|| match self.catalog.table(&name.value) {
            Some(_) => {
                let message = format!("\"{}\" is not a sequence", name.value);
                SqlError::new(SqlState::WrongObjectType, message)
            }
            None => {
                let message = format!("relation \"{}\" does not exist", name.value);
                SqlError::new(SqlState::UndefinedTable, message)
            }
        })
    }

    fn alter_sequence(
        &self,
        if_exists: bool,
        name: &Name,
        options: &SequenceOptions,
    ) -> Result<BoundSequence, SqlError> {
        let known = match self.sequence(name) {
            Err(error) if if_exists && error.state == SqlState::UndefinedTable => {
                return Ok(BoundSequence::AlterMissing { name: name.value.clone() });
            }
            found => found?,
        };
        let altered = changed(&known, options, false)?;
        if options.owner.is_none() {
            return Ok(BoundSequence::Alter { sequence: altered, owner: None });
        }
        if let Some(owner) = known.owner.filter(|owner| owner.is_identity) {
            let error =
                SqlError::new(SqlState::FeatureNotSupported, "cannot change ownership of identity sequence");
            let table = self.catalog.table_names().into_iter().filter_map(|name| self.catalog.table(&name));
            let of_owner = table.into_iter().find(|table| table.id == owner.table_id);
            let table = of_owner.map_or_else(String::new, |table| table.name.clone());
            return Err(
                error.with_detail(format!("Sequence \"{}\" is linked to table \"{table}\".", known.name))
            );
        }
        let (owner, table) = self.owner(options.owner.as_ref())?;
        Ok(BoundSequence::Alter { sequence: SequenceDescriptor { owner, ..altered }, owner: table })
    }

    /// The column of OWNED BY, and its table.
    fn owner(
        &self,
        owner: Option<&Option<ColumnName>>,
    ) -> Result<(Option<SequenceOwner>, Option<Arc<TableDescriptor>>), SqlError> {
        let Some(Some(name)) = owner else { return Ok((None, None)) };
        let table = self.table(&name.table).map_err(|error| SqlError { position: None, ..error })?;
        let mut visible = table.columns.iter().filter(|column| !column.hidden);
        let Some(column) = visible.find(|column| column.name == name.column.value) else {
            let message =
                format!("column \"{}\" of relation \"{}\" does not exist", name.column.value, table.name);
            return Err(SqlError::new(SqlState::UndefinedColumn, message));
        };
        let owner = SequenceOwner { table_id: table.id, column_id: column.id, is_identity: false };
        Ok((Some(owner), Some(table)))
    }

    fn drop_sequence(
        &self,
        if_exists: bool,
        names: &[Name],
        cascade: bool,
    ) -> Result<BoundSequence, SqlError> {
        let (mut sequences, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match self.sequence(name) {
                Ok(sequence) if sequences.contains(&sequence) => {}
                Ok(sequence) => {
                    self.check_unused(&sequence, cascade)?;
                    sequences.push(sequence);
                }
                Err(error) if error.state == SqlState::WrongObjectType => {
                    return Err(error.with_hint("Use DROP TABLE to remove a table."));
                }
                Err(_) if if_exists => missing.push(name.value.clone()),
                Err(error) => {
                    let message = format!("sequence \"{}\" does not exist", name.value);
                    return Err(SqlError { message, ..error });
                }
            }
        }
        Ok(BoundSequence::Drop { sequences, missing })
    }

    /// Fails for a sequence whose values a column needs.
    fn check_unused(&self, sequence: &SequenceDescriptor, cascade: bool) -> Result<(), SqlError> {
        let users = self.catalog.users_of(sequence.id);
        let Some((table, column)) = users.first() else { return Ok(()) };
        let name = &sequence.name;
        if sequence.owner.is_some_and(|owner| owner.is_identity) {
            let message = format!(
                "cannot drop sequence {name} because column {column} of table {} requires it",
                table.name
            );
            return Err(SqlError::new(SqlState::DependentObjectsStillExist, message)
                .with_hint(format!("You can drop column {column} of table {} instead.", table.name)));
        }
        if cascade {
            return Err(SqlError::unsupported("DROP SEQUENCE … CASCADE of a sequence that a default needs"));
        }
        Err(still_needed(&format!("sequence {name}"), &users, name))
    }

    /// Fails for a table with a sequence that columns of tables need which stay.
    pub(super) fn check_sequences_unused(
        &self,
        table: &TableDescriptor,
        dropped: &[Arc<TableDescriptor>],
    ) -> Result<(), SqlError> {
        for sequence in self.catalog.sequences_of(table.id) {
            let mut users = self.catalog.users_of(sequence.id);
            users.retain(|(user, _)| user.id != table.id && dropped.iter().all(|other| other.id != user.id));
            if !users.is_empty() {
                return Err(still_needed(&format!("table {}", table.name), &users, &sequence.name));
            }
        }
        Ok(())
    }

    /// The sequence of a column of a new table, where its definition asks for one. `taken` has the names of the statement.
    pub(super) fn column_sequence(
        &self,
        table: &Name,
        definition: &ColumnDefinition,
        column: &mut ColumnDescriptor,
        taken: &[String],
    ) -> Result<Option<ColumnSequence>, SqlError> {
        let Some(generated) = &definition.generated else { return Ok(None) };
        let name = &column.name;
        if column.default.is_some() {
            let message = format!(
                "multiple default values specified for column \"{name}\" of table \"{}\"",
                table.value
            );
            return Err(SqlError::new(SqlState::SyntaxError, message));
        }
        let is_identity = matches!(generated, Generated::Identity(..));
        if is_identity && !column.data_type.is_integer() {
            let message = "identity column type must be smallint, integer, or bigint";
            return Err(SqlError::new(SqlState::InvalidParameterValue, message));
        }
        column.nullable = false;
        let mut options = SequenceOptions { data_type: Some(column.data_type), ..SequenceOptions::default() };
        if let Generated::Identity(identity, given) = generated {
            column.identity = Some(*identity);
            options = SequenceOptions { data_type: options.data_type, ..given.as_ref().clone() };
        }
        let sequence_name = self.free_name(&table.value, name, taken);
        let owner = SequenceOwner { table_id: 0, column_id: column.id, is_identity };
        let sequence = SequenceDescriptor { owner: Some(owner), ..created(sequence_name, &options)? };
        Ok(Some(ColumnSequence { sequence, column_id: column.id }))
    }

    /// `t_c_seq`, or with a number behind it the first of such names that is free.
    fn free_name(&self, table: &str, column: &str, taken: &[String]) -> String {
        let is_taken = |name: &String| {
            taken.contains(name)
                || self.catalog.table(name).is_some()
                || self.catalog.sequence(name).is_some()
        };
        let label = |number: u32| if number == 0 { "seq".to_owned() } else { format!("seq{number}") };
        let names = (0..).map(|number| naming::object_name(table, column, &label(number)));
        names.into_iter().find(|name| !is_taken(name)).unwrap_or_default()
    }
}

fn still_needed(what: &str, users: &[(Arc<TableDescriptor>, String)], sequence: &str) -> SqlError {
    let message = format!("cannot drop {what} because other objects depend on it");
    let details = users.iter().map(|(table, column)| {
        format!("default value for column {column} of table {} depends on sequence {sequence}", table.name)
    });
    SqlError::new(SqlState::DependentObjectsStillExist, message)
        .with_detail(details.collect::<Vec<_>>().join("\n"))
        .with_hint("Drop the tables that use it first, or together with it.")
}

/// A new sequence, which belongs to nobody.
fn created(name: String, options: &SequenceOptions) -> Result<SequenceDescriptor, SqlError> {
    let blank = SequenceDescriptor {
        id: 0,
        name,
        version: 0,
        epoch: 0,
        data_type: DataType::Int8,
        increment: 1,
        min: 1,
        max: i64::MAX,
        start: 1,
        cache: 1,
        cycles: false,
        origin: Place { value: 1, is_called: false },
        owner: None,
    };
    changed(&blank, options, true)
}

/// A sequence with these options: its next version. What follows from what, and which of the bounds that nobody has named
/// follow a new type, is as PostgreSQL's `init_params` has it.
fn changed(
    known: &SequenceDescriptor,
    options: &SequenceOptions,
    is_new: bool,
) -> Result<SequenceDescriptor, SqlError> {
    let mut sequence = SequenceDescriptor { version: known.version + 1, ..known.clone() };
    sequence.data_type = options.data_type.unwrap_or(known.data_type);
    let (least, greatest) = bounds_of(sequence.data_type);
    let (old_least, old_greatest) = bounds_of(known.data_type);
    sequence.increment = options.increment.unwrap_or(known.increment);
    sequence.cycles = options.cycles.unwrap_or(known.cycles);
    sequence.cache = options.cache.unwrap_or(known.cache);
    let rises = sequence.increment > 0;
    let retyped = !is_new && options.data_type.is_some();
    let (max_follows, min_follows) =
        (retyped && known.max == old_greatest, retyped && known.min == old_least);
    sequence.max = match options.max {
        Some(Some(max)) => max,
        None if !is_new && !max_follows => known.max,
        Some(None) | None if rises || max_follows => greatest,
        Some(None) | None => -1,
    };
    sequence.min = match options.min {
        Some(Some(min)) => min,
        None if !is_new && !min_follows => known.min,
        Some(None) | None if !rises || min_follows => least,
        Some(None) | None => 1,
    };
    sequence.start = match options.start {
        Some(start) => start,
        None if !is_new => known.start,
        None if rises => sequence.min,
        None => sequence.max,
    };
    if is_new {
        sequence.origin = Place { value: sequence.start, is_called: false };
    }
    if let Some(restart) = options.restart {
        sequence.origin = Place { value: restart.unwrap_or(sequence.start), is_called: false };
        sequence.epoch += 1;
    }
    check(&sequence, options.restart.is_some())?;
    Ok(sequence)
}

fn check(sequence: &SequenceDescriptor, restarts: bool) -> Result<(), SqlError> {
    let SequenceDescriptor { min, max, start, .. } = sequence;
    let (least, greatest) = bounds_of(sequence.data_type);
    let data_type = sequence.data_type;
    let origin = sequence.origin.value;
    let wrong = |what: String| Err(SqlError::new(SqlState::InvalidParameterValue, what));
    if sequence.increment == 0 {
        return wrong("INCREMENT must not be zero".to_owned());
    }
    if !(least..=greatest).contains(max) {
        return wrong(format!("MAXVALUE ({max}) is out of range for sequence data type {data_type}"));
    }
    if !(least..=greatest).contains(min) {
        return wrong(format!("MINVALUE ({min}) is out of range for sequence data type {data_type}"));
    }
    if min >= max {
        return wrong(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})"));
    }
    if start < min {
        return wrong(format!("START value ({start}) cannot be less than MINVALUE ({min})"));
    }
    if start > max {
        return wrong(format!("START value ({start}) cannot be greater than MAXVALUE ({max})"));
    }
    if restarts && origin < *min {
        return wrong(format!("RESTART value ({origin}) cannot be less than MINVALUE ({min})"));
    }
    if restarts && origin > *max {
        return wrong(format!("RESTART value ({origin}) cannot be greater than MAXVALUE ({max})"));
    }
    if sequence.cache <= 0 {
        return wrong(format!("CACHE ({}) must be greater than zero", sequence.cache));
    }
    Ok(())
}
