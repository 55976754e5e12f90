//! From a line of rendered text back to the template line that most likely made it.

use crate::error::{Diagnostic, Source, Span};

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

/// What an error of rendered YAML is most often: the line breaks or the indentation of a template's action are wrong.
/// The last note of `error` is the line of the template, if one was found; it moves to the line to mend.
pub fn explain(mut error: Diagnostic, template: &Source) -> Diagnostic {
    let place = error.notes.last_mut().and_then(|note| note.place.as_mut());
    let Some(place) = place.filter(|place| place.source.name == template.name) else { return error };
    let all: Vec<(usize, &str)> = lines(template).filter(|(_, text)| !text.trim().is_empty()).collect();
    let Some(own) = all.iter().rposition(|(start, _)| *start <= place.span.start as usize) else { return error };
    let line = |index: usize| all.get(index).map_or("", |(_, text)| text.trim());
    let is_long = |text: &str| {
        let calls = ["include ", "toYaml ", "tpl ", "to_yaml"];
        text.starts_with("{{") && calls.iter().any(|call| text.contains(call)) && !text.contains("indent")
    };
    let next = line(own + 1);
    let (mend, help) = if let Some(long) = [own, own.saturating_sub(1)].into_iter().find(|index| is_long(line(*index)))
    {
        let call = line(long).trim_start_matches("{{").trim_start_matches('-');
        let call = call.trim_end_matches("}}").trim_end_matches('-').trim();
        let columns = all[long].1.len() - all[long].1.trim_start().len();
        let width = if call.contains("to_yaml") { format!("(width={columns})") } else { format!(" {columns}") };
        (long, format!("of several lines only the first is indented: write `{{{{- {call} | nindent{width} }}}}`"))
    } else if next.starts_with("{{-") && next.contains("| indent ") {
        (own + 1, "`{{-` takes away the line break before it: write `nindent` for `indent`".to_owned())
    } else if line(own).ends_with("-}}") {
        (own, "`-}}` takes away the line break behind it: write `}}`".to_owned())
    } else if next.starts_with("{{-") && !next.contains("nindent") && is_output(next) {
        (own + 1, "`{{-` takes away the line break before it: write `{{`".to_owned())
    } else {
        return error;
    };
    let (start, text) = all[mend];
    let indent = text.len() - text.trim_start().len();
    place.span = Span::new(start + indent, start + text.trim_end().len());
    error.help(help)
}

/// Whether a line's action prints something, rather than being an `if`, `end` or the like.
fn is_output(line: &str) -> bool {
    let word = line.trim_start_matches("{{-").split_whitespace().next().unwrap_or_default();
    !["if", "else", "end", "range", "with", "define", "block", "/*", "$"].iter().any(|known| word.starts_with(known))
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
