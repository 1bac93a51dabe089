//! What may be set, against the agent's own configuration and its checks.

use crmscope_proto::overlay::allowed::{ALLOWED, Allowed, Kind};
use crmscope_proto::overlay::file;
use serde_json::{Value, json};

use crate::Config;
use crate::settings::merged;

/// In which every number may go to its ends without another one being in the way.
fn own() -> Config {
    let mut own = Config {
        agent_id: "crm-web-01".to_owned(),
        ..Config::default()
    };
    own.sources.host.interval_ms = 100;
    own.sources.host.rare_interval_ms = 86_400_000;
    own
}

fn place<'a>(tree: &'a mut Value, allowed: &Allowed) -> &'a mut Value {
    let path = format!("/{}", allowed.key.replace('.', "/"));
    tree.pointer_mut(&path)
        .unwrap_or_else(|| panic!("{} is no key of the agent", allowed.key))
}

/// Whether the agent's own file could have the value.
fn takes(allowed: &Allowed, value: Value) -> Result<(), String> {
    let mut tree = serde_json::to_value(own()).unwrap();
    *place(&mut tree, allowed) = value;
    let config: Config = serde_json::from_value(tree).map_err(|error| error.to_string())?;
    config.validate()
}

#[test]
fn every_key_is_one_of_the_agent_with_the_same_range() {
    for allowed in ALLOWED {
        let mut tree = serde_json::to_value(own()).unwrap();
        let value = place(&mut tree, allowed);
        match allowed.kind {
            Kind::Switch => assert!(value.is_boolean(), "{}", allowed.key),
            Kind::Texts | Kind::Processes => assert!(value.is_array(), "{}", allowed.key),
            Kind::Number { min, max } => {
                for good in [min, max] {
                    assert_eq!(takes(allowed, json!(good)), Ok(()), "{}", allowed.key);
                }
                let below = min.checked_sub(1);
                for bad in below.into_iter().chain([max + 1]) {
                    let taken = takes(allowed, json!(bad));
                    assert!(taken.is_err(), "{} takes {bad}", allowed.key);
                }
            }
        }
    }
}

#[test]
fn an_agent_keeps_its_own_where_nothing_is_said() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("agent.example.toml");
    let own = Config::load(Some(&path)).unwrap();
    let tree = |config: &Config| serde_json::to_value(config).unwrap();
    let same = merged(&own, &file::parse("").unwrap()).unwrap();
    assert_eq!(tree(&same), tree(&own), "nothing is lost on the way");

    let overlay = file::parse(
        "[intervals]\nbatch_ms = 20000\n[sources.probes]\nenabled = false\n[sources.requests]\nroutes = [\"/a/{b}\"]\n",
    );
    let other = merged(&own, &overlay.unwrap()).unwrap();
    assert_eq!(other.intervals.batch_ms, 20_000);
    assert!(!other.sources.probes.enabled);
    assert_eq!(other.sources.requests.routes, ["/a/{b}"]);
    let [mut before, mut after] = [tree(&own), tree(&other)];
    for tree in [&mut before, &mut after] {
        for path in [
            "/intervals/batch_ms",
            "/sources/probes/enabled",
            "/sources/requests/routes",
        ] {
            *tree.pointer_mut(path).unwrap() = Value::Null;
        }
    }
    assert_eq!(before, after);
}

#[test]
fn what_makes_no_sense_together_is_refused_by_its_key() {
    let mut own = own();
    own.sources.host.rare_interval_ms = 10_000;
    for (text, reason) in [
        (
            "[sources.host]\ninterval_ms = 60000\n",
            "sources.host.rare_interval_ms is 10000; use interval_ms (60000)",
        ),
        (
            "[sources.units]\nwatch = [\"--root=/\"]\n",
            "sources.units.watch has \"--root=/\"",
        ),
        (
            "[sources.requests]\nroutes = [\"no slash\"]\n",
            "sources.requests.routes",
        ),
        (
            "[sources.filesystem]\nmount_points_excluded = [\"/\"]\n",
            "sources.filesystem.mount_points_excluded has",
        ),
        (
            "[[sources.processes.watch]]\nname = \"x\"\nexecutable = \"bash\"\n",
            "sources.processes.watch \"x\": executable",
        ),
    ] {
        let overlay = file::parse(text).unwrap();
        let error = merged(&own, &overlay).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let many: Vec<String> = (0..200)
        .map(|number| format!("\"{number}.service\""))
        .collect();
    let text = format!("[sources.units]\nwatch = [{}]\n", many.join(", "));
    let error = merged(&own, &file::parse(&text).unwrap()).unwrap_err();
    assert!(error.starts_with("sources.units.watch has 200"), "{error}");
}
