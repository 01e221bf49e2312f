// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A task, numbered from 1 in the order of creation. 0 means "no task".
type TaskId is uint40;

/// @notice A node, numbered from 1 in the order of joining. 0 means "no node".
type NodeId is uint32;

/// @notice An execution class together with a VRAM tier, numbered from 1 in the order of first joining. 0 means "any
/// class".
type ClassId is uint32;

using {taskEq as ==, taskNe as !=} for TaskId global;
using {nodeEq as ==, nodeNe as !=} for NodeId global;
using {classEq as ==, classNe as !=} for ClassId global;

function taskEq(TaskId a, TaskId b) pure returns (bool) {
    return TaskId.unwrap(a) == TaskId.unwrap(b);
}

function taskNe(TaskId a, TaskId b) pure returns (bool) {
    return TaskId.unwrap(a) != TaskId.unwrap(b);
}

function nodeEq(NodeId a, NodeId b) pure returns (bool) {
    return NodeId.unwrap(a) == NodeId.unwrap(b);
}

function nodeNe(NodeId a, NodeId b) pure returns (bool) {
    return NodeId.unwrap(a) != NodeId.unwrap(b);
}

function classEq(ClassId a, ClassId b) pure returns (bool) {
    return ClassId.unwrap(a) == ClassId.unwrap(b);
}

function classNe(ClassId a, ClassId b) pure returns (bool) {
    return ClassId.unwrap(a) != ClassId.unwrap(b);
}
