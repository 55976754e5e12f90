//! The rendered tree: rendered/<env>/<release>/, one canonical file per object and one `kcfg.sum`. Objects come in as
//! data ([`Tree`]), are compared with what is there ([`Folder`]) and written whole or not at all ([`write()`]).

mod changed;
mod folder;
mod names;
mod snapshot;
mod sum;
mod tree;
mod verified;
mod write;

pub use changed::{ReleasePair, ReleaseState, StoredObject, changed};
pub use folder::{FILE_BYTES_MAX, Folder, Problem, is_folder, leftovers, list, ours, sums};
pub use names::file_names;
pub use snapshot::{ReleaseFiles, ReleaseFolder, Snapshot, StateFile};
pub use sum::{Sum, SumFile, environment_digest, hex_sha256};
pub use tree::{Tree, TreeFile};
pub use verified::{FileAt, FilePlace, VerifiedFolder};
pub use write::{Outcome, lock, remove, remove_leftovers, write};

/// The folder of the rendered tree, at the repository's root.
pub const RENDERED_FOLDER: &str = "rendered";

/// The name of a release's checksum file.
pub const SUM_FILE: &str = "kcfg.sum";

/// What the first line of every rendered file begins with; it marks a file as ours.
pub const FIRST_LINE: &str = "# rendered by kcfg from ";

/// What temporary folders of a write begin with; a leftover of a killed run is removed by the next.
pub(crate) const TEMPORARY: &str = ".kcfg-";
