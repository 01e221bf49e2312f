// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {Verdict, Vote} from "../../../contracts/libraries/Verdict.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice The verdict over all results there can be.
contract VerdictSymbolicTest is SymbolicTest {
    /// @custom:proves Turning the seats turns the verdict.
    /// @custom:bound Any results, any seats missing; exact kinds.
    function check_turningTheSeatsTurnsTheVerdict(bool[3] memory gave, bytes32[3] memory r) public pure {
        (Ending ending, uint256 mask) = _decide([gave[0], gave[1], gave[2]], [r[0], r[1], r[2]]);
        (Ending turned, uint256 turnedMask) = _decide([gave[2], gave[0], gave[1]], [r[2], r[0], r[1]]);
        assertEq(ending, turned);
        assertEq(((mask << 1) | (mask >> 2)) & 7, turnedMask);
    }

    /// @custom:proves Exchanging two seats exchanges their part of the verdict; with the turns these are all orders.
    /// @custom:bound Any results, any seats missing; exact kinds.
    function check_exchangingSeatsExchangesTheVerdict(bool[3] memory gave, bytes32[3] memory r) public pure {
        (Ending ending, uint256 mask) = _decide([gave[0], gave[1], gave[2]], [r[0], r[1], r[2]]);
        (Ending exchanged, uint256 exchangedMask) = _decide([gave[1], gave[0], gave[2]], [r[1], r[0], r[2]]);
        assertEq(ending, exchanged);
        assertEq(((mask & 1) << 1) | ((mask >> 1) & 1) | (mask & 4), exchangedMask);
    }

    /// @custom:proves Who agrees gave a result that is no error, and another gave the same; two equal results always agree.
    /// @custom:bound Any results, any seats missing; exact kinds.
    function check_agreementIsTwoEqualResults(bool[3] memory gave, bytes32[3] memory r) public pure {
        (Ending ending, uint256 mask) = _decide(gave, r);
        for (uint256 i; i < 3; ++i) {
            (uint256 j, uint256 k) = ((i + 1) % 3, (i + 2) % 3);
            bool answered = gave[i] && !Verdict.isError(r[i]);
            bool seconded = (gave[j] && r[j] == r[i]) || (gave[k] && r[k] == r[i]);
            assertEq((mask >> i) & 1 == 1, answered && seconded);
        }
        assertLt(mask, 8);
        assertEq(ending == Ending.Agreed, mask != 0);
    }

    /// @custom:proves A seat that gave an error or nothing never agrees, however near its hash is to others.
    /// @custom:bound Any results, any seats missing; perceptual kinds with any distance.
    function check_noErrorEverAgrees(bool[3] memory gave, bytes32[3] memory r, uint8 maxDistance, uint8 seat)
        public
        pure
    {
        seat = _concrete(seat, 3);
        vm.assume(!gave[seat] || Verdict.isError(r[seat]));
        (, uint256 mask) = Verdict.decide(_votes(gave, r), r, false, maxDistance);
        assertEq((mask >> seat) & 1, 0);
    }

    /// @custom:proves The error fee is paid exactly for three errors of one code.
    /// @custom:bound Any results, any seats missing; exact kinds.
    function check_theErrorFeeNeedsThreeEqualErrors(bool[3] memory gave, bytes32[3] memory r) public pure {
        (Ending ending,) = _decide(gave, r);
        bool equal = gave[0] && gave[1] && gave[2] && r[0] == r[1] && r[1] == r[2];
        assertEq(ending == Ending.Failed, equal && Verdict.isError(r[0]));
    }

    /// @custom:proves An error is the prefix with a code above 0 and nothing else.
    /// @custom:bound Any 32 bytes.
    function check_anErrorIsThePrefixWithACode(bytes32 result) public pure {
        bool prefixed = uint256(result) >> 8 == uint256(Verdict.ERROR_PREFIX) >> 8;
        assertEq(Verdict.isError(result), prefixed && uint8(uint256(result)) != 0);
    }

    function _decide(bool[3] memory gave, bytes32[3] memory r) private pure returns (Ending, uint256) {
        return Verdict.decide(_votes(gave, r), r, true, 0);
    }

    /// @dev As Task makes votes of results; of a seat that gave nothing the result is 0.
    function _votes(bool[3] memory gave, bytes32[3] memory r) private pure returns (Vote[3] memory votes) {
        for (uint256 i; i < 3; ++i) {
            if (!gave[i]) r[i] = 0;
            else votes[i] = Verdict.isError(r[i]) ? Vote.Error : Vote.Result;
        }
    }
}
