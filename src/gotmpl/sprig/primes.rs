//! Prime numbers for RSA keys: random bytes in, two primes out; two threads look for them.
//!
//! Half of what a chart with certificates takes is this search, so its arithmetic is of fixed width and in Montgomery
//! form. A candidate is random with its two highest bits set, so that the product of two has all its bits; from there
//! on odd numbers are tried in turn. Those without a small factor must pass the Miller-Rabin test to base 2, which is
//! quick, and then to random bases. Absent: constant time; nobody can watch a key being made here but its owner.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use archmage::{SimdToken as _, X64V4xToken};

use super::lanes;

/// A number of `N` words of 64 bits, the lowest first.
pub(super) type Number<const N: usize> = [u64; N];

/// Odd numbers that are looked at from one random start; more than twenty primes are among them for all sizes here.
const WINDOW: usize = 1 << 14;
/// Factors below this are sieved out.
const SMALL_PRIME_MAX: u32 = 1 << 17;
/// Random bases of the Miller-Rabin test: of five errors are rarer than 2^-112 (FIPS 186-5, table B.1), and lanes do eight at once.
const ROUNDS: usize = lanes::COUNT;
/// What both p - 1 and q - 1 must have no common factor with: the public exponent, a prime.
pub(super) const PUBLIC_EXPONENT: u64 = 65537;

/// Odd primes, in groups whose product fits a word.
static SMALL_PRIMES: LazyLock<Vec<(u64, Vec<u32>)>> = LazyLock::new(|| {
    let mut composite = vec![false; SMALL_PRIME_MAX as usize];
    let mut groups: Vec<(u64, Vec<u32>)> = Vec::new();
    for number in (3..SMALL_PRIME_MAX).step_by(2).filter(|n| *n as u64 != PUBLIC_EXPONENT) {
        if composite[number as usize] {
            continue;
        }
        for multiple in (number as usize * number as usize..SMALL_PRIME_MAX as usize).step_by(2 * number as usize) {
            composite[multiple] = true;
        }
        match groups.last_mut() {
            Some((product, primes)) if product.checked_mul(u64::from(number)).is_some() => {
                *product *= u64::from(number);
                primes.push(number);
            }
            _ => groups.push((u64::from(number), vec![number])),
        }
    }
    groups
});

/// Two primes of 64 × `N` bits each, big-endian, whose product has twice as many bits. `L` limbs of 52 bits hold four bits
/// more than such a prime has.
pub(super) fn two_primes<const N: usize, const L: usize>(fill: &mut dyn FnMut(&mut [u8])) -> [Vec<u8>; 2] {
    loop {
        let searches: [Search<N>; 2] = std::array::from_fn(|_| Search::new(fill));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            // Without a second thread the first one does it all.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || work::<N, L>(&searches, &next));
            work::<N, L>(&searches, &next);
        });
        let [p, q] = searches.each_ref().map(Search::result);
        if let (Some(p), Some(q)) = (p, q)
            // FIPS 186-5 asks for a difference of more than 2^(bits - 100).
            && p[N - 2..] != q[N - 2..]
        {
            return [p, q].map(|prime| prime.iter().rev().flat_map(|word| word.to_be_bytes()).collect());
        }
    }
}

/// The candidates for one prime.
struct Search<const N: usize> {
    start: Number<N>,
    /// Those without small factors, as distances from the start.
    distances: Vec<u32>,
    bases: [Number<N>; ROUNDS],
    found: AtomicUsize,
    is_found: AtomicBool,
}

/// Takes candidates for either prime in turn, as many as are tested at once, until there is one of each.
fn work<const N: usize, const L: usize>(searches: &[Search<N>; 2], next: &AtomicUsize) {
    let lanes = X64V4xToken::summon();
    let count = if lanes.is_some() { lanes::COUNT } else { 1 };
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let (search, at) = (&searches[turn % 2], turn / 2 * count);
        let done = |search: &Search<N>| search.is_found.load(Ordering::Relaxed) || at >= search.distances.len();
        if !done(search) {
            let found = match lanes {
                Some(lanes) => search.find_in_lanes::<L>(lanes, at),
                None => is_prime(&search.candidate(at), &search.bases).then_some(at),
            };
            if let Some(found) = found {
                search.found.store(found, Ordering::Relaxed);
                search.is_found.store(true, Ordering::Release);
            }
        } else if searches.iter().all(done) {
            return;
        }
    }
}

