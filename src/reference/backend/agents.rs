//! The mock model: plays the plan of a prompt, event by event.

use std::sync::Arc;

use super::Backend;
use super::prompt::Step;
use super::runs::Then;

/// Plays a run in a task of its own.
pub(super) fn play(backend: &Arc<Backend>, user: String, run: String, steps: Vec<Step>) {
    let of_run = backend.clone();
    backend.site.spawn(async move { perform(&of_run, &user, &run, &steps).await });
}

async fn perform(backend: &Backend, user: &str, run: &str, steps: &[Step]) {
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
