//! Secrets and signatures of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, as `v1,` and base64.
//!
//! A secret is 32 random bytes, shown once as `whsec_` and base64. How it is kept: [`Vault`].

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::UnixTime;
use zeroize::Zeroizing;

use super::vault::NotOpened;
use super::{MessageId, Vault};
use crate::random;
use crate::store::outbox::Webhook;

const PREFIX: &str = "whsec_";

/// A secret of one webhook. Never printed.
pub(crate) struct SigningSecret(Zeroizing<[u8; 32]>);

impl SigningSecret {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// The bytes that sign.
    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// The text, to be shown once.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(*self.0)))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The value of `webhook-signature`: one by the webhook's secret, and for a day one by the secret before it.
///
/// # Errors
/// The secret does not open.
pub(super) fn signatures(
    vault: &Vault,
    webhook: &Webhook,
    id: &MessageId,
    at: UnixTime,
    body: &str,
) -> Result<String, NotOpened> {
    let former = webhook.former.as_ref().filter(|(_, until)| at < *until);
    // One that does not open is of no use to whoever rotated it for that.
    let former = former.and_then(|(kept, _)| vault.open(webhook.id, kept).ok());
    let secrets = [Some(vault.open(webhook.id, &webhook.secret)?), former];
    let signatures = secrets.into_iter().flatten();
    let signatures: Vec<_> = signatures
        .map(|secret| sign(&secret, &id.to_string(), at, body))
        .collect();
    Ok(signatures.join(" "))
}

fn sign(secret: &[u8], id: &str, at: UnixTime, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signed = format!("{id}.{}.{body}", at.secs());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector in the test suites of the libraries of Standard Webhooks.
    #[test]
    fn signs_as_the_standard_says() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            UnixTime::from_secs(1_614_265_330),
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_the_form_of_the_standard_and_is_not_printed() {
        let secret = SigningSecret::random();
        let text = secret.text();
        let decoded = STANDARD.decode(text.strip_prefix("whsec_").unwrap());
        assert_eq!(decoded.unwrap(), secret.bytes());
        assert!(!format!("{secret:?}").contains(&text[6..]));
    }
}
