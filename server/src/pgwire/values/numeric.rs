//! NUMERIC in PostgreSQL's binary format: four counts of two bytes, then digits of base 10,000.
//!
//! Source: PostgreSQL's documentation does not write it down; drivers agree on count of digits, weight (power of 10,000
//! of the first digit), sign (0x0000, 0x4000 for minus, 0xC000 for NaN) and digits after the point.

use std::fmt::Write as _;

use bytes::{Buf, BufMut, BytesMut};

/// Decimal digits in one digit of base 10,000.
const GROUP: usize = 4;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
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

/// Reads a number into decimal; nothing for NaN, infinities and bytes that are no number.
pub fn read(mut bytes: &[u8]) -> Option<String> {
    let count = bytes.try_get_i16().ok().filter(|count| (0..DIGITS_MAX).contains(count))?;
    let weight = bytes.try_get_i16().ok()?;
    let sign = bytes.try_get_u16().ok().filter(|sign| matches!(*sign, POSITIVE | NEGATIVE))?;
    let scale = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(bytes.try_get_u16().ok().filter(|group| *group < 10_000)?);
    }
    if !bytes.is_empty() {
        return None;
    }
    let group =
        |position: i32| usize::try_from(position).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    let weight = i32::from(weight);
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
    Some(text)
}
