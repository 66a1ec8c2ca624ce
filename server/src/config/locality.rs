//! Where a node stands: `placement`'s tiers, of which a node must name its zone.

use quorate_placement::topology::{Locality, LocalityError};

use super::fault::Advise;

/// The tier that placement spreads replicas over.
const ZONE: &str = "zone";

/// A locality that names its zone.
#[derive(Clone, PartialEq, Eq)]
pub struct ZonedLocality {
    tiers: Locality,
    zone: String,
}

/// Why text is no locality of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZonedLocalityError {
    /// Nothing there.
    Empty,
    /// No tier `zone`.
    NoZone(String),
    /// Not tiers at all.
    Tiers(LocalityError),
}

impl ZonedLocality {
    /// Reads `region=eu,zone=a`.
    ///
    /// # Errors
    /// Text of another shape, or without a zone.
    pub fn parse(text: &str) -> Result<Self, ZonedLocalityError> {
        if text.trim().is_empty() {
            return Err(ZonedLocalityError::Empty);
        }
        let tiers: Locality = text.parse().map_err(ZonedLocalityError::Tiers)?;
        let zone = tiers.value(ZONE).ok_or_else(|| ZonedLocalityError::NoZone(text.to_owned()))?.to_owned();
        Ok(Self { tiers, zone })
    }

    /// The zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// All tiers, from wide to narrow.
    pub fn tiers(&self) -> &Locality {
        &self.tiers
    }
}

impl std::fmt::Display for ZonedLocality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.tiers, f)
    }
}

impl std::fmt::Debug for ZonedLocality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.tiers, f)
    }
}

impl std::fmt::Display for ZonedLocalityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "is empty"),
            Self::NoZone(text) => write!(f, "'{text}' has no zone"),
            Self::Tiers(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ZonedLocalityError {}

impl Advise for ZonedLocalityError {
    fn advice(&self) -> String {
        match self {
            Self::Empty | Self::Tiers(_) => {
                "say where the node stands: --locality region=eu,zone=a".to_owned()
            }
            Self::NoZone(text) => {
                format!("add the zone, over which replicas are spread: --locality {text},zone=a")
            }
        }
    }
}
