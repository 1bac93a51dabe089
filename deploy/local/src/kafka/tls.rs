//! A self-signed certificate for the brokers, made by Java's own keytool.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::java::Java;
use super::{KafkaError, file_error};

/// Of the key store, which lives as long as the cluster's directory and guards nothing.
pub(super) const PASSWORD: &str = "loopback";

/// The files of a cluster with TLS.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The brokers' key and certificate, PKCS 12.
    pub(super) store: PathBuf,
    /// The certificate in PEM: what clients trust.
    pub(super) certificate: PathBuf,
}

impl Keys {
    /// Makes them in `directory`, for 127.0.0.1 and localhost.
    pub(super) fn make(java: &Java, directory: &Path) -> Result<Self, KafkaError> {
        let store = directory.join("brokers.p12");
        let certificate = directory.join("certificate.pem");
        let log = directory.join("keytool.log");
        let mut make = Command::new(java.tool("keytool"));
        make.args(["-genkeypair", "-alias", "brokers"])
            .args(["-keyalg", "RSA", "-keysize", "2048", "-validity", "30"])
            .args(["-dname", "CN=localhost"])
            .args([
                "-ext",
                "SAN=ip:127.0.0.1,dns:localhost",
                "-ext",
                "bc=ca:true",
            ])
            .args(["-storetype", "PKCS12", "-storepass", PASSWORD]);
        let mut export = Command::new(java.tool("keytool"));
        export
            .args(["-exportcert", "-rfc", "-alias", "brokers"])
            .args(["-storepass", PASSWORD, "-file"])
            .arg(&certificate);
        for command in [&mut make, &mut export] {
            let output = command
                .arg("-keystore")
                .arg(&store)
                .stdin(Stdio::null())
                .output()
                .map_err(file_error("run", java.tool("keytool")))?;
            if !output.status.success() {
                std::fs::write(&log, [output.stdout, output.stderr].concat())
                    .map_err(file_error("write", &log))?;
                return Err(KafkaError::Broker {
                    what: "make a certificate with keytool".to_owned(),
                    reason: output.status.to_string(),
                    log,
                });
            }
        }
        Ok(Self { store, certificate })
    }
}
