//! Annotated tags: what they are of, when they were made, and what they say.

use gix::bstr::ByteSlice as _;

use super::git::Git;
use super::lock::CommitId;
use crate::error::Diagnostic;

/// Tags with one prefix that are read.
pub const TAGS_MAX: usize = 10_000;
/// Bytes of one tag.
pub const TAG_BYTES_MAX: u64 = 1 << 20;

/// An annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name, without `refs/tags/`.
    pub name: String,
    /// The commit that it is of; none where that is none, or not in this clone.
    pub commit: Option<CommitId>,
    /// Its message; what is not UTF-8 in it is replaced.
    pub message: String,
}

impl Git {
    /// The annotated tags whose names begin so, by name. Others, and those that are larger than [`TAG_BYTES_MAX`] or damaged, are
    /// left out.
    ///
    /// # Errors
    /// The refs cannot be read, or there are more than [`TAGS_MAX`].
    pub fn tags(&self, prefix: &str) -> Result<Vec<Tag>, Diagnostic> {
        let local = self.repository.to_thread_local();
        let failed = |error: &dyn std::error::Error| Diagnostic::error(format!("the tags cannot be read: {error}"));
        let platform = local.references().map_err(|error| failed(&error))?;
        let full = format!("refs/tags/{prefix}");
        let found = platform.prefixed(full.as_str()).map_err(|error| failed(&error))?;
        let mut tags = Vec::new();
        for reference in found.filter_map(Result::ok) {
            if tags.len() >= TAGS_MAX {
                return Err(Diagnostic::error(format!("there are more than {TAGS_MAX} tags {prefix}*"))
                    .help("remove those that nobody needs"));
            }
            let name = reference.name().as_bstr().to_str_lossy().into_owned();
            let Some(id) = reference.try_id().map(gix::Id::detach) else { continue };
            let is_small = local.find_header(id).is_ok_and(|header| header.size() <= TAG_BYTES_MAX);
            let Some(object) = is_small.then(|| local.find_object(id).ok()).flatten() else { continue };
            let Ok(tag) = object.try_into_tag() else { continue };
            let Ok(decoded) = tag.decode() else { continue };
            let target = decoded.target();
            tags.push(Tag {
                name: name.trim_start_matches("refs/tags/").to_owned(),
                commit: self.commit(&local, target, &name).ok(),
                message: decoded.message.to_str_lossy().into_owned(),
            });
        }
        tags.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tags)
    }
}
