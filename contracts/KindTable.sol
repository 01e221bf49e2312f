// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ITask} from "./interfaces/ITask.sol";
import {Duration} from "./libraries/Duration.sol";
import {Hamming} from "./libraries/Hamming.sol";
import {NotAllowed} from "./types/Wiring.sol";

/// @title The governed part of Task: the table of kinds, times and shares.
/// @dev The owner can change these inside hard-coded bounds and reach no escrow and no credit.
abstract contract KindTable is ITask {
    /// Kinds the table can hold.
    uint256 public constant KIND_LIMIT = 16;
    /// Seconds between two changes of a kind's durations.
    uint256 public constant DURATION_INTERVAL = 1 days;
    /// The factor by which one change may raise or lower a duration.
    uint256 public constant DURATION_FACTOR = 2;

    /// @dev So that a duration of 0 can grow.
    uint256 private constant LEAST_MS = 5;

    address private immutable OWNER;

    Terms internal _terms;
    uint8 private _kindCount;
    mapping(uint8 kind => Kind) internal _kinds;
    mapping(uint8 kind => uint256) private _changedAt;

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotAllowed(msg.sender, OWNER);
        _;
    }

    constructor(address owner, Terms memory terms_, Kind[] memory kinds_) {
        OWNER = owner;
        _setTerms(terms_);
        for (uint256 i; i < kinds_.length; ++i) {
            _addKind(kinds_[i]);
        }
    }

    /// @inheritdoc ITask
    function addKind(Kind calldata spec) external onlyOwner returns (uint8) {
        return _addKind(spec);
    }

    /// @inheritdoc ITask
    function setDurations(uint8 kind, uint32 overheadMs, uint32 msPerUnit) external onlyOwner {
        Kind memory spec = _kinds[kind];
        if (spec.maxSize == 0) revert UnknownKind(kind);
        uint256 from = _changedAt[kind] + DURATION_INTERVAL;
        if (block.timestamp < from) revert DurationsChangedLately(kind, from);
        if (!_near(spec.overheadMs, overheadMs)) revert DurationStepTooLarge(spec.overheadMs, overheadMs);
        if (!_near(spec.msPerUnit, msPerUnit)) revert DurationStepTooLarge(spec.msPerUnit, msPerUnit);
        (spec.overheadMs, spec.msPerUnit) = (overheadMs, msPerUnit);
        _checkKind(spec);
        _changedAt[kind] = block.timestamp;
        _kinds[kind] = spec;
        emit DurationsChanged(kind, overheadMs, msPerUnit);
    }

    /// @inheritdoc ITask
    function setTerms(Terms calldata terms_) external onlyOwner {
        _setTerms(terms_);
    }

    /// @inheritdoc ITask
    function kindOf(uint8 kind) external view returns (Kind memory) {
        return _kinds[kind];
    }

    /// @inheritdoc ITask
    function kinds() external view returns (uint8) {
        return _kindCount;
    }

    /// @inheritdoc ITask
    function terms() external view returns (Terms memory) {
        return _terms;
    }

    /// @inheritdoc ITask
    function estimate(uint8 kind, uint32 size) external view returns (uint256) {
        return Duration.estimateMs(_knownKind(kind, size), size);
    }

    /// @dev The kind, after a check that it exists and takes a task of `size` units.
    function _knownKind(uint8 kind, uint32 size) internal view returns (Kind memory spec) {
        spec = _kinds[kind];
        if (spec.maxSize == 0) revert UnknownKind(kind);
        if (size == 0) revert SizeZero();
        if (size > spec.maxSize) revert SizeTooLarge(size, spec.maxSize);
    }

    /// @dev Whether a duration moves by no more than `DURATION_FACTOR`; upwards one below `LEAST_MS` counts as that.
    function _near(uint256 present, uint256 wanted) private pure returns (bool) {
        uint256 base = present < LEAST_MS ? LEAST_MS : present;
        return wanted <= base * DURATION_FACTOR && wanted * DURATION_FACTOR >= present;
    }

    function _setTerms(Terms memory t) private {
        bool ok = t.commitGrace != 0 && t.commitFactor != 0 && t.commitFactor <= 16 && t.revealWindow != 0
            && t.deliverWindow != 0 && t.vacancyWindow != 0 && t.commitGrace <= 1 days && t.revealWindow <= 1 days
            && t.deliverWindow <= 1 days && t.vacancyWindow <= 1 days && t.crankBps <= 300 && t.errorBps <= 1000
            && t.refills <= 2;
        if (!ok) revert TermsOutOfBounds(t);
        _terms = t;
        emit TermsChanged(t);
    }

    function _addKind(Kind memory spec) private returns (uint8 kind) {
        _checkKind(spec);
        if (_kindCount == KIND_LIMIT) revert TooManyKinds(KIND_LIMIT);
        kind = _kindCount++;
        _kinds[kind] = spec;
        emit KindAdded(kind, spec);
    }

    function _checkKind(Kind memory spec) private pure {
        bool ok = spec.maxSize != 0 && spec.msPerUnit != 0 && spec.maxDistance <= 32
            && (spec.exact || spec.maxSize <= Hamming.MAX_IMAGES)
            && Duration.estimateMs(spec, spec.maxSize) <= Duration.MAX_MS;
        if (!ok) revert KindOutOfBounds(spec);
    }
}
