//! Settings of any bytes: of a collector that was taken over, and as an operator writes them.

use crmscope_proto::overlay::{Overlay, file, version_of};

use super::merged;

/// Takes bytes as they travel, with a version that fits them, and as a file. What is an overlay must come
/// back from its own bytes, and make a configuration that is good, or none.
///
/// # Panics
/// When that does not hold.
pub fn take(data: &[u8]) {
    if let Ok(overlay) = Overlay::decode(version_of(data), data) {
        lay(&overlay);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match file::parse(text) {
        Ok(overlay) => lay(&overlay),
        Err(faults) => assert!(!faults.is_empty()),
    }
}

fn lay(overlay: &Overlay) {
    let Ok(bytes) = overlay.encode() else {
        return;
    };
    let again = Overlay::decode(version_of(&bytes), &bytes);
    assert_eq!(again.as_ref(), Ok(overlay));
    let own = crate::Config {
        agent_id: "fuzz".to_owned(),
        ..crate::Config::default()
    };
    if let Ok(config) = merged(&own, overlay) {
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.state_dir, own.state_dir);
        assert_eq!(config.collector.endpoint, own.collector.endpoint);
    }
}
