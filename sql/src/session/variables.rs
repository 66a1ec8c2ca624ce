//! Session variables: `SET`, `SHOW`, and what a client is told when they change.
//!
//! ```text
//! what SHOW says  =  SET of the session or transaction, else what the client asked for at connect, else the default
//! ```
//!
//! RESET goes back to what the client asked for. A name with a dot is the application's own: it is there, as an empty
//! text, from the moment on at which anybody sets it, whatever becomes of the transaction.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{SqlError, SqlState};
use crate::limits::CUSTOM_VARIABLES_MAX;

pub mod custom;
pub mod definitions;
pub mod settings;
pub mod values;

use definitions::{
    CLIENT_MIN_MESSAGES, DEFAULT_READ_ONLY, DEFINITIONS, Definition, IDLE_IN_TRANSACTION_TIMEOUT,
    IDLE_TIMEOUT, SEVERITIES, STATEMENT_TIMEOUT,
};
use values::millis_of;

/// Name of a variable: that of its definition, or the application's, in lower case.
type VariableName = Cow<'static, str>;
/// Values by name.
type Values = BTreeMap<VariableName, String>;

/// A session's variables.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// Values that differ from the defaults.
    values: Arc<Values>,
    /// Defaults of this session: the user, and what the client asked for at connect.
    session_defaults: Values,
    /// Values before `SET LOCAL`, to come back at the transaction's end; `None` for the default.
    before_local: Arc<BTreeMap<VariableName, Option<String>>>,
    /// All values as the transaction began, to come back when it is rolled back.
    before_transaction: Option<Arc<Values>>,
    /// The application's own that are there.
    custom: BTreeSet<String>,
    /// Reported ones that may have changed, with the values that the client knows.
    changed: BTreeMap<&'static str, String>,
}

/// Variables as they were at a savepoint: what was not set since is the same one.
#[derive(Clone, Debug)]
pub struct VariablesMark {
    values: Arc<Values>,
    before_local: Arc<BTreeMap<VariableName, Option<String>>>,
}

impl Variables {
    /// Variables of a new session of this user.
    pub fn new(user: &str) -> Self {
        let session_defaults = [(Cow::Borrowed("session_authorization"), user.to_owned())].into();
        Self { session_defaults, ..Self::default() }
    }

    /// Sets what the client asks for as it connects: RESET goes back to it.
    ///
    /// # Errors
    /// As [`Variables::set`].
    pub fn set_at_connect(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let (name, value) = match self.find(name)? {
            Found::Defined(definition) => (Cow::Borrowed(definition.name), definition.check(value)?),
            Found::Custom(name) => {
                self.declare(&name)?;
                (Cow::Owned(name), custom::check_value(value)?)
            }
        };
        self.session_defaults.insert(name, value);
        Ok(())
    }

    /// A variable's value.
    ///
    /// # Errors
    /// 42704 where there is none of this name.
    pub fn get(&self, name: &str) -> Result<String, SqlError> {
        match self.find(name)? {
            Found::Defined(definition) => Ok(self.value_of(definition).to_owned()),
            Found::Custom(custom) if self.custom.contains(&custom) => {
                Ok(self.chosen(&custom).unwrap_or_default().to_owned())
            }
            Found::Custom(_) => Err(unrecognized(name)),
        }
    }

