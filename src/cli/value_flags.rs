//! The flags that set a chart's values, as helm has them: files, then `--set` and its kin.

use std::io::Read as _;
use std::sync::Arc;

use crate::chart::EngineKind;
use crate::error::{Diagnostic, Source, reason};
use crate::values::set::{self, SetKind};
use crate::values::{self, Layer};
use crate::yaml::{self, Node, Numbers, ReadOptions};

/// Values of the command line.
#[derive(Debug, clap::Args)]
pub struct ValueFlags {
    /// Values from a file (`-` reads standard input); later ones win
    #[arg(long = "values", short = 'f', value_name = "FILE")]
    values: Vec<String>,
    /// Set a value: `a.b=1,list={x,y}`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set a value as text, whatever it looks like
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Set a value from JSON: `a={"b":[1,2]}`, or a whole JSON object
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Set a value to the text of a file
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// Set a value to text without any escapes
    #[arg(long, value_name = "KEY=TEXT")]
    set_literal: Vec<String>,
}

impl ValueFlags {
    /// Merges them in Helm's order over the layers `below`: files first, then the flags. Gives what came of it, and all
    /// layers.
    ///
    /// # Errors
    /// A file or an expression cannot be read.
    pub fn merge(
        &self,
        below: Vec<Layer>,
        engine: EngineKind,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(Node, Vec<Layer>), Diagnostic> {
        let numbers = match engine {
            EngineKind::Helm => Numbers::Float64,
            EngineKind::Tera => Numbers::Exact,
        };
        let mut layers = below;
        for file in &self.values {
            let source = read_values(file)?;
            let document = yaml::read(&source, &ReadOptions { numbers, ..ReadOptions::default() })?;
            if !matches!(document.node.value, yaml::Value::Map(_) | yaml::Value::Null) {
                let kind = document.node.value.kind_name();
                return Err(Diagnostic::error(format!("values are a mapping, and this file holds {kind}"))
                    .at(&source, document.node.span)
                    .help("write `name: value` lines"));
            }
            warnings.extend(document.warnings);
            layers.push(Layer { source, root: document.node });
        }
        let mut merged = values::merge_files(&layers);
        let flags: [(SetKind<'_>, &[String]); 5] = [
            (SetKind::Json, &self.set_json),
            (SetKind::Typed, &self.set),
            (SetKind::Text, &self.set_string),
            (SetKind::File(&read_set_file), &self.set_file),
            (SetKind::Literal, &self.set_literal),
        ];
        for (kind, expressions) in flags {
            for expression in expressions {
                set::parse_into(&mut merged, expression, kind)?;
                // By itself an expression may be refused where it only changes what others set.
                layers.extend(set::layer(expression, kind));
            }
        }
        Ok((merged, layers))
    }
}

/// The text of a file that --set-file names.
fn read_set_file(path: &str) -> Result<String, Diagnostic> {
    std::fs::read_to_string(path).map_err(|error| {
        Diagnostic::error(format!("cannot read the file that --set-file names: {}", reason(&error)))
            .at_file(path)
            .help("its path counts from the current folder")
    })
}

/// The text of a values file; `-` is standard input.
fn read_values(file: &str) -> Result<Arc<Source>, Diagnostic> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().read_to_end(&mut bytes),
        _ => std::fs::File::open(file).and_then(|mut opened| opened.read_to_end(&mut bytes)),
    };
    read.map_err(|error| {
        Diagnostic::error(format!("cannot read this values file: {}", reason(&error)))
            .at_file(file)
            .help("paths of -f count from the current folder; `-` is standard input")
    })?;
    yaml::decode(&bytes, file)
}
