// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../../../contracts/interfaces/INetworkStats.sol";
import {Verdict, Vote} from "../../../contracts/libraries/Verdict.sol";
import {TypedAssertions} from "../TypedAssertions.sol";

/// @notice The verdict against the table of outcomes, over every combination of votes.
contract VerdictTest is TypedAssertions {
    uint256 private constant MAX_DISTANCE = 5;

    /// @dev Three seats, each missing, or with one of two errors, or with one of three results: 6^3 cases.
    function test_exactKinds() public pure {
        for (uint256 i; i < 216; ++i) {
            uint256[3] memory picks = [i % 6, i / 6 % 6, i / 36];
            (Vote[3] memory votes, bytes32[3] memory results) = _votes(picks);
            bool[3] memory pairs;
            for (uint256 j; j < 3; ++j) {
                pairs[j] = results[j] == results[(j + 1) % 3];
            }
            _assertVerdict(votes, results, true, pairs);
        }
    }

    /// @dev Every pattern of which pairs are close, the intransitive ones included, under every combination of votes.
    function test_perceptualKinds() public pure {
        for (uint256 pattern; pattern < 8; ++pattern) {
            for (uint256 i; i < 27; ++i) {
                (bytes32[3] memory results, bool[3] memory pairs) = _images(pattern);
                Vote[3] memory votes = [Vote(i % 3), Vote(i / 3 % 3), Vote(i / 9)];
                for (uint256 j; j < 3; ++j) {
                    if (votes[j] == Vote.Missing) results[j] = 0;
                    if (votes[j] == Vote.Error) results[j] = bytes32(uint256(Verdict.ERROR_PREFIX) | (1 + j));
                }
                _assertVerdict(votes, results, false, pairs);
            }
        }
    }

    /// @dev The order of the seats does not matter.
    function testFuzz_turningTheSeatsTurnsTheVerdict(uint8[3] memory picks, bool exact) public pure {
        uint256[3] memory p = [uint256(picks[0]) % 6, uint256(picks[1]) % 6, uint256(picks[2]) % 6];
        (Ending ending, uint256 mask) = _decide(p, exact);
        (Ending turned, uint256 turnedMask) = _decide([p[2], p[0], p[1]], exact);
        assertEq(ending, turned);
        assertEq(((mask << 1) | (mask >> 2)) & 7, turnedMask);
    }

    function testFuzz_onlyThePrefixWithACodeIsAnError(bytes32 result, uint8 code) public pure {
        bytes32 prefixed = bytes32(uint256(Verdict.ERROR_PREFIX) | code);
        assertEq(Verdict.isError(prefixed), code != 0);
        bool same = uint256(result) >> 8 == uint256(Verdict.ERROR_PREFIX) >> 8;
        assertEq(Verdict.isError(result), same && uint8(uint256(result)) != 0);
        assertEq(uint256(Verdict.ERROR_PREFIX) & 0xff, 0);
    }

    function testFuzz_oneFlippedBitOfThePrefixIsAResult(uint8 bit, uint8 code) public pure {
        uint256 flipped = uint256(Verdict.ERROR_PREFIX) | code;
        flipped ^= 1 << bound(bit, 8, 255);
        assertFalse(Verdict.isError(bytes32(flipped)));
    }

    function _decide(uint256[3] memory picks, bool exact) private pure returns (Ending, uint256) {
        (Vote[3] memory votes, bytes32[3] memory results) = _votes(picks);
        return Verdict.decide(votes, results, exact, MAX_DISTANCE);
    }

    /// @dev 0 missing, 1 and 2 errors, 3 to 5 results far apart.
    function _votes(uint256[3] memory picks) private pure returns (Vote[3] memory votes, bytes32[3] memory results) {
        for (uint256 i; i < 3; ++i) {
            if (picks[i] == 0) continue;
            votes[i] = picks[i] < 3 ? Vote.Error : Vote.Result;
            results[i] = picks[i] < 3
                ? bytes32(uint256(Verdict.ERROR_PREFIX) | picks[i])
                : keccak256(abi.encode("result", picks[i]));
        }
    }

    /// @dev Images whose pair (0 1), (1 2), (2 0) is close when bit 0, 1, 2 of `pattern` is set.
    function _images(uint256 pattern) private pure returns (bytes32[3] memory results, bool[3] memory pairs) {
        for (uint256 i; i < 3; ++i) {
            pairs[i] = (pattern >> i) & 1 == 1;
        }
        // Each pair that is not close differs in three images of its own by six bits; seats share nothing else.
        for (uint256 i; i < 3; ++i) {
            if (!pairs[i]) results[i] ^= bytes32(uint256(7) << (64 * i));
            if (!pairs[i]) results[(i + 1) % 3] ^= bytes32(uint256(7) << (64 * i + 3));
        }
    }

    /// @dev The table of the protocol, from the votes and from which pairs of results are alike.
    function _assertVerdict(Vote[3] memory votes, bytes32[3] memory results, bool exact, bool[3] memory pairs)
        private
        pure
    {
        bool[3] memory agrees;
        uint256 revealed;
        uint256 answers;
        for (uint256 i; i < 3; ++i) {
            uint256 j = (i + 1) % 3;
            if (pairs[i] && votes[i] == Vote.Result && votes[j] == Vote.Result) (agrees[i], agrees[j]) = (true, true);
            if (votes[i] != Vote.Missing) ++revealed;
            if (votes[i] == Vote.Result) ++answers;
        }
        (Ending ending, uint256 mask) = Verdict.decide(votes, results, exact, MAX_DISTANCE);
        for (uint256 i; i < 3; ++i) {
            assertEq((mask >> i) & 1 == 1, agrees[i], "agreeing");
        }
        assertLt(mask, 8);
        assertEq(ending, _ending(results, mask != 0, revealed, answers));
    }

    function _ending(bytes32[3] memory results, bool agreed, uint256 revealed, uint256 answers)
        private
        pure
        returns (Ending)
    {
        if (agreed) return Ending.Agreed;
        if (revealed < 2) return Ending.Unanswered;
        if (answers >= 2) return Ending.Disagreed;
        bool sameError = revealed == 3 && answers == 0 && results[0] == results[1] && results[1] == results[2];
        return sameError ? Ending.Failed : Ending.Mixed;
    }
}
