// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INetworkStats} from "../../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {ClassId, NodeId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

/// @notice Why no suitable node is there: one of each sort, and the pages that prove it.
contract StatsSuitabilityTest is Cases {
    bytes32 private constant OTHER = keccak256("another class");
    ClassId private constant WANTED = ClassId.wrap(1);

    function test_refusesMemoryNoTierGuarantees() public {
        vm.expectRevert(abi.encodeWithSelector(ITask.NoSuchTier.selector, 129));
        stats.suitability(129, ANY, NodeId.wrap(1), 10);
    }

    function test_refusesAClassThatDoesNotSuit() public {
        _joinMany(1);
        vm.expectRevert(abi.encodeWithSelector(ITask.ClassUnsuitable.selector, ClassId.wrap(2), 0));
        stats.suitability(0, ClassId.wrap(2), NodeId.wrap(1), 10);
        vm.expectRevert(abi.encodeWithSelector(ITask.ClassUnsuitable.selector, WANTED, 32));
        stats.suitability(32, WANTED, NodeId.wrap(1), 10);
    }

    function test_anEmptyNetworkHasNobody() public view {
        _assertEq(_of(0, ANY), _nobody());
    }

    function test_countsEachNodeByTheFirstReasonThatApplies() public {
        _oneOfEachSort();
        INetworkStats.Suitability memory want = INetworkStats.Suitability({
            gone: 2,
            unbonding: 1,
            frozen: 1,
            suspended: 1,
            paused: 1,
            tooSmall: 2,
            otherClass: 1,
            busy: 3,
            waiting: 2,
            eligible: 3
        });
        _assertEq(_of(24, WANTED), want);
        // A class has a tier, and that is what is asked for.
        _assertEq(_of(0, WANTED), want);
        (want.otherClass, want.eligible) = (0, 4);
        _assertEq(_of(24, ANY), want);
        (want.tooSmall, want.eligible) = (0, 6);
        _assertEq(_of(0, ANY), want);
        (want.tooSmall, want.busy, want.waiting, want.eligible) = (11, 0, 0, 0);
        _assertEq(_of(128, ANY), want);
    }

    /// @dev Whatever the pages' size, they add up to the whole, and each to its number of nodes.
    function testFuzz_thePagesAddUp(uint256 size, bool anyClass) public {
        _oneOfEachSort();
        ClassId class = anyClass ? ANY : WANTED;
        uint256 last = NodeId.unwrap(node.lastNode());
        size = bound(size, 1, last + 3);
        uint32[10] memory sum;
        for (uint256 first = 1; first <= last; first += size) {
            INetworkStats.Suitability memory page = stats.suitability(24, class, NodeId.wrap(uint32(first)), size);
            uint256 want = last - first + 1 < size ? last - first + 1 : size;
            assertEq(_total(page), want);
            uint32[10] memory fields = _fields(page);
            for (uint256 i; i < 10; ++i) {
                sum[i] += fields[i];
            }
        }
        assertEq(abi.encode(sum), abi.encode(_of(24, class)));
        assertEq(_total(_of(24, class)), last);
    }

    function test_theFirstPageBeginsWithTheFirstNode() public {
        _joinMany(3);
        _assertEq(stats.suitability(0, ANY, NodeId.wrap(0), 100), stats.suitability(0, ANY, NodeId.wrap(1), 100));
        _assertEq(stats.suitability(0, ANY, NodeId.wrap(4), 100), _nobody());
        _assertEq(stats.suitability(0, ANY, NodeId.wrap(type(uint32).max), type(uint256).max), _nobody());
        _assertEq(stats.suitability(0, ANY, NodeId.wrap(1), 0), _nobody());
        assertEq(stats.suitability(0, ANY, NodeId.wrap(3), type(uint256).max).eligible, 1);
    }

    /// @dev Those who are eligible are those the next draw chooses from, no others.
    function testFuzz_theEligibleAreThoseInTheSets(uint256 seed) public {
        _joinMany(12);
        for (uint32 i = 1; i <= 12; ++i) {
            if ((seed >> i) & 1 == 0) _pause(NodeId.wrap(i));
        }
        INetworkStats.Suitability memory s = _of(0, WANTED);
        assertEq(s.eligible, node.classState(WANTED).free);
        assertEq(s.eligible + s.paused, 12);
        _create(GPT, FEE, 100);
        (, uint256 drawn) = queue.dispatch(1);
        assertEq(drawn, s.eligible >= node.classState(WANTED).floor ? 1 : 0);
    }

    /// @dev Two gone, one of them slashed; one each unbonding, frozen, suspended and paused; two too small, one of another
    /// class; three busy, two that wait for a draw to be seated, and three in the sets.
    function _oneOfEachSort() private {
        _joinMany(5);
        _quit(NodeId.wrap(1));
        vm.warp(block.timestamp + UNBONDING);
        _withdraw(NodeId.wrap(1));
        _slashed();
        _openCase();
        NodeId id = _join(6, CLASS, 24);
        _suspend(id);
        for (uint32 i = 2; i <= 5; ++i) {
            if (_status(NodeId.wrap(i)) != INode.Status.Free) continue;
            if (node.counts().active == 2) _pause(NodeId.wrap(i));
            else _quit(NodeId.wrap(i));
        }
        assertEq(node.counts().active, 0);
        _join(7, CLASS, 16);
        _join(8, OTHER, 8);
        _join(9, OTHER, 48);
        for (uint256 i = 10; i <= 12; ++i) {
            _join(i, CLASS, 24);
        }
        _seated();
        for (uint256 i = 13; i <= 15; ++i) {
            _join(i, CLASS, 24);
        }
        _closeSets();
        _join(16, CLASS, 24);
        _join(17, CLASS, 24);
    }

    function _of(uint16 minVram, ClassId class) private view returns (INetworkStats.Suitability memory) {
        return stats.suitability(minVram, class, NodeId.wrap(1), 1000);
    }

    function _nobody() private pure returns (INetworkStats.Suitability memory s) {}

    function _fields(INetworkStats.Suitability memory s) private pure returns (uint32[10] memory) {
        return abi.decode(abi.encode(s), (uint32[10]));
    }

    function _total(INetworkStats.Suitability memory s) private pure returns (uint256 sum) {
        uint32[10] memory fields = _fields(s);
        for (uint256 i; i < 10; ++i) {
            sum += fields[i];
        }
    }

    function _assertEq(INetworkStats.Suitability memory a, INetworkStats.Suitability memory b) private pure {
        assertEq(abi.encode(a), abi.encode(b));
    }
}
