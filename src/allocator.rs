//! Settings of the process's allocator.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Number of the option, which the bindings leave out. It is the same in all versions of the library.
const PURGE_DELAY: mi_option_t = 15;
/// Time for which freed memory is kept before the system gets it back, in milliseconds. The default is
/// ten. With it, some memory is given back between two requests at some hundred requests a second.
const KEPT_MS: c_long = 500;

/// Sets the options. A program that allocates with mimalloc calls this first.
#[expect(unsafe_code, reason = "options of the allocator are set by a C function, which takes a number")]
pub fn tune() {
    // SAFETY: the function takes any number, and may be called at any time by any thread.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_MS) };
}
