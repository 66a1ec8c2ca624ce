//! Cluster settings: the closed table of what can be set, kept as texts under `system/settings`.
//!
//! A setting that is not there has its default. Unknown names and values outside of their bounds are refused before
//! anything is written; a value written by a newer release that this one cannot read counts as the default.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use quorate_engine::kv::{Key, keyspace};

use super::error::ClusterError;

/// What a setting's text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A number of bytes within bounds; written with or without a unit: `64MiB`.
    Bytes {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Milliseconds within bounds; written with or without a unit: `5s`, `500ms`.
    Millis {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// The cluster's version, which is judged by those of the nodes (`version`).
    Version,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What its text means.
    pub kind: SettingKind,
    /// Its value in a new cluster.
    pub default: &'static str,
    /// What it does.
    pub description: &'static str,
}

/// What nodes may write down (`version`).
pub const CLUSTER_VERSION: &str = "cluster_version";

/// Size beyond which a range is split.
pub const RANGE_MAX_BYTES: &str = "range_max_bytes";

/// How many bytes of snapshots a node sends in a second.
pub const SNAPSHOT_RATE: &str = "snapshot_rate";

/// How long a statement waits for quorums, summed.
pub const STATEMENT_QUORUM_WAIT: &str = "statement_quorum_wait";

/// How long a node may be silent before its replicas are replaced.
pub const NODE_DEAD_AFTER: &str = "node_dead_after";
/// Its smallest value in milliseconds: a node is suspect before it is dead.
const NODE_DEAD_AFTER_MIN_MS: u64 = 5_000;
const _: () = assert!(NODE_DEAD_AFTER_MIN_MS as u128 > crate::limits::SUSPECT_AFTER.as_millis());

/// All settings, by name.
pub const SETTINGS: [Setting; 5] = [
    Setting {
        name: CLUSTER_VERSION,
        kind: SettingKind::Version,
        default: "1",
        description: "what nodes may write down; raised once all of them run a release that can, and never lowered",
    },
    Setting {
        name: NODE_DEAD_AFTER,
        kind: SettingKind::Millis { min: NODE_DEAD_AFTER_MIN_MS, max: 86_400_000 },
        default: "5min",
        description: "silence after which a node counts as dead, and its replicas are replaced by other nodes",
    },
    Setting {
        name: RANGE_MAX_BYTES,
        kind: SettingKind::Bytes { min: 64 << 10, max: 8 << 30 },
        default: "256MiB",
        description: "size of a range beyond which it is split; at twice the size its writers wait",
    },
    Setting {
        name: SNAPSHOT_RATE,
        kind: SettingKind::Bytes { min: 64 << 10, max: 8 << 30 },
        default: "64MiB",
        description: "bytes a second that each node sends to new replicas; less leaves more of the disks to statements",
    },
    Setting {
        name: STATEMENT_QUORUM_WAIT,
        kind: SettingKind::Millis { min: 100, max: 600_000 },
        default: "4500ms",
        description: "longest time that a statement waits, summed, for ranges that cannot reach their quorum",
    },
];

/// One setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// What it is.
    pub setting: Setting,
    /// The value in force.
    pub value: String,
}

/// The settings as this node read them last.
#[derive(Debug, Default)]
pub struct Settings {
    values: Mutex<BTreeMap<String, String>>,
}

/// Key of a setting's row.
pub fn setting_key(name: &str) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_SETTINGS);
    Key::from([prefix.as_ref(), name.as_bytes()].concat())
}

/// The name in a setting's key.
pub(super) fn name_of_key(key: &Key) -> Option<&str> {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_SETTINGS);
    std::str::from_utf8(key.as_ref().strip_prefix(prefix.as_ref())?).ok()
}

/// Checks a name and a value; returns the setting and the text to store.
///
/// # Errors
/// [`ClusterError::Setting`] with what would be right.
pub fn check(name: &str, value: &str) -> Result<(Setting, String), ClusterError> {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        let message = format!("there is no cluster setting \"{name}\"; there are: {}", names.join(", "));
        return Err(ClusterError::Setting(message));
    };
    let (min, max, unit) = match setting.kind {
        SettingKind::Bytes { min, max } => (min, max, "bytes"),
        SettingKind::Millis { min, max } => (min, max, "ms"),
        SettingKind::Version => (super::version::FIRST.into(), u32::MAX.into(), "a version"),
    };
    match parse(setting.kind, value) {
        Some(number) if (min..=max).contains(&number) => Ok((*setting, value.trim().to_owned())),
        Some(_) => Err(ClusterError::Setting(format!(
            "\"{value}\" is out of bounds for {name}: between {min} and {max} {unit}"
        ))),
        None => Err(ClusterError::Setting(format!(
            "\"{value}\" is no value for {name}: a number of {unit}, for example {}",
            setting.default
        ))),
    }
}

