//! Tests of primality on eight lanes at once, on processors that multiply vectors of 52-bit integers (AVX-512 IFMA: Intel
//! since Ice Lake, AMD since Zen 4).
//!
//! In: odd numbers of `N` words whose highest bit is set. Absent: any way for other processors; the caller has one.
//!
//! A number is `L` limbs of 52 bits, each limb a vector of eight lanes. Montgomery form is x·R with R = 2^(52L); R must be
//! sixteen times a modulus, so that no step has to reduce below it: numbers stay below twice the modulus.

use archmage::prelude::*;

use super::primes::{Modulus, Number, double, subtract};

/// How many numbers are worked on at once.
pub(super) const COUNT: usize = 8;

const LIMB_BITS: usize = 52;

/// Limbs of a modulus, or of a number modulo it.
type Limbs<const L: usize> = [__m512i; L];

/// Which of eight numbers pass Fermat's test to base 2.
#[arcane(import_intrinsics)]
pub(super) fn pass_base_two<const N: usize, const L: usize>(
    token: X64V4xToken,
    numbers: &[Number<N>; COUNT],
) -> [bool; COUNT] {
    let moduli = numbers.each_ref().map(Modulus::new);
    let one = moduli.each_ref().map(montgomery_one::<N, L>);
    let field = field(token, &moduli.each_ref());
    let words: [__m512i; N] = std::array::from_fn(|word| {
        _mm512_loadu_si512(&std::array::from_fn::<u64, COUNT, _>(|lane| numbers[lane][word]))
    });
    let mut power: Limbs<L> = limbs(token, &one);
    // n - 1, whose bits are those of n but for the last, which is 0.
    for bit in (0..64 * N).rev() {
        let shift = _mm512_set1_epi64((bit % 64) as i64);
        let digit = _mm512_and_si512(_mm512_srlv_epi64(words[bit / 64], shift), _mm512_set1_epi64((bit > 0).into()));
        power = multiply(token, &field, &power, &power, digit);
    }
    equal(token, &power, &one, numbers)
}

/// Whether a number passes the Miller-Rabin test to eight bases, which are in any form.
#[arcane(import_intrinsics)]
pub(super) fn passes_bases<const N: usize, const L: usize>(
    token: X64V4xToken,
    number: &Number<N>,
    bases: &[Number<N>; COUNT],
) -> bool {
    const WINDOW_BITS: usize = 4;
    let modulus = Modulus::new(number);
    let numbers = [*number; COUNT];
    let field = field(token, &[&modulus; COUNT]);
    let zero = _mm512_setzero_si512();
    let one = [montgomery_one::<N, L>(&modulus); COUNT];
    let mut minus_one = *number;
    subtract(&mut minus_one, &one[0]);
    let minus_one = [minus_one; COUNT];
    let mut powers = [limbs::<N, L>(token, &one); 1 << WINDOW_BITS];
    let base = limbs(token, bases);
    for i in 1..powers.len() {
        powers[i] = multiply(token, &field, &powers[i - 1], &base, zero);
    }
    // What `base` is the Montgomery form of is a random number, as the base is.
    powers[1] = base;
    let mut power = powers[0];
    for at in (0..64 * N / WINDOW_BITS).rev() {
        for _ in 0..WINDOW_BITS {
            power = multiply(token, &field, &power, &power, zero);
        }
        let digit = modulus.odd_part[at * WINDOW_BITS / 64] >> (at * WINDOW_BITS % 64) & 0xf;
        if digit != 0 {
            power = multiply(token, &field, &power, &powers[digit as usize], zero);
        }
    }
    let mut passed = equal(token, &power, &one, &numbers);
    for twos in 0..modulus.twos {
        if twos > 0 {
            power = multiply(token, &field, &power, &power, zero);
        }
        let is_minus_one = equal(token, &power, &minus_one, &numbers);
        passed = std::array::from_fn(|lane| passed[lane] || is_minus_one[lane]);
    }
    passed == [true; COUNT]
}

/// Eight moduli.
struct Field<const L: usize> {
    n: Limbs<L>,
    /// -1/n modulo 2^52.
    inverse: __m512i,
}

