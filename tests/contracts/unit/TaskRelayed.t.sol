// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../../../contracts/Create3Factory.sol";
import {ITask} from "../../../contracts/interfaces/ITask.sol";
import {NodeId, TaskId} from "../../../contracts/types/Ids.sol";
import {Wiring} from "../../../contracts/types/Wiring.sol";
import {Deployment} from "../../../script/Deployment.sol";
import {Network} from "../Network.sol";

/// @notice Tasks that name a relay: `createRelayed` and `deliverSigned`.
contract TaskRelayedTest is Network {
    uint256 private constant POT = FEE - FEE / 100;
    uint256 private constant CURVE = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    address private relay;
    uint256 private relayKey;
    TaskId private t;

    function setUp() public override {
        super.setUp();
        (relay, relayKey) = makeAddrAndKey("a relay");
        _joinMany(3);
        t = _createRelayed(relay);
        _dispatch(1);
        _vote(t, [ANSWER, ANSWER, ANSWER]);
    }

    function test_refusesTheZeroRelay() public {
        vm.prank(creator);
        vm.expectRevert(ITask.RelayZero.selector);
        task.createRelayed{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 1 hours, address(0));
    }

    function test_refusesWhatCreateRefuses() public {
        vm.startPrank(creator);
        vm.expectRevert(ITask.FeeZero.selector);
        task.createRelayed(GPT, TASK_HASH, 100, 0, ANY, 1 hours, relay);
        vm.expectRevert(ITask.SizeZero.selector);
        task.createRelayed{value: FEE}(GPT, TASK_HASH, 0, 0, ANY, 1 hours, relay);
        vm.expectRevert(ITask.HashZero.selector);
        task.createRelayed{value: FEE}(GPT, 0, 100, 0, ANY, 1 hours, relay);
        vm.expectRevert(abi.encodeWithSelector(ITask.UnknownKind.selector, 2));
        task.createRelayed{value: FEE}(2, TASK_HASH, 100, 0, ANY, 1 hours, relay);
        vm.expectRevert(abi.encodeWithSelector(ITask.WaitOutOfBounds.selector, 0, 60, 7 days));
        task.createRelayed{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 0, relay);
    }

    function testFuzz_refusesTheDeliveryWithoutASignature(bytes32 content) public {
        vm.assume(content != 0);
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.RelayMustSign.selector, t, relay));
        task.deliver(id, t, content);
    }

    function test_refusesASignatureForATaskWithoutARelay() public {
        TaskId plain = _agreed(_create(GPT, FEE, 100));
        NodeId id = _nodeAt(plain, 0);
        bytes memory signature = _sign(relayKey, task.storedDigest(plain, ANSWER));
        vm.prank(_keyAt(plain, 0));
        vm.expectRevert(abi.encodeWithSelector(ITask.NoRelay.selector, plain));
        task.deliverSigned(id, plain, ANSWER, signature);
    }

    /// @dev All that `deliver` asks for is asked for here, before the signature is looked at.
    function testFuzz_refusesEverybodyButTheKey(address caller) public {
        vm.assume(caller != _keyAt(t, 0));
        NodeId id = _nodeAt(t, 0);
        bytes memory signature = _signature();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ITask.NotNodeKey.selector, id, caller));
        task.deliverSigned(id, t, ANSWER, signature);
    }

    function testFuzz_refusesEverySeatWhoseTurnItIsNot(uint8 seat) public {
        NodeId id = _nodeAt(t, 1 + seat % 2);
        bytes memory reason = abi.encodeWithSelector(ITask.NotDeliverer.selector, t, id, _nodeAt(t, 0));
        _refused(1 + seat % 2, ANSWER, _signature(), reason);
    }

    function testFuzz_refusesAfterTheDeadline(uint32 late) public {
        uint256 deadline = task.taskOf(t).deadline;
        vm.warp(deadline + 1 + late);
        _refused(0, ANSWER, _signature(), abi.encodeWithSelector(ITask.TooLate.selector, t, deadline));
    }

    function test_refusesContentZero() public {
        bytes memory signature = _sign(relayKey, task.storedDigest(t, 0));
        _refused(0, 0, signature, abi.encodeWithSelector(ITask.ContentZero.selector, t));
    }

    function testFuzz_refusesEverybodyElsesSignature(uint256 key) public {
        key = bound(key, 1, CURVE - 1);
        vm.assume(key != relayKey);
        bytes memory signature = _sign(key, task.storedDigest(t, ANSWER));
        _refused(0, ANSWER, signature, _wrongRelay(vm.addr(key)));
    }

    /// @dev A missing signature, one of a length that is none, one that no key can have made.
    function testFuzz_refusesWhatIsNoSignature(bytes calldata bytes_) public {
        vm.assume(bytes_.length != 64 && bytes_.length != 65);
        _refused(0, ANSWER, bytes_, _wrongRelay(address(0)));
        _refused(0, ANSWER, "", _wrongRelay(address(0)));
        _refused(0, ANSWER, new bytes(65), _wrongRelay(address(0)));
        _refused(0, ANSWER, new bytes(64), _wrongRelay(address(0)));
    }

    /// @dev A signature is for one content ...
    function testFuzz_refusesTheSignatureOfAnotherContent(bytes32 content) public {
        vm.assume(content != ANSWER && content != 0);
        _refusedFor(content, _signature());
    }

    /// @dev ... of one task ...
    function testFuzz_refusesTheSignatureOfAnotherTask(uint40 other) public {
        vm.assume(other != TaskId.unwrap(t));
        _refusedFor(ANSWER, _sign(relayKey, task.storedDigest(TaskId.wrap(other), ANSWER)));
    }

    /// @dev ... on one chain ...
    function testFuzz_refusesTheSignatureOfAnotherChain(uint64 chain) public {
        vm.assume(chain != block.chainid && chain != 0);
        uint256 here = block.chainid;
        vm.chainId(chain);
        bytes memory signature = _signature();
        vm.chainId(here);
        _refusedFor(ANSWER, signature);
    }

    /// @dev ... in one deployment.
    function test_refusesTheSignatureOfAnotherDeployment() public {
        Create3Factory factory = new Create3Factory();
        Wiring memory w = Deployment.wiring(factory, address(this), owner, treasury);
        Deployment.deploy(factory, w, _params());
        _refusedFor(ANSWER, _sign(relayKey, ITask(w.task).storedDigest(t, ANSWER)));
    }

    /// @dev A signature serves once: the task has ended.
    function testFuzz_refusesTheSecondTime(bool compact, bool mirrored) public {
        _deliverWith(_signature());
        bytes memory again = mirrored ? _mirrored() : compact ? _compact() : _signature();
        bytes4 selector = ITask.WrongState.selector;
        _refused(0, ANSWER, again, abi.encodeWithSelector(selector, t, ITask.State.Ended, ITask.State.Delivering));
        assertEq(_earned(t, 0), POT * 20 / 50);
    }

    function testFuzz_namesStoresAndAnnouncesTheRelay(address named) public {
        vm.assume(named != address(0));
        TaskId next = TaskId.wrap(TaskId.unwrap(task.lastTask()) + 1);
        vm.expectEmit(address(task));
        emit ITask.RelayNamed(next, named);
        assertEq(_createRelayed(named), next);
        assertEq(task.relayOf(next), named);
        assertEq(queue.placeOf(next).level, queue.placeOf(_create(GPT, FEE, 100)).level);
    }

    function test_aTaskWithoutARelayNamesNone() public {
        assertEq(task.relayOf(_create(GPT, FEE, 100)), address(0));
    }

    /// @dev EIP-712, written down a second time.
    function testFuzz_theDigestIsThatOfTheStandard(uint40 id, bytes32 content) public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Xenon"),
                keccak256("1"),
                block.chainid,
                address(task)
            )
        );
        bytes32 message = keccak256(abi.encode(keccak256("Stored(uint256 task,bytes32 content)"), uint256(id), content));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, message));
        assertEq(task.storedDigest(TaskId.wrap(id), content), digest);
    }

    /// @dev In both forms, and mirrored at the curve's axis: it is the relay's word each time.
    function testFuzz_theRelaysSignatureReleasesTheShare(uint8 form) public {
        bytes memory signature = form % 3 == 0 ? _signature() : form % 3 == 1 ? _compact() : _mirrored();
        NodeId id = _nodeAt(t, 0);
        vm.expectEmit(address(task));
        emit ITask.Delivered(t, id, ANSWER, uint96(POT * 20 / 50));
        _deliverWith(signature);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(_earned(t, 0), POT * 20 / 50);
        assertEq(task.creditOf(relay), 0);
        assertEq(address(task).balance, FEE, "invariant 1");
    }

    /// @dev The relay vouches for the content, not for who brought it: the next in turn may use the same signature.
    function test_theNextInTurnDeliversWithTheSameSignature() public {
        _pastDeadline(t);
        task.advance(t);
        NodeId id = _nodeAt(t, 1);
        uint256 before = _earned(t, 1);
        bytes memory signature = _signature();
        vm.prank(_keyAt(t, 1));
        task.deliverSigned(id, t, ANSWER, signature);
        assertGt(_earned(t, 1), before);
    }

    /// @dev A relay that never signs does not hold the task up: the held share goes to the treasury, which withdraws it.
    function test_theShareNobodyDeliversGoesToTheTreasury() public {
        uint256 earned = _earned(t);
        uint256 held = _passDeliveries(2);
        held -= held / 100;
        _pastDeadline(t);
        vm.expectEmit(address(task));
        emit ITask.Undelivered(t, treasury, uint96(held));
        vm.prank(keeper);
        task.advance(t);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.taskOf(t).escrow, 0);
        assertEq(task.creditOf(treasury), held);
        assertEq(_earned(t), earned, "the nodes keep what was not held");
        assertEq(task.creditOf(creator) + task.creditOf(treasury) + task.creditOf(keeper) + earned, FEE, "invariant 1");
        vm.prank(treasury);
        task.withdraw(treasury);
        assertEq(treasury.balance, held);
    }

    /// @dev A creator whose own relay takes the content and refuses to sign pays as much as one whose relay signs.
    function testFuzz_aCreatorGainsNothingByARelayThatRefuses(bool own, uint8 alone) public {
        t = _createRelayed(own ? creator : relay);
        _dispatch(1);
        bytes32[3] memory results = [ANSWER, ANSWER, ANSWER];
        if (alone % 4 < 3) results[alone % 4] = WRONG;
        _vote(t, results);
        uint256 credit = task.creditOf(creator);
        uint256 agreeing = alone % 4 < 3 ? 2 : 3;
        _passDeliveries(agreeing);
        assertEq(task.taskOf(t).state, ITask.State.Ended);
        assertEq(task.creditOf(creator), credit);
        assertEq(task.taskOf(t).creator, address(0), "its slot is clear");
    }

    /// @dev The time of the next `n` deliverers runs out.
    /// @return held What is then left of the held share.
    function _passDeliveries(uint256 n) private returns (uint256 held) {
        for (uint256 i; i < n; ++i) {
            _pastDeadline(t);
            vm.prank(keeper);
            task.advance(t);
        }
        return task.taskOf(t).escrow;
    }

    function _createRelayed(address named) private returns (TaskId) {
        vm.prank(creator);
        return task.createRelayed{value: FEE}(GPT, TASK_HASH, 100, 0, ANY, 1 hours, named);
    }

    function _agreed(TaskId of_) private returns (TaskId) {
        _dispatch(1);
        _vote(of_, [ANSWER, ANSWER, ANSWER]);
        return of_;
    }

    function _deliverWith(bytes memory signature) private {
        NodeId id = _nodeAt(t, 0);
        vm.prank(_keyAt(t, 0));
        task.deliverSigned(id, t, ANSWER, signature);
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _signature() private view returns (bytes memory) {
        return _sign(relayKey, task.storedDigest(t, ANSWER));
    }

    /// @dev EIP-2098: the recovery bit in the highest bit of `s`.
    function _compact() private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(relayKey, task.storedDigest(t, ANSWER));
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    /// @dev The other signature that everybody can make of one: -s with the other recovery bit.
    function _mirrored() private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(relayKey, task.storedDigest(t, ANSWER));
        return abi.encodePacked(r, bytes32(CURVE - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    /// @dev A signature of the relay's for something else: some address is recovered that is not the relay.
    function _refusedFor(bytes32 content, bytes memory signature) private {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        address signer = ecrecover(task.storedDigest(t, content), uint8(signature[64]), r, s);
        assertTrue(signer != relay);
        _refused(0, content, signature, _wrongRelay(signer));
    }

    function _wrongRelay(address signer) private view returns (bytes memory) {
        return abi.encodeWithSelector(ITask.WrongRelay.selector, t, signer, relay);
    }

    function _refused(uint256 seat, bytes32 content, bytes memory signature, bytes memory reason) private {
        NodeId id = _nodeAt(t, seat);
        vm.prank(_keyAt(t, seat));
        vm.expectRevert(reason);
        task.deliverSigned(id, t, content, signature);
    }
}
