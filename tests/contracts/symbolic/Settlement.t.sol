// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {TaskSlot} from "../../../contracts/types/TaskSlot.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice Invariant 1 at the settlement: the escrow is divided, nothing is made and nothing is lost.
contract SettlementSymbolicTest is SymbolicTest {
    using Settlement for Settlement.Outcome;

    /// The most the terms may name for three equal errors.
    uint256 private constant MAX_ERROR_BPS = 1000;

    /// @custom:halmos --solver-command script/analysis/integers
    /// @custom:proves Of an agreement the shares and the refund add up to the escrow and only those who agree have a share;
    /// what all three earn leaves no refund.
    /// @custom:bound Any escrow of 96 bits; every pair that agrees and all three, delivered by the first of them; commits in seat
    /// order, all six orders of reveals.
    function check_anAgreementDividesTheEscrow(uint96 escrow, uint8 who, uint8 order) public pure {
        who = _concrete(who, 4);
        Settlement.Outcome memory o;
        (o.ending, o.agreeing, o.deliverer) = (Ending.Agreed, [3, 5, 6, 7][who], who == 2 ? 1 : 0);
        o.divide(_revealed(_concrete(order, 6)), escrow, MAX_ERROR_BPS);
        _assertConserved(o, escrow);
        for (uint256 i; i < 3; ++i) {
            if ((o.agreeing >> i) & 1 == 0) assertEq(o.shares[i], 0);
        }
        if (o.agreeing == 7) assertEq(o.refund, 0);
    }

    /// @custom:halmos --solver-command script/analysis/integers
    /// @custom:proves Of every other ending, too; only three equal errors are paid for, with equal shares.
    /// @custom:bound Any escrow of 96 bits, every ending, any error fee the terms allow.
    function check_everyOtherEndingDividesTheEscrow(uint96 escrow, uint8 ending, uint16 errorBps) public pure {
        vm.assume(ending != uint8(Ending.Agreed) && errorBps <= MAX_ERROR_BPS);
        Settlement.Outcome memory o;
        o.ending = Ending(_concrete(ending, uint8(type(Ending).max) + 1));
        o.divide(_revealed(0), escrow, errorBps);
        _assertConserved(o, escrow);
        assertTrue(o.shares[0] == o.shares[1] && o.shares[1] == o.shares[2]);
        if (ending != uint8(Ending.Failed)) assertEq(o.refund, escrow);
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
