//! `ackproof cleanup`: what a run that was killed has left in a cluster of the user's is
//! removed, what its faults broke, by commands or in containers, is healed, and what is
//! left of an application is ended.

use std::fmt::Write as _;
use std::io;

use engine::{Removal, Resource};
use model::plan::{OwnNames, PlannedCluster, RunPlan};

use proxy::HostPortError;
use security::ClientSecurity;

use crate::args::{CleanupArgs, ResolveArgs, ResolvedAddress};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::run_dir::{RunDir, RunDirError};
use crate::secured;
use model::scenario::words::counted;

#[derive(Debug, thiserror::Error)]
enum CleanupError {
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("{0} left")]
    Left(String),
}

/// `ackproof cleanup`.
pub(crate) async fn cleanup(args: &CleanupArgs) -> Result<Exit, Failure> {
    let dir = RunDir::open(&args.dir);
    let plan = dir.plan().map_err(RunDirError::into_failure)?;
    let resolve = resolved_then(&plan, &args.resolve)?;
    let security = secured::reach(args.command_config.as_deref(), &resolve)?;
    let going_on = |error| {
        Failure::usage(&error).hint(
            "it removes what is its own when it ends, or when it is interrupted (Ctrl-C); nothing \
             was changed",
        )
    };
    let _hold = dir.hold().map_err(going_on)?;
    let mut interrupt =
        Interrupt::listen().map_err(|error| Failure::environment(&CleanupError::Signals(error)))?;
    let Some(cluster) = &plan.cluster else {
        let healing = tokio::select! {
            healing = engine::heal_after(dir.path(), &plan) => healing,
            () = interrupt.happened() => return Err(Failure::interrupted()),
        };
        if healing == Removal::default() {
            print("nothing to clean up: this run used brokers of its own, which ended with it\n")?;
            return Ok(Exit::Held);
        }
        print(&told(&plan, &healing))?;
        return all_gone(&healing);
    };
    // Of a copy, the run may go on in the directory that was copied.
    let first = cluster.run_dir.as_deref().map(RunDir::open);
    let _first = match first.map(|first| first.hold()) {
        Some(Err(error @ RunDirError::Running { .. }))
            if !dir.is_at(cluster.run_dir.as_deref()) =>
        {
            return Err(going_on(error));
        }
        held => held,
    };
    // First: the cluster may not answer before.
    let healing = tokio::select! {
        healing = engine::heal_after(dir.path(), &plan) => healing,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    if healing != Removal::default() {
        print(&told(&plan, &healing))?;
    }
    let bootstrap = cluster.bootstrap.join(",");
    note(&format!("looking at the cluster at {bootstrap}\n"));
    let removed = tokio::select! {
        removed = async {
            let security = located(cluster, security).await;
            engine::clean_up_after(&plan, security).await
        } => removed,
        () = interrupt.happened() => return Err(Failure::interrupted()),
    };
    let removal = removed.map_err(|error| match &error {
        engine::EngineError::ForeignName { .. } => Failure::usage(&error),
        _ => Failure::environment(&error).hint("nothing was changed; try again when it answers"),
    })?;
    print(&told(&plan, &removal))?;
    all_gone(&Removal {
        removed: removal.removed,
        left: [healing.left, removal.left].concat(),
    })
}

/// How brokers in containers are reached now: what was started again may have another
/// address.
async fn located(cluster: &PlannedCluster, then: ClientSecurity) -> ClientSecurity {
    let Some(file) = &cluster.compose else {
        return then;
    };
    match engine::compose_brokers(file, &then).await {
        Ok(found) => found.security,
        Err(error) => {
            note(&format!("{error}; looking where the brokers were\n"));
            then
        }
    }
}

/// Where the brokers are: as is said now, or as it was said to the run.
fn resolved_then(plan: &RunPlan, now: &ResolveArgs) -> Result<ResolveArgs, Failure> {
    let Some(cluster) = plan.cluster.as_ref().filter(|_| now.resolve.is_empty()) else {
        return Ok(now.clone());
    };
    let then = cluster.resolve.iter();
    let then = then.map(|(advertised, place)| {
        let address = |text: &str| {
            text.parse()
                .map_err(|error: HostPortError| Failure::usage(&error))
        };
        Ok(ResolvedAddress {
            advertised: address(advertised)?,
            place: address(place)?,
        })
    });
    let resolve = then.collect::<Result<_, Failure>>()?;
    Ok(ResolveArgs { resolve })
}

fn all_gone(removal: &Removal) -> Result<Exit, Failure> {
    let mut left = removal.left.iter();
    let is_fault = left.any(|it| matches!(it.thing, Resource::Fault(_)));
    match u64::try_from(removal.left.len()).unwrap_or(u64::MAX) {
        0 => Ok(Exit::Held),
        left => Err(
            Failure::environment(&CleanupError::Left(counted(left, "thing"))).hint(if is_fault {
                "try again; carry out the `heal` command by hand if it fails again"
            } else {
                "try again; what stays can be deleted with Kafka's own tools (kafka-topics.sh \
             --delete, kafka-consumer-groups.sh --delete)"
            }),
        ),
    }
}

fn told(plan: &RunPlan, removal: &Removal) -> String {
    let mut out = String::new();
    for thing in &removal.removed {
        let done = match thing {
            Resource::Application(_) => "ended",
            Resource::Fault(_) => "healed",
            Resource::Topic(_) | Resource::Group(_) => "deleted",
        };
        let _ = writeln!(out, "{done} {thing}");
    }
    for left in &removal.left {
        let _ = writeln!(out, "left {left}");
    }
    if out.is_empty() {
        let names = plan.scenarios.iter().filter_map(|it| OwnNames::of(it).ok());
        let (topics, groups) = names.fold((0, 0), |(topics, groups), names| {
            (topics + names.topics().len(), groups + names.groups().len())
        });
        let count = |count: usize, one: &str| counted(u64::try_from(count).unwrap_or(0), one);
        let _ = writeln!(
            out,
            "nothing to do: of the run's {} and {}, none is there",
            count(topics, "topic"),
            count(groups, "group"),
        );
    }
    out
}
