// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {PoolFloor} from "../../../contracts/libraries/PoolFloor.sol";
import {ClassId, NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {NodeSlot, NodeSlots} from "../../../contracts/types/NodeSlot.sol";
import {Network} from "../Network.sol";

/// @notice Invariant 8: choosing three nodes, and freeing them, costs the same among a thousand and a hundred thousand;
/// among ten it costs less, for they share the words of their sets.
/// @dev Each call is a transaction of its own (isolated). The sets are written into Node's storage word by word, by the
/// layout of NodePool at slot 0; the views confirm it.
/// forge-config: default.isolate = true
contract ChooseGasTest is Network {
    uint256 private constant MOST = 100_000;
    uint256 private constant DRAWS = 100;
    uint8 private constant TIER = 9;
    /// The weight of a node that usually comes second.
    uint8 private constant WEIGHT = 212;

    /// Slots of NodePool.Pool.
    uint256 private constant HEADER = 0;
    uint256 private constant SLOTS = 1;
    uint256 private constant CLASS_WORDS = 2;
    uint256 private constant TIER_WORDS = 3;
    uint256 private constant CLASS_SETS = 4;
    uint256 private constant TREES = 5;

    function setUp() public override {
        super.setUp();
        _join(1, CLASS, 24);
        for (uint256 i; i < MOST; ++i) {
            NodeSlot slot = NodeSlots.fresh(ClassId.wrap(1), TIER, WEIGHT, address(uint160(1 + i)));
            slot = slot.withInSets(true).withPosition(i);
            _store(_at(1 + i, SLOTS), NodeSlot.unwrap(slot));
        }
        for (uint256 word; word < MOST / 8; ++word) {
            uint256 ids;
            for (uint256 lane; lane < 8; ++lane) {
                ids |= (8 * word + lane + 1) << (32 * lane);
            }
            _store(_at(word, _at(1, CLASS_SETS)), ids);
        }
    }

    function test_choosingCostsTheSameAtAnyNumber() public {
        (uint256 few, uint256 fewFreed) = _averages(10, "10 nodes");
        (uint256 many, uint256 manyFreed) = _averages(1000, "1,000 nodes");
        (uint256 most, uint256 mostFreed) = _averages(MOST, "100,000 nodes");
        assertLt(few, many, "nobody pays more in a small network");
        assertApproxEqRel(many, most, 0.03e18, "choosing");
        assertApproxEqRel(manyFreed, mostFreed, 0.03e18, "freeing");
        assertApproxEqRel(fewFreed, mostFreed, 0.12e18, "freeing");
    }

    function _averages(uint256 n, string memory name) private returns (uint256 choosing, uint256 freeing) {
        _shrinkTo(n);
        for (uint256 i; i < DRAWS; ++i) {
            (uint256 chosen, uint256 freed) = _chooseAndFree(keccak256(abi.encode(i)));
            choosing += chosen;
            freeing += freed;
        }
        (choosing, freeing) = (choosing / DRAWS, freeing / DRAWS);
        vm.snapshotValue("choose", string.concat("choose among ", name), choosing);
        vm.snapshotValue("choose", string.concat("free among ", name), freeing);
    }

    function _chooseAndFree(bytes32 entropy) private returns (uint256 choosing, uint256 freeing) {
        vm.prank(address(queue));
        node.openRound();
        vm.prank(address(task));
        (bool ok, NodeId[3] memory nodes,) = node.choose(entropy, INode.Need(0, true, ANY, ANY));
        choosing = vm.lastCallGas().gasTotalUsed;
        assertTrue(ok);
        vm.prank(address(queue));
        node.closeRound(0);
        vm.prank(address(task));
        node.release(TaskId.wrap(1), _ends(nodes));
        freeing = vm.lastCallGas().gasTotalUsed;
    }

    /// @dev The sets are the first `n` of what is written: stale words behind the length do not count.
    function _shrinkTo(uint256 n) private {
        uint256 floor = PoolFloor.forActive(n);
        uint256 tasks = PoolFloor.tasks(n, floor);
        // Free and active n, open, there, its floor.
        _store(_at(1, CLASS_WORDS), n | (uint256(TIER) << 32) | (n << 40) | (3 << 72) | (floor << 74));
        _store(_at(TIER, TIER_WORDS), n | (tasks << 32) | (n << 64) | (1 << 96));
        _store(_at(0, _at(TIER, TREES)), n | (1 << 32));
        // The tier in use, and more rounds drawn than any node has seen.
        _store(bytes32(HEADER), n | (n << 32) | (1 << (96 + TIER)) | (n * DRAWS << 216));
        INode.ClassState memory want = INode.ClassState(true, TIER, uint32(n), uint32(n), uint8(floor), true);
        assertEq(abi.encode(node.classState(ClassId.wrap(1))), abi.encode(want));
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(1, uint32(n), uint32(n), 0)));
        INode.Capacity memory c = node.capacity();
        assertEq(abi.encode(c.free[TIER], c.active[TIER], c.servable[TIER]), abi.encode(n, n, tasks));
        assertEq(node.freeInClass(ClassId.wrap(1), n - 1), NodeId.wrap(uint32(n)));
        assertEq(node.freeInTier(TIER, n - 1), NodeId.wrap(uint32(n)));
        assertTrue(node.nodeOf(NodeId.wrap(uint32(n))).inSets);
    }

    function _ends(NodeId[3] memory nodes) private pure returns (INode.SeatEnd[3] memory ends) {
        for (uint256 i; i < 3; ++i) {
            ends[i] = INode.SeatEnd(nodes[i], WEIGHT, INode.Fate.Free, INode.Lapse.None);
        }
    }

    function _store(bytes32 slot, uint256 word) private {
        vm.store(address(node), slot, bytes32(word));
    }

    /// @dev The slot of `key` in the mapping at `slot`.
    function _at(uint256 key, uint256 slot) private pure returns (bytes32) {
        return keccak256(abi.encode(key, slot));
    }

    function _at(uint256 key, bytes32 slot) private pure returns (bytes32) {
        return keccak256(abi.encode(key, slot));
    }
}
