//! `--command-config`: how the commands that observe and administer reach a secured cluster,
//! and what is said where none can be reached.

use std::collections::BTreeMap;
use std::path::Path;

use engine::ProbedAddress;
use proxy::HostPort;
use security::{AddressOverrides, ClientSecurity, Protocol};
use wire::WireError;

use crate::args::{ResolveArgs, ResolvedAddress};
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

/// An advertised address is said to be in two places.
#[derive(Debug, thiserror::Error)]
#[error("--resolve says of {advertised} that it is {first}, and that it is {second}")]
struct TwoPlaces {
    advertised: HostPort,
    first: HostPort,
    second: HostPort,
}

/// How a cluster is reached: by what a `client.properties` asks for, PLAINTEXT without one,
/// and where `--resolve` says that its brokers are. What is switched off is said.
pub(crate) fn reach(file: Option<&Path>, resolve: &ResolveArgs) -> Result<ClientSecurity, Failure> {
    let overrides = overrides(&resolve.resolve).map_err(|error| Failure::usage(&error))?;
    Ok(security(file)?.with_overrides(overrides))
}

fn overrides(resolve: &[ResolvedAddress]) -> Result<AddressOverrides, TwoPlaces> {
    let mut seen: BTreeMap<String, &HostPort> = BTreeMap::new();
    for ResolvedAddress { advertised, place } in resolve {
        let name = advertised.to_string().to_ascii_lowercase();
        if let Some(first) = seen.insert(name, place).filter(|first| *first != place) {
            return Err(TwoPlaces {
                advertised: advertised.clone(),
                first: first.clone(),
                second: place.clone(),
            });
        }
    }
    let address = |it: &HostPort| (it.host.clone(), it.port);
    let pairs = resolve.iter();
    Ok(AddressOverrides::new(
        pairs.map(|it| (address(&it.advertised), address(&it.place))),
    ))
}

/// Says which of `--resolve` are for addresses that the cluster does not have.
pub(crate) fn note_without_effect(resolve: &ResolveArgs, known: &[String]) {
    for resolved in &resolve.resolve {
        let advertised = resolved.advertised.to_string();
        if !known.iter().any(|it| it.eq_ignore_ascii_case(&advertised)) {
            note(&format!(
                "--resolve {resolved} has no effect: brokers advertise {}\n",
                known.join(", ")
            ));
        }
    }
}

fn security(file: Option<&Path>) -> Result<ClientSecurity, Failure> {
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
    let probed = engine::probe_addresses(bootstrap, security).await;
    if probed.iter().any(|it| it.listener.is_plain_broker()) {
        Failure::environment(&error)
    } else {
        Failure::environment(&NoBroker(probed))
    }
}