    /// Sets a variable, until the session's or (`local`) the transaction's end; `None` sets its default.
    ///
    /// # Errors
    /// 42704 for an unknown name, 42602 for one that no variable can have, 22023 for a value that it cannot have, 55P02
    /// where it cannot be set.
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), SqlError> {
        let definition = match self.find(name)? {
            Found::Defined(definition) => definition,
            Found::Custom(name) => {
                self.declare(&name)?;
                let value = value.map(custom::check_value).transpose()?;
                self.replace_one(Cow::Owned(name), value, local);
                return Ok(());
            }
        };
        let value = value.map(|value| definition.check(value)).transpose()?;
        let before = self.value_of(definition).to_owned();
        self.replace_one(Cow::Borrowed(definition.name), value, local);
        self.note_change(definition, &before);
        Ok(())
    }

    fn replace_one(&mut self, name: VariableName, value: Option<String>, local: bool) {
        let old = match value {
            Some(value) => Arc::make_mut(&mut self.values).insert(name.clone(), value),
            None => Arc::make_mut(&mut self.values).remove(&name),
        };
        if local {
            Arc::make_mut(&mut self.before_local).entry(name).or_insert(old);
        } else if self.before_local.contains_key(&name) {
            // What is set for the session stays, whatever was set for the transaction before.
            Arc::make_mut(&mut self.before_local).remove(&name);
        }
    }

    /// What a name means.
    fn find(&self, name: &str) -> Result<Found, SqlError> {
        match definition(name) {
            Some(definition) => Ok(Found::Defined(definition)),
            None if name.contains('.') => Ok(Found::Custom(name.to_lowercase())),
            None => Err(unrecognized(name)),
        }
    }

    /// Makes sure that a variable is there, one of the application's own as an empty text.
    ///
    /// # Errors
    /// 42704 for an unknown name, 42602 for one that no variable can have, 54000 for too many.
    pub fn declare(&mut self, name: &str) -> Result<(), SqlError> {
        let Found::Custom(name) = self.find(name)? else { return Ok(()) };
        if self.custom.contains(&name) {
            return Ok(());
        }
        custom::check_name(&name)?;
        if self.custom.len() >= CUSTOM_VARIABLES_MAX {
            let message = format!("a session has at most {CUSTOM_VARIABLES_MAX} parameters of its own");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message));
        }
        self.custom.insert(name);
        Ok(())
    }

    /// Sets all defaults.
    pub fn reset(&mut self) {
        self.before_local = Arc::default();
        self.replace(Arc::default());
    }

    /// Notes that a transaction begins.
    pub fn begin(&mut self) {
        self.before_transaction = Some(Arc::clone(&self.values));
    }

    /// Notes that the transaction has ended: `SET LOCAL` ends, and all of SET where it was rolled back.
    pub fn end(&mut self, is_committed: bool) {
        let before = self.before_transaction.take();
        let mut values = match before {
            Some(before) if !is_committed => before,
            Some(_) | None => Arc::clone(&self.values),
        };
        for (name, value) in Arc::unwrap_or_clone(std::mem::take(&mut self.before_local)) {
            let values = Arc::make_mut(&mut values);
            match value {
                Some(value) => values.insert(name, value),
                None => values.remove(&name),
            };
        }
        self.replace(values);
    }

    /// What [`Variables::go_back_to`] goes back to.
    pub fn mark(&self) -> VariablesMark {
        VariablesMark { values: Arc::clone(&self.values), before_local: Arc::clone(&self.before_local) }
    }

    /// Undoes what was set since a mark of the same transaction.
    pub fn go_back_to(&mut self, mark: &VariablesMark) {
        self.before_local.clone_from(&mark.before_local);
        self.replace(Arc::clone(&mark.values));
    }

    /// Name and description of all.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        DEFINITIONS.iter().map(|definition| (definition.name, definition.description))
    }

    /// Those that a client is told of.
    pub fn reported(&self) -> Vec<(String, String)> {
        let reported = DEFINITIONS.iter().filter(|definition| definition.is_reported);
        reported
            .map(|definition| (definition.name.to_owned(), self.value_of(definition).to_owned()))
            .collect()
    }

    /// Those of [`Variables::reported`] that changed since the last call, each once.
    pub fn take_changed(&mut self) -> Vec<(String, String)> {
        let known = std::mem::take(&mut self.changed);
        let now = |name: &'static str| {
            definition(name).map(|definition| self.value_of(definition).to_owned()).unwrap_or_default()
        };
        let changed = known.into_iter().map(|(name, known)| (name, known, now(name)));
        changed.filter(|(_, known, now)| known != now).map(|(name, _, now)| (name.to_owned(), now)).collect()
    }

    /// `statement_timeout` in microseconds, where there is one.
    pub fn statement_timeout_micros(&self) -> Option<u64> {
        self.millis(STATEMENT_TIMEOUT).map(|millis| millis.saturating_mul(1_000))
    }

    /// How long a client may be silent, within a transaction or outside of it, where there is a limit.
    pub fn idle_timeout(&self, is_in_transaction: bool) -> Option<Duration> {
        let name = if is_in_transaction { IDLE_IN_TRANSACTION_TIMEOUT } else { IDLE_TIMEOUT };
        self.millis(name).map(Duration::from_millis)
    }

    /// Whether transactions may not write unless they say so.
    pub fn is_read_only_by_default(&self) -> bool {
        self.chosen(DEFAULT_READ_ONLY) == Some("on")
    }

    /// The rank of the least severity of notices that the client wants, where it has chosen one.
    pub fn least_notice(&self) -> Option<usize> {
        self.chosen(CLIENT_MIN_MESSAGES).and_then(severity_rank)
    }

    fn millis(&self, name: &str) -> Option<u64> {
        self.chosen(name).and_then(millis_of).filter(|millis| *millis > 0)
    }

    /// A value that somebody has chosen; `None` for the default.
    fn chosen(&self, name: &str) -> Option<&str> {
        self.values.get(name).or_else(|| self.session_defaults.get(name)).map(String::as_str)
    }

    fn replace(&mut self, values: Arc<Values>) {
        if values == self.values {
            return;
        }
        let before: Vec<String> =
            DEFINITIONS.iter().map(|definition| self.value_of(definition).to_owned()).collect();
        self.values = values;
        for (definition, before) in DEFINITIONS.iter().zip(before) {
            self.note_change(definition, &before);
        }
    }

    fn note_change(&mut self, definition: &Definition, before: &str) {
        let value = self.value_of(definition);
        if definition.is_reported && value != before {
            self.changed.entry(definition.name).or_insert_with(|| before.to_owned());
        }
    }

    fn value_of(&self, definition: &Definition) -> &str {
        self.chosen(definition.name).unwrap_or(definition.default)
    }
}

/// The rank of a severity, in any case; messages of no known one are sent always.
pub fn severity_rank(severity: &str) -> Option<usize> {
    SEVERITIES.iter().position(|one| one.eq_ignore_ascii_case(severity))
}

/// What a name means.
enum Found {
    /// One of PostgreSQL's or ours.
    Defined(&'static Definition),
    /// One of the application's own, if it is there, in lower case.
    Custom(String),
}

/// A variable's name as it is shown: in the letters of its definition.
pub fn shown_name(name: &str) -> &str {
    definition(name).map_or(name, |definition| definition.name)
}

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

fn unrecognized(name: &str) -> SqlError {
    let message = format!("unrecognized configuration parameter \"{name}\"");
    SqlError::new(SqlState::UndefinedObject, message)
        .with_hint("SHOW ALL lists the parameters of a session, SHOW CLUSTER SETTINGS those of the cluster.")
}
