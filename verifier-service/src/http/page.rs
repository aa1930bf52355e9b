//! Pages of lists, from the latest entry to the earliest. Each page begins after the last entry of the page before.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use evidence::UnixTime;
use serde::Deserialize;

use super::{App, json};
use crate::id::Id;
use crate::problem::{Problem, ProblemCode};
use crate::store;
use crate::store::parties::PageOf;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// Which page a request asks for: `?cursor=…&limit=…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page(PageOf);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default, deserialize_with = "json::present")]
    cursor: Option<String>,
    #[serde(default, deserialize_with = "json::present")]
    limit: Option<u32>,
}

impl Page {
    /// What to ask the store for: one entry more than is shown, which says whether there is a next page.
    pub(super) fn to_ask(self) -> PageOf {
        PageOf {
            limit: self.0.limit.saturating_add(1),
            ..self.0
        }
    }

    /// The same for lists that are entered by the text of a name.
    pub(super) fn to_ask_by_name(self) -> store::Page {
        let PageOf { after, limit } = self.to_ask();
        store::Page {
            after: after.map(|(at, id)| (at, id.to_string())),
            limit,
        }
    }

    /// The entries to show, and the cursor of the next page if there is one.
    pub(super) fn cut<T>(
        self,
        entries: Vec<T>,
        place: impl Fn(&T) -> (UnixTime, Id),
    ) -> (Vec<T>, Option<String>) {
        self.cut_by_name(entries, |entry| {
            let (at, id) = place(entry);
            (at, id.to_string())
        })
    }

    /// The same for entries that are named by texts.
    pub(super) fn cut_by_name<T>(
        self,
        mut entries: Vec<T>,
        place: impl Fn(&T) -> (UnixTime, String),
    ) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.0.limit).unwrap_or(usize::MAX);
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| has_more);
        let next = last.map(place);
        let next = next.map(|(at, id)| format!("{}-{id}", at.secs()));
        (entries, next)
    }

    fn read(asked: Asked) -> Option<Self> {
        let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
        let after = match asked.cursor {
            None => None,
            Some(cursor) => Some(place_of(&cursor)?),
        };
        (1..=MAX_LIMIT)
            .contains(&limit)
            .then_some(Self(PageOf { after, limit }))
    }
}

fn place_of(cursor: &str) -> Option<(UnixTime, Id)> {
    let (secs, id) = cursor.split_once('-')?;
    let is_given = secs.bytes().all(|byte| byte.is_ascii_digit());
    let secs = secs.parse().ok().filter(|_| is_given)?;
    Some((UnixTime::from_secs(secs), id.parse().ok()?))
}

impl FromRequestParts<App> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri).ok();
        let page = asked.and_then(|Query(asked)| Self::read(asked));
        page.ok_or_else(|| {
            Problem::new(ProblemCode::QueryMalformed)
                .detail("expected cursor, as the page before gave it, and limit, 1 to 200")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cursor: Option<&str>, limit: Option<u32>) -> Option<Page> {
        let cursor = cursor.map(str::to_owned);
        Page::read(Asked { cursor, limit })
    }

    #[test]
    fn a_cursor_is_the_place_of_the_last_entry() {
        let entries: Vec<_> = (1..=3)
            .map(|n| (UnixTime::from_secs(n), Id::random()))
            .collect();
        let page = read(None, Some(2)).unwrap();
        assert_eq!((page.to_ask().limit, page.to_ask().after), (3, None));
        let (shown, next) = page.cut(entries.clone(), |entry| *entry);
        assert_eq!(shown, entries[..2]);
        let next = read(next.as_deref(), Some(2)).unwrap();
        assert_eq!(next.to_ask().after, Some(entries[1]));
        let (shown, next) = next.cut(entries[2..].to_vec(), |entry| *entry);
        assert_eq!((shown.len(), next), (1, None));
    }

    #[test]
    fn what_is_no_page() {
        assert_eq!(read(None, None).unwrap().to_ask().limit, 51);
        assert!(read(None, Some(200)).is_some());
        for limit in [0, 201] {
            assert!(read(None, Some(limit)).is_none());
        }
        let id = Id::random();
        assert!(read(Some(&format!("-5-{id}")), None).is_none());
        for cursor in [
            "",
            "-",
            "5-",
            &format!("x-{id}"),
            &format!("5-{id}0"),
            &format!("+5-{id}"),
        ] {
            assert!(read(Some(cursor), None).is_none(), "{cursor}");
        }
    }
}
