//! Transactions that wait, by the rules of geth's pool.

use std::collections::BTreeMap;

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256},
};

/// Percent by which both fees of a transaction must be raised to replace it (geth's `PriceBump`).
const PRICE_BUMP: u128 = 10;

/// What the pool must know of a sender: its next nonce and its balance in wei.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
}

/// What the pool must know of the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) chain_id: u64,
    /// Gas of a block.
    pub(crate) gas_limit: u64,
}

/// A signed transaction with its sender, recovered from the signature.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) transaction: TxEip1559,
    /// Its place in the order of arrival.
    arrival: u64,
}

impl Pooled {
    /// Wei per gas for the block's builder at a base fee; `None` if the offer does not cover the base fee.
    pub(crate) fn tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction.effective_tip_per_gas(base_fee)
    }

    /// The most it can cost its sender, in wei.
    pub(crate) fn cost(&self) -> U256 {
        let gas = U256::from(self.transaction.gas_limit) * U256::from(self.transaction.max_fee_per_gas);
        gas.saturating_add(self.transaction.value)
    }

    /// Whom it calls; transactions that create a contract are not taken.
    pub(crate) fn to(&self) -> Address {
        self.transaction.to.to().copied().unwrap_or_default()
    }
}

/// Every waiting transaction, by sender and nonce. Those behind a gap are kept until it is filled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    waiting: BTreeMap<Address, BTreeMap<u64, Pooled>>,
    arrivals: u64,
}

impl Pool {
    /// Takes a signed transaction in the encoding of EIP-2718 in, or says in geth's words why not.
    pub(crate) fn add(
        &mut self,
        raw: &Bytes,
        rules: Rules,
        sender: impl FnOnce(Address) -> Sender,
    ) -> Result<B256, String> {
        let pooled = decode(raw, self.arrivals)?;
        self.check(&pooled, rules, sender(pooled.sender))?;
        Ok(self.insert(pooled))
    }

    /// How many transactions of the account wait without a gap after `nonce`.
    pub(crate) fn executable(&self, account: Address, nonce: u64) -> u64 {
        let Some(own) = self.waiting.get(&account) else { return 0 };
        (nonce..u64::MAX).take_while(|nonce| own.contains_key(nonce)).count() as u64
    }

    /// Whether the transaction waits.
    pub(crate) fn holds(&self, hash: B256) -> bool {
        self.all().any(|pooled| pooled.hash == hash)
    }

    /// All that wait, by sender and nonce.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pooled> {
        self.waiting.values().flat_map(BTreeMap::values)
    }

    /// The first of those that a block can take now: by tip, then by arrival. `next` tells a sender's next nonce.
    pub(crate) fn best(&self, base_fee: u64, next: impl Fn(Address) -> Option<u64>) -> Option<&Pooled> {
        let ready = self.waiting.iter().filter_map(|(sender, own)| own.get(&next(*sender)?));
        let paying = ready.filter_map(|pooled| Some((pooled.tip(base_fee)?, pooled)));
        let first = |(tip, pooled): &(u128, &Pooled)| (std::cmp::Reverse(*tip), pooled.arrival);
        paying.min_by_key(first).map(|(_, pooled)| pooled)
    }

    /// Takes those out whose nonce is used up.
    pub(crate) fn prune(&mut self, next: impl Fn(Address) -> u64) {
        for (sender, own) in &mut self.waiting {
            *own = own.split_off(&next(*sender));
        }
        self.waiting.retain(|_, own| !own.is_empty());
    }

    /// Forgets a transaction, as nodes do that are short of memory.
    pub(crate) fn forget(&mut self, hash: B256) {
        self.waiting.values_mut().for_each(|own| own.retain(|_, pooled| pooled.hash != hash));
        self.waiting.retain(|_, own| !own.is_empty());
    }

    /// Takes one back that was in a block of a branch now left. One of the same nonce that came meanwhile goes before.
    pub(crate) fn put_back(&mut self, pooled: Pooled) {
        self.waiting.entry(pooled.sender).or_default().entry(pooled.transaction.nonce).or_insert(pooled);
    }

    fn insert(&mut self, pooled: Pooled) -> B256 {
        self.arrivals += 1;
        let hash = pooled.hash;
        self.waiting.entry(pooled.sender).or_default().insert(pooled.transaction.nonce, pooled);
        hash
    }

    fn check(&self, pooled: &Pooled, rules: Rules, sender: Sender) -> Result<(), String> {
        if self.holds(pooled.hash) {
            return Err(String::from("already known"));
        }
        check_form(&pooled.transaction, rules)?;
        let nonce = pooled.transaction.nonce;
        if nonce < sender.nonce {
            return Err(format!("nonce too low: next nonce {}, tx nonce {nonce}", sender.nonce));
        }
        let replaced = self.waiting.get(&pooled.sender).and_then(|own| own.get(&nonce));
        self.check_funds(pooled, replaced, sender)?;
        if replaced.is_some_and(|old| !outbids(&pooled.transaction, &old.transaction)) {
            return Err(String::from("replacement transaction underpriced"));
        }
        Ok(())
    }

    /// The balance must cover all that waits of the sender.
    fn check_funds(&self, pooled: &Pooled, replaced: Option<&Pooled>, sender: Sender) -> Result<(), String> {
        let (cost, balance) = (pooled.cost(), sender.balance);
        let of_sender = self.waiting.get(&pooled.sender).into_iter().flat_map(BTreeMap::values);
        let queued = of_sender.map(Pooled::cost).fold(U256::ZERO, U256::saturating_add);
        let queued = queued.saturating_sub(replaced.map_or(U256::ZERO, Pooled::cost));
        if queued.saturating_add(cost) > balance {
            return Err(format!(
                "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}"
            ));
        }
        Ok(())
    }
}

