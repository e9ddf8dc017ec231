//! Half-open: one side is gone, or the way to it, and the other one is not told.

use tokio::net::TcpStream;

/// Keeps both sides as they are and reads nothing, until the link ends.
pub(super) async fn hold(sides: [TcpStream; 2]) {
    std::future::pending::<()>().await;
    drop(sides);
}
