// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ScriptBase} from "forge-std/Base.sol";
import {StdChains} from "forge-std/StdChains.sol";
import {StdCheatsSafe} from "forge-std/StdCheats.sol";
import {StdUtils} from "forge-std/StdUtils.sol";
import {VmSafe} from "forge-std/Vm.sol";
import {console} from "forge-std/console.sol";

/// @notice forge-std's `Script` without its `safeconsole`, whose 689 deprecation warnings would hide ours.
abstract contract Script is ScriptBase, StdChains, StdCheatsSafe, StdUtils {
    // forge finds script contracts by this name.
    // forge-lint: disable-next-line(mixed-case-variable)
    bool public IS_SCRIPT = true;
}
