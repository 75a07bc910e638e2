//! `perjury serve`: the reports, on a loopback address.

use super::Exit;
use super::arguments::Serve;

pub(super) fn run(options: &Serve) -> Exit {
    if !options.listen.ip().is_loopback() {
        eprintln!(
            "perjury: {} is no loopback address: reports are served to this machine only; use a \
             tunnel or a proxy of your own to show them to others",
            options.listen
        );
        return Exit::Usage;
    }
    let serving = async {
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        eprintln!("perjury: http://{}/", listener.local_addr()?);
        crate::serve::serve(listener, options.results.clone()).await
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serving)) {
        Ok(()) => Exit::Valid,
        Err(error) => {
            eprintln!("perjury: {}: {error}", options.listen);
            Exit::Infrastructure
        }
    }
}
