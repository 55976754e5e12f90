//! A collection of the API server, followed: one list, and one watch that begins where the list ended. A watch that is cut
//! goes on from the last version that it saw; where that is too old (410) the collection is listed anew. What is asked for,
//! and what is made of the answers, is for whoever follows: a [`Collection`].

use std::convert::Infallible;
use std::future::Future;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Accept, Call, Client, Failure, query};

/// The pause before a watch is opened again, growing to [`PAUSE_MAX`] while none lasts longer than it.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What is followed, and who hears of it.
pub trait Collection: Sync {
    /// An object, as it is kept.
    type Object: Send;

    /// Lists everything; gives the version of the list too.
    fn list(&self, client: &Client) -> impl Future<Output = Result<(Vec<Self::Object>, String), Failure>> + Send;

    /// The request for a watch from a version on, with bookmarks.
    fn watch(&self, version: &str) -> Call;

    /// An object of a watch, with its version.
    ///
    /// # Errors
    /// It is none.
    fn read(&self, object: &[u8]) -> Result<(Self::Object, String), Failure>;

    /// Is told what happens.
    fn hear(&self, news: News<'_, Self::Object>);
}

/// What happens to a collection, or to its watch.
#[derive(Debug)]
pub enum News<'a, T> {
    /// Everything was listed, at this version. What was known before and is not here is gone.
    Listed(Vec<T>, String),
    /// A watch was opened: all that happened since the version known before will be told.
    Opened,
    /// A watch told something.
    Seen(Seen<T>),
    /// A list or a watch ended or could not be had, and is tried again after a pause.
    Ended {
        /// Whether it lasted, and so was worth opening.
        lasted: bool,
        /// Why it ended; none where the API server ended it, as it does from time to time.
        failure: Option<&'a Failure>,
        /// How many failed in a row without lasting: with this one, or, if it lasted, before it.
        failures: u32,
    },
}

/// What a line of a watch tells.
#[derive(Debug)]
pub enum Seen<T> {
    /// Nothing happened up to this version.
    Version(String),
    /// An object is as it is said here.
    Is(T),
    /// An object is gone, or no longer selected; this is how it was.
    Gone(T),
}

/// A watch from a version on, with bookmarks, of the objects of a collection that a label selects (empty for all).
pub fn watch(collection: &str, label: &str, version: &str, accept: Accept) -> Call {
    let label = query(label);
    let query = format!("watch=true&allowWatchBookmarks=true&labelSelector={label}&resourceVersion={version}");
    Call::get(format!("{collection}?{query}"), accept)
}

/// Follows a collection as long as this is polled.
pub async fn follow<C: Collection>(client: &Client, collection: &C) -> Infallible {
    let mut version = String::new();
    let mut pause = PAUSE;
    let mut failures = 0;
    loop {
        let mut opened = None;
        let result = list_and_watch(client, collection, &mut version, &mut opened).await;
        if matches!(result, Err(Failure::Refused { code: 410, .. })) {
            version.clear();
        }
        // Who gives the collection up closes the gate: that is no failure.
        let failure = result.err().filter(|failure| !matches!(failure, Failure::Stopped));
        // A watch that lasted longer than the pause before it was worth opening, whatever ended it.
        let lasted = opened.is_some_and(|at: Instant| at.elapsed() >= pause);
        failures += u32::from(!lasted && failure.is_some());
        collection.hear(News::Ended { lasted, failure: failure.as_ref(), failures });
        if lasted {
            (failures, pause) = (0, PAUSE);
        } else {
            pause = (pause * 2).min(PAUSE_MAX);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Lists where no version is known to go on from, then watches until the watch ends; `opened` is when it began.
async fn list_and_watch<C: Collection>(
    client: &Client,
    collection: &C,
    version: &mut String,
    opened: &mut Option<Instant>,
) -> Result<(), Failure> {
    if version.is_empty() {
        let (found, at) = collection.list(client).await?;
        version.clone_from(&at);
        collection.hear(News::Listed(found, at));
    }
    let mut lines = client.lines(&collection.watch(version)).await?;
    *opened = Some(Instant::now());
    collection.hear(News::Opened);
    while let Some(line) = lines.next().await? {
        let (seen, at) = read(&line, |object| collection.read(object))?;
        *version = at;
        collection.hear(News::Seen(seen));
    }
    Ok(())
}

/// A line, and the version that it brings the watch to.
fn read<T>(
    line: &[u8],
    read_object: impl Fn(&[u8]) -> Result<(T, String), Failure>,
) -> Result<(Seen<T>, String), Failure> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type")]
        kind: String,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Gone {
        #[serde(default)]
        code: u16,
        #[serde(default)]
        message: String,
    }
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: BookmarkMetadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct BookmarkMetadata {
        resource_version: String,
    }
    let unreadable = |error: serde_json::Error| Failure::Unreadable(error.to_string());
    let event: Event<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let object = event.object.get().as_bytes();
    match event.kind.as_str() {
        "ERROR" => {
            let Gone { code, message } = serde_json::from_slice(object).map_err(unreadable)?;
            Err(Failure::Refused { code, reason: String::new(), message, causes: Vec::new() })
        }
        "BOOKMARK" => {
            let Bookmark { metadata } = serde_json::from_slice(object).map_err(unreadable)?;
            Ok((Seen::Version(metadata.resource_version.clone()), metadata.resource_version))
        }
        kind => {
            let (object, version) = read_object(object)?;
            Ok((if kind == "DELETED" { Seen::Gone(object) } else { Seen::Is(object) }, version))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_watch() {
        // An object is its own text here.
        let text = |object: &[u8]| Ok((String::from_utf8_lossy(object).into_owned(), "18".to_owned()));
        let bookmark =
            br#"{"type":"BOOKMARK","object":{"kind":"PartialObjectMetadata","metadata":{"resourceVersion":"17"}}}"#;
        let (seen, version) = read(bookmark, text).unwrap();
        assert!(matches!(seen, Seen::Version(at) if at == "17") && version == "17");
        let gone = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        assert_eq!(read(gone, text).unwrap_err().code(), Some(410));
        let (seen, version) = read(br#"{"type":"DELETED","object":{"a": 1}}"#, text).unwrap();
        assert!(matches!(seen, Seen::Gone(object) if object == "{\"a\": 1}") && version == "18");
        let (seen, _) = read(br#"{"type":"MODIFIED","object":{}}"#, text).unwrap();
        assert!(matches!(seen, Seen::Is(object) if object == "{}"));
        assert!(read(b"{", text).is_err() && read(br#"{"type":"ADDED"}"#, text).is_err());
    }
}
