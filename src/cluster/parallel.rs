//! Many requests at a time, but never more than a limit.

use std::future::Future;

use tokio::task::JoinSet;

/// Requests at a time.
pub const CONCURRENCY: usize = 16;

/// Runs tasks, at most [`CONCURRENCY`] at a time, and hands each result over as it comes.
pub async fn each<R, F>(tasks: impl IntoIterator<Item = F>, mut on_result: impl FnMut(R))
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut take = |result: Result<R, tokio::task::JoinError>| match result {
        Ok(result) => on_result(result),
        // Tasks are never cancelled, so this one panicked: that is a mistake of ours, which must not be hidden.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    for task in tasks {
        if running.len() >= CONCURRENCY
            && let Some(result) = running.join_next().await
        {
            take(result);
        }
        running.spawn(task);
    }
    while let Some(result) = running.join_next().await {
        take(result);
    }
}
