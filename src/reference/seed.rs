//! The data that every reference begins with, and prompts to try it with.
//!
//! Users are in [`super::Facts`], because profiles need them, too.

use super::{Facts, UserState};

/// Messages of the ten seeded threads: five of the active user, then five of the second one.
const MESSAGES: [usize; 10] = [0, 1, 2, 5, 7, 8, 10, 12, 15, 40];

/// A thread that is there from the beginning.
#[derive(Clone, Debug)]
pub(super) struct SeededThread {
    /// Its owner's id.
    pub(super) user_id: String,
    /// Its title.
    pub(super) title: String,
    /// Its messages, oldest first.
    pub(super) messages: Vec<SeededMessage>,
}

/// A message that is there from the beginning.
#[derive(Clone, Debug)]
pub(super) struct SeededMessage {
    /// `user` or `assistant`, in turn.
    pub(super) role: &'static str,
    /// Its text.
    pub(super) content: String,
}

/// Ten threads of two users with one hundred messages, the oldest thread first.
pub(super) fn threads(facts: &Facts) -> Vec<SeededThread> {
    let owner = |state| facts.users.iter().find(|user| user.state == state);
    MESSAGES
        .iter()
        .enumerate()
        .filter_map(|(index, &count)| {
            let state = if index < MESSAGES.len() / 2 { UserState::Active } else { UserState::SecondActive };
            let number = index + 1;
            let messages = (1..=count)
                .map(|message| {
                    let role = if message % 2 == 1 { "user" } else { "assistant" };
                    SeededMessage { role, content: format!("Message {message} of thread {number}: {}", topic(message)) }
                })
                .collect();
            Some(SeededThread { user_id: owner(state)?.id.clone(), title: format!("Thread {number}"), messages })
        })
        .collect()
}

fn topic(number: usize) -> &'static str {
    const TOPICS: [&str; 5] = [
        "where does the money for machines go?",
        "half of it to idle ones – “reserved, just in case”.",
        "und was kostet der Rest? 🧮",
        "less than <10 %> of the total, \"give or take\".",
        "تمام، شكرا",
    ];
    TOPICS[number % TOPICS.len()]
}

/// Twenty prompts for `lifecycle/every-prompt-conforms`: what a user writes, the reference's
/// directives in it (contract, section 8).
pub const PROMPTS: [&str; 20] = [
    "Say hello.",
    "What can you do for me?",
    "How much did we spend last month? [[tools:1]]",
    "Compare the three largest regions. [[tools:3]]",
    "Find all idle machines and rank them. [[tools:5]]",
    "Plan the migration with your colleagues. [[agents:2]]",
    "Let three of you look at it, one after the other. [[agents:3]]",
    "Let two of you look at it at once. [[parallel:2]]",
    "Let four of you look at it at once. [[parallel:4]]",
    "Research it with tools and colleagues. [[tools:2]] [[agents:2]]",
    "Write a short summary. [[stream:5@10ms]]",
    "Write a long summary. [[stream:40@10ms]]",
    "Write a slow summary. [[stream:8@100ms]]",
    "The model refuses. [[fail:llm_failure]]",
    "The model is silent. [[fail:timeout]]",
    "The network is gone. [[fail:network]]",
    "Nothing is left. [[fail:resource_exhausted]]",
    "This makes no sense. [[fail:invalid_input]]",
    "Grüße aus Köln – 東京 🗼, e\u{301}te\u{301}, שלום.",
    "Quote \"this\" & <b>that</b>, line\nby line.\t`code`",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Addresses, Conduct, Policy};
    use crate::wire::Contract;

    #[test]
    fn a_hundred_messages_in_ten_threads_of_two_users() {
        let contract = Contract::load("netra-v1").unwrap();
        let facts = Facts::new(&Conduct::new(7, contract, Policy::default()), Addresses::default());
        let threads = threads(&facts);
        let owners: std::collections::BTreeSet<_> = threads.iter().map(|thread| &thread.user_id).collect();
        assert_eq!((threads.len(), owners.len()), (10, 2));
        assert_eq!(threads.iter().map(|thread| thread.messages.len()).sum::<usize>(), 100);
    }
}
