//! Where the service keeps what it remembers.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// Parameters of a URL that mean something here.
const PARAMETERS: [&str; 9] = [
    "host",
    "port",
    "dbname",
    "user",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];
const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// The database: a file in the state directory, or a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// `postgresql://…`; without it, SQLite in the state directory.
    pub url: Option<StoreUrl>,
    /// File with the password, if it is not in the URL.
    pub password_file: Option<PathBuf>,
    /// Most connections to the server at one time.
    pub max_connections: NonZeroU32,
    /// Seconds a statement on the server, or a wait for a lock there, may take.
    pub statement_timeout_s: u32,
}

/// The URL of a PostgreSQL database. It may hold a password, so it is shown and serialised without.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct StoreUrl(Zeroizing<String>);

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            max_connections: const { NonZeroU32::new(16).unwrap() },
            statement_timeout_s: 10,
        }
    }
}

impl StoreSettings {
    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_s.into())
    }

    /// Whether nothing is configured that nobody would ever use.
    pub(super) fn is_usable(&self) -> bool {
        self.url.is_some() || self.password_file.is_none()
    }
}

impl StoreUrl {
    /// The URL as it was given, to connect with; sqlx's own default takes a server without TLS for good wherever it is,
    /// so a server elsewhere has to prove who it is unless the URL says otherwise.
    pub(crate) fn to_connect(&self) -> Zeroizing<String> {
        let mut text = self.0.clone();
        if let Some(url) = self.parsed()
            && !is_local(&url)
            && parameter(&url, "sslmode").is_none()
        {
            let separator = if url.query().is_some() { '&' } else { '?' };
            text.push(separator);
            text.push_str("sslmode=verify-full");
        }
        text
    }

    /// Whether there is a password in it.
    pub(super) fn has_password(&self) -> bool {
        self.parsed().is_some_and(|url| url.password().is_some())
    }

    /// Whether it names a database by scheme, place and known parameters alone.
    pub(super) fn is_valid(&self) -> bool {
        self.parsed().is_some_and(|url| {
            let mut parameters = url.query_pairs();
            let are_known = parameters.all(|(key, value)| is_parameter(&key, &value));
            let has_place = host(&url).is_some_and(|host| !host.is_empty());
            has_place && url.fragment().is_none() && are_known
        })
    }

    fn parsed(&self) -> Option<Url> {
        let url = Url::parse(&self.0).ok()?;
        matches!(url.scheme(), "postgresql" | "postgres").then_some(url)
    }
}

fn is_parameter(key: &str, value: &str) -> bool {
    match key {
        "sslmode" => SSL_MODES.contains(&value),
        "port" => value.parse::<u16>().is_ok(),
        key => PARAMETERS.contains(&key) && !value.is_empty(),
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

fn host(url: &Url) -> Option<String> {
    parameter(url, "host").or_else(|| url.host_str().map(str::to_owned))
}

/// Whether the server is this machine's, through a socket or the loopback interface.
fn is_local(url: &Url) -> bool {
    let host = host(url).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_socket = host.starts_with('/') || host.starts_with("%2F") || host.starts_with("%2f");
    host == "localhost" || is_socket || address.is_ok_and(|address| address.is_loopback())
}

impl From<String> for StoreUrl {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// Without password and without what is no URL.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(mut url) = self.parsed() else {
            return f.write_str("(not a PostgreSQL URL)");
        };
        let host = parameter(&url, "host");
        // Neither can fail where there is a host, and there is no password where there is none.
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        write!(f, "{url}")?;
        host.map_or(Ok(()), |host| write!(f, " at {host}"))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> StoreUrl {
        text.to_owned().into()
    }

    #[test]
    fn passwords_are_shown_nowhere() {
        for text in [
            "postgresql://pogw:geheim@db.example:5432/pogw?sslmode=require",
            "postgresql://pogw:geheim@/pogw?host=/run/postgresql",
            "postgresql://db.example/pogw?password=geheim",
            "mysql://pogw:geheim@db.example/pogw",
            "pogw:geheim@db.example",
        ] {
            let settings = StoreSettings {
                url: Some(url(text)),
                ..StoreSettings::default()
            };
            let shown = format!("{settings:?} {}", url(text));
            let serialised = serde_json::to_string(&settings).unwrap();
            assert!(!shown.contains("geheim"), "{shown}");
            assert!(!serialised.contains("geheim"), "{serialised}");
        }
        let shown =
            url("postgresql://pogw:geheim@db.example:6432/pogw?sslmode=require").to_string();
        assert_eq!(shown, "postgresql://pogw@db.example:6432/pogw");
        let shown = url("postgresql:///pogw?host=/run/postgresql").to_string();
        assert_eq!(shown, "postgresql:///pogw at /run/postgresql");
    }

    #[test]
    fn a_server_elsewhere_proves_who_it_is() {
        for (text, mode) in [
            ("postgresql://db.example/pogw", Some("verify-full")),
            (
                "postgresql://10.0.0.7/pogw?application_name=a",
                Some("verify-full"),
            ),
            (
                "postgresql://db.example/pogw?sslmode=require",
                Some("require"),
            ),
            ("postgresql://localhost/pogw", None),
            ("postgresql://127.0.0.1/pogw", None),
            ("postgresql://[::1]/pogw", None),
            ("postgresql:///pogw?host=/run/postgresql", None),
            ("postgresql://%2Frun%2Fpostgresql/pogw", None),
        ] {
            let connected = Url::parse(&url(text).to_connect()).unwrap();
            assert_eq!(parameter(&connected, "sslmode").as_deref(), mode, "{text}");
            assert!(url(text).is_valid(), "{text}");
        }
    }

    #[test]
    fn what_nobody_would_heed_is_refused() {
        for text in [
            "",
            "db.example",
            "mysql://db.example/pogw",
            "postgresql:///pogw",
            "postgresql://db.example/pogw?password=geheim",
            "postgresql://db.example/pogw?sslmod=require",
            "postgresql://db.example/pogw?sslmode=allow",
            "postgresql://db.example/pogw?options=-c%20fsync=off",
            "postgresql://db.example/pogw#part",
        ] {
            assert!(!url(text).is_valid(), "{text}");
        }
    }
}
