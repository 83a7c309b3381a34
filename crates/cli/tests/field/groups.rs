//! Groups, when offsets are used again: the log is lost or cut while they are
//! away, or under their hands.

cases![regrow, unclean_group];
