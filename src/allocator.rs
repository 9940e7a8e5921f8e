//! The process's allocator, and its settings.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;

use libmimalloc_sys::{mi_malloc, mi_option_set, mi_option_t, mi_realloc, mi_zalloc};
use mimalloc::MiMalloc;

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

/// The allocator mimalloc, called without an alignment wherever its usual one suffices.
///
/// With an alignment, it takes a slow way for most sizes above one kilobyte, which are those of futures and
/// buffers: it asks for more bytes than needed, and aligns within them.
pub struct Allocator;

/// Tells whether memory of this layout is aligned without being asked for: to 16 bytes, as C demands of
/// `malloc`, and for smaller sizes to eight.
fn is_aligned_anyway(size: usize, align: usize) -> bool {
    align <= 8 || (align <= 16 && size >= align)
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: all calls reach mimalloc, which frees and resizes its memory however it was taken. The functions
// without an alignment are called only for layouts that they satisfy.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_aligned_anyway(layout.size(), layout.align()) {
            // SAFETY: the function takes any size.
            return unsafe { mi_malloc(layout.size()) }.cast();
        }
        // SAFETY: as the caller's.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_aligned_anyway(layout.size(), layout.align()) {
            // SAFETY: the function takes any size.
            return unsafe { mi_zalloc(layout.size()) }.cast();
        }
        // SAFETY: as the caller's.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { MiMalloc.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_aligned_anyway(size, layout.align()) {
            // SAFETY: the caller says that the memory is of this allocator.
            return unsafe { mi_realloc(memory.cast(), size) }.cast();
        }
        // SAFETY: as the caller's.
        unsafe { MiMalloc.realloc(memory, layout, size) }
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the functions of an allocator are unsafe to call")]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_as_its_layout_says() {
        for align in [1, 2, 4, 8, 16, 32, 128, 4096] {
            for size in (1..300).chain([1000, 1025, 1100, 2049, 3000, 5000, 70_000, 1 << 21]) {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: no size is zero, and each pointer is given back with its layout.
                let taken: Vec<_> = (0..3)
                    .map(|_| unsafe {
                        let memory = Allocator.alloc(layout);
                        assert!(!memory.is_null() && memory.addr().is_multiple_of(align), "{layout:?}");
                        memory.write_bytes(7, size);
                        let larger = Allocator.realloc(memory, layout, size + 1000);
                        assert!(!larger.is_null() && larger.addr().is_multiple_of(align), "{layout:?}");
                        let kept = std::slice::from_raw_parts(larger, size);
                        assert!(kept.iter().all(|byte| *byte == 7), "{layout:?}");
                        larger
                    })
                    .collect();
                let larger = Layout::from_size_align(size + 1000, align).expect("a layout");
                // SAFETY: as above.
                taken.into_iter().for_each(|memory| unsafe { Allocator.dealloc(memory, larger) });
            }
        }
    }
}
