//! What may be shown, and to whom. Every answer of the service about a job or an assignment is one of these shapes.
//!
//! | | tenant | the assignment's agent |
//! |---|---|---|
//! | work, terms, price | yes | work, terms; of replicas, how many must agree where it is more than one |
//! | how many replicas run, who runs them | once openings are asked for | never |
//! | challenge, replica key | never | its own, once the assignment is taken |
//! | replica keys of the others | never | once openings are asked for |
//! | seed of the audit | never | once openings are asked for |
//!
//! A tenant in league with an agent would tell it what it sees. So the tenant may not see what an agent may not know.

mod agent;
mod tenant;

pub use agent::{AgentView, CrossKey, LeaseView, OpeningRequest, QuestionView};
pub use tenant::{AssignmentSummary, TenantView};
