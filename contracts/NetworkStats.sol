// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending, INetworkStats} from "./interfaces/INetworkStats.sol";
import {INode} from "./interfaces/INode.sol";
import {ITask} from "./interfaces/ITask.sol";
import {ITaskQueue} from "./interfaces/ITaskQueue.sol";
import {Bits} from "./libraries/Bits.sol";
import {NodeId, TaskId} from "./types/Ids.sol";
import {NotAllowed, Wiring, WrongAddress} from "./types/Wiring.sol";

/// @title Tallies of ended tasks, and one place to read all counters.
/// @dev One slot a kind: the number of tasks with ending `e` in bits `36 (e - 1)` to `36 e - 1`.
contract NetworkStats is INetworkStats {
    using Bits for uint256;

    uint256 private constant WIDTH = 36;

    address private immutable TASK;
    INode private immutable NODE;
    ITaskQueue private immutable QUEUE;

    mapping(uint8 kind => uint256) private _tallies;

    constructor(Wiring memory w) {
        if (w.stats != address(this)) revert WrongAddress(w.stats, address(this));
        TASK = w.task;
        NODE = INode(w.node);
        QUEUE = ITaskQueue(w.queue);
    }

    /// @inheritdoc INetworkStats
    function ended(uint8 kind, Ending ending) external {
        if (msg.sender != TASK) revert NotAllowed(msg.sender, TASK);
        _tallies[kind] = _tallies[kind].plus(_offset(ending), 1);
    }

    /// @inheritdoc INetworkStats
    function tallyOf(uint8 kind) public view returns (Tally memory) {
        uint256 word = _tallies[kind];
        return Tally({
            agreed: _tally(word, Ending.Agreed),
            disagreed: _tally(word, Ending.Disagreed),
            failed: _tally(word, Ending.Failed),
            mixed: _tally(word, Ending.Mixed),
            unanswered: _tally(word, Ending.Unanswered),
            cancelled: _tally(word, Ending.Cancelled),
            expired: _tally(word, Ending.Expired)
        });
    }

    /// @inheritdoc INetworkStats
    function overview() external view returns (Overview memory o) {
        o.nodes = NODE.counts();
        o.created = TaskId.unwrap(ITask(TASK).lastTask());
        o.queued = uint40(QUEUE.queued());
        for (uint8 kind; kind < ITask(TASK).kinds(); ++kind) {
            Tally memory t = tallyOf(kind);
            o.succeeded += t.agreed;
            o.aborted += t.disagreed + t.failed + t.mixed + t.unanswered + t.cancelled + t.expired;
        }
        o.running = o.created - o.queued - o.succeeded - o.aborted;
    }

    /// @inheritdoc INetworkStats
    function nodes(NodeId first, uint256 limit) external view returns (INode.NodeView[] memory page) {
        uint256 last = NodeId.unwrap(NODE.lastNode());
        uint256 start = NodeId.unwrap(first) == 0 ? 1 : NodeId.unwrap(first);
        uint256 size = start > last ? 0 : last - start + 1;
        page = new INode.NodeView[](size < limit ? size : limit);
        for (uint256 i; i < page.length; ++i) {
            page[i] = NODE.nodeOf(NodeId.wrap(uint32(start + i)));
        }
    }

    function _offset(Ending ending) private pure returns (uint256) {
        return WIDTH * (uint256(ending) - 1);
    }

    function _tally(uint256 word, Ending ending) private pure returns (uint40) {
        return uint40(word.get(_offset(ending), WIDTH));
    }
}
