use std::fmt;

use url::Url;

/// Names a node in messages. The parts of a URL that carry API keys (user name, password, path, query) are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// A chain that is not reached over the network, such as a simulated one.
    pub fn local(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<&Url> for Endpoint {
    fn from(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let has_more = url.path().len() > 1 || url.query().is_some();
        Self(format!("{}://{host}{port}{}", url.scheme(), if has_more { "/..." } else { "" }))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Endpoint::from(&url.parse::<Url>().unwrap()).to_string()
    }

    #[test]
    fn secrets_in_a_url_are_not_shown() {
        assert_eq!(
            shown("https://alice:swordfish@node.example:8545/v3/0123?key=fedc"),
            "https://node.example:8545/..."
        );
    }

    #[test]
    fn what_identifies_the_node_is_shown() {
        assert_eq!(shown("http://127.0.0.1:8545"), "http://127.0.0.1:8545");
        assert_eq!(shown("https://node.example/?key=fedc"), "https://node.example/...");
    }
}
