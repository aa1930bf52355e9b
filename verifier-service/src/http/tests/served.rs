//! The interface on a port of this machine, asked by a client over HTTP.

use axum::http::Method;
use tokio::net::TcpListener;

use super::*;

/// A service that listens.
pub(super) struct Served {
    pub(super) rig: Rig,
    base: String,
    client: reqwest::Client,
    operator: String,
}

impl Served {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings changed.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let rig = Rig::with_config(folder, config, |store| Arc::new(store)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = rig.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let operator = std::fs::read_to_string(rig.folder.path().join("operator-token"));
        Self {
            rig,
            base,
            client: reqwest::Client::new(),
            operator: operator.unwrap().trim_end().to_owned(),
        }
    }

    /// Address and port it listens on.
    pub(super) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A request that is yet to be sent.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends it and reads the answer.
    pub(super) async fn answer(&self, request: reqwest::RequestBuilder) -> Answered {
        let response = request.send().await.unwrap();
        Answered {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    /// A request by the bearer of `token`; none without one.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answered {
        let mut request = self.request(method, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(request).await
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answered {
        self.ask(Method::GET, path, token, None).await
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: Value) -> Answered {
        self.ask(Method::POST, path, token, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str, token: &str) -> Answered {
        self.ask(Method::DELETE, path, token, None).await
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    /// A new party; its id.
    pub(super) async fn party(&self, party: Value) -> String {
        let answered = self.post("/v1/parties", &self.operator, party).await;
        answered.is(201, "");
        answered.json()["id"].as_str().unwrap().to_owned()
    }

    /// A new party of a kind, and a key of it with these scopes.
    pub(super) async fn party_with_key(&self, kind: &str, scopes: &[&str]) -> (String, String) {
        let party = self.party(json!({ "kind": kind, "name": "One" })).await;
        let path = format!("/v1/parties/{party}/keys");
        let answered = self
            .post(&path, &self.operator, json!({ "scopes": scopes }))
            .await;
        answered.is(201, "");
        let key = answered.json()["key"].as_str().unwrap().to_owned();
        (party, key)
    }
}
