//! Where a key stands in the text of a contract file, for what is wrong with it.

/// Line and column (from 1) of the deepest key of `path` that is found; files are written in block style where it
/// matters, and of what stands in one line the line's key is told.
pub(super) fn locate(text: &str, path: &[&str]) -> Option<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut found, mut from, mut until) = (None, 0, lines.len());
    let mut least = 0;
    for key in path {
        let is_it = |line: &str| {
            let rest = line.trim_start().trim_start_matches(['"', '\'']);
            rest.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
        };
        let Some(place) = (from..until).find(|&place| indent(lines[place]) >= least && is_it(lines[place])) else {
            break;
        };
        let own = indent(lines[place]);
        found = Some((place + 1, own + 1));
        let ends = |&next: &usize| !lines[next].trim().is_empty() && indent(lines[next]) <= own;
        (from, until, least) = (place + 1, (place + 1..until).find(ends).unwrap_or(until), own + 1);
    }
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_key_that_is_there_is_told() {
        let text = "contract: x\nenvelope:\n  type: /type\n\n  payload: { a: 1 }\nhttp:\n  type: { path: / }\n";
        assert_eq!(locate(text, &["envelope", "type"]), Some((3, 3)));
        assert_eq!(locate(text, &["http", "type", "path"]), Some((7, 3)));
        assert_eq!(locate(text, &["envelope", "no"]), Some((2, 1)));
        assert_eq!(locate(text, &["no"]), None);
    }
}
