//! What tests of pollers share: a source and what it gave, and a service on loopback.

pub(super) mod harness;
pub(super) mod server;

use super::*;

#[test]
fn what_is_not_configured_is_not_there() {
    let rules = Arc::default();
    let mut salesforce = salesforce::Config::default();
    let mut hubspot = hubspot::Config::default();
    assert!(of_salesforce(&salesforce, &rules).is_none());
    assert!(of_hubspot(&hubspot, &rules).is_none());
    salesforce.orgs.push(salesforce::Org {
        instance_url: "https://acme.my.salesforce.com".to_owned(),
        ..salesforce::Org::template()
    });
    hubspot.accounts.push(hubspot::Account::template());
    let source = of_salesforce(&salesforce, &rules).map(|source| source.name());
    assert_eq!(source, Some("salesforce"));
    let source = of_hubspot(&hubspot, &rules).map(|source| source.name());
    assert_eq!(source, Some("hubspot"));
    (salesforce.enabled, hubspot.enabled) = (false, false);
    assert!(of_salesforce(&salesforce, &rules).is_none());
    assert!(of_hubspot(&hubspot, &rules).is_none());
}

/// A window that is as full as it may be, with the longest numbers.
pub(super) fn full_window(entries: usize) -> window::Window {
    let mut full = window::Window::at(i64::MIN + 1, i64::MAX);
    for entry in 0..entries {
        full.admit(-i64::MAX + i64::try_from(entry).unwrap(), u64::MAX);
    }
    full
}

#[test]
fn full_positions_fit_into_those_of_their_lane() {
    let name = "\"".repeat(64);
    for sharers in [1, 2, 16] {
        let position = sql::full_position(&name, sharers);
        let all = sharers * stored_bytes(&name, &position);
        assert!(
            all <= sql::SqlPoller::POSITIONS_MAX_BYTES,
            "{sharers}: {all}"
        );
    }
    for sharers in [1, 2, 4] {
        let position = salesforce::full_position(sharers);
        let all = sharers * stored_bytes(&name, &position);
        let most = salesforce::SalesforcePoller::POSITIONS_MAX_BYTES;
        assert!(all <= most, "{sharers}: {all}");
        let position = hubspot::full_position();
        let all = sharers * stored_bytes(&name, &position);
        assert!(all <= hubspot::HubSpotPoller::POSITIONS_MAX_BYTES, "{all}");
    }
}

#[test]
fn positions_of_what_is_gone_are_kept_as_far_as_there_is_room() {
    let database = sql::Database {
        name: "own".to_owned(),
        query: "SELECT at FROM t WHERE at >= {cursor} LIMIT {limit}".to_owned(),
        ..sql::Database::template()
    };
    let mut source = PolledSource::<sql::SqlPoller>::new("sql", vec![database], &Arc::default());
    let large = sql::full_position("at", 1);
    let mut positions = BTreeMap::from([
        ("own".to_owned(), large.clone()),
        ("renamed".to_owned(), "{}".to_owned()),
    ]);
    for number in 0..9 {
        positions.insert(format!("gone-{number}"), large.clone());
    }
    let version = CHECKPOINT_VERSION;
    let stored = serde_json::to_vec(&Checkpoint { version, positions }).unwrap();
    source.restore(&stored);
    let kept = source.checkpoint().unwrap();
    assert!(
        kept.len() <= sql::SqlPoller::POSITIONS_MAX_BYTES + 100,
        "{}",
        kept.len()
    );
    let kept: Checkpoint = serde_json::from_slice(&kept).unwrap();
    let names: Vec<&str> = kept.positions.keys().map(String::as_str).collect();
    assert_eq!(names, ["own", "renamed"]);
}