#[rite(v4x, import_intrinsics)]
fn field<const N: usize, const L: usize>(token: X64V4xToken, moduli: &[&Modulus<'_, N>; COUNT]) -> Field<L> {
    const { assert!(LIMB_BITS * L >= 64 * N + 4) };
    let inverse: [u64; COUNT] = moduli.map(|modulus| modulus.inverse);
    // Of the lowest 52 bits the inverse is that of 64; a multiplication takes no others.
    Field { n: limbs(token, &moduli.map(|modulus| *modulus.n)), inverse: _mm512_loadu_si512(&inverse) }
}

/// R modulo n.
fn montgomery_one<const N: usize, const L: usize>(modulus: &Modulus<'_, N>) -> Number<N> {
    let mut one = modulus.one;
    for _ in 64 * N..LIMB_BITS * L {
        double(&mut one, modulus.n);
    }
    one
}

fn split<const N: usize, const L: usize>(number: &Number<N>) -> [u64; L] {
    let word = |at: usize| u128::from(number.get(at).copied().unwrap_or(0));
    std::array::from_fn(|limb| {
        let bit = LIMB_BITS * limb;
        ((word(bit / 64) | word(bit / 64 + 1) << 64) >> (bit % 64)) as u64 & ((1 << LIMB_BITS) - 1)
    })
}

#[rite(v4x, import_intrinsics)]
fn limbs<const N: usize, const L: usize>(_token: X64V4xToken, numbers: &[Number<N>; COUNT]) -> Limbs<L> {
    let numbers = numbers.each_ref().map(split::<N, L>);
    let mut limbs = [_mm512_setzero_si512(); L];
    for (at, limb) in limbs.iter_mut().enumerate() {
        let lanes: [u64; COUNT] = std::array::from_fn(|lane| numbers[lane][at]);
        *limb = _mm512_loadu_si512(&lanes);
    }
    limbs
}

/// Which of eight values below 2n equal eight expected ones modulo n.
#[rite(v4x, import_intrinsics)]
fn equal<const N: usize, const L: usize>(
    _token: X64V4xToken,
    values: &Limbs<L>,
    expected: &[Number<N>; COUNT],
    n: &[Number<N>; COUNT],
) -> [bool; COUNT] {
    let mut lanes = [[0; COUNT]; L];
    for (lanes, limb) in lanes.iter_mut().zip(values) {
        _mm512_storeu_si512(lanes, *limb);
    }
    let mut equal = [false; COUNT];
    for (lane, equal) in equal.iter_mut().enumerate() {
        let (expected, n) = (split::<N, L>(&expected[lane]), split::<N, L>(&n[lane]));
        let mut carry = 0;
        let is_sum = (0..L).all(|at| {
            let sum = expected[at] + n[at] + carry;
            carry = sum >> LIMB_BITS;
            sum & ((1 << LIMB_BITS) - 1) == lanes[at][lane]
        });
        *equal = is_sum || (0..L).all(|at| expected[at] == lanes[at][lane]);
    }
    equal
}

/// a·b/R modulo n, shifted left by `shift` bits (none or one) in each lane. Of factors below 4n the product is below 2n.
#[rite(v4x, import_intrinsics)]
fn multiply<const L: usize>(
    _token: X64V4xToken,
    field: &Field<L>,
    a: &Limbs<L>,
    b: &Limbs<L>,
    shift: __m512i,
) -> Limbs<L> {
    let zero = _mm512_setzero_si512();
    // Limbs take the sums of at most 4L products of 52 bits and are not carried over before the end.
    let mut t = [zero; L];
    for a in a {
        let low = _mm512_madd52lo_epu64(t[0], *a, b[0]);
        let m = _mm512_madd52lo_epu64(zero, low, field.inverse);
        // The lowest limb becomes 0, but for what it carries.
        let mut carry = _mm512_srli_epi64::<{ LIMB_BITS as u32 }>(_mm512_madd52lo_epu64(low, m, field.n[0]));
        for at in 1..L {
            let sum = _mm512_add_epi64(t[at], carry);
            carry = zero;
            let sum = _mm512_madd52hi_epu64(sum, *a, b[at - 1]);
            let sum = _mm512_madd52hi_epu64(sum, m, field.n[at - 1]);
            let sum = _mm512_madd52lo_epu64(sum, *a, b[at]);
            t[at - 1] = _mm512_madd52lo_epu64(sum, m, field.n[at]);
        }
        t[L - 1] = _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(zero, *a, b[L - 1]), m, field.n[L - 1]);
    }
    let mask = _mm512_set1_epi64((1 << LIMB_BITS) - 1);
    let mut carry = zero;
    for limb in &mut t {
        let sum = _mm512_add_epi64(_mm512_sllv_epi64(*limb, shift), carry);
        carry = _mm512_srli_epi64::<{ LIMB_BITS as u32 }>(sum);
        *limb = _mm512_and_si512(sum, mask);
    }
    t
}
