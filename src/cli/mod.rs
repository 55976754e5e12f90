//! The command line: one verb per file, each with its clap arguments, its run and its printing. Nothing else prints.
//!
//! Exit codes: 0 fine and no differences, 1 differences or findings, 2 an error. A broken pipe is 0.

mod apply;
mod check;
mod diff;
mod digests;
mod files;
mod helm_flags;
mod init;
mod install;
mod lint;
mod live;
mod new;
mod output;
mod post;
mod process;
mod progress;
mod render;
mod report;
mod status;
mod suspend;
mod template;
mod value_flags;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use output::Output;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Fine, no differences.
    Fine,
    /// Differences or findings.
    Findings,
    /// An error.
    Error,
}

/// Kubernetes configuration in Git: charts and releases rendered to flat manifests that are committed and reviewed.
#[derive(Debug, Parser)]
#[command(name = "kcfg", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli<V: Subcommand> {
    /// Work in the repository that holds this folder, instead of the current one
    #[arg(long, short = 'C', global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: V,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Render(render::Args),
    Diff(Box<diff::Args>),
    Check(check::Args),
    Apply(Box<apply::Args>),
    Lint(lint::Args),
    Template(Box<template::Args>),
    New(new::Args),
    Init(init::Args),
    Install(Box<install::Args>),
    Status(status::Args),
    Suspend(suspend::Args),
    Resume(suspend::ResumeArgs),
}

/// The one verb that runs often and briefly.
#[derive(Debug, Subcommand)]
enum OnlyTemplate {
    Template(Box<template::Args>),
}

/// Whether a command line is one for `kcfg template`, as it is nearly always written.
fn is_template(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|verb| verb == "template")
}

/// Reads the command line.
fn parse(arguments: &[OsString]) -> Result<Cli<Verb>, clap::Error> {
    // Making the arguments of all verbs takes as long as reading a small chart. Whatever is not plainly right is left to
    // the whole command line, which knows what else could be meant.
    if is_template(arguments)
        && let Ok(Cli { dir, verb: OnlyTemplate::Template(args) }) = Cli::try_parse_from(arguments)
    {
        return Ok(Cli { dir, verb: Verb::Template(args) });
    }
    Cli::try_parse_from(arguments)
}

/// Runs kcfg with the given command line, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if is_template(&arguments)
                && let Some(explained) = helm_flags::explain(&error)
            {
                Output::new().report([output::Finding::from(explained)]);
                return Status::Error.into();
            }
            let code = if error.use_stderr() { Status::Error } else { Status::Fine };
            // Help into a closed pipe is no failure of ours.
            let _ = error.print();
            return code.into();
        }
    };
    let output = Output::new();
    let dir = cli.dir.unwrap_or_else(|| PathBuf::from("."));
    let result = match cli.verb {
        Verb::Render(arguments) => render::run(&dir, &arguments, &output),
        Verb::Diff(arguments) => diff::run(&dir, &arguments, &output),
        Verb::Check(arguments) => check::run(&dir, &arguments, &output),
        Verb::Apply(arguments) => apply::run(&dir, &arguments, &output),
        Verb::Lint(arguments) => lint::run(&dir, &arguments, &output),
        Verb::Template(arguments) => template::run(&dir, &arguments, &output),
        Verb::New(arguments) => new::run(&dir, &arguments, &output),
        Verb::Init(arguments) => init::run(&dir, &arguments, &output),
        Verb::Status(arguments) => status::run(&dir, &arguments, &output),
        Verb::Suspend(arguments) => suspend::run(&arguments, &output),
        Verb::Resume(arguments) => suspend::resume(&arguments, &output),
        Verb::Install(arguments) => install::run(&arguments, &output),
    };
    match result {
        Ok(_) if output.has_failed() => Status::Error.into(),
        Ok(status) => status.into(),
        Err(diagnostics) => {
            output.report(diagnostics.into_iter().map(output::Finding::from));
            Status::Error.into()
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        match status {
            Status::Fine => ExitCode::SUCCESS,
            Status::Findings => ExitCode::from(1),
            Status::Error => ExitCode::from(2),
        }
    }
}