impl<const N: usize> Search<N> {
    fn new(fill: &mut dyn FnMut(&mut [u8])) -> Search<N> {
        let mut random = || -> Number<N> {
            std::array::from_fn(|_| {
                let mut bytes = [0; 8];
                fill(&mut bytes);
                u64::from_le_bytes(bytes)
            })
        };
        let mut start = random();
        start[0] |= 1;
        start[N - 1] |= 3 << 62;
        let mut has_factor = vec![false; WINDOW];
        let mut sieve = |prime: u64, residue: u64| {
            // start + 2i is 0 modulo the prime where i is -start/2.
            let half = (prime - residue) % prime;
            let first = if half.is_multiple_of(2) { half / 2 } else { half.div_ceil(2) + prime / 2 };
            for at in (first as usize..WINDOW).step_by(prime as usize) {
                has_factor[at] = true;
            }
        };
        for (product, primes) in &*SMALL_PRIMES {
            let residue = remainder(&start, *product);
            for prime in primes {
                sieve(u64::from(*prime), residue % u64::from(*prime));
            }
        }
        // No p - 1 may be a multiple of the exponent: p is not 1 modulo it.
        let residue = remainder(&start, PUBLIC_EXPONENT);
        sieve(PUBLIC_EXPONENT, (residue + PUBLIC_EXPONENT - 1) % PUBLIC_EXPONENT);
        let distances = (0..WINDOW as u32).filter(|i| !has_factor[*i as usize]).map(|i| 2 * i).collect();
        let bases = std::array::from_fn(|_| random());
        Search { start, distances, bases, found: AtomicUsize::new(0), is_found: AtomicBool::new(false) }
    }

    /// The first prime among the next candidates from the given one on.
    fn find_in_lanes<const L: usize>(&self, lanes: X64V4xToken, at: usize) -> Option<usize> {
        // After the last one it stands in again.
        let at: [usize; lanes::COUNT] = std::array::from_fn(|lane| (at + lane).min(self.distances.len() - 1));
        let candidates = at.map(|at| self.candidate(at));
        let passed = lanes::pass_base_two::<N, L>(lanes, &candidates);
        (0..lanes::COUNT)
            .find(|lane| passed[*lane] && lanes::passes_bases::<N, L>(lanes, &candidates[*lane], &self.bases))
            .map(|lane| at[lane])
    }

    fn candidate(&self, at: usize) -> Number<N> {
        let mut number = self.start;
        let mut carry = u64::from(self.distances[at]);
        for word in &mut number {
            let (sum, over) = word.overflowing_add(carry);
            *word = sum;
            carry = u64::from(over);
        }
        // A start so near the end of all numbers never comes; what it would give is even, and no prime.
        number[0] &= !carry;
        number
    }

    fn result(&self) -> Option<Number<N>> {
        self.is_found.load(Ordering::Acquire).then(|| self.candidate(self.found.load(Ordering::Relaxed)))
    }
}

fn remainder<const N: usize>(number: &Number<N>, divisor: u64) -> u64 {
    let divisor = u128::from(divisor);
    number.iter().rev().fold(0, |rest, word| ((u128::from(rest) << 64 | u128::from(*word)) % divisor) as u64)
}

/// Miller-Rabin to base 2 and the given bases. `n` is odd and has its highest bit set.
fn is_prime<const N: usize>(n: &Number<N>, bases: &[Number<N>]) -> bool {
    if n[0].is_multiple_of(2) {
        return false;
    }
    let modulus = Modulus::new(n);
    modulus.passes(None) && bases.iter().all(|base| modulus.passes(Some(base)))
}

/// Arithmetic modulo an odd number whose highest bit is set; numbers are in Montgomery form, x·2^(64N).
pub(super) struct Modulus<'a, const N: usize> {
    pub(super) n: &'a Number<N>,
    /// -1/n modulo 2^64.
    pub(super) inverse: u64,
    pub(super) one: Number<N>,
    minus_one: Number<N>,
    /// n - 1 is this shifted left by `twos`.
    pub(super) odd_part: Number<N>,
    pub(super) twos: usize,
}

