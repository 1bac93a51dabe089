//! Makes the dashboards and alert rules of `deploy/grafana` from `deploy/grafana/source`.

#![allow(clippy::print_stdout, reason = "it tells a person what it wrote")]

use std::fs;
use std::process::ExitCode;

use crmscope_tests::grafana::{Sources, deploy_directory};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    let deploy = deploy_directory();
    for (name, text) in Sources::read(&deploy)?.files()? {
        let path = deploy.join("grafana").join(&name);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {name}");
    }
    Ok(())
}
