//! The life of one scenario, from its plan to its closed history. Decides
//! nothing: what happens is in the plan, and what it means is for others to
//! judge.

use model::event::Body;
use model::plan::ScenarioPlan;
use model::scenario::{Effect, GroupStart};
use tokio::sync::watch;

use crate::alerts::{AlertWatcher, stay_quiet, with_alerts};
use crate::app::{AppProgress, Application, end_all};
use crate::cleanup::clean_up;
use crate::configs::EffectiveConfigs;
use crate::created::Created;
use crate::database::Database;
use crate::declare::declare;
use crate::error::EngineError;
use crate::faults::injection::FaultContext;
use crate::observer::Observer;
use crate::observer::preparation::Quotas;
use crate::panics::caught;
use crate::processes::Processes;
use crate::progress::{ProgressEvent, Reporter};
use crate::recording::{End, close, open_history, show_progress};
use crate::scenario_run::ScenarioRun;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::stall::stalled;
use crate::target::Target;
use crate::traffic::{note_not_reached, with_faults, with_replicas, with_tails};
use crate::unhealed::heal_all;
use crate::wait::Wait;
use crate::workload::Workload;

/// Runs one scenario and closes its history however that ended.
pub(crate) async fn run_recorded(
    plan: &ScenarioPlan,
    settings: &Settings,
    progress: &Reporter,
    interrupt: watch::Receiver<bool>,
) -> End {
    let folder = settings.out.join(plan.folder());
    let recorder = match open_history(plan, settings, &folder) {
        Ok(recorder) => recorder,
        Err(error) => {
            progress.send(ProgressEvent::GaveUp {
                reason: error.with_causes(),
            });
            return End::Failed { error };
        }
    };
    let at = ScenarioRun {
        plan,
        settings,
        folder: &folder,
        recorder: &recorder,
        progress,
        created: &Created::default(),
        processes: Processes::default(),
    };
    to_its_end(&at, Box::pin(run_scenario(&at)), interrupt).await
}

/// Carries a scenario to its end. Whatever it waits for, it ends when one of its
/// processes is gone, when nothing comes forward any more, and when an invariant
/// is broken.
async fn to_its_end(
    at: &ScenarioRun<'_>,
    scenario: impl Future<Output = Result<(), EngineError>>,
    mut interrupt: watch::Receiver<bool>,
) -> End {
    let ScenarioRun {
        plan,
        settings,
        recorder,
        progress,
        created,
        ..
    } = *at;
    let shown = show_progress(plan.clone(), recorder.clone(), progress.clone());
    let mut shown = tokio::spawn(caught(shown));
    let outcome = tokio::select! {
        biased;
        _ = interrupt.wait_for(|yes| *yes) => None,
        () = recorder.until(|counts| counts.failure.is_some()) => Some(Err(EngineError::History {
            reason: recorder.counts().failure.unwrap_or_default(),
        })),
        Ok(Err(broken)) = &mut shown => Some(Err(broken)),
        gone = at.processes.first_lost() => Some(Err(gone)),
        stalled = stalled(plan, recorder) => Some(Err(stalled)),
        outcome = caught(scenario) => Some(outcome),
    };
    // Given up or not, its subjects have ended with it by now.
    end_all(plan);
    for left in heal_all(at.folder).await.left {
        progress.send(ProgressEvent::LeftBehind { left });
    }
    remove_created(plan, settings, created, progress).await;
    shown.abort();
    close(recorder, outcome, progress)
}

/// Leaves nothing behind in the user's cluster, or says what.
async fn remove_created(
    plan: &ScenarioPlan,
    settings: &Settings,
    created: &Created,
    progress: &Reporter,
) {
    if plan.prefix.is_some() {
        progress.stage(Stage::CleaningUp);
    }
    for left in clean_up(plan, &settings.brokers, created).await.left {
        progress.send(ProgressEvent::LeftBehind { left });
    }
}

/// The whole way of a scenario, from the start of its target to its end.
async fn run_scenario(at: &ScenarioRun<'_>) -> Result<(), EngineError> {
    let ScenarioRun { plan, recorder, .. } = at;
    at.enter(Stage::Starting);
    declare(plan, recorder);
    let waiting = recorder.waits().begin(Wait::Ready, "");
    let target = Target::start(plan, &at.settings.brokers, at.folder);
    let target = waiting.must(target).await??;
    drop(waiting);
    target.watch(&at.processes);
    if let Err(error) = run_on(&target, at).await {
        // While the processes can still be checked.
        return Err(at.processes.cause_of(error).await);
    }
    at.enter(Stage::Stopping);
    target.stop().await;
    Ok(())
}

