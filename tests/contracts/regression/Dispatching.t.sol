// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ClassId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

/// @notice Defects of our own dispatcher that a review found before it was released.
contract DispatchingTest is Network {
    /// @dev A round that was partly seated and then drawn again made the second `dispatch` of that block revert.
    function test_aPartlySeatedRoundCanBeExtendedInTheBlockOfItsRedraw() public {
        _joinMany(12);
        for (uint256 i; i < 3; ++i) {
            _create(GPT, FEE, 100);
        }
        queue.dispatch(3);
        _nextBlock();
        queue.dispatch(1);
        vm.roll(block.number + 300);
        queue.dispatch(1);
        TaskId late = _create(GPT, FEE, 100);
        queue.dispatch(1);
        assertEq(queue.round().size, 4);
        assertTrue(queue.roundTask(3) == late);
    }

    /// @dev Two tasks for a class of one operator, whose nodes can never be seated, kept every other class waiting.
    function test_aClassWhoseNodesAreSpokenForKeepsNoOtherWaiting() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _joinFor(_operator(1), _key(i), keccak256("one operator"), 24);
        }
        for (uint256 i = 4; i <= 6; ++i) {
            _join(i, CLASS, 24);
        }
        _createFor(ClassId.wrap(1), FEE + 1 ether);
        _createFor(ClassId.wrap(1), FEE + 1 ether);
        TaskId other = _createFor(ClassId.wrap(2), FEE);
        queue.dispatch(64);
        _nextBlock();
        queue.dispatch(64);
        assertEq(task.taskOf(other).state, ITask.State.Committing);
    }

    /// @dev Tasks of one level that found no nodes came back in reverse order (invariant 3).
    function test_tasksThatFoundNoNodesKeepTheirOrder() public {
        for (uint256 i = 1; i <= 9; ++i) {
            _joinFor(_operator(1), _key(i), CLASS, 24);
        }
        TaskId[3] memory tasks = [_create(GPT, FEE, 100), _create(GPT, FEE, 100), _create(GPT, FEE, 100)];
        queue.dispatch(3);
        _nextBlock();
        queue.dispatch(3);
        assertEq(queue.round().size, 3, "drawn again");
        for (uint256 i; i < 3; ++i) {
            assertTrue(queue.roundTask(i) == tasks[i]);
        }
    }
}
