//! A progress bar for work that takes long enough to make somebody wonder.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Output;

/// Work that ends sooner shows no bar.
const QUIET: Duration = Duration::from_millis(500);
/// How often the bar is drawn anew.
const STEP: Duration = Duration::from_millis(50);

/// A bar that draws itself until it is dropped.
#[derive(Debug)]
pub struct Progress {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts to watch `done`, which counts up to `total`; without a terminal nothing is ever drawn.
    pub fn start(output: &Output, done: &Arc<AtomicUsize>, total: usize) -> Progress {
        if !output.is_interactive() {
            return Progress { running: None };
        }
        let (stop, stopped) = channel();
        let done = done.clone();
        let draw = move || {
            if stopped.recv_timeout(QUIET) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} releases")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style);
            while stopped.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(done.load(Ordering::Relaxed) as u64);
            }
            bar.finish_and_clear();
        };
        let handle = std::thread::Builder::new().name("progress".into()).spawn(draw).ok();
        Progress { running: handle.map(|handle| (stop, handle)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, handle)) = self.running.take() {
            // It may have ended by itself; a bar that failed is no reason to fail.
            let _ = stop.send(());
            let _ = handle.join();
        }
    }
}
