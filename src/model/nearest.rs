//! What somebody may have meant.

/// The known word that is nearest to `word`, when it is near enough to have been meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, candidate);
    let begins = |candidate: &str| word.len() >= 3 && candidate.starts_with(&word);
    known
        .into_iter()
        .map(|candidate| (if begins(candidate) { 0 } else { distance(&candidate) }, candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
