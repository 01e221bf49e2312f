// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TestBase} from "forge-std/Base.sol";
import {StdAssertions} from "forge-std/StdAssertions.sol";
import {StdChains} from "forge-std/StdChains.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {stdError} from "forge-std/StdError.sol";
import {StdInvariant} from "forge-std/StdInvariant.sol";
import {StdStorage, stdStorage} from "forge-std/StdStorage.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {Vm} from "forge-std/Vm.sol";
import {console} from "forge-std/console.sol";

/// @notice forge-std's `Test` without its `safeconsole`, whose 689 deprecation warnings would hide ours.
abstract contract Test is TestBase, StdAssertions, StdChains, StdCheats, StdInvariant, StdUtils {
    // forge finds test contracts by this name.
    // forge-lint: disable-next-line(mixed-case-variable)
    bool public IS_TEST = true;
}
