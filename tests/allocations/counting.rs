//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(true) };
}

/// Leaves the allocations of the current thread uncounted from now on.
pub fn not_counted() {
    COUNTS.set(false);
}

/// The system's allocator, with a count of the calls that take memory.
struct Counting;

fn count(size: usize) {
    // A thread that ends has no values of its own any more.
    if COUNTS.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        BYTES.fetch_add(size as u64, Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: all calls are passed on to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// A number of allocations, and of the bytes that they took.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    pub allocations: u64,
    pub bytes: u64,
}

impl Count {
    /// Returns the count since the start of the process.
    pub fn now() -> Self {
        Self { allocations: ALLOCATIONS.load(Relaxed), bytes: BYTES.load(Relaxed) }
    }

    pub fn since(self, before: Self) -> Self {
        Self { allocations: self.allocations - before.allocations, bytes: self.bytes - before.bytes }
    }

    /// Returns the median of both numbers.
    pub fn median(counts: Vec<Self>) -> Self {
        let median = |mut numbers: Vec<u64>| {
            numbers.sort_unstable();
            numbers[numbers.len() / 2]
        };
        Self {
            allocations: median(counts.iter().map(|count| count.allocations).collect()),
            bytes: median(counts.iter().map(|count| count.bytes).collect()),
        }
    }
}
