//! The JSON schema of tasks, generated from the types.

use serde_json::Value;

use super::TaskSpec;

/// The JSON schema (draft 2020-12) of the task JSON. The copy at `protocol/schema/task.schema.json` is made from it:
/// `cargo run -p xenon-protocol --example task_schema > protocol/schema/task.schema.json`.
pub fn task_schema() -> Value {
    schemars::schema_for!(TaskSpec).to_value()
}
