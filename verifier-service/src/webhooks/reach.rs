//! Where webhooks may go. A party chooses the address and the operator's machine makes the request, so an address
//! inside the operator's network is refused: at registration, if it is written in the URL; and whenever a name resolves
//! to it, when the connection is made ([`super::resolver`]). A name is looked up once for a connection, so it cannot
//! change between check and use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use crate::config::Config;

/// Longest URL, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// What the operator allows. By default: https, to addresses of the public internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Also http, to this machine.
    pub(crate) over_http: bool,
    /// Also https to private, loopback and link-local addresses.
    pub(crate) to_private: bool,
}

/// Which addresses a scheme may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// Those of the public internet.
    Public,
    /// And those of networks that are somebody's own.
    AlsoPrivate,
    /// Those of this machine alone.
    Loopback,
}

/// Why a URL is none that may be told. The texts repeat nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReached {
    /// It is no URL, or has parts that are of no use.
    #[error(
        "expected a URL of at most {MAX_URL_BYTES} bytes without user name, password and fragment"
    )]
    Malformed,
    /// Its scheme is not allowed.
    #[error("expected https")]
    Scheme,
    /// Its address is inside some network.
    #[error("expected an address of the public internet")]
    Address,
}

impl Reach {
    /// That of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            over_http: config.danger_webhooks_over_http,
            to_private: config.danger_webhooks_to_private_addresses,
        }
    }

    /// Reads a URL that may be told.
    ///
    /// # Errors
    /// [`NotReached`].
    pub(crate) fn url(self, text: &str) -> Result<Url, NotReached> {
        let url = Url::parse(text).map_err(|_| NotReached::Malformed)?;
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !is_plain || url.as_str().len() > MAX_URL_BYTES || url.host_str().is_none() {
            return Err(NotReached::Malformed);
        }
        let addresses = self.addresses(&url)?;
        match written_address(&url) {
            Some(address) if !addresses.have(address) => Err(NotReached::Address),
            None if is_local_name(&url) && addresses == Addresses::Public => {
                Err(NotReached::Address)
            }
            _ => Ok(url),
        }
    }

    /// Which addresses the URL may lead to.
    pub(crate) fn addresses(self, url: &Url) -> Result<Addresses, NotReached> {
        match (url.scheme(), self.over_http, self.to_private) {
            ("https", _, false) => Ok(Addresses::Public),
            ("https", _, true) => Ok(Addresses::AlsoPrivate),
            ("http", true, _) => Ok(Addresses::Loopback),
            _ => Err(NotReached::Scheme),
        }
    }
}

impl Addresses {
    /// Whether this is one of them.
    pub(crate) fn have(self, address: IpAddr) -> bool {
        let address = plain(address);
        match self {
            Self::Public => is_public(address),
            Self::AlsoPrivate => !address.is_unspecified() && !address.is_multicast(),
            Self::Loopback => address.is_loopback(),
        }
    }
}

fn written_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_matches(['[', ']']).parse().ok()
}

/// `localhost` and what is below it (RFC 6761 6.3).
fn is_local_name(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

/// The IPv4 address inside an IPv6 one, where there is one: mapped (RFC 4291 2.5.5.2), or behind the well-known prefix of
/// a translator (RFC 6052 2.1).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let inner = || {
        let ([g1, g2], [h1, h2]) = (g.to_be_bytes(), h.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(g1, g2, h1, h2))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => inner(),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Everything but the special purposes of the registry of IANA (RFC 6890 and its successors).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        // This network, private, loopback, multicast and what is reserved.
        (0 | 10 | 127, ..) | (224.., ..) => true,
        // Shared by carriers (RFC 6598), link-local with the metadata of clouds, private.
        (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Protocol assignments, documentation, the former 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => {
            true
        }
        _ => false,
    };
    !is_special
}

/// Global unicast (2000::/3) without protocol assignments, documentation and 6to4.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_special = matches!(
        (a, b),
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff)
    );
    (0x2000..=0x3fff).contains(&a) && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("1.1.1.1", true),
            ("100.63.255.255", true),
            ("172.32.0.1", true),
            ("2606:4700::1111", true),
            ("64:ff9b::101:101", true),
            ("::ffff:1.1.1.1", true),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b:1::1", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2001::1", false),
            ("2002:a00:1::", false),
        ];
        for (address, is_public) in table {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(Addresses::Public.have(address), is_public, "{address}");
        }
        let loopback = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"];
        for address in loopback {
            let address = address.parse().unwrap();
            assert!(Addresses::Loopback.have(address) && Addresses::AlsoPrivate.have(address));
        }
        for address in ["10.0.0.1", "1.1.1.1", "0.0.0.0", "::"] {
            assert!(
                !Addresses::Loopback.have(address.parse().unwrap()),
                "{address}"
            );
        }
    }

    #[test]
    fn urls() {
        use NotReached::{Address, Malformed, Scheme};
        let public = Reach::default();
        let http = Reach {
            over_http: true,
            to_private: false,
        };
        let private = Reach {
            over_http: false,
            to_private: true,
        };
        let long = format!("https://hook.example/{}", "x".repeat(2048));
        let table = [
            (public, "https://hook.example/a?b=c", Ok(())),
            (public, "https://hook.example:8443", Ok(())),
            (public, "https://1.1.1.1/", Ok(())),
            (public, "http://hook.example", Err(Scheme)),
            (public, "http://127.0.0.1", Err(Scheme)),
            (public, "ftp://hook.example", Err(Scheme)),
            (public, "https://127.0.0.1", Err(Address)),
            // What a browser reads as an address is one.
            (public, "https://0x7f.1/", Err(Address)),
            (public, "https://2130706433/", Err(Address)),
            (public, "https://[::1]/", Err(Address)),
            (public, "https://[::ffff:10.0.0.1]/", Err(Address)),
            (public, "https://169.254.169.254/latest", Err(Address)),
            (public, "https://localhost/", Err(Address)),
            (public, "https://a.localhost./", Err(Address)),
            (public, "https://user@hook.example", Err(Malformed)),
            (public, "https://hook.example/#a", Err(Malformed)),
            (public, "hook.example", Err(Malformed)),
            (public, "data:text/plain,x", Err(Malformed)),
            (public, &long, Err(Malformed)),
            (http, "http://127.0.0.1:9/", Ok(())),
            (http, "http://localhost:9/", Ok(())),
            (http, "http://10.0.0.1/", Err(Address)),
            (http, "https://127.0.0.1/", Err(Address)),
            (private, "https://10.0.0.1/", Ok(())),
            (private, "https://localhost/", Ok(())),
            (private, "http://10.0.0.1/", Err(Scheme)),
            (private, "https://0.0.0.0/", Err(Address)),
        ];
        for (reach, url, expected) in table {
            assert_eq!(reach.url(url).map(drop), expected, "{url}");
        }
    }
}
