//! Ctrl-C and SIGTERM: the first ends the run and writes its reports, the second ends the process.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::model::ExitCode;

/// Stops listening when dropped.
pub(super) struct Guard(AbortHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels `token` at the first signal.
pub(super) fn cancel_on_signal(token: CancellationToken) -> Guard {
    let task = tokio::spawn(async move {
        next_signal().await;
        token.cancel();
        next_signal().await;
        std::process::exit(i32::from(ExitCode::Interrupted.code()));
    });
    Guard(task.abort_handle())
}

/// The next SIGINT or SIGTERM.
pub(super) async fn next_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals keep their default effect.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
