//! Certificates as openssl makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority of the test's own, in a directory.
pub(super) struct Authority<'a> {
    openssl: &'a Path,
    directory: &'a Path,
}

/// A certificate and its key.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl<'a> Authority<'a> {
    pub(super) fn new(openssl: &'a Path, directory: &'a Path) -> Self {
        fs::write(directory.join("index.txt"), "").unwrap();
        fs::write(
            directory.join("ca.cnf"),
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n\
             default_md = sha256\npolicy = any\ncertificate = ca.pem\nprivate_key = ca.key\nunique_subject = no\n\
             [any]\ncommonName = supplied\n",
        )
        .unwrap();
        let authority = Self { openssl, directory };
        authority.own("ca", 30, "subjectKeyIdentifier=hash");
        authority
    }

    /// The authority's own certificate.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    fn run(&self, arguments: &str) {
        let output = Command::new(self.openssl)
            .args(arguments.split(' '))
            .current_dir(self.directory)
            .output()
            .unwrap();
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    fn pair(&self, name: &str) -> Pair {
        Pair {
            certificate: self.directory.join(format!("{name}.pem")),
            key: self.directory.join(format!("{name}.key")),
        }
    }

    /// A certificate that signs itself.
    pub(super) fn own(&self, name: &str, days: u32, extension: &str) -> Pair {
        self.run(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /CN={name} -addext {extension} -keyout {name}.key -out {name}.pem"
        ));
        self.pair(name)
    }

    /// A signed one for this name; `dates` are arguments that say from when to when.
    pub(super) fn signed(&self, name: &str, subject: &str, dates: &str) -> Pair {
        fs::write(
            self.directory.join("leaf.ext"),
            format!("subjectAltName={subject}\nbasicConstraints=CA:FALSE\n"),
        )
        .unwrap();
        self.run(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.run(&format!(
            "ca -batch -notext -config ca.cnf {dates} -extfile leaf.ext -in {name}.csr -out {name}.pem"
        ));
        self.pair(name)
    }
}
