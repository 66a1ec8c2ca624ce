//! `pg_settings`: the session's variables.

use super::state::SystemState;
use super::values::{NULL, array, flag, maybe_text, text};
use crate::session::variables::definitions::READ_ONLY;
use crate::session::variables::settings::Setting;
use crate::session::variables::values::shown_bool;
use crate::types::Row;

/// `pg_settings`.
pub fn settings(state: &SystemState<'_>) -> Vec<Row> {
    state.variables.settings().iter().map(|setting| row(setting, state)).collect()
}

fn row(setting: &Setting, state: &SystemState<'_>) -> Row {
    let value = if setting.name == READ_ONLY {
        shown_bool(state.read_only).to_owned()
    } else {
        setting.value.clone()
    };
    let choices = setting.choices.map_or(NULL, |names| array(names.iter().map(|name| text(*name)).collect()));
    let category =
        if setting.context == "internal" { "Preset Options" } else { "Client Connection Defaults" };
    let mut row = vec![text(setting.name), text(value), maybe_text(setting.unit), text(category)];
    row.extend([text(setting.description), NULL, text(setting.context), text(setting.form)]);
    row.extend([text(setting.source)]);
    row.extend([
        maybe_text(setting.bounds.map(|(least, _)| least.to_string())),
        maybe_text(setting.bounds.map(|(_, greatest)| greatest.to_string())),
        choices,
        text(&setting.default),
        text(&setting.reset),
        NULL,
        NULL,
        flag(false),
    ]);
    row
}
