//! Who is connected, and how much each may have under way: a caller is an IPv4 address or an IPv6 /64.
//!
//! Every caller has a share of its own, so one that opens ten thousand connections or never reads its answers uses up
//! that share and nobody else's (T-28). A share is given back when the work is done, not when the caller hangs up.

use crate::config::Limits;
use crate::link;
use cofferdam_wire::Code;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request waits for its caller's other work before it is refused.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Clients {
    most: usize,
    most_each: usize,
    units_each: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    connections: usize,
    callers: HashMap<IpAddr, Entry>,
}

struct Entry {
    connections: usize,
    units: Arc<Semaphore>,
}

/// One open connection of a caller.
pub(crate) struct Client {
    caller: IpAddr,
    units: Arc<Semaphore>,
    clients: Arc<Clients>,
}

/// A request's part of its caller's share.
pub(crate) struct Permit(OwnedSemaphorePermit);

impl Permit {
    pub(crate) fn into_units(self) -> OwnedSemaphorePermit {
        self.0
    }
}

impl Clients {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_each: limits.connections_per_caller,
            units_each: limits.in_flight_per_caller as usize,
            table: Mutex::default(),
        })
    }

    /// Counts a connection; `None` when the caller or all together have too many.
    pub(crate) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Client> {
        let caller = caller(address);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.connections >= self.most {
            return None;
        }
        let fresh = || Entry {
            connections: 0,
            units: Arc::new(Semaphore::new(self.units_each)),
        };
        let entry = table.callers.entry(caller).or_insert_with(fresh);
        if entry.connections >= self.most_each {
            return None;
        }
        entry.connections += 1;
        let units = entry.units.clone();
        table.connections += 1;
        Some(Client {
            caller,
            units,
            clients: self.clone(),
        })
    }
}

impl Client {
    /// Takes what a request of this size needs; `Busy` when the caller has too much under way already.
    pub(crate) async fn admit(&self, bytes: usize) -> Result<Permit, Code> {
        let units = tokio::time::timeout(PATIENCE, self.wait_for(bytes)).await;
        units.map_err(|_| Code::Busy)
    }

    /// As [`Client::admit`], as long as it takes: a stream is slowed down instead of refused.
    pub(crate) async fn wait_for(&self, bytes: usize) -> Permit {
        let units = self
            .units
            .clone()
            .acquire_many_owned(link::weight(bytes))
            .await;
        Permit(units.expect("the semaphore is never closed"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut table = self
            .clients
            .table
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        table.connections -= 1;
        if let Some(entry) = table.callers.get_mut(&self.caller) {
            entry.connections -= 1;
            // A caller whose work is still under way stays, or reconnecting would give it a new share.
            if entry.connections == 0 && entry.units.available_permits() == self.clients.units_each
            {
                table.callers.remove(&self.caller);
            }
        }
        // Those left behind with work under way are swept once they have finished.
        if table.callers.len() > 2 * self.clients.most {
            let units_each = self.clients.units_each;
            table.callers.retain(|_, entry| {
                entry.connections > 0 || entry.units.available_permits() < units_each
            });
        }
    }
}

fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn clients() -> Arc<Clients> {
        let limits = Limits {
            connections: 5,
            connections_per_caller: 3,
            in_flight_per_caller: 32,
            ..Limits::default()
        };
        Clients::new(&limits)
    }

    #[test]
    fn t28_one_caller_cannot_take_the_connections_of_others() {
        let clients = clients();
        let (one, other): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let held: Vec<_> = (0..3).map(|_| clients.connect(one).unwrap()).collect();
        assert!(clients.connect(one).is_none());
        let others = [
            clients.connect(other).unwrap(),
            clients.connect(other).unwrap(),
        ];
        assert!(clients.connect(other).is_none(), "all together have five");
        drop(held);
        assert!(clients.connect(one).is_some());
        drop(others);
        assert!(clients.table.lock().unwrap().callers.is_empty());
    }

    #[test]
    fn t28_an_ipv6_network_is_one_caller() {
        let clients = clients();
        let held: Vec<_> = (1..4)
            .map(|n| {
                clients
                    .connect(format!("2001:db8::{n}").parse().unwrap())
                    .unwrap()
            })
            .collect();
        assert!(clients.connect("2001:db8::9".parse().unwrap()).is_none());
        assert!(
            clients
                .connect("2001:db8:0:1::9".parse().unwrap())
                .is_some()
        );
        drop(held);
    }

    #[tokio::test]
    async fn t28_work_under_way_is_bounded_also_over_reconnects() {
        let clients = clients();
        let address = "192.0.2.1".parse().unwrap();
        let client = clients.connect(address).unwrap();
        let big = client.admit(100_000).await.unwrap().into_units();
        let soon = Duration::from_millis(50);
        assert!(
            tokio::time::timeout(soon, client.wait_for(100_000))
                .await
                .is_err()
        );
        drop(client);
        let again = clients.connect(address).unwrap();
        assert!(
            tokio::time::timeout(soon, again.wait_for(100_000))
                .await
                .is_err()
        );
        drop(big);
        assert!(again.admit(100_000).await.is_ok());
    }
}
