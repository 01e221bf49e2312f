// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../contracts/types/Ids.sol";
import {Params} from "../../script/Deployment.sol";
import {Network} from "./Network.sol";

/// @notice A network that gives vacated seats to other nodes, once for each task unless a test asks for more.
abstract contract Refills is Network {
    uint256 internal constant CRANK_BPS = 100;
    uint256 internal constant BPS = 10_000;
    /// What a node pays for a stage it lets pass.
    uint96 internal constant MISS = 0.4 ether;
    uint96 internal constant STAKE = 400 ether;

    function _params() internal virtual override returns (Params memory p) {
        p = super._params();
        p.terms.refills = 1;
    }

    function _allowRefills(uint8 n) internal {
        ITask.Terms memory terms = task.terms();
        terms.refills = n;
        vm.prank(owner);
        task.setTerms(terms);
    }

    /// @dev The seats in `committed` commit, the others let the stage pass; then the keeper advances the task.
    function _vacate(TaskId t, uint256 committed) internal {
        _commitAll(t, committed, ANSWER);
        _advance(t);
    }

    function _commitAll(TaskId t, uint256 seats, bytes32 result) internal {
        for (uint256 i; i < 3; ++i) {
            if (_has(seats, i)) _commit(t, i, result);
        }
    }

    function _revealAll(TaskId t, uint256 seats, bytes32 result) internal {
        for (uint256 i; i < 3; ++i) {
            if (_has(seats, i)) _reveal(t, i, result);
        }
    }

    /// @dev The keeper moves on a task whose stage is over.
    function _advance(TaskId t) internal {
        _pastDeadline(t);
        vm.prank(keeper);
        task.advance(t);
    }

    function _has(uint256 mask, uint256 seat) internal pure returns (bool) {
        return (mask >> seat) & 1 != 0;
    }

    function _flags(uint256 mask) internal pure returns (bool[3] memory) {
        return [_has(mask, 0), _has(mask, 1), _has(mask, 2)];
    }

    function _count(uint256 mask) internal pure returns (uint256) {
        return (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1);
    }

    /// @dev One of the masks of seats that have neither none nor all of them.
    function _someSeats(uint8 random) internal pure returns (uint256) {
        return 1 + random % 6;
    }

    /// @dev What is left of `amount` when the crank has been turned `turns` times.
    function _afterCranks(uint256 amount, uint256 turns) internal pure returns (uint256) {
        for (; turns != 0; --turns) {
            amount -= amount * CRANK_BPS / BPS;
        }
        return amount;
    }

    /// @dev Invariant 1, to the wei: Task holds the escrows, the credits of all parties and the earnings of all nodes;
    /// Node holds the stakes and what waits for the treasury.
    function _assertConserved() internal view {
        uint256 owed = task.creditOf(creator) + task.creditOf(keeper) + task.creditOf(address(this));
        for (uint40 i = 1; i <= TaskId.unwrap(task.lastTask()); ++i) {
            owed += task.taskOf(TaskId.wrap(i)).escrow;
        }
        uint256 stakes = node.slashed();
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            owed += task.earnedBy(NodeId.wrap(i)) + (_isFirstOfItsOperator(i) ? _operatorCredit(i) : 0);
            stakes += node.nodeOf(NodeId.wrap(i)).stake;
        }
        assertEq(address(task).balance, owed, "invariant 1: Task");
        assertEq(address(node).balance, stakes, "invariant 1: Node");
    }

    function _operatorCredit(uint32 i) private view returns (uint256) {
        return task.creditOf(node.operatorOf(NodeId.wrap(i)));
    }

    function _isFirstOfItsOperator(uint32 i) private view returns (bool) {
        for (uint32 j = 1; j < i; ++j) {
            if (node.operatorOf(NodeId.wrap(j)) == node.operatorOf(NodeId.wrap(i))) return false;
        }
        return true;
    }
}
