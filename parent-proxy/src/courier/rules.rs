//! Whom the courier may dial: decided on the text of the host, on a literal address in it, and on every address that a
//! name resolves to (T-41).

use super::{CourierError, is_public};
use cofferdam_wire::limits;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};

#[derive(Clone)]
pub(super) struct Rules {
    pub(super) allow_private: bool,
    pub(super) allowed_ports: Vec<u16>,
}

impl Rules {
    /// The URL of a host, if the host is nothing more than a host and may be dialled by its port and literal address.
    pub(super) fn url(&self, host: &str, path: &str) -> Result<Url, CourierError> {
        let forbidden = |reason| CourierError::Forbidden {
            host: host.chars().take(limits::HOST).collect(),
            reason,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if host.is_empty() || host.len() > limits::HOST || !host.bytes().all(plain) {
            return Err(forbidden("not a host name or address"));
        }
        let url = Url::parse(&format!("https://{host}{path}"))
            .map_err(|_| forbidden("not a host name or address"))?;
        let port = url.port_or_known_default().unwrap_or(0);
        if !self.allowed_ports.is_empty() && !self.allowed_ports.contains(&port) {
            return Err(forbidden("the port is not allowed"));
        }
        // A literal address is not resolved, so the resolver does not see it. `Url` has turned every way of writing an
        // IPv4 address (octal, hexadecimal, one number) into the usual one.
        let name = url.host_str().unwrap_or_default();
        let literal: Option<IpAddr> = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok();
        if literal.is_some_and(|address| !may_dial(address, self.allow_private)) {
            return Err(forbidden("the address is not public"));
        }
        Ok(url)
    }
}

fn may_dial(address: IpAddr, allow_private: bool) -> bool {
    allow_private || is_public(address)
}

/// Resolves names and refuses those that lead to a non-public address, also if only one of several does.
pub(super) struct CheckedNames {
    pub(super) allow_private: bool,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let checked = check_resolved(found, allow_private)?;
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// The name leads where this parent may not go.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
struct NotPublic;

fn check_resolved(
    found: Vec<SocketAddr>,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, NotPublic> {
    let fine = found
        .iter()
        .all(|address| may_dial(address.ip(), allow_private));
    if fine { Ok(found) } else { Err(NotPublic) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const PUBLIC: Rules = Rules {
        allow_private: false,
        allowed_ports: Vec::new(),
    };

    #[test]
    fn t41_a_host_is_a_host_and_nothing_else() {
        for good in [
            "status.example",
            "status.example:8443",
            "93.184.215.14",
            "[2606:2800:21f::1]:443",
        ] {
            assert!(PUBLIC.url(good, "/v1/status").is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in [
            "",
            "user@status.example",
            "status.example/path",
            "status.example?q",
            "a b",
            "a#b",
            "a\\b",
            &long,
        ] {
            assert!(PUBLIC.url(bad, "/v1/status").is_err(), "{bad}");
        }
    }

    #[test]
    fn t41_literal_addresses_are_checked_however_they_are_written() {
        for bad in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
        ] {
            assert!(PUBLIC.url(bad, "/v1/status").is_err(), "{bad}");
        }
        let inside = Rules {
            allow_private: true,
            allowed_ports: Vec::new(),
        };
        assert!(inside.url("127.0.0.1:9000", "/v1/status").is_ok());
    }

    #[test]
    fn t41_only_allowed_ports_are_dialled() {
        let rules = Rules {
            allow_private: false,
            allowed_ports: vec![443],
        };
        assert!(rules.url("status.example", "/v1/status").is_ok());
        assert!(rules.url("status.example:443", "/v1/status").is_ok());
        assert!(rules.url("status.example:22", "/v1/status").is_err());
        assert!(rules.url("status.example:0", "/v1/status").is_err());
    }

    #[test]
    fn t41_a_name_with_one_private_address_is_refused_whole() {
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 443);
        let (public, private) = (at("93.184.215.14"), at("10.0.0.1"));
        assert_eq!(check_resolved(vec![public], false).unwrap(), vec![public]);
        assert_eq!(check_resolved(vec![public, private], false), Err(NotPublic));
        assert_eq!(check_resolved(vec![private], true).unwrap(), vec![private]);
    }
}
