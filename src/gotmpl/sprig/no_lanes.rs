//! In the place of `lanes` on other processors: there is no token of such a processor, so nothing here is ever called.

use archmage::X64V4xToken;

use super::primes::Number;

/// How many numbers would be worked on at once.
pub(super) const COUNT: usize = 8;

/// None passes.
pub(super) fn pass_base_two<const N: usize, const L: usize>(
    _token: X64V4xToken,
    _numbers: &[Number<N>; COUNT],
) -> [bool; COUNT] {
    [false; COUNT]
}

/// It does not pass.
pub(super) fn passes_bases<const N: usize, const L: usize>(
    _token: X64V4xToken,
    _number: &Number<N>,
    _bases: &[Number<N>; COUNT],
) -> bool {
    false
}
