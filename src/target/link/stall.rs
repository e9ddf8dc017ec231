//! Stall: nothing passes for a while, and then all of it.

use std::time::Duration;

/// Again and again, by the clock of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stalls {
    pub(super) every: Duration,
    pub(super) lasting: Duration,
}

impl Stalls {
    /// When something passes that is due `since` the beginning.
    pub(super) fn past(self, since: Duration) -> Duration {
        if self.every.is_zero() {
            return since;
        }
        let spans = since.div_duration_f64(self.every).floor();
        let begins = self.every.mul_f64(spans);
        let passes = self.every.saturating_sub(self.lasting);
        if since.saturating_sub(begins) < passes { since } else { begins + self.every }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_in_a_stall_passes_at_its_end() {
        let stalls = Stalls { every: Duration::from_millis(1_000), lasting: Duration::from_millis(200) };
        let past = |millis| stalls.past(Duration::from_millis(millis)).as_millis();
        assert_eq!([past(0), past(799), past(800), past(999), past(1_000)], [0, 799, 1_000, 1_000, 1_000]);
        assert_eq!([past(5_500), past(5_900)], [5_500, 6_000]);
    }
}
