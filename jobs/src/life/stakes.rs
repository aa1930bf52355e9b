//! Stakes: put down once, and given back or slashed once. A stake that is not held cannot move.

use super::turn::Turn;
use crate::assignment::{Assignment, Stake};
use crate::books::Transfer;
use crate::id::JobId;
use crate::money::Money;

/// A job's stakes: whose job, and how much for each assignment.
pub(super) struct Stakes<'j> {
    pub(super) job: &'j JobId,
    pub(super) each: Money,
}

impl Stakes<'_> {
    pub(super) fn put_down(&self, of: &mut Assignment, turn: &mut Turn<'_>) {
        if of.stake == Stake::None {
            of.stake = Stake::Held;
            let transfer = Transfer::stake(self.job, (&of.id, &of.owner), self.each, turn.now());
            self.book(transfer, turn);
        }
    }

    pub(super) fn give_back(&self, of: &mut Assignment, turn: &mut Turn<'_>) {
        if of.stake == Stake::Held {
            of.stake = Stake::Returned;
            let transfer =
                Transfer::return_stake(self.job, (&of.id, &of.owner), self.each, turn.now());
            self.book(transfer, turn);
        }
    }

    pub(super) fn slash(&self, of: &mut Assignment, turn: &mut Turn<'_>) {
        if of.stake == Stake::Held {
            of.stake = Stake::Slashed;
            let transfer = Transfer::slash(self.job, &of.id, self.each, turn.now());
            self.book(transfer, turn);
        }
    }

    /// A stake of nothing moves nothing.
    fn book(&self, transfer: Transfer, turn: &mut Turn<'_>) {
        if !self.each.amount.is_zero() {
            turn.effects.transfers.push(transfer);
        }
    }
}
