//! Reset: TCP ends by RST, without a Close frame and without an end of stream.

use tokio::net::TcpStream;

/// Resets both sides; what is on its way to them is lost.
pub(super) fn reset(sides: [TcpStream; 2]) {
    for side in &sides {
        // Where it fails, the connection has ended already.
        let _ = side.set_zero_linger();
    }
}
