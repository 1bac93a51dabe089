//! Polling a service on loopback that answers as Salesforce documents it, and otherwise.

mod faults;
mod lost;
mod names;
mod org;
mod told;

use super::super::start::Start;
use super::super::tests::harness::Harness;
use super::super::tests::server::{Reply, Server};
use super::*;
use org::{CSV, SECRET, Served, Service, line, logins};

type Salesforce = Harness<SalesforcePoller>;

/// The config of most tests: polls come soon after one another.
fn config(service: &Service) -> Org {
    config_at(&service.server.url(), service)
}

fn config_at(url: &str, service: &Service) -> Org {
    let org = Org {
        name: "acme".to_owned(),
        instance_url: url.to_owned(),
        client_id_file: Some(service.secret("id")),
        client_id_variable: None,
        client_secret_file: Some(service.secret("secret")),
        client_secret_variable: None,
        server_ca_file: None,
        from: Start::Ago(86_400_000),
        event_types: vec![
            EventType::Login,
            EventType::LoginAs,
            EventType::ReportExport,
            EventType::BulkApi,
            EventType::BulkApi2,
        ],
        ..Org::template()
    };
    let config = Config {
        orgs: vec![org.clone()],
        ..Config::default()
    };
    assert_eq!(config.validate(), Ok(()));
    // Faster than a validated one may be.
    Org {
        interval_ms: 20,
        deadline_ms: 5000,
        ..org
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let service = Service::start();
    let good = Org {
        interval_ms: 1000,
        ..config(&service)
    };
    let error = |change: fn(&mut Org)| {
        let mut org = good.clone();
        change(&mut org);
        let config = Config {
            orgs: vec![org],
            ..Config::default()
        };
        config.validate().err().unwrap_or_default()
    };
    assert_eq!(error(|_| {}), "");
    for (change, named) in [
        ((|one| one.name.clear()) as fn(&mut Org), "name is"),
        (|one| one.service = "a\0b".to_owned(), "service is"),
        (
            |one| one.instance_url = "http://acme.my.salesforce.com".to_owned(),
            "in the clear",
        ),
        (
            |one| one.instance_url = "https://acme.my.salesforce.com/path".to_owned(),
            "instance_url is",
        ),
        (
            |one| one.client_id_file = None,
            "client_id has to come from one place",
        ),
        (
            |one| one.client_secret_variable = Some("X".to_owned()),
            "client_secret has to come from one place",
        ),
        (|one| one.api_version = "v36.0".to_owned(), "api_version is"),
        (|one| one.api_version = "62".to_owned(), "api_version is"),
        (|one| one.event_types.clear(), "event_types is empty"),
        (
            |one| one.event_types = vec![EventType::Login; 2],
            "names one twice",
        ),
        (|one| one.interval_ms = 10, "interval_ms is 10; use 1000 to"),
        (|one| one.file_max_bytes = 0, "file_max_bytes is 0"),
        (|one| one.file_tries_max = 0, "file_tries_max is 0"),
    ] {
        let error = error(change);
        assert!(error.contains(named), "{named}: {error}");
    }
    let twice = Config {
        orgs: vec![good.clone(), good],
        ..Config::default()
    };
    assert!(twice.validate().unwrap_err().contains("two have the name"));
    let text = serde_json::from_str::<EventType>("\"DataExport\"");
    assert!(text.unwrap_err().to_string().contains("unknown variant"));
}
