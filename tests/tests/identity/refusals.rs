//! Everybody who may not send hears why, on both sides.

use std::fs;
use std::process::{Command, Stdio};

use crmscope_tests::wait_for;

use crate::surroundings::{Secure, authority, run, wait_said};

const HANDSHAKE: &str =
    "crmscope_collector_tls_handshake_failures_total{listener=\"ingest\",reason=";
const REFUSED: &str = "crmscope_collector_ingest_auth_failures_total{reason=";

/// Signs a certificate for a name with an authority's files, by openssl.
fn certificate(
    directory: &std::path::Path,
    name: &str,
    uri: &str,
    days: (&str, &str),
) -> (String, String) {
    let file = |end: &str| {
        directory
            .join(format!("{name}.{end}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let extensions = file("ext");
    fs::write(
        &extensions,
        format!("subjectAltName=URI:{uri}\nextendedKeyUsage=clientAuth\n"),
    )
    .unwrap();
    run(
        "openssl",
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/O=test",
            "-keyout",
            &file("key"),
            "-out",
            &file("csr"),
        ],
    );
    let (ca, ca_key) = (
        directory.join("authority.pem"),
        directory.join("authority.key"),
    );
    run(
        "openssl",
        &[
            "ca",
            "-batch",
            "-notext",
            "-config",
            &ca_config(directory),
            "-name",
            "ca",
            "-in",
            &file("csr"),
            "-cert",
            ca.to_str().unwrap(),
            "-keyfile",
            ca_key.to_str().unwrap(),
            "-startdate",
            days.0,
            "-enddate",
            days.1,
            "-extfile",
            &extensions,
            "-out",
            &file("pem"),
        ],
    );
    (file("pem"), file("key"))
}

/// What openssl needs to sign with dates of the past.
fn ca_config(directory: &std::path::Path) -> String {
    let path = directory.join("ca.cnf");
    let place = directory.display();
    let index = directory.join("index.txt");
    if !index.exists() {
        fs::write(&index, "").unwrap();
        let text = format!(
            "[ca]\ndatabase = {place}/index.txt\nnew_certs_dir = {place}\nrand_serial = yes\ndefault_md = sha256\n\
             policy = any\nunique_subject = no\n[any]\norganizationName = optional\ncommonName = optional\n"
        );
        fs::write(&path, text).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

/// Keys of `[identity]` for files of an outside authority.
fn outside(secure: &Secure, (certificate, key): &(String, String)) -> String {
    let authority = secure.tls.path().join("authority.pem");
    format!(
        "certificate_file = {certificate:?}\nkey_file = {key:?}\nauthority_file = {authority:?}"
    )
}

#[test]
fn nobody_gets_in_who_is_not_the_agent_of_a_good_certificate() {
    let secure = Secure::start(&[]);
    let good = ("20250101000000Z", "20900101000000Z");
    let uri = |agent: &str| format!("spiffe://crmscope/agent/{agent}");
    let here = secure.tls.path();

    // Another authority than the collector's.
    let elsewhere = tempfile::tempdir().unwrap();
    authority(elsewhere.path());
    let foreign = certificate(elsewhere.path(), "foreign", &uri("web-1"), good);
    let agent = secure.agent("web-1", &outside(&secure, &foreign));
    wait_said(&agent, "UnknownCA");
    secure.wait_counted(&format!("{HANDSHAKE}\"unknown_authority\"}}"));
    drop(agent);

    // Expired.
    let expired = certificate(
        here,
        "expired",
        &uri("web-2"),
        ("20250101000000Z", "20250601000000Z"),
    );
    let agent = secure.agent("web-2", &outside(&secure, &expired));
    wait_said(&agent, "CertificateExpired");
    secure.wait_counted(&format!("{HANDSHAKE}\"expired\"}}"));
    drop(agent);

    // Another agent's name.
    let other = certificate(here, "other", &uri("web-3"), good);
    let agent = secure.agent("db-1", &outside(&secure, &other));
    wait_said(&agent, "an agent sends as itself only");
    secure
        .wait_counted("crmscope_collector_ingest_streams_refused_total{reason=\"agent_identity\"}");
    drop(agent);

    // Nobody's name.
    let nobody = certificate(here, "nobody", "spiffe://example.org/agent/web-4", good);
    let agent = secure.agent("web-4", &outside(&secure, &nobody));
    wait_said(&agent, "names no agent");
    secure.wait_counted(&format!("{REFUSED}\"unnamed\"}}"));
    drop(agent);

    // A collector that is signed by somebody else is not believed, and hears nothing of a token.
    let theirs = elsewhere.path().join("authority.pem");
    let file = secure.stack.path("web-5.enrolment");
    fs::write(&file, secure.token(&[])).unwrap();
    let agent = secure.agent(
        "web-5",
        &format!("token_file = {file:?}\nauthority_file = {theirs:?}"),
    );
    wait_said(&agent, "UnknownIssuer");
    secure.wait_counted(&format!("{HANDSHAKE}\"not_believed\"}}"));
    drop(agent);

    // The first version of the protocol that is not good enough.
    let at = format!("localhost:{}", secure.stack.uplink_port);
    let old = Command::new("openssl")
        .args(["s_client", "-connect", &at, "-tls1_2", "-alpn", "h2"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!old.status.success());
    secure.wait_counted(&format!("{HANDSHAKE}\"version\"}}"));

    // No TLS at all.
    let config = secure.config("web-6", "");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("https://localhost", "http://127.0.0.1"),
    )
    .unwrap();
    let agent = secure.stack.start_configured_agent("web-6", &config);
    wait_said(&agent, "https://");
    secure.wait_counted(&format!("{HANDSHAKE}\"plaintext\"}}"));
    drop(agent);

    // No certificate: one may ask for one, and nothing else.
    let url = format!("https://{at}/crmscope.v1.Uplink/Connect");
    let authority = here.join("authority.pem");
    let headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
    let call = [
        "-s",
        "-i",
        "--http2",
        "-X",
        "POST",
        "--cacert",
        authority.to_str().unwrap(),
        &url,
    ];
    let answer = run("curl", &[&call[..], &headers].concat());
    assert!(answer.contains("grpc-status: 16"), "{answer}");
    assert!(
        answer.contains("grpc-message: no%20certificate"),
        "{answer}"
    );
    secure.wait_counted(&format!("{REFUSED}\"no_certificate\"}}"));

    // All the while, nothing of anybody was stored.
    assert_eq!(secure.stack.number("SELECT count() FROM heartbeats"), 0);
}

#[test]
fn a_revoked_agent_is_cut_off_and_comes_back_only_with_a_new_certificate() {
    let secure = Secure::start(&[]);
    let token = secure.token(&["--agents", "2"]);
    let agent = secure.enrolling("web-1", &token);
    let _other = secure.enrolling("web-2", &token);
    secure.wait_beats("web-1");
    let (code, text) =
        secure
            .stack
            .command(&["certificate", "revoke", "web-1", "--note", "laptop stolen"]);
    assert_eq!(code, 0, "{text}");
    wait_said(&agent, "certificates of agent web-1 are revoked");
    secure.wait_counted(&format!("{REFUSED}\"revoked\"}}"));
    let (_, list) = secure.stack.command(&["certificate", "list"]);
    assert!(
        list.contains("web-1: revoked since") && list.contains("laptop stolen"),
        "{list}"
    );
    let (code, text) = secure
        .stack
        .command(&["token", "create", "--agent", "web-1"]);
    assert!(
        code != 0 && text.contains("certificate allow web-1"),
        "{text}"
    );
    // The other one is none of it.
    secure.wait_beats("web-2");

    let (code, text) = secure.stack.command(&["certificate", "allow", "web-1"]);
    assert_eq!(code, 0, "{text}");
    wait_said(&agent, "newer ones are good");
    // A new token in the file is all that it takes.
    let own = secure.token(&["--agent", "web-1"]);
    fs::write(secure.stack.path("web-1.enrolment"), own).unwrap();
    secure.wait_beats("web-1");
    wait_for("the enrolment to be written down", || {
        let sql = "SELECT count() FROM enrolments WHERE agent_id = 'web-1' AND kind = 'enrolled'";
        match secure.stack.number(sql) {
            2 => Ok(()),
            seen => Err(seen.to_string()),
        }
    });
}
