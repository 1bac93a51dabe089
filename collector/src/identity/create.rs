//! Makes an authority and certificates for collectors, as files.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::AuthorityConfig;
use super::authority::Authority;
use crate::tls::files::Named;

/// Names of the files in the directory.
const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority.key";
const COLLECTOR: &str = "collector.pem";
const COLLECTOR_KEY: &str = "collector.key";

/// Clocks of agents may be behind by so much.
const BACKDATED: Duration = Duration::hours(1);

/// Makes an authority; gives its files.
///
/// # Errors
/// When a file is there already or cannot be written.
pub fn authority(directory: &Path, days: u32) -> anyhow::Result<[PathBuf; 2]> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| directory.display().to_string())?;
    let key = KeyPair::generate()?;
    let mut params = params(days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        // Of two that sign in turn, each certificate names its own.
        .push(
            DnType::CommonName,
            format!("crmscope authority {:08x}", fastrand::u32(..)),
        );
    let certificate = params.self_signed(&key)?;
    let files = [AUTHORITY_KEY, AUTHORITY].map(|name| directory.join(name));
    // The key first: a certificate without one is of no use, and would stand in the way.
    write(&files[0], &key.serialize_pem(), 0o600)?;
    write(&files[1], &certificate.pem(), 0o644)?;
    Ok(files)
}

/// Makes a certificate for collectors, good for these names and addresses; gives its files. Files of
/// one that was made before are replaced, as collectors read them again.
///
/// # Errors
/// When there is no authority, a name is none, or a file cannot be written.
pub fn collector(directory: &Path, names: &[String], days: u32) -> anyhow::Result<[PathBuf; 2]> {
    anyhow::ensure!(
        !names.is_empty(),
        "name the collector with --name, as agents reach it: a DNS name or an address"
    );
    let config = AuthorityConfig {
        certificate_file: directory.join(AUTHORITY),
        key_file: directory.join(AUTHORITY_KEY),
        ..AuthorityConfig::default()
    };
    Authority::load(&config)?;
    let above = Named::new("--directory", &config.certificate_file).certificates()?;
    let above_key = std::fs::read_to_string(&config.key_file)?;
    let issuer = Issuer::from_ca_cert_der(&above[0], KeyPair::from_pem(&above_key)?)?;
    let key = KeyPair::generate()?;
    let mut params = params(days)?;
    params.subject_alt_names = CertificateParams::new(names.to_vec())
        .with_context(|| format!("--name {}", names.join(", ")))?
        .subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
        .distinguished_name
        .push(DnType::CommonName, "crmscope collector");
    let certificate = params.signed_by(&key, &issuer)?;
    let chain = format!("{}{}", certificate.pem(), pem(&above[0]));
    let files = [COLLECTOR_KEY, COLLECTOR].map(|name| directory.join(name));
    replace(&files[0], &key.serialize_pem(), 0o600)?;
    replace(&files[1], &chain, 0o644)?;
    Ok(files)
}

fn params(days: u32) -> anyhow::Result<CertificateParams> {
    anyhow::ensure!((1..=36_500).contains(&days), "--days must be 1 to 36500");
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    serial[0] &= 0x7f;
    let now = OffsetDateTime::now_utc();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "crmscope");
    let mut params = CertificateParams::default();
    params.not_before = now - BACKDATED;
    params.not_after = now + Duration::days(i64::from(days));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = name;
    Ok(params)
}

fn pem(certificate: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn options(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut file = options(mode).open(path).with_context(|| {
        format!(
            "{}: what is there is not written over; name another directory",
            path.display()
        )
    })?;
    put(&mut file, text).with_context(|| path.display().to_string())
}

/// Writes a file, whole or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let mut file = options(mode)
        .open(&partial)
        .with_context(|| partial.display().to_string())?;
    put(&mut file, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| path.display().to_string())
}

fn put(file: &mut File, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
