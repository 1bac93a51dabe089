//! Which sensors there are: /sys/class/hwmon, and thermal zones where that has no temperature.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crmscope_proto::limits::STRING_MAX_BYTES;

/// Most folders and files looked at.
const ENTRIES_MAX: usize = 4096;

/// Millikelvin at 0 °C.
const FREEZING_MK: i64 = 273_150;

/// One sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sensor {
    /// The file that holds the temperature; reading it asks the device.
    pub(super) path: Arc<Path>,
    /// The driver.
    pub(super) chip: String,
    /// The device it sits in, such as `0000:01:00.0` or `nvme0`.
    pub(super) device: String,
    /// What the driver calls the sensor.
    pub(super) sensor: String,
    /// Limits, which do not change.
    pub(super) maximum_mk: Option<u64>,
    pub(super) critical_mk: Option<u64>,
}

/// All sensors, in the order of their labels.
pub(super) fn sensors(sys_path: &Path) -> Vec<Sensor> {
    let mut found = Vec::new();
    for chip in folders(&sys_path.join("class/hwmon")) {
        hwmon(&chip, &mut found);
    }
    if found.is_empty() {
        let zones = folders(&sys_path.join("class/thermal"));
        found.extend(zones.iter().filter_map(|zone| thermal_zone(zone)));
    }
    found.sort_by(|a, b| {
        (&a.chip, &a.device, &a.sensor, &a.path).cmp(&(&b.chip, &b.device, &b.sensor, &b.path))
    });
    // Two of the same labels would be one series.
    found.dedup_by(|a, b| (&a.chip, &a.device, &a.sensor) == (&b.chip, &b.device, &b.sensor));
    found
}

fn hwmon(folder: &Path, found: &mut Vec<Sensor>) {
    let chip = text(&folder.join("name")).unwrap_or_else(|| name_of(folder));
    let device = std::fs::canonicalize(folder.join("device"))
        .map_or_else(|_| name_of(folder), |device| name_of(&device));
    for path in folders(folder) {
        let name = name_of(&path);
        let Some(number) = name
            .strip_prefix("temp")
            .and_then(|rest| rest.strip_suffix("_input"))
            .filter(|number| number.parse::<u32>().is_ok())
        else {
            continue;
        };
        let beside = |what: &str| folder.join(format!("temp{number}_{what}"));
        let limit = |what: &str| text(&beside(what)).and_then(|text| millikelvin(text.as_bytes()));
        found.push(Sensor {
            chip: chip.clone(),
            device: device.clone(),
            sensor: text(&beside("label")).unwrap_or_else(|| format!("temp{number}")),
            maximum_mk: limit("max"),
            critical_mk: limit("crit"),
            path: path.into(),
        });
    }
}

fn thermal_zone(folder: &Path) -> Option<Sensor> {
    let name = name_of(folder);
    name.strip_prefix("thermal_zone")?.parse::<u32>().ok()?;
    Some(Sensor {
        path: folder.join("temp").into(),
        chip: "thermal".to_owned(),
        sensor: text(&folder.join("type")).unwrap_or_else(|| name.clone()),
        device: name,
        maximum_mk: None,
        critical_mk: None,
    })
}

/// What is in a folder, in a fixed order.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut paths: Vec<_> = entries
        .take(ENTRIES_MAX)
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    label(&name.to_string_lossy())
}

/// A short file without its line feed; nothing if it is empty or no file.
fn text(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let text = label(String::from_utf8_lossy(&text).trim());
    (!text.is_empty()).then_some(text)
}

/// Text for a label: within the contract's bound, cut at a character.
fn label(text: &str) -> String {
    text[..text.floor_char_boundary(STRING_MAX_BYTES)].to_owned()
}

/// Millidegrees Celsius as the kernel prints them. `None` below absolute zero, and beyond what
/// anything can be: drivers print such numbers for sensors that are not there.
pub(super) fn millikelvin(text: &[u8]) -> Option<u64> {
    let millidegrees: i64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    let millikelvin = millidegrees.checked_add(FREEZING_MK)?;
    u64::try_from(millikelvin)
        .ok()
        .filter(|&millikelvin| millikelvin < 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_have_no_sign() {
        for (text, want) in [
            (&b"45000\n"[..], Some(318_150)),
            (b"0\n", Some(273_150)),
            (b"-20000\n", Some(253_150)),
            (b"-273150\n", Some(0)),
            (b"-273151\n", None),
            (b"9000000\n", None),
            (b"9223372036854775807\n", None),
            (b"", None),
            (b"hot\n", None),
            (b"\xff", None),
        ] {
            assert_eq!(millikelvin(text), want, "{}", text.escape_ascii());
        }
    }
}
