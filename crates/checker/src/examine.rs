//! The whole examination of a recorded history: check it, collect the proof of
//! what was found, plant mutants, and check those. Knows nothing of where a
//! history is kept: it asks for it to be opened again for each reading.

use model::claim::Contract;
use model::event::Event;
use model::verdict::Calibration;

use crate::calibrate::Survey;
use crate::checker::{Analysis, Checker, Turn};
use crate::explain::{Examples, Explainer};
use crate::limits::Limits;

/// Checks the history that `open` opens, and calibrates the checker on it.
///
/// The history is read at least three times: to check it, to collect proof and
/// places to plant in, and for each set of mutants that do not disturb each
/// other, which is one set for all but tiny histories. Where something is not
/// as in a healthy history, as it is in one with mutants, checking takes a few
/// readings more.
///
/// Fails only where a reading of the history does.
pub fn examine<I, E>(
    contract: &Contract,
    open: impl FnMut() -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>>,
{
    examine_showing(contract, Examples::default(), open)
}

/// The same, with as many examples of each anomaly as are asked for.
///
/// Fails only where a reading of the history does.
pub fn examine_showing<I, E>(
    contract: &Contract,
    examples: Examples,
    open: impl FnMut() -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>>,
{
    examine_within(Limits::default(), contract, examples, open)
}

/// The same, with a checker that holds no more than the limits allow.
pub fn examine_within<I, E>(
    limits: Limits,
    contract: &Contract,
    examples: Examples,
    mut open: impl FnMut() -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>>,
{
    let mut analysis = check(limits, |checker| {
        for event in open()? {
            checker.observe(&event?);
        }
        Ok(())
    })?;

    let mut explainer = Explainer::new(&analysis, examples);
    let mut survey = Survey::new(contract, &analysis);
    for event in open()? {
        let event = event?;
        explainer.observe(&event);
        survey.observe(&event);
    }
    explainer.finish(&mut analysis);

    let mutants = survey.plan();
    let mut calibration = Vec::new();
    for pass in mutants.passes() {
        let mutated = check(limits, |checker| {
            let mut planting = pass.clone();
            for event in open()? {
                planting.feed(&event?, checker);
            }
            Ok(())
        })?;
        calibration.extend(mutants.compare(pass, &mutated));
    }
    calibration.sort_by_key(|mutant| mutant.anomaly);
    Ok((analysis, calibration))
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
        match checker.turn() {
            Turn::Settled(analysis) => return Ok(*analysis),
            Turn::Again(next) => checker = *next,
        }
    }
}
