//! What every unit of gas of a transaction was spent on.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, U256};
use revm::{
    Inspector,
    bytecode::opcode::{
        CALL, CALLCODE, DELEGATECALL, KECCAK256, LOG0, LOG1, LOG2, LOG3, LOG4, SLOAD, SSTORE, STATICCALL,
    },
    interpreter::{
        CallInputs, CallOutcome, FrameInput, Interpreter, InterpreterAction,
        interpreter_types::{Jumps as _, LoopControl as _},
    },
};

/// EIP-2929: the first touch of a slot in a transaction. A read costs this; a write costs it on top.
const COLD_SLOT: u64 = 2_100;
/// EIP-2929: the first touch of an account in a transaction.
const COLD_ACCOUNT: u64 = 2_600;
/// EIP-2929: a later touch of a slot or an account.
const WARM: u64 = 100;
/// EIP-2200: a slot that was zero before the transaction becomes something.
const SET: u64 = 20_000;
/// EIP-2200 and EIP-2929: the first change of another slot in a transaction, its first touch apart.
const RESET: u64 = 2_900;
/// What a call with value hands its callee for nothing.
const STIPEND: u64 = 2_300;
/// EIP-3529: at most this part of the gas of a transaction comes back.
const MAX_REFUND: u64 = 5;

/// How often, and for how much gas.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) times: u64,
    pub(crate) gas: u64,
}

impl Cost {
    fn add(&mut self, gas: u64) {
        self.times += 1;
        self.gas += gas;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.times += other.times;
        self.gas += other.gas;
    }
}

/// What one storage slot cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotCost {
    /// First touches in a transaction, by a read or a write.
    pub(crate) cold: Cost,
    /// Later reads.
    pub(crate) warm: Cost,
    /// Writes that filled a zero slot.
    pub(crate) filled: Cost,
    /// First writes of a transaction that changed one value to another.
    pub(crate) changed: Cost,
    /// First writes of a transaction that made the slot zero.
    pub(crate) cleared: Cost,
    /// Writes of what was written before in the same transaction, or of the value that stood there.
    pub(crate) again: Cost,
    /// What comes back at the end of the transaction.
    pub(crate) refund: i64,
}

impl SlotCost {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.cold.merge(other.cold);
        self.warm.merge(other.warm);
        self.filled.merge(other.filled);
        self.changed.merge(other.changed);
        self.cleared.merge(other.cleared);
        self.again.merge(other.again);
        self.refund += other.refund;
    }

    /// Gas before refunds.
    fn gross(&self) -> u64 {
        [self.cold, self.warm, self.filled, self.changed, self.cleared, self.again].iter().map(|cost| cost.gas).sum()
    }

    /// Gas less refunds.
    pub(crate) fn net(&self) -> i64 {
        self.gross().cast_signed() - self.refund
    }
}

/// What one contract spent on other things than storage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Calls of contracts that the transaction had not touched before.
    pub(crate) cold_calls: Cost,
    /// Other calls.
    pub(crate) warm_calls: Cost,
    /// Events.
    pub(crate) logs: Cost,
    /// Hashes.
    pub(crate) hashes: Cost,
    /// All other instructions.
    pub(crate) rest: Cost,
}

impl Work {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.cold_calls.merge(other.cold_calls);
        self.warm_calls.merge(other.warm_calls);
        self.logs.merge(other.logs);
        self.hashes.merge(other.hashes);
        self.rest.merge(other.rest);
    }

    pub(crate) fn gas(&self) -> u64 {
        [self.cold_calls, self.warm_calls, self.logs, self.hashes, self.rest].iter().map(|cost| cost.gas).sum()
    }
}

/// One transaction's execution.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) slots: BTreeMap<(Address, U256), SlotCost>,
    pub(crate) work: BTreeMap<Address, Work>,
}

impl Trace {
    /// The gas of a receipt, from the trace and what the transaction cost before its first instruction, and the
    /// refunds above what may come back.
    pub(crate) fn gas_used(&self, intrinsic: u64) -> (u64, u64) {
        let refund: u64 = self.slots.values().map(|slot| slot.refund).sum::<i64>().unsigned_abs();
        let paid = intrinsic
            + self.slots.values().map(SlotCost::gross).sum::<u64>()
            + self.work.values().map(Work::gas).sum::<u64>();
        let returned = refund.min(paid / MAX_REFUND);
        (paid - returned, refund - returned)
    }
}

