//! Settings of the cluster: changed in range 1, and followed by this node's parts.

use std::time::Duration;

use quorate_engine::kv::Write;

use super::Directory;
use crate::cluster::error::ClusterError;
use crate::cluster::settings::{
    CLUSTER_VERSION, RANGE_MAX_BYTES, SNAPSHOT_RATE, STATEMENT_QUORUM_WAIT, check, parse_version, setting_key,
};
use crate::cluster::version::FIRST;

impl Directory {
    /// Changes a setting.
    ///
    /// # Errors
    /// [`ClusterError::Setting`] for an unknown name or value, and errors of range 1.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), ClusterError> {
        let (setting, value) = check(name, value)?;
        if let (CLUSTER_VERSION, Some(version)) = (setting.name, parse_version(value.as_bytes())) {
            self.raise_version(version).await?;
            self.settings.set(setting.name, value);
            self.take_version(version);
            return Ok(());
        }
        let write = Write::put(setting_key(setting.name), value.clone().into_bytes().into());
        self.write(&[write]).await?;
        self.settings.set(setting.name, value);
        self.apply_settings();
        Ok(())
    }

    /// This node's parts follow the settings as they are known now.
    pub(super) fn apply_settings(&self) {
        if let Some(version) = self.settings.number(CLUSTER_VERSION) {
            self.take_version(u32::try_from(version).unwrap_or(FIRST));
        }
        if let Some(millis) = self.settings.number(STATEMENT_QUORUM_WAIT) {
            self.database.set_quorum_wait(Duration::from_millis(millis));
        }
        if let Some(bytes) = self.settings.number(RANGE_MAX_BYTES) {
            self.ranges.set_range_max_bytes(bytes);
        }
        if let Some(bytes) = self.settings.number(SNAPSHOT_RATE) {
            self.ranges.set_snapshot_rate(bytes);
        }
    }
}
