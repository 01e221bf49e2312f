//! Endpoints that lag, lie and fail.

use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::runtime::Builder;
use xenon_protocol::chain::SendError;

use super::*;

/// With a clock, which the limits need.
fn block_on<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// An endpoint that does as it is told.
#[derive(Clone, Debug, Default)]
struct Node(Arc<Conduct>);

#[derive(Debug, Default)]
struct Conduct {
    /// The newest block; 0 for no answer.
    head: AtomicU64,
    /// Whether it takes requests and never answers.
    hangs: AtomicBool,
    /// Which of several pasts it tells of.
    fork: AtomicU64,
    /// Transactions that were handed to it.
    sent: AtomicU64,
    /// Reads other than those of heads and blocks.
    read: AtomicU64,
}

impl Node {
    fn at(head: u64) -> Self {
        let node = Self::default();
        node.go_to(head);
        node
    }

    fn go_to(&self, head: u64) {
        self.0.head.store(head, Ordering::Relaxed);
    }

    async fn hang(&self) {
        if self.0.hangs.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    fn lie(&self) {
        self.0.fork.store(1, Ordering::Relaxed);
    }

    fn reads(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// The head, if it answers.
    fn answer(&self) -> Result<u64, ChainError> {
        match self.0.head.load(Ordering::Relaxed) {
            0 => Err(ChainError::Unreachable { endpoint: Endpoint::local("a node"), reason: String::from("down") }),
            head => Ok(head),
        }
    }

    fn block_at(&self, number: u64) -> Head {
        let hash = |number: u64| {
            let fork = self.0.fork.load(Ordering::Relaxed);
            B256::from(U256::from(number * 10 + fork))
        };
        let (parent, timestamp) = (number.saturating_sub(1), 1_000 + number);
        Head { number, hash: hash(number), parent_hash: hash(parent), timestamp, base_fee: 1 }
    }
}

impl Chain for Node {
    fn chain_id(&self) -> u64 {
        7
    }

    async fn head(&self) -> Result<Head, ChainError> {
        self.hang().await;
        self.answer().map(|head| self.block_at(head))
    }

    async fn block(&self, number: u64) -> Result<Option<Head>, ChainError> {
        Ok((number <= self.answer()?).then(|| self.block_at(number)))
    }

    async fn logs(&self, _: &LogFilter) -> Result<Vec<EventLog>, ChainError> {
        Ok(vec![])
    }

    async fn call(&self, _: Address, _: &Call) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn balance(&self, _: Address) -> Result<U256, ChainError> {
        self.0.read.fetch_add(1, Ordering::Relaxed);
        self.answer().map(U256::from)
    }
}

impl Mempool for Node {
    async fn transaction_count(&self, _: Address, _: At) -> Result<u64, ChainError> {
        self.answer()
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        Ok(Fees { base_fee: 1, priority_fee: 1 })
    }

    async fn estimate_gas(&self, _: Address, _: &Call) -> Result<u64, ChainError> {
        Ok(1)
    }

    async fn send_raw(&self, _: &Bytes) -> Result<B256, SendError> {
        self.hang().await;
        self.answer()?;
        match self.0.sent.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(B256::ZERO),
            _ => Err(SendError::AlreadyKnown { reason: String::new() }),
        }
    }

    async fn inclusion(&self, transaction_hash: B256) -> Result<Option<Inclusion>, ChainError> {
        self.hang().await;
        let block = self.block_at(self.answer()?);
        let (block_number, block_hash) = (block.number, block.hash);
        let found = (block_number > 1).then_some(Inclusion {
            transaction_hash,
            block_number,
            block_hash,
            succeeded: true,
            gas_used: 1,
            gas_price: 1,
            logs: vec![],
        });
        Ok(found)
    }
}

const CONFIG: EndpointConfig = EndpointConfig { max_lag: 2, fail_after: 2, recover_after: 2 };

fn endpoints(nodes: &[Node]) -> Endpoints<Node> {
    let name = |index: usize| Endpoint::local(&format!("node {index}"));
    let endpoints = Endpoints::new(name(0), nodes[0].clone(), CONFIG);
    for (index, node) in nodes.iter().enumerate().skip(1) {
        endpoints.add(name(index), node.clone()).unwrap();
    }
    endpoints
}

#[test]
fn what_two_endpoints_contradict_is_not_acted_on() {
    let nodes = [Node::at(5), Node::at(5)];
    let endpoints = endpoints(&nodes);
    assert_eq!(block_on(endpoints.head()).unwrap().number, 5);
    nodes[1].lie();
    for heads in [(5, 5), (5, 6), (6, 5)] {
        nodes[0].go_to(heads.0);
        nodes[1].go_to(heads.1);
        assert_eq!(block_on(endpoints.head()).unwrap_err().code(), "XP-313", "{heads:?}");
    }
}

#[test]
fn one_that_contradicts_two_others_is_left_whoever_was_read() {
    for liar in 0..3 {
        let nodes = [Node::at(5), Node::at(5), Node::at(5)];
        let endpoints = endpoints(&nodes);
        nodes[liar].lie();
        if liar == 0 {
            assert_eq!(block_on(endpoints.head()).unwrap_err().code(), "XP-313", "nothing is done at first");
        }
        let head = block_on(endpoints.head()).unwrap();
        assert_eq!(head.hash, nodes[(liar + 1) % 3].block_at(5).hash, "liar {liar}");
    }
}

#[test]
fn endpoint_of_another_chain_is_refused() {
    let (endpoints, other) = (endpoints(&[Node::at(5)]), Endpoint::local("another"));
    let wrong = Endpoints::<Node> { chain_id: 8, ..endpoints };
    assert_eq!(wrong.add(other, Node::at(5)).unwrap_err().code(), "XP-303");
}

#[test]
fn inclusion_in_two_blocks_is_not_believed_and_in_one_it_is() {
    let nodes = [Node::at(5), Node::at(5)];
    let endpoints = endpoints(&nodes);
    assert!(block_on(endpoints.inclusion(B256::ZERO)).unwrap().is_some());
    nodes[1].go_to(1);
    assert!(block_on(endpoints.inclusion(B256::ZERO)).unwrap().is_some(), "the other one lags");
    nodes[1].go_to(5);
    nodes[1].lie();
    assert_eq!(block_on(endpoints.inclusion(B256::ZERO)).unwrap_err().code(), "XP-313");
}

#[test]
fn read_goes_to_another_endpoint_when_one_does_not_answer_and_back_only_when_that_fails() {
    let nodes = [Node::at(5), Node::at(5)];
    let endpoints = endpoints(&nodes);
    nodes[0].go_to(0);
    assert_eq!(block_on(endpoints.balance(Address::ZERO)).unwrap(), U256::from(5));
    for _ in 0..2 {
        assert_eq!(block_on(endpoints.head()).unwrap().number, 5);
    }
    assert_eq!(endpoints.current(), Endpoint::local("node 1"));
    nodes[0].go_to(6);
    for _ in 0..9 {
        block_on(endpoints.head()).unwrap();
    }
    let before = nodes[0].reads();
    block_on(endpoints.balance(Address::ZERO)).unwrap();
    assert_eq!(nodes[0].reads(), before, "the one in use is healthy");
    nodes[1].go_to(0);
    for _ in 0..2 {
        block_on(endpoints.head()).unwrap();
    }
    assert_eq!(endpoints.current(), Endpoint::local("node 0"));
}

#[test]
fn one_that_never_answers_keeps_nobody_waiting() {
    let nodes = [Node::at(5), Node::at(5), Node::at(5)];
    let endpoints = endpoints(&nodes);
    nodes[0].0.hangs.store(true, Ordering::Relaxed);
    assert_eq!(block_on(endpoints.head()).unwrap().number, 5);
    block_on(endpoints.send_raw(&Bytes::new())).unwrap();
    assert!(block_on(endpoints.inclusion(B256::ZERO)).unwrap().is_some());
}

#[test]
fn what_one_of_two_tells_of_a_far_future_is_not_acted_on() {
    let nodes = [Node::at(5), Node::at(u64::MAX / 20)];
    let endpoints = endpoints(&nodes);
    nodes[1].lie();
    for _ in 0..4 {
        assert_eq!(block_on(endpoints.head()).unwrap_err().code(), "XP-313");
    }
}

#[test]
fn nothing_is_made_up_when_no_endpoint_answers() {
    let nodes = [Node::at(0), Node::at(0)];
    let endpoints = endpoints(&nodes);
    assert_eq!(block_on(endpoints.head()).unwrap_err().code(), "XP-302");
    assert_eq!(block_on(endpoints.balance(Address::ZERO)).unwrap_err().code(), "XP-302");
    assert_eq!(block_on(endpoints.send_raw(&Bytes::new())).unwrap_err().code(), "XP-302");
}

#[test]
fn transaction_goes_to_all_and_is_sent_when_one_has_it() {
    let nodes = [Node::at(0), Node::at(5), Node::at(5)];
    let endpoints = endpoints(&nodes);
    block_on(endpoints.send_raw(&Bytes::new())).unwrap();
    let again = block_on(endpoints.send_raw(&Bytes::new())).unwrap_err();
    assert_eq!(again.code(), "XP-331");
    assert_eq!(nodes.map(|node| node.0.sent.load(Ordering::Relaxed)), [0, 2, 2]);
}
