//! How far a job is: a bar on a terminal, a line for each event elsewhere. Both go beside the answer, not into it.
//!
//! A job has six stations and says itself where it is, so the bar is a dozen lines here and not a library.

use std::time::Instant;

use serde_json::Value;

use crate::Output;
use crate::api::{Event, printable};

/// The stations of a job that goes well, in order.
const STATIONS: [&str; 4] = ["open", "opening", "accepted", "settled"];
const BAR: usize = 24;

pub(super) struct Progress {
    on_terminal: bool,
    started: Instant,
    status: String,
}

impl Progress {
    pub(super) fn new(on_terminal: bool) -> Self {
        Self {
            on_terminal,
            started: Instant::now(),
            status: String::new(),
        }
    }

    /// The job stands there.
    pub(super) fn status(&mut self, status: &str, out: &mut Output<'_>) {
        let new = self.status != status;
        self.status = printable(status);
        match self.on_terminal {
            true => self.draw("", out),
            false if new => out.note(format_args!("{}", self.status)),
            false => {}
        }
    }

    /// Something happened.
    pub(super) fn event(&self, event: &Event, out: &mut Output<'_>) {
        let said = words(event);
        match self.on_terminal {
            true => self.draw(&said, out),
            false => out.note(format_args!("{said}")),
        }
    }

    /// Nothing more follows.
    pub(super) fn end(&self, out: &mut Output<'_>) {
        if self.on_terminal {
            out.beside(format_args!("\n"));
        }
    }

    fn draw(&self, said: &str, out: &mut Output<'_>) {
        let seconds = self.started.elapsed().as_secs();
        let bar = bar(&self.status);
        // To the first column, the line, and nothing of the line before.
        out.beside(format_args!(
            "\r[{bar}] {:<9} {:02}:{:02} {said}\x1b[K",
            self.status,
            seconds / 60,
            seconds % 60
        ));
    }
}

/// As far as its station; a dispute is where openings are.
fn bar(status: &str) -> String {
    let status = if status == "disputed" {
        "opening"
    } else {
        status
    };
    let place = STATIONS.iter().position(|station| *station == status);
    let reached = place.map_or(0, |place| place.saturating_add(1));
    let full = BAR.saturating_mul(reached) / STATIONS.len();
    format!(
        "{}{}",
        "#".repeat(full),
        "-".repeat(BAR.saturating_sub(full))
    )
}

/// What happened, in the verifier's words.
fn words(event: &Event) -> String {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |member: &str| data.get(member).and_then(Value::as_str);
    let kind = text("kind").unwrap_or(&event.name);
    let more = ["assignment", "code"].into_iter().filter_map(text);
    let words: Vec<_> = [kind].into_iter().chain(more).map(printable).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_goes_one_way() {
        let full = |status| bar(status).matches('#').count();
        assert_eq!(
            ["", "open", "opening", "accepted", "settled"].map(full),
            [0, 6, 12, 18, 24]
        );
        assert_eq!(full("disputed"), full("opening"));
    }

    #[test]
    fn events_are_told_in_words() {
        let event = Event {
            name: "assignment_refused".to_owned(),
            data:
                r#"{"kind":"assignment_refused","assignment":"a-1","code":"opening_late","at":"x"}"#
                    .to_owned(),
        };
        assert_eq!(words(&event), "assignment_refused a-1 opening_late");
        let strange = Event {
            name: "later".to_owned(),
            data: "not JSON".to_owned(),
        };
        assert_eq!(words(&strange), "later");
    }
}
