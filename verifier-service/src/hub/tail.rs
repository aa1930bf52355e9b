//! What is new since the last look.
//!
//! Events get their numbers before their transactions end, so that a smaller number can appear after a greater one when
//! several verifiers write to one PostgreSQL. So each look begins at numbers that were first seen some time ago, and
//! skips those that it has seen.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Events, Note};
use crate::store::StoreError;

/// How long after a number a smaller one can still appear. Transactions that write events take milliseconds.
const SETTLES_AFTER: Duration = Duration::from_secs(10);
/// How far the first look goes back: what was written while nobody waited has nobody to wake, but for transactions that
/// are about to end.
const LOOK_BACK: i64 = 256;
/// Most events of one question.
const PAGE: u32 = 1000;

#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Every number up to here is known, or will never be; `None` before the first look.
    settled: Option<i64>,
    /// Numbers beyond it, and when they were first seen.
    seen: BTreeMap<i64, Instant>,
}

impl Tail {
    /// The events not seen before.
    pub(super) async fn read(
        &mut self,
        events: &dyn Events,
        now: Instant,
    ) -> Result<Vec<Note>, StoreError> {
        let mut from = match self.settled {
            Some(settled) => settled,
            None => events.last().await?.saturating_sub(LOOK_BACK),
        };
        self.settled = Some(from);
        let mut fresh = Vec::new();
        loop {
            let page = events.after(from, PAGE).await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            from = page.last().map_or(from, |note| note.number);
            fresh.extend(page.into_iter().filter(|note| self.is_new(note, now)));
            if is_last {
                break;
            }
        }
        self.settle(now);
        Ok(fresh)
    }

    fn is_new(&mut self, note: &Note, now: Instant) -> bool {
        let mut is_new = false;
        self.seen.entry(note.number).or_insert_with(|| {
            is_new = true;
            now
        });
        is_new
    }

    fn settle(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= SETTLES_AFTER;
        let old = self.seen.iter().rev().find(|(_, at)| is_old(at));
        if let Some(number) = old.map(|(number, _)| *number) {
            self.seen = self.seen.split_off(&number.saturating_add(1));
            self.settled = Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Written, job};
    use super::*;

    async fn numbers(tail: &mut Tail, events: &Written, now: Instant) -> Vec<i64> {
        let notes = tail.read(events, now).await.unwrap();
        notes.iter().map(|note| note.number).collect()
    }

    #[tokio::test]
    async fn a_number_that_comes_late_is_seen_and_each_once() {
        let events = Written::default();
        let write = |number| {
            events.write(Note {
                number,
                job: job(),
                agent: None,
            });
        };
        let (mut tail, start) = (Tail::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        write(1);
        write(4);
        assert_eq!(numbers(&mut tail, &events, at(0)).await, [1, 4]);
        write(3);
        assert_eq!(numbers(&mut tail, &events, at(1)).await, [3]);
        write(5);
        assert_eq!(numbers(&mut tail, &events, at(9)).await, [5]);
        assert_eq!(numbers(&mut tail, &events, at(10)).await, Vec::<i64>::new());
        assert_eq!(tail.settled, Some(4), "1 and 4 are ten seconds old");
        write(2);
        assert_eq!(numbers(&mut tail, &events, at(11)).await, Vec::<i64>::new());
        write(6);
        assert_eq!(numbers(&mut tail, &events, at(30)).await, [6]);
        assert_eq!((tail.settled, tail.seen.len()), (Some(5), 1));
    }

    #[tokio::test]
    async fn the_first_look_does_not_go_back_to_the_beginning_and_pages_are_read_to_the_end() {
        let events = Written::default();
        let write = |number| {
            events.write(Note {
                number,
                job: job(),
                agent: None,
            });
        };
        (1..=1000).for_each(write);
        let mut tail = Tail::default();
        let now = Instant::now();
        assert_eq!(numbers(&mut tail, &events, now).await.len(), 256);
        (1001..=4500).for_each(write);
        assert_eq!(numbers(&mut tail, &events, now).await.len(), 3500);
    }
}
