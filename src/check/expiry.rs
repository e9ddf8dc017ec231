//! When a token ends, by our clock; and what had to be done before.

use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Blame, Inconclusive, Judgement, NotVerified, Stop};
use crate::target::Token;

/// What must be over before a token ends is over this much earlier, or it proves nothing.
const MARGIN: Duration = Duration::from_millis(500);

impl Context {
    /// `exp` of a token, seconds since 1970.
    ///
    /// # Errors
    /// Not verified where access tokens do not tell it.
    pub fn exp(&self, token: &Token) -> Result<f64, Stop> {
        let untold = || NotVerified::NotInContract("access tokens that tell their `exp`".into());
        token.time_claim("exp").ok_or_else(|| untold().into())
    }

    /// When the token ends, by our clock.
    ///
    /// # Errors
    /// As [`Self::exp`]; inconclusive when the target's clock is not to be had.
    pub async fn end_of(&self, token: &Token) -> Result<Instant, Stop> {
        let left = self.exp(token)? - self.target().clock(self.recorder()).await?;
        Ok(Instant::now() + Duration::from_secs_f64(left.max(0.0)))
    }

    /// When a socket that lives by `token` alone must be gone, by our clock: `exp + leeway + recheck + 1 s`.
    ///
    /// # Errors
    /// As [`Self::exp`]; inconclusive when the target's clock is not to be had.
    pub async fn gone_by(&self, token: &Token) -> Result<Instant, Stop> {
        Ok(self.end_of(token).await? + self.waits().recheck())
    }

    /// What was done just now had to come before the token's end.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when it did not; see [`in_time`].
    pub async fn still_before(&self, token: &Token) -> Result<(), Stop> {
        let end = self.end_of(token).await?;
        self.still_before_end(end)
    }

    /// The same for an end that is known by our clock.
    ///
    /// # Errors
    /// As [`Self::still_before`].
    pub fn still_before_end(&self, end: Instant) -> Result<(), Stop> {
        if Instant::now() + MARGIN < end {
            return Ok(());
        }
        // Where we were late ourselves the engine gives it another attempt.
        self.punctual(self.began, MARGIN)?;
        let what = format!("the short token was about to expire before this was done: {}", self.doing());
        Err(Inconclusive::new(Blame::Harness, what).with(self.evidence()).into())
    }
}

/// `attempt`, once more from the start when we were too slow for a token's life.
///
/// # Errors
/// Those of the attempt.
pub async fn in_time<F: Future<Output = Judgement>>(attempt: impl Fn() -> F) -> Judgement {
    match attempt().await {
        Err(Stop::Inconclusive(why)) if why.blame == Blame::Harness => attempt().await,
        judgement => judgement,
    }
}
