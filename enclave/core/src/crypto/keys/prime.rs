//! Is a factor of an imported RSA modulus prime? (T-39)
//!
//! AWS-LC checks how the parts of a private key fit together, and never whether the factors are prime. Somebody who
//! hands a customer a modulus of composite factors can factor it. This is the Baillie-PSW test: one strong probable
//! prime round to base 2, which nearly every composite fails, and then an extra strong Lucas round. No composite is
//! known that passes both, and there is nothing random in it that an attacker could retry against.
//!
//! Arithmetic is constant-time in the value of the candidate; only the power of two in p - 1 and p + 1, and the small
//! Lucas parameter, show in the running time.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Choice, CtSelect, JacobiSymbol, Odd, Uint};
use zeroize::Zeroize;

/// Lucas parameters that are tried. A prime exceeds this with probability 2^-128; only squares do.
const PARAMETERS: u32 = 128;

/// Whether both factors of a modulus are prime. False for lengths that no supported modulus has.
pub(super) fn both_are_prime(p: &[u8], q: &[u8]) -> bool {
    match (p.len(), q.len()) {
        (128, 128) => both::<16>(p, q),
        (192, 192) => both::<24>(p, q),
        (256, 256) => both::<32>(p, q),
        _ => false,
    }
}

fn both<const LIMBS: usize>(p: &[u8], q: &[u8]) -> bool {
    let candidates = (Candidate::<LIMBS>::new(p), Candidate::<LIMBS>::new(q));
    let (Some(p), Some(q)) = candidates else {
        return false;
    };
    // The cheap round for both comes first, so an ordinary composite costs one exponentiation at most per factor.
    p.passes_base_two() && q.passes_base_two() && p.passes_lucas() && q.passes_lucas()
}

/// An odd number under test, with its Montgomery constants.
struct Candidate<const LIMBS: usize> {
    number: Odd<Uint<LIMBS>>,
    params: FixedMontyParams<LIMBS>,
}

impl<const LIMBS: usize> Candidate<LIMBS> {
    fn new(bytes: &[u8]) -> Option<Self> {
        let number = Odd::new(Uint::from_be_slice(bytes)).into_option()?;
        Some(Self {
            params: FixedMontyParams::new(number),
            number,
        })
    }

    /// Strong probable prime to base 2: with p - 1 = d 2^s, 2^d is 1, or one of its s - 1 first squares is -1.
    fn passes_base_two(&self) -> bool {
        let minus_one = self.number.wrapping_sub(&Uint::ONE);
        let twos = minus_one.trailing_zeros();
        let one = FixedMontyForm::one(&self.params);
        let mut power = (one + one).pow(&minus_one.wrapping_shr(twos));
        if power == one {
            return true;
        }
        for _ in 1..twos {
            if power == -one {
                return true;
            }
            power = power.square();
        }
        power == -one
    }

    /// Extra strong Lucas probable prime, with Q = 1 and the first P from 3 on whose D = P^2 - 4 has (D/p) = -1:
    /// with p + 1 = d 2^s, U(d) is 0 and V(d) is 2 or -2, or V(d 2^r) is 0 for an r below s - 1.
    fn passes_lucas(&self) -> bool {
        let Some(parameter) = self.lucas_parameter() else {
            return false;
        };
        // p is never 2^k - 1 of full length here; if it were, p + 1 would not fit and the test answers "composite".
        let plus_one = self.number.wrapping_add(&Uint::ONE);
        let twos = plus_one.trailing_zeros();
        let odd_part = plus_one.wrapping_shr(twos);

        let one = FixedMontyForm::one(&self.params);
        let two = one + one;
        let parameter = FixedMontyForm::new(&Uint::from(parameter), &self.params);
        // (V(k), V(k + 1)), doubled from k = 0: the same two products for either value of a bit.
        let (mut low, mut high) = (two, parameter);
        for index in (0..Uint::<LIMBS>::BITS).rev() {
            let bit = odd_part.bit(index);
            let product = low * high - parameter;
            let doubled = self.select(&low, &high, bit).square() - two;
            low = self.select(&doubled, &product, bit);
            high = self.select(&product, &doubled, bit);
        }
        // D U(d) = 2 V(d + 1) - P V(d)
        let u_is_zero = high + high == parameter * low;
        if u_is_zero && (low == two || low == -two) {
            return true;
        }
        let zero = FixedMontyForm::zero(&self.params);
        for _ in 1..twos {
            if low == zero {
                return true;
            }
            low = low.square() - two;
        }
        false
    }