fn decode(raw: &Bytes, arrival: u64) -> Result<Pooled, String> {
    let envelope = TxEnvelope::decode_2718_exact(raw).map_err(|error| error.to_string())?;
    let TxEnvelope::Eip1559(signed) = envelope else { return Err(String::from("transaction type not supported")) };
    let (transaction, signature, hash) = signed.into_parts();
    let sender = signature.recover_address_from_prehash(&transaction.signature_hash());
    let sender = sender.map_err(|_| String::from("invalid sender"))?;
    Ok(Pooled { hash, sender, transaction, arrival })
}

/// What can be said of a transaction without the state.
fn check_form(transaction: &TxEip1559, rules: Rules) -> Result<(), String> {
    let (have, want) = (transaction.chain_id, rules.chain_id);
    if have != want {
        return Err(format!("invalid chain id for signer: have {have} want {want}"));
    }
    if transaction.gas_limit > rules.gas_limit {
        return Err(String::from("exceeds block gas limit"));
    }
    if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas {
        return Err(String::from("max priority fee per gas higher than max fee per gas"));
    }
    if transaction.max_priority_fee_per_gas == 0 {
        return Err(String::from("transaction underpriced: gas tip cap 0, minimum needed 1"));
    }
    if matches!(transaction.to, TxKind::Create) {
        return Err(String::from("contract creation is not simulated: deploy through the factory"));
    }
    Ok(())
}

/// Whether both fees are raised by the least bump.
fn outbids(new: &TxEip1559, old: &TxEip1559) -> bool {
    let enough = |new: u128, old: u128| new > old && new >= old.saturating_mul(100 + PRICE_BUMP).div_euclid(100);
    enough(new.max_fee_per_gas, old.max_fee_per_gas)
        && enough(new.max_priority_fee_per_gas, old.max_priority_fee_per_gas)
}

/// The raw form of a transaction signed elsewhere, for tests of this module.
#[cfg(test)]
fn encode(transaction: TxEip1559, key: &alloy::signers::local::PrivateKeySigner) -> Bytes {
    use alloy::{eips::eip2718::Encodable2718 as _, signers::SignerSync as _};
    let signature = key.sign_hash_sync(&transaction.signature_hash()).unwrap();
    transaction.into_signed(signature).encoded_2718().into()
}

#[cfg(test)]
mod tests {
    use alloy::signers::local::PrivateKeySigner;
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { chain_id: 31_337, gas_limit: 30_000_000 };
    const RICH: Sender = Sender { nonce: 3, balance: U256::MAX };

