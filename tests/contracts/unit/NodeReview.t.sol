// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Cases} from "../Cases.sol";

/// @notice The recount of what open classes could serve.
abstract contract Classes is Cases {
    /// @dev What the open classes of each tier could serve.
    function _recount() internal view returns (uint256[16] memory servable) {
        for (uint32 id = 1;; ++id) {
            INode.ClassState memory s = node.classState(ClassId.wrap(id));
            if (!s.exists) return servable;
            if (s.open) servable[s.tier] += PoolFloor.tasks(s.free, s.floor);
        }
    }
}

/// @notice Open classes: those with at least 1/32 of the active nodes.
contract NodeReviewTest is Classes {
    bytes32 private constant SMALL = keccak256("a small class");
    /// The small class is the first to be joined.
    ClassId private constant SMALL_ID = ClassId.wrap(1);
    ClassId private constant BIG_ID = ClassId.wrap(2);
    uint8 private constant TIER = 9;

    function test_refusesAClassThatDoesNotExist() public {
        _joinMany(3);
        for (uint32 id; id < 4; ++id) {
            if (id == 1) continue;
            vm.expectRevert(abi.encodeWithSelector(INode.NoSuchClass.selector, ClassId.wrap(id)));
            node.review(ClassId.wrap(id));
        }
    }

    /// @dev What the choice depends on does not change between a draw and its seating.
    function test_refusesWhileADrawWaits() public {
        _joinMany(3);
        _closeSets();
        vm.expectRevert(INode.SetsClosed.selector);
        node.review(ClassId.wrap(1));
        queue.dispatch(1);
        node.review(ClassId.wrap(1));
    }

    /// @dev 3 of 96 is 1/32, 3 of 97 is less.
    function test_aClassLosesItsOpennessWhenTheNetworkOutgrowsIt() public {
        _joinBoth(93);
        assertTrue(node.classState(SMALL_ID).open);
        _join(97, CLASS, 24);
        assertTrue(node.classState(SMALL_ID).open, "its own number has not changed");
        assertEq(node.capacity().servable[TIER], _recount()[TIER]);
        vm.expectEmit(address(node));
        emit INode.ClassReviewed(SMALL_ID, false);
        node.review(SMALL_ID);
        assertFalse(node.classState(SMALL_ID).open);
        assertEq(node.capacity().servable[TIER], _recount()[TIER]);
        assertEq(node.capacity().servable[TIER], 1 + (94 - PoolFloor.forActive(94)) / 3);
    }

    function test_aClassRegainsItsOpennessWhenTheNetworkShrinks() public {
        _joinBoth(94);
        node.review(SMALL_ID);
        _pause(NodeId.wrap(4));
        assertFalse(node.classState(SMALL_ID).open);
        vm.expectEmit(address(node));
        emit INode.ClassReviewed(SMALL_ID, true);
        node.review(SMALL_ID);
        assertTrue(node.classState(SMALL_ID).open);
        assertEq(node.capacity().servable[TIER], _recount()[TIER]);
    }

    /// @dev Its own members open and close it without a review.
    function test_aClassIsSeenAnewWithEveryChangeOfItsOwn() public {
        _joinBoth(94);
        _pause(NodeId.wrap(1));
        assertFalse(node.classState(SMALL_ID).open, "two of ninety-six");
        _resume(NodeId.wrap(1));
        assertFalse(node.classState(SMALL_ID).open, "three of ninety-seven");
        _join(98, SMALL, 24);
        assertTrue(node.classState(SMALL_ID).open, "four of ninety-eight");
        _quit(NodeId.wrap(98));
        assertFalse(node.classState(SMALL_ID).open);
        assertEq(node.capacity().servable[TIER], _recount()[TIER]);
    }

    /// @dev Who joins while a draw waits changes neither the openness nor the floor of its class before that draw is seated,
    /// and both with its own entry into the sets.
    function test_aClassIsSeenAnewWhenTheSetsOpen() public {
        for (uint256 i = 1; i <= 70; ++i) {
            _join(i, i > 2 ? CLASS : SMALL, 24);
        }
        node.review(SMALL_ID);
        assertEq(PoolFloor.forActive(68), 7);
        assertEq(PoolFloor.forActive(83), 8);
        _closeSets();
        _join(71, SMALL, 24);
        for (uint256 i = 72; i <= 86; ++i) {
            _join(i, CLASS, 24);
        }
        assertEq(node.classState(SMALL_ID).active, 3);
        assertFalse(node.classState(SMALL_ID).open, "three of eighty-six would be");
        assertEq(node.classState(BIG_ID).active, 83);
        assertEq(node.classState(BIG_ID).floor, 7);
        queue.dispatch(1);
        node.absorb(100);
        assertTrue(node.classState(SMALL_ID).open);
        assertEq(node.classState(BIG_ID).floor, 8);
        assertEq(node.capacity().servable[TIER], _recount()[TIER]);
    }

    function test_aReviewThatFindsNothingNewChangesNothing() public {
        _joinBoth(40);
        bytes memory before = abi.encode(node.capacity(), node.classState(BIG_ID), node.classState(SMALL_ID));
        node.review(BIG_ID);
        node.review(SMALL_ID);
        assertEq(abi.encode(node.capacity(), node.classState(BIG_ID), node.classState(SMALL_ID)), before);
    }

    /// @dev A class nobody is left in takes no task, whatever it is called.
    function test_anEmptyClassServesNothing() public {
        _joinBoth(3);
        for (uint32 i = 1; i <= 6; ++i) {
            _pause(NodeId.wrap(i));
        }
        node.review(SMALL_ID);
        node.review(BIG_ID);
        assertEq(node.capacity().servable[TIER], 0);
        assertEq(_recount()[TIER], 0);
        assertEq(node.classState(SMALL_ID).floor, PoolFloor.LEAST);
    }

    /// @dev Three nodes of the small class, and `n` of the big one.
    function _joinBoth(uint256 n) private {
        for (uint256 i = 1; i <= n + 3; ++i) {
            _join(i, i > 3 ? CLASS : SMALL, 24);
        }
    }
}

