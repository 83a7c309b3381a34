//! When a fault counts as landed.

use super::*;

/// A fault on the traffic of one kind that met so much of it.
fn meets(traffic: Traffic, met: TrafficMet) -> bool {
    let mut of = group_story().check();
    let seen = Evidence {
        observation: "seen".to_owned(),
        found: Found::Yes,
        detail: String::new(),
    };
    let record = FaultRecord {
        triggered: Some(ms(1)),
        injected: Some(ms(1)),
        healed: Some(ms(2)),
        evidence: vec![seen],
        met,
        ..FaultRecord::default()
    };
    of.faults.insert(FAULT, record);
    let contract = Contract {
        faults: vec![FaultContract {
            fault: FAULT,
            kind: "network-cut".to_owned(),
            meets: traffic,
        }],
        ..Contract::default()
    };
    judge(&contract, "test", 1, &of, Vec::new()).faults[0].landed
}

#[test]
fn a_fault_lands_on_whatever_traffic_of_its_kind_met_it() {
    for (outstanding, attempted) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let sends = TrafficMet {
            sends_outstanding: outstanding,
            sends_attempted: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, sends), outstanding + attempted > 0);
        let others = TrafficMet {
            commits: outstanding,
            changes_committed: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, others), outstanding + attempted > 0);
        let changes = TrafficMet {
            changes_waiting: outstanding,
            changes_committed: attempted,
            ..TrafficMet::default()
        };
        assert_eq!(
            meets(Traffic::Changes, changes),
            outstanding + attempted > 0
        );
    }
    for (waiting, acknowledged, processed) in [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 1, 0),
        (1, 0, 1),
        (0, 1, 1),
        (1, 1, 1),
    ] {
        let reads = ReadsMet {
            waiting,
            acknowledged,
            processed,
        };
        let met = TrafficMet {
            reads: [(GroupIx::new(0), reads)].into(),
            ..TrafficMet::default()
        };
        let group = "g".to_owned();
        assert_eq!(
            meets(Traffic::Reads { group }, met),
            waiting + acknowledged + processed > 0
        );
    }
    // There may have been no reader of what only waited.
    for (waiting, processed) in [(1, 0), (0, 1)] {
        let reads = ReadsMet {
            waiting,
            processed,
            ..ReadsMet::default()
        };
        let met = TrafficMet {
            reads: [(GroupIx::new(0), reads)].into(),
            ..TrafficMet::default()
        };
        assert_eq!(meets(Traffic::Any, met), processed > 0);
    }
    // What one group met says nothing of another.
    let waiting = ReadsMet {
        waiting: 1,
        ..ReadsMet::default()
    };
    let met = TrafficMet {
        reads: [(GroupIx::new(0), waiting)].into(),
        ..TrafficMet::default()
    };
    let group = "h".to_owned();
    assert!(!meets(Traffic::Reads { group }, met));
}
