// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {Network} from "../Network.sol";
import {Puppet} from "../Puppet.sol";

contract NodeWithdrawTest is Network {
    NodeId private constant ONE = NodeId.wrap(1);
    uint96 private constant STAKE = 400 ether;

    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function testFuzz_refusesEverybodyButTheOperator(address caller) public {
        vm.assume(caller != _operator(1));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(INode.NotOperator.selector, ONE, caller));
        node.withdraw(ONE);
    }

    function test_refusesNodeThatHasNotQuit() public {
        _refused(ONE, abi.encodeWithSelector(INode.WrongStatus.selector, ONE, INode.Status.Free));
        vm.prank(_operator(1));
        node.pause(ONE);
        _refused(ONE, abi.encodeWithSelector(INode.WrongStatus.selector, ONE, INode.Status.Paused));
    }

    function test_refusesBusyNode() public {
        _seated();
        _refused(ONE, abi.encodeWithSelector(INode.WrongStatus.selector, ONE, INode.Status.Busy));
    }

    /// @dev However long it waits: only a decision, or the lack of one, ends the freeze.
    function testFuzz_refusesFrozenNode(uint32 later) public {
        NodeId id = _frozen();
        vm.warp(block.timestamp + later);
        _refused(id, abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Frozen));
    }

    function test_refusesSlashedNode() public {
        NodeId id = _frozen();
        vm.warp(uint256(node.caseOf(id).until) + 1);
        node.slash(id);
        _refused(id, abi.encodeWithSelector(INode.WrongStatus.selector, id, INode.Status.Slashed));
        assertEq(address(node).balance, 3 * STAKE, "it waits for the treasury");
    }

    /// @dev Penalties are gone: the operator gets what is left, and only that leaves the contract.
    function test_sendsWhatPenaltiesHaveLeft() public {
        _serveWithout(_seated(), ONE);
        _leave();
        assertEq(_operator(1).balance, STAKE - 0.4 ether);
        assertEq(address(node).balance, 2 * STAKE + 0.4 ether, "invariant 1");
        assertEq(node.slashed(), 0.4 ether);
    }

    function testFuzz_refusesWhileUnbonding(uint32 waited) public {
        _quit();
        uint256 until = block.timestamp + 7 days;
        vm.warp(block.timestamp + bound(waited, 0, 7 days - 1));
        _refused(ONE, abi.encodeWithSelector(INode.StillUnbonding.selector, ONE, until));
    }

    function test_refusesTheSecondTime() public {
        _leave();
        _refused(ONE, abi.encodeWithSelector(INode.WrongStatus.selector, ONE, INode.Status.Gone));
        assertEq(_operator(1).balance, STAKE);
    }

    function testFuzz_sendsTheStakeToTheOperator(uint32 later) public {
        _quit();
        vm.warp(block.timestamp + 7 days + later);
        vm.expectEmit(address(node));
        emit INode.StatusChanged(ONE, INode.Status.Gone);
        vm.expectEmit(address(node));
        emit INode.StakeWithdrawn(ONE, _operator(1), STAKE);
        vm.prank(_operator(1));
        node.withdraw(ONE);
        assertEq(_operator(1).balance, STAKE);
        assertEq(node.nodeOf(ONE).stake, 0);
        assertEq(address(node).balance, 2 * STAKE, "invariant 1");
        assertEq(abi.encode(node.counts()), abi.encode(INode.Counts(2, 2, 2, 0)), "invariant 10");
    }

    function test_anOperatorThatRefusesItsStakeKeepsTheClaim() public {
        (Puppet puppet, NodeId id) = _puppet(Puppet.OnReceive.Refuse);
        vm.expectRevert(abi.encodeWithSelector(INode.TransferFailed.selector, address(puppet), STAKE));
        puppet.act(address(node), 0, abi.encodeCall(INode.withdraw, (id)));
        assertEq(_status(id), INode.Status.Unbonding);
        puppet.behave(Puppet.OnReceive.Accept);
        puppet.act(address(node), 0, abi.encodeCall(INode.withdraw, (id)));
        assertEq(address(puppet).balance, STAKE);
    }

    function test_reentryGetsNothingMore() public {
        (Puppet puppet, NodeId id) = _puppet(Puppet.OnReceive.Accept);
        bytes memory again = abi.encodeCall(INode.withdraw, (id));
        puppet.plan(address(node), again);
        puppet.act(address(node), 0, again);
        assertEq(puppet.attempts(), 1);
        assertEq(puppet.successes(), 0);
        assertEq(address(puppet).balance, STAKE);
        assertEq(address(node).balance, 3 * STAKE, "invariant 1");
    }

    function testFuzz_forcedEtherChangesNothing(uint96 forced) public {
        vm.deal(address(node), 3 * uint256(STAKE) + forced);
        _leave();
        assertEq(_operator(1).balance, STAKE);
        assertEq(address(node).balance, 2 * uint256(STAKE) + forced);
    }

    /// @dev A contract as operator, whose one node has unbonded.
    function _puppet(Puppet.OnReceive manner) private returns (Puppet puppet, NodeId id) {
        puppet = new Puppet(manner);
        id = _joinFor(address(puppet), _key(4), CLASS, 24);
        puppet.act(address(node), 0, abi.encodeCall(INode.quit, (id)));
        vm.warp(block.timestamp + 7 days);
    }

    function _quit() private {
        vm.prank(_operator(1));
        node.quit(ONE);
    }

    function _leave() private {
        _quit();
        vm.warp(block.timestamp + 7 days);
        vm.prank(_operator(1));
        node.withdraw(ONE);
    }

    function _refused(NodeId id, bytes memory reason) private {
        vm.prank(node.operatorOf(id));
        vm.expectRevert(reason);
        node.withdraw(id);
    }
}
