// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {NotAllowed} from "../../../contracts/types/Wiring.sol";
import {Refills} from "../Refills.sol";

/// @notice `setTerms`: times and shares, inside hard-coded bounds.
contract TaskTermsTest is Refills {
    function testFuzz_refusesEverybodyButTheOwner(address caller) public {
        vm.assume(caller != owner);
        ITask.Terms memory terms = task.terms();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        task.setTerms(terms);
    }

    function testFuzz_refusesStagesWithoutTime(uint8 which) public {
        ITask.Terms memory terms = task.terms();
        which %= 5;
        if (which == 0) terms.commitGrace = 0;
        if (which == 1) terms.commitFactor = 0;
        if (which == 2) terms.revealWindow = 0;
        if (which == 3) terms.deliverWindow = 0;
        if (which == 4) terms.vacancyWindow = 0;
        _refused(terms);
    }

    function testFuzz_refusesStagesAboveADay(uint8 which, uint24 time) public {
        ITask.Terms memory terms = task.terms();
        time = uint24(bound(time, 1 days + 1, type(uint24).max));
        which %= 4;
        if (which == 0) terms.commitGrace = time;
        if (which == 1) terms.revealWindow = time;
        if (which == 2) terms.deliverWindow = time;
        if (which == 3) terms.vacancyWindow = time;
        _refused(terms);
    }

    /// @dev However large a kind's estimate, the commit stage ends within 16 times it.
    function testFuzz_refusesACommitFactorAboveSixteen(uint8 factor) public {
        ITask.Terms memory terms = task.terms();
        terms.commitFactor = uint8(bound(factor, 17, type(uint8).max));
        _refused(terms);
    }

    function test_theHighestCommitFactorIsSixteen() public {
        ITask.Terms memory terms = task.terms();
        terms.commitFactor = 17;
        _refused(terms);
        terms.commitFactor = 16;
        _set(terms);
        assertEq(task.terms().commitFactor, 16);
    }

    function testFuzz_refusesACrankShareAboveThreePercent(uint16 bps) public {
        ITask.Terms memory terms = task.terms();
        terms.crankBps = uint16(bound(bps, 301, type(uint16).max));
        _refused(terms);
    }

    function testFuzz_refusesAnErrorShareAboveTenPercent(uint16 bps) public {
        ITask.Terms memory terms = task.terms();
        terms.errorBps = uint16(bound(bps, 1001, type(uint16).max));
        _refused(terms);
    }

    function testFuzz_refusesMoreThanTwoRefills(uint8 refills) public {
        ITask.Terms memory terms = task.terms();
        terms.refills = uint8(bound(refills, 3, type(uint8).max));
        _refused(terms);
    }

    function testFuzz_storesAndAnnouncesTheTerms(ITask.Terms memory terms) public {
        terms.commitGrace = uint24(bound(terms.commitGrace, 1, 1 days));
        terms.commitFactor = uint8(bound(terms.commitFactor, 1, 16));
        terms.revealWindow = uint24(bound(terms.revealWindow, 1, 1 days));
        terms.deliverWindow = uint24(bound(terms.deliverWindow, 1, 1 days));
        terms.vacancyWindow = uint24(bound(terms.vacancyWindow, 1, 1 days));
        terms.crankBps = uint16(bound(terms.crankBps, 0, 300));
        terms.errorBps = uint16(bound(terms.errorBps, 0, 1000));
        terms.refills = uint8(bound(terms.refills, 0, 2));
        vm.expectEmit(address(task));
        emit ITask.TermsChanged(terms);
        _set(terms);
        assertEq(abi.encode(task.terms()), abi.encode(terms));
    }

    /// @dev A stage that runs keeps its deadline; the stages after it follow the new terms.
    function testFuzz_stagesThatBeginLaterFollowTheNewTerms(uint24 time) public {
        time = uint24(bound(time, 10, 1 days));
        _joinMany(6);
        TaskId t = _seated();
        uint40 commitBy = task.taskOf(t).deadline;
        ITask.Terms memory terms = task.terms();
        (terms.commitGrace, terms.revealWindow, terms.deliverWindow, terms.vacancyWindow) =
        (time, time + 1 > 1 days ? 1 : time + 1, time, time);
        _set(terms);
        assertEq(task.taskOf(t).deadline, commitBy, "the running stage");
        _vacate(t, 3);
        assertEq(task.taskOf(t).deadline, block.timestamp + time, "vacancy");
        queue.dispatch(1);
        _nextBlock();
        queue.dispatch(1);
        assertEq(task.taskOf(t).deadline, block.timestamp + time + 40, "commit");
        _commit(t, 2, ANSWER);
        assertEq(task.taskOf(t).deadline, block.timestamp + terms.revealWindow, "reveal");
        _revealAll(t, 7, ANSWER);
        assertEq(task.taskOf(t).deadline, block.timestamp + time, "delivery");
    }

    /// @dev The shares in force when they are due are paid; they never exceed what the bounds allow.
    function testFuzz_sharesFollowTheTermsInForce(uint16 crankBps, uint16 errorBps, uint96 fee) public {
        fee = uint96(bound(fee, 1e12, 100 ether));
        ITask.Terms memory terms = task.terms();
        (terms.crankBps, terms.errorBps) = (uint16(bound(crankBps, 0, 300)), uint16(bound(errorBps, 0, 1000)));
        _joinMany(3);
        TaskId t = _create(GPT, fee, 100);
        _set(terms);
        _dispatch(1);
        uint256 reward = uint256(fee) * terms.crankBps / BPS;
        assertEq(task.creditOf(keeper), reward);
        assertLe(reward, uint256(fee) * 3 / 100);
        _vote(t, [_error(7), _error(7), _error(7)]);
        uint256 third = (fee - reward) * terms.errorBps / BPS / 3;
        assertEq(_earned(t), 3 * third);
        assertEq(task.creditOf(creator), fee - reward - 3 * third);
        _assertConserved();
    }

    /// @dev No terms reach an escrow: with the highest shares a task that nobody answers leaves its creator 97 % at each
    /// turn of the crank.
    function test_theHighestTermsLeaveTheCreatorItsRefund() public {
        ITask.Terms memory terms = task.terms();
        (terms.crankBps, terms.refills) = (300, 2);
        _set(terms);
        _joinMany(9);
        TaskId t = _seated();
        for (uint256 i; i < 2; ++i) {
            _vacate(t, i == 0 ? 1 : 0);
            vm.prank(keeper);
            queue.dispatch(1);
            _nextBlock();
            vm.prank(keeper);
            queue.dispatch(1);
        }
        _advance(t);
        uint256 left = FEE;
        for (uint256 i; i < 6; ++i) {
            left -= left * 300 / BPS;
        }
        assertEq(_state(t), ITask.State.Ended);
        assertEq(task.creditOf(creator), left);
        assertGt(left, uint256(FEE) * 83 / 100);
        _assertConserved();
    }

    function _set(ITask.Terms memory terms) private {
        vm.prank(owner);
        task.setTerms(terms);
    }

    function _refused(ITask.Terms memory terms) private {
        vm.expectRevert(abi.encodeWithSelector(ITask.TermsOutOfBounds.selector, terms));
        _set(terms);
    }
}
