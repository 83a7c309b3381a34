//! Pure: events in, findings out; findings, contract and evidence in, verdict out.
