//! Which addresses are on the public internet, by the IANA special-purpose registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are not dialled: first address, prefix length.
const REFUSED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT; Alibaba's metadata service
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // Azure's host service, public by number only
    ([169, 254, 0, 0], 16),   // link-local; metadata services of AWS, Azure, Google and others
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments; Oracle's metadata service
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, broadcast
];

/// IPv6 blocks within 2000::/3 that are not dialled.
const REFUSED_V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments, Teredo, benchmarks, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4: any IPv4 address inside
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// Whether an address is on the public internet. Addresses that carry an IPv4 address inside are refused with it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|(block, length)| {
            let mask = u32::MAX << (32 - length);
            address.to_bits() & mask == Ipv4Addr::from(*block).to_bits()
        }),
        // Global unicast is 2000::/3 alone: loopback, mapped, translated, unique local, link-local and multicast
        // addresses are all outside of it.
        IpAddr::V6(address) => {
            address.segments()[0] >> 13 == 1
                && !REFUSED_V6.iter().any(|(block, length)| {
                    let mask = u128::MAX << (128 - length);
                    address.to_bits() & mask == Ipv6Addr::from(*block).to_bits()
                })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    macro_rules! refused {
        ($($name:ident: $($text:literal),+;)+) => {$(
            #[test]
            fn $name() {
                for text in [$($text),+] {
                    assert!(!is_public(text.parse().unwrap()), "{text}");
                }
            }
        )+};
    }

    refused! {
        t41_loopback: "127.0.0.1", "127.255.255.254", "::1";
        t41_private: "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fdff::1";
        t41_link_local: "169.254.0.1", "fe80::1", "febf::1", "fec0::1";
        t41_metadata: "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254";
        t41_carrier_grade_nat: "100.64.0.1", "100.127.255.255";
        t41_ipv4_inside_ipv6: "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1",
            "2002:a00:1::1", "2001:0:a00:1::1";
        t41_unspecified_and_this_network: "0.0.0.0", "0.1.2.3", "::";
        t41_multicast_and_broadcast: "224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1";
        t41_reserved_and_documentation: "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255",
            "240.0.0.1", "192.88.99.1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:10::1";
    }

    #[test]
    fn t41_public_addresses_beside_every_block_are_dialled() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
