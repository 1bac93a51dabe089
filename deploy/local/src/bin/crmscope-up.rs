//! `cargo up`: see [`crmscope_local::up`].

use std::process::ExitCode;

use clap::Parser as _;
use crmscope_local::{drill, up};

fn main() -> ExitCode {
    let arguments = up::Arguments::parse();
    if let Some(up::Command::Drill(arguments)) = &arguments.command {
        drill::namespace::enter(arguments);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    if let Some(up::Command::Drill(arguments)) = &arguments.command {
        return match runtime.block_on(drill::run(arguments)) {
            Ok(verdict) => ExitCode::from(verdict.exit_code()),
            Err(error) => {
                fail(&error);
                ExitCode::from(drill::Verdict::CouldNotRun.exit_code())
            }
        };
    }
    match runtime.block_on(up::run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

#[allow(clippy::print_stderr, reason = "the last word of a failed command")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("crmscope-up: {error:#}");
    ExitCode::FAILURE
}
