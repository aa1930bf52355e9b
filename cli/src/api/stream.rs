//! Server-sent events (WHATWG HTML, section 9.2): the lines of a job's history, as they come.

use reqwest::Response;

use super::{Api, Call};
use crate::failure::Failure;

/// Longest event, in bytes. A line of a history has a few hundred.
const MAX_EVENT_BYTES: usize = 64 * 1024;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty where it has none.
    pub(crate) name: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// A stream of events, taken up again after the last one where it breaks.
pub(crate) struct EventStream {
    answer: Response,
    reader: Reader,
}

/// Bytes in, events out.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    event: Event,
    last_id: Option<String>,
}

impl EventStream {
    /// Opens the stream at `path`, after the event `last_id`.
    pub(crate) async fn open(
        api: &Api,
        path: &str,
        last_id: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut call = Call::get(path).accepting("text/event-stream");
        if let Some(id) = last_id {
            call = call.header("last-event-id", id.to_owned());
        }
        Ok(Self {
            answer: api.send(&call).await?,
            reader: Reader {
                last_id: last_id.map(str::to_owned),
                ..Reader::default()
            },
        })
    }

    /// The next events, or none where the stream has ended or broken.
    pub(crate) async fn next(&mut self) -> Option<Vec<Event>> {
        let chunk = self.answer.chunk().await.ok().flatten()?;
        self.reader.push(&chunk)
    }

    /// The id of the last event.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.reader.last_id.as_deref()
    }
}

impl Reader {
    /// Takes what came; `None` for an event that is longer than any.
    fn push(&mut self, chunk: &[u8]) -> Option<Vec<Event>> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        let long = self.rest.len().saturating_add(self.event.data.len());
        (long <= MAX_EVENT_BYTES).then_some(events)
    }

    /// An empty line ends an event; one without data is none.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.name = value.to_owned(),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_whatever_the_pieces() {
        let text = ": hello\nid: 7\nevent: job_created\ndata: {\ndata: }\n\nretry: 5\n\nid: 8\r\ndata: x\r\n\r\nid: 9\ndata: half";
        for size in [1, 2, 3, 7, text.len()] {
            let mut reader = Reader::default();
            let chunks = text.as_bytes().chunks(size);
            let events: Vec<_> = chunks
                .flat_map(|chunk| reader.push(chunk).unwrap())
                .collect();
            let event = |name: &str, data: &str| Event {
                name: name.to_owned(),
                data: data.to_owned(),
            };
            assert_eq!(
                events,
                [event("job_created", "{\n}"), event("", "x")],
                "{size}"
            );
            assert_eq!(reader.last_id.as_deref(), Some("9"));
        }
    }

    #[test]
    fn an_endless_event_is_none() {
        let mut reader = Reader::default();
        assert!(reader.push(&vec![b'x'; MAX_EVENT_BYTES]).is_some());
        assert!(reader.push(b"x").is_none());
    }
}
