//! A door in front of a relay: closed, every connection through it breaks, and its address stays taken.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

use crate::world::start_relay;

pub(crate) struct Door {
    open: watch::Sender<bool>,
    url: Url,
}

impl Door {
    /// A door, and a relay in memory behind it.
    pub(crate) async fn new(is_open: bool) -> Self {
        let behind = start_relay().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (open, state) = watch::channel(is_open);
        tokio::spawn(keep(listener, behind, state));
        Self { open, url }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.open.send_replace(is_open);
    }
}

async fn keep(listener: TcpListener, behind: Url, state: watch::Receiver<bool>) {
    let relay = behind.socket_addrs(|| None).unwrap()[0];
    while let Ok((mut outside, _)) = listener.accept().await {
        let mut state = state.clone();
        tokio::spawn(async move {
            let through = async {
                let mut inside = TcpStream::connect(relay).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            };
            tokio::select! {
                biased;
                _ = state.wait_for(|open| !open) => {}
                () = through => {}
            }
        });
    }
}
