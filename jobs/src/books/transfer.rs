//! Transfers: money moved between accounts of one currency, summing to nothing by construction.

use evidence::UnixTime;
use serde::{Deserialize, Serialize};

use super::Account;
use crate::id::{AssignmentId, JobId, PartyId};
use crate::money::{Amount, Currency, Money};

/// A movement of money. `(kind, key)` is unique over the whole journal: a second one is the first one again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    kind: TransferKind,
    key: String,
    at: UnixTime,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<AssignmentId>,
    postings: [Posting; 2],
}

/// One side of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// What it gains (above zero) or loses (below), in minor units.
    pub amount: i64,
}

/// Why money moves, and what its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// From outside to a party; key: the marketplace's reference.
    Deposit,
    /// From a party to outside; key: the marketplace's reference.
    Withdrawal,
    /// From the tenant into escrow; key: the job.
    Escrow,
    /// From the provider onto the stake; key: the assignment.
    Stake,
    /// From escrow to the provider; key: the assignment.
    Pay,
    /// From escrow back to the tenant; key: the job.
    Refund,
    /// From the stake back to the provider; key: the assignment.
    ReturnStake,
    /// From the stake to the treasury; key: the assignment.
    Slash,
    /// From the treasury to a party; key: the operator's reference.
    Payout,
}

impl TransferKind {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Escrow => "escrow",
            Self::Stake => "stake",
            Self::Pay => "pay",
            Self::Refund => "refund",
            Self::ReturnStake => "return_stake",
            Self::Slash => "slash",
            Self::Payout => "payout",
        }
    }
}

/// From whom to whom.
struct Route {
    from: Account,
    to: Account,
}

impl Transfer {
    /// Money that came in from outside, by the marketplace's reference.
    #[must_use]
    pub fn deposit(
        marketplace: &PartyId,
        party: &PartyId,
        money: Money,
        reference: &str,
        at: UnixTime,
    ) -> Self {
        let route = Route {
            from: Account::Outside(marketplace.clone()),
            to: Account::Available(party.clone()),
        };
        let key = format!("{marketplace}/{reference}");
        Self::new(TransferKind::Deposit, key, route, money, at)
    }

    /// Money that went out, by the marketplace's reference.
    #[must_use]
    pub fn withdrawal(
        marketplace: &PartyId,
        party: &PartyId,
        money: Money,
        reference: &str,
        at: UnixTime,
    ) -> Self {
        let route = Route {
            from: Account::Available(party.clone()),
            to: Account::Outside(marketplace.clone()),
        };
        let key = format!("{marketplace}/{reference}");
        Self::new(TransferKind::Withdrawal, key, route, money, at)
    }

    /// Money that the operator gives out of the treasury, by its reference. The party takes it out as any other money.
    #[must_use]
    pub fn payout(party: &PartyId, money: Money, reference: &str, at: UnixTime) -> Self {
        let route = Route {
            from: Account::Treasury,
            to: Account::Available(party.clone()),
        };
        Self::new(TransferKind::Payout, reference.to_owned(), route, money, at)
    }

    pub(crate) fn escrow(job: &JobId, tenant: &PartyId, money: Money, at: UnixTime) -> Self {
        let route = Route {
            from: Account::Available(tenant.clone()),
            to: Account::Escrow(job.clone()),
        };
        Self::new(TransferKind::Escrow, job.to_string(), route, money, at).of_job(job)
    }

    pub(crate) fn refund(job: &JobId, tenant: &PartyId, money: Money, at: UnixTime) -> Self {
        let route = Route {
            from: Account::Escrow(job.clone()),
            to: Account::Available(tenant.clone()),
        };
        Self::new(TransferKind::Refund, job.to_string(), route, money, at).of_job(job)
    }

    pub(crate) fn pay(
        job: &JobId,
        to: (&AssignmentId, &PartyId),
        money: Money,
        at: UnixTime,
    ) -> Self {
        let (assignment, owner) = to;
        let route = Route {
            from: Account::Escrow(job.clone()),
            to: Account::Available(owner.clone()),
        };
        Self::of_assignment(TransferKind::Pay, (job, assignment), route, money, at)
    }

    pub(crate) fn stake(
        job: &JobId,
        of: (&AssignmentId, &PartyId),
        money: Money,
        at: UnixTime,
    ) -> Self {
        let (assignment, owner) = of;
        let route = Route {
            from: Account::Available(owner.clone()),
            to: Account::Stake(assignment.clone()),
        };
        Self::of_assignment(TransferKind::Stake, (job, assignment), route, money, at)
    }

    pub(crate) fn return_stake(
        job: &JobId,
        of: (&AssignmentId, &PartyId),
        money: Money,
        at: UnixTime,
    ) -> Self {
        let (assignment, owner) = of;
        let route = Route {
            from: Account::Stake(assignment.clone()),
            to: Account::Available(owner.clone()),
        };
        Self::of_assignment(
            TransferKind::ReturnStake,
            (job, assignment),
            route,
            money,
            at,
        )
    }

    pub(crate) fn slash(
        job: &JobId,
        assignment: &AssignmentId,
        money: Money,
        at: UnixTime,
    ) -> Self {
        let route = Route {
            from: Account::Stake(assignment.clone()),
            to: Account::Treasury,
        };
        Self::of_assignment(TransferKind::Slash, (job, assignment), route, money, at)
    }

    fn of_assignment(
        kind: TransferKind,
        (job, assignment): (&JobId, &AssignmentId),
        route: Route,
        money: Money,
        at: UnixTime,
    ) -> Self {
        let key = assignment.to_string();
        let assignment = Some(assignment.clone());
        let transfer = Self::new(kind, key, route, money, at).of_job(job);
        Self {
            assignment,
            ..transfer
        }
    }

    fn of_job(self, job: &JobId) -> Self {
        Self {
            job: Some(job.clone()),
            ..self
        }
    }

    fn new(kind: TransferKind, key: String, route: Route, money: Money, at: UnixTime) -> Self {
        Self {
            kind,
            key,
            at,
            currency: money.currency,
            job: None,
            assignment: None,
            postings: both_sides(route, money.amount),
        }
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> TransferKind {
        self.kind
    }

    /// What it is the only one of its kind for.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When.
    #[must_use]
    pub const fn at(&self) -> UnixTime {
        self.at
    }

    /// Of what.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// For which job.
    #[must_use]
    pub const fn job(&self) -> Option<&JobId> {
        self.job.as_ref()
    }

    /// For which assignment.
    #[must_use]
    pub const fn assignment(&self) -> Option<&AssignmentId> {
        self.assignment.as_ref()
    }

    /// Both sides: who loses, then who gains.
    #[must_use]
    pub const fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

fn both_sides(route: Route, amount: Amount) -> [Posting; 2] {
    let gained = amount.minor_units();
    let lost = gained.saturating_neg(); // an amount is at most 2^53 - 1
    [
        Posting {
            account: route.from,
            amount: lost,
        },
        Posting {
            account: route.to,
            amount: gained,
        },
    ]
}