/// The way of a scenario on its target, a stage after the other.
async fn run_on(target: &Target, at: &ScenarioRun<'_>) -> Result<(), EngineError> {
    let ScenarioRun {
        plan,
        recorder,
        progress,
        created,
        ..
    } = *at;
    at.enter(Stage::Preparing);
    let mut observer = Observer::connect(&target.direct(), plan, recorder).await?;
    let configs = EffectiveConfigs::default();
    observer.check_features(plan, &configs).await?;
    observer.create_topics(plan, created).await?;
    observer.quotas(plan, Quotas::On).await?;
    observer.find_coordinators(plan).await?;
    let database = Database::prepare(plan, target, &configs, recorder).await?;
    let workload = Workload::new(at, target, &configs)?;
    workload.start_groups(GroupStart::BeforeProducers).await?;
    let app = Application::of(at, target)?;
    let mut app_progress = match &app {
        Some(app) => app.begin().await?,
        None => AppProgress::default(),
    };
    let mut alerts = AlertWatcher::of(plan, at.settings, target.direct(), recorder)?;
    if let Some(alerts) = &mut alerts {
        alerts.begin().await?;
    }

    at.enter(Stage::Traffic);
    let context = FaultContext {
        plan,
        target,
        folder: at.folder,
        groups: &workload.groups,
        database: database.as_ref(),
        app: app.as_ref(),
        recorder,
        progress,
        effect: Effect::Real,
    };
    let traffic_began = recorder.clock().now();
    let traffic = async {
        workload.send(database.as_ref(), traffic_began).await?;
        at.enter(Stage::Draining);
        workload.drain(&mut observer, database.as_ref()).await?;
        if let Some(app) = &app {
            app.drain(&mut observer, &mut app_progress).await?;
        }
        stay_quiet(plan).await;
        Ok(())
    };
    let broken = Box::pin(with_faults(&context, traffic_began, traffic));
    let followed = Box::pin(with_tails(
        plan,
        target,
        recorder,
        database.as_ref(),
        broken,
    ));
    let followed = with_replicas(plan, target, recorder, followed);
    with_alerts(alerts.as_mut(), followed).await?;
    note_not_reached(plan, recorder);
    assert_eq!(
        recorder.counts().faults_open,
        0,
        "no fault is in force when the traffic is over"
    );
    workload.leave().await?;
    if let Some(app) = &app {
        app.leave(&mut observer).await?;
    }
    recorder.note(Body::TrafficEnded);
    // They would slow down the observer too.
    observer.quotas(plan, Quotas::Off).await?;

    at.enter(Stage::ReadingLog);
    observer.note_deleted().await?;
    observer.configs(&configs).await?;
    let written = app.is_some().then_some(&app_progress);
    observer.read_log(progress, written).await?;
    if let Some(app) = &app {
        app.note_listed(&app_progress).await;
    }
    observer.read_replicas(plan, progress).await?;
    observer.read_group_offsets(plan).await?;
    if let Some(database) = &database {
        database.read_tables(recorder).await?;
    }
    configs.write(at.folder)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use history::Reader;
    use secret::Secrets;
    use tokio::sync::mpsc;

    use super::*;
    use crate::clients::Clients;
    use crate::settings::{Brokers, Slots, UserCluster};
    use crate::test_plans::scenario_plan;

    #[tokio::test]
    async fn a_broken_invariant_ends_its_scenario_with_its_text_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let plan = &scenario_plan("consumer-restart");
        let settings = Settings {
            out: dir.path().to_owned(),
            slots: Slots::new(NonZeroUsize::MIN),
            subject: "none".into(),
            clients: Clients::default(),
            brokers: Brokers::Cluster(UserCluster::default()),
            prometheus: None,
        };
        let recorder = open_history(plan, &settings, dir.path()).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let progress = Reporter::new(0, Secrets::default(), &tell);
        let at = ScenarioRun {
            plan,
            settings: &settings,
            folder: dir.path(),
            recorder: &recorder,
            progress: &progress,
            created: &Created::default(),
            processes: Processes::default(),
        };
        let broken = async {
            at.enter(Stage::Traffic);
            // Stages only go forward.
            at.enter(Stage::Starting);
            Ok(())
        };
        let (_stop, interrupt) = watch::channel(false);
        let end = to_its_end(&at, broken, interrupt).await;

        let End::Failed { error } = end else {
            panic!("the scenario did not fail: {end:?}");
        };
        let text = error.with_causes();
        assert!(text.contains("a stage never comes again"), "{text}");
        assert!(text.contains("recorder.rs"), "{text}");
        let mut reasons = Vec::new();
        while let Ok(progress) = told.try_recv() {
            if let ProgressEvent::GaveUp { reason } = progress.event {
                reasons.push(reason);
            }
        }
        assert_eq!(reasons, std::slice::from_ref(&text));
        let history = Reader::open(&dir.path().join(history::FILE_NAME)).unwrap();
        let last = history.last().unwrap().unwrap().body;
        assert_eq!(last, Body::Aborted { reason: text });
    }
}
