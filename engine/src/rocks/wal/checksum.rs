//! CRC-32C (Castagnoli) and RocksDB's masking of it. The crate of checksums that we have knows another polynomial.
//! Source: `util/crc32c.h` of RocksDB; eight bytes a step after Kounavis and Berry (slicing by eight).

const POLYNOMIAL: u32 = 0x82f6_3b78;
const LANES: usize = 8;
const TABLES: [[u32; 256]; LANES] = tables();

#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which checks the bounds")]
const fn tables() -> [[u32; 256]; LANES] {
    let mut tables = [[0; 256]; LANES];
    let (mut byte, mut remainder) = (0, 0_u32);
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            remainder = if remainder & 1 == 1 { (remainder >> 1) ^ POLYNOMIAL } else { remainder >> 1 };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
        // The next byte's number is the remainder to begin with.
        remainder = byte_number(byte);
    }
    let mut lane = 1;
    while lane < LANES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[lane - 1][byte];
            tables[lane][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        lane += 1;
    }
    tables
}

#[expect(clippy::cast_possible_truncation, reason = "at most 256")]
const fn byte_number(byte: usize) -> u32 {
    byte as u32
}

/// The checksum of some bytes.
pub(in crate::rocks) fn crc32c(bytes: &[u8]) -> u32 {
    extended(0, bytes)
}

/// The checksum of bytes behind others, whose checksum is `crc`.
#[expect(clippy::indexing_slicing, reason = "a byte is below 256, and the lanes are constants")]
fn extended(crc: u32, bytes: &[u8]) -> u32 {
    let mut crc = !crc;
    let (words, rest) = bytes.as_chunks::<LANES>();
    for word in words {
        let [a, b, c, d, e, f, g, h] = (u64::from_le_bytes(*word) ^ u64::from(crc)).to_le_bytes();
        let lanes = [h, g, f, e, d, c, b, a];
        crc = lanes.iter().zip(&TABLES).fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
    }
    for byte in rest {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        crc = (crc >> 8) ^ TABLES[0][usize::from(low)];
    }
    !crc
}

/// As it is stored: the checksum of bytes that hold a checksum would be a poor one.
pub(super) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of RFC 3720, appendix B.4, and RocksDB's own test of its mask.
    #[test]
    fn crc32c_is_the_published_one() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(extended(crc32c(b"1234"), b"56789"), crc32c(b"123456789"));
        assert_ne!(masked(crc32c(b"foo")), crc32c(b"foo"));
    }
}
