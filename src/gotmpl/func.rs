//! What a template function is: a row with its name, the types Go's reflection would check, its code, and the
//! examples that document and test it.

use jiff::tz::TimeZone;

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
    /// Says something that refuses nothing about the call that runs.
    fn warn(&mut self, message: &'static str) {
        let _ = message;
    }
}

/// The source of everything that differs from run to run: a real one for `kcfg template`, fixed ones for `kcfg render`.
/// Every method but [`Generator::used`], [`Generator::fixed_keys`] and [`Generator::zone`] marks it as used.
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

    /// A number below `count`, all equally likely; 0 if `count` is 0.
    fn pick(&mut self, count: usize) -> usize {
        let count = count.max(1) as u64;
        // Numbers above the last multiple of `count` would favour the small ones.
        let limit = u64::MAX - u64::MAX % count;
        loop {
            let mut bytes = [0; 8];
            self.fill(&mut bytes);
            let number = u64::from_le_bytes(bytes);
            if number < limit {
                return (number % count) as usize;
            }
        }
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
