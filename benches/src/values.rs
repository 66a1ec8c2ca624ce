//! The values that are written: each says which key it belongs to and which write made it, and the rest follows from
//! these two, so that any damage shows.
//!
//! ```text
//! 16 hexadecimal digits: key │ 16 hexadecimal digits: stamp │ letters that follow from key and stamp …
//! ```

use std::fmt::Write as _;

/// Characters before the filler.
pub const HEAD_CHARS: usize = 32;
/// Shortest value: the head and one letter.
pub const VALUE_MIN_BYTES: usize = HEAD_CHARS + 1;
/// Longest value: well below what a row may hold (512 KiB).
pub const VALUE_MAX_BYTES: usize = 256 << 10;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Letters that one random number gives: six bits each.
const LETTERS_PER_NUMBER: usize = 10;

/// A value of this many characters, all of them ASCII.
pub fn make(key: u64, stamp: u64, bytes: usize) -> String {
    let mut value = String::with_capacity(bytes + LETTERS_PER_NUMBER);
    // Writing to a string cannot fail.
    let _ = write!(value, "{key:016x}{stamp:016x}");
    let mut state = key ^ stamp.rotate_left(32);
    while value.len() < bytes {
        let mut number = mix(&mut state);
        for _ in 0..LETTERS_PER_NUMBER {
            let letter = LETTERS.get((number & 63) as usize).copied().unwrap_or(b'A');
            value.push(char::from(letter));
            number >>= 6;
        }
    }
    value.truncate(bytes);
    value
}

/// Key and stamp of a value; `None` for anything that [`make`] has not made.
pub fn read(value: &str) -> Option<(u64, u64)> {
    let key = u64::from_str_radix(value.get(..16)?, 16).ok()?;
    let stamp = u64::from_str_radix(value.get(16..HEAD_CHARS)?, 16).ok()?;
    (make(key, stamp, value.len()) == value).then_some((key, stamp))
}

/// SplitMix64: the next number of a sequence that follows from its state.
pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_tells_key_and_stamp() {
        for bytes in [VALUE_MIN_BYTES, 256, 1000] {
            let value = make(77, 12, bytes);
            assert_eq!(value.len(), bytes);
            assert_eq!(read(&value), Some((77, 12)));
        }
    }

    #[test]
    fn value_with_any_damage_is_noticed() {
        let value = make(1, 2, 64);
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'3' { b'4' } else { b'3' };
            assert_eq!(read(&String::from_utf8(bytes).unwrap()), None, "character {at}");
        }
        assert_eq!(read(&value[..20]), None);
        assert_eq!(read(""), None);
    }
}
