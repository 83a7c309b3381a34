//! The options of `proxy`. What they mean is for the command.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;

use super::ResolveArgs;

const PROXY_HELP: &str = "\
Clients use the address that is printed as their bootstrap server, and nothing
else changes for them: the addresses that brokers advertise are rewritten.

Faults are switched over HTTP:
  curl API/brokers
  curl API/faults
  curl API/faults -H 'Content-Type: application/json' -d '{\"effect\": {\"kind\": \"cut\"}}'
  curl API/faults -H 'Content-Type: application/json' -d '{\"effect\":
    {\"kind\": \"drop-answer\", \"then\": \"reset\",
     \"on\": {\"api\": \"Produce\", \"topic\": \"orders\", \"pick\": {\"first\": 1}}}}'
  curl API/faults/1 -X DELETE
Kinds: cut, refuse, reset, slow-close, latency, bandwidth, drop-answer, delay,
late, error; docs/guides/proxy.md has all of them.

Exit codes:
  0    stopped by Ctrl-C
  2    bad usage
  4    a port is taken, or the cluster does not answer";

#[derive(Debug, Args)]
#[command(after_help = PROXY_HELP)]
pub(crate) struct ProxyArgs {
    /// A broker of the cluster; several are separated by commas
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',')]
    pub(crate) bootstrap: Vec<proxy::HostPort>,
    /// Where clients find the first of these; the others, and every other
    /// broker, are on --ports of the same address
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The ports of the others, in the order of --bootstrap and then as brokers
    /// are seen, so that they can be published [default: free ones]
    #[arg(long, value_name = "FIRST-LAST", value_parser = ports)]
    pub(crate) ports: Option<Ports>,
    /// The host by which clients reach the proxy, if not that address
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Option<String>,
    /// How the brokers are reached, where they ask for TLS or SASL: a
    /// client.properties. Clients speak the same to the proxy, and trust --ca
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) resolve: ResolveArgs,
    /// Where the certificate that clients have to trust is put while the proxy
    /// runs, if they speak TLS; nothing may be there
    #[arg(long, value_name = "FILE", default_value = "proxy-ca.pem")]
    pub(crate) ca: PathBuf,
    /// Where faults are switched
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub(crate) api: SocketAddr,
}

/// Ports from one to another.
pub(crate) type Ports = RangeInclusive<u16>;

fn ports(text: &str) -> Result<Ports, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err("it takes FIRST-LAST, ports from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_a_range() {
        assert_eq!(ports("19092-19094"), Ok(19_092..=19_094));
        assert_eq!(ports("19092"), Ok(19_092..=19_092));
        for wrong in ["", "0-5", "5-4", "1-65536", "a-b", "1-2-3"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
