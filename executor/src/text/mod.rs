//! Language models: from a conversation to a reply.
//!
//! [`ChatTemplate`] renders the conversation, [`TextTokenizer`] turns text into tokens and back, [`TextSession`] runs the
//! graph with its KV cache, [`Sampler`] chooses each token, [`StopFilter`] finds stop strings, [`generate`] is the loop,
//! and [`TextModel`] puts them together.

mod cache;
mod decoder;
mod generate;
mod graph;
mod model;
mod python;
mod rows;
mod sampler;
mod session;
mod stop;
mod template;
mod tokenizer;

pub use self::{
    cache::KvCache,
    decoder::{Decoder, Logits},
    generate::{Generated, generate},
    graph::{GraphRoles, Port, PortNames},
    model::TextModel,
    sampler::{Sampler, SamplerSettings},
    rows::{RowDecoder, Rows},
    session::{DecoderFiles, SessionSettings, TextSession},
    stop::StopFilter,
    template::ChatTemplate,
    tokenizer::{TextStream, TextTokenizer},
};
