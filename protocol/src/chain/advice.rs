//! What to do about a contract's refusal.

/// Custom errors of the contracts, by name, and what helps. In the order of the alphabet, which the search relies on.
static ADVICE: &[(&str, &str)] = &[
    ("AlreadyAppealed", "the case waits for the arbiter; `xenon node evidence` adds to its evidence"),
    ("AlreadyCommitted", "one commitment a seat; is another agent using this key?"),
    ("AlreadyReserved", "one class at a time is reserved; wait until that reservation ends"),
    ("AlreadyRevealed", "one reveal a seat; is another agent using this key?"),
    ("CaseOpen", "wait until the time of the case is over"),
    ("CaseOver", "the time of the case is over: `slash` or `thaw` ends it"),
    (
        "ClassNotReservable",
        "reserve the class that the task names, or an open class with enough memory and three active nodes",
    ),
    ("ClassUnsuitable", "name a class that exists and has so much memory, or ask for less memory, or name none"),
    ("CommitmentZero", "commit to a result"),
    ("ContentZero", "deliver the hash of the reply"),
    ("DurationStepTooLarge", "go in steps that at most double or halve it"),
    ("DurationsChangedLately", "a kind's durations change once a day at most; wait"),
    ("EvidenceZero", "give the hash of the evidence"),
    ("FeeTooHigh", "offer at most the limit, or split the work"),
    ("FeeTooLow", "the queue is full: offer more, or wait; `xenon task quote` shows the least fee"),
    ("FeeZero", "send a fee"),
    ("FreezePending", "the node is being frozen; appeal once it is"),
    ("GpuNameTooLong", "shorten the device's name"),
    ("HashZero", "give the hash of the task's document"),
    ("KeyInUse", "join with another key: one key, one node"),
    ("KindOutOfBounds", "choose numbers inside the bounds that `KindTable` documents"),
    ("LimitsOutOfBounds", "choose numbers inside the bounds that `ITaskQueue.Limits` documents"),
    ("MaxFeeOutOfBounds", "choose at most a quarter of the stake"),
    ("NoClassNeeded", "tasks of this kind take nodes of any classes; nothing has to be reserved"),
    ("NoRelay", "the task names no relay: deliver without a signature"),
    ("NoSuchClass", "use the number of a class that a node has joined"),
    ("NoSuchTier", "ask for less memory"),
    ("NoTreasury", "name who receives slashed stake"),
    ("NotAllowed", "only the address named as required may do this"),
    ("NotAppealed", "nobody has appealed: appeal first; when the time for that is over, `slash` ends the case"),
    ("NotCommitted", "a seat that has not committed has nothing to reveal"),
    ("NotCreator", "sign with the key that created the task"),
    ("NotDeliverer", "it is another node's turn to deliver"),
    ("NotHead", "a class is reserved for the first task of a book only"),
    ("NotNodeKey", "sign with the key the node joined with"),
    ("NotOperator", "sign with the key of the node's operator"),
    ("NotQueued", "the task has been drawn or has ended"),
    ("NotSeated", "the node holds no seat of this task; it may have been given to another"),
    ("NotWakeable", "the class has too few free nodes, or its book needs no waking"),
    ("NothingSlashed", "there is nothing to withdraw for the treasury"),
    ("NothingToCollect", "the node has earned nothing since the last collection"),
    ("NothingToDispatch", "ask for one task or more"),
    ("NothingToWithdraw", "there is no credit; `collect` moves what a node earned to its operator's"),
    ("OtherCase", "that case is over, and the node has another; read it again"),
    ("RelayMustSign", "the task names a relay: deliver with its signature"),
    ("RelayZero", "name a relay, or create the task without one"),
    ("RoundPending", "an ended reservation binds the round that waits; reserve once that is seated"),
    ("RulesOutOfBounds", "choose numbers inside the bounds that `INode.Rules` documents"),
    ("SetsClosed", "a drawn round waits to be seated; try again after that"),
    ("SizeTooLarge", "ask for fewer units, or split the work"),
    ("SizeZero", "ask for one unit or more"),
    ("StakeOutOfBounds", "choose a stake above 0 and an unbonding time of 2 to 90 days"),
    ("StakeTooHigh", "add no more than what is missing to the full stake"),
    ("StakeTooLow", "bring the stake back first: `xenon node top-up`"),
    ("StillUnbonding", "wait until the unbonding time is over"),
    ("TermsOutOfBounds", "choose numbers inside the bounds that `ITask.Terms` documents"),
    ("TooEarly", "wait until the stage is over; a task can be cancelled a minute after its creation"),
    ("TooEarlyToReserve", "wait until the task has waited long enough"),
    (
        "TooFewWorkers",
        "the queue is full, and too few nodes are active that could serve the task: wait, or ask for less memory or no class",
    ),
    ("TooLate", "the stage is over; somebody's `advance` moves the task on"),
    ("TooManyKinds", "the table is full"),
    ("TransferFailed", "name a recipient that takes the transfer"),
    ("UnknownKind", "use a kind of the table"),
    ("ValueTooLow", "offer more, or ask for less work; `xenon task quote` shows the least fee"),
    ("WaitOutOfBounds", "choose a wait of 60 seconds to 7 days"),
    ("WrongAddress", "deploy through the factory, with the wiring of this deployer"),
    (
        "WrongRelay",
        "the signature is not that of the relay the task names: upload to that relay and deliver with its signature",
    ),
    ("WrongReveal", "result and salt are not those committed to; was the journal lost?"),
    ("WrongStake", "send exactly the stake required"),
    ("WrongState", "the task is in another stage; read it again"),
    ("WrongStatus", "the node's status does not allow this; read it again"),
    ("ZeroClass", "give the fingerprint of the execution class"),
    ("ZeroKey", "give the node's key"),
];

/// What helps against the custom error of that name.
pub(super) fn advice(error: &str) -> Option<&'static str> {
    let found = ADVICE.binary_search_by_key(&error, |(name, _)| *name);
    found.ok().and_then(|at| ADVICE.get(at)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::contracts::{NetworkStats, Node, QoS, Task, TaskQueue};

    #[test]
    fn every_error_of_the_network_has_advice_and_there_is_none_for_others() {
        let abis = [
            Node::abi::errors(),
            Task::abi::errors(),
            TaskQueue::abi::errors(),
            QoS::abi::errors(),
            NetworkStats::abi::errors(),
        ];
        let errors: BTreeSet<_> = abis.into_iter().flat_map(std::collections::BTreeMap::into_keys).collect();
        let advised: BTreeSet<_> = ADVICE.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(errors, advised);
        assert!(errors.iter().all(|error| advice(error).is_some()), "the table is sorted");
        assert_eq!(advice("Unheard"), None);
    }
}
