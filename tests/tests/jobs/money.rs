//! Money in and out, by the word of a marketplace.

use reqwest::{Method as Verb, Response};

use super::*;

async fn pay_out(market: &Market, party: &Party, amount: i64, reference: &str) -> Response {
    let body = json!({ "party": party.id, "reference": reference,
        "money": { "amount": amount, "currency": "EUR" } });
    let request = market.operated(Verb::POST, "/v1/treasury/payouts");
    request.json(&body).send().await.unwrap()
}

async fn treasury(market: &Market) -> Value {
    let held = market.operated(Verb::GET, "/v1/treasury").send().await;
    let held: Value = held.unwrap().json().await.unwrap();
    held["balances"].clone()
}

on_both! {
    async fn what_was_booked_under_a_reference_is_booked_once(market) {
        let provider = market.provider().await;
        for status in [201, 200, 200] {
            assert_eq!(market.withdraw(&provider, 100, "w-1").await.status(), status);
        }
        assert_eq!(market.balance(&provider).await, FUNDS - 100);
        let other = market.party("provider").await;
        let differing = [(&provider, 101), (&other, 100)];
        for (party, amount) in differing {
            let answer = market.withdraw(party, amount, "w-1").await;
            let (status, code, _) = problem(answer).await;
            assert_eq!((status, code.as_str()), (409, "reference_reused"), "{amount}");
        }
        // A deposit is another book.
        let body = |amount| json!({ "party": provider.id, "reference": "w-1",
            "money": { "amount": amount, "currency": "EUR" } });
        let deposit = async |amount| market.post(&market.marketplace, "/v1/deposits", body(amount)).await;
        assert_eq!(deposit(7).await.status(), 201);
        let (status, code, _) = problem(deposit(8).await).await;
        assert_eq!((status, code.as_str()), (409, "reference_reused"));
        assert_eq!(market.balance(&provider).await, FUNDS - 100 + 7);
        // References are a marketplace's own.
        let second = market.party("marketplace").await;
        assert_eq!(market.post(&second, "/v1/deposits", body(8)).await.status(), 201);
        market.restart(0).await;
        assert_eq!(market.withdraw(&provider, 100, "w-1").await.status(), 200, "also after a restart");
        assert_eq!(market.balance(&provider).await, FUNDS - 100 + 15);
    }

    async fn no_more_goes_out_than_is_available(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let offer = host.offer(&market).await;
        host.lease(&market, &offer).await;
        for (party, held) in [(&provider, STAKE), (&market.tenant, PRICE)] {
            let reference = format!("all-but-{held}");
            let answer = market.withdraw(party, FUNDS - held + 1, &reference).await;
            let (status, code, _) = problem(answer).await;
            assert_eq!((status, code.as_str()), (402, "funds_missing"));
            assert_eq!(market.balance(party).await, FUNDS - held);
            // The refusal has not used the reference up.
            assert_eq!(market.withdraw(party, FUNDS - held, &reference).await.status(), 201);
            assert_eq!(market.balance(party).await, 0);
        }
        let account = market.get(&provider, "/v1/accounts/me").await;
        let account: Value = account.json().await.unwrap();
        assert_eq!(account["balances"][0], json!({ "currency": "EUR", "available": 0, "in_escrow": 0, "at_stake": STAKE }));
    }

    async fn slashed_stakes_are_paid_out_by_the_operator_once(market) {
        let (pair, _) = on_one_device(&mut market).await;
        assert_eq!(treasury(&market).await, json!([{ "currency": "EUR", "available": 2 * STAKE }]));
        let [harmed, other] = &pair.providers;
        // No more than there is, and what was refused has not used the reference up.
        let (status, code, _) = problem(pay_out(&market, harmed, 2 * STAKE + 1, "p-1").await).await;
        assert_eq!((status, code.as_str()), (402, "funds_missing"));
        for status in [201, 200] {
            assert_eq!(pay_out(&market, harmed, STAKE, "p-1").await.status(), status);
        }
        market.restart(0).await;
        assert_eq!(pay_out(&market, harmed, STAKE, "p-1").await.status(), 200, "also after a restart");
        for (party, amount) in [(harmed, 1), (other, STAKE)] {
            let (status, code, _) = problem(pay_out(&market, party, amount, "p-1").await).await;
            assert_eq!((status, code.as_str()), (409, "reference_reused"));
        }
        assert_eq!(treasury(&market).await, json!([{ "currency": "EUR", "available": STAKE }]));
        assert_eq!(market.balance(harmed).await, FUNDS);
        // It leaves the books as all money does.
        assert_eq!(market.withdraw(harmed, FUNDS, "w-1").await.status(), 201);
        assert_eq!(pay_out(&market, other, STAKE, "p-2").await.status(), 201);
        assert_eq!(treasury(&market).await, json!([{ "currency": "EUR", "available": 0 }]));
        let path = format!("/v1/providers/{}/statement", other.id);
        let statement: Value = market.get(other, &path).await.json().await.unwrap();
        let last = statement["entries"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["kind"], &last["reference"], &last["amount"]), (&json!("payout"), &json!("p-2"), &json!(STAKE)));
        let recorded = market.operated(Verb::GET, "/v1/audit?action=transfer.payout").send().await;
        let recorded: Value = recorded.unwrap().json().await.unwrap();
        let done = recorded["entries"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "done");
        let objects: Vec<_> = done.map(|entry| (entry["actor"]["kind"].clone(), entry["object"]["id"].clone())).collect();
        assert_eq!(objects, [(json!("operator"), json!("p-2")), (json!("operator"), json!("p-1"))], "{recorded:#}");
    }

    async fn the_treasury_is_the_operators_alone(market) {
        assert_eq!(treasury(&market).await, json!([]));
        let provider = market.provider().await;
        let body = json!({ "party": provider.id, "reference": "mine", "money": { "amount": 1, "currency": "EUR" } });
        for party in [&provider, &market.tenant, &market.marketplace] {
            let paid = market.post(party, "/v1/treasury/payouts", body.clone()).await;
            assert_eq!(problem(paid).await.0, 401);
            assert_eq!(problem(market.get(party, "/v1/treasury").await).await.0, 401);
        }
        let (status, code, _) = problem(pay_out(&market, &provider, 1, "mine").await).await;
        assert_eq!((status, code.as_str()), (402, "funds_missing"), "there is none");
        assert_eq!(market.balance(&provider).await, FUNDS);
    }

    async fn money_is_moved_by_a_marketplace_alone(market) {
        let provider = market.provider().await;
        for (party, path) in [(&provider, "/v1/withdrawals"), (&market.tenant, "/v1/deposits")] {
            let body = json!({ "party": party.id, "reference": "mine", "money": { "amount": 1, "currency": "EUR" } });
            let (status, code, _) = problem(market.post(party, path, body).await).await;
            assert_eq!((status, code.as_str()), (403, "party_kind_mismatch"), "{path}");
        }
        let table = [
            (json!(0), "EUR", "r", 422, "money_malformed"),
            (json!(-1), "EUR", "r", 422, "money_malformed"),
            (json!(1), "euro", "r", 422, "money_malformed"),
            (json!(1), "EUR", "", 422, "reference_malformed"),
            (json!(1), "EUR", "a b", 422, "reference_malformed"),
        ];
        for (amount, currency, reference, status, code) in table {
            let money = json!({ "amount": amount, "currency": currency });
            let body = json!({ "party": provider.id, "reference": reference, "money": money });
            let answer = market.post(&market.marketplace, "/v1/withdrawals", body).await;
            let (found, word, _) = problem(answer).await;
            assert_eq!((found, word.as_str()), (status, code), "{amount} {currency} {reference:?}");
        }
        assert_eq!(market.balance(&provider).await, FUNDS);
    }

    async fn whoever_asks_has_an_account_of_its_own(market) {
        let provider = market.provider().await;
        let by_name = market.get(&provider, &format!("/v1/accounts/{}", provider.id)).await;
        let by_name: Value = by_name.json().await.unwrap();
        let own: Value = market.get(&provider, "/v1/accounts/me").await.json().await.unwrap();
        assert_eq!(own, by_name);
        assert_eq!(own["party"], provider.id.as_str());
        let of_another = market.get(&provider, &format!("/v1/accounts/{}", market.tenant.id)).await;
        assert_eq!(problem(of_another).await.0, 404);
    }
}
