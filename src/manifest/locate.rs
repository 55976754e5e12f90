//! From a line of rendered text back to the template line that most likely made it.

use crate::error::{Source, Span};

/// The line of `template` that gave the line at `offset` of `rendered`, if the text leaves no doubt.
///
/// A template line can have made a rendered line when the text before its first `{{` begins that line. Where several
/// can, as many of them as there are such rendered lines, the nth made the nth.
pub fn locate(template: &Source, rendered: &Source, offset: u32) -> Option<Span> {
    let (line, line_start) = rendered.line_at(offset);
    let wanted = line.trim();
    if wanted.is_empty() {
        return None;
    }
    // The longest literal beginning that fits wins: a bare `{{ … }}` line fits everything and says nothing.
    let literal = lines(template)
        .map(|(_, text)| literal_of(text))
        .filter(|literal| !literal.is_empty() && wanted.starts_with(literal))
        .max_by_key(|literal| literal.len())?;
    let candidates: Vec<Span> = lines(template)
        .filter(|(_, text)| literal_of(text) == literal)
        .map(|(start, text)| {
            let indent = text.len() - text.trim_start().len();
            Span::new(start + indent, start + text.trim_end().len())
        })
        .collect();
    let made: Vec<usize> =
        lines(rendered).filter(|(_, text)| text.trim().starts_with(literal)).map(|(start, _)| start).collect();
    match candidates[..] {
        [only] => Some(only),
        _ if candidates.len() == made.len() => {
            made.iter().position(|start| *start == line_start).map(|nth| candidates[nth])
        }
        _ => None,
    }
}

fn lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end_matches(['\n', '\r'])))
    })
}

/// What a template line surely begins its output with.
fn literal_of(line: &str) -> &str {
    line.split("{{").next().unwrap_or("").split("{%").next().unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_line_leads_back_to_its_template_line() {
        let template =
            Source::new("t", "{{ if .a }}\ndata:\n  SIZE: {{ .x }}\n  NAME: b\n  SIZE: {{ .y }}\n{{ end }}\n");
        let rendered = Source::new("r", "data:\n  SIZE: 1\n  NAME: b\n  SIZE: 2\n");
        let line = |needle: &str, nth: usize| {
            let at = rendered.text.match_indices(needle).nth(nth).unwrap().0;
            locate(&template, &rendered, u32::try_from(at).unwrap()).map(|span| template.line_column(span.start).0)
        };
        assert_eq!(line("data", 0), Some(2));
        assert_eq!(line("SIZE", 0), Some(3));
        assert_eq!(line("SIZE", 1), Some(5));
        assert_eq!(line("NAME", 0), Some(4));
    }

    #[test]
    fn a_doubtful_line_leads_nowhere() {
        let template = Source::new("t", "{{ toYaml .x }}\n");
        let rendered = Source::new("r", "a: 1\n");
        assert!(locate(&template, &rendered, 0).is_none());
    }
}
