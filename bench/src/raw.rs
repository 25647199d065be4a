//! The yardstick: AWS-LC signing in a loop.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::time::{Duration, Instant};

/// Signatures a second of this many threads, each with a key of its own.
pub(crate) fn signatures_per_second(threads: usize, each: Duration) -> f64 {
    let counts: Vec<u64> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| count(each))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    counts.iter().sum::<u64>() as f64 / each.as_secs_f64()
}

fn count(each: Duration) -> u64 {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let random = SystemRandom::new();
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < each {
        for _ in 0..16 {
            key.sign(&random, b"message").unwrap();
            count += 1;
        }
    }
    count
}
