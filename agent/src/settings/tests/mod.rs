//! The list of what may be set, settings on trial, and files of every kind of damage.

mod desk;
mod kept;
mod list;
mod trial;

use crmscope_proto::overlay::{file, version_of};
use crmscope_proto::v1::Settings;

use super::kept::Entry;

/// Settings as a collector sends them.
fn settings(text: &str) -> Settings {
    let overlay = file::parse(text).unwrap().encode().unwrap();
    Settings {
        version: version_of(&overlay),
        overlay,
    }
}

fn entry(text: &str) -> Entry {
    let settings = settings(text);
    Entry {
        version: settings.version,
        overlay: String::from_utf8(settings.overlay).unwrap(),
    }
}