    /// `a`, or `b` if the bit is set.
    fn select(
        &self,
        a: &FixedMontyForm<LIMBS>,
        b: &FixedMontyForm<LIMBS>,
        bit: Choice,
    ) -> FixedMontyForm<LIMBS> {
        FixedMontyForm::from_montgomery(
            a.as_montgomery().ct_select(b.as_montgomery(), bit),
            &self.params,
        )
    }

    fn lucas_parameter(&self) -> Option<u32> {
        (3..3 + PARAMETERS).find(|parameter| {
            let discriminant = Uint::<LIMBS>::from(parameter * parameter - 4);
            discriminant.jacobi_symbol(&self.number) == JacobiSymbol::MinusOne
        })
    }
}

impl<const LIMBS: usize> Drop for Candidate<LIMBS> {
    fn drop(&mut self) {
        self.number.zeroize();
        self.params.zeroize();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crypto_primes::Flavor;
    use sha2::{Digest as _, Sha256};

    fn candidate(number: u64) -> Candidate<1> {
        Candidate::new(&number.to_be_bytes()).unwrap()
    }

    /// Trial division, the second implementation.
    fn has_no_divisor(number: u64) -> bool {
        (3..)
            .step_by(2)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
    }

    #[test]
    fn t39_every_odd_number_below_a_hundred_thousand_is_judged_right() {
        // Below 21 a Lucas parameter is not coprime to the number; factors of RSA moduli are somewhat larger.
        for number in (21..100_000).step_by(2) {
            let both_rounds =
                candidate(number).passes_base_two() && candidate(number).passes_lucas();
            assert_eq!(both_rounds, has_no_divisor(number), "{number}");
        }
    }

    #[test]
    fn t39_what_fools_one_round_does_not_fool_the_other() {
        // Data: OEIS A001262 (strong pseudoprimes to base 2) and A217719 (extra strong Lucas pseudoprimes).
        for number in [
            2047,
            3277,
            4033,
            4681,
            8321,
            15841,
            29341,
            3_215_031_751,
            341_550_071_728_321,
        ] {
            assert!(candidate(number).passes_base_two(), "{number}");
            assert!(!candidate(number).passes_lucas(), "{number}");
        }
        for number in [989, 3239, 5777, 10877, 27971, 29681, 30739, 31631, 39059] {
            assert!(!candidate(number).passes_base_two(), "{number}");
            assert!(candidate(number).passes_lucas(), "{number}");
        }
    }

    #[test]
    fn t39_another_implementation_agrees_on_numbers_of_many_sizes() {
        fn agrees<const LIMBS: usize>(seed: u64) -> bool
        where
            Uint<LIMBS>: crypto_bigint::UnsignedWithMontyForm + crypto_bigint::RandomMod,
        {
            let bytes: Vec<u8> = (0..)
                .flat_map(|block: u64| {
                    Sha256::digest([seed.to_be_bytes(), block.to_be_bytes()].concat())
                })
                .take(Uint::<LIMBS>::BYTES)
                .collect();
            let number = Uint::<LIMBS>::from_be_slice(&bytes) | Uint::ONE;
            let candidate = Candidate::<LIMBS>::new(number.to_be_bytes().as_ref()).unwrap();
            let ours = candidate.passes_base_two() && candidate.passes_lucas();
            assert_eq!(
                ours,
                crypto_primes::is_prime(Flavor::Any, &number),
                "{number}"
            );
            ours
        }
        let primes = (0..3_000)
            .filter(|&seed| [agrees::<1>(seed), agrees::<2>(seed)].contains(&true))
            .count();
        assert!(primes > 100, "{primes} primes say little");
        assert!((0..600).filter(|&seed| agrees::<8>(seed)).count() > 0);
    }

    #[test]
    fn a_square_ends_without_a_parameter() {
        assert!(!candidate(1_000_003 * 1_000_003).passes_lucas());
    }

    #[test]
    fn an_even_number_and_another_length_are_refused() {
        assert!(Candidate::<1>::new(&22u64.to_be_bytes()).is_none());
        assert!(!both_are_prime(&[0xff; 64], &[0xff; 64]));
    }
}
