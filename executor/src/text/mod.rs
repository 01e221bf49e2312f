//! Language models: from a conversation to a reply.
//!
//! [`ChatTemplate`] renders the conversation, [`TextTokenizer`] turns text into tokens and back, [`TextSession`] runs the
//! graph with its KV cache behind the trait [`Decoder`], [`Sampler`] chooses each token, a beam search whole sequences,
//! [`StopFilter`] finds stop strings, [`generate`] is the loop, and [`TextModel`] puts them together.

mod answer;
mod argmax;
mod beam;
mod candidates;
mod decoder;
mod generate;
mod generation_tags;
mod graph;
mod ignored;
mod model;
mod penalty;
mod python;
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
    decoder::{Decoder, Logits},
    generate::{Request, generate},
    graph::{GraphRoles, Port},
    model::TextModel,
    sampler::{Sampler, SamplerSettings},
    session::{KvCache, TextSession},
    share::generate_all,
    stop::StopFilter,
    template::{ChatTemplate, Conversation},
    tokenizer::{TextStream, TextTokenizer},
    variant::{Variant, choose_variant},
};
