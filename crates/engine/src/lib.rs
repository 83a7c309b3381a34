//! Targets, subjects, observer, faults and the run loop; writes a history.
