//! NUMERIC in PostgreSQL's binary format: four counts of two bytes, then digits of base 10,000.
//!
//! Source: PostgreSQL's documentation does not write it down; drivers agree on count of digits, weight (power of 10,000
//! of the first digit), sign (0x0000, 0x4000 for minus, 0xC000 for NaN, 0xD000 and 0xF000 for infinity) and digits after the point.

use std::fmt::Write as _;

use bytes::{Buf, BufMut, BytesMut};

/// Decimal digits in one digit of base 10,000.
const GROUP: usize = 4;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;
/// Most digits behind the point that bytes can say.
const SCALE_MAX: u16 = 0x3fff;
/// Most digits of base 10,000 that are read: PostgreSQL's own limit before the point is 131,072 decimal digits.
const DIGITS_MAX: i16 = 32_767;

/// Puts a number given in decimal, such as `-12.50`; nothing where it is not one.
pub fn put(buffer: &mut BytesMut, text: &str) -> Option<()> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (POSITIVE, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let pad_left = (GROUP - whole.len() % GROUP) % GROUP;
    let pad_right = (GROUP - fraction.len() % GROUP) % GROUP;
    let padded = format!("{}{whole}{fraction}{}", "0".repeat(pad_left), "0".repeat(pad_right));
    let groups = padded.as_bytes().chunks(GROUP).map(group).collect::<Option<Vec<u16>>>()?;
    let whole_groups = (whole.len() + pad_left) / GROUP;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let significant = groups.get(leading..groups.len() - trailing).unwrap_or_default();
    let weight = if significant.is_empty() { 0 } else { signed(whole_groups)? - signed(leading)? - 1 };
    buffer.put_i16(signed(significant.len())?);
    buffer.put_i16(weight);
    buffer.put_u16(if significant.is_empty() { POSITIVE } else { sign });
    buffer.put_i16(signed(fraction.len())?);
    significant.iter().for_each(|group| buffer.put_u16(*group));
    Some(())
}

fn signed(count: usize) -> Option<i16> {
    i16::try_from(count).ok()
}

fn group(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A number in decimal.
    Number(String),
    /// NaN or an infinity.
    Special(&'static str),
    /// They end too early.
    Short,
    /// Bytes are left over.
    Long,
    /// This part has no meaning.
    Invalid(&'static str),
}

/// Reads a number into decimal.
pub fn read(bytes: &[u8]) -> Read {
    read_parts(bytes).unwrap_or(Read::Short)
}

fn read_parts(mut bytes: &[u8]) -> Option<Read> {
    let count = bytes.try_get_i16().ok()?;
    if !(0..DIGITS_MAX).contains(&count) {
        return Some(Read::Invalid("length"));
    }
    let weight = bytes.try_get_i16().ok()?;
    let sign = bytes.try_get_u16().ok()?;
    let scale = bytes.try_get_u16().ok()?;
    match sign {
        POSITIVE | NEGATIVE => {}
        NAN => return Some(Read::Special("NaN")),
        INFINITY => return Some(Read::Special("Infinity")),
        MINUS_INFINITY => return Some(Read::Special("-Infinity")),
        _ => return Some(Read::Invalid("sign")),
    }
    if scale > SCALE_MAX {
        return Some(Read::Invalid("scale"));
    }
    let mut groups = Vec::new();
    for _ in 0..count {
        let group = bytes.try_get_u16().ok()?;
        if group >= 10_000 {
            return Some(Read::Invalid("digit"));
        }
        groups.push(group);
    }
    if !bytes.is_empty() {
        return Some(Read::Long);
    }
    Some(Read::Number(decimal(&groups, i32::from(weight), usize::from(scale), sign == NEGATIVE)))
}

/// The number of these digits of base 10,000; those beyond the scale are cut, as PostgreSQL does.
fn decimal(groups: &[u16], weight: i32, scale: usize, is_negative: bool) -> String {
    let group =
        |position: i32| usize::try_from(position).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let mut text = String::from(if is_negative { "-" } else { "" });
    if weight < 0 {
        text.push('0');
    }
    for position in 0..=weight {
        let _ =
            if position == 0 { write!(text, "{}", group(0)) } else { write!(text, "{:04}", group(position)) };
    }
    if scale > 0 {
        let mut fraction = String::new();
        let mut position = weight + 1;
        while fraction.len() < scale {
            let _ = write!(fraction, "{:04}", group(position));
            position += 1;
        }
        fraction.truncate(scale);
        let _ = write!(text, ".{fraction}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_have_the_bytes_of_postgresql() {
        let cases: &[(&str, &[u8])] = &[
            ("0", b"\0\0\0\0\0\0\0\0"),
            ("1", b"\0\x01\0\0\0\0\0\0\0\x01"),
            ("-1.5", b"\0\x02\0\0\x40\0\0\x01\0\x01\x13\x88"),
            ("12345.678", b"\0\x03\0\x01\0\0\0\x03\0\x01\x09\x29\x1a\x7c"),
            ("0.0001", b"\0\x01\xff\xff\0\0\0\x04\0\x01"),
            ("10000", b"\0\x01\0\x01\0\0\0\0\0\x01"),
            ("0.00", b"\0\0\0\0\0\0\0\x02"),
        ];
        for (text, bytes) in cases {
            let mut out = BytesMut::new();
            put(&mut out, text).unwrap();
            assert_eq!(&out[..], *bytes, "{text}");
            assert_eq!(read(bytes), Read::Number((*text).to_owned()));
        }
        assert_eq!(read(b"\0\0\0\0\xc0\0\0\0"), Read::Special("NaN"));
        assert_eq!(read(b"\0\x01\0\0\0\0\0\0"), Read::Short, "a digit is missing");
        assert_eq!(read(b"\0\0\0\0\0\0\0\0\0"), Read::Long);
    }
}
