//! One function over several items, on several threads. Results are in the order of the items.

use std::num::NonZeroUsize;
use std::panic;
use std::thread;

/// Applies `work` to every item, on at most `threads` threads. One item, or one thread, takes no other thread than the
/// caller's.
///
/// # Panics
/// If `work` does.
pub fn map<T: Sync, U: Send>(
    threads: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let share = items.len().div_ceil(threads.get());
    if share >= items.len() {
        return items.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let shares = items.chunks(share);
        let running: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let results = running.into_iter().map(|share| match share.join() {
            Ok(results) => results,
            Err(payload) => panic::resume_unwind(payload),
        });
        results.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_whatever_the_number_of_threads() {
        for items in [0, 1, 2, 7, 12] {
            let items: Vec<u32> = (0..items).collect();
            for threads in 1..=13 {
                let threads = NonZeroUsize::new(threads).unwrap();
                let doubled = map(threads, &items, |item| item * 2);
                assert_eq!(
                    doubled,
                    items.iter().map(|item| item * 2).collect::<Vec<_>>()
                );
            }
        }
    }

    #[test]
    #[should_panic = "made to order"]
    fn a_panic_is_the_callers() {
        map(NonZeroUsize::new(2).unwrap(), &[1, 2], |item| {
            assert_ne!(*item, 2, "made to order");
        });
    }
}
