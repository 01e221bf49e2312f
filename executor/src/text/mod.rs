//! Language models: from a conversation to a reply.
//!
//! [`ChatTemplate`] renders the conversation, [`TextTokenizer`] turns text into tokens and back, [`TextSession`] runs the
//! graph with its KV cache behind the trait [`Decoder`], [`Sampler`] chooses each token, a beam search whole sequences,
//! [`StopFilter`] finds stop strings, [`generate`] is the loop, and [`TextModel`] puts them together.

mod answer;
mod argmax;
mod beam;
mod cache;
mod candidates;
mod decoder;
mod generate;
mod generation_tags;
mod graph;
mod ignored;
mod model;
mod penalty;
mod python;
mod rows;
mod sampler;
mod search;
mod sequence;
mod session;
mod share;
mod stop;
mod template;
mod tokenizer;
mod variant;
mod watch;

pub use self::{
    answer::Generated,
    cache::KvCache,
    decoder::{Decoder, Logits},
    generate::{Request, generate},
    graph::{CacheShape, DecoderFiles, GraphRoles, Port, PortNames},
    model::TextModel,
    rows::{RowDecoder, Rows},
    sampler::{Sampler, SamplerSettings},
    session::{SessionSettings, TextSession},
    share::generate_all,
    stop::StopFilter,
    template::{ChatTemplate, Conversation},
    tokenizer::{TextStream, TextTokenizer},
    variant::{Variant, choose_variant},
};
