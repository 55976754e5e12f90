//! Stacks that templates fit on: they call each other as deep as Helm lets them, which is more than a usual stack holds.

use std::cell::Cell;

use crate::error::Diagnostic;
use crate::gotmpl;

/// What the threads of [`start_pool`] have beyond the deepest template: for the pipeline's own calls.
const MARGIN_BYTES: usize = 16 << 20;

thread_local! {
    /// How deep a stack this thread is known to have.
    static STACK_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Gives the threads that releases render on stacks deep enough for any template, so that not every render needs a
/// thread of its own. Without it everything works, a little slower.
pub fn start_pool() {
    let pool = rayon::ThreadPoolBuilder::new()
        .stack_size(gotmpl::STACK_BYTES + MARGIN_BYTES)
        .start_handler(|_| STACK_BYTES.set(gotmpl::STACK_BYTES));
    // It fails where there is a pool already, which serves as well.
    let _ = pool.build_global();
}

/// How much of its stack the first thread of a program has taken when a verb begins to render, at most.
const TAKEN_BYTES: usize = 1 << 20;

/// Whether this is the program's first thread, with a stack that holds so many bytes more: it grows to what `ulimit -s`
/// says, 8 MB mostly.
pub fn first_has_stack(bytes: usize) -> bool {
    let is_first = rustix::thread::gettid() == rustix::process::getpid();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    is_first && limit.is_none_or(|limit| limit >= (bytes + TAKEN_BYTES) as u64)
}

/// Runs `work` on a stack of at least so many bytes: here if this thread has one, else on a thread of its own. A panic
/// in it goes on here.
///
/// # Errors
/// No such thread can be started.
pub fn with_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T, Diagnostic> {
    if STACK_BYTES.get() >= bytes {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work).map_err(|error| {
            Diagnostic::error(format!("no thread with {bytes} bytes of stack can be started: {error}"))
                .help("free memory, or raise the limit of the address space (`ulimit -v`)")
        })?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What the second thread of [`map_on_two_threads`] has for a stack: as much as the first one of a program.
const SECOND_STACK_BYTES: usize = 8 << 20;

/// Maps items, the second half of them (by `bytes`) on a thread of its own; here where there are fewer than `bytes_min`,
/// for which a thread costs more than it saves, and in a pool, whose threads have other releases to work on.
pub fn map_on_two_threads<T: Sync, R: Send>(
    items: &[T],
    bytes: impl Fn(&T) -> usize,
    bytes_min: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let all = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    let total: usize = items.iter().map(&bytes).sum();
    if total < bytes_min || rayon::current_thread_index().is_some() {
        return all(items);
    }
    let mut before = 0;
    let half = items.iter().position(|item| {
        before += bytes(item);
        before > total / 2
    });
    let (first, second) = items.split_at(half.unwrap_or(items.len()));
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(SECOND_STACK_BYTES);
        let Ok(thread) = builder.spawn_scoped(scope, || all(second)) else { return all(items) };
        let mut results = all(first);
        results.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_stays_where_the_stack_is_deep_enough() {
        let here = std::thread::current().id();
        assert_ne!(with_stack(1 << 20, || std::thread::current().id()).unwrap(), here);
        STACK_BYTES.set(1 << 20);
        assert_eq!(with_stack(1 << 20, || std::thread::current().id()).unwrap(), here);
        assert_ne!(with_stack(2 << 20, || std::thread::current().id()).unwrap(), here);
    }

    #[test]
    fn results_keep_the_order_of_the_items() {
        for items in [vec![], vec![1], vec![1, 1, 1], vec![9, 1, 1], vec![1, 1, 9]] {
            for bytes_min in [0, 3, 100] {
                let doubled = map_on_two_threads(&items, |item| *item, bytes_min, |item| 2 * item);
                assert_eq!(doubled, items.iter().map(|item| 2 * item).collect::<Vec<_>>());
            }
        }
        let threads = map_on_two_threads(&[1, 1], |_| 1, 0, |_| std::thread::current().id());
        assert_ne!(threads[0], threads[1]);
    }
}
