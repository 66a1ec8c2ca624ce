//! Where the session's transaction stands, for the prompt. The driver does not tell what the server says of it, but what
//! begins and ends transactions are statements that the shell has sent.

use super::splitter::leading_words;

/// Where the session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionMark {
    /// No transaction is open.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One has failed, and takes nothing but its end.
    Failed,
}

impl TransactionMark {
    /// As the prompt shows it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Idle => "",
            Self::Open => "*",
            Self::Failed => "!",
        }
    }

    /// Where it stands after this statement.
    #[must_use]
    pub fn after(self, statement: &str, is_done: bool) -> Self {
        let words = leading_words(statement, 3);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let chains = leading_words(statement, 4).ends_with(&["AND".to_owned(), "CHAIN".to_owned()])
            || leading_words(statement, 3).ends_with(&["AND".to_owned(), "CHAIN".to_owned()]);
        match (words.as_slice(), is_done) {
            (["BEGIN", ..] | ["START", "TRANSACTION", ..], true) => Self::Open,
            (
                ["ROLLBACK" | "ABORT", "TO", ..] | ["ROLLBACK" | "ABORT", "WORK" | "TRANSACTION", "TO"],
                true,
            ) => Self::Open,
            (["COMMIT" | "END" | "ROLLBACK" | "ABORT", ..], true) if chains => Self::Open,
            // What is refused for what it says is an error like others.
            (["COMMIT" | "END", ..], false) if chains && self != Self::Idle => Self::Failed,
            // A COMMIT that fails has ended its transaction, too.
            (["COMMIT" | "END", ..], _) | (["ROLLBACK" | "ABORT", ..], true) => Self::Idle,
            (_, true) => self,
            (_, false) if self == Self::Idle => Self::Idle,
            (_, false) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_follow_the_statements() {
        use TransactionMark::{Failed, Idle, Open};
        for (before, statement, is_done, after) in [
            (Idle, "SELECT 1;", true, Idle),
            (Idle, "SELEC", false, Idle),
            (Idle, "/* x */ begin;", true, Open),
            (Idle, "START TRANSACTION READ ONLY;", true, Open),
            (Open, "INSERT INTO t VALUES (1);", true, Open),
            (Open, "INSERT INTO t VALUES (1);", false, Failed),
            (Failed, "SELECT 1;", false, Failed),
            (Failed, "ROLLBACK TO SAVEPOINT a;", true, Open),
            (Failed, "ROLLBACK TO SAVEPOINT b;", false, Failed),
            (Failed, "ROLLBACK WORK TO a;", true, Open),
            (Failed, "COMMIT;", true, Idle),
            (Open, "COMMIT AND CHAIN;", true, Open),
            (Open, "COMMIT AND CHAIN;", false, Failed),
            (Open, "COMMIT;", false, Idle),
            (Open, "END;", true, Idle),
            (Open, "ABORT;", true, Idle),
        ] {
            assert_eq!(before.after(statement, is_done), after, "{before:?} {statement}");
        }
    }
}
