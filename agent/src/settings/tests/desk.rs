//! Settings as they come, tried on sources that run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Id;
use crmscope_proto::v1::{Settings, SettingsState};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::settings;
use crate::outbox::Outbox;
use crate::rules::{self, Rules};
use crate::runtime::crew::Crew;
use crate::runtime::gatherer::Gatherer;
use crate::runtime::worker::{Stop, Surroundings, Watches};
use crate::settings::Desk;
use crate::settings::kept;
use crate::spool::{self, Origin};
use crate::uplink::{self, Uplink};
use crate::{Config, runtime};

const PATIENCE: Duration = Duration::from_secs(60);

/// Watches one unit, by a program that knows no other.
struct Host {
    folder: TempDir,
    config: Config,
}

impl Host {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("systemctl");
        let script = "#!/bin/sh\ncase \"$*\" in *bad*) echo no >&2; exit 1;; esac\necho Id=good.service\necho LoadState=loaded\necho ActiveState=active\necho SubState=running\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = Config {
            agent_id: "crm-web-01".to_owned(),
            state_dir: folder.path().to_owned(),
            ..Config::default()
        };
        config.settings.probation_ms = 1_000;
        let sources = &mut config.sources;
        for enabled in [
            &mut sources.host.enabled,
            &mut sources.filesystem.enabled,
            &mut sources.transport.enabled,
            &mut sources.containers.enabled,
            &mut sources.sensors.enabled,
            &mut sources.clock.enabled,
            &mut sources.requests.enabled,
            &mut sources.security.enabled,
        ] {
            *enabled = false;
        }
        sources.units.program = program;
        sources.units.systemd_path = folder.path().to_owned();
        sources.units.interval_ms = 5_000;
        sources.units.watch = vec!["good.service".to_owned()];
        Self { folder, config }
    }

    /// What a start would do.
    fn start(&self) -> Running {
        let desk = Desk::new(&self.config);
        let laid = desk.start();
        let config = laid.as_ref().unwrap_or(&self.config);
        let origin = Origin {
            agent_id: "crm-web-01".to_owned(),
            boot_id: Id([1; 16]),
            start_id: Id([2; 16]),
        };
        let spool = self
            .folder
            .path()
            .join(format!("spool-{}", fastrand::u64(..)));
        let outbox = Outbox::open(&spool, spool::Config::default(), origin).unwrap();
        let intervals = runtime::settings::Settings::new(config.intervals.clone());
        let surroundings = Surroundings {
            outbox: Arc::new(outbox),
            gatherer: Arc::new(Gatherer::new(1 << 20)),
            settings: Arc::new(intervals),
            economy: Arc::default(),
            stop: Arc::new(Stop::default()),
        };
        let uplink = Uplink::new(
            uplink::Config::default(),
            Arc::clone(&surroundings.outbox),
            Arc::clone(&surroundings.settings),
            Arc::default(),
            1 << 20,
        );
        let rules = Rules::new(
            &rules::Config::default(),
            None,
            rules::Surroundings::default(),
        );
        let mut crew = Crew::new(surroundings.clone(), Arc::clone(&rules), uplink.pace());
        crew.start(config.sources.build(&rules)).unwrap();
        desk.connected(true);
        let desk = Arc::new(desk);
        let watches = Arc::clone(crew.watches());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = Arc::clone(&desk);
        let task = tokio::spawn(async move {
            tokio::select! {
                ended = running.run(&mut crew) => panic!("it ended: {ended:?}"),
                _ = stopped => {}
            }
            crew.stop().await;
        });
        Running {
            desk,
            watches,
            surroundings,
            stop,
            task,
        }
    }
}

struct Running {
    desk: Arc<Desk>,
    watches: Arc<Watches>,
    surroundings: Surroundings,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn batch_ms(&self) -> u128 {
        self.surroundings.settings.batch_interval().as_millis()
    }

    async fn deliver(
        &self,
        wanted: Settings,
        fits: impl Fn(&SettingsState) -> bool,
    ) -> SettingsState {
        self.desk.deliver(wanted);
        self.state(fits).await
    }

    /// The state, once it fits.
    async fn state(&self, fits: impl Fn(&SettingsState) -> bool) -> SettingsState {
        self.until(|| fits(&self.desk.state())).await;
        self.desk.state()
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("it stays {:?}", self.desk.state());
        }
    }

    /// Ends as a process does that is killed.
    async fn end(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }
}

fn batch(batch_ms: u32) -> Settings {
    settings(&format!("[intervals]\nbatch_ms = {batch_ms}\n"))
}

fn is_settled(state: &SettingsState) -> bool {
    !state.on_probation
}

fn kept_file(folder: &Path) -> Option<kept::Kept> {
    kept::read(folder).unwrap()
}

