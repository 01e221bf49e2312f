// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {VramTier} from "../../../contracts/libraries/VramTier.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract VramTierTest is TypedAssertions {
    function test_theBoundsRise() public pure {
        uint8[16] memory want = [0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 128];
        for (uint256 tier; tier < 16; ++tier) {
            assertEq(VramTier.bound(tier), want[tier]);
        }
    }

    function testFuzz_aMachineReachesItsTierAndNoHigher(uint16 vram) public pure {
        uint256 tier = VramTier.tierOf(vram);
        assertLe(VramTier.bound(tier), vram);
        if (tier < 15) assertGt(VramTier.bound(tier + 1), vram);
    }

    function testFuzz_theLowestTierThatGuaranteesTheMemory(uint16 vram) public pure {
        uint256 tier = VramTier.atLeast(vram);
        assertEq(tier == 16, vram > 128);
        if (tier < 16) assertGe(VramTier.bound(tier), vram);
        if (tier > 0) assertLt(VramTier.bound(tier - 1), vram);
    }

    /// @dev A machine of a tier at or above the one asked for has the memory asked for.
    function testFuzz_everyMachineOfTheTierHasTheMemory(uint16 asked, uint16 machine) public pure {
        if (VramTier.tierOf(machine) >= VramTier.atLeast(asked)) assertGe(machine, asked);
    }

    function testFuzz_moreMemoryIsNoLowerTier(uint16 a, uint16 b) public pure {
        (uint16 low, uint16 high) = a < b ? (a, b) : (b, a);
        assertLe(VramTier.tierOf(low), VramTier.tierOf(high));
        assertLe(VramTier.atLeast(low), VramTier.atLeast(high));
    }
}
