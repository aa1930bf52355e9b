//! Which trace the current request belongs to, for answers that name it.

use evidence::work::Hex;

use crate::random;

tokio::task_local! {
    static CURRENT: String;
}

/// A name of its own for what belongs to no trace yet: 32 hexadecimal digits, as the W3C's Trace Context has them.
pub(crate) fn new_id() -> String {
    Hex(random::bytes::<16>()).to_string()
}

/// The name of the trace of the request that is being answered, if one is.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Answers a request of this trace.
pub(crate) async fn within<F: Future>(trace: String, answering: F) -> F::Output {
    CURRENT.scope(trace, answering).await
}
