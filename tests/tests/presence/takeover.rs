//! Three collectors on Kafka: whoever watches may be killed, and each fault stays one incident.

use crmscope_tests::fleet::{Fleet, Part, Size};
use crmscope_tests::{gate, wait_for};

/// Kind, agent, and whether it is over, of every incident; every row that was ever written of one counts
/// as it is now.
fn incidents(fleet: &Fleet) -> Vec<String> {
    let sql = "SELECT concat(kind, ' ', agent_id, if(ended_ms > 0, ' over', '')) FROM incidents FINAL \
               ORDER BY agent_id, began_ms";
    fleet.query(sql).unwrap_or_default()
}

fn wait_incidents(fleet: &Fleet, want: &[&str]) {
    wait_for("the incidents", || match incidents(fleet) {
        told if told == want => Ok(()),
        told => Err(format!("{told:?} instead of {want:?}")),
    });
}

/// Who watches over the hosts: by its own log, the last who said so.
fn watching(fleet: &Fleet) -> usize {
    let said = |number: usize| {
        let log = fleet.log(&fleet.collectors[number].name);
        let line = log
            .lines()
            .rfind(|line| line.contains("this collector watches over the hosts"))?;
        // Lines begin with their time.
        Some((line.get(..27)?.to_owned(), number))
    };
    let last = (0..fleet.collectors.len()).filter_map(said).max();
    last.expect("somebody watches").1
}

#[test]
fn a_fault_is_one_incident_though_the_watch_is_killed() {
    if !gate::kafka() {
        return;
    }
    let size = Size {
        agents: 5,
        collectors: 3,
        brokers: 1,
        lines_per_s: 1,
    };
    let mut random = fastrand::Rng::with_seed(1);
    let mut fleet = Fleet::start(&size, &mut random);
    let up = "SELECT count() FROM (SELECT agent_id, argMax(state, changed_at) AS state FROM host_states GROUP BY agent_id) WHERE state = 'up'";
    wait_for("all to be up", || match fleet.text(up).trim() {
        "5" => Ok(()),
        count => Err(count.to_owned()),
    });
    let silent = |number: usize| format!("host_silent {}", fleet.agents[number].name);
    let [first, second] = [silent(0), silent(1)];

    // Found by one, and over for another.
    fleet.kill(Part::Agent(0));
    wait_incidents(&fleet, &[&first]);
    let watch = watching(&fleet);
    fleet.kill(Part::Collector(watch));
    fleet.begin(Part::Agent(0));
    let first = format!("{first} over");
    wait_incidents(&fleet, &[&first]);
    fleet.begin(Part::Collector(watch));

    // Nobody watched when it fell.
    let watch = watching(&fleet);
    fleet.kill(Part::Collector(watch));
    fleet.kill(Part::Agent(1));
    wait_incidents(&fleet, &[&first, &second]);
    fleet.begin(Part::Collector(watch));
    fleet.begin(Part::Agent(1));
    wait_incidents(&fleet, &[&first, &format!("{second} over")]);
    let rows = "SELECT count() FROM incidents WHERE kind != 'host_silent'";
    assert_eq!(fleet.text(rows).trim(), "0");
}
