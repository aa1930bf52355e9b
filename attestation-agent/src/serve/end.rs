//! How an assignment ends here.

use std::fmt;

use evidence::work::wire::{Ended, Word};

use super::line::No;
use crate::problem::Problem;

/// How an assignment ends here.
#[derive(Debug)]
pub(super) enum End {
    /// The verifier said, in answer to a heartbeat, that it is over.
    Over(Ended),
    /// The verifier refused a request about it.
    Refused {
        request: &'static str,
        problem: Box<Problem>,
    },
    /// It was given back.
    GivenBack(Word),
    /// The verifier has not said for too long that it is over.
    Forgotten,
    /// The verifier does not know this agent.
    Removed(Box<Problem>),
    /// It goes on when the agent is started again.
    Paused,
}

impl End {
    /// What a request that was not done means for its assignment.
    pub(super) fn of(request: &'static str) -> impl Fn(No) -> Self {
        move |no| match no {
            No::Removed(problem) => Self::Removed(problem),
            No::Refused(problem) => Self::Refused { request, problem },
        }
    }

    /// Whether what is on disk about it is of use to the next start.
    pub(super) const fn is_to_be_kept(&self) -> bool {
        matches!(self, Self::Paused)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(ended) => match &ended.code {
                Some(code) => write!(f, "{}: {code}", ended.status),
                None => write!(f, "{}", ended.status),
            },
            Self::Refused { request, problem } => write!(f, "{request} was refused: {problem}"),
            Self::GivenBack(code) => write!(f, "given back: {code}"),
            Self::Forgotten => f.write_str("the verifier never said that it is over"),
            Self::Removed(problem) => write!(f, "this agent was removed: {problem}"),
            Self::Paused => f.write_str("goes on with the next start"),
        }
    }
}
