//! How the allocator of the process is set.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// The number of the option, which the bindings leave out; it is the same in all versions of the library.
const PURGE_DELAY: mi_option_t = 15;
/// How long memory that was freed is kept before the system gets it back, in milliseconds. By default it
/// is ten, and at some hundred requests a second some of it is given away between two of them.
const KEPT_MS: c_long = 500;

/// Sets it. To be called first, by a program that allocates with mimalloc.
#[expect(unsafe_code, reason = "options of the allocator are set by a C function, which takes a number")]
pub fn tune() {
    // SAFETY: the function takes any number, and may be called at any time by any thread.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_MS) };
}
