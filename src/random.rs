//! Bytes that cannot be guessed. They are fetched from the system in pieces, because a system call for
//! each token costs more than the token's use.

use std::cell::RefCell;

/// Number of bytes that are fetched at once.
const PIECE: usize = 1024;

struct Pool {
    bytes: [u8; PIECE],
    /// Number of bytes that are left, at the front.
    left: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; PIECE], left: 0 }) };
}

/// Returns bytes of the system's random source. No byte is handed out twice.
///
/// # Panics
/// Panics if the source does not work, which happens only before the system is up.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= PIECE) };
    POOL.with_borrow_mut(|pool| {
        if pool.left < N {
            getrandom::fill(&mut pool.bytes).expect("the system's random source works once the system is up");
            pool.left = PIECE;
        }
        pool.left -= N;
        let mut taken = [0; N];
        // The bytes that are handed out are not kept.
        taken.swap_with_slice(&mut pool.bytes[pool.left..pool.left + N]);
        taken
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_is_handed_out_twice() {
        let mut seen = BTreeSet::new();
        for _ in 0..10_000 {
            assert!(seen.insert(bytes::<16>()) && seen.insert(*bytes::<24>().first_chunk().expect("enough")));
        }
    }
}
