// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A contract account that does what the test says and, when it is sent ether, what an attacker would.
contract Puppet {
    /// @custom:value Accept Takes the money.
    /// @custom:value Refuse Reverts.
    /// @custom:value Burn Uses up all the gas it is given.
    /// @custom:value Reenter Calls `target` with `data` first, and takes the money.
    enum OnReceive {
        Accept,
        Refuse,
        Burn,
        Reenter
    }

    error Refused();

    OnReceive public manner;
    address public target;
    bytes public data;
    /// Calls made from `receive`, and how many of them succeeded.
    uint256 public attempts;
    uint256 public successes;

    constructor(OnReceive manner_) payable {
        manner = manner_;
    }

    receive() external payable {
        if (manner == OnReceive.Refuse) revert Refused();
        if (manner == OnReceive.Burn) {
            while (true) ++attempts;
        }
        if (manner == OnReceive.Reenter) _reenter();
    }

    function behave(OnReceive manner_) external {
        manner = manner_;
    }

    /// @notice What to call when ether arrives.
    function plan(address target_, bytes calldata data_) external {
        (manner, target, data) = (OnReceive.Reenter, target_, data_);
    }

    /// @notice Calls `to`, and reverts with what it reverts with.
    function act(address to, uint256 value, bytes calldata input) external payable returns (bytes memory) {
        (bool ok, bytes memory output) = to.call{value: value}(input);
        if (ok) return output;
        assembly ("memory-safe") {
            revert(add(output, 32), mload(output))
        }
    }

    function _reenter() private {
        ++attempts;
        (bool ok,) = target.call(data);
        if (ok) ++successes;
    }
}
