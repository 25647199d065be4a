//! Who may do what, and how often.
//!
//! There are two credentials, because they lie in different places: the registrar's is with everybody who imports keys,
//! and can only add; the admin's can stop keys, and start them again (RSV-31).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};
use cofferdam::crypto::random;
use cofferdam::private_file;
use cofferdam_wire::Code;
use cofferdam_wire::id::{Digest, sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Problem;

/// Shortest token accepted from a file, in bytes: 128 bits in hex.
const SHORTEST_TOKEN: usize = 32;
const LONGEST_TOKEN: u64 = 1024;
/// Seconds of the sustained rate that may come at once.
const BURST_S: f64 = 10.0;
/// Addresses remembered; those that have been quiet are forgotten first.
const ADDRESSES: usize = 16 * 1024;

/// What a caller has shown to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Registers and activates.
    Registrar,
    /// Suspends, resumes, revokes, raises grant epochs, replays.
    Admin,
}

/// Both tokens, as hashes: they compare in constant time whatever their length.
pub struct Credentials {
    registrar: Digest,
    admin: Digest,
}

impl Credentials {
    /// Reads both token files, and makes those that are not there.
    pub fn open(registrar: &Path, admin: &Path) -> std::io::Result<Self> {
        let (registrar, admin) = (token_hash(registrar)?, token_hash(admin)?);
        if registrar == admin {
            let text = "registrar and admin have the same token; they must be two credentials";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        Ok(Self { registrar, admin })
    }

    /// Who a request comes from.
    pub fn role(&self, headers: &HeaderMap) -> Result<Role, Problem> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let shown = sha256(token.ok_or(Code::Unauthorized)?);
        // Both are compared, so that the time tells nothing.
        let is_registrar = shown.0.ct_eq(&self.registrar.0);
        let is_admin = shown.0.ct_eq(&self.admin.0);
        match (bool::from(is_registrar), bool::from(is_admin)) {
            (true, _) => Ok(Role::Registrar),
            (_, true) => Ok(Role::Admin),
            _ => Err(Code::Unauthorized.into()),
        }
    }

    /// Refuses everybody but one role.
    pub fn require(&self, headers: &HeaderMap, role: Role) -> Result<(), Problem> {
        // RSV-31
        if self.role(headers)? == role {
            return Ok(());
        }
        let needs = match role {
            Role::Registrar => "RSV-31: This needs the registrar's token.",
            Role::Admin => "RSV-31: This needs the admin's token.",
        };
        Err(Problem::from(Code::Unauthorized).with(StatusCode::FORBIDDEN, needs))
    }
}

fn token_hash(path: &Path) -> std::io::Result<Digest> {
    if let Some(bytes) = private_file::read(path, LONGEST_TOKEN)? {
        let token = bytes.trim_ascii();
        if token.len() < SHORTEST_TOKEN {
            let text = format!(
                "{} holds fewer than {SHORTEST_TOKEN} characters",
                path.display()
            );
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        return Ok(sha256(token));
    }
    let token = Zeroizing::new(hex::encode(*Zeroizing::new(random::array::<32>())));
    private_file::write(path, token.as_bytes())?;
    Ok(sha256(token.as_bytes()))
}

/// How often each address may ask: a bucket that fills at the sustained rate.
pub(super) struct Rates {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            buckets: Mutex::default(),
        }
    }

    /// Takes one request out of the address's bucket, or refuses it.
    pub(super) fn admit(&self, address: IpAddr) -> Result<(), Code> {
        self.admit_at(network(address), Instant::now())
    }

    fn admit_at(&self, address: IpAddr, now: Instant) -> Result<(), Code> {
        let full = self.per_second * BURST_S;
        let filled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + since * self.per_second).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| filled(bucket) < full);
            if buckets.len() >= ADDRESSES {
                return Err(Code::Busy);
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket {
            left: full,
            at: now,
        });
        bucket.left = filled(bucket);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(Code::Busy);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn rsv_31_each_token_opens_its_own_door() {
        let dir = tempfile::tempdir().unwrap();
        let (registrar, admin) = (dir.path().join("r"), dir.path().join("a"));
        let made = Credentials::open(&registrar, &admin).unwrap();
        let token = |path: &Path| std::fs::read_to_string(path).unwrap();
        let bearer = headers(&format!("Bearer {}", token(&registrar)));
        assert_eq!(made.role(&bearer).unwrap(), Role::Registrar);
        assert!(made.require(&bearer, Role::Registrar).is_ok());
        assert!(made.require(&bearer, Role::Admin).is_err());
        let again = Credentials::open(&registrar, &admin).unwrap();
        assert_eq!(
            again
                .role(&headers(&format!("Bearer {}", token(&admin))))
                .unwrap(),
            Role::Admin
        );
        for wrong in [
            "Bearer ",
            "Basic x",
            &token(&admin),
            &format!("Bearer {}", &token(&admin)[1..]),
        ] {
            assert!(made.role(&headers(wrong)).is_err(), "{wrong}");
        }
        assert!(made.role(&HeaderMap::new()).is_err());
        assert!(Credentials::open(&admin, &admin).is_err());
        std::fs::write(&registrar, "short").unwrap();
        assert!(Credentials::open(&registrar, &admin).is_err());
    }

    #[test]
    fn an_address_has_its_rate_and_no_other_pays_for_it() {
        let rates = Rates::new(2);
        let (busy, quiet) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let start = Instant::now();
        assert!((0..20).all(|_| rates.admit_at(busy, start).is_ok()));
        assert_eq!(rates.admit_at(busy, start), Err(Code::Busy));
        assert!(rates.admit_at(quiet, start).is_ok());
        assert!(
            rates
                .admit_at(busy, start + Duration::from_millis(500))
                .is_ok()
        );
        assert_eq!(
            rates.admit_at(busy, start + Duration::from_millis(500)),
            Err(Code::Busy)
        );
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        assert_eq!(
            network("2001:db8::1".parse().unwrap()),
            network("2001:db8::ffff".parse().unwrap())
        );
        assert_ne!(
            network("2001:db8::1".parse().unwrap()),
            network("2001:db8:0:1::1".parse().unwrap())
        );
        assert_eq!(
            network("::ffff:10.0.0.1".parse().unwrap()),
            network("10.0.0.1".parse().unwrap())
        );
    }
}
