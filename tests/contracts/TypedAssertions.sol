// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../contracts/interfaces/INetworkStats.sol";
import {INode} from "../../contracts/interfaces/INode.sol";
import {ITask} from "../../contracts/interfaces/ITask.sol";
import {ClassId, NodeId, TaskId} from "../../contracts/types/Ids.sol";
import {Level, ValueRate} from "../../contracts/types/ValueRate.sol";
import {Test} from "./Test.sol";

/// @notice `assertEq` for the protocol's own types.
abstract contract TypedAssertions is Test {
    function assertEq(TaskId a, TaskId b) internal pure {
        assertEq(uint256(TaskId.unwrap(a)), uint256(TaskId.unwrap(b)), "task");
    }

    function assertEq(NodeId a, NodeId b) internal pure {
        assertEq(uint256(NodeId.unwrap(a)), uint256(NodeId.unwrap(b)), "node");
    }

    function assertEq(ClassId a, ClassId b) internal pure {
        assertEq(uint256(ClassId.unwrap(a)), uint256(ClassId.unwrap(b)), "class");
    }

    function assertEq(Level a, Level b) internal pure {
        assertEq(uint256(Level.unwrap(a)), uint256(Level.unwrap(b)), "level");
    }

    function assertEq(ValueRate a, ValueRate b) internal pure {
        assertEq(ValueRate.unwrap(a), ValueRate.unwrap(b), "value");
    }

    function assertEq(ITask.State a, ITask.State b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "state");
    }

    function assertEq(INode.Status a, INode.Status b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "status");
    }

    function assertEq(INode.Intent a, INode.Intent b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "intent");
    }

    function assertEq(INode.Fate a, INode.Fate b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "fate");
    }

    function assertEq(INode.Lapse a, INode.Lapse b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "lapse");
    }

    function assertEq(Ending a, Ending b) internal pure {
        assertEq(uint256(uint8(a)), uint256(uint8(b)), "ending");
    }
}
