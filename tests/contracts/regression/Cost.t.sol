// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

/// @notice Defects of the original network in what its transactions cost. "H" numbers are those of its list.
contract CostDefectsTest is Network {
    /// @notice H11. Original: creating a task costs 0.88, 0.96, 1.13, 1.55 and 2.23 million gas at 3, 20, 60, 150 and
    /// 300 free nodes. Invariant 8: here it costs the same, to the unit.
    function test_H11_creatingATaskCostsTheSameAtAnyNumberOfNodes() public {
        uint256[5] memory numbers = [uint256(3), 20, 60, 150, 300];
        uint256 joined;
        uint256 first;
        uint256 start;
        for (uint256 i; i < 5; ++i) {
            while (joined < numbers[i]) _join(++joined, CLASS, 24);
            start = vm.snapshotState();
            uint256 cost = _costOfCreate();
            vm.revertToState(start);
            if (i == 0) first = cost;
            assertEq(cost, first);
        }
        assertLt(first, 250_000);
    }

    /// @notice H21. Original: long GPU names and large results make other users' transactions four times as dear.
    function test_H21_aLongNameIsRefused() public {
        vm.deal(_operator(1), 400 ether);
        vm.prank(_operator(1));
        vm.expectRevert(abi.encodeWithSelector(INode.GpuNameTooLong.selector, 10_000, 64));
        node.join{value: 400 ether}(_key(1), CLASS, 24, string(new bytes(10_000)));
    }

    /// @notice H21: and the longest name that is accepted costs the others nothing.
    function test_H21_aNameCostsOthersNothing() public {
        uint256 start = vm.snapshotState();
        uint256 short = _costOfServing("x");
        vm.revertToState(start);
        uint256 long = _costOfServing(string(new bytes(64)));
        assertEq(short, long);
    }

    function _costOfCreate() private returns (uint256) {
        _coolAll();
        vm.prank(creator);
        task.create{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 1 hours);
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev The gas of seating and of the settling reveal where every node has the name `gpu`.
    function _costOfServing(string memory gpu) private returns (uint256 cost) {
        for (uint256 i = 1; i <= 5; ++i) {
            vm.deal(_operator(i), 400 ether);
            vm.prank(_operator(i));
            node.join{value: 400 ether}(_key(i), CLASS, 24, gpu);
        }
        TaskId t = _closeSets();
        _coolAll();
        queue.dispatch(1);
        cost = vm.lastCallGas().gasTotalUsed;
        for (uint256 i; i < 3; ++i) {
            _commit(t, i, ANSWER);
        }
        _reveal(t, 0, ANSWER);
        _reveal(t, 1, ANSWER);
        NodeId id = _nodeAt(t, 2);
        address key = _keyAt(t, 2);
        _coolAll();
        vm.prank(key);
        task.reveal(id, t, ANSWER, _salt(t, 2));
        cost += vm.lastCallGas().gasTotalUsed;
    }

    /// @dev As at the start of a transaction.
    function _coolAll() private {
        address[5] memory all = [address(node), address(task), address(queue), address(qos), address(stats)];
        for (uint256 i; i < 5; ++i) {
            vm.cool(all[i]);
        }
    }
}
