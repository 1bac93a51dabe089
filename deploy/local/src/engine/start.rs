//! The engine on one data directory.
//!
//! Owns the lock on the directory, the start arguments and the `default` database. Promises one
//! process per directory, and sessions that share nothing but the data. All calls block; callers
//! run them on threads made for that.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::EngineError;
use super::deduplication::take_back_orphans;
use super::library::{Connection, Library};
use super::session::Session;

/// How often the database `default` is tried to be replaced, and the pause after the first try.
const DEFAULT_ATTEMPTS: u32 = 5;
const DEFAULT_PAUSE: Duration = Duration::from_millis(100);

/// How the engine starts.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where tables live; created when missing.
    pub data_dir: PathBuf,
    /// The libchdb file.
    pub library: PathBuf,
    /// Memory all queries and merges may take together.
    pub max_server_memory_bytes: u64,
    /// Cache of index marks.
    pub mark_cache_bytes: u64,
    /// ClickHouse's configuration for what has no argument, such as clusters and users; else its defaults.
    pub config_file: Option<PathBuf>,
}

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    library: &'static Library,
    arguments: Vec<CString>,
    data_dir: PathBuf,
    version: String,
    /// Keeps the engine running between requests; it stops with its last connection.
    anchor: Mutex<Option<Connection>>,
    _lock: File,
}

impl Engine {
    /// Starts the engine on `config.data_dir`, which no other process may have.
    ///
    /// # Errors
    /// When the directory is taken or unusable, or the library does not load or start.
    pub fn open(config: &EngineConfig) -> Result<Engine, EngineError> {
        let data_dir = prepare(&config.data_dir)?;
        let lock = lock(&data_dir)?;
        let library = Library::load(&config.library).map_err(|error| EngineError::Load {
            path: config.library.clone(),
            reason: error.to_string(),
        })?;
        let start_error = |reason: &str| EngineError::Start {
            path: data_dir.clone(),
            reason: reason.to_owned(),
        };
        // A name that is no file would be passed over in silence.
        let config_file = match &config.config_file {
            None => None,
            Some(path) => Some(path.canonicalize().map_err(|source| EngineError::File {
                action: "read ClickHouse's configuration",
                path: path.clone(),
                source,
            })?),
        };
        let config_file = config_file.map(|path| format!("--config-file={}", path.display()));
        let arguments = [
            "clickhouse".to_owned(),
            format!("--path={}", data_dir.display()),
            format!(
                "--max_server_memory_usage={}",
                config.max_server_memory_bytes
            ),
            format!("--mark_cache_size={}", config.mark_cache_bytes),
        ]
        .into_iter()
        .chain(config_file)
        .map(CString::new)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| start_error("its path contains a NUL byte"))?;
        mend_default_database(&data_dir).map_err(|source| EngineError::File {
            action: "prepare the database default in",
            path: data_dir.clone(),
            source,
        })?;
        // Before the engine reads the notes.
        let taken_back = take_back_orphans(&data_dir)?;
        if taken_back > 0 {
            tracing::warn!(
                taken_back,
                "the last run was killed in mid-insert; its repetitions will be stored"
            );
        }
        let anchor = library.connect(&arguments).ok_or_else(|| {
            start_error("it gave no connection; its own message is on standard error")
        })?;
        let mut session = Session::new(anchor);
        plain_default_database(&mut session, &data_dir)?;
        let version = session.text("SELECT version()")?;
        Ok(Engine {
            library,
            arguments,
            data_dir,
            version,
            anchor: Mutex::new(Some(session.into_connection())),
            _lock: lock,
        })
    }

    /// ClickHouse's version, for example `26.7.2.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// libchdb's version, for example `26.7.3`.
    #[must_use]
    pub fn library_version(&self) -> String {
        self.library.version()
    }

    /// A session of its own for one request.
    ///
    /// # Errors
    /// When the engine gives no connection, in practice only after [`Engine::close`].
    pub fn session(&self) -> Result<Session, EngineError> {
        let connection = self
            .library
            .connect(&self.arguments)
            .ok_or(EngineError::Start {
                path: self.data_dir.clone(),
                reason: "it gave no further connection".to_owned(),
            })?;
        Ok(Session::new(connection))
    }

    /// Closes the last connection and asks the engine to stop its threads, before the process
    /// ends. As of 26.7.3 the engine refuses once it has had a MergeTree table; nothing depends
    /// on it, since what was acknowledged is in the files already.
    pub fn close(&self) {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        drop(anchor.take());
        let stopped = self.library.shutdown();
        tracing::debug!(stopped, "the engine is closed");
    }
}

/// A `default` without tables has no directory yet, and without one the engine gives it another
/// identity at the next start and then refuses it. Done before the engine looks.
fn mend_default_database(data_dir: &Path) -> std::io::Result<()> {
    let metadata = data_dir.join("metadata");
    // Left by an interrupted creation; the engine would not overwrite it.
    let _ = std::fs::remove_file(metadata.join("default.sql.tmp"));
    let sql = match std::fs::read_to_string(metadata.join("default.sql")) {
        Ok(sql) => sql,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(uuid) = sql
        .split('\'')
        .nth(1)
        .filter(|uuid| uuid.len() == 36 && uuid.is_ascii())
    else {
        return Ok(());
    };
    let store = format!("store/{}/{uuid}", &uuid[..3]);
    std::fs::create_dir_all(data_dir.join(&store))?;
    let link = metadata.join("default");
    if link.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(Path::new("..").join(store), link)?;
    }
    Ok(())
}

/// libchdb makes `default` an overlay that also reads files by table name. Replace it by a plain
/// database that keeps the same tables; the overlay is back at every start. The engine has been
/// seen to fail on the way with a bug of its own and not the next time, so this is tried again.
fn plain_default_database(session: &mut Session, data_dir: &Path) -> Result<(), EngineError> {
    let mut attempt = 1;
    loop {
        match replace_default_database(session, data_dir) {
            Err(error) if attempt < DEFAULT_ATTEMPTS => {
                tracing::warn!(%error, attempt, "the database default was not replaced: trying again");
                std::thread::sleep(DEFAULT_PAUSE * attempt);
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// From whatever state an earlier attempt left: a failed DETACH may have detached.
fn replace_default_database(session: &mut Session, data_dir: &Path) -> Result<(), EngineError> {
    session.run(b"DETACH DATABASE IF EXISTS default")?;
    if data_dir.join("metadata/default.sql").exists() {
        session.run(b"ATTACH DATABASE default")
    } else {
        session.run(b"CREATE DATABASE default ENGINE = Atomic")
    }
}

fn prepare(path: &Path) -> Result<PathBuf, EngineError> {
    let file_error = |action| {
        move |source| EngineError::File {
            action,
            path: path.to_owned(),
            source,
        }
    };
    std::fs::create_dir_all(path).map_err(file_error("create the data directory"))?;
    path.canonicalize()
        .map_err(file_error("resolve the data directory"))
}

fn lock(data_dir: &Path) -> Result<File, EngineError> {
    let path = data_dir.join("crmscope.lock");
    let file_error = |action| {
        let path = path.clone();
        move |source| EngineError::File {
            action,
            path,
            source,
        }
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(file_error("open the lock file"))?;
    if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut owner = String::new();
        let _ = file.read_to_string(&mut owner);
        let owner = match owner.trim() {
            "" => "unknown".to_owned(),
            known => known.to_owned(),
        };
        return Err(EngineError::Locked {
            path: data_dir.to_owned(),
            owner,
        });
    }
    // Only a hint for the message above; the lock is what counts.
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(file_error("write the lock file"))?;
    Ok(file)
}
