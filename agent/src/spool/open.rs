//! Opening a spool: from a directory to lanes, or to a spool in memory where the disk takes none yet.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::v1::DropRange;

use super::batches::lane_states_of;
use super::damage::Damaged;
use super::disk::{DeadlineDisk, Disk, FirstDisk, RealDisk};
use super::health::Health;
use super::lane::LaneSpool;
use super::segment::Segment;
use super::{Config, Spool, SpoolError, identity, position};

/// Time between attempts to move a spool from memory to a disk that did not take it.
const SETTLE_INTERVAL: Duration = Duration::from_secs(10);

impl Spool {
    /// Opens the spool below `path`, or creates it.
    ///
    /// # Errors
    /// When the directory cannot be read or written, or another agent has it. Damage is no error.
    pub fn open(path: &Path, config: Config) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let disk = DeadlineDisk::new(Arc::new(RealDisk)).map_err(|error| SpoolError::Disk {
            path: path.to_owned(),
            error,
        })?;
        Self::open_or_hold(&(Arc::new(disk) as Arc<dyn Disk>), path, config)
    }

    /// A spool in memory for as long as the process lasts. It never moves to a disk, and what is in
    /// it at the end is lost with its id.
    ///
    /// # Errors
    /// When memory refuses, which it does not.
    pub fn in_memory() -> Result<Self, SpoolError> {
        let config = Config {
            metrics_max_bytes: Config::QUOTA_MIN_BYTES,
            requests_max_bytes: Config::QUOTA_MIN_BYTES,
            security_max_bytes: Config::QUOTA_MIN_BYTES,
            presence_max_bytes: Config::QUOTA_MIN_BYTES,
            ..Config::default()
        };
        let disk = Arc::new(FirstDisk::new(Arc::new(RealDisk)));
        let (mut spool, _) = Self::open_on(disk, Path::new("memory"), config)?;
        spool.settles = false;
        Ok(spool)
    }

    /// Holds a new spool in memory, where the disk does not take one yet.
    pub(crate) fn open_or_hold(
        disk: &Arc<dyn Disk>,
        path: &Path,
        config: Config,
    ) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let health = match Self::open_on(Arc::clone(disk), path, config.clone()) {
            Err(SpoolError::Disk { error, .. })
                if error.kind() != io::ErrorKind::PermissionDenied
                    && Self::is_new(disk.as_ref(), path) =>
            {
                let mut health = Health::new(path);
                health.bad(&error);
                health
            }
            Ok((spool, _)) if !spool.identified && Self::is_new(disk.as_ref(), path) => {
                spool.health.clone()
            }
            outcome => return outcome,
        };
        let first = Arc::new(FirstDisk::new(Arc::clone(disk)));
        let (mut spool, lost) = Self::open_on(first, path, config)?;
        spool.health = health;
        Ok((spool, lost))
    }

    /// Whether nothing of a spool is there, for certain.
    pub(super) fn is_new(disk: &dyn Disk, path: &Path) -> bool {
        let has_no_segments = |lane: Lane| match Segment::list(disk, &path.join(lane.name())) {
            Ok(segments) => segments.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        identity::stored(disk, path).is_ok_and(|id| id.is_none())
            && Lane::BY_URGENCY.into_iter().all(has_no_segments)
    }

    /// Moves a spool that is held in memory to the disk, once that takes it.
    pub(super) fn settle(&mut self, now: Instant) {
        if !self.settles
            || !self.disk.is_in_memory()
            || self.settle_due.is_some_and(|due| now < due)
        {
            return;
        }
        self.settle_due = Some(now + SETTLE_INTERVAL);
        self.lanes.iter_mut().for_each(LaneSpool::close);
        match self.disk.settle(&self.path.join("lock")) {
            Ok(lock) => {
                self._lock = lock;
                self.health.good();
            }
            Err(error) => self.health.bad(&error),
        }
    }

    /// The same on a disk of any kind.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        config: Config,
    ) -> Result<(Self, Vec<DropRange>), SpoolError> {
        let refused = |error| SpoolError::Disk {
            path: path.to_owned(),
            error,
        };
        disk.create_directory(path).map_err(refused)?;
        let lock = disk.lock(&path.join("lock")).map_err(refused)?;
        let Some(lock) = lock else {
            return Err(SpoolError::InUse {
                path: path.to_owned(),
            });
        };
        let mut damaged = Damaged::new(Arc::clone(&disk), path);
        let stored_id = identity::stored(disk.as_ref(), path).map_err(refused)?;
        let (mut lost, mut recorded) = (Vec::new(), Vec::new());
        let (mut numbering_lost, mut first_batch, mut last_batch) = (false, None, None);
        let mut open_lane = |lane| -> Result<LaneSpool, SpoolError> {
            let (spool, damage) =
                LaneSpool::open(&disk, path, lane, stored_id.is_some()).map_err(refused)?;
            damaged.keep(lane, damage.pieces);
            lost.extend(damage.lost);
            recorded.extend(damage.drops);
            numbering_lost |= damage.numbering_lost;
            first_batch = first_batch.take().or(damage.first_batch);
            last_batch = damage.last_batch;
            Ok(spool)
        };
        let mut lanes = [
            open_lane(Lane::Metrics)?,
            open_lane(Lane::Requests)?,
            open_lane(Lane::Security)?,
            open_lane(Lane::Presence)?,
        ];
        // The presence lane came last.
        for state in last_batch.map_or_else(Vec::new, |batch| lane_states_of(&batch, stored_id)) {
            if let Some(position) = state.lane().position() {
                lanes[position].was_acknowledged(state.acked_sequence);
                lanes[position].was_head(state.chain.as_ref());
            }
        }
        let earlier_id = stored_id.or_else(|| identity::of_batch(&first_batch?));
        let spool_id = earlier_id
            .filter(|_| !numbering_lost)
            .unwrap_or_else(identity::draw);
        let mut spool = Self {
            disk,
            path: path.to_owned(),
            config,
            spool_id,
            identified: stored_id == Some(spool_id),
            lanes,
            damaged,
            health: Health::new(path),
            unrecorded: Vec::new(),
            renumbered: false,
            appended_bytes: 0,
            settles: true,
            settle_due: None,
            _lock: lock,
        };
        if numbering_lost {
            // Numbers that were used must not come again under the id they were used with.
            spool.identify()?;
        } else if let Err(SpoolError::Disk { error, .. }) = spool.identify() {
            // Tried again before anything is appended.
            spool.health.bad(&error);
        }
        // What is missing was given out under the id of then.
        let lost_id = earlier_id.unwrap_or(spool_id).to_wire();
        for range in &mut lost {
            range.spool_id.clone_from(&lost_id);
        }
        let finished = spool.finish_drops(&recorded, &lost_id);
        if numbering_lost {
            spool.begin_numbering()?;
        }
        if let Err(SpoolError::Disk { error, .. }) = finished {
            spool.health.bad(&error);
        }
        spool.look();
        let lost = lost
            .iter()
            .flat_map(|range| spool.lanes[position(range.lane())].unreported(range))
            .collect();
        Ok((spool, lost))
    }

    /// Stores the id. Durable before the first batch that carries it.
    pub(super) fn identify(&mut self) -> Result<(), SpoolError> {
        if !self.identified {
            identity::store(self.disk.as_ref(), &self.path, self.spool_id)
                .map_err(|error| self.refused(error))?;
            self.identified = true;
        }
        Ok(())
    }
}
