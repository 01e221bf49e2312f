// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {INode} from "../../../contracts/interfaces/INode.sol";
import {NodeId} from "../../../contracts/types/Ids.sol";
import {NotAllowed, Wiring} from "../../../contracts/types/Wiring.sol";
import {Params} from "../../../script/Deployment.sol";
import {Cases} from "../Cases.sol";

contract NodeRulesTest is Cases {
    function setUp() public override {
        super.setUp();
        _joinMany(3);
    }

    function _params() internal override returns (Params memory p) {
        p = super._params();
        p.unbondingSeconds = 21 days + 1;
    }

    function testFuzz_refusesEverybodyButTheOwner(address caller) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(NotAllowed.selector, caller, owner));
        node.setRules(_lenient());
    }

    /// @dev Just inside and just outside of each bound: a miss costs at most 1 % of the stake and a concealed result 10 %,
    /// an appeal has 1 to 7 days and its decision 1 to 14.
    function test_eachBoundIsExact() public {
        _accepted(INode.Rules(0, 0, 1 days, 3 days));
        _accepted(INode.Rules(4 ether, 40 ether, 7 days, 14 days));
        _refused(INode.Rules(4 ether + 1, 40 ether, 2 days, 4 days));
        _refused(INode.Rules(0, 40 ether + 1, 2 days, 4 days));
        _refused(INode.Rules(1 ether, 1 ether - 1, 2 days, 4 days));
        _accepted(INode.Rules(1 ether, 1 ether, 2 days, 4 days));
        _refused(INode.Rules(0, 0, 1 days - 1, 5 days));
        _refused(INode.Rules(0, 0, 7 days + 1, 5 days));
        _refused(INode.Rules(0, 0, 2 days, 3 days - 1));
        _refused(INode.Rules(0, 0, 2 days, 14 days + 1));
    }

    function testFuzz_acceptsNothingOutsideTheBounds(INode.Rules memory r) public {
        r.missPenalty = uint96(bound(r.missPenalty, 0, 8 ether));
        r.concealPenalty = uint96(bound(r.concealPenalty, 0, 80 ether));
        r.appealSeconds = uint32(bound(r.appealSeconds, 0, 14 days));
        r.arbitrationSeconds = uint32(bound(r.arbitrationSeconds, 0, 28 days));
        bool penalties = r.missPenalty <= 4 ether && r.concealPenalty <= 40 ether && r.missPenalty <= r.concealPenalty;
        bool times = r.appealSeconds >= 1 days && r.appealSeconds <= 7 days && r.arbitrationSeconds >= 3 days
            && r.arbitrationSeconds <= 14 days && r.appealSeconds + r.arbitrationSeconds < 21 days + 1;
        if (penalties && times) _accepted(r);
        else _refused(r);
    }

    function test_theFloorIsThreeQuartersOfTheStake() public view {
        assertEq(node.stakeFloor(), 300 ether);
    }

    /// @dev The time to appeal of an open case is what it was when the node was frozen.
    function testFuzz_anOpenCaseKeepsItsTimeToAppeal(uint32 appealSeconds) public {
        Case memory c = _openCase();
        uint40 until = node.caseOf(c.alone).until;
        INode.Rules memory r = _lenient();
        r.appealSeconds = uint32(bound(appealSeconds, 1 days, 7 days));
        _accepted(r);
        assertEq(node.caseOf(c.alone).until, until);
        vm.warp(uint256(until) + 1);
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOver.selector, c.alone, until));
        node.appeal(c.alone, EVIDENCE);
        node.slash(c.alone);
    }

    /// @dev So is the time to decide, whether the case has been appealed or is yet to be.
    function testFuzz_anOpenCaseKeepsItsTimeToDecide(uint32 arbitrationSeconds, bool appealedFirst) public {
        Case memory c = _openCase();
        if (appealedFirst) node.appeal(c.alone, EVIDENCE);
        INode.Rules memory r = _lenient();
        r.arbitrationSeconds = uint32(bound(arbitrationSeconds, 3 days, 14 days));
        _accepted(r);
        if (!appealedFirst) node.appeal(c.alone, EVIDENCE);
        uint40 until = uint40(block.timestamp + ARBITRATION);
        assertEq(node.caseOf(c.alone).until, until);
        vm.warp(uint256(until) + 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.CaseOver.selector, c.alone, until));
        node.arbitrate(c.alone, c.task, INode.Ruling.Guilty);
        node.thaw(c.alone);
    }

    /// @dev New penalties hold from the next task on; what was taken is not given back.
    function test_newPenaltiesHoldFromThenOn() public {
        NodeId id = NodeId.wrap(1);
        _serveWithout(_seated(), id);
        assertEq(node.nodeOf(id).stake, STAKE - 0.4 ether);
        _accepted(INode.Rules(4 ether, 40 ether, 2 days, 4 days));
        assertEq(node.nodeOf(id).stake, STAKE - 0.4 ether);
        _serveWithout(_seated(), id);
        assertEq(node.nodeOf(id).stake, STAKE - 4.4 ether);
        _assertBooks();
    }

    function _lenient() private pure returns (INode.Rules memory) {
        return INode.Rules(0, 0, 2 days, 4 days);
    }

    function _accepted(INode.Rules memory r) private {
        vm.expectEmit(address(node));
        emit INode.RulesChanged(r);
        vm.prank(owner);
        node.setRules(r);
        assertEq(abi.encode(node.rules()), abi.encode(r));
    }

    function _refused(INode.Rules memory r) private {
        bytes memory before = abi.encode(node.rules());
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INode.RulesOutOfBounds.selector, r));
        node.setRules(r);
        assertEq(abi.encode(node.rules()), before);
    }
}

