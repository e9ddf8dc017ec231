//! The mock model: plays the plan of a prompt, event by event.

use std::sync::Arc;
use std::time::Duration;

use super::Backend;
use super::prompt::Step;
use super::runs::Then;

/// How often a run that waits for others looks again.
const TURN: Duration = Duration::from_millis(5);

/// Plays a run in a task of its own.
pub(super) fn play(backend: &Arc<Backend>, user: String, run: String, steps: Vec<Step>) {
    let of_run = backend.clone();
    backend.site.spawn(async move { perform(&of_run, &user, &run, &steps).await });
}

async fn perform(backend: &Backend, user: &str, run: &str, steps: &[Step]) {
    while backend.hub().waits_for_others(user, run) {
        tokio::time::sleep(TURN).await;
    }
    let mut index = 0;
    while let Some(step) = steps.get(index) {
        if step.after.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(step.after).await;
        }
        let then = backend.hub().act(user, run, step);
        match then {
            Then::GoOn => index += 1,
            Then::Again => index = 0,
            Then::Over => return,
        }
    }
    backend.hub().complete_run(user, run);
}
