//! The names of things that are placed, and where they stand: ids, and the locality of a node.
//!
//! A [`Locality`] is an ordered list of tiers, from the widest to the narrowest failure domain, written as
//! `region=eu,zone=a`. Two nodes share a tier only if they share all wider ones too, so localities form a tree.

use std::fmt;
use std::str::FromStr;

/// Defines a `u64` id with its letter in texts.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A node: one process with one store. Written `n1`.
    NodeId, "n"
);
id!(
    /// A store: one data directory. Written `s1`.
    StoreId, "s"
);
id!(
    /// A range: a span of keys with a Raft group of its own. Written `r1`.
    RangeId, "r"
);
id!(
    /// A replica within its range, never reused there; openraft's node id. Written `p1`, for peer.
    ReplicaId, "p"
);

/// Most tiers of a locality: region, zone, rack and node are four, twice that is plenty.
pub const TIERS_MAX: usize = 8;
/// Longest name or value of a tier in bytes: it must stay readable in a table.
pub const TIER_TEXT_MAX_BYTES: usize = 64;

/// One tier of a locality: `zone=a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tier {
    /// What the tier is: `region`, `zone`, `rack`.
    pub name: String,
    /// Which one of them.
    pub value: String,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// Where a node stands: its tiers, widest first. Empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality {
    tiers: Vec<Tier>,
}

impl Locality {
    /// The tiers, widest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// The value of the tier with this name: `value("zone")` is `a` in `region=eu,zone=a`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.tiers.iter().find(|tier| tier.name == name).map(|tier| tier.value.as_str())
    }

    /// Whether both stand in the same tier at `depth` (0 is the widest) and in all wider ones.
    ///
    /// A tier that both lack counts as the same: two nodes of which nothing is known must be taken to fail together.
    pub fn shares(&self, other: &Self, depth: usize) -> bool {
        (0..=depth).all(|at| self.tiers.get(at) == other.tiers.get(at))
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, tier) in self.tiers.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{tier}")?;
        }
        Ok(())
    }
}

impl FromStr for Locality {
    type Err = LocalityError;

    fn from_str(text: &str) -> Result<Self, LocalityError> {
        let mut tiers: Vec<Tier> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self { tiers });
        }
        for part in text.split(',') {
            let tier = parse_tier(part.trim())?;
            if tiers.iter().any(|earlier| earlier.name == tier.name) {
                return Err(LocalityError::Repeated { name: tier.name });
            }
            tiers.push(tier);
        }
        if tiers.len() > TIERS_MAX {
            return Err(LocalityError::TooMany { count: tiers.len() });
        }
        Ok(Self { tiers })
    }
}

fn parse_tier(part: &str) -> Result<Tier, LocalityError> {
    let Some((name, value)) = part.split_once('=') else {
        return Err(LocalityError::NotATier { part: part.to_owned() });
    };
    for text in [name, value] {
        if text.is_empty() {
            return Err(LocalityError::NotATier { part: part.to_owned() });
        }
        if text.len() > TIER_TEXT_MAX_BYTES {
            return Err(LocalityError::TooLong { part: part.to_owned() });
        }
        if let Some(found) =
            text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        {
            return Err(LocalityError::BadCharacter { part: part.to_owned(), found });
        }
    }
    Ok(Tier { name: name.to_owned(), value: value.to_owned() })
}

/// Why a text is no locality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalityError {
    /// A part is not of the form `name=value`.
    NotATier {
        /// The part as given.
        part: String,
    },
    /// The same tier is given twice.
    Repeated {
        /// Its name.
        name: String,
    },
    /// A character other than letters, digits, `-`, `_` and `.`.
    BadCharacter {
        /// The part as given.
        part: String,
        /// The first such character.
        found: char,
    },
    /// A name or value beyond [`TIER_TEXT_MAX_BYTES`].
    TooLong {
        /// The part as given.
        part: String,
    },
    /// More than [`TIERS_MAX`] tiers.
    TooMany {
        /// Tiers given.
        count: usize,
    },
}

impl fmt::Display for LocalityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATier { part } => {
                write!(
                    f,
                    "locality tier \"{part}\" is not of the form name=value; write for example region=eu,zone=a"
                )
            }
            Self::Repeated { name } => write!(f, "locality tier \"{name}\" is given twice"),
            Self::BadCharacter { part, found } => write!(
                f,
                "locality tier \"{part}\" has the character {found:?}; allowed are letters, digits, '-', '_' and '.'"
            ),
            Self::TooLong { part } => {
                write!(
                    f,
                    "locality tier \"{part}\" is too long: at most {TIER_TEXT_MAX_BYTES} bytes for a name or value"
                )
            }
            Self::TooMany { count } => write!(f, "a locality has at most {TIERS_MAX} tiers, not {count}"),
        }
    }
}

impl std::error::Error for LocalityError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn locality(text: &str) -> Locality {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_shown_with_their_letter() {
        assert_eq!(format!("{} {} {} {}", NodeId(1), StoreId(2), RangeId(3), ReplicaId(4)), "n1 s2 r3 p4");
    }

    #[test]
    fn locality_is_read_and_shown_in_its_order() {
        let eu_a = locality(" region=eu, zone=a ");
        assert_eq!(eu_a.to_string(), "region=eu,zone=a");
        assert_eq!(eu_a.value("zone"), Some("a"));
        assert_eq!(eu_a.value("rack"), None);
        assert_eq!(locality("").tiers(), []);
    }

    #[test]
    fn locality_shares_a_tier_only_with_all_wider_ones() {
        let (eu_a, us_a, eu_b) =
            (locality("region=eu,zone=a"), locality("region=us,zone=a"), locality("region=eu,zone=b"));
        assert!(eu_a.shares(&eu_b, 0) && !eu_a.shares(&eu_b, 1));
        assert!(!eu_a.shares(&us_a, 0) && !eu_a.shares(&us_a, 1));
        assert!(Locality::default().shares(&Locality::default(), 1), "nothing known: they fail together");
        assert!(!Locality::default().shares(&eu_a, 0));
    }

    #[test]
    fn locality_errors_say_what_to_write() {
        for (text, said) in [
            ("zone", "is not of the form name=value"),
            ("=a", "is not of the form name=value"),
            ("zone=a,", "is not of the form name=value"),
            ("zone=a,zone=b", "\"zone\" is given twice"),
            ("zone=a b", "has the character ' '"),
            ("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", "at most 8 tiers, not 9"),
        ] {
            let error = text.parse::<Locality>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let long = format!("zone={}", "a".repeat(TIER_TEXT_MAX_BYTES + 1));
        assert!(long.parse::<Locality>().unwrap_err().to_string().contains("too long"));
    }
}
