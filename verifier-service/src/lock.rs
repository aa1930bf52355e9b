//! Locks of data that is consistent between any two statements, so that a panic under the lock does no harm.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere leaves finished values behind, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
