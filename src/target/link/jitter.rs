//! Jitter: the delay varies from piece to piece, by a seed.

use std::time::Duration;

use rand::Rng;

/// By how much at most, to either side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jitter(pub(super) Duration);

impl Jitter {
    /// The next delay around `delay`.
    pub(super) fn of(self, delay: Duration, rng: &mut impl Rng) -> Duration {
        let least = delay.saturating_sub(self.0);
        if self.0.is_zero() { delay } else { rng.random_range(least..=delay + self.0) }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn one_seed_gives_one_row_of_delays_within_bounds() {
        let (delay, jitter) = (Duration::from_millis(100), Jitter(Duration::from_millis(50)));
        let row = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..50).map(|_| jitter.of(delay, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert!(row(7).iter().all(|it| (50..=150).contains(&it.as_millis())));
    }
}
