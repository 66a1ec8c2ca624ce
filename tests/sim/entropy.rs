//! All randomness of the process from one seed: the simulator's own `getrandom`, in place of the C library's.
//!
//! `HashMap`'s keys, `rand::rng()`, UUIDs, `tokio::select!` and what tokio keeps inside ask it. With it, one process runs
//! one simulation, and equal seeds give equal runs.

#![expect(unsafe_code, reason = "a symbol that the C library's callers find first is unsafe to define")]

use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Starts the randomness of this process anew. Called before anything asks for some.
pub fn seed(seed: u64) {
    STATE.store(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5851_f42d_4c95_7f2d, Ordering::SeqCst);
}

/// The next number of splitmix64 (Steele, Lea and Flood 2014).
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = STATE.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// As `getrandom(2)`, but foreseeable.
///
/// # Safety
/// `buf` points to `len` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buf: *mut u8, len: usize, _flags: u32) -> isize {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buf, len) };
    for chunk in bytes.chunks_mut(8) {
        for (byte, random) in chunk.iter_mut().zip(next().to_le_bytes()) {
            *byte = random;
        }
    }
    isize::try_from(len).unwrap_or(isize::MAX)
}
