//! The tags `{% generation %}` and `{% endgeneration %}`.
//!
//! Templates mark with them what the model wrote, for training. They render what is between them, in a scope of its
//! own, which is what an empty `{% with %}` does.

/// The template with those tags as `{% with %}` and `{% endwith %}`.
pub(super) fn as_scopes(source: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(at) = rest.find("{%").or_else(|| rest.find("{#")) {
        let at = rest.find("{#").map_or(at, |comment| comment.min(at));
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with("{#") { "#}" } else { "%}" };
        let length = rest.find(end).map_or(rest.len(), |end| end + 2);
        text.push_str(&as_scope(&rest[..length]));
        rest = &rest[length..];
    }
    text + rest
}

/// The tag, or what stands for it.
fn as_scope(tag: &str) -> String {
    let inside = tag.strip_prefix("{%").and_then(|tag| tag.strip_suffix("%}"));
    match inside.unwrap_or_default().trim_matches(['-', '+']).trim() {
        "generation" => tag.replacen("generation", "with", 1),
        "endgeneration" => tag.replacen("endgeneration", "endwith", 1),
        _ => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tags_change() {
        for (source, text) in [
            ("{% generation %}a{% endgeneration %}", "{% with %}a{% endwith %}"),
            ("{%- generation -%} a {%+ endgeneration +%}", "{%- with -%} a {%+ endwith +%}"),
            ("{%generation%}{%endgeneration%}", "{%with%}{%endwith%}"),
            ("{{ generation }} generation", "{{ generation }} generation"),
            ("{% if generation %}{% endif %}", "{% if generation %}{% endif %}"),
            ("{# {% generation %} #}{% generation %}", "{# {% generation %} #}{% with %}"),
            ("{% generation", "{% generation"),
            ("é{% set x = '{%' %}é", "é{% set x = '{%' %}é"),
        ] {
            assert_eq!(as_scopes(source), text);
        }
    }
}
