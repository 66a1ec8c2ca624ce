//! The one error of SQL: a SQLSTATE, a message for a person, and where in the text it happened.

use std::fmt;

/// An error that goes to the client; the session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What kind of error, and so its SQLSTATE.
    pub state: SqlState,
    /// What happened, in one sentence.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Position in the statement's text in characters, from 1.
    pub position: Option<u32>,
    /// What of the catalog it is about, where a rule of a table is broken.
    pub object: Option<Box<ErrorObject>>,
    /// Name of the function in PostgreSQL that says the same, where drivers look at it.
    pub routine: Option<&'static str>,
}

/// The table whose rule is broken, and the rule: programs ask for these names, people read the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// Name of the table.
    pub table: String,
    /// Name of the column, where the rule is one of a column.
    pub column: Option<String>,
    /// Name of the constraint, where the rule has one.
    pub constraint: Option<String>,
}

macro_rules! sql_states {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal,)*) => {
        /// SQLSTATEs that Quorate gives out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SqlState { $($(#[doc = $doc])* $name,)* }

        impl SqlState {
            /// The five characters.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The state with this code, where Quorate knows it.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

sql_states! {
    /// No error: the state of a notice.
    SuccessfulCompletion = "00000",
    /// No error: the state of a warning.
    Warning = "01000",
    /// A protocol message that makes no sense.
    ProtocolViolation = "08P01",
    /// Not offered yet; the message names it.
    FeatureNotSupported = "0A000",
    /// One command would change a row twice.
    CardinalityViolation = "21000",
    /// A sequence has no further value.
    SequenceGeneratorLimitExceeded = "2200H",
    /// Text too long for its column.
    StringDataRightTruncation = "22001",
    /// Number out of range.
    NumericValueOutOfRange = "22003",
    /// A date or time that does not exist.
    DatetimeFieldOverflow = "22008",
    /// Text that is no date or time.
    InvalidDatetimeFormat = "22007",
    /// Division by zero.
    DivisionByZero = "22012",
    /// A substring of negative length.
    SubstringError = "22011",
    /// A LIKE pattern that ends in its escape character.
    InvalidEscapeSequence = "22025",
    /// A time zone further from UTC than any.
    InvalidTimeZoneDisplacement = "22009",
    /// LIMIT below zero.
    InvalidRowCountInLimit = "2201W",
    /// A pattern that is none.
    InvalidRegularExpression = "2201B",
    /// OFFSET below zero.
    InvalidRowCountInOffset = "2201X",
    /// A value in the binary format that is not of its type.
    InvalidBinaryRepresentation = "22P03",
    /// An unknown unit, a length that no type has, …
    InvalidParameterValue = "22023",
    /// NULL where a function takes none.
    NullValueNotAllowed = "22004",
    /// Text that is not of the type.
    InvalidTextRepresentation = "22P02",
    /// A COPY line that cannot be read.
    BadCopyFileFormat = "22P04",
    /// Bytes that are not UTF-8.
    CharacterNotInRepertoire = "22021",
    /// NULL in a NOT NULL column.
    NotNullViolation = "23502",
    /// A key that exists.
    UniqueViolation = "23505",
    /// BEGIN inside a transaction.
    ActiveSqlTransaction = "25001",
    /// A write in a read-only transaction.
    ReadOnlySqlTransaction = "25006",
    /// A client that was silent for too long within its transaction.
    IdleInTransactionSessionTimeout = "25P03",
    /// COMMIT or ROLLBACK outside a transaction.
    NoActiveSqlTransaction = "25P01",
    /// A statement in a failed transaction.
    InFailedSqlTransaction = "25P02",
    /// An unknown prepared statement.
    InvalidSqlStatementName = "26000",
    /// An unknown portal.
    InvalidCursorName = "34000",
    /// Something else needs what is to be dropped.
    DependentObjectsStillExist = "2BP01",
    /// Run the transaction again.
    SerializationFailure = "40001",
    /// It is not known whether the commit took effect.
    StatementCompletionUnknown = "40003",
    /// Text that is not SQL.
    SyntaxError = "42601",
    /// A savepoint that does not exist.
    InvalidSavepoint = "3B001",
    /// Text that is no name.
    InvalidName = "42602",
    /// A system catalog is not changed by statements.
    InsufficientPrivilege = "42501",
    /// A schema that there is not.
    InvalidSchemaName = "3F000",
    /// A database that does not exist.
    UndefinedDatabase = "3D000",
    /// A column that does not exist.
    UndefinedColumn = "42703",
    /// A name that could be several columns.
    AmbiguousColumn = "42702",
    /// A column named twice.
    DuplicateColumn = "42701",
    /// Something of a kind that does not do here.
    WrongObjectType = "42809",
    /// An operator or function that does not exist for these types.
    UndefinedFunction = "42883",
    /// A parameter that was not given.
    UndefinedParameter = "42P02",
    /// A table that does not exist.
    UndefinedTable = "42P01",
    /// A table that exists.
    DuplicateTable = "42P07",
    /// A value for a column that makes its own.
    GeneratedAlways = "428C9",
    /// A type, setting or other object that does not exist.
    UndefinedObject = "42704",
    /// A prepared statement that exists.
    DuplicatePreparedStatement = "42P05",
    /// Types that do not fit.
    DatatypeMismatch = "42804",
    /// A cast that does not exist.
    CannotCoerce = "42846",
    /// An operator that could be several.
    AmbiguousFunction = "42725",
    /// A column that cannot stand where it does.
    InvalidColumnReference = "42P10",
    /// A column outside GROUP BY and aggregates.
    GroupingError = "42803",
    /// A table definition that makes no sense.
    InvalidTableDefinition = "42P16",
    /// A type that could not be found out.
    IndeterminateDatatype = "42P18",
    /// A portal that exists.
    DuplicateCursor = "42P03",
    /// A cursor whose options contradict each other.
    InvalidCursorDefinition = "42P11",
    /// A table that a cursor reads.
    ObjectInUse = "55006",
    /// A lock that was waited for in vain.
    LockNotAvailable = "55P03",
    /// A setting that cannot be changed.
    CantChangeRuntimeParam = "55P02",
    /// Beyond a limit of Quorate.
    ProgramLimitExceeded = "54000",
    /// More columns than a table or result may have.
    TooManyColumns = "54011",
    /// A portal that has run, and cannot run again; a sequence that has given this session no value.
    ObjectNotInPrerequisiteState = "55000",
    /// A statement that is nested too deep.
    StatementTooComplex = "54001",
    /// Too many connections.
    TooManyConnections = "53300",
    /// Out of the memory that a statement may use.
    OutOfMemory = "53200",
    /// Cancelled.
    QueryCanceled = "57014",
    /// The node stops.
    AdminShutdown = "57P01",
    /// A client that was silent for too long.
    IdleSessionTimeout = "57P05",
    /// The node is not ready.
    CannotConnectNow = "57P03",
    /// A range without quorum, or another fault of the system.
    SystemError = "58000",
    /// The store failed.
    IoError = "58030",
    /// A defect of Quorate.
    InternalError = "XX000",
    /// Damaged stored bytes.
    DataCorrupted = "XX001",
}

impl SqlError {
    /// An error with this message.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            object: None,
            routine: None,
        }
    }

    /// The same with more detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a hint on what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the function's name that drivers look for.
    #[must_use]
    pub fn with_routine(mut self, name: &'static str) -> Self {
        self.routine = Some(name);
        self
    }

    /// The same about a column of a table.
    #[must_use]
    pub fn about_column(mut self, table: impl Into<String>, column: impl Into<String>) -> Self {
        let column = Some(column.into());
        self.object = Some(Box::new(ErrorObject { table: table.into(), column, constraint: None }));
        self
    }

    /// The same about a constraint of a table.
    #[must_use]
    pub fn about_constraint(mut self, table: impl Into<String>, constraint: impl Into<String>) -> Self {
        let constraint = Some(constraint.into());
        self.object = Some(Box::new(ErrorObject { table: table.into(), column: None, constraint }));
        self
    }

    /// The same with a position in the text, in characters from 1; 0 is a position that is not known.
    #[must_use]
    pub fn at(mut self, position: u32) -> Self {
        self.position = (position > 0).then_some(position);
        self
    }

    /// Something that is not offered yet.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(SqlState::FeatureNotSupported, format!("{what} is not supported yet"))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.state.code())
    }
}

impl std::error::Error for SqlError {}
