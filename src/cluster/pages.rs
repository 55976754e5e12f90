//! A collection of kcfg's own namespace, listed page by page.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Accept, Call, Client, Failure, query};

/// The objects that have a label (empty for all), `page` of them with each request; also gives the version of the list.
///
/// # Errors
/// The cluster does not answer, or forbids it, or an object is not of that form.
pub async fn list<T: DeserializeOwned>(
    client: &Client,
    collection: &str,
    label: &str,
    page: usize,
    accept: Accept,
) -> Result<(Vec<T>, String), Failure> {
    #[derive(Deserialize)]
    struct Page<T> {
        metadata: Metadata,
        items: Vec<T>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        resource_version: String,
        #[serde(rename = "continue")]
        next: Option<String>,
    }
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("{collection}?labelSelector={}&limit={page}&continue={}", query(label), query(&next));
        let page: Page<T> = client.send(&Call::get(path, accept)).await?.json()?;
        found.extend(page.items);
        next = page.metadata.next.unwrap_or_default();
        if next.is_empty() {
            return Ok((found, page.metadata.resource_version));
        }
    }
}
