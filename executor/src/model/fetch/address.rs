//! Which addresses a download may lead to.
//!
//! Hubs send large files from other servers. Those are named by the hub, and what a name means is up to whoever holds the
//! name, so neither is trusted with the network behind this machine.

use std::{
    env,
    error::Error,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::{
    dns::{Name, Resolve, Resolving},
    redirect,
};
use url::Url;

const MAX_REDIRECTS: usize = 5;

/// Variables that name a proxy, which is often in the own network.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Nobody can listen on the way to this address.
pub(super) fn is_private(url: &Url) -> bool {
    let this_machine = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || this_machine
}

/// Hubs send large files from other servers, so redirects are followed: a few, never to a less private address, and never
/// from one host into the network behind this machine.
pub(super) fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let refusal = attempt.previous().last().and_then(|from| refused_redirect(from, attempt.url()));
        if let Some(reason) = refusal {
            attempt.error(reason)
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("it leads from one address to the next without end")
        } else {
            attempt.follow()
        }
    })
}

/// Why a redirect is not followed, if it is not.
fn refused_redirect(from: &Url, to: &Url) -> Option<&'static str> {
    if is_private(from) && !is_private(to) {
        Some("it leads from https to plain http")
    } else if from.host() != to.host() && is_internal(to) {
        Some("it leads from another host into this machine's own network")
    } else {
        None
    }
}

/// Whether an address is this machine's or of the network that it is in, and so none of a public server.
fn is_internal(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => is_internal_v4(address),
        Some(url::Host::Ipv6(address)) => is_internal_v6(address),
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.strip_suffix(".localhost").is_some()
        }
        None => true,
    }
}

const fn is_internal_v4(address: Ipv4Addr) -> bool {
    let own = address.is_loopback() || address.is_unspecified();
    own || address.is_link_local() || address.is_private() || is_shared(address)
}

/// 100.64.0.0/10, which providers share among their customers (RFC 6598).
const fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

fn is_internal_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => is_internal_v6(address),
    }
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    let own = address.is_loopback() || address.is_unspecified();
    let network = address.is_unique_local() || address.is_unicast_link_local();
    own || network || carried_v4(address).is_some_and(is_internal_v4)
}

/// The IPv4 address that an IPv6 address stands for: compatible or mapped (RFC 4291), or translated by NAT64 (RFC 6052).
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

/// Finds the addresses of a name.
#[derive(Clone)]
pub(super) struct Lookup(Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>);

impl Lookup {
    /// As the system does.
    pub(super) fn system() -> Self {
        Self(Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })))
    }

    /// Names with one address each.
    #[cfg(test)]
    pub(super) fn fixed(names: &[(&str, &str)]) -> Self {
        let names: std::collections::BTreeMap<String, IpAddr> =
            names.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
        Self(Arc::new(move |name| {
            let found = names.get(&name).map(|address| vec![SocketAddr::new(*address, 0)]);
            Box::pin(async move { found.ok_or_else(|| io::ErrorKind::NotFound.into()) })
        }))
    }
}

/// Gives the client no address of the own network for a name, unless the operator named the host.
pub(super) struct GuardedResolver {
    lookup: Lookup,
    /// The hub, and proxies.
    trusted: Vec<String>,
}

impl GuardedResolver {
    pub(super) fn new(endpoint: &Url, lookup: Lookup) -> Arc<Self> {
        let proxies = PROXIES.iter().filter_map(|name| env::var(name).ok());
        Arc::new(Self {
            lookup,
            trusted: endpoint
                .host_str()
                .map(lower)
                .into_iter()
                .chain(proxies.filter_map(|proxy| host(&proxy)))
                .collect(),
        })
    }
}

/// The host of a proxy, with a scheme or without.
fn host(proxy: &str) -> Option<String> {
    let url = Url::parse(proxy).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("http://{proxy}")).ok())?;
    url.host_str().map(lower)
}

fn lower(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_trusted = self.trusted.contains(&lower(name.as_str()));
        let found = (self.lookup.0)(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = found.await?;
            // One is enough: which of them is connected to is not decided here.
            if !is_trusted && addresses.iter().any(|address| is_internal_address(address.ip())) {
                return Err(InternalAddress { name: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(addresses.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}

/// A name means an address of the own network, and nobody here named it.
#[derive(Debug)]
pub(super) struct InternalAddress {
    name: String,
}

impl InternalAddress {
    /// Whether an error comes from one.
    pub(super) fn caused(error: &reqwest::Error) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for InternalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it leads to {}, which means an address of this machine's own network", self.name)
    }
}

impl Error for InternalAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leads_to_plain_http_or_from_another_host_into_the_own_network() {
        let refused = |from: &str, to: &str| refused_redirect(&from.parse().unwrap(), &to.parse().unwrap());
        for to in ["http://hub/x", "http://other/x", "http://10.0.0.1/x"] {
            assert_eq!(refused("https://hub/x", to), Some("it leads from https to plain http"), "{to}");
        }
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "[::1]",
            "[::]",
            "[fc00::1]",
            "[fe80::1]",
            "[64:ff9b::a9fe:a9fe]",
            "[::a00:1]",
            "[::ffff:10.0.0.1]",
            "localhost",
            "localhost.",
            "x.localhost",
        ] {
            let to = format!("https://{host}/x");
            let reason = Some("it leads from another host into this machine's own network");
            assert_eq!(refused("https://hub/x", &to), reason, "{to}");
            assert_eq!(refused("http://hub/x", &to), reason, "{to}");
        }
        for (from, to) in [
            ("https://hub/x", "https://cdn/y"),
            ("http://hub/x", "http://cdn/y"),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:2/y"),
            ("https://10.0.0.1/x", "https://10.0.0.1/y"),
            ("https://hub/x", "https://172.32.0.1/y"),
            ("https://hub/x", "https://[2001:db8::1]/y"),
        ] {
            assert_eq!(refused(from, to), None, "{from} {to}");
        }
    }

    fn resolve(endpoint: &str, name: &str, address: &str) -> Result<Vec<SocketAddr>, String> {
        let resolver = GuardedResolver::new(&endpoint.parse().unwrap(), Lookup::fixed(&[(name, address)]));
        let found = futures::executor::block_on(resolver.resolve(name.parse().unwrap()));
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_that_nobody_chose_means_no_address_of_the_own_network() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            let error = resolve("https://hub.test", "cdn.test", address).unwrap_err();
            assert!(error.contains("cdn.test") && error.contains("own network"), "{error}");
        }
        for address in ["192.0.2.1", "2001:db8::1", "64:ff9b::c000:201", "100.128.0.1", "100.63.0.1"] {
            assert_eq!(resolve("https://hub.test", "cdn.test", address).unwrap().len(), 1, "{address}");
        }
    }

    #[test]
    fn a_hub_of_the_own_network_is_the_operators_choice() {
        assert!(resolve("https://hub.test", "hub.test", "10.0.0.1").is_ok());
        assert!(resolve("https://Hub.test.", "hub.test", "10.0.0.1").is_ok());
        assert!(resolve("https://hub.test", "x.hub.test", "10.0.0.1").is_err());
    }

    #[test]
    fn the_host_of_a_proxy_is_found_in_every_form() {
        for proxy in ["http://user:word@Proxy.test:3128", "proxy.test:3128", "socks5://proxy.test"] {
            assert_eq!(host(proxy).as_deref(), Some("proxy.test"), "{proxy}");
        }
        assert_eq!(host(""), None);
    }
}