/// The number that a setting's text means; `None` for no number or an unknown unit.
pub fn parse(kind: SettingKind, text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let factor = match (kind, unit.trim()) {
        (SettingKind::Bytes { .. }, "" | "B") | (SettingKind::Version, "") => 1,
        (SettingKind::Bytes { .. }, "KiB") => 1 << 10,
        (SettingKind::Bytes { .. }, "MiB") => 1 << 20,
        (SettingKind::Bytes { .. }, "GiB") => 1 << 30,
        (SettingKind::Millis { .. }, "" | "ms") => 1,
        (SettingKind::Millis { .. }, "s") => 1_000,
        (SettingKind::Millis { .. }, "min") => 60_000,
        (SettingKind::Millis { .. }, "h") => 3_600_000,
        (SettingKind::Bytes { .. } | SettingKind::Millis { .. } | SettingKind::Version, _) => return None,
    };
    number.checked_mul(factor)
}

/// The version in the row of [`CLUSTER_VERSION`].
pub(super) fn parse_version(value: &[u8]) -> Option<u32> {
    let number = parse(SettingKind::Version, std::str::from_utf8(value).ok()?)?;
    u32::try_from(number).ok()
}

impl Settings {
    /// Takes over what was read.
    pub(super) fn replace(&self, values: BTreeMap<String, String>) {
        *self.values.lock() = values;
    }

    /// Takes over one value.
    pub(super) fn set(&self, name: &str, value: String) {
        self.values.lock().insert(name.to_owned(), value);
    }

    /// All settings with their values, by name.
    pub fn all(&self) -> Vec<SettingValue> {
        let values = self.values.lock();
        let value = |setting: &Setting| {
            let stored = values.get(setting.name).filter(|value| check(setting.name, value).is_ok());
            stored.cloned().unwrap_or_else(|| setting.default.to_owned())
        };
        SETTINGS.iter().map(|setting| SettingValue { setting: *setting, value: value(setting) }).collect()
    }

    /// A setting as a number of its unit; `None` for an unknown name.
    pub fn number(&self, name: &str) -> Option<u64> {
        let found = self.all().into_iter().find(|value| value.setting.name == name)?;
        parse(found.setting.kind, &found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_that_are_valid_and_sorted_names() {
        for setting in SETTINGS {
            assert!(check(setting.name, setting.default).is_ok(), "{}", setting.name);
        }
        assert!(SETTINGS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let settings = Settings::default();
        assert_eq!(settings.number("range_max_bytes"), Some(256 << 20));
        assert_eq!(settings.number("snapshot_rate"), Some(crate::raft::SNAPSHOT_RATE_DEFAULT));
        assert_eq!(settings.number("no_such"), None);
    }

    #[test]
    fn settings_refuse_unknown_names_and_values() {
        for (name, value, said) in [
            (
                "range_max",
                "1MiB",
                "there are: cluster_version, node_dead_after, range_max_bytes, snapshot_rate, statement",
            ),
            ("range_max_bytes", "many", "a number of bytes, for example 256MiB"),
            ("range_max_bytes", "64MB", "a number of bytes"),
            ("range_max_bytes", "1KiB", "between 65536 and 8589934592 bytes"),
            ("range_max_bytes", "99999999999GiB", "a number of bytes"),
            ("statement_quorum_wait", "-1", "a number of ms"),
        ] {
            let error = check(name, value).unwrap_err().to_string();
            assert!(error.contains(said), "{name} = {value}: {error}");
        }
    }

    #[test]
    fn settings_from_a_newer_release_count_as_default() {
        let settings = Settings::default();
        settings.replace([("range_max_bytes".to_owned(), "auto".to_owned())].into());
        assert_eq!(settings.number("range_max_bytes"), Some(256 << 20));
        settings.set("range_max_bytes", "64 KiB".to_owned());
        assert_eq!(settings.number("range_max_bytes"), Some(65_536));
    }

    #[test]
    fn setting_keys_hold_their_names() {
        assert_eq!(name_of_key(&setting_key("range_max_bytes")), Some("range_max_bytes"));
        assert_eq!(name_of_key(&Key::from(b"other".as_slice())), None);
    }
}
