//! Locks of what is whole between any two statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere leaves finished values behind, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
