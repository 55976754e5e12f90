//! Finds the comment, makes it or changes it; what fails for a while is tried again from the beginning, so that an answer
//! that was lost never leads to a second comment.

use std::thread::sleep;
use std::time::Duration;

use super::http::{Api, Dialect, Fault};
use super::{Forge, Posted, Target, github, gitlab};
use crate::error::Diagnostic;

/// How often the whole is tried.
const TRIES_MAX: u32 = 5;
/// The longest pause before another try; whoever asks for a longer one is asked again by the next run.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The first pause where the server names none; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// Makes the comment that begins with `marker` say `body`. Where there is none, makes one if `makes_new`; none otherwise.
///
/// # Errors
/// The forge refuses, or does not answer: what it said, and what to do about it. The token is never part of it.
pub fn post(target: &Target, marker: &str, body: &str, makes_new: bool) -> Result<Option<Posted>, Diagnostic> {
    let dialect = if target.forge == Forge::GitHub { Dialect::GitHub } else { Dialect::Plain };
    let api = Api::new(&target.api, dialect, &target.token, None)?;
    let mut pause = PAUSE_FIRST;
    let mut tries = 1;
    loop {
        let result = match target.forge {
            Forge::GitHub => github::post(&api, target, marker, body, makes_new),
            Forge::GitLab => gitlab::post(&api, target, marker, body, makes_new),
        };
        let (error, wanted) = match result {
            Ok(posted) => return Ok(posted),
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Passing(error, wanted)) => (error, wanted),
        };
        let next = wanted.unwrap_or(pause);
        if tries == TRIES_MAX {
            return Err(error.help(format!("it was tried {TRIES_MAX} times; run the job again later")));
        }
        if next > PAUSE_MAX {
            return Err(error.help(format!("it asks to wait {} s; run the job again after that", next.as_secs())));
        }
        sleep(next);
        tries += 1;
        pause *= 2;
    }
}

/// What both forges have in common of a comment.
pub(super) struct Comment {
    /// Its number.
    pub id: u64,
    /// Its text.
    pub body: String,
    /// Its address.
    pub url: String,
}

impl Comment {
    /// Whether it says this already; forges may change line ends.
    pub fn says(&self, body: &str) -> bool {
        self.body.replace("\r\n", "\n").trim_end() == body.trim_end()
    }
}