/// @notice The same under any sequence of moves, in a network of forty nodes, where a class of one is closed and a class of
/// two is open.
contract NodeReviewFuzzTest is Classes {
    function setUp() public override {
        super.setUp();
        _joinMany(40);
    }

    /// @dev Invariant 10: after any sequence of moves the tasks that could be served, the free and the active nodes of each
    /// tier equal the recount over the classes, and the counters of the nodes their recount.
    function testFuzz_whatCouldBeServedEqualsTheRecount(uint256 seed) public {
        for (uint256 i; i < 25; ++i) {
            _move(uint256(keccak256(abi.encode(seed, i))));
            _assertCapacity();
        }
        _assertBooks();
        _nextBlock();
        queue.dispatch(64);
        node.absorb(100);
        _assertReviewed();
    }

    function _move(uint256 random) private {
        NodeId id = NodeId.wrap(uint32(1 + (random >> 8) % NodeId.unwrap(node.lastNode())));
        uint256 move = random % 10;
        if (move == 0) _join(NodeId.unwrap(node.lastNode()) + 1, bytes32(1 + (random >> 40) % 4), _vram(random >> 48));
        if (move == 1) _attempt(id, abi.encodeCall(node.pause, (id)));
        if (move == 2 || move == 3) _attempt(id, abi.encodeCall(node.resume, (id)));
        if (move == 4 && random >> 252 == 0) _attempt(id, abi.encodeCall(node.quit, (id)));
        if (move == 5) _attempt(id, abi.encodeCall(node.review, (node.nodeOf(id).class)));
        if (move == 6) node.absorb(1 + (random >> 60) % 4);
        if (move == 7) _create(random >> 61 & 1 == 0 ? GPT : SD, 1 ether, 1);
        if (move == 8) _finishOne();
        if (move == 9) {
            queue.dispatch(1 + (random >> 62) % 3);
            if (random >> 64 & 1 == 0) _nextBlock();
        }
    }

    /// @dev The oldest task that has its nodes is served; its first seat stands alone with an error.
    function _finishOne() private {
        for (uint40 i = 1; i <= TaskId.unwrap(task.lastTask()); ++i) {
            TaskId t = TaskId.wrap(i);
            if (_state(t) != ITask.State.Committing) continue;
            return _vote(t, [_error(1), ANSWER, ANSWER]);
        }
    }

    function _attempt(NodeId id, bytes memory input) private {
        _asOperator(id);
        (bool ok,) = address(node).call(input);
        ok;
    }

    function _vram(uint256 random) private pure returns (uint16) {
        return random % 2 == 0 ? 24 : 48;
    }

    function _assertCapacity() private view {
        INode.Capacity memory c = node.capacity();
        (uint256[16] memory free, uint256[16] memory active) = _countNodes();
        uint256[16] memory servable = _recount();
        for (uint256 tier; tier < 16; ++tier) {
            assertEq(c.servable[tier], servable[tier]);
            assertEq(c.free[tier], free[tier]);
            assertEq(c.active[tier], active[tier]);
        }
    }

    function _countNodes() private view returns (uint256[16] memory free, uint256[16] memory active) {
        for (uint32 i = 1; i <= NodeId.unwrap(node.lastNode()); ++i) {
            INode.NodeView memory n = node.nodeOf(NodeId.wrap(i));
            if (n.inSets) ++free[n.tier];
            if (n.status == INode.Status.Free || n.status == INode.Status.Busy) ++active[n.tier];
        }
    }

    /// @dev After a review each class has the openness and the floor that its numbers make.
    function _assertReviewed() private {
        if (node.setsClosed()) return;
        uint256 active = node.counts().active;
        for (uint32 id = 1; node.classState(ClassId.wrap(id)).exists; ++id) {
            node.review(ClassId.wrap(id));
            INode.ClassState memory s = node.classState(ClassId.wrap(id));
            assertEq(s.open, s.active * 32 >= active);
            assertEq(s.floor, PoolFloor.forActive(s.active));
        }
        _assertCapacity();
    }
}
