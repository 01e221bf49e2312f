// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {NodeSet} from "../../../contracts/libraries/NodeSet.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract NodeSetTest is TypedAssertions {
    using NodeSet for NodeSet.Set;

    NodeSet.Set private set;
    uint256[] private model;

    function testFuzz_agreesWithAnArray(uint256 seed) public {
        for (uint256 i; i < 60; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 5 < 3 || model.length == 0) _put(uint32(random >> 32));
            else _removeAt((random >> 64) % model.length);
            for (uint256 j; j < model.length; ++j) {
                assertEq(set.nodeAt(j), NodeId.wrap(uint32(model[j])));
            }
        }
    }

    function testFuzz_neighboursInAWordAreNotTouched(uint32[16] memory ids, uint8 where, uint32 value) public {
        for (uint256 i; i < 16; ++i) {
            set.put(i, NodeId.wrap(ids[i]));
        }
        set.put(where % 16, NodeId.wrap(value));
        for (uint256 i; i < 16; ++i) {
            assertEq(set.nodeAt(i), NodeId.wrap(i == where % 16 ? value : ids[i]));
        }
    }

    function test_removingTheLastMovesNobody() public {
        set.put(0, NodeId.wrap(7));
        assertEq(set.removeAt(0, 1), NodeId.wrap(0));
        set.put(0, NodeId.wrap(7));
        set.put(1, NodeId.wrap(8));
        assertEq(set.removeAt(1, 2), NodeId.wrap(0));
        assertEq(set.removeAt(0, 1), NodeId.wrap(0));
    }

    function _put(uint32 id) private {
        id |= 1;
        set.put(model.length, NodeId.wrap(id));
        model.push(id);
    }

    function _removeAt(uint256 index) private {
        uint256 last = model[model.length - 1];
        NodeId moved = set.removeAt(index, model.length);
        assertEq(moved, NodeId.wrap(index == model.length - 1 ? 0 : uint32(last)));
        model[index] = last;
        model.pop();
    }
}
