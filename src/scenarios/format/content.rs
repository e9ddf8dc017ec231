//! Texts that careless code changes on the way, and how a change is told.

/// A text and the name of what is special about it.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) content: String,
    /// Also sent over the socket, where it starts a run: two are enough to see that both ways agree.
    pub(super) as_message: bool,
}

/// All texts, mildest first.
pub(super) fn samples() -> Vec<Sample> {
    let sample = |name, content: &str, as_message| Sample { name, content: content.to_owned(), as_message };
    vec![
        sample("ASCII", "The quick brown fox, 1 + 1 = 2; 100 % \\ /", false),
        sample(
            "emoji",
            "Family \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}, flag \u{1F1E9}\u{1F1EA}, heart \u{2764}\u{FE0F}",
            true,
        ),
        sample(
            "right to left",
            "\u{5E9}\u{5DC}\u{5D5}\u{5DD} \u{202E}abc\u{202C} \u{645}\u{631}\u{62D}\u{628}\u{627}",
            false,
        ),
        sample("decomposed (NFD)", "cafe\u{301} A\u{30A}ngstro\u{308}m n\u{303}", false),
        sample("four-byte characters", "\u{20BB7}\u{1D11E}\u{10FFFD}", false),
        sample("quotes and escapes", "\"double\" 'single' \\n \\u0041 \t tab, {\"json\": [1, null]}", true),
        sample("HTML", "<b>bold</b> &amp; <script>alert(1)</script> a < b && c > d", false),
        Sample { name: "32 KiB", content: "0123456789abcde\n".repeat(2048), as_message: false },
        sample("NUL", "before\0after", false),
    ]
}

/// Where what was seen leaves what was sent, with a little of both.
pub(super) fn difference(sent: &str, seen: Option<&str>) -> String {
    let Some(seen) = seen else { return "no `content`".to_owned() };
    let place = sent.chars().zip(seen.chars()).take_while(|(one, other)| one == other).count();
    let excerpt = |text: &str| text.chars().skip(place).take(12).collect::<String>();
    format!(
        "{} characters instead of {}, from character {place} on {:?} instead of {:?}",
        seen.chars().count(),
        sent.chars().count(),
        excerpt(seen),
        excerpt(sent)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_where_it_begins() {
        assert_eq!(
            difference("caf\u{65}\u{301}", Some("café")),
            "4 characters instead of 5, from character 3 on \"é\" instead of \"e\\u{301}\""
        );
        assert_eq!(difference("a", None), "no `content`");
    }
}
