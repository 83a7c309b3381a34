//! The whole examination of a recorded history: check it, collect the proof of
//! what was found, plant mutants, and check those. Knows nothing of where a
//! history is kept: it asks for it to be opened again for each reading.

use model::claim::Contract;
use model::event::Event;
use model::verdict::Calibration;

use crate::analysis::Analysis;
use crate::calibration::mutants::MutantPass;
use crate::calibration::survey::Survey;
use crate::invariants::guarded;
use crate::limits::Limits;
use crate::passes::driver::{Checker, Pass};
use crate::passes::parallel::{Concurrency, Lanes};
use crate::proof::explain::{Examples, Explainer};

/// Checks the history that `open` opens, with as many examples of each anomaly
/// as are asked for, and calibrates the checker on it.
///
/// The history is read at least three times: to check it, to collect proof and
/// places to plant in, and for each set of mutants that do not disturb each
/// other, which is one set for all but tiny histories. Where something is not
/// as in a healthy history, as it is in one with mutants, checking takes a few
/// readings more.
///
/// Fails only where a reading of the history does. Panics where an invariant of
/// the checker does not hold; [`examine_in`] does not.
pub fn examine<I, E>(
    contract: &Contract,
    examples: Examples,
    mut open: impl FnMut() -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    examine_all(
        Lanes::One,
        Limits::default(),
        contract,
        examples,
        &mut |_| open(),
    )
}

/// The same, in as many lanes as are wanted, which changes nothing but the
/// time that it takes. `open` is told how many read at the same time.
///
/// Fails only where a reading of the history does. Where an invariant of the
/// checker does not hold, the analysis says which, and nothing else.
pub fn examine_in<I, E>(
    lanes: Lanes,
    limits: Limits,
    contract: &Contract,
    examples: Examples,
    mut open: impl FnMut(Concurrency) -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    let examined = guarded(|| examine_all(lanes, limits, contract, examples, &mut open));
    examined.unwrap_or_else(|broken| Ok((Analysis::broken(broken), Vec::new())))
}

fn examine_all<I, E>(
    lanes: Lanes,
    limits: Limits,
    contract: &Contract,
    examples: Examples,
    open: &mut impl FnMut(Concurrency) -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    let mut analysis = check_planted(lanes, limits, None, &mut *open)?;

    let mut explainer = Explainer::new(&analysis, examples);
    let mut survey = Survey::new(contract, &analysis);
    for event in open(Concurrency::One)? {
        let event = event?;
        explainer.observe(&event);
        survey.observe(&event);
    }
    explainer.finish(&mut analysis);
    assert!(
        survey.events() == analysis.events,
        "a history of {} events had {} when its mutants were planned",
        analysis.events,
        survey.events()
    );

    let mutants = survey.plan();
    let mut calibration = Vec::new();
    for pass in mutants.passes() {
        let mutated = check_planted(lanes, limits, Some(pass), &mut *open)?;
        calibration.extend(mutants.compare(pass, &mutated));
    }
    calibration.sort_by_key(|mutant| mutant.anomaly);
    Ok((analysis, calibration))
}

/// Checks what `open` opens, in as many lanes as are wanted.
///
/// Fails only where a reading of the history does.
pub fn check_in<I, E>(
    lanes: Lanes,
    limits: Limits,
    open: impl FnMut(Concurrency) -> Result<I, E>,
) -> Result<Analysis, E>
where
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    check_planted(lanes, limits, None, open)
}

fn check_planted<I, E>(
    lanes: Lanes,
    limits: Limits,
    planting: Option<&MutantPass>,
    mut open: impl FnMut(Concurrency) -> Result<I, E>,
) -> Result<Analysis, E>
where
    I: IntoIterator<Item = Result<Event, E>> + Send,
    E: Send,
{
    let mut checker = Checker::within(limits);
    if planting.is_some() {
        // Mutants are compared by what is found.
        checker = checker.unmeasured();
    }
    loop {
        checker = checker.read(lanes, planting, &mut open)?;
        checker.assert_same_history();
        match checker.end_pass() {
            Pass::Done(analysis) => return Ok(*analysis),
            Pass::Repeat(next) => checker = *next,
        }
    }
}

/// Checks a history, which `feed` feeds to a checker, from its beginning to
/// its end, each time it is called.
///
/// Fails only where feeding does.
pub fn check<E>(
    limits: Limits,
    mut feed: impl FnMut(&mut Checker) -> Result<(), E>,
) -> Result<Analysis, E> {
    let mut checker = Checker::within(limits);
    loop {
        feed(&mut checker)?;
        match checker.end_pass() {
            Pass::Done(analysis) => return Ok(*analysis),
            Pass::Repeat(next) => checker = *next,
        }
    }
}
