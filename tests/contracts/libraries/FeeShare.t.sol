// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeeShare} from "../../../contracts/libraries/FeeShare.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

contract FeeShareTest is TypedAssertions {
    function test_thePointsAreTenNineSixAndNoneForNone() public pure {
        assertEq(FeeShare.points(0), 0);
        assertEq(FeeShare.points(1), 10);
        assertEq(FeeShare.points(2), 9);
        assertEq(FeeShare.points(3), 6);
        assertEq(2 * (FeeShare.points(1) + FeeShare.points(2) + FeeShare.points(3)), FeeShare.TOTAL);
    }

    /// @dev In every order of three commits and three reveals the shares stay within the fee, and miss it by dust.
    function testFuzz_theSharesOfThreeSumToTheFeeButForDust(uint96 fee) public pure {
        for (uint256 c; c < 6; ++c) {
            for (uint256 r; r < 6; ++r) {
                uint256 sum;
                for (uint256 seat; seat < 3; ++seat) {
                    sum += FeeShare.shareDown(fee, FeeShare.points(_rank(c, seat)) + FeeShare.points(_rank(r, seat)));
                }
                assertLe(sum, fee);
                assertLe(fee - sum, 2);
            }
        }
    }

    function testFuzz_aShareIsRoundedDown(uint96 fee, uint8 earned) public pure {
        uint256 points = bound(earned, 0, 50);
        uint256 share = FeeShare.shareDown(fee, points);
        assertLe(share * 50, uint256(fee) * points);
        assertGt((share + 1) * 50, uint256(fee) * points);
    }

    function testFuzz_moreEarnsNoLess(uint96 fee, uint8 a, uint8 b) public pure {
        uint256 low = bound(a, 0, 20);
        assertLe(FeeShare.shareDown(fee, low), FeeShare.shareDown(fee, bound(b, low, 20)));
    }

    /// @dev The rank of `seat` in one of the six orders.
    function _rank(uint256 order, uint256 seat) private pure returns (uint256) {
        uint256 turned = (seat + order) % 3;
        return 1 + (order < 3 ? turned : 2 - turned);
    }
}
