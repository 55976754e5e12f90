//! The functions that templates may call, by name: Go's built-in ones, `include` and `tpl`, and those of some tables.
//!
//! The index is made by the compiler. To make it at the start would touch the name of each function, of which a chart
//! calls a tenth: a tenth of all the memory that a small chart reads.

use super::ast::Callee;
use super::builtins::Builtin;
use super::func::Function;

/// The places of the index, several for each function; a power of two.
const SLOTS: usize = 1024;
/// A table has at most so many functions.
const ROWS_MAX: usize = 1 << 10;
/// So many tables have numbers in 16 bits.
const TABLES_MAX: usize = (1 << 16) / ROWS_MAX - 1;

const INCLUDE: usize = Builtin::ALL.len();
const TPL: usize = INCLUDE + 1;

/// Functions by name.
pub struct Functions {
    tables: &'static [&'static [Function]],
    /// Where the hash of a name leads to, or a place after it: the number of the function, or [`Functions::EMPTY`].
    index: [u16; SLOTS],
}

impl Functions {
    /// No number of a function: there are fewer tables.
    const EMPTY: u16 = u16::MAX;

    /// Go's built-in functions, then `include` and `tpl`, then those of the tables; later ones win.
    ///
    /// # Panics
    /// There are more functions than the index has places for.
    pub const fn new(tables: &'static [&'static [Function]]) -> Functions {
        assert!(tables.len() < TABLES_MAX && TPL < ROWS_MAX);
        let mut functions = Functions { tables, index: [Functions::EMPTY; SLOTS] };
        let mut count = 0;
        while count <= TPL {
            functions.insert(count);
            count += 1;
        }
        let mut table = 0;
        while table < tables.len() {
            let rows = tables[table].len();
            count += rows;
            assert!(rows <= ROWS_MAX && count <= SLOTS / 2);
            let mut row = 0;
            while row < rows {
                functions.insert((table + 1) * ROWS_MAX + row);
                row += 1;
            }
            table += 1;
        }
        functions
    }

    const fn insert(&mut self, number: usize) {
        let slot = self.slot(self.name(number));
        #[allow(clippy::cast_possible_truncation)] // `new` has checked it
        let number = number as u16;
        self.index[slot] = number;
    }

    /// Where the function of this name is, or would be.
    const fn slot(&self, name: &str) -> usize {
        let mut slot = hash(name) as usize % SLOTS;
        while self.index[slot] != Functions::EMPTY && !is_same(self.name(self.index[slot] as usize), name) {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    const fn name(&self, number: usize) -> &'static str {
        match number {
            INCLUDE => "include",
            TPL => "tpl",
            built_in if built_in < ROWS_MAX => Builtin::ALL[built_in].name(),
            row => self.tables[row / ROWS_MAX - 1][row % ROWS_MAX].name,
        }
    }

    /// The function of a name.
    pub(super) fn get(&self, name: &str) -> Option<Callee> {
        let number = self.index[self.slot(name)];
        Some(match usize::from(number) {
            _ if number == Functions::EMPTY => return None,
            INCLUDE => Callee::Include,
            TPL => Callee::Tpl,
            built_in if built_in < ROWS_MAX => Callee::Builtin(Builtin::ALL[built_in]),
            row => Callee::Row(&self.tables[row / ROWS_MAX - 1][row % ROWS_MAX]),
        })
    }

    /// A function of the tables.
    pub(super) fn row(&self, name: &str) -> Option<&'static Function> {
        match self.get(name) {
            Some(Callee::Row(row)) => Some(row),
            _ => None,
        }
    }

    /// All names, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let numbers = self.index.iter().filter(|number| **number != Functions::EMPTY);
        numbers.map(|number| self.name(usize::from(*number)))
    }
}

/// FNV-1a.
const fn hash(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// `==`, for the compiler.
const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

#[cfg(test)]
mod tests {
    use super::super::sprig;
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_nothing_else() {
        static FUNCTIONS: Functions = Functions::new(sprig::TABLES);
        for row in sprig::TABLES.iter().copied().flatten() {
            assert!(FUNCTIONS.row(row.name).is_some_and(|found| std::ptr::eq(found.name, row.name)), "{}", row.name);
            assert!(FUNCTIONS.get(&format!("{}x", row.name)).is_none_or(|found| found.name() != row.name));
        }
        let built_in = Builtin::ALL.iter().filter(|builtin| FUNCTIONS.row(builtin.name()).is_none());
        for builtin in built_in {
            assert_eq!(FUNCTIONS.get(builtin.name()).map(Callee::name), Some(builtin.name()));
        }
        assert!(matches!(FUNCTIONS.get("include"), Some(Callee::Include)));
        assert!(matches!(FUNCTIONS.get("tpl"), Some(Callee::Tpl)));
        assert!(FUNCTIONS.get("").is_none() && FUNCTIONS.get("Quote").is_none());
        assert!(FUNCTIONS.names().count() > sprig::TABLES.iter().map(|table| table.len()).sum());
    }

    #[test]
    fn a_later_table_wins() {
        const TWICE: [&[Function]; 2] = [sprig::TABLES[0], sprig::TABLES[0]];
        static FUNCTIONS: Functions = Functions::new(&TWICE);
        assert_eq!(FUNCTIONS.names().count(), TPL + 1 + sprig::TABLES[0].len());
        let number = FUNCTIONS.index[FUNCTIONS.slot(sprig::TABLES[0][0].name)];
        assert_eq!(usize::from(number) / ROWS_MAX, 2);
    }
}
