// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice Defects of the original network in commits and reveals. "H" numbers are those of its list.
contract CommitmentDefectsTest is Network {
    uint256 private constant POT = FEE - FEE / 100;

    TaskId private t;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
        t = _seated();
    }

    /// @notice H10. Original: the nonce is published with the commitment, so a short answer is found by trying
    /// candidates before anybody reveals. Here the same search over every candidate finds nothing without the salt.
    function test_H10_aShortAnswerCannotBeGuessedFromItsCommitment() public {
        vm.recordLogs();
        _commit(t, 0, keccak256(abi.encode(uint256(42))));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32 published = abi.decode(logs[0].data, (bytes32));
        address key = _keyAt(t, 0);
        for (uint256 candidate; candidate < 200; ++candidate) {
            bytes32 result = keccak256(abi.encode(candidate));
            // All that is public and might have served as a nonce.
            assertTrue(published != task.commitmentOf(t, key, result, 0));
            assertTrue(published != task.commitmentOf(t, key, result, bytes32(uint256(uint160(key)))));
            assertTrue(published != task.commitmentOf(t, key, result, bytes32(block.number)));
            assertTrue(published != task.commitmentOf(t, key, result, blockhash(block.number - 1)));
        }
        assertEq(published, task.commitmentOf(t, key, keccak256(abi.encode(uint256(42))), _salt(t, 0)));
    }

    /// @notice H10. Original: a commitment copied in front of its owner makes the owner's own transaction fail, and the
    /// copier needs no GPU.
    function test_H10_aCopiedCommitmentNeitherHindersNorHelps() public {
        bytes32 commitment = task.commitmentOf(t, _keyAt(t, 0), ANSWER, _salt(t, 0));
        NodeId copier = _nodeAt(t, 1);
        vm.prank(_keyAt(t, 1));
        task.commit(copier, t, commitment);
        _commit(t, 0, ANSWER);
        _commit(t, 2, ANSWER);
        _reveal(t, 0, ANSWER);
        vm.prank(_keyAt(t, 1));
        vm.expectPartialRevert(ITask.WrongReveal.selector);
        task.reveal(copier, t, ANSWER, _salt(t, 0));
    }

    /// @notice H15. Original: a node sends an all-zero commitment again and again until its points reach 55 of 50; the
    /// settlement of the delivering node underflows, the attacker is paid and the other is not.
    function test_H15_aZeroCommitmentIsRefused() public {
        NodeId id = _nodeAt(t, 0);
        for (uint256 i; i < 3; ++i) {
            vm.prank(_keyAt(t, 0));
            vm.expectRevert(ITask.CommitmentZero.selector);
            task.commit(id, t, 0);
        }
        assertEq(task.taskOf(t).commitRanks[0], 0);
    }

    /// @notice H15: one commitment a seat, whatever it is; a second try earns nothing.
    function testFuzz_H15_oneCommitmentASeat(bytes32 again) public {
        vm.assume(again != 0);
        _commit(t, 0, ANSWER);
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.AlreadyCommitted.selector, t, id));
        task.commit(id, t, again);
        _commit(t, 1, ANSWER);
        _commit(t, 2, ANSWER);
        for (uint256 i; i < 3; ++i) {
            _reveal(t, i, ANSWER);
        }
        _deliver(t);
        assertEq(_earned(t), POT, "50 of 50 points");
        assertEq(_earned(t, 0), POT * 20 / 50, "20 at most for one seat");
    }

    /// @notice H18. Original: commits and reveals after the deadline are accepted.
    function testFuzz_H18_lateCommitsAndRevealsAreRefused(uint32 late) public {
        uint256 deadline = task.taskOf(t).deadline;
        bytes32 commitment = task.commitmentOf(t, _keyAt(t, 2), ANSWER, _salt(t, 2));
        NodeId id = _nodeAt(t, 2);
        _commit(t, 0, ANSWER);
        _commit(t, 1, ANSWER);
        vm.warp(deadline + 1 + late);
        vm.prank(_keyAt(t, 2));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
        task.commit(id, t, commitment);

        task.advance(t);
        deadline = task.taskOf(t).deadline;
        vm.warp(deadline + 1 + late);
        id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
        task.reveal(id, t, ANSWER, _salt(t, 0));
    }
}
