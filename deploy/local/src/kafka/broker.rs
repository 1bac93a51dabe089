//! One broker's process, and the data it comes back to.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::Settings;
use super::fetch::Kafka;
use super::properties::Ports;
use super::{KafkaError, file_error};

/// How long a broker may take to serve. Four seconds when a core is free.
const READY_DEADLINE: Duration = Duration::from_secs(180);
/// How long a broker that was asked to end may hand over its partitions before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How long a broker that starts again waits for ports that others' connections use meanwhile.
const PORTS_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Kafka writes it once it serves clients, and its registration is known to the controllers.
const READY: &str = "Kafka Server started";
const PORT_TAKEN: [&str; 2] = ["Address already in use", "java.net.BindException"];

/// A small heap, and the quick compiler only: a broker of a test serves for seconds.
const JVM: [&str; 7] = [
    "-Xmx256m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.net.preferIPv4Stack=true",
];
/// The lists of all settings, at each start, are not worth their 2,300 lines.
const LOG: [&str; 3] = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
];

/// See the module. All methods take `&self`: a schedule of faults may run beside what it disturbs.
#[derive(Debug)]
pub struct Broker {
    kafka: Kafka,
    id: u16,
    home: PathBuf,
    port: u16,
    ways: Vec<u16>,
    running: Mutex<Option<Running>>,
}

/// The process, and where its part of the log begins.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Kills the broker when this process is gone and its standard input ends.
    guard: Child,
    log_start: u64,
}

impl Running {
    /// How it ended, if it did. The guard goes with it: a process id may be somebody else's soon.
    fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        if status.is_some() {
            let _ = self.guard.kill();
            let _ = self.guard.wait();
        }
        status
    }
}

/// A tool of Kafka at work.
#[derive(Debug)]
pub(super) struct Tool {
    child: Child,
    what: String,
    log: PathBuf,
}

impl Tool {
    pub(super) fn wait(mut self) -> Result<(), KafkaError> {
        let status = self
            .child
            .wait()
            .map_err(file_error("wait for", &self.log))?;
        if status.success() {
            return Ok(());
        }
        Err(KafkaError::Broker {
            what: self.what,
            reason: status.to_string(),
            log: self.log,
        })
    }
}

impl Broker {
    /// Writes the configuration; nothing runs yet.
    pub(super) fn new(
        kafka: Kafka,
        id: u16,
        home: PathBuf,
        ports: &Ports,
        properties: &str,
    ) -> Result<Self, KafkaError> {
        let path = home.join("server.properties");
        fs::write(&path, properties).map_err(file_error("write", path))?;
        let temporary = home.join("tmp");
        fs::create_dir_all(&temporary).map_err(file_error("make", temporary))?;
        Ok(Self {
            kafka,
            id,
            home,
            port: ports.clients,
            ways: ports.ways.clone(),
            running: Mutex::new(None),
        })
    }

    /// Begins to format the storage.
    pub(super) fn format(&self, cluster_id: &str, settings: &Settings) -> Result<Tool, KafkaError> {
        let log = self.home.join("format.log");
        let file = File::create(&log).map_err(file_error("write", &log))?;
        let mut command = self.java("kafka.tools.StorageTool");
        command
            .args(["format", "--cluster-id", cluster_id, "--config"])
            .arg(self.home.join("server.properties"));
        if let Some((user, password)) = &settings.sasl {
            let scram = format!("SCRAM-SHA-512=[name={user},password={password}]");
            command.args(["--add-scram", &scram]);
        }
        let child = command
            .stdout(file.try_clone().map_err(file_error("write", &log))?)
            .stderr(file)
            .spawn()
            .map_err(file_error("run", &self.kafka.java.program))?;
        Ok(Tool {
            child,
            what: format!("format the storage of broker {}", self.id),
            log,
        })
    }

