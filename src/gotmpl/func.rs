//! What a template function is: a row with its name, the types Go's reflection would check, its code, and the
//! examples that document and test it.

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
    /// `map[string]interface {}`.
    Map,
    /// `[]interface {}`.
    List,
    /// `[]string`.
    Strings,
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
pub trait Generator {
    /// Fills a buffer with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
    /// Now, in nanoseconds since 1970 (UTC).
    fn now_ns(&mut self) -> i128;
    /// Whether anything was asked of it yet.
    fn used(&self) -> bool;
    /// Whether keys must be fixed ones (RSA keys take long to make, and `render` throws them away).
    fn fixed_keys(&self) -> Option<usize>;
}
