//! [`RegValue`]: an OID that is shown as its object's name.

/// An OID with its object's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegValue {
    /// The object; 0 for none.
    pub oid: u32,
    /// As it is shown: its name, in quotes and with its schema where that is needed.
    pub name: String,
}

impl RegValue {
    /// One whose object nobody knows: it shows its number, and nothing as `-`.
    pub fn nameless(oid: u32) -> Self {
        Self { oid, name: if oid == 0 { "-".to_owned() } else { oid.to_string() } }
    }
}
