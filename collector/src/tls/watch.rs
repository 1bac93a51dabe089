//! Looks for certificate files that changed: whoever renews them need not tell the collector.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Acceptor;

/// From one look at the files to the next.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until it is aborted, and at once on SIGHUP.
pub(crate) async fn run(acceptors: Vec<Acceptor>, mut also: impl FnMut() + Send) {
    if acceptors.is_empty() {
        return std::future::pending().await;
    }
    let mut hangup = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::error!(%error, "SIGHUP will not be heard for certificates"))
        .ok();
    let mut told: Vec<Option<String>> = vec![None; acceptors.len()];
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = hung_up => {}
        }
        for (acceptor, told) in acceptors.iter().zip(&mut told) {
            look(acceptor, told);
        }
        also();
    }
}

/// Says what is wrong once, not at every look.
fn look(acceptor: &Acceptor, told: &mut Option<String>) {
    let listener = acceptor.listener();
    match acceptor.reload() {
        Ok(has_changed) => {
            let was_wrong = told.take().is_some();
            if has_changed || was_wrong {
                tracing::info!(listener, "certificates read again");
            }
        }
        Err(error) => {
            let text = error.to_string();
            if told.as_ref() != Some(&text) {
                tracing::error!(listener, error = text, "the old certificates stay");
                *told = Some(text);
            }
        }
    }
}
