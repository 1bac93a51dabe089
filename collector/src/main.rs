//! `crmscope-collector`: starts the runtime; commands are in the library's `cli`, the path of a batch
//! begins in its `run`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use crmscope_collector::cli::{self, Arguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .context("the runtime cannot be started")
        .and_then(|runtime| {
            let outcome = runtime.block_on(cli::start(&arguments));
            // A question to brokers that do not answer is not waited for.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "crmscope-collector: {error:#}");
            ExitCode::from(2)
        }
    }
}
