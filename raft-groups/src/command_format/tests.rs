//! Fixtures, limits and damage of commands.

use quorate_engine::testing::fixture;

use super::*;
use crate::cluster::version::ClusterVersion;

fn stamp(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn write_command() -> Command {
    let mut batch = Batch::new();
    batch.put(Family::Data, &b"key"[..], &b"value"[..]);
    batch.delete(Family::Lock, &b"lock"[..]);
    batch.delete_range(Family::Txn, &b"a"[..], &b"b"[..]);
    let (closed, high_water) = (stamp(1_000), stamp(2_000).next());
    Command { term: 7, generation: 3, closed, high_water, size_delta: -3, kind: CommandKind::Write(batch) }
}

fn end_lease() -> Command {
    let kind = CommandKind::EndLease { read_high_water: stamp(9), closed: stamp(8) };
    Command { term: 8, generation: 4, closed: stamp(8), high_water: stamp(9), size_delta: 0, kind }
}

fn split() -> Command {
    let kind = CommandKind::Split(SplitCommand {
        at: Key::from(&b"m"[..]),
        right_id: RangeId(300),
        leader: ReplicaId(2),
        left_bytes: 1_000,
        right_bytes: 2_000,
        right_read: stamp(9),
        right_closed: stamp(7),
    });
    Command { term: 8, generation: 4, closed: stamp(8), high_water: stamp(9), size_delta: 0, kind }
}

#[test]
fn fixtures_are_read_and_written() {
    let commands =
        [("command_write", write_command()), ("command_end_lease", end_lease()), ("command_split", split())];
    for (name, command) in commands {
        let bytes = command.encode(&ClusterVersion::default()).unwrap().command();
        let found = fixture::check(env!("CARGO_MANIFEST_DIR"), name, &bytes);
        assert_eq!(Command::decode(found.into()).unwrap(), command);
    }
}

#[test]
fn every_cut_and_every_changed_kind_is_an_error() {
    for command in [write_command(), end_lease(), split()] {
        let bytes = command.encode(&ClusterVersion::default()).unwrap().command();
        for length in 0..bytes.len() {
            assert!(Command::decode(bytes.slice(..length)).is_err(), "{length} bytes");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(matches!(Command::decode(longer.into()), Err(FormatError::Trailing { count: 1, .. })));
    }
}

#[test]
fn unknown_kind_and_version_are_errors() {
    let bytes = end_lease().encode(&ClusterVersion::default()).unwrap().command();
    let kind_at = KIND_AT;
    assert_eq!(bytes[kind_at], 2);
    for (at, field) in [(0, "version"), (kind_at, "kind")] {
        let mut changed = bytes.to_vec();
        changed[at] = 200;
        let expected = FormatError::Invalid { format: "a command", field, value: 200 };
        assert_eq!(Command::decode(changed.into()), Err(expected));
    }
}

#[test]
fn lengths_beyond_the_bytes_allocate_nothing() {
    let mut bytes = write_command().encode(&ClusterVersion::default()).unwrap().command().to_vec();
    let count_at = KIND_AT + 1;
    bytes[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(Command::decode(bytes.into()), Err(FormatError::Truncated { field: "changes", .. })));
}

#[test]
fn commands_touch_users_data_only() {
    for family in [Family::Raft, Family::Range] {
        let mut batch = Batch::new();
        batch.put(family, &b"k"[..], &b"v"[..]);
        let command = Command { kind: CommandKind::Write(batch), ..end_lease() };
        assert_eq!(command.encode(&ClusterVersion::default()), Err(CommandError::ForeignFamily(family)));
    }
    let mut bytes = write_command().encode(&ClusterVersion::default()).unwrap().command().to_vec();
    let family_at = KIND_AT + 1 + 4 + 1;
    assert_eq!(bytes[family_at], 5);
    bytes[family_at] = 1;
    assert!(matches!(
        Command::decode(bytes.into()),
        Err(FormatError::Invalid { field: "family", value: 1, .. })
    ));
}

#[test]
fn largest_command_fits_and_one_byte_more_does_not() {
    let command = |value_bytes: usize| {
        let mut batch = Batch::new();
        batch.put(Family::Data, &b"k"[..], vec![1_u8; value_bytes]);
        Command { kind: CommandKind::Write(batch), ..end_lease() }
    };
    let largest = command(COMMAND_MAX_BYTES - 1);
    assert_eq!(
        Command::decode(largest.encode(&ClusterVersion::default()).unwrap().command()).unwrap(),
        largest
    );
    let too_large = CommandError::TooLarge { bytes: COMMAND_MAX_BYTES + 1 };
    assert_eq!(command(COMMAND_MAX_BYTES).encode(&ClusterVersion::default()), Err(too_large));
}

#[test]
fn kinds_wait_for_their_version() {
    let error = end_lease().encode(&ClusterVersion::new(0)).unwrap_err();
    assert_eq!(error, CommandError::NotYet { version: 0, since: 1 });
}

#[test]
fn many_tiny_changes_are_bounded_too() {
    let mut batch = Batch::new();
    for key in 0..u32::try_from(COMMAND_MAX_BYTES / 4).unwrap() {
        batch.delete(Family::Data, key.to_be_bytes().to_vec());
    }
    assert_eq!(batch.size_bytes(), COMMAND_MAX_BYTES);
    let command = Command { kind: CommandKind::Write(batch), ..end_lease() };
    assert!(matches!(command.encode(&ClusterVersion::default()), Err(CommandError::TooLarge { .. })));
}

#[test]
fn commands_are_sound_or_neither_written_nor_read() {
    let version_at = |at: u64, high_water: u64| {
        let mut batch = Batch::new();
        let key = quorate_engine::mvcc::key_format::data_key(&Key::from(&b"k"[..]), stamp(at));
        batch.put(Family::Data, key, &b"v"[..]);
        Command { high_water: stamp(high_water), kind: CommandKind::Write(batch), ..end_lease() }
    };
    let changed = |change: fn(&mut SplitCommand)| {
        let mut command = split();
        if let CommandKind::Split(split) = &mut command.kind {
            change(split);
        }
        command
    };
    for command in [write_command(), end_lease(), split(), version_at(9, 9)] {
        assert_eq!(command.validate(), Ok(()));
    }
    let last = CommandKind::EndLease { read_high_water: Timestamp::MAX, closed: stamp(8) };
    let broken = [
        Command { term: 0, ..end_lease() },
        Command { generation: 0, ..end_lease() },
        Command { high_water: Timestamp::MAX, ..end_lease() },
        Command { kind: last, ..end_lease() },
        version_at(10, 9),
        changed(|split| split.at = Key::default()),
        changed(|split| split.right_id = RangeId(0)),
        changed(|split| split.leader = ReplicaId(0)),
        changed(|split| split.right_read = stamp(10)),
        changed(|split| split.right_closed = Timestamp::MAX),
    ];
    for command in broken {
        assert!(command.validate().is_err(), "{command:?}");
        assert!(
            std::panic::catch_unwind(|| command.encode(&ClusterVersion::default())).is_err(),
            "{command:?}"
        );
    }
    let mut bytes = end_lease().encode(&ClusterVersion::default()).unwrap().command().to_vec();
    bytes[1..9].fill(0);
    assert!(matches!(Command::decode(bytes.into()), Err(FormatError::Broken { .. })), "a term of zero");
}
