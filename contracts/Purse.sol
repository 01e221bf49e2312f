// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "./interfaces/ITask.sol";
import {NodeId, TaskId} from "./types/Ids.sol";

/// @title Escrows, earnings and credits: the part of Task that moves money.
/// @dev Nothing is sent to anybody but by `withdraw`.
abstract contract Purse is ITask {
    /// @dev Creator and escrow share a slot: 160 + 96 bits.
    struct Escrow {
        address creator;
        uint96 amount;
    }

    /// @dev A node's key and what it has earned and not collected share a slot: 160 + 96 bits.
    struct Account {
        address key;
        uint96 earned;
    }

    uint256 private constant BPS = 10_000;

    mapping(TaskId => Escrow) internal _escrows;
    mapping(NodeId => Account) internal _accounts;
    mapping(address => uint256) private _credits;

    /// @inheritdoc ITask
    function withdraw(address to) external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        _credits[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert TransferFailed(to, amount);
    }

    /// @inheritdoc ITask
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc ITask
    function earnedBy(NodeId node) external view returns (uint96) {
        return _accounts[node].earned;
    }

    /// @dev Refuses everybody but the key of `node`.
    function _checkKey(NodeId node) internal view {
        if (msg.sender != _accounts[node].key) revert NotNodeKey(node, msg.sender);
    }

    /// @dev Credits `bps` of the escrow to whoever turned the crank.
    function _payShare(TaskId task, address cranker, uint256 bps) internal returns (uint96 reward) {
        uint96 escrow = _escrows[task].amount;
        reward = uint96(uint256(escrow) * bps / BPS);
        _escrows[task].amount = escrow - reward;
        _credit(cranker, reward);
    }

    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _credits[account] += amount;
    }

    /// @dev Empties and clears the escrow of `task`.
    function _takeEscrow(TaskId task) internal returns (address creator, uint96 amount) {
        Escrow memory escrow = _escrows[task];
        delete _escrows[task];
        return (escrow.creator, escrow.amount);
    }
}
