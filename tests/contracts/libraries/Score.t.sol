// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {IGNORED, IQoS, MISSED} from "../../../contracts/interfaces/IQoS.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {Wiring} from "../../../contracts/types/Wiring.sol";
import {Test, console} from "../Test.sol";
import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

/// @notice The scores as QoS keeps them, with the test in the place of Task.
abstract contract Scores is Test {
    IQoS internal qos;

    function setUp() public {
        Wiring memory w;
        w.task = address(this);
        w.qos = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        qos = IQoS(deployCode("QoS.sol:QoS", abi.encode(w)));
    }

    /// @dev Counts one task of node 1.
    function _count(uint8 grade) internal returns (INode.Fate) {
        (, INode.Fate[3] memory fates) = qos.record(_nodes(), [grade, IGNORED, IGNORED]);
        return fates[0];
    }

    function _of(uint32 id) internal view returns (IQoS.Record memory) {
        return qos.recordOf(NodeId.wrap(id));
    }

    function _nodes() internal pure returns (NodeId[3] memory) {
        return [NodeId.wrap(1), NodeId.wrap(2), NodeId.wrap(3)];
    }

    function _random(uint256 seed, uint256 i) internal pure returns (uint256) {
        return uint256(EfficientHashLib.hash(seed, i));
    }

    function _assertFate(INode.Fate got, INode.Fate want) internal pure {
        assertEq(uint8(got), uint8(want));
    }
}

/// @notice The arithmetic of a record, against a plain array.
contract ScoreTest is Scores {
    /// @dev What a record stands for.
    struct Model {
        uint256[32] window;
        uint256 next;
        uint256 misses;
        uint256 tasks;
    }

    /// @dev 80 tasks of fuzzed points and misses: every field and the verdict after each.
    function testFuzz_isTheArrayItStandsFor(uint256 seed) public {
        Model memory m = _newcomer();
        _assertIs(m);
        for (uint256 i; i < 80; ++i) {
            uint256 random = _random(seed, i);
            uint8 grade = random & 3 == 0 ? MISSED : uint8((random >> 8) % 21);
            _assertFate(_count(grade), _counted(m, grade));
            _assertIs(m);
        }
    }

    /// @dev The window forgets: of two nodes with different pasts nothing differs after the same 32 tasks.
    function testFuzz_onlyTheLastThirtyTwoTasksCount(uint256 past, uint256 seed) public {
        for (uint256 i; i < past % 50; ++i) {
            _count(uint8(_random(past, i) % 21));
        }
        for (uint256 i; i < 32; ++i) {
            uint8 grade = uint8(_random(seed, i) % 21);
            qos.record(_nodes(), [grade, grade, IGNORED]);
        }
        assertEq(_of(1).score, _of(2).score);
        assertEq(_of(1).weight, _of(2).weight);
        assertEq(_of(1).tasks, _of(2).tasks + past % 50);
    }

    /// @dev A stored record is never taken for a newcomer's, however bad it is.
    function test_aRecordOfZeroesIsNotANewcomers() public {
        for (uint32 i = 1; i <= 100; ++i) {
            _count(0);
            assertEq(_of(1).tasks, i);
            assertEq(_of(1).score, i < 32 ? 320 - 10 * i : 0);
        }
        assertEq(_of(1).weight, 1, "never zero: it can be chosen still");
    }

    function test_theBestWeight() public {
        for (uint256 i; i < 32; ++i) {
            _count(20);
        }
        assertEq(_of(1).score, 640);
        assertEq(_of(1).weight, 255);
    }

    /// @dev The third miss in a row, then the count starts anew; anything but a miss ends a row.
    function testFuzz_everyThirdMissInARowSuspends(uint256 pattern) public {
        for (uint256 i; i < 32; ++i) {
            _count(20);
        }
        uint256 row;
        for (uint256 i; i < 100; ++i) {
            bool missed = (pattern >> i) & 1 == 0;
            INode.Fate fate = _count(missed ? MISSED : 20);
            row = missed ? row + 1 : 0;
            bool kick = _of(1).score < 192;
            bool suspend = row != 0 && row % 3 == 0;
            _assertFate(fate, kick ? INode.Fate.Kick : suspend ? INode.Fate.Suspend : INode.Fate.Free);
            assertEq(_of(1).misses, row % 3);
        }
    }

    /// @dev 192 stays, 191 goes.
    function test_theThresholdIsExact() public {
        for (uint256 i; i < 32; ++i) {
            _assertFate(_count(6), INode.Fate.Free);
        }
        assertEq(_of(1).score, 192);
        _assertFate(_count(5), INode.Fate.Kick);
    }

    function _newcomer() private pure returns (Model memory m) {
        for (uint256 i; i < 32; ++i) {
            m.window[i] = 10;
        }
    }

    function _counted(Model memory m, uint8 grade) private pure returns (INode.Fate) {
        bool missed = grade == MISSED;
        m.window[m.next] = missed ? 0 : grade;
        m.next = m.next == 31 ? 0 : m.next + 1;
        m.misses = missed ? m.misses + 1 : 0;
        ++m.tasks;
        bool suspend = m.misses == 3;
        if (suspend) m.misses = 0;
        if (_sum(m) < 192) return INode.Fate.Kick;
        return suspend ? INode.Fate.Suspend : INode.Fate.Free;
    }

    function _sum(Model memory m) private pure returns (uint256 sum) {
        for (uint256 i; i < 32; ++i) {
            sum += m.window[i];
        }
    }

    function _assertIs(Model memory m) private view {
        IQoS.Record memory r = _of(1);
        assertEq(r.score, _sum(m));
        assertEq(r.weight, 1 + _sum(m) * 254 / 640);
        assertEq(r.misses, m.misses);
        assertEq(r.tasks, m.tasks);
    }
}

