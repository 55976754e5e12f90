//! Go's text/template with sprig's functions. Knows nothing of Helm or of the rest of kcfg.

mod func;
mod value;

pub use func::{Function, Generator, Host, Param};
pub use value::{ElementType, IntKind, List, Map, MapType, Object, Value};
