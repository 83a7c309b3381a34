//! `--command-config`: how the commands that observe and administer reach a secured cluster,
//! and what is said where none can be reached.

use std::path::Path;

use engine::ProbedAddress;
use proxy::HostPort;
use security::{ClientSecurity, Protocol};
use wire::WireError;

use crate::failure::Failure;
use crate::output::note;

/// At no address is a broker that can be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("no broker answers: {}", in_lines(.0))]
struct NoBroker(Vec<ProbedAddress>);

fn in_lines(probed: &[ProbedAddress]) -> String {
    let lines = probed.iter().map(|it| {
        let remedy = it.listener.remedy_with_config();
        format!("{}: {}; {remedy}", it.at, it.listener)
    });
    lines.collect::<Vec<_>>().join("\n  ")
}

/// What a `client.properties` asks for; PLAINTEXT without one. What it switches off is said.
pub(crate) fn security(file: Option<&Path>) -> Result<ClientSecurity, Failure> {
    let Some(file) = file else {
        return Ok(ClientSecurity::default());
    };
    let read = ClientSecurity::read(file).map_err(|error| Failure::usage(&error))?;
    if !read.checks_host() {
        note(&format!(
            "{}: host names are not checked (ssl.endpoint.identification.algorithm is empty): \
             whoever has a certificate of the same authority can stand in for a broker\n",
            file.display()
        ));
    }
    Ok(read)
}

/// Why no broker could be spoken to: by what it said, or by what listens at the addresses.
pub(crate) async fn unreachable(
    bootstrap: &[HostPort],
    security: &ClientSecurity,
    error: WireError,
) -> Failure {
    // What says what to change is right already; a plain client is not told why.
    if security.protocol() != Protocol::Plaintext {
        return Failure::environment(&error);
    }
    let probed = engine::probe_addresses(bootstrap).await;
    if probed.iter().any(|it| it.listener.is_plain_broker()) {
        Failure::environment(&error)
    } else {
        Failure::environment(&NoBroker(probed))
    }
}
