//! Formats on disk: a `*_format.rs` module has a version byte, and fixtures that a test reads. Kinds of messages have fixtures
//! too: a field's number that changes is seen there.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// What tells the layout of a format's bytes.
enum Version {
    /// A constant `…VERSION: u8`, written first.
    Byte,
    /// Something smaller, for formats too small for a byte of their own: what.
    Layout(&'static str),
    /// The version of the format that it is a part of, whose fixture has it too.
    PartOf(&'static str),
}

use Version::{Byte, Layout, PartOf};

/// Every format, and the fixtures of its crate that hold it.
const FORMATS: &[Format] = &[
    ("engine/src/clock/bound_format.rs", Byte, &["clock_bound"]),
    ("engine/src/mvcc/intent_format.rs", Byte, &["intent_put", "intent_delete"]),
    (
        "engine/src/mvcc/key_format.rs",
        Layout("a key's last byte is its suffix's length"),
        &["mvcc_data_key", "mvcc_txn_key"],
    ),
    (
        "engine/src/mvcc/record_format.rs",
        Byte,
        &["record_pending", "record_staging", "record_committed", "record_aborted"],
    ),
    ("engine/src/mvcc/version_format.rs", Layout("the first byte is a tag"), &["mvcc_versions"]),
    ("engine/src/rocks/damage_format.rs", Byte, &["damage"]),
    ("engine/src/rocks/forgotten_format.rs", Byte, &["forgotten"]),
    ("engine/src/rocks/mark_format.rs", Byte, &["mark"]),
    ("engine/src/rocks/wal/note_format.rs", Byte, &["wal_note", "wal_note_leap"]),
    ("raft-groups/src/cluster/admin_format.rs", Byte, &["token_hash", "removed_node"]),
    ("raft-groups/src/cluster/node_format.rs", Byte, &["node_record", "node_record_2"]),
    ("raft-groups/src/command_format.rs", Byte, &["command_write", "command_end_lease", "command_split"]),
    ("raft-groups/src/raft/applied_format.rs", Byte, &["raft_applied", "raft_applied_membership"]),
    ("raft-groups/src/raft/entry_format.rs", PartOf("raft-groups/src/raft/log_format.rs"), &[]),
    (
        "raft-groups/src/raft/log_format.rs",
        Byte,
        &["raft_log_blank", "raft_log_command", "raft_log_membership", "raft_log_purged", "raft_log_vote"],
    ),
    ("raft-groups/src/raft/snapshot/head_format.rs", Byte, &["raft_snapshot_marker"]),
    (
        "raft-groups/src/range_format.rs",
        Byte,
        &[
            "range_descriptor",
            "range_size",
            "range_size_2",
            "range_end_lease",
            "range_replica",
            "range_tombstone",
            "range_closed",
            "range_published",
        ],
    ),
    (
        "sql/src/catalog/descriptor_format.rs",
        Byte,
        &[
            "table_descriptor",
            "table_descriptor_2",
            "table_descriptor_3",
            "table_descriptor_4",
            "table_descriptor_4_identity",
        ],
    ),
    ("sql/src/catalog/sequence_format.rs", Byte, &["sequence", "sequence_position"]),
    ("sql/src/ddl/job_format.rs", Byte, &["job", "job_sign"]),
    ("sql/src/program/expr_format.rs", PartOf("sql/src/program/program_format.rs"), &[]),
    ("sql/src/program/output_format.rs", PartOf("sql/src/program/program_format.rs"), &[]),
    ("sql/src/program/program_format.rs", Byte, &["scan_program", "scan_program_3"]),
    ("sql/src/storage/datum_format.rs", PartOf("sql/src/storage/row_format.rs"), &[]),
    ("sql/src/storage/index_format.rs", Layout("the index id after the table id"), &["primary_key"]),
    ("sql/src/storage/row_format.rs", Byte, &["row", "row_3", "row_3_uuid"]),
    ("sql/src/storage/type_format.rs", PartOf("sql/src/catalog/descriptor_format.rs"), &[]),
    ("server/src/node/home_format.rs", Byte, &["home"]),
];

/// Kinds of messages between nodes, which have fixtures of all that they may say.
const MESSAGES: &[&str] = &[
    "bootstrap_answers",
    "bootstrap_requests",
    "cluster_answers",
    "cluster_requests",
    "heartbeats",
    "heartbeats_taken",
    "hello",
    "raft_messages",
    "raft_replies",
    "range_answers",
    "range_requests",
    "snapshot_messages",
    "snapshot_replies",
];

/// A row of [`FORMATS`].
type Format = (&'static str, Version, &'static [&'static str]);

/// Each format module has a row, its version is where the row says, and its fixtures are there and read by a test.
fn formats(tree: &Tree, rows: &[Format]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.ends_with("_format.rs")) {
        let Some((_, version, fixtures)) = rows.iter().find(|(listed, ..)| *listed == path) else {
            found.push(Violation::of_file(path, "is a format without a row in tests/tidy/formats.rs"));
            continue;
        };
        let problem = match version {
            Byte => (!declares_version(text)).then(|| "has no constant …VERSION: u8".to_owned()),
            Layout(what) => what.is_empty().then(|| "does not say what tells its layout".to_owned()),
            PartOf(whole) => {
                let is_listed =
                    rows.iter().any(|(listed, _, fixtures)| listed == whole && !fixtures.is_empty());
                (!is_listed).then(|| format!("is part of {whole}, which has no fixture"))
            }
        };
        found.extend(problem.map(|what| Violation::of_file(path, what)));
        if fixtures.is_empty() && !matches!(version, PartOf(_)) {
            found.push(Violation::of_file(path, "has no fixture"));
        }
        let unread = fixtures.iter().filter(|fixture| !is_read(tree, path, fixture));
        found.extend(
            unread.map(|fixture| Violation::of_file(path, format!("no test reads its fixture {fixture}"))),
        );
    }
    let gone = rows.iter().filter(|(path, ..)| tree.get(path).is_none());
    found.extend(gone.map(|(path, ..)| Violation::of_file(path, "is gone, and still has a row")));
    found
}

fn declares_version(text: &str) -> bool {
    RustSource::of(text).code_lines().any(|(_, code)| {
        let Some((_, declared)) = code.split_once("const ") else { return false };
        let Some((name, kind)) = declared.split_once(':') else { return false };
        name.ends_with("VERSION") && kind.trim_start().starts_with("u8")
    })
}

/// Whether the crate has this fixture, and a source that does something with fixtures names it.
fn is_read(tree: &Tree, path: &str, fixture: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    let is_there = tree.get(&format!("{folder}/fixtures/{fixture}.hex")).is_some();
    let mut sources = tree.rust().filter(|(path, _)| path.starts_with(&format!("{folder}/")));
    is_there
        && sources.any(|(_, text)| {
            let source = RustSource::of(text);
            source.code.contains("fixture") && source.literals.iter().any(|literal| literal.value == fixture)
        })
}

/// Each fixture belongs to a test: one that nothing names is never compared.
fn orphans(tree: &Tree) -> Vec<Violation> {
    let fixtures = tree.files().filter_map(|(path, _)| {
        let name = path.split_once("/fixtures/")?.1.strip_suffix(".hex")?;
        (!is_read(tree, path, name)).then(|| Violation::of_file(path, "no test reads this fixture"))
    });
    fixtures.collect()
}

#[test]
fn formats_have_versions_and_fixtures() {
    assert_none(&formats(&repository(), FORMATS));
}

/// Each kind of message has its fixture, and a test that reads it.
fn messages(tree: &Tree, kinds: &[&str]) -> Vec<Violation> {
    const WIRE: &str = "raft-groups/src/wire/mod.rs";
    let unread = kinds.iter().filter(|kind| !is_read(tree, WIRE, kind));
    unread.map(|kind| Violation::of_file(WIRE, format!("no test reads the fixture {kind}"))).collect()
}

#[test]
fn messages_have_fixtures() {
    assert_none(&messages(&repository(), MESSAGES));
}

#[test]
fn messages_can_fail() {
    let tree = Tree::of(&[
        ("raft-groups/src/wire/tests.rs", "fixture(\"good\"); fixture(\"gone\");"),
        ("raft-groups/fixtures/good.hex", "00"),
        ("raft-groups/fixtures/unread.hex", "00"),
    ]);
    let texts = ["no test reads the fixture gone", "no test reads the fixture unread"];
    assert_found(&messages(&tree, &["good", "gone", "unread"]), &texts);
}

#[test]
fn formats_can_fail() {
    let tree = Tree::of(&[
        ("a/src/good_format.rs", "pub const KEY_VERSION: u8 = 1;\nfixture::check(\"good\");"),
        ("a/src/wide_format.rs", "const VERSION: u32 = 1; // const VERSION: u8"),
        ("a/src/part_format.rs", "fn f() {}"),
        ("a/src/new_format.rs", "const VERSION: u8 = 1;"),
        ("a/src/bare_format.rs", "const VERSION: u8 = 1; // \"good\""),
        ("b/src/far_format.rs", "const VERSION: u8 = 1;"),
        ("a/fixtures/good.hex", "00"),
    ]);
    let rows: [Format; 6] = [
        ("a/src/good_format.rs", Byte, &["good"]),
        ("a/src/wide_format.rs", Byte, &["good"]),
        ("a/src/part_format.rs", PartOf("a/src/bare_format.rs"), &[]),
        ("a/src/bare_format.rs", Byte, &[]),
        ("b/src/far_format.rs", Layout("a tag"), &["good"]),
        ("a/src/gone_format.rs", Byte, &["good"]),
    ];
    let texts = [
        "wide_format.rs: has no constant",
        "part_format.rs: is part of a/src/bare_format.rs",
        "new_format.rs: is a format without a row",
        "bare_format.rs: has no fixture",
        "far_format.rs: no test reads its fixture good",
        "gone_format.rs: is gone",
    ];
    assert_found(&formats(&tree, &rows), &texts);
}

#[test]
fn fixtures_are_all_read() {
    assert_none(&orphans(&repository()));
}

#[test]
fn fixtures_can_be_orphans() {
    let tree = Tree::of(&[
        ("a/fixtures/old.hex", "00"),
        ("a/fixtures/row.hex", "00"),
        ("a/src/x.rs", "fixture::check(\"row\"); // \"old\""),
        ("b/src/x.rs", "fixture::check(\"old\");"),
    ]);
    assert_found(&orphans(&tree), &["a/fixtures/old.hex: no test reads"]);
}
