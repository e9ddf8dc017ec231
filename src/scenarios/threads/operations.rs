//! Seeded scripts of what a user does to threads, over REST and over the socket.

use std::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::owner::Way;

/// Most threads that live at a time.
const LIVING: usize = 4;

/// What is done to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    Write,
    Rename,
    Delete,
}

/// One step of a script; threads are numbered in the order of their creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) act: Act,
    pub(super) thread: usize,
    pub(super) way: Way,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, number) = (self.way.words(), self.thread + 1);
        match self.act {
            Act::Create => write!(f, "{way}: thread {number} is created"),
            Act::Write => write!(f, "{way}: a message to thread {number}"),
            Act::Rename => write!(f, "{way}: a new title for thread {number}"),
            Act::Delete => write!(f, "{way}: thread {number} is deleted"),
        }
    }
}

/// `count` operations, the same for the same seed; each is possible when its turn comes.
pub(super) fn script(seed: u64, count: usize) -> Vec<Operation> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut living, mut created) = (Vec::new(), 0);
    let mut script = Vec::with_capacity(count);
    for _ in 0..count {
        let way = if rng.random_bool(0.5) { Way::Socket } else { Way::Rest };
        let act = match rng.random_range(0..20) {
            0..6 if living.len() < LIVING => Act::Create,
            0..12 => Act::Write,
            12..17 => Act::Rename,
            _ if living.len() > 1 => Act::Delete,
            _ => Act::Write,
        };
        let act = if living.is_empty() { Act::Create } else { act };
        let thread = match act {
            Act::Create => {
                living.push(created);
                created += 1;
                created - 1
            }
            Act::Delete => living.swap_remove(rng.random_range(0..living.len())),
            Act::Write | Act::Rename => living[rng.random_range(0..living.len())],
        };
        script.push(Operation { act, thread, way });
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_script_and_each_step_of_it_is_possible() {
        assert_eq!(script(7, 50), script(7, 50));
        assert_ne!(script(7, 50), script(8, 50));
        for seed in 0..50 {
            let mut living = std::collections::BTreeSet::new();
            for operation in script(seed, 50) {
                let fits = match operation.act {
                    Act::Create => living.insert(operation.thread),
                    Act::Delete => living.remove(&operation.thread),
                    Act::Write | Act::Rename => living.contains(&operation.thread),
                };
                assert!(fits && living.len() <= LIVING, "{seed}: {operation}");
            }
        }
    }
}