#[tokio::test]
async fn good_settings_pass_and_hold_over_a_restart() {
    let host = Host::new();
    let on = host.start();
    assert_eq!(on.desk.attempted_version(), Some(0));
    let wanted = batch(10_000);
    let version = wanted.version;
    let state = on.deliver(wanted, |state| state.on_probation).await;
    assert_eq!((state.version, state.attempted_version), (version, version));
    let state = on.state(is_settled).await;
    assert_eq!((state.version, state.error.as_str()), (version, ""));
    assert_eq!(on.batch_ms(), 10_000);
    on.until(|| kept_file(host.folder.path()).is_some_and(|kept| kept.good.is_some()))
        .await;
    on.end().await;

    let on = host.start();
    assert_eq!((on.desk.version(), on.batch_ms()), (version, 10_000));
    assert_eq!(on.desk.attempted_version(), Some(version));
    on.end().await;

    // An empty overlay takes them back, for the next start as well.
    let on = host.start();
    on.deliver(Settings::default(), |state| state.version == 0)
        .await;
    on.until(|| kept_file(host.folder.path()).is_none()).await;
    on.until(|| on.batch_ms() == 5_000).await;
    on.end().await;
    assert!(Desk::new(&host.config).start().is_none());
}

#[tokio::test]
async fn a_crash_on_probation_rolls_back_and_the_version_is_not_tried_again() {
    let mut host = Host::new();
    host.config.settings.probation_ms = 600_000;
    let on = host.start();
    let wanted = batch(10_000);
    on.deliver(wanted.clone(), |state| state.on_probation).await;
    on.end().await;

    // Nobody noted a stop.
    let on = host.start();
    let state = on.desk.state();
    assert_eq!(
        (state.version, state.attempted_version),
        (0, wanted.version)
    );
    assert!(state.rolled_back && state.error.contains("ended without being stopped"));
    assert_eq!(on.batch_ms(), 5_000);
    let again = on.deliver(wanted.clone(), |state| state.rolled_back).await;
    assert_eq!(again, state);
    assert_eq!(on.batch_ms(), 5_000);
    on.until(|| kept_file(host.folder.path()).is_some_and(|kept| kept.trial.is_none()))
        .await;
    on.end().await;

    // Through further starts, until others passed.
    host.config.settings.probation_ms = 1_000;
    let on = host.start();
    assert_eq!(on.desk.attempted_version(), Some(0));
    on.deliver(wanted.clone(), |state| state.rolled_back).await;
    let other = batch(20_000);
    on.deliver(other.clone(), |state| {
        is_settled(state) && state.version == other.version
    })
    .await;
    let state = on
        .deliver(wanted.clone(), |state| state.version == wanted.version)
        .await;
    assert!(state.on_probation && !state.rolled_back);
    on.end().await;
}

#[tokio::test]
async fn an_orderly_stop_is_no_crash() {
    let mut host = Host::new();
    host.config.settings.probation_ms = 600_000;
    let on = host.start();
    let wanted = batch(10_000);
    on.deliver(wanted.clone(), |state| state.on_probation).await;
    on.desk.stopped().await;
    on.end().await;
    let on = host.start();
    let state = on.desk.state();
    assert!(state.on_probation && state.version == wanted.version);
    assert_eq!(on.batch_ms(), 10_000);
    on.end().await;
    // That start crashed.
    let on = host.start();
    assert!(on.desk.state().rolled_back);
    on.end().await;
}

#[tokio::test]
async fn a_source_that_fails_under_settings_takes_them_back() {
    let host = Host::new();
    let on = host.start();
    let units = Arc::clone(&on.watches.all()[0]);
    on.until(|| units.outcomes().good > 0).await;
    let wanted =
        settings("[sources.units]\nwatch = [\"bad.service\"]\n[intervals]\nbatch_ms = 9000\n");
    let state = on.deliver(wanted.clone(), |state| state.rolled_back).await;
    assert_eq!(
        (state.version, state.attempted_version),
        (0, wanted.version)
    );
    assert!(state.error.contains("source units worked before"));
    on.until(|| on.batch_ms() == 5_000).await;
    // The source reads again, under the watch that it had.
    let runs = units.outcomes().good;
    on.until(|| units.outcomes().good > runs).await;
    assert_eq!(on.watches.all().len(), 1);
    on.end().await;
}

#[tokio::test]
async fn a_source_is_turned_off_and_on_again() {
    let host = Host::new();
    let on = host.start();
    let units = Arc::clone(&on.watches.all()[0]);
    on.until(|| units.outcomes().good > 0).await;
    let off = settings("[sources.units]\nenabled = false\n");
    on.deliver(off, |state| is_settled(state) && state.version != 0)
        .await;
    on.until(|| !units.is_running()).await;
    let runs = units.outcomes().good;
    on.deliver(Settings::default(), |state| state.version == 0)
        .await;
    on.until(|| units.is_running() && units.outcomes().good > runs)
        .await;
    on.end().await;
}