    fn key(number: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).unwrap()
    }

    fn offer(nonce: u64, max_fee: u128, tip: u128) -> TxEip1559 {
        TxEip1559 {
            chain_id: 31_337,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(Address::repeat_byte(7)),
            ..TxEip1559::default()
        }
    }

    fn add(pool: &mut Pool, transaction: TxEip1559) -> Result<B256, String> {
        pool.add(&encode(transaction, &key(1)), RULES, |_| RICH)
    }

    #[test]
    fn transactions_that_geth_refuses_are_refused_in_its_words() {
        let refused = [
            (TxEip1559 { chain_id: 1, ..offer(3, 100, 10) }, "invalid chain id for signer: have 1 want 31337"),
            (TxEip1559 { gas_limit: 30_000_001, ..offer(3, 100, 10) }, "exceeds block gas limit"),
            (offer(3, 100, 101), "max priority fee per gas higher than max fee per gas"),
            (offer(3, 100, 0), "transaction underpriced"),
            (offer(2, 100, 10), "nonce too low: next nonce 3, tx nonce 2"),
        ];
        for (transaction, words) in refused {
            let said = add(&mut Pool::default(), transaction).unwrap_err();
            assert!(said.starts_with(words), "{said}");
        }
        let bytes = Bytes::from_static(b"no transaction");
        assert!(Pool::default().add(&bytes, RULES, |_| RICH).is_err());
    }

    #[test]
    fn what_waits_already_is_known_and_counts_against_the_balance() {
        let mut pool = Pool::default();
        let cost = U256::from(21_000u64 * 100);
        let sender = |_| Sender { nonce: 3, balance: cost + U256::from(1) };
        let [first, second] = [3, 4].map(|nonce| encode(offer(nonce, 100, 10), &key(1)));
        pool.add(&first, RULES, sender).unwrap();
        assert_eq!(pool.add(&first, RULES, sender).unwrap_err(), "already known");
        assert!(pool.add(&second, RULES, sender).unwrap_err().starts_with("insufficient funds"));
        let dearer = encode(offer(3, 110, 11), &key(1));
        assert!(pool.add(&dearer, RULES, sender).unwrap_err().starts_with("insufficient funds"));
    }

    #[test]
    fn replacement_must_raise_both_fees_by_a_tenth() {
        for (max_fee, tip, taken) in [(110, 11, true), (109, 11, false), (110, 10, false), (200, 10, false)] {
            let mut pool = Pool::default();
            add(&mut pool, offer(3, 100, 10)).unwrap();
            let answer = add(&mut pool, offer(3, max_fee, tip));
            assert_eq!(answer.is_ok(), taken, "{max_fee} {tip}: {answer:?}");
            assert_eq!(pool.all().count(), 1);
        }
    }

    #[test]
    fn transaction_behind_a_gap_waits_until_it_is_filled() {
        let mut pool = Pool::default();
        add(&mut pool, offer(4, 100, 10)).unwrap();
        assert_eq!(pool.executable(key(1).address(), 3), 0);
        assert!(pool.best(50, |_| Some(3)).is_none());
        add(&mut pool, offer(3, 100, 10)).unwrap();
        assert_eq!(pool.executable(key(1).address(), 3), 2);
        pool.prune(|_| 4);
        assert_eq!(pool.best(50, |_| Some(4)).unwrap().transaction.nonce, 4);
        assert!(pool.best(101, |_| Some(4)).is_none(), "it does not cover that base fee");
    }

    #[test]
    fn highest_tip_goes_first_then_who_came_first() {
        let mut pool = Pool::default();
        for (number, max_fee, tip) in [(1, 100, 10), (2, 100, 30), (3, 100, 30), (4, 55, 50)] {
            pool.add(&encode(offer(3, max_fee, tip), &key(number)), RULES, |_| RICH).unwrap();
        }
        let mut order = Vec::new();
        while let Some(best) = pool.best(50, |_| Some(3)) {
            let hash = best.hash;
            order.push(best.sender);
            pool.forget(hash);
        }
        assert_eq!(order, [2, 3, 1, 4].map(|number| key(number).address()), "the fourth can give 5 only");
    }

    proptest! {
        /// Whatever is offered, of each nonce the last one taken waits, and each one taken outbids that before it.
        #[test]
        fn one_transaction_of_a_nonce_waits_and_fees_only_rise(
            offers in prop::collection::vec((3..6u64, 1..400u128, 1..400u128), 0..24),
        ) {
            let mut pool = Pool::default();
            let mut taken: BTreeMap<u64, TxEip1559> = BTreeMap::new();
            for (nonce, max_fee, tip) in offers {
                let offered = offer(nonce, max_fee, tip);
                if add(&mut pool, offered.clone()).is_ok()
                    && let Some(old) = taken.insert(nonce, offered.clone())
                {
                    prop_assert!(offered.max_fee_per_gas * 100 >= old.max_fee_per_gas * 110 - 99);
                    prop_assert!(offered.max_priority_fee_per_gas > old.max_priority_fee_per_gas);
                }
            }
            let waiting: Vec<_> = pool.all().map(|pooled| pooled.transaction.clone()).collect();
            prop_assert_eq!(waiting, taken.into_values().collect::<Vec<_>>());
        }
    }
}
