//! Addresses that are known before anything is deployed.

use alloy::{
    hex,
    primitives::{Address, B256, address, b256, keccak256},
    sol_types::SolValue,
};

use crate::contracts::Create3Factory;

/// The deterministic deployment proxy. Called with a salt and init code, it deploys that code with CREATE2, at the same
/// address on every chain.
pub const DEPLOYMENT_PROXY: Address = address!("0x4e59b44847b379578588920cA78FbF26c0B4956C");

/// Hash of the init code of the small proxy through which CREATE3 deploys (Solady's, the same for everybody).
const CREATE3_PROXY_HASH: B256 = b256!("0x21c35dbe1b344a2488cf3321d6ce542f8e9f305544ff09e4993a62319a497c1f");

/// The salt of the factory itself.
pub(super) const FACTORY_SALT: B256 = B256::ZERO;

/// Where the factory is on every chain.
pub fn factory_address() -> Address {
    DEPLOYMENT_PROXY.create2(FACTORY_SALT, keccak256(&Create3Factory::BYTECODE))
}

/// Where `deployer` deploys with `salt` through the factory, whatever it deploys: `Create3Factory.addressOf`.
pub fn create3_address(deployer: Address, salt: B256) -> Address {
    let own_salt = keccak256((deployer, salt).abi_encode());
    let proxy = factory_address().create2(own_salt, CREATE3_PROXY_HASH);
    proxy.create(1)
}

/// A call of the proxy that deploys the factory.
pub(super) fn factory_creation() -> Vec<u8> {
    [FACTORY_SALT.as_slice(), &Create3Factory::BYTECODE].concat()
}

/// The proxy's own code, for chains that are made from nothing.
pub const DEPLOYMENT_PROXY_CODE: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);
