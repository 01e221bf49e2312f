//! Bounds of the values of a GPT task; both ends are accepted.

/// Messages in a conversation.
pub const MESSAGES: (usize, usize) = (1, 1024);
/// Tokens to generate for each sequence.
pub const MAX_NEW_TOKENS: (u32, u32) = (1, 65_536);
/// Sequences to generate.
pub const NUM_RETURN_SEQUENCES: (u32, u32) = (1, 16);
/// Sampling temperature.
pub const TEMPERATURE: (f64, f64) = (0.01, 10.0);
/// Most probable tokens to choose among; 0 means all.
pub const TOP_K: (u32, u32) = (0, 1_000_000);
/// Probability mass to choose within.
pub const TOP_P: (f64, f64) = (0.0, 1.0);
/// Penalty on tokens that occurred before.
pub const REPETITION_PENALTY: (f64, f64) = (0.1, 10.0);
/// Stop strings in a task.
pub const STOP_STRINGS: (usize, usize) = (1, 16);
/// Characters in a stop string.
pub const STOP_STRING_CHARACTERS: (usize, usize) = (1, 256);
/// Seeds. The largest is the largest integer that every JSON implementation keeps exactly.
pub const SEED: (u64, u64) = (0, (1 << 53) - 1);
/// Times, in seconds since 1970: the years 1970 to 2999.
pub const TIME: (u64, u64) = (0, 32_503_679_999);
/// Beams of a beam search; 1 is no search.
pub const NUM_BEAMS: (u32, u32) = (1, 16);
/// Probability mass of locally typical tokens to choose within.
pub const TYPICAL_P: (f64, f64) = (0.01, 1.0);
/// Least probability of a token to choose, as a share of the most probable one's.
pub const MIN_P: (f64, f64) = (0.0, 1.0);
/// Tools that a task describes.
pub const TOOLS: (usize, usize) = (1, 128);
/// Calls in a message of the assistant.
pub const TOOL_CALLS: (usize, usize) = (1, 128);
/// Characters in the name of a function and in the identifier of a call.
pub const NAME_CHARACTERS: (usize, usize) = (1, 256);
/// Objects and lists within each other in a function's parameters, its return value and a call's arguments.
pub const NESTING: usize = 64;
