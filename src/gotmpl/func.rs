//! What a template function is: a row with its name, the types Go's reflection would check, its code, and the
//! examples that document and test it.

use jiff::tz::TimeZone;

use super::error::Site;
use super::random_text::{Alphabet, Draw, RandomText};
use super::value::Value;

/// The Go type of a parameter, which decides what a call accepts and what its error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// `interface {}`: anything, nil too.
    Any,
    /// `string`; nil is an error as in Go.
    Str,
    /// `int`: any integer kind that Go would convert for a constant, else exactly `int`.
    Int,
    /// `bool`.
    Bool,
    /// `float64`.
    Float,
    /// `map[string]interface {}`; nil arrives as [`Value::Nil`], Go's nil map.
    Map,
    /// `[]interface {}`; nil arrives as a nil slice.
    List,
    /// `[]string`; nil arrives as a nil slice.
    Strings,
    /// `uint32`: a constant that fits.
    Uint32,
    /// Another Go type, by its name: `time.Time`, `sprig.certificate`.
    Object(&'static str),
}

/// A function that templates can call.
pub struct Function {
    /// The name in templates.
    pub name: &'static str,
    /// The parameters; the last one repeats where `variadic` is set.
    pub params: &'static [Param],
    /// Whether the last parameter may be given any number of times, also none.
    pub variadic: bool,
    /// The code. `args` are already checked against `params`.
    pub call: fn(host: &mut dyn Host, args: &[Value]) -> Result<Value, String>,
    /// One line of documentation.
    pub doc: &'static str,
    /// Template → output; run by the tests.
    pub examples: &'static [(&'static str, &'static str)],
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What functions may need from outside; everything else is pure.
pub trait Host {
    /// Random bytes and the clock; each use is recorded, so that a render knows whether its output may vary.
    fn generator(&mut self) -> &mut dyn Generator;
    /// A random text, on record as made by the call that runs.
    fn random_text(&mut self, alphabet: Alphabet, length: usize) -> String;
    /// Notes what a checksum function gave.
    fn note_checksum(&mut self, checksum: &str);
    /// Says something that refuses nothing about the call that runs.
    fn warn(&mut self, message: &'static str) {
        let _ = message;
    }
}

/// The source of everything that differs from run to run: a real one for `kcfg template`, fixed ones for `kcfg render`.
/// Every method but [`Generator::used`], [`Generator::fixed_keys`], [`Generator::spare_keys`] and [`Generator::zone`] marks it as
/// used.
pub trait Generator {
    /// Fills a buffer with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
    /// Now, in nanoseconds since 1970 (UTC).
    fn now_ns(&mut self) -> i128;
    /// Whether anything was asked of it yet.
    fn used(&self) -> bool;
    /// Whether keys must be fixed ones, and which of the two sets (RSA keys take long to make, and `render` throws
    /// them away).
    fn fixed_keys(&self) -> Option<usize>;

    /// Keys that are made from now on are thrown away, as the render failed: fixed ones will do.
    fn spare_keys(&mut self) {}

    /// A random text. `sites` are the call that asks for it and the calls that led there, nearest first; a generator
    /// that keeps records takes them.
    fn text(&mut self, alphabet: Alphabet, length: usize, sites: &mut dyn FnMut() -> Vec<Site>) -> String {
        let _ = sites;
        alphabet.random_text(length, |bytes| self.fill(bytes))
    }

    /// Notes what a checksum function gave, where records are kept and something random was asked for before.
    fn note_checksum(&mut self, text: &str) {
        let _ = text;
    }

    /// The records since the last time: random texts in the order they were made, and checksums.
    fn take_records(&mut self) -> (Vec<RandomText>, Vec<String>) {
        Default::default()
    }

    /// A number below `count`, all equally likely; 0 if `count` is 0.
    fn pick(&mut self, count: usize) -> usize {
        pick(count, &mut |bytes| self.fill(bytes))
    }

    /// The numbers below `count` in any order.
    fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, self.pick(i + 1));
        }
        order
    }

    /// Go's `time.Local`: fixed generators have UTC, so that no output depends on the machine's zone.
    fn zone(&self) -> TimeZone {
        TimeZone::UTC
    }
}

impl Alphabet {
    /// A text whose characters (bytes, for [`Alphabet::Bytes`]) are all equally likely, from a source of random bytes.
    pub fn random_text(self, length: usize, mut fill: impl FnMut(&mut [u8])) -> String {
        self.draw(length, &mut Chance(&mut fill))
    }
}

/// A number below `count` from random bytes.
fn pick(count: usize, fill: &mut dyn FnMut(&mut [u8])) -> usize {
    let count = count.max(1) as u64;
    // Numbers above the last multiple of `count` would favour the small ones.
    let limit = u64::MAX - u64::MAX % count;
    loop {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < limit {
            return (number % count) as usize;
        }
    }
}

/// Characters drawn with random bytes, all equally likely.
struct Chance<'a>(&'a mut dyn FnMut(&mut [u8]));

impl Draw for Chance<'_> {
    fn bytes(&mut self, bytes: &mut [u8]) {
        (self.0)(bytes);
    }

    fn character(&mut self, characters: &[u8], _: usize) -> u8 {
        characters[pick(characters.len(), self.0)]
    }
}