/// The instruction that runs, as it was before.
#[derive(Debug)]
struct Step {
    opcode: u8,
    contract: Address,
    remaining: u64,
    refunded: i64,
    /// The two topmost words of the stack: a slot and its new value, or an offset and a length.
    first: U256,
    second: U256,
}

/// Sees every instruction and keeps a [`Trace`] of each transaction.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    /// Of the transactions that have ended, in order.
    traces: Vec<Trace>,
    /// The two words whose hash is the key: what names the elements of mappings.
    preimages: HashMap<U256, (U256, U256)>,
    current: Trace,
    depth: usize,
    step: Option<Step>,
}

impl Tracer {
    /// The transactions since the last time.
    pub(crate) fn take(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.traces)
    }

    /// All two-word hashes seen: a mapping's key and its slot, by the hash.
    pub(crate) fn preimages(&self) -> &HashMap<U256, (U256, U256)> {
        &self.preimages
    }

    fn charge(&mut self, step: &Step, interpreter: &mut Interpreter) {
        let gas = step.remaining - interpreter.gas.remaining();
        let work = self.current.work.entry(step.contract).or_default();
        match step.opcode {
            SLOAD | SSTORE => {
                let slot = self.current.slots.entry((step.contract, step.first)).or_default();
                charge_slot(slot, step, gas, interpreter.gas.refunded() - step.refunded);
            }
            CALL | CALLCODE | DELEGATECALL | STATICCALL => {
                let gas = gas - handed_on(interpreter);
                if gas >= COLD_ACCOUNT { work.cold_calls.add(gas) } else { work.warm_calls.add(gas) }
            }
            LOG0 | LOG1 | LOG2 | LOG3 | LOG4 => work.logs.add(gas),
            KECCAK256 => {
                work.hashes.add(gas);
                self.remember(step, interpreter);
            }
            _ => work.rest.add(gas),
        }
    }

    /// Keeps what was hashed when it is two words long.
    fn remember(&mut self, step: &Step, interpreter: &Interpreter) {
        let (Ok(hash), Ok(offset)) = (interpreter.stack.peek(0), usize::try_from(step.first)) else { return };
        if step.second == U256::from(64) {
            let words = interpreter.memory.slice_len(offset, 64);
            let preimage = (U256::from_be_slice(&words[..32]), U256::from_be_slice(&words[32..]));
            self.preimages.insert(hash, preimage);
        }
    }
}

impl<C> Inspector<C> for Tracer {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut C) {
        let word = |depth| interpreter.stack.peek(depth).unwrap_or_default();
        self.step = Some(Step {
            opcode: interpreter.bytecode.opcode(),
            contract: interpreter.input.target_address,
            remaining: interpreter.gas.remaining(),
            refunded: interpreter.gas.refunded(),
            first: word(0),
            second: word(1),
        });
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _: &mut C) {
        if let Some(step) = self.step.take() {
            self.charge(&step, interpreter);
        }
    }

    fn call(&mut self, _: &mut C, _: &mut CallInputs) -> Option<CallOutcome> {
        self.depth += 1;
        None
    }

    fn call_end(&mut self, _: &mut C, _: &CallInputs, _: &mut CallOutcome) {
        self.depth -= 1;
        if self.depth == 0 {
            self.traces.push(std::mem::take(&mut self.current));
        }
    }
}

/// Tells first touch and kind of access apart by the price, which only they decide.
fn charge_slot(slot: &mut SlotCost, step: &Step, gas: u64, refund: i64) {
    slot.refund += refund;
    if step.opcode == SLOAD {
        return if gas == WARM { slot.warm.add(gas) } else { slot.cold.add(gas) };
    }
    let own = match gas {
        SET | RESET | WARM => gas,
        _ => {
            slot.cold.add(COLD_SLOT);
            gas - COLD_SLOT
        }
    };
    match own {
        SET => slot.filled.add(own),
        RESET if step.second.is_zero() => slot.cleared.add(own),
        RESET => slot.changed.add(own),
        _ => slot.again.add(own),
    }
}

/// The part of a call's gas that is the callee's to spend.
fn handed_on(interpreter: &mut Interpreter) -> u64 {
    let Some(InterpreterAction::NewFrame(FrameInput::Call(call))) = interpreter.bytecode.action() else { return 0 };
    call.gas_limit - if call.transfers_value() { STIPEND } else { 0 }
}
