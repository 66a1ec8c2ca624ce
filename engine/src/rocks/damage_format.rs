//! Bytes of the list of damaged table files: version 1; how many; of each its name, its family and the library's words
//! (texts); whether a cut has begun, and of it the family (text), the level's first and last key, or none for the whole
//! family (optional bytes, twice); CRC-32C of these (four bytes).

use super::wal::checksum::crc32c;
use crate::codec::CodecError;
use crate::codec::check::{Broken, holds, must_hold};
use crate::codec::value::{Reader, Writer};
use crate::store::Family;

const VERSION: u8 = 1;
const WHAT: &str = "list of damaged files";

/// A table file that cannot be read as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DamagedFile {
    /// Its name in the store's directory.
    pub(super) file: String,
    /// The family that it belongs to.
    pub(super) family: Family,
    /// What the library said when it met the damage.
    pub(super) detail: String,
}

/// What is cut out of a family: all that can be read there lies in staged files, and takes the place of what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) family: Family,
    /// First and last key; none for the whole family.
    pub(super) span: Option<(Vec<u8>, Vec<u8>)>,
}

/// What a store knows of its damage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) files: Vec<DamagedFile>,
    /// A cut that has begun, and is finished by the next start if not by this one.
    pub(super) cut: Option<Cut>,
}

impl Record {
    /// What must hold of it.
    ///
    /// # Errors
    /// The rule that does not.
    pub(super) fn validate(&self) -> Result<(), Broken> {
        for (place, noted) in self.files.iter().enumerate() {
            holds(!noted.file.is_empty(), "a damaged file has a name")?;
            let is_first = self.files.iter().take(place).all(|other| other.file != noted.file);
            holds(is_first, "a damaged file is noted once")?;
        }
        let span = self.cut.as_ref().and_then(|cut| cut.span.as_ref());
        holds(span.is_none_or(|(first, last)| first <= last), "what is cut out begins before its last key")
    }
}

/// The bytes on disk.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    must_hold(WHAT, record.validate());
    bytes_of(record)
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut out = Writer::versioned(VERSION);
    out.count(record.files.len());
    for DamagedFile { file, family, detail } in &record.files {
        out.text(file).text(family.name()).text(detail);
    }
    out.bool(record.cut.is_some());
    if let Some(Cut { family, span }) = &record.cut {
        out.text(family.name());
        out.optional_bytes(span.as_ref().map(|(first, _)| first.as_slice()));
        out.optional_bytes(span.as_ref().map(|(_, last)| last.as_slice()));
    }
    let mut bytes = out.finish();
    bytes.extend(crc32c(&bytes).to_be_bytes());
    bytes
}

/// Reads the bytes on disk.
///
/// # Errors
/// Damaged bytes, or a newer version.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, VERSION, WHAT)?;
    let mut record = Record::default();
    for _ in 0..reader.items()? {
        let file = reader.text()?.to_owned();
        let family = family(&mut reader)?;
        record.files.push(DamagedFile { file, family, detail: reader.text()?.to_owned() });
    }
    if reader.bool()? {
        let family = family(&mut reader)?;
        let first = reader.optional_bytes()?.map(<[u8]>::to_vec);
        let last = reader.optional_bytes()?.map(<[u8]>::to_vec);
        record.cut = Some(Cut { family, span: first.zip(last) });
    }
    let found = reader.u32()?;
    if bytes_of(&record) != bytes {
        return Err(reader.invalid(u64::from(found)));
    }
    reader.sound(record.validate())?;
    Ok(record)
}

fn family(reader: &mut Reader<'_>) -> Result<Family, CodecError> {
    let name = reader.text()?;
    let known = Family::ALL.into_iter().find(|family| family.name() == name);
    known.ok_or_else(|| reader.invalid(name.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_bytes_are_as_in_the_fixture() {
        let file = |name: &str, family| DamagedFile {
            file: name.to_owned(),
            family,
            detail: "Corruption: block checksum mismatch".to_owned(),
        };
        let record = Record {
            files: vec![file("000012.sst", Family::Data), file("000017.sst", Family::Raft)],
            cut: Some(Cut { family: Family::Data, span: Some((b"a".to_vec(), b"m".to_vec())) }),
        };
        let bytes = encode(&record);
        let stored = crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "damage", &bytes);
        assert_eq!(decode(&stored), Ok(record.clone()));
        for byte in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[byte] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {byte}");
        }
        let whole = Record { cut: Some(Cut { family: Family::Lock, span: None }), ..record };
        for record in [whole, Record::default()] {
            assert_eq!(decode(&encode(&record)), Ok(record));
        }
    }

    #[test]
    fn damage_is_sound_or_not_read() {
        let file =
            |name: &str| DamagedFile { file: name.to_owned(), family: Family::Data, detail: String::new() };
        let of = |files: &[&str], cut: Option<(&[u8], &[u8])>| Record {
            files: files.iter().map(|name| file(name)).collect(),
            cut: cut.map(|(first, last)| Cut {
                family: Family::Data,
                span: Some((first.to_vec(), last.to_vec())),
            }),
        };
        assert_eq!(of(&["1.sst", "2.sst"], Some((b"a", b"a"))).validate(), Ok(()));
        for record in [of(&[""], None), of(&["1.sst", "1.sst"], None), of(&[], Some((b"b", b"a")))] {
            let read = decode(&bytes_of(&record));
            assert!(matches!(read, Err(CodecError::Broken { what: WHAT, .. })), "{record:?}: {read:?}");
        }
    }
}
