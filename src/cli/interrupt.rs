//! Ctrl-C and SIGTERM: the first ends the run and writes its reports, the second ends the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::model::ExitCode;

/// Cancels `token` at the first signal, until what is returned is dropped. Signals that come after
/// this call are heard.
pub(super) fn cancel_on_signal(token: CancellationToken) -> io::Result<AbortOnDropHandle<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(i32::from(ExitCode::Interrupted.code()));
    })))
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
