//! The books: booked once, never below zero, never changed.

use ::jobs::books::{Account, Transfer, TransferKind};

use super::life::{ESCROW, FUNDS, STEPS, money, party, step};
use super::*;
use crate::store::books::{BookStore, Booked, Period};

fn withdrawal(amount: i64, reference: &str) -> Transfer {
    Transfer::withdrawal(
        &party("market"),
        &party("p1"),
        money(amount),
        reference,
        LATE,
    )
}

on_both! {
    async fn a_transfer_is_booked_once(rig) {
        let store = rig.with_market().await;
        assert_eq!(store.book(withdrawal(100, "w"), by(NOW)).await.unwrap(), Booked::New);
        assert_eq!(store.book(withdrawal(100, "w"), by(NOW)).await.unwrap(), Booked::Before);
        assert_eq!(store.book(withdrawal(101, "w"), by(NOW)).await.unwrap(), Booked::Differs);
        assert_eq!(rig.available("p1").await, FUNDS - 100);
        let other = rig.reopen().await;
        let at_once = (0..8).map(|n| {
            let store = [store, &other][n % 2].clone();
            tokio::spawn(async move { store.book(withdrawal(7, "x"), by(NOW)).await.unwrap() })
        });
        let mut new = 0;
        for booked in at_once.collect::<Vec<_>>() {
            match booked.await.unwrap() {
                Booked::New => new += 1,
                booked => assert_eq!(booked, Booked::Before),
            }
        }
        assert_eq!((new, rig.available("p1").await), (1, FUNDS - 107));
    }

    async fn nobody_takes_out_more_than_there_is(rig) {
        let store = rig.with_market().await;
        assert_eq!(store.book(withdrawal(FUNDS + 1, "w"), by(NOW)).await.unwrap(), Booked::Overdrawn);
        assert_eq!(rig.count("SELECT count(*) AS n FROM transfers WHERE kind = 'withdrawal'").await, 0);
        // What somebody else brought in.
        let strange = Transfer::withdrawal(&party("other"), &party("p1"), money(1), "w", LATE);
        assert_eq!(store.book(strange, by(NOW)).await.unwrap(), Booked::Overdrawn);
        let other = rig.reopen().await;
        let at_once = (0..8).map(|n| {
            let store = [store, &other][n % 2].clone();
            let one = withdrawal(FUNDS / 3, &n.to_string());
            tokio::spawn(async move { store.book(one, by(NOW)).await.unwrap() })
        });
        let mut new = 0;
        for booked in at_once.collect::<Vec<_>>() {
            new += i64::from(booked.await.unwrap() == Booked::New);
        }
        assert_eq!((new, rig.available("p1").await), (3, FUNDS - 3 * (FUNDS / 3)));
        // Somebody without an account.
        let nobody = Transfer::withdrawal(&party("market"), &party("market"), money(1), "n", LATE);
        assert_eq!(store.book(nobody, by(NOW)).await.unwrap(), Booked::Overdrawn);
        // The outside owes what is inside.
        let outside = rig.balance(&Account::Outside(party("market"))).await;
        assert_eq!(outside, -2 * FUNDS - (FUNDS - 3 * (FUNDS / 3)));
    }

    async fn the_journal_stays_and_no_balance_is_below_zero(rig) {
        rig.with_market().await;
        for sql in [
            "DELETE FROM transfers",
            "UPDATE transfers SET at = 0",
            "DELETE FROM postings",
            "UPDATE postings SET amount = 0",
            "UPDATE accounts SET balance = -1 WHERE name LIKE 'party/7031%/available'",
            "INSERT INTO accounts (name, currency, balance) VALUES ('treasury', 'EUR', -1)",
            "INSERT INTO transfers (kind, key, at, currency) SELECT kind, key, at, currency FROM transfers",
        ] {
            let refused = rig.run(sql).await;
            assert!(refused.is_err(), "{sql}");
        }
    }

    async fn what_a_party_has_is_available_in_escrow_or_at_stake(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS {
            step(store, number).await.unwrap();
            let mut sum = 0;
            for name in ["tenant", "p1", "p2"] {
                let holdings = store.holdings(&party(name)).await.unwrap();
                let [held] = holdings.as_slice() else { panic!("{holdings:?}") };
                assert_eq!(held.available, rig.available(name).await);
                sum += held.available + held.in_escrow + held.at_stake;
            }
            assert_eq!(sum, 3 * FUNDS, "step {number}: nothing is lost from sight");
            let tenant = &store.holdings(&party("tenant")).await.unwrap()[0];
            assert_eq!(tenant.in_escrow, if number == STEPS - 1 { 0 } else { ESCROW });
        }
        assert_eq!(store.holdings(&party("nobody")).await.unwrap(), []);
    }

    async fn a_statement_has_each_entry_of_its_period_once(rig) {
        let store = rig.with_market().await;
        for n in 1..=5 {
            store.book(withdrawal(n, &n.to_string()), by(NOW)).await.unwrap();
        }
        let mut period = Period { from: NOW, to: LATE, after: None, limit: 2 };
        let before = store.statement(&party("p1"), period).await.unwrap();
        assert_eq!(before.len(), 1);
        assert_eq!((before[0].kind, before[0].amount), (TransferKind::Deposit, FUNDS));
        period.to = UnixTime::from_secs(LATE.secs() + 1);
        let mut amounts = Vec::new();
        loop {
            let entries = store.statement(&party("p1"), period).await.unwrap();
            let Some(last) = entries.last() else { break };
            period.after = Some((last.at, last.number));
            amounts.extend(entries.iter().map(|entry| entry.amount));
        }
        assert_eq!(amounts, [FUNDS, -1, -2, -3, -4, -5]);
        let opening = store.opening_balances(&party("p1"), LATE).await.unwrap();
        assert_eq!(opening, [(money(0).currency, FUNDS)]);
        assert_eq!(store.opening_balances(&party("p1"), NOW).await.unwrap(), []);
    }

    async fn what_there_was_before_a_time_is_the_sum_of_days_and_of_a_part_of_one(rig) {
        let store = rig.with_market().await;
        let day = 86_400;
        let at = [LATE.secs(), day - 1, day, day + 5, day + 5, 3 * day, 3 * day + 7];
        for (n, secs) in (1..).zip(at) {
            let (market, p1, at) = (party("market"), party("p1"), UnixTime::from_secs(secs));
            let booked = Transfer::withdrawal(&market, &p1, money(n), &n.to_string(), at);
            assert_eq!(store.book(booked, by(NOW)).await.unwrap(), Booked::New);
        }
        rig.books_balance().await;
        for before in at.into_iter().chain([2 * day, 9 * day]) {
            for before in [before, before + 1] {
                let earlier = (1..).zip(at).filter(|(_, at)| *at < before);
                let left = FUNDS - earlier.map(|(n, _)| n).sum::<i64>();
                let (p1, at) = (party("p1"), UnixTime::from_secs(before));
                let opening = store.opening_balances(&p1, at).await.unwrap();
                assert_eq!(opening, [(money(0).currency, left)], "{before}");
            }
        }
    }
}
