//! Answers on their way out. Their memory is bounded for all together, and for each the time in which the client takes
//! nothing of it.
//!
//! An answer that is whole holds a share of a budget until its last byte is handed to the system, so that clients that
//! ask and do not read cannot make the verifier hold more than the budget. A stream holds a piece at a time. Either way
//! the connection knows which answers are open, and ends when they do not move.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::budget::{Budget, Share};
use crate::connections::{Line, OpenAnswer};
use crate::problem::Problem;

/// What is handed on at one time, and what has to be taken of an answer before it counts as moved.
const PIECE_BYTES: usize = 64 * 1024;
/// Answers up to this size have no share: a connection costs more.
const FREE_BYTES: usize = 4 * 1024;

/// Gives an answer its share of the memory, or answers that there is none.
pub(super) async fn bound(
    State(budget): State<Budget>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let line = request.extensions().get::<Line>().cloned();
    let response = next.run(request).await;
    let whole = match response.body().size_hint().exact() {
        Some(0) => return Ok(response),
        Some(bytes) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let share = (bytes > FREE_BYTES).then(|| budget.whole(bytes));
            Some(Arc::new(UnderWay {
                answer: line.as_ref().map(Line::open),
                _share: share.transpose()?,
            }))
        }
        None => None,
    };
    Ok(response.map(|body| {
        Body::new(Outgoing {
            body,
            rest: Bytes::new(),
            whole,
            line,
        })
    }))
}

/// What an answer holds until it is gone.
#[derive(Debug)]
struct UnderWay {
    answer: Option<OpenAnswer>,
    _share: Option<Share>,
}

/// A piece of an answer.
struct Piece {
    bytes: Bytes,
    under_way: Arc<UnderWay>,
}

/// The body of an answer.
struct Outgoing {
    body: Body,
    /// What has come of the body and is to be handed on.
    rest: Bytes,
    /// Of an answer that is whole; of a stream each piece is under way by itself.
    whole: Option<Arc<UnderWay>>,
    line: Option<Line>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(answer) = &self.under_way.answer {
            answer.moves();
        }
    }
}

impl Outgoing {
    fn next_piece(&mut self) -> Bytes {
        let bytes = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let under_way = match &self.whole {
            Some(whole) => Arc::clone(whole),
            None => Arc::new(UnderWay {
                answer: self.line.as_ref().map(Line::open),
                _share: None,
            }),
        };
        Bytes::from_owner(Piece { bytes, under_way })
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let of_body = self.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(of_body.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests;
