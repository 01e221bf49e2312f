// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test, console} from "../Test.sol";
import {Handler} from "./Handler.sol";

/// @notice How often the moves of the invariant suite lead to what is rare: what they never reach, it does not check.
/// @dev Moves and arguments are chosen as the campaign chooses them, all alike, but from a fixed seed, so that a run always
/// ends alike. `forge test --match-contract CoverageTest -vv` prints the table.
contract CoverageTest is Test {
    uint256 private constant EPISODES = 40;
    /// As many as a run of the campaign makes, and some.
    uint256 private constant MOVES = 250;

    bytes32[] private names = [
        bytes32("vacated"),
        "refilled",
        "concealed",
        "suspended",
        "kicked",
        "frozen",
        "appealed",
        "evidence added",
        "framed",
        "accusation waiting",
        "frozen for the next",
        "unbonding again",
        "slashed",
        "thawed",
        "evicted",
        "requeued",
        "reserved",
        "reservation ended",
        "redrawn",
        "class parked",
        "class woken",
        "absorbed",
        "delivery passed",
        "undelivered",
        "cancelled",
        "expired"
    ];
    mapping(bytes32 name => uint256) private times;
    mapping(bytes32 name => uint256) private episodes;

    function test_everythingRareIsReached() public {
        vm.pauseGasMetering();
        for (uint256 e; e < EPISODES; ++e) {
            _play(e);
        }
        bool all = true;
        for (uint256 i; i < names.length; ++i) {
            console.log(string(abi.encodePacked(names[i])), times[names[i]], episodes[names[i]]);
            if (times[names[i]] == 0) all = false;
        }
        assertTrue(all, "something rare is never reached: see the table");
    }

    function _play(uint256 episode) private {
        Handler handler = new Handler();
        handler.setUp();
        for (uint256 i; i < MOVES; ++i) {
            _move(handler, uint256(keccak256(abi.encode("coverage", episode, i))));
        }
        for (uint256 i; i < names.length; ++i) {
            uint256 n = handler.times(names[i]);
            times[names[i]] += n;
            if (n != 0) ++episodes[names[i]];
        }
    }

    function _move(Handler h, uint256 random) private {
        uint256 a = uint256(keccak256(abi.encode(random, 1)));
        uint256 b = uint256(keccak256(abi.encode(random, 2)));
        uint256 c = uint256(keccak256(abi.encode(random, 3)));
        uint256 move = random % 41;
        random >>= 16;
        if (move < 12) _serveOrQueue(h, move, a, b, c, random);
        else if (move < 24) _operateNodes(h, move, a, b, c);
        else _governOrWait(h, move, a, b, c, random);
    }

    function _serveOrQueue(Handler h, uint256 move, uint256 a, uint256 b, uint256 c, uint256 d) private {
        bool odd = c & 1 == 1;
        if (move == 0) h.create(a, b, uint96(c), uint32(d), d >> 32, uint32(c >> 96));
        if (move == 1) h.burst(a, b, uint96(c));
        if (move == 2) h.cancel(a, odd);
        if (move == 3) h.dispatch(a, b);
        if (move == 4) h.advance(a, odd);
        if (move == 5) h.expire(a, odd);
        if (move == 6) h.wake(a, uint32(b));
        if (move == 7) h.reserve(a, uint32(b), odd);
        if (move == 8) h.collect(a);
        if (move == 9) h.absorb(a);
        if (move == 10) h.review(uint32(a));
        if (move == 11) h.serve(a, uint96(b), c);
    }

    function _operateNodes(Handler h, uint256 move, uint256 a, uint256 b, uint256 c) private {
        bool odd = c & 1 == 1;
        if (move == 12) h.commit(a, b, c);
        if (move == 13) h.reveal(a, b, odd);
        if (move == 14) h.vote(a);
        if (move == 15) h.deliver(a, b, bytes32(c), odd);
        if (move == 16) h.join(a, b, c);
        if (move == 17) h.pause(a, odd);
        if (move == 18) h.quit(a, odd);
        if (move == 19) h.resume(a, odd);
        if (move == 20) _metered(abi.encodeCall(h.withdrawStake, (a, odd, b & 1 == 1)), h);
        if (move == 21) h.topUp(a, uint96(b));
        if (move == 22) h.appeal(a, bytes32(b));
        if (move == 23) h.addEvidence(a, bytes32(b));
    }

    function _governOrWait(Handler h, uint256 move, uint256 a, uint256 b, uint256 c, uint256 d) private {
        bool odd = d & 1 == 1;
        if (move == 24) h.slash(a, odd);
        if (move == 25) h.thaw(a, odd);
        if (move == 26) h.arbitrate(a, uint8(b), odd);
        if (move == 27) h.withdrawSlashed();
        if (move == 28) h.setRules(uint96(a), uint96(b), uint32(c), uint32(c >> 32), odd);
        if (move == 29) h.setLimits(uint16(a), uint32(b), uint32(c), odd);
        if (move == 30) h.setTerms(a, odd);
        if (move == 31) h.setDurations(uint8(a), b & 1 == 1, odd);
        if (move == 32) _metered(abi.encodeCall(h.withdraw, (a, odd)), h);
        if (move == 33) h.plan(a, b, c);
        if (move == 34) h.force(uint64(a));
        if (move == 35) h.passSeconds(a, b);
        if (move == 36) h.passLong(a);
        if (move == 37) h.conspire(a, b, c);
        if (move == 38) h.reckon(a, b, c);
        if (move == 39) h.labour(a, b);
        if (move == 40) h.acquit(a);
    }

    /// @dev A recipient that burns all its gas must have some limit.
    function _metered(bytes memory input, Handler h) private {
        vm.resumeGasMetering();
        (bool ok, bytes memory output) = address(h).call(input);
        vm.pauseGasMetering();
        assertTrue(ok, string(output));
    }
}