    /// Starts it again on the same data and ports, and waits until it serves. Does nothing when it
    /// runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&self) -> Result<(), KafkaError> {
        let end = Instant::now() + PORTS_DEADLINE;
        loop {
            self.spawn()?;
            match self.wait_ready() {
                // While it was down its ports were anybody's.
                Err(KafkaError::PortTaken(_)) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(500));
                }
                result => return result,
            }
        }
    }

    /// Starts the process, without waiting. Does nothing when it runs.
    pub(super) fn spawn(&self) -> Result<(), KafkaError> {
        let mut running = self.lock();
        if let Some(running) = running.as_mut()
            && running.ended().is_none()
        {
            return Ok(());
        }
        end(&mut running);
        let path = self.log_path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(file_error("write", &path))?;
        let log_start = fs::metadata(&path).map_or(0, |file| file.len());
        let mut command = self.java("kafka.Kafka");
        let mut child = command
            .arg(self.home.join("server.properties"))
            .stdout(log.try_clone().map_err(file_error("write", &path))?)
            .stderr(log)
            .spawn()
            .map_err(file_error("run", &self.kafka.java.program))?;
        match guard(&child) {
            Ok(guard) => {
                *running = Some(Running {
                    child,
                    guard,
                    log_start,
                });
                Ok(())
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(file_error("run", "sh")(error))
            }
        }
    }

    /// Waits until it serves.
    pub(super) fn wait_ready(&self) -> Result<(), KafkaError> {
        let end = Instant::now() + READY_DEADLINE;
        loop {
            let ended = self.lock().as_mut().and_then(Running::ended);
            let log = self.log_since_start();
            if let Some(status) = ended {
                if PORT_TAKEN.iter().any(|taken| log.contains(taken)) {
                    return Err(KafkaError::PortTaken(self.id));
                }
                return Err(self.failed("start", format!("it ended with {status}")));
            }
            if log.contains(READY) && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if Instant::now() > end {
                let waited = format!("it does not serve after {} s", READY_DEADLINE.as_secs());
                return Err(self.failed("start", waited));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks it to end, and waits; a broker that does not end within a minute is killed. Does
    /// nothing when it does not run.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&self) -> Result<(), KafkaError> {
        let mut running = self.lock();
        let Some(process) = running.as_mut() else {
            return Ok(());
        };
        // A frozen process hears nothing.
        signal(&process.child, Signal::CONT);
        signal(&process.child, Signal::TERM);
        let deadline = Instant::now() + STOP_DEADLINE;
        while process.ended().is_none() {
            if Instant::now() > deadline {
                end(&mut running);
                let waited = format!("it had to be killed after {} s", STOP_DEADLINE.as_secs());
                return Err(self.failed("stop", waited));
            }
            std::thread::sleep(POLL);
        }
        end(&mut running);
        Ok(())
    }

    /// Kills it at once, as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        end(&mut self.lock());
    }

    /// Stops it from running on, with all its connections open, until [`Broker::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen broker run on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether its process is there, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut running = self.lock();
        running
            .as_mut()
            .is_some_and(|running| running.ended().is_none())
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.lock().as_ref().map(|running| running.child.id())
    }

    /// Where clients find it: `127.0.0.1:PORT`, the same for all its starts.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port for what comes by a way; see [`Settings::ways`].
    ///
    /// # Panics
    /// When there is no such way.
    #[must_use]
    pub fn way(&self, index: usize) -> u16 {
        self.ways[index]
    }

    /// The file in which it says what it does.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.home.join("broker.log")
    }

    fn signal(&self, which: Signal) {
        if let Some(running) = self.lock().as_ref() {
            signal(&running.child, which);
        }
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new(&self.kafka.java.program);
        let mut temporary = OsString::from("-Djava.io.tmpdir=");
        temporary.push(self.home.join("tmp"));
        command
            .args(JVM)
            .args(LOG)
            .arg(temporary)
            .arg("-cp")
            .arg(&self.kafka.classpath)
            .arg(class)
            .current_dir(&self.home)
            .stdin(Stdio::null())
            // Ctrl-C at the terminal is for the command that started it.
            .process_group(0);
        command
    }

    fn log_since_start(&self) -> String {
        let start = self.lock().as_ref().map_or(0, |running| running.log_start);
        let mut bytes = Vec::new();
        let read = File::open(self.log_path()).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }

    fn failed(&self, action: &str, reason: String) -> KafkaError {
        KafkaError::Broker {
            what: format!("{action} broker {}", self.id),
            reason,
            log: self.log_path(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(&mut self.lock());
    }
}

/// Kills and reaps; the guard first, so that it never meets a process id that is somebody else's.
fn end(running: &mut Option<Running>) {
    if let Some(mut process) = running.take() {
        let _ = process.guard.kill();
        let _ = process.guard.wait();
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
}

/// A shell that waits for the end of this process, however it comes, and then kills the broker.
fn guard(child: &Child) -> std::io::Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "read -r _; kill -KILL \"$0\"",
            &child.id().to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn signal(child: &Child, which: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, which);
    }
}
