//! The options of `kcfg diff --post`, and what is said of it.

use crate::error::Diagnostic;
use crate::post::{self, Asked, Forge, Posted};

/// Bytes of the file in which GitHub describes the event.
const EVENT_BYTES_MAX: u64 = 32 << 20;

/// Where the report is posted.
#[derive(Debug, clap::Args)]
pub struct PostArgs {
    /// Keep a comment with the report on the pull or merge request that this job belongs to; the token comes from
    /// GITHUB_TOKEN, or from GITLAB_TOKEN or CI_JOB_TOKEN
    #[arg(long, value_name = "FORGE", value_enum, conflicts_with = "live")]
    post: Option<ForgeName>,
    /// The project to post to, where the job's variables do not say it: OWNER/NAME
    #[arg(long, value_name = "PROJECT", requires = "post")]
    post_project: Option<String>,
    /// The number of the pull or merge request, where the job's variables do not say it
    #[arg(long, value_name = "N", requires = "post")]
    post_number: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ForgeName {
    /// GitHub, or the GitHub Enterprise Server that GITHUB_API_URL names
    Github,
    /// GitLab, or the one that CI_API_V4_URL names
    Gitlab,
}

impl PostArgs {
    /// Whether anything is to be posted.
    pub fn is_wanted(&self) -> bool {
        self.post.is_some()
    }

    /// Posts a comment that begins with the marker. Where nothing differs, an old comment is brought up to date, but no
    /// new one made. Gives a line for the reader.
    ///
    /// # Errors
    /// Where to post to cannot be told, or the forge refuses.
    pub fn run(&self, marker: &str, body: &str, is_empty: bool) -> Result<String, Diagnostic> {
        let forge = match self.post {
            Some(ForgeName::Github) => Forge::GitHub,
            Some(ForgeName::Gitlab) => Forge::GitLab,
            None => return Ok(String::new()),
        };
        let variable = |name: &str| std::env::var(name).ok();
        let event = variable("GITHUB_EVENT_PATH").and_then(|path| read_event(&path));
        let asked = Asked { project: self.post_project.as_deref(), number: self.post_number };
        let target = post::target(forge, asked, &variable, event.as_deref())?;
        Ok(match post::post(&target, marker, body, !is_empty)? {
            Some(Posted::Created(url)) => format!("posted: {url}"),
            Some(Posted::Updated(url)) => format!("the comment was updated: {url}"),
            Some(Posted::Unchanged(url)) => format!("the comment says so already: {url}"),
            None => "nothing differs and there is no comment: nothing to post".into(),
        })
    }
}

fn read_event(path: &str) -> Option<String> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > EVENT_BYTES_MAX { None } else { std::fs::read_to_string(path).ok() }
}
