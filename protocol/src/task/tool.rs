//! Tools that a model may call, and the free-form JSON in them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{TaskError, bounds::characters, limits};

/// The largest integer that every JSON implementation keeps exactly.
const LARGEST: u64 = limits::SEED.1;

/// A tool that the model may call, in the form that chat templates are written for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// What kind of tool it is.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function.
    pub function: FunctionDefinition,
}

/// What kind of tool it is: functions are the only kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", try_from = "String")]
#[schemars(!try_from)]
pub enum ToolKind {
    /// A function.
    Function,
}

impl TryFrom<String> for ToolKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == "function" { Ok(Self::Function) } else { Err(format!("type is {name:?}; give function")) }
    }
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FunctionDefinition {
    /// Its name.
    #[schemars(length(min = limits::NAME_CHARACTERS.0, max = limits::NAME_CHARACTERS.1))]
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<JsonObject>,
    /// The JSON schema of what it returns.
    #[serde(default, rename = "return", skip_serializing_if = "Option::is_none")]
    pub returns: Option<JsonObject>,
}

impl Tool {
    pub(super) fn validate(&self) -> Result<(), TaskError> {
        characters("tools[].function.name", Some(&self.function.name), limits::NAME_CHARACTERS)
    }
}

/// An object of free-form JSON. The order of its members is kept. Numbers lie within ±(2⁵³−1) and have one form each:
/// one without a fraction is an integer, as in RFC 8785.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct JsonObject(Map<String, Value>);

impl JsonObject {
    /// Its members.
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl TryFrom<Map<String, Value>> for JsonObject {
    type Error = TaskError;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, TaskError> {
        members.values_mut().try_for_each(|value| normalise(value, 1))?;
        Ok(Self(members))
    }
}

/// Gives every number its one form. `depth` counts the objects and lists around the value.
fn normalise(value: &mut Value, depth: usize) -> Result<(), TaskError> {
    if depth > limits::NESTING {
        return Err(TaskError::Nesting);
    }
    match value {
        Value::Number(number) => {
            *number = normalised(number).ok_or_else(|| TaskError::Number { number: number.to_string() })?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| normalise(item, depth + 1)),
        Value::Object(members) => members.values_mut().try_for_each(|member| normalise(member, depth + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the range was checked")]
fn normalised(number: &Number) -> Option<Number> {
    if let Some(integer) = number.as_i64() {
        return (integer.unsigned_abs() <= LARGEST).then(|| integer.into());
    }
    let real = number.as_f64().filter(|real| real.abs() <= LARGEST as f64)?;
    if real.fract() == 0.0 { Some((real as i64).into()) } else { Number::from_f64(real) }
}

impl JsonSchema for JsonObject {
    fn schema_name() -> Cow<'static, str> {
        "JsonObject".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<JsonValue>(),
            "description": "Free-form JSON.",
        })
    }
}

/// The schema of what a [`JsonObject`] holds; `minimum` and `maximum` speak of numbers only.
struct JsonValue;

impl JsonSchema for JsonValue {
    fn schema_name() -> Cow<'static, str> {
        "JsonValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Self>();
        let largest = LARGEST.cast_signed();
        json_schema!({ "minimum": -largest, "maximum": largest, "items": value, "additionalProperties": value })
    }
}
