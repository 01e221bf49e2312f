// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {VramTier} from "../../../contracts/libraries/VramTier.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";

contract NodeJoinTest is Network {
    uint96 private constant STAKE = 400 ether;

    function testFuzz_refusesAnyStakeButTheMinimum(uint96 value) public {
        vm.assume(value != STAKE);
        _refused(value, _key(1), CLASS, "a GPU", abi.encodeWithSelector(INode.WrongStake.selector, value, STAKE));
    }

    function test_refusesZeroKey() public {
        _refused(STAKE, address(0), CLASS, "a GPU", abi.encodeWithSelector(INode.ZeroKey.selector));
    }

    function test_refusesZeroClass() public {
        _refused(STAKE, _key(1), 0, "a GPU", abi.encodeWithSelector(INode.ZeroClass.selector));
    }

    function testFuzz_refusesLongGpuNames(uint16 length) public {
        string memory gpu = string(new bytes(bound(length, 65, 2000)));
        bytes4 selector = INode.GpuNameTooLong.selector;
        _refused(STAKE, _key(1), CLASS, gpu, abi.encodeWithSelector(selector, bytes(gpu).length, 64));
    }

    function test_refusesKeyInUse() public {
        NodeId first = _join(1, CLASS, 24);
        _refused(STAKE, _key(1), CLASS, "a GPU", abi.encodeWithSelector(INode.KeyInUse.selector, _key(1), first));
    }

    /// @dev The key of a node that has gone stays taken: a key means one node for ever.
    function test_refusesTheKeyOfANodeThatHasGone() public {
        NodeId first = _join(1, CLASS, 24);
        vm.prank(_operator(1));
        node.quit(first);
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(1));
        node.withdraw(first);
        _refused(STAKE, _key(1), CLASS, "a GPU", abi.encodeWithSelector(INode.KeyInUse.selector, _key(1), first));
    }

    function testFuzz_emitsClassThenNode(address key, bytes32 classHash, uint16 vram) public {
        vm.assume(key != address(0) && classHash != 0);
        uint8 tier = VramTier.tierOf(vram);
        address operator = _operator(1);
        vm.deal(operator, STAKE);
        vm.prank(operator);
        vm.expectEmit(address(node));
        emit INode.ClassOpened(ClassId.wrap(1), classHash, tier);
        vm.expectEmit(address(node));
        emit INode.NodeJoined(NodeId.wrap(1), operator, key, ClassId.wrap(1), classHash, vram, STAKE, "a GPU");
        vm.expectEmit(address(node));
        emit INode.StatusChanged(NodeId.wrap(1), INode.Status.Free);
        node.join{value: STAKE}(key, classHash, vram, "a GPU");
    }

    function testFuzz_storesTheNode(address key, bytes32 classHash, uint16 vram) public {
        vm.assume(key != address(0) && classHash != 0);
        NodeId id = _joinFor(_operator(1), key, classHash, vram);
        INode.NodeView memory want = INode.NodeView({
            key: key,
            operator: _operator(1),
            stake: STAKE,
            status: INode.Status.Free,
            intent: INode.Intent.None,
            class: ClassId.wrap(1),
            tier: VramTier.tierOf(vram),
            weight: 128,
            since: 0,
            inSets: true
        });
        assertEq(abi.encode(node.nodeOf(id)), abi.encode(want));
        assertEq(node.idOf(key), id);
        assertEq(node.operatorOf(id), _operator(1));
        assertEq(node.lastNode(), id);
        assertEq(address(node).balance, STAKE, "invariant 1");
    }

    function testFuzz_standsInBothSets(uint16 vram, uint8 number) public {
        uint256 n = bound(number, 1, 20);
        uint8 tier = VramTier.tierOf(vram);
        for (uint256 i = 1; i <= n; ++i) {
            NodeId id = _join(i, CLASS, vram);
            assertEq(node.freeInTier(tier, i - 1), id);
            assertEq(node.freeInClass(ClassId.wrap(1), i - 1), id);
        }
        INode.Capacity memory c = node.capacity();
        assertEq(c.free[tier], n);
        assertEq(c.active[tier], n);
        uint256 floor = n < 19 ? 3 : 4;
        assertEq(c.servable[tier], n < floor ? 0 : 1 + (n - floor) / 3);
        INode.ClassState memory s = node.classState(ClassId.wrap(1));
        INode.ClassState memory want = INode.ClassState(true, tier, uint32(n), uint32(n), uint8(floor), true);
        assertEq(abi.encode(s), abi.encode(want));
        INode.Counts memory counts = node.counts();
        assertEq(abi.encode(counts), abi.encode(INode.Counts(uint32(n), uint32(n), uint32(n), 0)), "invariant 10");
    }

    /// @dev A position that no node has names none: in an empty tier, one that has classes but nobody free, behind the last.
    function testFuzz_behindTheLastOfATierIsNobody(uint16 vram, uint8 classes, uint8 number, uint256 position) public {
        uint8 tier = VramTier.tierOf(vram);
        assertEq(node.freeInTier(tier, position), NodeId.wrap(0));
        assertEq(node.freeInTier(tier, 0), NodeId.wrap(0));
        uint256 n = number % 12;
        for (uint256 i = 1; i <= n; ++i) {
            _join(i, keccak256(abi.encode(i % (1 + classes % 7))), vram);
        }
        assertEq(node.freeInTier(tier, n), NodeId.wrap(0));
        assertEq(node.freeInTier(tier, bound(position, n, type(uint256).max)), NodeId.wrap(0));
        if (n != 0) assertTrue(node.freeInTier(tier, n - 1) != NodeId.wrap(0));
        for (uint32 i = 1; i <= n; ++i) {
            vm.prank(_operator(i));
            node.pause(NodeId.wrap(i));
        }
        assertEq(node.freeInTier(tier, 0), NodeId.wrap(0));
        assertEq(node.freeInTier(tier, position), NodeId.wrap(0));
    }

    /// @dev The nodes of a tier stand class by class, in the order in which the classes came.
    function test_aTierIsItsClassesEndToEnd() public {
        uint256[9] memory which = [uint256(1), 2, 1, 3, 2, 1, 4, 5, 3];
        for (uint256 i; i < 9; ++i) {
            _join(1 + i, keccak256(abi.encode(which[i])), 24);
        }
        uint256[9] memory want = [uint256(1), 3, 6, 2, 5, 4, 9, 7, 8];
        for (uint256 i; i < 9; ++i) {
            assertEq(node.freeInTier(9, i), NodeId.wrap(uint32(want[i])));
        }
    }

    /// @dev A class is a fingerprint at a tier: the same software with less memory cannot stand in for more.
    function test_oneFingerprintAtTwoTiersIsTwoClasses() public {
        ClassId small = node.nodeOf(_join(1, CLASS, 8)).class;
        ClassId large = node.nodeOf(_join(2, CLASS, 80)).class;
        ClassId again = node.nodeOf(_join(3, CLASS, 9)).class;
        assertTrue(small != large);
        assertEq(small, again);
        assertEq(node.classOf(CLASS, VramTier.tierOf(8)), small);
        (bytes32 hash, INode.ClassState memory state) = node.classInfo(small);
        assertEq(hash, CLASS);
        assertEq(abi.encode(state), abi.encode(node.classState(small)));
        assertEq(state.tier, VramTier.tierOf(8));
        assertEq(state.free, 2);
    }

    function test_aNameOfSixtyFourBytesIsAccepted() public {
        vm.deal(_operator(1), STAKE);
        vm.prank(_operator(1));
        node.join{value: STAKE}(_key(1), CLASS, 24, string(new bytes(64)));
    }

    function test_oneOperatorMayHaveManyNodes() public {
        NodeId first = _joinFor(_operator(1), _key(1), CLASS, 24);
        NodeId second = _joinFor(_operator(1), _key(2), CLASS, 24);
        assertEq(node.operatorOf(first), node.operatorOf(second));
        assertEq(address(node).balance, 2 * STAKE, "invariant 1");
    }

    /// @dev While a draw waits, a newcomer waits too; it enters with the next dispatch.
    function test_waitsOutsideTheSetsWhileADrawWaits() public {
        _joinMany(3);
        _closeSets();
        NodeId late = _join(4, CLASS, 24);
        assertEq(_status(late), INode.Status.Free);
        assertFalse(node.nodeOf(late).inSets);
        assertEq(node.deferred(), 1);
        assertEq(node.counts().active, 4);
        assertEq(node.counts().active, 4);
        assertEq(node.counts().free, 3);
        vm.expectEmit(address(node));
        emit INode.NodeAbsorbed(late);
        queue.dispatch(1);
        assertTrue(node.nodeOf(late).inSets);
        assertEq(node.deferred(), 0);
    }

    /// @dev Nor is it eligible when it joins in the very block of the draw.
    function testFuzz_isNotEligibleForADrawItCameAfter(bytes32 blockHash) public {
        _joinMany(3);
        TaskId t = _create(GPT, FEE, 100);
        queue.dispatch(1);
        NodeId late = _join(4, CLASS, 24);
        assertTrue(node.nodeOf(late).inSets);
        _nextBlock();
        vm.setBlockhash(block.number - 1, blockHash);
        queue.dispatch(1);
        for (uint256 i; i < 3; ++i) {
            assertTrue(_nodeAt(t, i) != late && _nodeAt(t, i) != NodeId.wrap(0));
        }
    }

    function _refused(uint256 value, address key, bytes32 classHash, string memory gpu, bytes memory reason) private {
        vm.deal(_operator(1), value);
        vm.prank(_operator(1));
        vm.expectRevert(reason);
        node.join{value: value}(key, classHash, 24, gpu);
    }
}
