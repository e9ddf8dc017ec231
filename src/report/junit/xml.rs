//! Strings that any XML 1.0 reader takes, for a writer that does not look at them.

/// Whether XML 1.0 (section 2.2) has the character.
const fn legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// For an attribute: one line, since readers turn line ends and tabs into blanks anyway. The
/// writer escapes the rest.
pub(super) fn attribute(text: &str) -> String {
    text.chars().filter(|c| legal(*c)).map(|c| if c.is_ascii_whitespace() { ' ' } else { c }).collect()
}

/// The characters that remain of `text` in an element: legal ones, with the line ends a reader makes of them.
pub(super) fn legal_text(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter(|c| legal(*c)).map(|c| if c == '\r' { '\n' } else { c }).collect()
}

/// For the inside of a CDATA section, which cannot hold its own end: it is split there.
pub(super) fn cdata(text: &str) -> String {
    legal_text(text).replace("]]>", "]]]]><![CDATA[>")
}

/// Rewrites every `time` attribute with three decimals: the crate prints a sum of binary fractions
/// as it is (`1.1179999999999999`), which `junit-10.xsd` refuses.
///
/// Attribute values have their quotes escaped, so outside CDATA nothing else looks like one.
pub(super) fn trim_times(xml: &str) -> String {
    let mut tidied = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some((markup, section)) = rest.split_once("<![CDATA[") {
        let (words, after) = section.split_once("]]>").unwrap_or((section, ""));
        push_markup(&mut tidied, markup);
        tidied.push_str("<![CDATA[");
        tidied.push_str(words);
        tidied.push_str("]]>");
        rest = after;
    }
    push_markup(&mut tidied, rest);
    tidied
}

/// Appends markup without CDATA sections, its times trimmed.
fn push_markup(tidied: &mut String, markup: &str) {
    const NAME: &str = " time=\"";
    let mut pieces = markup.split(NAME);
    tidied.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        tidied.push_str(NAME);
        match piece.split_once('"').map(|(value, after)| (value.parse::<f64>(), after)) {
            Some((Ok(seconds), after)) => tidied.push_str(&format!("{seconds:.3}\"{after}")),
            _ => tidied.push_str(piece),
        }
    }
}
