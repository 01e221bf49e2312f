//! A key that is kept elsewhere, behind JSON-RPC, such as web3signer or a node's own signer.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{TxEip1559, TxEnvelope, transaction::Transaction as _},
    eips::eip2718::Decodable2718 as _,
    primitives::{Address, Bytes, U64, U128, U256},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use super::{Endpoint, Signed, Signer, SignerError};

/// Longest wait for an answer. A signer may ask a person or a device.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A signer that is asked with `eth_signTransaction`.
///
/// It is not trusted beyond its key: what comes back must be the transaction that was asked for, field by field, signed by
/// the key it was asked of.
#[derive(Clone, Debug)]
pub struct RemoteSigner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: reqwest::Client,
    url: Url,
    endpoint: Endpoint,
    address: Address,
}

/// An answer of JSON-RPC 2.0.
#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// What `eth_signTransaction` returns: the transaction alone, or with more around it.
#[derive(Deserialize)]
#[serde(untagged)]
enum SignedAnswer {
    Bare(Bytes),
    Wrapped { raw: Bytes },
}

impl RemoteSigner {
    /// A signer at `url` for the key of `address`, which it must have.
    ///
    /// # Errors
    /// [`SignerError::Unreachable`], or [`SignerError::Refused`] if the signer does not have the key.
    pub async fn connect(url: Url, address: Address) -> Result<Self, SignerError> {
        let endpoint = Endpoint::from(&url);
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        let unusable = |reason: String| SignerError::Unreachable { endpoint: endpoint.clone(), reason };
        let client = client.map_err(|error| unusable(error.without_url().to_string()))?;
        let signer = Self { shared: Arc::new(Shared { client, url, endpoint: endpoint.clone(), address }) };
        let accounts: Vec<Address> = signer.ask("eth_accounts", json!([])).await?;
        if accounts.contains(&address) {
            return Ok(signer);
        }
        Err(signer.refused(format!("{endpoint} has no such key")))
    }

    async fn ask<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, SignerError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let sent = self.shared.client.post(self.shared.url.clone()).json(&request).send().await;
        let answer = sent.map_err(|error| self.unreachable(error))?.json::<Answer<T>>().await;
        match answer.map_err(|error| self.unreachable(error))? {
            Answer { result: Some(result), error: None } => Ok(result),
            Answer { error: Some(refusal), .. } => Err(self.refused(refusal.message)),
            Answer { result: None, error: None } => Err(self.refused(String::from("the answer is empty"))),
        }
    }

    /// Whether what came back is what was asked for.
    fn check(&self, asked: &TxEip1559, raw: Bytes) -> Result<Signed, SignerError> {
        let decoded = TxEnvelope::decode_2718_exact(raw.as_ref());
        let signed = decoded.map_err(|error| self.dishonest(format!("it is no transaction: {error}")))?;
        let TxEnvelope::Eip1559(signed) = signed else {
            return Err(self.dishonest(String::from("it is of another type")));
        };
        if let Some(field) = difference(asked, signed.tx()) {
            return Err(self.dishonest(format!("{field} differs")));
        }
        let key = signed.signature().recover_address_from_prehash(&signed.signature_hash());
        if key.ok() != Some(self.shared.address) {
            return Err(self.dishonest(String::from("another key signed it")));
        }
        Ok(Signed { hash: *signed.hash(), raw })
    }

    fn refused(&self, reason: String) -> SignerError {
        SignerError::Refused { account: self.shared.address, reason }
    }

    fn unreachable(&self, error: reqwest::Error) -> SignerError {
        SignerError::Unreachable { endpoint: self.shared.endpoint.clone(), reason: error.without_url().to_string() }
    }

    fn dishonest(&self, reason: String) -> SignerError {
        SignerError::Dishonest { endpoint: self.shared.endpoint.clone(), reason }
    }
}

impl Signer for RemoteSigner {
    fn address(&self) -> Address {
        self.shared.address
    }

    async fn sign(&self, transaction: TxEip1559) -> Result<Signed, SignerError> {
        let answer = self.ask("eth_signTransaction", json!([request(self.shared.address, &transaction)])).await?;
        let (SignedAnswer::Bare(raw) | SignedAnswer::Wrapped { raw }) = answer;
        self.check(&transaction, raw)
    }
}

/// The transaction in the words of JSON-RPC.
fn request(from: Address, transaction: &TxEip1559) -> Value {
    json!({
        "type": "0x2",
        "from": from,
        "to": transaction.to(),
        "gas": U64::from(transaction.gas_limit),
        "maxFeePerGas": U128::from(transaction.max_fee_per_gas),
        "maxPriorityFeePerGas": U128::from(transaction.max_priority_fee_per_gas),
        "nonce": U64::from(transaction.nonce),
        "value": transaction.value,
        "data": transaction.input,
        "chainId": U256::from(transaction.chain_id),
        "accessList": [],
    })
}

/// The first field that differs.
fn difference(asked: &TxEip1559, got: &TxEip1559) -> Option<&'static str> {
    let fields = [
        ("the chain id", asked.chain_id == got.chain_id),
        ("the nonce", asked.nonce == got.nonce),
        ("the gas limit", asked.gas_limit == got.gas_limit),
        ("the highest fee", asked.max_fee_per_gas == got.max_fee_per_gas),
        ("the priority fee", asked.max_priority_fee_per_gas == got.max_priority_fee_per_gas),
        ("the recipient", asked.to == got.to),
        ("the value", asked.value == got.value),
        ("the data", asked.input == got.input),
        ("the access list", asked.access_list == got.access_list),
    ];
    fields.into_iter().find(|(_, is_same)| !is_same).map(|(name, _)| name)
}
