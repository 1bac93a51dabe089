//! Certificates that somebody else makes: names of another shape, files that are replaced.

use std::fs;

use crate::surroundings::{Secure, run, wait_said};

/// An authority and a certificate for a DNS name, by openssl.
fn certificate(directory: &std::path::Path, name: &str) {
    let command = format!(
        "cd '{}' && if [ ! -e ca.pem ]; then openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
         -keyout ca.key -out ca.pem -days 30 -subj /O=outside -addext basicConstraints=critical,CA:TRUE; fi && \
         openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=outside -keyout new.key -out new.csr && \
         printf 'subjectAltName=DNS:{name}\nextendedKeyUsage=clientAuth\n' > new.ext && \
         openssl x509 -req -in new.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile new.ext -out new.pem && \
         mv new.key agent.key && mv new.pem agent.pem",
        directory.display()
    );
    run("sh", &["-c", &command]);
}

#[test]
fn certificates_of_an_outside_authority_work_and_are_read_again() {
    let files = tempfile::tempdir().unwrap();
    certificate(files.path(), "web-1.agents.example");
    let ca = files.path().join("ca.pem");
    let secure = Secure::start(&[
        ("INGEST__TLS__CLIENT_CA_FILE", ca.to_str().unwrap()),
        ("INGEST__TLS__IDENTITIES", "dns:{agent_id}.agents.example"),
    ]);
    let file = |name: &str| files.path().join(name);
    let identity = format!(
        "certificate_file = {:?}\nkey_file = {:?}\nauthority_file = {:?}",
        file("agent.pem"),
        file("agent.key"),
        secure.tls.path().join("authority.pem")
    );
    let mut agent = secure.agent("web-1", &identity);
    secure.wait_beats("web-1");
    // Replaced by somebody, and half of it at first: the next connection has what works.
    certificate(files.path(), "web-1.agents.example");
    let whole = fs::read(file("agent.pem")).unwrap();
    fs::write(file("agent.pem"), "half").unwrap();
    secure.stack.collector.as_ref().unwrap();
    agent.kill();
    let config = secure.stack.path("web-1.toml");
    let mut agent = secure.stack.start_configured_agent("web-1", &config);
    wait_said(&agent, "agent.pem");
    fs::write(file("agent.pem"), whole).unwrap();
    secure.wait_beats("web-1");
    agent.kill();
    // A certificate of the outside authority is no other agent's.
    let other = secure.agent("web-2", &identity);
    wait_said(&other, "an agent sends as itself only");
}
