//! Refused attempts, in bounded volume: the first of its kind is recorded at once; those like it are counted for a
//! minute and recorded as one; and a verifier writes a bounded number in an hour, however often somebody asks.

use std::collections::HashMap;
use std::sync::Mutex;

use evidence::UnixTime;

use super::{Action, Actor, By, Details, New, details};

/// How long attempts of one kind are counted before another entry about them, in seconds.
const WINDOW_S: i64 = 60;
/// Most entries about refusals in an hour, of one verifier: below 4 MB a day.
const MAX_AN_HOUR: u32 = 240;
const HOUR_S: i64 = 3600;
/// Most kinds of attempts that are counted at one time.
const MAX_KINDS: usize = 1024;

/// Who was refused what, and why: attempts that agree in this are of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    actor: Actor,
    action: Action,
    code: &'static str,
}

/// Attempts of one kind since the entry about the first.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: UnixTime,
    more: u64,
}

#[derive(Debug, Default)]
struct Counts {
    windows: HashMap<Kind, Window>,
    hour_since: Option<UnixTime>,
    this_hour: u32,
    /// Attempts that no entry will be about.
    omitted: u64,
}

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Counts>);

impl Refusals {
    /// What an entry about this attempt says beside it; none if the attempt is counted instead.
    pub(crate) fn entry_about(
        &self,
        by: &By,
        action: Action,
        code: &'static str,
    ) -> Option<Details> {
        let (actor, now) = (by.actor.clone(), by.at);
        let kind = Kind {
            actor,
            action,
            code,
        };
        crate::lock::lock(&self.0).see(kind, now)
    }

    /// What was counted, for windows that are over.
    pub(crate) fn over(&self, now: UnixTime) -> Vec<New> {
        crate::lock::lock(&self.0).settle(now, WINDOW_S)
    }

    /// Everything that was counted: the process ends.
    pub(crate) fn all(&self, now: UnixTime) -> Vec<New> {
        crate::lock::lock(&self.0).settle(now, 0)
    }
}

impl Counts {
    fn see(&mut self, kind: Kind, now: UnixTime) -> Option<Details> {
        if let Some(window) = self.windows.get_mut(&kind) {
            window.more += 1;
            return None;
        }
        if self.windows.len() >= MAX_KINDS || !self.has_room(now) {
            self.omitted += 1;
            return None;
        }
        let window = Window {
            since: now,
            more: 0,
        };
        self.windows.insert(kind, window);
        Some(self.with_omitted(Details::new()))
    }

    fn settle(&mut self, now: UnixTime, window_s: i64) -> Vec<New> {
        let is_over = |window: &Window| now.secs().saturating_sub(window.since.secs()) >= window_s;
        let over = self.windows.iter().filter(|(_, window)| is_over(window));
        let over: Vec<_> = over.map(|(kind, window)| (kind.clone(), *window)).collect();
        let mut entries = Vec::new();
        for (kind, window) in over {
            self.windows.remove(&kind);
            if window.more == 0 {
                continue;
            }
            if !self.has_room(now) {
                self.omitted += window.more;
                continue;
            }
            let counted = details! { "repeated": window.more, "since": window.since };
            let by = By::new(kind.actor, now);
            let entry = New::refused(by, kind.action, None, kind.code);
            entries.push(entry.with(self.with_omitted(counted)));
        }
        entries
    }

    fn has_room(&mut self, now: UnixTime) -> bool {
        let is_this_hour = |since: UnixTime| now.secs().saturating_sub(since.secs()) < HOUR_S;
        if !self.hour_since.is_some_and(is_this_hour) {
            (self.hour_since, self.this_hour) = (Some(now), 0);
        }
        let has_room = self.this_hour < MAX_AN_HOUR;
        self.this_hour += u32::from(has_room);
        has_room
    }

    /// The next entry says how many attempts none is about.
    fn with_omitted(&mut self, mut details: Details) -> Details {
        if self.omitted > 0 {
            details.insert("omitted".into(), self.omitted.into());
            self.omitted = 0;
        }
        details
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn by(actor: Actor, at: i64) -> By {
        By::new(actor, UnixTime::from_secs(at))
    }

    #[test]
    fn the_first_is_recorded_and_those_like_it_are_counted() {
        let refusals = Refusals::default();
        let see = |at, code| {
            let due = refusals.entry_about(&by(Actor::Nobody, at), Action::PolicyActivate, code);
            due.is_some()
        };
        assert!(see(0, "authorization_missing"));
        assert!(!see(1, "authorization_missing"));
        assert!(see(1, "authorization_invalid"), "another kind");
        assert!(!see(59, "authorization_missing"));
        assert!(refusals.over(UnixTime::from_secs(59)).is_empty());
        let over = refusals.over(UnixTime::from_secs(60));
        let [entry] = over.as_slice() else {
            panic!("{over:?}")
        };
        assert_eq!(entry.refused, Some("authorization_missing"));
        assert_eq!(entry.details["repeated"], 2);
        assert!(see(61, "authorization_missing"), "a window of its own");
        assert!(
            refusals.all(UnixTime::from_secs(61)).is_empty(),
            "nothing was counted"
        );
    }

    #[test]
    fn a_flood_fills_no_disk() {
        let refusals = Refusals::default();
        let mut written = 0;
        for at in 0..HOUR_S {
            for _ in 0..5 {
                let (key, party) = (Id::random(), Id::random());
                let actor = Actor::ApiKey { key, party };
                let due = refusals.entry_about(&by(actor, at), Action::JobCancel, "scope_missing");
                written += usize::from(due.is_some());
            }
            written += refusals.over(UnixTime::from_secs(at)).len();
        }
        assert_eq!(written, 240);
        let counts = refusals.0.lock().unwrap();
        assert!(counts.windows.len() <= MAX_KINDS);
        assert_eq!(counts.omitted, 5 * 3600 - 240);
        drop(counts);
        // An hour later there is room, and the first entry says what is missing.
        let later = by(Actor::Nobody, HOUR_S);
        let due = refusals.entry_about(&later, Action::JobCancel, "authorization_missing");
        assert_eq!(due.unwrap()["omitted"], 5 * 3600 - 240);
    }
}
