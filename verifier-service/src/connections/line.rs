//! Whether the answers on a connection move: a client that asks and does not read holds memory that others need.
//!
//! An answer is open from when it is made until its last byte is handed to the system, and moves whenever a piece of it
//! is. This holds for every protocol: over HTTP/2 an answer can be stuck while its connection is alive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::lock::lock;

/// One connection, as its answers know it. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: Mutex<Open>,
    opened: Notify,
}

/// When each open answer last moved.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    moved: HashMap<u64, Instant>,
}

/// An open answer, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenAnswer {
    line: Line,
    number: u64,
}

impl Line {
    /// Opens an answer.
    pub(crate) fn open(&self) -> OpenAnswer {
        let mut open = lock(&self.0.open);
        let number = open.next;
        open.next = number.wrapping_add(1);
        open.moved.insert(number, Instant::now());
        drop(open);
        self.0.opened.notify_one();
        OpenAnswer {
            line: self.clone(),
            number,
        }
    }

    /// Ends when an open answer has not moved for so long.
    pub(super) async fn stalls(&self, limit: Duration) {
        loop {
            let longest_still = lock(&self.0.open).moved.values().min().copied();
            match longest_still.map(|moved| moved + limit) {
                None => self.0.opened.notified().await,
                Some(over) if over <= Instant::now() => return,
                Some(over) => sleep_until(over).await,
            }
        }
    }
}

impl OpenAnswer {
    /// A piece of it was handed to the system.
    pub(crate) fn moves(&self) {
        if let Some(moved) = lock(&self.line.0.open).moved.get_mut(&self.number) {
            *moved = Instant::now();
        }
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        lock(&self.line.0.open).moved.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn one_answer_that_does_not_move_is_enough() {
        let line = Line::default();
        let of = line.clone();
        let stalling = tokio::spawn(async move { of.stalls(LIMIT).await });
        // Nothing is open: a client that waits for news, or has none to ask for.
        tokio::time::sleep(2 * LIMIT).await;
        let (quick, slow) = (line.open(), line.open());
        for _ in 0..20 {
            tokio::time::sleep(LIMIT / 8).await;
            quick.moves();
            slow.moves();
        }
        assert!(!stalling.is_finished());
        while !stalling.is_finished() {
            tokio::time::sleep(LIMIT / 8).await;
            quick.moves();
        }
        drop((quick, slow));
        let ended = tokio::time::timeout(2 * LIMIT, line.stalls(LIMIT)).await;
        ended.unwrap_err();
    }
}
