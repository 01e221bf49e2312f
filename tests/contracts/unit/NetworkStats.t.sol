// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";
import {stdError} from "forge-std/StdError.sol";

contract NetworkStatsTest is Network {
    function testFuzz_nobodyButTaskCounts(address caller, uint8 kind, uint8 ending) public {
        vm.assume(caller != address(task));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        stats.ended(kind, Ending(bound(ending, 1, 8)));
    }

    function test_noEndingIsNoEnding() public {
        vm.prank(address(task));
        vm.expectRevert(stdError.arithmeticError);
        stats.ended(GPT, Ending.None);
    }

    /// @dev Invariant 10: every field counts its own ending of its own kind.
    function testFuzz_eachEndingHasItsOwnField(uint256 seed) public {
        uint40[8][2] memory want;
        for (uint256 i; i < 100; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 kind = random & 1;
            uint256 ending = 1 + (random >> 8) % 8;
            vm.prank(address(task));
            stats.ended(uint8(kind), Ending(ending));
            ++want[kind][ending - 1];
        }
        assertEq(abi.encode(stats.tallyOf(GPT)), abi.encode(want[0]));
        assertEq(abi.encode(stats.tallyOf(SD)), abi.encode(want[1]));
    }

    /// @dev Invariant 10: the overview adds up through every stage of several tasks.
    function test_theOverviewFollowsTheTasks() public {
        _joinMany(6);
        TaskId agreed = _create(GPT, 3 * FEE, 100);
        TaskId drawn = _create(GPT, 2 * FEE, 100);
        TaskId cancelled = _create(GPT, FEE, 100);
        _assertTasks(3, 3, 0, 0, 0);
        queue.dispatch(2);
        _assertTasks(3, 1, 2, 0, 0);
        _nextBlock();
        queue.dispatch(1);
        _vote(agreed, [ANSWER, ANSWER, ANSWER]);
        _assertTasks(3, 1, 1, 1, 0);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(cancelled);
        _assertTasks(3, 0, 1, 1, 1);
        queue.dispatch(1);
        _vote(drawn, [ANSWER, WRONG, _error(1)]);
        _assertTasks(3, 0, 0, 1, 2);
        _deliver(agreed);
        _assertTasks(3, 0, 0, 1, 2);
        assertEq(abi.encode(stats.overview().nodes), abi.encode(node.counts()));
    }

    function testFuzz_pagesListEveryNodeOnce(uint8 number, uint8 size) public {
        uint256 n = bound(number, 0, 20);
        uint256 limit = bound(size, 1, 30);
        _joinMany(n);
        uint256 seen;
        while (true) {
            INode.NodeView[] memory page = stats.nodes(NodeId.wrap(uint32(seen + 1)), limit);
            for (uint256 i; i < page.length; ++i) {
                assertEq(abi.encode(page[i]), abi.encode(node.nodeOf(NodeId.wrap(uint32(++seen)))));
            }
            if (page.length < limit) break;
        }
        assertEq(seen, n);
    }

    function testFuzz_pagesOutsideTheListAreEmpty(uint32 first, uint256 limit) public {
        _joinMany(3);
        assertEq(stats.nodes(NodeId.wrap(uint32(bound(first, 4, type(uint32).max))), limit).length, 0);
        assertEq(stats.nodes(NodeId.wrap(0), 0).length, 0);
        assertEq(stats.nodes(NodeId.wrap(0), type(uint256).max).length, 3, "0 means from the first on");
    }

    function _assertTasks(uint256 created, uint256 queued, uint256 running, uint256 succeeded, uint256 aborted)
        private
        view
    {
        INetworkStats.Overview memory o = stats.overview();
        assertEq(
            abi.encode(o.created, o.queued, o.running, o.succeeded, o.aborted),
            abi.encode(created, queued, running, succeeded, aborted)
        );
    }
}