impl<'a, const N: usize> Modulus<'a, N> {
    pub(super) fn new(n: &'a Number<N>) -> Modulus<'a, N> {
        // Newton's method doubles the right bits each time; an odd number is its own inverse modulo 8.
        let mut inverse = n[0];
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(n[0].wrapping_mul(inverse)));
        }
        // 2^(64N) - n is below n.
        let mut one = [0; N];
        subtract(&mut one, n);
        let mut minus_one = *n;
        subtract(&mut minus_one, &one);
        let mut odd_part = *n;
        odd_part[0] -= 1;
        let words = odd_part.iter().take_while(|word| **word == 0).count();
        let bits = odd_part[words].trailing_zeros() as usize;
        let shifted: Number<N> = std::array::from_fn(|i| {
            let word = |i: usize| odd_part.get(i).copied().unwrap_or(0);
            let low = word(i + words) >> bits;
            if bits == 0 { low } else { low | word(i + words + 1) << (64 - bits) }
        });
        Modulus { n, inverse: inverse.wrapping_neg(), one, minus_one, odd_part: shifted, twos: 64 * words + bits }
    }

    /// One round of Miller-Rabin: to base 2 if none is given.
    fn passes(&self, base: Option<&Number<N>>) -> bool {
        let mut power = match base {
            None => self.power_of_two(),
            Some(base) => self.power(base),
        };
        if power == self.one {
            return true;
        }
        for _ in 1..self.twos {
            if power == self.minus_one {
                return true;
            }
            power = self.square(&power);
        }
        power == self.minus_one
    }

    /// 2 to the odd part.
    fn power_of_two(&self) -> Number<N> {
        let mut power = self.one;
        for bit in (0..64 * N).rev().skip_while(|bit| !self.has_bit(*bit)) {
            power = self.square(&power);
            if self.has_bit(bit) {
                double(&mut power, self.n);
            }
        }
        power
    }

    /// A random number in Montgomery form to the odd part: any number is the Montgomery form of some other.
    fn power(&self, base: &Number<N>) -> Number<N> {
        const WINDOW_BITS: usize = 4;
        let mut base = *base;
        if !is_below(&base, self.n) {
            subtract(&mut base, self.n);
        }
        let mut powers = [self.one; 1 << WINDOW_BITS];
        for i in 1..powers.len() {
            powers[i] = self.multiply(&powers[i - 1], &base);
        }
        let mut power = self.one;
        for at in (0..64 * N / WINDOW_BITS).rev() {
            for _ in 0..WINDOW_BITS {
                power = self.square(&power);
            }
            let digit = self.odd_part[at * WINDOW_BITS / 64] >> (at * WINDOW_BITS % 64) & 0xf;
            if digit != 0 {
                power = self.multiply(&power, &powers[digit as usize]);
            }
        }
        power
    }

    fn has_bit(&self, bit: usize) -> bool {
        self.odd_part[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// a·a/2^(64N), in three quarters of the time of [`Modulus::multiply`].
    #[inline(never)]
    fn square(&self, a: &Number<N>) -> Number<N> {
        // The square's low and high half: first the products of two different words.
        let mut t = [[0; N]; 2];
        let t = t.as_flattened_mut();
        for i in 0..N - 1 {
            let mut carry = 0;
            let (row, rest) = t[2 * i + 1..].split_at_mut(N - 1 - i);
            for (b, t) in a[i + 1..].iter().zip(row) {
                (*t, carry) = multiply_add(a[i], *b, *t, carry);
            }
            rest[0] = carry;
        }
        // Each of them counts twice, then come the squares of words.
        let (mut bit, mut carry) = (0, 0);
        for (a, t) in a.iter().zip(t.chunks_exact_mut(2)) {
            let (low, high) = (t[0] << 1 | bit, t[1] << 1 | t[0] >> 63);
            bit = t[1] >> 63;
            let (low, over) = multiply_add(*a, *a, low, carry);
            let (high, over) = high.overflowing_add(over);
            (t[0], t[1], carry) = (low, high, u64::from(over));
        }
        let mut top = 0;
        for i in 0..N {
            let m = t[i].wrapping_mul(self.inverse);
            let mut carry = 0;
            let (row, rest) = t[i..].split_at_mut(N);
            for (n, t) in self.n.iter().zip(row) {
                (*t, carry) = multiply_add(m, *n, *t, carry);
            }
            let (sum, over) = rest[0].overflowing_add(carry);
            let (sum, over2) = sum.overflowing_add(top);
            rest[0] = sum;
            top = u64::from(over) + u64::from(over2);
        }
        let mut reduced = [0; N];
        reduced.copy_from_slice(&t[N..]);
        if top != 0 || !is_below(&reduced, self.n) {
            subtract(&mut reduced, self.n);
        }
        reduced
    }

    /// a·b/2^(64N).
    #[inline(never)]
    fn multiply(&self, a: &Number<N>, b: &Number<N>) -> Number<N> {
        let mut t = [0; N];
        let mut top = 0;
        for word in a {
            let mut carry = 0;
            let mut reduced = 0;
            let m = (word.wrapping_mul(b[0]).wrapping_add(t[0])).wrapping_mul(self.inverse);
            for i in 0..N {
                let (low, high) = multiply_add(*word, b[i], t[i], carry);
                carry = high;
                let (low, high) = multiply_add(m, self.n[i], low, reduced);
                reduced = high;
                if i > 0 {
                    t[i - 1] = low;
                }
            }
            let (sum, over) = carry.overflowing_add(reduced);
            let (sum, over2) = sum.overflowing_add(top);
            t[N - 1] = sum;
            top = u64::from(over) + u64::from(over2);
        }
        if top != 0 || !is_below(&t, self.n) {
            subtract(&mut t, self.n);
        }
        t
    }
}

/// a·b + c + d as its low and its high word: it always fits.
#[inline(always)]
fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let result = u128::from(a) * u128::from(b) + u128::from(c) + u128::from(d);
    (result as u64, (result >> 64) as u64)
}