/// @notice How likely it is that the window of an honest, slow and not quite reliable node lies below the threshold.
/// @dev The node is always last (12 points) and answers each task with probability p, independently. Its window holds 12
/// for each task it answered and 0 for each it missed, so it lies below 192 when 17 or more of 32 were missed. With p = a /
/// 100 the chance of that is a whole number over 10^64: P = sum over k from 17 to 32 of C(32, k) (100 - a)^k a^(32 - k).
contract ScoreFalseKickTest is Scores {
    /// 100^32.
    uint256 private constant ONE = 1e64;
    /// Misses of 32 that bring a node that is always last below the threshold.
    uint256 private constant TOO_MANY = 17;
    uint8 private constant LAST = 12;
    /// Each round is a task of three nodes: 100,032 tasks.
    uint256 private constant ROUNDS = 32 * 1042;

    /// @dev Whatever the order of the misses: 17 kick, 16 do not.
    function testFuzz_belowTheThresholdMeansSeventeenMissesOrMore(uint256 seed) public {
        uint256 misses;
        INode.Fate fate;
        for (uint256 i; i < 32; ++i) {
            bool missed = _random(seed, i) & 1 == 0;
            if (missed) ++misses;
            fate = _count(missed ? MISSED : LAST);
        }
        assertEq(_of(1).score, LAST * (32 - misses));
        assertEq(fate == INode.Fate.Kick, misses >= TOO_MANY);
    }

    /// @dev The terms for all numbers of misses add up to one, exactly.
    function testFuzz_theFormulaIsADistribution(uint256 percent) public pure {
        assertEq(_tail(bound(percent, 0, 100), 0), ONE);
    }

    /// @dev Below 10^-24, as the threshold's comment says; `-vv` prints the figure and those of worse nodes.
    function test_aNodeOfNinetyNinePercentIsAllButNeverKickedOutByMistake() public pure {
        uint256 tail = _tail(99, TOO_MANY);
        assertLt(tail, ONE / 1e24);
        assertGt(tail, ONE / 1e26);
        for (uint256 percent = 99; percent > 50; percent -= 7) {
            console.log("p = 0.%s: P(kick) = %s / 10^64", percent, _tail(percent, TOO_MANY));
        }
    }

    /// @dev From the first task as a newcomer: the 10s of the first window are nearer to 12 than to 0.
    function test_aNodeOfNinetyNinePercentStaysForTenToTheFiveTasks() public {
        (uint256 kicks, uint256 below,) = _simulate(99);
        assertEq(kicks, 0);
        assertEq(below, 0);
    }

    function test_theFormulaIsWhatHappensToANodeOfFortyFivePercent() public {
        _compare(45);
    }

    function test_theFormulaIsWhatHappensToANodeOfFiftyFivePercent() public {
        _compare(55);
    }

    function test_theFormulaIsWhatHappensToANodeOfSixtyPercent() public {
        _compare(60);
    }

    /// @dev The formula against the simulation where kicks are frequent. Windows that overlap are correlated, so only those
    /// that share no task are compared: 3,126 independent trials, whose share of kicks lies within three standard errors,
    /// 3 sqrt(P (1 - P) / n).
    function _compare(uint256 percent) private {
        (, uint256 below, uint256 n) = _simulate(percent);
        uint256 p = _tail(percent, TOO_MANY) / (ONE / 1e18);
        uint256 measured = below * 1e18 / n;
        uint256 distance = measured > p ? measured - p : p - measured;
        console.log("p = 0.%s: P(kick) = %s / 10^18, measured %s / 10^18", percent, p, measured);
        assertLe(distance * distance, 9 * p * (1e18 - p) / n);
        assertGt(below, 100, "often enough to compare");
    }

    /// @return sum The chance of `least` or more misses of 32, times 10^64.
    function _tail(uint256 percent, uint256 least) private pure returns (uint256 sum) {
        for (uint256 k = least; k <= 32; ++k) {
            sum += _choose(32, k) * (100 - percent) ** k * percent ** (32 - k);
        }
    }

    function _choose(uint256 n, uint256 k) private pure returns (uint256 c) {
        c = 1;
        for (uint256 i; i < k; ++i) {
            c = c * (n - i) / (i + 1);
        }
    }

    /// @return kicks Tasks after which a node was to be kicked out.
    /// @return below Those among them that end a window which shares no task with the one before.
    /// @return windows How many such windows there were.
    function _simulate(uint256 percent) private returns (uint256 kicks, uint256 below, uint256 windows) {
        NodeId[3] memory nodes = _nodes();
        uint8[3] memory grades;
        uint256 memoryEnd;
        assembly ("memory-safe") {
            memoryEnd := mload(0x40)
        }
        for (uint256 i; i < ROUNDS; ++i) {
            // What the last round used is free again: memory costs gas by the square of its size.
            assembly ("memory-safe") {
                mstore(0x40, memoryEnd)
            }
            uint256 random = _random(percent, i);
            for (uint256 j; j < 3; ++j) {
                grades[j] = (random >> (80 * j)) % 100 >= percent ? MISSED : LAST;
            }
            (, INode.Fate[3] memory fates) = qos.record(nodes, grades);
            for (uint256 j; j < 3; ++j) {
                bool kick = fates[j] == INode.Fate.Kick;
                if (kick) ++kicks;
                if (i % 32 == 31) ++windows;
                if (kick && i % 32 == 31) ++below;
            }
        }
    }
}
