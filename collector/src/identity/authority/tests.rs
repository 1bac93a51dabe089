//! The authority against files and requests that are not as they should be.

use rcgen::{CertificateParams, KeyPair, SanType};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::*;
use crate::identity::create;

const NOW_MS: i64 = 1_796_000_000_000;

fn made() -> (tempfile::TempDir, AuthorityConfig) {
    let directory = tempfile::tempdir().unwrap();
    create::authority(directory.path(), 3650).unwrap();
    let config = AuthorityConfig {
        certificate_file: directory.path().join("authority.pem"),
        key_file: directory.path().join("authority.key"),
        certificate_minutes: 120,
    };
    (directory, config)
}

fn request(names: Vec<SanType>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

#[test]
fn the_name_is_the_collectors_whatever_was_asked_for() {
    let (_directory, config) = made();
    let authority = Authority::load(&config).unwrap();
    let other = SanType::URI("spiffe://crmscope/agent/db-1".try_into().unwrap());
    let dns = SanType::DnsName("collector.example".try_into().unwrap());
    let asked = Asked::read(&request(vec![other, dns])).unwrap();
    let signed = authority.sign("web-1", &asked, NOW_MS + 999).unwrap();
    assert_eq!(signed.ends_ms, NOW_MS + 2 * 3_600_000);
    let (_, parsed) = X509Certificate::from_der(&signed.chain[0]).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        names.value.general_names,
        [GeneralName::URI("spiffe://crmscope/agent/web-1")]
    );
    assert!(!parsed.is_ca());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    assert_eq!(parsed.validity().not_before.timestamp() * 1000, NOW_MS);
    let (_, above) = X509Certificate::from_der(&signed.chain[1]).unwrap();
    parsed.verify_signature(Some(above.public_key())).unwrap();
}

#[test]
fn a_certificate_ends_with_its_authority() {
    let directory = tempfile::tempdir().unwrap();
    create::authority(directory.path(), 1).unwrap();
    let config = AuthorityConfig {
        certificate_file: directory.path().join("authority.pem"),
        key_file: directory.path().join("authority.key"),
        certificate_minutes: 10_080,
    };
    let authority = Authority::load(&config).unwrap();
    let asked = Asked::read(&request(Vec::new())).unwrap();
    let end_ms = expires_ms(&authority.certificate()).unwrap();
    let signed = authority.sign("web-1", &asked, end_ms - 60_000).unwrap();
    assert_eq!(signed.ends_ms, end_ms);
    let late = authority.sign("web-1", &asked, end_ms).unwrap_err();
    assert!(late.message.contains("has expired"), "{late}");
}

#[test]
fn a_request_shows_that_its_key_is_there() {
    let mut forged = request(Vec::new());
    // Another key in it than the one that signed it.
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let huge = vec![0x30; REQUEST_MAX_BYTES + 1];
    for bad in [&[][..], &[0x30, 0x80], &forged, &huge] {
        let error = Asked::read(bad).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
    }
    let same = request(Vec::new());
    let key = |der: &[u8]| Asked::read(der).unwrap().key_sha256;
    assert_eq!(key(&same), key(&same));
    assert_ne!(key(&same), key(&request(Vec::new())));
}

#[test]
fn files_that_do_not_go_together_are_refused_by_name_and_the_old_ones_stay() {
    let (directory, config) = made();
    let authority = Authority::load(&config).unwrap();
    let (_other_directory, other) = made();
    let wrong_key = AuthorityConfig {
        key_file: other.key_file.clone(),
        ..config.clone()
    };
    let error = Authority::load(&wrong_key).unwrap_err().to_string();
    assert!(error.contains("ingest.authority.key_file"), "{error}");
    let names = ["localhost".to_owned()];
    let [_, leaf] = create::collector(directory.path(), &names, 30).unwrap();
    let no_authority = AuthorityConfig {
        certificate_file: leaf,
        ..config.clone()
    };
    let error = Authority::load(&no_authority).unwrap_err().to_string();
    assert!(error.contains("may sign no others"), "{error}");
    std::fs::write(&config.key_file, "-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
    let error = authority.reload().unwrap_err().to_string();
    assert!(
        error.contains("authority.key") && !error.contains("secret"),
        "{error}"
    );
    let asked = Asked::read(&request(Vec::new())).unwrap();
    assert!(authority.sign("web-1", &asked, NOW_MS).is_ok());
}

#[test]
fn what_is_there_is_not_written_over() {
    let (directory, config) = made();
    let before = std::fs::read(&config.key_file).unwrap();
    let error = create::authority(directory.path(), 1).unwrap_err();
    assert!(format!("{error:#}").contains("authority.key"), "{error:#}");
    assert_eq!(std::fs::read(&config.key_file).unwrap(), before);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&config.key_file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
