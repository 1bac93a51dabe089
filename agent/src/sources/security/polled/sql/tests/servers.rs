//! Real databases on loopback: PostgreSQL and MariaDB, each in a folder of its own, ended with the
//! test. The scenarios of `tests/` use this file too.
//!
//! Where a program is missing the test is skipped with a line that says so, except under `CI=true`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The password of the role that reads.
pub(crate) const PASSWORD: &str = "reader's \\ password";

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// PostgreSQL.
    PostgreSql,
    /// MariaDB.
    MariaDb,
}

/// A running server with a database `crm` and a role `reader`, who may do nothing yet.
pub(crate) struct Server {
    /// What it is.
    pub(crate) engine: Engine,
    /// Its port on loopback.
    pub(crate) port: u16,
    /// Its files.
    pub(crate) folder: TempDir,
    child: Option<Child>,
}

/// Servers refuse to run as root: then it is as nobody.
fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

const NOBODY: u32 = 65_534;

fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A program that runs as nobody.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// PostgreSQL's programs are in a folder of each version.
fn find(name: &str, package: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.flatten().map(|version| version.path().join("bin"));
    let path = std::env::var("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let found = versions
        .chain(std::env::split_paths(&path))
        .chain(usual)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        let required = std::env::var("CI").as_deref() == Ok("true");
        assert!(
            !required,
            "{name} is missing; install the package {package}"
        );
        println!("SKIPPED: {name} is not installed; on Debian: apt-get install {package}");
    }
    found
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Server {
    /// Starts one, if it is installed.
    pub(crate) fn start(engine: Engine) -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = TempDir::new().unwrap();
        give_away(folder.path());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut server = Self {
            engine,
            port,
            folder,
            child: None,
        };
        server.make_certificates();
        match engine {
            Engine::PostgreSql => {
                let initdb = find("initdb", "postgresql")?;
                run(unprivileged(&initdb)
                    .args(["-U", "admin", "-E", "UTF8", "--no-sync", "--locale=C"])
                    .args(["--auth-local=trust", "--auth-host=scram-sha-256", "-D"])
                    .arg(server.path("data")));
            }
            Engine::MariaDb => {
                let install = find("mariadb-install-db", "mariadb-server")?;
                run(unprivileged(&install)
                    .env("TMPDIR", server.folder.path())
                    .args([
                        "--no-defaults",
                        "--skip-test-db",
                        "--auth-root-authentication-method=normal",
                    ])
                    .arg(format!("--datadir={}", server.path("data").display())));
            }
        }
        server.start_again();
        match engine {
            Engine::PostgreSql => {
                let password = PASSWORD.replace('\'', "''");
                server.run_in("postgres", "CREATE DATABASE crm").unwrap();
                server.run(&format!("CREATE ROLE reader LOGIN PASSWORD '{password}'"));
            }
            Engine::MariaDb => {
                let password = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
                server.run_in("mysql", "CREATE DATABASE crm").unwrap();
                server.run(&format!(
                    "CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{password}'"
                ));
                server.run(&format!(
                    "CREATE USER reader@localhost IDENTIFIED BY '{password}'"
                ));
            }
        }
        fs::write(server.path("password"), format!("{PASSWORD}\n")).unwrap();
        Some(server)
    }

    /// Starts it again on its files, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let at = |name: &str| self.path(name).display().to_string();
        let mut command = match self.engine {
            Engine::PostgreSql => {
                let mut command = unprivileged(&find("postgres", "postgresql").unwrap());
                command.args([
                    "-D",
                    &at("data"),
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &self.port.to_string(),
                ]);
                for setting in [
                    format!("unix_socket_directories={}", self.folder.path().display()),
                    "fsync=off".to_owned(),
                    "ssl=on".to_owned(),
                    format!("ssl_cert_file={}", at("server.pem")),
                    format!("ssl_key_file={}", at("server.key")),
                ] {
                    command.args(["-c", &setting]);
                }
                command
            }
            Engine::MariaDb => {
                let mut command = unprivileged(&find("mariadbd", "mariadb-server").unwrap());
                command.args([
                    "--no-defaults".to_owned(),
                    format!("--datadir={}", at("data")),
                    format!("--socket={}", at("socket")),
                    format!("--pid-file={}", at("pid")),
                    format!("--port={}", self.port),
                    // A server that starts clears the folder of others' temporary tables.
                    format!("--tmpdir={}", self.folder.path().display()),
                    "--bind-address=127.0.0.1".to_owned(),
                    "--innodb-flush-log-at-trx-commit=0".to_owned(),
                    "--innodb-buffer-pool-size=16M".to_owned(),
                    "--max-allowed-packet=64M".to_owned(),
                    format!("--ssl-cert={}", at("server.pem")),
                    format!("--ssl-key={}", at("server.key")),
                ]);
                command
            }
        };
        let command = command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let database = match self.engine {
            Engine::PostgreSql => "postgres",
            Engine::MariaDb => "mysql",
        };
        let end = Instant::now() + Duration::from_secs(90);
        while let Err(error) = self.run_in(database, "SELECT 1") {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(Instant::now() < end, "no database: {error}\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Statements as the administrator.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.run_in("crm", sql).unwrap()
    }

    /// The same, from standard input, for what is long or waits.
    pub(crate) fn client(&self, database: &str) -> Command {
        match self.engine {
            Engine::PostgreSql => {
                let mut command = Command::new(find("psql", "postgresql-client").unwrap());
                command
                    .args([
                        "-XqAt",
                        "-v",
                        "ON_ERROR_STOP=1",
                        "-U",
                        "admin",
                        "-d",
                        database,
                    ])
                    .args(["-p", &self.port.to_string(), "-h"])
                    .arg(self.folder.path());
                command
            }
            Engine::MariaDb => {
                let mut command = Command::new(find("mariadb", "mariadb-client").unwrap());
                command
                    .args(["--no-defaults", "-BNu", "root", "--max-allowed-packet=64M"])
                    .arg(format!("--socket={}", self.path("socket").display()))
                    .arg(database);
                command
            }
        }
    }

    fn run_in(&self, database: &str, sql: &str) -> Result<String, String> {
        use std::io::Write as _;
        let mut command = self.client(database);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let text = format!("{sql};\n");
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).is_ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Ends it at once.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // PostgreSQL's own children end with it at QUIT, and would stay at KILL.
            let id = child.id().to_string();
            let signal = match self.engine {
                Engine::PostgreSql => "-QUIT",
                Engine::MariaDb => "-KILL",
            };
            let _ = Command::new("kill").args([signal, &id]).status();
            let _ = child.wait();
        }
    }

    fn make_certificates(&self) {
        let at = |name: &str| self.path(name).display().to_string();
        for name in ["server", "other"] {
            run(Command::new("openssl")
                .args([
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                ])
                .args([
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1",
                ])
                .args([
                    "-keyout",
                    &at(&format!("{name}.key")),
                    "-out",
                    &at(&format!("{name}.pem")),
                ]));
            let key = self.path(&format!("{name}.key"));
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
            give_away(&key);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
