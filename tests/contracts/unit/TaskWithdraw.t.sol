// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {TaskId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";

contract TaskWithdrawTest is Network {
    function testFuzz_refusesWhoHasNothing(address account) public {
        vm.prank(account);
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToWithdraw.selector, account));
        task.withdraw(account);
    }

    function test_refusesTheSecondTime() public {
        _credit(FEE);
        _withdraw(creator);
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToWithdraw.selector, creator));
        _withdraw(creator);
    }

    function test_aRecipientThatRefusesLosesNothing() public {
        _credit(FEE);
        Puppet recipient = new Puppet(Puppet.OnReceive.Refuse);
        vm.expectRevert(abi.encodeWithSelector(ITask.TransferFailed.selector, address(recipient), FEE));
        _withdraw(address(recipient));
        assertEq(task.creditOf(creator), FEE);
        _withdraw(creator);
        assertEq(task.creditOf(creator), 0);
    }

    function test_aRecipientThatBurnsItsGasLosesNothing() public {
        _credit(FEE);
        Puppet recipient = new Puppet(Puppet.OnReceive.Burn);
        vm.prank(creator);
        (bool ok,) = address(task).call{gas: 300_000}(abi.encodeCall(ITask.withdraw, (address(recipient))));
        assertFalse(ok);
        assertEq(task.creditOf(creator), FEE);
    }

    function test_theContractItselfIsNoRecipient() public {
        _credit(FEE);
        vm.expectRevert(abi.encodeWithSelector(ITask.TransferFailed.selector, address(task), FEE));
        _withdraw(address(task));
    }

    function testFuzz_sendsTheWholeCreditToWhoeverIsNamed(uint96 fee) public {
        fee = uint96(bound(fee, 1e12, 100 ether));
        address to = makeAddr("a cold purse");
        _credit(fee);
        vm.expectEmit(address(task));
        emit ITask.Withdrawn(creator, to, fee);
        _withdraw(to);
        assertEq(to.balance, fee);
        assertEq(task.creditOf(creator), 0);
        assertEq(address(task).balance, 0, "invariant 1");
    }

    /// @dev The credit is gone before the transfer: coming back in yields nothing.
    function test_reentryGetsNothingMore() public {
        Puppet thief = new Puppet(Puppet.OnReceive.Accept);
        vm.deal(address(thief), FEE);
        bytes memory order = abi.encodeCall(ITask.create, (GPT, TASK_HASH, 100, 0, ANY, 1 hours));
        TaskId t = abi.decode(thief.act(address(task), FEE, order), (TaskId));
        _pastTheFirstMinute();
        thief.act(address(task), 0, abi.encodeCall(ITask.cancel, (t)));
        _credit(FEE);
        bytes memory again = abi.encodeCall(ITask.withdraw, (address(thief)));
        thief.plan(address(task), again);
        thief.act(address(task), 0, again);
        assertEq(thief.attempts(), 1);
        assertEq(thief.successes(), 0);
        assertEq(address(thief).balance, FEE);
        assertEq(address(task).balance, FEE, "invariant 1: the other's credit is untouched");
    }

    /// @dev Forced ether belongs to nobody and moves nothing.
    function testFuzz_forcedEtherChangesNothing(uint96 forced) public {
        _credit(FEE);
        vm.deal(address(task), uint256(FEE) + forced);
        _withdraw(creator);
        assertEq(address(task).balance, forced);
        vm.expectRevert(abi.encodeWithSelector(ITask.NothingToWithdraw.selector, creator));
        _withdraw(creator);
    }

    function test_plainTransfersAreRefused() public {
        for (uint256 i; i < 5; ++i) {
            address target = [address(task), address(node), address(queue), address(qos), address(stats)][i];
            vm.prank(creator);
            (bool ok,) = target.call{value: 1}("");
            assertFalse(ok);
        }
    }

    /// @dev Gives the creator a credit of `fee`.
    function _credit(uint96 fee) private {
        TaskId t = _create(GPT, fee, 100);
        _pastTheFirstMinute();
        vm.prank(creator);
        task.cancel(t);
    }

    function _withdraw(address to) private {
        vm.prank(creator);
        task.withdraw(to);
    }
}
