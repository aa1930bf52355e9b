//! Bodies of requests: bounded in size, in time, and all together in memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, ProblemCode};

/// Unit of the memory budget. A finer one would let many tiny requests starve nobody; a coarser one would.
const SHARE_BYTES: usize = 1024;
/// Seconds after which other bodies have gone.
const BUDGET_RETRY_S: u32 = 1;

/// Reads bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyReader {
    budget: Arc<Semaphore>,
    timeout: Duration,
}

/// A body, and its share of the memory for bodies.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    share: OwnedSemaphorePermit,
}

impl BodyReader {
    /// Reads bodies of at most `budget_bytes` at one time, each within `timeout`.
    pub(crate) fn new(budget_bytes: usize, timeout: Duration) -> Self {
        let shares = (budget_bytes / SHARE_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            budget: Arc::new(Semaphore::new(shares)),
            timeout,
        }
    }

    /// Reads a body of at most `limit` bytes.
    ///
    /// # Errors
    /// 408, 413, 503, or 400 if it ends early.
    pub(crate) async fn read(&self, request: Request, limit: usize) -> Result<Body, Problem> {
        let waits_for_go_ahead = request.headers().contains_key(header::EXPECT);
        let mut body = request.into_body();
        let read = async {
            let result = self.read_at_most(&mut body, limit).await;
            if result.is_err() && !waits_for_go_ahead {
                // A client in the middle of sending reads no answer, and may lose it when the connection closes.
                discard(&mut body, limit).await;
            }
            result
        };
        tokio::time::timeout(self.timeout, read)
            .await
            .unwrap_or_else(|_| Err(Problem::new(ProblemCode::BodyTimeout)))
    }

    async fn read_at_most(
        &self,
        body: &mut axum::body::Body,
        limit: usize,
    ) -> Result<Body, Problem> {
        let stated = body.size_hint();
        let least = usize::try_from(stated.lower()).unwrap_or(usize::MAX);
        if least > limit {
            return Err(too_large(limit));
        }
        let most = stated.upper().and_then(|most| usize::try_from(most).ok());
        let share = self.share_of(most.unwrap_or(limit).min(limit))?;
        let mut bytes = Vec::with_capacity(least);
        while let Some(data) = next(body).await? {
            if data.len() > limit - bytes.len() {
                return Err(too_large(limit));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Body { bytes, share })
    }

    fn share_of(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let overloaded = || Problem::new(ProblemCode::Overloaded).retry_after_s(BUDGET_RETRY_S);
        let shares = u32::try_from(bytes.div_ceil(SHARE_BYTES).max(1)).map_err(|_| overloaded())?;
        let budget = Arc::clone(&self.budget);
        budget
            .try_acquire_many_owned(shares)
            .map_err(|_| overloaded())
    }
}

impl Body {
    /// The bytes, for looking at.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, and the share to hold on to for as long as they are held.
    pub(crate) fn into_parts(self) -> (Vec<u8>, OwnedSemaphorePermit) {
        (self.bytes, self.share)
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge).detail(format!("expected at most {limit} bytes"))
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut axum::body::Body) -> Result<Option<axum::body::Bytes>, Problem> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame.transpose() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => return Err(Problem::caused(ProblemCode::BodyIncomplete, error)),
        }
    }
}

/// Reads on for as much again, keeping nothing.
async fn discard(body: &mut axum::body::Body, at_most: usize) {
    let mut left = at_most;
    while let Ok(Some(data)) = next(body).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as HttpBody;

    use super::*;

    fn reader(budget_bytes: usize) -> BodyReader {
        BodyReader::new(budget_bytes, Duration::from_millis(50))
    }

    async fn read(reader: &BodyReader, body: HttpBody) -> Result<Body, &'static str> {
        reader
            .read(Request::new(body), 4096)
            .await
            .map_err(|problem| problem.code())
    }

    #[tokio::test]
    async fn sizes_up_to_the_limit_are_read() {
        let reader = reader(8192);
        for (len, good) in [(0, true), (4096, true), (4097, false)] {
            let body = read(&reader, HttpBody::from(vec![7; len])).await;
            assert_eq!(
                body.as_ref().map(|b| b.bytes().len()).ok(),
                good.then_some(len)
            );
            assert_eq!(body.err(), (!good).then_some("body_too_large"));
        }
    }

    #[tokio::test]
    async fn memory_is_shared_out_and_given_back() {
        let reader = reader(4096);
        let first = read(&reader, HttpBody::from(vec![7; 4096])).await.unwrap();
        assert_eq!(
            read(&reader, HttpBody::from(vec![7; 1])).await.unwrap_err(),
            "overloaded"
        );
        drop(first);
        read(&reader, HttpBody::from(vec![7; 4096])).await.unwrap();
    }
}
