//! Which client carries out what a scenario asks for. Knows nothing of what it
//! is told to do.

use subject::role::ClientCommand;

/// The client of a producer, of a group's members, or of a transform's, as
/// something that runs on this machine.
pub(crate) const fn client_of<T>(_: &T) -> ClientCommand {
    ClientCommand::BuiltIn
}
