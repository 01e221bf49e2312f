// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {FeeShare} from "../../../contracts/libraries/FeeShare.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {TaskSlot} from "../../../contracts/types/TaskSlot.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice Invariant 1 at the settlement: the escrow is divided, nothing is made and nothing is lost.
contract SettlementSymbolicTest is TypedAssertions {
    using Settlement for Settlement.Outcome;

    /// The most the terms may name for three equal errors.
    uint256 private constant MAX_ERROR_BPS = 1000;

    /// @custom:proves Of an agreement the shares and the refund add up to the escrow; what all three earn leaves no refund.
    /// @custom:bound Any escrow of 96 bits above 0, every set of two or three who agree, commits in seat order, all six orders of
    /// reveals.
    function check_anAgreementDividesTheEscrow(uint96 escrow, uint8 set, uint8 order) public pure {
        vm.assume(escrow != 0);
        uint256 agreeing = [3, 5, 6, 7][_concrete(set, 4)];
        TaskSlot s = _revealed(_concrete(order, 6));
        Settlement.Outcome memory o;
        (o.ending, o.agreeing) = (Ending.Agreed, agreeing);
        o.deliverer = agreeing == 6 ? 1 : 0;
        for (uint256 i; i < 3; ++i) {
            uint256 points = FeeShare.points(s.commitRank(i)) + FeeShare.points(s.revealRank(i));
            _assumeArithmetic(escrow, points, FeeShare.TOTAL);
        }
        o.divide(s, escrow, MAX_ERROR_BPS);
        _assertConserved(o, escrow);
        for (uint256 i; i < 3; ++i) {
            if ((agreeing >> i) & 1 == 0) assertEq(o.shares[i], 0);
        }
        if (agreeing == 7) assertEq(o.refund, 0);
    }

    /// @custom:proves Of every other ending, too; only three equal errors are paid for, with equal shares.
    /// @custom:bound Any escrow of 96 bits above 0, every ending, any error fee the terms allow.
    function check_everyOtherEndingDividesTheEscrow(uint96 escrow, uint8 ending, uint16 errorBps) public pure {
        vm.assume(escrow != 0 && ending != uint8(Ending.Agreed) && errorBps <= MAX_ERROR_BPS);
        Settlement.Outcome memory o;
        o.ending = Ending(_concrete(ending, uint8(type(Ending).max) + 1));
        _assumeArithmetic(escrow, errorBps, 10_000);
        o.divide(_revealed(0), escrow, errorBps);
        _assertConserved(o, escrow);
        assertTrue(o.shares[0] == o.shares[1] && o.shares[1] == o.shares[2]);
        if (ending != uint8(Ending.Failed)) assertEq(o.refund, escrow);
    }

    /// @dev What multiplication and division are, spelled out: the solver treats both as unknown functions and would have to
    /// find it bit by bit. The product of 96 and 16 bits does not overflow; a quotient rounds down.
    function _assumeArithmetic(uint256 amount, uint256 parts, uint256 whole) private pure {
        unchecked {
            uint256 product = amount * parts;
            vm.assume(product / amount == parts);
            uint256 quotient = product / whole;
            vm.assume(quotient * whole <= product);
            vm.assume(product - quotient * whole < whole);
        }
    }

    /// @dev One path for each value below `limit`, instead of one condition after the other on an unknown.
    function _concrete(uint8 value, uint8 limit) private pure returns (uint8) {
        for (uint8 i; i < limit; ++i) {
            if (value == i) return i;
        }
        vm.assume(false);
        return 0;
    }

    function _assertConserved(Settlement.Outcome memory o, uint96 escrow) private pure {
        assertEq(uint256(o.shares[0]) + o.shares[1] + o.shares[2] + o.refund, escrow);
    }

    /// @dev Three seats that committed in the order of their numbers and revealed in one of the six orders.
    function _revealed(uint256 order) private pure returns (TaskSlot s) {
        uint256 first = order % 3;
        uint256 step = order < 3 ? 1 : 2;
        for (uint256 i; i < 3; ++i) {
            s = s.withCommit(i);
        }
        for (uint256 i; i < 3; ++i) {
            s = s.withReveal((first + i * step) % 3);
        }
    }
}