/// @notice A stake, a time of unbonding and rules are checked together at the deployment.
contract NodeRulesBoundsTest is Cases {
    /// @dev A stake must not leave before the last ruling that can freeze it.
    function testFuzz_aCaseCannotOutlastTheUnbonding(uint32 appealSeconds, uint32 arbitrationSeconds) public {
        INode.Rules memory r = node.rules();
        r.appealSeconds = uint32(bound(appealSeconds, 1 days, 7 days));
        r.arbitrationSeconds = uint32(bound(arbitrationSeconds, 3 days, 14 days));
        bool fits = r.appealSeconds + r.arbitrationSeconds < UNBONDING;
        vm.prank(owner);
        if (!fits) vm.expectRevert(abi.encodeWithSelector(INode.RulesOutOfBounds.selector, r));
        node.setRules(r);
    }

    function test_isDeployedWithACaseShorterThanTheUnbonding() public {
        INode.Rules memory r = node.rules();
        INode deployed = this.deployNode(STAKE, 6 days + 1, r);
        assertEq(abi.encode(deployed.rules()), abi.encode(r));
        assertEq(deployed.minStake(), STAKE);
        assertEq(deployed.unbondingSeconds(), 6 days + 1);
    }

    function test_refusesAStakeOfZeroAndUnbondingOutsideFiveToNinetyDays() public {
        _refusesToBeDeployed(0, 7 days);
        _refusesToBeDeployed(STAKE, 5 days - 1);
        _refusesToBeDeployed(STAKE, 90 days + 1);
    }

    function testFuzz_refusesToBeDeployedWithACaseAsLongAsTheUnbonding(uint40 unbonding) public {
        unbonding = uint40(bound(unbonding, 5 days, 6 days));
        INode.Rules memory r = node.rules();
        vm.expectRevert(abi.encodeWithSelector(INode.RulesOutOfBounds.selector, r));
        this.deployNode(STAKE, unbonding, r);
    }

    function deployNode(uint96 stake, uint40 unbonding, INode.Rules calldata r) external returns (INode deployed) {
        Wiring memory w;
        (, address queue_, address qos_, address stats_) = task.network();
        w = Wiring(
            vm.computeCreateAddress(address(this), vm.getNonce(address(this))),
            address(task),
            queue_,
            qos_,
            stats_,
            owner,
            treasury
        );
        bytes memory code = abi.encodePacked(vm.getCode("Node.sol:Node"), abi.encode(w, stake, unbonding, r));
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
            if iszero(deployed) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function _refusesToBeDeployed(uint96 stake, uint40 unbonding) private {
        INode.Rules memory r = node.rules();
        vm.expectRevert(abi.encodeWithSelector(INode.StakeOutOfBounds.selector, stake, unbonding));
        this.deployNode(stake, unbonding, r);
    }
}
