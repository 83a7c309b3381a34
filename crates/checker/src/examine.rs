//! The whole examination of a recorded history: check it, collect the proof of
//! what was found, plant mutants, and check those. Knows nothing of where a
//! history is kept: it asks for it to be opened again for each reading.

use model::claim::Contract;
use model::event::Event;
use model::verdict::Calibration;

use crate::calibrate::Survey;
use crate::checker::{Analysis, Checker};
use crate::explain::{Examples, Explainer};

/// Checks the history that `open` opens, and calibrates the checker on it.
///
/// The history is read at least three times: once to check it, once to
/// collect proof and places to plant in, and once for each set of mutants that
/// do not disturb each other, which is one set for all but tiny histories.
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
    mut open: impl FnMut() -> Result<I, E>,
) -> Result<(Analysis, Vec<Calibration>), E>
where
    I: IntoIterator<Item = Result<Event, E>>,
{
    let mut checker = Checker::new();
    for event in open()? {
        checker.observe(&event?);
    }
    let mut analysis = checker.finish();

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
        let mut checker = Checker::new();
        let mut planting = pass.clone();
        for event in open()? {
            planting.feed(&event?, &mut checker);
        }
        calibration.extend(mutants.compare(pass, &checker.finish()));
    }
    calibration.sort_by_key(|mutant| mutant.anomaly);
    Ok((analysis, calibration))
}
