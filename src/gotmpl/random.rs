//! The two kinds of [`Generator`]: the real one, and the two fixed ones whose answers differ everywhere.
//!
//! In: requests of template functions. Out: random bytes, numbers, orders, the time. Absent: which of them a verb uses.
//!
//! `kcfg render` runs a template that used randomness once with each fixed generator and compares. So that the
//! comparison never misses by chance, the two can give no equal answer, whatever was asked before: one answers
//! with even numbers only and the other with odd ones.

use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use super::error::Site;
use super::func::Generator;
use super::random_text::{Alphabet, CallSite, Draw, RandomText, class};

/// Random bytes of the system, the system's clock and time zone.
#[derive(Debug, Default)]
pub struct RealGenerator {
    used: bool,
    spares_keys: bool,
}

impl RealGenerator {
    /// A generator that was not used yet.
    pub fn new() -> RealGenerator {
        RealGenerator::default()
    }
}

impl Generator for RealGenerator {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.used = true;
        getrandom::fill(bytes).expect("an operating system has random bytes");
    }

    fn now_ns(&mut self) -> i128 {
        self.used = true;
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        }
    }

    fn used(&self) -> bool {
        self.used
    }

    fn fixed_keys(&self) -> Option<usize> {
        self.spares_keys.then_some(0)
    }

    fn spare_keys(&mut self) {
        self.spares_keys = true;
    }

    fn zone(&self) -> TimeZone {
        TimeZone::system()
    }
}

/// One of two generators that give the same answers on every run, and never the same as the other one.
#[derive(Debug)]
pub struct FixedGenerator {
    variant: usize,
    state: u64,
    used: bool,
    /// Calls whose texts are the same in both variants.
    pinned: Vec<CallSite>,
    texts: Vec<RandomText>,
    /// The texts given so far, so that no two calls give the same one.
    given: HashSet<String>,
    checksums: Vec<String>,
}

/// How many random texts, and how many checksums, a render keeps records of; what depends on any further one counts as
/// random all the same.
pub const RANDOM_TEXTS_MAX: usize = 1_000;
/// How long a random text may be that a record is kept of: no Secret holds more.
pub const RANDOM_TEXT_BYTES_MAX: usize = 1 << 20;
/// How often a text is drawn anew that was given before. A short one may run out of new ones.
const TRIES_MAX: usize = 100;
/// So many characters of a text are of alternating kinds; the rest are any.
const KINDS_LENGTH: usize = 64;

/// Two times without an equal digit or letter at the same place, whether of year, month, day, weekday, day of the
/// year, hour, minute, second, fraction or seconds since 1970: Wednesday 2005-03-02T07:08:09.012345678Z and Saturday
/// 1996-11-23T16:41:32.987654321Z.
const TIMES_NS: [i128; 2] = [1_109_747_289_012_345_678, 848_767_292_987_654_321];

impl FixedGenerator {
    /// Variant 0 or 1; any other number counts as 1.
    pub fn new(variant: usize) -> FixedGenerator {
        FixedGenerator::pinned(variant, Vec::new())
    }

    /// The same, except that random texts made by these calls are fixed ones, equal in both variants.
    pub fn pinned(variant: usize, pinned: Vec<CallSite>) -> FixedGenerator {
        FixedGenerator {
            variant: variant.min(1),
            state: 0,
            used: false,
            pinned,
            texts: Vec::new(),
            given: HashSet::new(),
            checksums: Vec::new(),
        }
    }

