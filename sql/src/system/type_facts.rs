//! What PostgreSQL says of types besides what Quorate needs to know of them, from a table in `type_facts.txt`.

use std::sync::LazyLock;

use crate::types::info::TypeInfo;

/// Facts of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFacts {
    /// Its number.
    pub oid: u32,
    /// Its name in the catalog.
    pub name: &'static str,
    /// `b` for a base type.
    pub form: &'static str,
    /// Letter of the types among which values may be converted.
    pub category: &'static str,
    /// Whether values are passed by value.
    pub by_value: bool,
    /// Bytes of a value, negative where they vary.
    pub length: i16,
    /// The type of arrays of it.
    pub array: u32,
    /// The type of its elements.
    pub element: u32,
    /// How values are aligned.
    pub alignment: &'static str,
    /// How long values are kept.
    pub storage: &'static str,
    /// How text of it is sorted.
    pub collation: u32,
    /// Its functions: input, output, receive, send, those of modifiers, subscript.
    pub functions: Vec<(&'static str, u32)>,
}

/// Functions of all arrays.
const ARRAY_FUNCTIONS: [(&str, u32); 7] = [
    ("array_in", 750),
    ("array_out", 751),
    ("array_recv", 2_400),
    ("array_send", 2_401),
    ("-", 0),
    ("-", 0),
    ("array_subscript_handler", 6_179),
];

static FACTS: LazyLock<Vec<TypeFacts>> = LazyLock::new(|| {
    include_str!("type_facts.txt").lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()
});

/// One line of the table.
fn read(line: &'static str) -> Option<TypeFacts> {
    let mut words = line.split_ascii_whitespace();
    let mut facts = TypeFacts {
        oid: words.next()?.parse().ok()?,
        name: words.next()?,
        form: words.next()?,
        category: words.next()?,
        by_value: words.next()? == "t",
        length: words.next()?.parse().ok()?,
        array: words.next()?.parse().ok()?,
        element: words.next()?.parse().ok()?,
        alignment: words.next()?,
        storage: words.next()?,
        collation: words.next()?.parse().ok()?,
        functions: Vec::new(),
    };
    while let (Some(name), Some(oid)) = (words.next(), words.next()) {
        facts.functions.push((name, oid.parse().ok()?));
    }
    Some(facts)
}

/// Facts of the type with this number, also of arrays of a known type.
pub fn of(oid: u32) -> Option<TypeFacts> {
    if let Some(known) = FACTS.iter().find(|facts| facts.oid == oid) {
        return Some(known.clone());
    }
    let element = FACTS.iter().find(|facts| facts.array == oid)?;
    Some(TypeFacts {
        oid,
        name: TypeInfo::by_oid(oid)?.catalog_name,
        form: "b",
        category: "A",
        by_value: false,
        length: -1,
        array: 0,
        element: element.oid,
        alignment: if element.alignment == "d" { "d" } else { "i" },
        storage: "x",
        collation: element.collation,
        functions: ARRAY_FUNCTIONS.to_vec(),
    })
}

/// The function of a type with this name.
pub fn function_named(name: &str) -> Option<u32> {
    all_functions().find(|(known, _)| *known == name).map(|(_, oid)| oid)
}

/// The name of the function of a type with this number.
pub fn function_name(oid: u32) -> Option<&'static str> {
    all_functions().find(|(_, known)| *known == oid).map(|(name, _)| name)
}

fn all_functions() -> impl Iterator<Item = (&'static str, u32)> {
    let of_types = FACTS.iter().flat_map(|facts| facts.functions.iter().copied());
    of_types.chain(ARRAY_FUNCTIONS).filter(|(_, oid)| *oid != 0)
}
