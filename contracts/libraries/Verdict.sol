// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ending} from "../interfaces/INetworkStats.sol";
import {Hamming} from "./Hamming.sol";

/// @notice What a seat gave.
enum Vote {
    Missing,
    Error,
    Result
}

/// @notice Compares three votes.
/// @dev Agreement of perceptual hashes is not transitive. Two pairs that agree share a seat that agrees with both
/// others, so all three count as agreeing; one pair leaves the third out.
library Verdict {
    /// An error is this prefix with the code in the last byte: keccak256("xenon.error") with its last byte cleared.
    bytes32 internal constant ERROR_PREFIX = bytes32(uint256(keccak256("xenon.error")) & ~uint256(0xff));

    /// @return Whether `result` is an error: the prefix with a code above 0.
    function isError(bytes32 result) internal pure returns (bool) {
        uint256 difference = uint256(result ^ ERROR_PREFIX);
        return difference != 0 && difference < 256;
    }

    /// @param exact Whether results agree only when equal.
    /// @param maxDistance Bits per image in which perceptual hashes may differ.
    /// @return ending How the task ends.
    /// @return agreeing The seats that agree, as a mask; 0 unless `ending` is `Agreed`.
    function decide(Vote[3] memory votes, bytes32[3] memory results, bool exact, uint256 maxDistance)
        internal
        pure
        returns (Ending ending, uint256 agreeing)
    {
        agreeing = _agreeing(votes, results, exact, maxDistance);
        if (agreeing != 0) return (Ending.Agreed, agreeing);
        uint256 missing = _count(votes, Vote.Missing);
        if (missing >= 2) return (Ending.Unanswered, 0);
        if (_count(votes, Vote.Result) >= 2) return (Ending.Disagreed, 0);
        bool same = results[0] == results[1] && results[1] == results[2];
        return (missing == 0 && same ? Ending.Failed : Ending.Mixed, 0);
    }

    /// @dev The union of all pairs of results that agree.
    function _agreeing(Vote[3] memory votes, bytes32[3] memory results, bool exact, uint256 maxDistance)
        private
        pure
        returns (uint256 mask)
    {
        for (uint256 i; i < 3; ++i) {
            uint256 j = (i + 1) % 3;
            if (votes[i] != Vote.Result || votes[j] != Vote.Result) continue;
            if (_match(results[i], results[j], exact, maxDistance)) mask |= (1 << i) | (1 << j);
        }
    }

    function _match(bytes32 a, bytes32 b, bool exact, uint256 maxDistance) private pure returns (bool) {
        return exact ? a == b : Hamming.within(a, b, maxDistance);
    }

    function _count(Vote[3] memory votes, Vote wanted) private pure returns (uint256 n) {
        for (uint256 i; i < 3; ++i) {
            if (votes[i] == wanted) ++n;
        }
    }
}