    /// SplitMix64: the next of a sequence that both variants share.
    fn next(&mut self) -> u64 {
        self.used = true;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Generator for FixedGenerator {
    /// Every second bit tells the variants apart, so each hexadecimal, base32 and base64 digit of the bytes does.
    fn fill(&mut self, bytes: &mut [u8]) {
        const EVEN_BITS: u8 = 0x55;
        self.used = true;
        for byte in bytes {
            let random = (self.next() >> 32) as u8;
            *byte = if self.variant == 0 { random & !EVEN_BITS } else { random | EVEN_BITS };
        }
    }

    fn now_ns(&mut self) -> i128 {
        self.used = true;
        TIMES_NS[self.variant]
    }

    fn used(&self) -> bool {
        self.used
    }

    fn fixed_keys(&self) -> Option<usize> {
        Some(self.variant)
    }

    fn text(&mut self, alphabet: Alphabet, length: usize, sites: &mut dyn FnMut() -> Vec<Site>) -> String {
        self.used = true;
        let sites = sites();
        let is_pinned =
            |pinned: &CallSite| sites.first().is_some_and(|s| s.span == pinned.span && s.text.text == pinned.text);
        if self.pinned.iter().any(is_pinned) {
            return alphabet.fixed_text(length);
        }
        let mut text = alphabet.draw(length, self);
        if length == 0 || length > RANDOM_TEXT_BYTES_MAX || self.texts.len() == RANDOM_TEXTS_MAX {
            return text;
        }
        let mut tries = 1;
        while self.given.contains(&text) && tries < TRIES_MAX {
            text = alphabet.draw(length, self);
            tries += 1;
        }
        self.given.insert(text.clone());
        self.texts.push(RandomText { alphabet, length, text: text.clone(), sites });
        text
    }

    fn note_checksum(&mut self, text: &str) {
        if self.used && self.checksums.len() < RANDOM_TEXTS_MAX {
            self.checksums.push(text.to_owned());
        }
    }

    fn take_records(&mut self) -> (Vec<RandomText>, Vec<String>) {
        (std::mem::take(&mut self.texts), std::mem::take(&mut self.checksums))
    }

    fn pick(&mut self, count: usize) -> usize {
        let choices = if self.variant == 0 { count.div_ceil(2) } else { count / 2 };
        let number = self.next();
        if choices == 0 { 0 } else { (number % choices as u64) as usize * 2 + self.variant }
    }

    /// The two orders differ at every place, and a text that is not one repeated character changes by them.
    fn permutation(&mut self, count: usize) -> Vec<usize> {
        self.used = true;
        let mut order: Vec<usize> = (0..count).rev().collect();
        if self.variant == 1 && count > 0 {
            order.rotate_left(1);
        }
        order
    }
}

impl Draw for FixedGenerator {
    fn bytes(&mut self, bytes: &mut [u8]) {
        self.fill(bytes);
    }

    /// Of neighbouring characters one is for either variant.
    fn character(&mut self, characters: &[u8], at: usize) -> u8 {
        let of_kind = if at < KINDS_LENGTH { class(characters, at) } else { Vec::new() };
        let choices = if of_kind.is_empty() { characters } else { &of_kind };
        choices[self.pick(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [FixedGenerator; 2] {
        [FixedGenerator::new(0), FixedGenerator::new(1)]
    }

    #[test]
    fn no_answer_is_equal_whatever_was_asked_before() {
        let [mut a, mut b] = both();
        b.pick(7);
        for count in 2..200 {
            let picked: Vec<usize> = (0..20).map(|_| a.pick(count)).collect();
            for _ in 0..20 {
                let other = b.pick(count);
                assert!(other < count && !picked.contains(&other), "{count}");
            }
            assert!(picked.iter().all(|number| *number < count));
        }
        let (mut x, mut y) = ([0; 64], [0; 64]);
        a.fill(&mut x);
        b.fill(&mut y);
        for (x, y) in x.iter().zip(y) {
            assert!(x >> 4 != y >> 4 && x & 15 != y & 15);
        }
        for count in 2..50 {
            assert!(a.permutation(count).iter().zip(b.permutation(count)).all(|(x, y)| *x != y));
        }
        assert!(a.used() && b.used());
    }

    #[test]
    fn the_same_answers_come_on_every_run() {
        let ([mut a, _], [mut again, _]) = (both(), both());
        let run = |g: &mut FixedGenerator| (0..30).map(|i| g.pick(i + 1)).collect::<Vec<_>>();
        assert_eq!(run(&mut a), run(&mut again));
    }

    #[test]
    fn real_permutations_are_permutations() {
        let mut generator = RealGenerator::new();
        assert!(!generator.used());
        let mut order = generator.permutation(100);
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
        assert!(generator.used() && generator.pick(3) < 3);
    }
}
