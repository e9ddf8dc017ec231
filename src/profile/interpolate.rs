//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}` in a parsed scalar.
//!
//! What a variable holds is inserted and not looked at again. `$${` stands for `${`; any other `$`
//! is itself.

/// What went wrong with one `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The variable is not set, or empty.
    Missing {
        /// Its name.
        variable: String,
        /// What `:?` says about it.
        message: Option<String>,
        /// It is set, to nothing.
        empty: bool,
    },
    /// Not one of the three forms; the words say why, without what may be a secret.
    Malformed(String),
}

/// Replaces each variable of `text`; `Ok(None)` when there is none. Every fault is returned.
///
/// A variable that is empty counts as missing: a CI system hands an unknown secret over as an empty
/// string, and a gate must not go on with an empty key.
pub(super) fn interpolate(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, Vec<Fault>> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut result = String::with_capacity(text.len());
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, opened) = rest.split_at(start);
        if let Some(escaped) = before.strip_suffix('$') {
            result.push_str(escaped);
            result.push_str("${");
            rest = &opened[2..];
            continue;
        }
        result.push_str(before);
        let Some((expression, after)) = opened[2..].split_once('}') else {
            faults.push(Fault::Malformed("`${` without `}`".into()));
            return Err(faults);
        };
        match evaluate(expression, lookup) {
            Ok(value) => result.push_str(&value),
            Err(fault) => faults.push(fault),
        }
        rest = after;
    }
    result.push_str(rest);
    if faults.is_empty() { Ok(Some(result)) } else { Err(faults) }
}

fn evaluate(expression: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let end = expression.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(expression.len());
    let (name, form) = expression.split_at(end);
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Fault::Malformed("a `${…}` names no variable".into()));
    }
    if form.contains("${") {
        return Err(Fault::Malformed(format!("`${{{name}…}}` holds another variable, which is not possible")));
    }
    let value = lookup(name);
    let empty = value.is_some();
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        return Ok(value);
    }
    let missing = |message| Fault::Missing { variable: name.to_owned(), message, empty };
    if form.is_empty() {
        Err(missing(None))
    } else if let Some(default) = form.strip_prefix(":-") {
        Ok(default.to_owned())
    } else if let Some(message) = form.strip_prefix(":?") {
        Err(missing(Some(message.trim().to_owned()).filter(|message| !message.is_empty())))
    } else {
        Err(Fault::Malformed(format!("`${{{name}…}}` has an unknown form")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(name: &'static str, value: &str) -> impl Fn(&str) -> Option<String> {
        let value = value.to_owned();
        move |asked| (asked == name).then(|| value.clone())
    }

    #[test]
    fn each_form_has_its_answer() {
        let env = only("A", "x");
        assert_eq!(interpolate("1${A}2${B:-}3${B:-y}", &env), Ok(Some("1x23y".into())));
        assert_eq!(interpolate("$A $$ } {", &env), Ok(None));
        let faults = interpolate("${B}${C:?why}${1}${A", &env).unwrap_err();
        assert_eq!(faults.len(), 4);
        assert_eq!(faults[1], Fault::Missing { variable: "C".into(), message: Some("why".into()), empty: false });
    }

    #[test]
    fn an_empty_variable_is_missing() {
        let faults = interpolate("${A}", &only("A", "")).unwrap_err();
        assert_eq!(faults, [Fault::Missing { variable: "A".into(), message: None, empty: true }]);
    }

    proptest! {
        #[test]
        fn text_without_variables_is_left_alone(text in "[^$]*") {
            prop_assert_eq!(interpolate(&text, &|_| Some("!".into())), Ok(None));
        }

        #[test]
        fn an_escaped_text_is_itself(text in "[^$]*(\\$\\{[^$]*){1,3}") {
            let escaped = text.replace("${", "$${");
            prop_assert_eq!(interpolate(&escaped, &|_| Some("!".into())), Ok(Some(text)));
        }

        #[test]
        fn what_is_inserted_is_not_looked_at_again(before in "[^$]*", value in ".+", after in "[^$]*") {
            let text = format!("{before}${{V}}{after}");
            let expected = format!("{before}{value}{after}");
            prop_assert_eq!(interpolate(&text, &only("V", &value)), Ok(Some(expected)));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[${}:?a-zA-Z_é-]*") {
            let _ = interpolate(&text, &|_| None);
        }
    }
}
