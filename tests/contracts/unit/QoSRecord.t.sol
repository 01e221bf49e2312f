// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IQoS} from "../../../contracts/interfaces/IQoS.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Network} from "../Network.sol";

contract QoSRecordTest is Network {
    uint8 private constant MISSED = 254;
    uint8 private constant IGNORED = 255;

    /// The model: the window of node 1, and what is derived from it.
    uint8[32] private window;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 32; ++i) {
            window[i] = 10;
        }
    }

    function testFuzz_refusesEverybodyButTask(address caller) public {
        vm.assume(caller != address(task));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, address(task)));
        qos.record(_nodes(), [uint8(20), 20, 20]);
    }

    function testFuzz_aNewcomerStandsInTheMiddle(uint32 id) public view {
        IQoS.Record memory r = qos.recordOf(NodeId.wrap(id));
        assertEq(abi.encode(r), abi.encode(IQoS.Record(320, 128, 0, 0)));
        assertEq(qos.newcomerWeight(), 128);
    }

    /// @dev Against a plain array: 80 tasks of fuzzed grades.
    function testFuzz_theScoreIsTheSumOfTheLastThirtyTwo(uint256 seed) public {
        uint256 counted;
        for (uint256 i; i < 80; ++i) {
            uint8 grade = _grade(uint256(keccak256(abi.encode(seed, i))));
            INode.Fate fate = _record(grade);
            if (grade != IGNORED) window[counted++ % 32] = grade == MISSED ? 0 : grade;
            IQoS.Record memory r = qos.recordOf(NodeId.wrap(1));
            uint256 score = _sum();
            assertEq(r.score, score);
            assertEq(r.weight, 1 + score * 254 / 640);
            assertEq(r.tasks, counted);
            if (grade != IGNORED) assertEq(fate == INode.Fate.Kick, score < 192, "six points a task are the least");
        }
    }

    /// @dev From the middle, 320, each task without a point takes ten off.
    function test_aScoreBelow192KicksOut() public {
        for (uint256 i; i < 12; ++i) {
            assertEq(_record(0), INode.Fate.Free);
        }
        assertEq(qos.recordOf(NodeId.wrap(1)).score, 200);
        assertEq(_record(2), INode.Fate.Free);
        assertEq(qos.recordOf(NodeId.wrap(1)).score, 192, "exactly enough");
        assertEq(_record(9), INode.Fate.Kick);
        assertEq(qos.recordOf(NodeId.wrap(1)).score, 191);
    }

    /// @dev A node that would be both is kicked out, not suspended; one that is ignored is neither.
    function test_aKickComesBeforeASuspension() public {
        for (uint256 i; i < 10; ++i) {
            _record(0);
        }
        _record(MISSED);
        _record(MISSED);
        assertEq(_record(MISSED), INode.Fate.Kick);
        assertEq(qos.recordOf(NodeId.wrap(1)).misses, 0, "the third in a row all the same");
        assertEq(_record(IGNORED), INode.Fate.Free);
    }

    /// @dev A seat without a node is left out: nothing is counted, nothing is emitted.
    function test_anEmptySeatIsLeftOut() public {
        vm.recordLogs();
        vm.prank(address(task));
        (uint8[3] memory weights, INode.Fate[3] memory fates) =
            qos.record([NodeId.wrap(0), NodeId.wrap(2), NodeId.wrap(0)], [MISSED, 20, 5]);
        assertEq(vm.getRecordedLogs().length, 1);
        assertEq(abi.encode(weights), abi.encode([0, 131, 0]));
        assertEq(abi.encode(fates), abi.encode([0, 0, 0]));
        assertEq(qos.recordOf(NodeId.wrap(0)).tasks, 0);
    }

    function test_theBestAndTheWorstWeight() public {
        for (uint256 i; i < 32; ++i) {
            _record(20);
        }
        assertEq(qos.recordOf(NodeId.wrap(1)).weight, 255);
        for (uint256 i; i < 32; ++i) {
            _record(0);
        }
        assertEq(qos.recordOf(NodeId.wrap(1)).weight, 1, "never zero: it can be chosen still");
    }

    /// @dev The third miss in a row suspends, unless the score is too low to stay at all; a task that was served, or a
    /// third miss, starts the count anew.
    function testFuzz_theThirdMissInARowSuspends(uint256 seed) public {
        uint256 misses;
        for (uint256 i; i < 60; ++i) {
            bool miss = (seed >> i) & 1 == 1;
            INode.Fate fate = _record(miss ? MISSED : 20);
            misses = miss ? misses + 1 : 0;
            bool low = qos.recordOf(NodeId.wrap(1)).score < 192;
            assertEq(fate, low ? INode.Fate.Kick : misses == 3 ? INode.Fate.Suspend : INode.Fate.Free);
            if (misses == 3) misses = 0;
            assertEq(qos.recordOf(NodeId.wrap(1)).misses, misses);
        }
    }

    function test_aPoorAnswerIsNotAMiss() public {
        for (uint256 i; i < 10; ++i) {
            assertEq(_record(0), INode.Fate.Free);
        }
        assertEq(qos.recordOf(NodeId.wrap(1)).misses, 0);
    }

    function test_anIgnoredTaskNeitherCountsNorEndsARow() public {
        _record(MISSED);
        _record(MISSED);
        _record(IGNORED);
        assertEq(qos.recordOf(NodeId.wrap(1)).misses, 2);
        assertEq(qos.recordOf(NodeId.wrap(1)).tasks, 2);
        assertEq(_record(MISSED), INode.Fate.Suspend);
    }

    function testFuzz_emitsEachScoreThatCounts(uint8 points) public {
        points = uint8(bound(points, 0, 20));
        vm.expectEmit(address(qos));
        emit IQoS.Scored(NodeId.wrap(1), points, 310 + points);
        vm.expectEmit(address(qos));
        emit IQoS.Scored(NodeId.wrap(3), 0, 310);
        vm.prank(address(task));
        (uint8[3] memory weights,) = qos.record(_nodes(), [points, IGNORED, MISSED]);
        assertEq(weights[0], 1 + (310 + uint256(points)) * 254 / 640);
        assertEq(weights[1], 128, "the weight is told even of a node that was ignored");
        assertEq(weights[2], 1 + uint256(310) * 254 / 640);
    }

    /// @dev A node whose every field is zero is not taken for a newcomer again.
    function test_aNodeAtTheBottomStaysThere() public {
        for (uint256 i; i < 64; ++i) {
            _record(0);
        }
        assertEq(qos.recordOf(NodeId.wrap(1)).score, 0);
        assertEq(qos.recordOf(NodeId.wrap(1)).tasks, 64);
    }

    function _record(uint8 grade) private returns (INode.Fate) {
        vm.prank(address(task));
        (, INode.Fate[3] memory fates) = qos.record(_nodes(), [grade, IGNORED, IGNORED]);
        assertEq(fates[1], INode.Fate.Free);
        assertEq(fates[2], INode.Fate.Free);
        return fates[0];
    }

    function _grade(uint256 random) private pure returns (uint8) {
        uint256 pick = random % 25;
        if (pick == 21) return MISSED;
        if (pick == 22) return IGNORED;
        return uint8(pick > 20 ? 20 : pick);
    }

    function _sum() private view returns (uint256 sum) {
        for (uint256 i; i < 32; ++i) {
            sum += window[i];
        }
    }

    function _nodes() private pure returns (NodeId[3] memory) {
        return [NodeId.wrap(1), NodeId.wrap(2), NodeId.wrap(3)];
    }
}