#[tokio::test]
async fn a_connection_that_does_not_come_back_takes_them_back() {
    let host = Host::new();
    let on = host.start();
    let wanted = batch(10_000);
    on.deliver(wanted, |state| state.on_probation).await;
    on.desk.connected(false);
    let state = on.state(is_settled).await;
    assert!(state.rolled_back && state.error.contains("connection to the collector"));
    on.until(|| on.batch_ms() == 5_000).await;
    on.end().await;
}

#[tokio::test]
async fn nothing_is_tried_that_could_not_be_written_down() {
    let host = Host::new();
    let on = host.start();
    fs::create_dir(host.folder.path().join(format!("{}.new", kept::FILE))).unwrap();
    let state = on
        .deliver(batch(10_000), |state| !state.error.is_empty())
        .await;
    assert!(
        state.error.contains("does not take a note"),
        "{}",
        state.error
    );
    assert!(!state.rolled_back && state.version == 0);
    assert_eq!(on.batch_ms(), 5_000);
    on.end().await;
}

#[tokio::test]
async fn what_a_damaged_or_hostile_collector_sends_changes_nothing() {
    let host = Host::new();
    let on = host.start();
    let of = |overlay: &[u8]| Settings {
        version: crmscope_proto::overlay::version_of(overlay),
        overlay: overlay.to_vec(),
    };
    for (wanted, reason) in [
        (of(b"\xff\xfe"), "they are no text"),
        (of(b"{"), "cannot be read"),
        (of(b"{\"state_dir\":\"/\"}"), "state_dir is not among"),
        (
            of(b"{\"sources.units.program\":\"/bin/sh\"}"),
            "sources.units.program is not among",
        ),
        (of(b"{\"intervals.batch_ms\":1}"), "intervals.batch_ms is 1"),
        (of(&vec![b' '; 70_000]), "have 70000 bytes"),
        (
            Settings {
                version: 5,
                ..batch(10_000)
            },
            "damaged",
        ),
        (
            Settings {
                version: 0,
                ..batch(10_000)
            },
            "",
        ),
    ] {
        let version = wanted.version;
        let state = on
            .deliver(wanted, |state| state.attempted_version == version)
            .await;
        assert!(state.error.contains(reason), "{}", state.error);
        assert!(!state.on_probation && state.version == 0);
        assert_eq!(on.batch_ms(), 5_000);
    }
    assert_eq!(kept_file(host.folder.path()), None);
    on.end().await;
}

#[tokio::test]
async fn a_damaged_file_is_none_and_is_delivered_again() {
    let host = Host::new();
    fs::write(host.folder.path().join(kept::FILE), "crmset01 what?").unwrap();
    let on = host.start();
    assert_eq!(on.desk.attempted_version(), Some(0));
    let wanted = batch(10_000);
    on.deliver(wanted.clone(), |state| {
        is_settled(state) && state.version == wanted.version
    })
    .await;
    on.until(|| kept::read(host.folder.path()).is_ok()).await;
    on.end().await;
}

#[tokio::test]
async fn settings_that_no_longer_fit_the_hosts_own_file_are_refused_at_the_start() {
    let mut host = Host::new();
    host.config.sources.host.rare_interval_ms = 120_000;
    let on = host.start();
    let wanted = settings("[sources.host]\ninterval_ms = 60000\n");
    on.deliver(wanted.clone(), |state| {
        is_settled(state) && state.version == wanted.version
    })
    .await;
    on.until(|| kept_file(host.folder.path()).is_some_and(|kept| kept.good.is_some()))
        .await;
    on.end().await;
    host.config.sources.host.rare_interval_ms = 10_000;
    let on = host.start();
    let state = on.desk.state();
    assert_eq!(
        (state.version, state.attempted_version),
        (0, wanted.version)
    );
    assert!(state.error.contains("rare_interval_ms"), "{}", state.error);
    on.end().await;
}

#[tokio::test]
async fn a_host_that_takes_none_says_so_and_keeps_nothing() {
    let mut host = Host::new();
    host.config.settings.from_collector = false;
    fs::write(host.folder.path().join(kept::FILE), "not even looked at").unwrap();
    let on = host.start();
    assert_eq!(on.desk.attempted_version(), None);
    on.desk.deliver(batch(10_000));
    assert_eq!(on.desk.state(), SettingsState::default());
    assert!(!on.desk.takes());
    on.end().await;
}