fn is_below<const N: usize>(a: &Number<N>, b: &Number<N>) -> bool {
    a.iter().rev().cmp(b.iter().rev()).is_lt()
}

/// a - b modulo 2^(64N).
pub(super) fn subtract<const N: usize>(a: &mut Number<N>, b: &Number<N>) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (difference, under) = a.overflowing_sub(*b);
        let (difference, under2) = difference.overflowing_sub(u64::from(borrow));
        *a = difference;
        borrow = under || under2;
    }
}

/// 2a modulo n, for an a below n.
pub(super) fn double<const N: usize>(a: &mut Number<N>, n: &Number<N>) {
    let mut carry = 0;
    for word in a.iter_mut() {
        (*word, carry) = (*word << 1 | carry, *word >> 63);
    }
    if carry != 0 || !is_below(a, n) {
        subtract(a, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gotmpl::func::Generator as _;
    use crate::gotmpl::random::RealGenerator;

    fn random_bases() -> [Number<2>; ROUNDS] {
        std::array::from_fn(|i| [0x9e37_79b9_7f4a_7c15 << i, u64::MAX - i as u64])
    }

    #[test]
    fn primes_are_told_from_products() {
        // The four largest primes below 2^128.
        let primes: Vec<u128> = [159, 173, 233, 237].map(|less| 0u128.wrapping_sub(less)).into();
        let found: Vec<u128> = (1..=238u128)
            .map(|less| 0u128.wrapping_sub(less))
            .filter(|n| is_prime(&[*n as u64, (*n >> 64) as u64], &random_bases()))
            .collect();
        assert_eq!(found, primes);
        // The product of the two largest primes of 64 bits.
        let product = u128::from(u64::MAX - 58) * u128::from(u64::MAX - 82);
        assert!(!is_prime(&[product as u64, (product >> 64) as u64], &random_bases()));
    }

    #[test]
    fn squares_are_products() {
        let modulus = [u64::MAX - 14, u64::MAX, u64::MAX - 1, 1 << 63];
        let modulus = Modulus::new(&modulus);
        let mut number = [1, u64::MAX, 7, (1 << 63) - 1];
        for _ in 0..1000 {
            let square = modulus.square(&number);
            assert_eq!(square, modulus.multiply(&number, &number));
            number = square;
        }
    }

    #[test]
    fn lanes_find_what_words_find() {
        // Without such a processor there is nothing to compare.
        let Some(lanes) = X64V4xToken::summon() else { return };
        let mut generator = RealGenerator::new();
        fn compare<const N: usize, const L: usize>(
            lanes: X64V4xToken,
            generator: &mut RealGenerator,
            batches: usize,
        ) -> usize {
            let search = Search::<N>::new(&mut |bytes| generator.fill(bytes));
            let mut primes = 0;
            for at in (0..batches * lanes::COUNT).step_by(lanes::COUNT) {
                let candidates: [Number<N>; lanes::COUNT] = std::array::from_fn(|lane| search.candidate(at + lane));
                let passed = lanes::pass_base_two::<N, L>(lanes, &candidates);
                for (candidate, passed) in candidates.iter().zip(passed) {
                    let is_prime = is_prime(candidate, &search.bases);
                    assert_eq!(is_prime, passed, "{candidate:x?}");
                    assert_eq!(
                        is_prime,
                        lanes::passes_bases::<N, L>(lanes, candidate, &search.bases),
                        "{candidate:x?}"
                    );
                    primes += usize::from(is_prime);
                }
            }
            primes
        }
        let primes: usize = (0..3).map(|_| compare::<2, 3>(lanes, &mut generator, 4)).sum();
        assert!(primes > 0);
        compare::<4, 6>(lanes, &mut generator, 4);
        compare::<16, 20>(lanes, &mut generator, 1);
    }

    #[test]
    fn two_primes_make_a_modulus_of_full_size() {
        let mut generator = RealGenerator::new();
        let [p, q] = two_primes::<2, 3>(&mut |bytes| generator.fill(bytes));
        let number = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().unwrap());
        let (p, q) = (number(&p), number(&q));
        assert!(p >> 126 == 3 && q >> 126 == 3 && p != q);
        assert!(p % u128::from(PUBLIC_EXPONENT) != 1 && q % u128::from(PUBLIC_EXPONENT) != 1);
    }
}
