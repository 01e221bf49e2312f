//! Against transformers: renderings, tokens, logits and greedy answers in `tests/vectors/text` were made with it, in
//! torch, from the checkpoint that the small model was exported from.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sum_chat;

use std::{fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use sum_chat::{conversation, executor, folder, session};
use xenon_executor::{
    model::ModelFolder,
    text::{ChatTemplate, Conversation, TextStream, TextTokenizer},
};
use xenon_protocol::{
    result::FinishReason,
    task::{GenerationConfig, Message},
};

#[derive(Deserialize)]
struct Vectors<T> {
    cases: Vec<T>,
}

#[derive(Deserialize)]
struct Rendering {
    messages: Vec<Message>,
    add_generation_prompt: bool,
    text: String,
    token_ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Greedy {
    messages: Vec<Message>,
    max_new_tokens: u32,
    prompt_tokens: u32,
    token_ids: Vec<u32>,
    text: String,
    finish_reason: FinishReason,
}

#[derive(Deserialize)]
struct LastLogits {
    messages: Vec<Message>,
    token_ids: Vec<u32>,
    logits: Vec<f32>,
}

fn vectors<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/text").join(name);
    let vectors: Vectors<T> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(!vectors.cases.is_empty());
    vectors.cases
}

fn template_and_tokenizer() -> (ChatTemplate, TextTokenizer) {
    let folder = ModelFolder::open(&folder()).unwrap();
    (ChatTemplate::read(&folder).unwrap(), TextTokenizer::read(&folder.tokenizer()).unwrap())
}

fn conversation_of(messages: &[Message], add_generation_prompt: bool) -> Conversation<'_> {
    Conversation { messages, tools: None, add_generation_prompt, time: None }
}

#[test]
fn conversations_render_and_tokenize_as_in_transformers() {
    let (template, tokenizer) = template_and_tokenizer();
    for case in vectors::<Rendering>("chat_renderings.json") {
        let text = template.render(conversation_of(&case.messages, case.add_generation_prompt)).unwrap();
        assert_eq!(text, case.text);
        assert_eq!(tokenizer.encode(&text).unwrap(), case.token_ids, "{text:?}");
    }
}

#[test]
fn text_in_pieces_is_the_text_at_once() {
    let (_, tokenizer) = template_and_tokenizer();
    for case in vectors::<Rendering>("chat_renderings.json") {
        for end in 0..=case.token_ids.len() {
            let mut stream = TextStream::new(&tokenizer);
            let mut text: String = case.token_ids[..end].iter().map(|token| stream.push(*token).unwrap()).collect();
            text += &stream.finish().unwrap();
            assert_eq!(text, tokenizer.decode(&case.token_ids[..end]).unwrap());
        }
    }
}

#[test]
fn logits_are_those_of_torch() {
    let mut session = session();
    let empty = session.empty_cache().unwrap();
    let (template, tokenizer) = template_and_tokenizer();
    for case in vectors::<LastLogits>("logits.json") {
        let text = template.render(conversation_of(&case.messages, true)).unwrap();
        assert_eq!(tokenizer.encode(&text).unwrap(), case.token_ids);
        let (logits, _) = session.forward(&case.token_ids, &empty).unwrap();
        assert_eq!(logits.len(), case.logits.len());
        for (ours, theirs) in logits.iter().zip(&case.logits) {
            assert!((ours - theirs).abs() <= 1e-3 + 1e-3 * theirs.abs(), "{ours} {theirs}");
        }
    }
}

#[test]
fn greedy_answers_are_those_of_transformers() {
    let mut executor = executor(1);
    for case in vectors::<Greedy>("greedy.json") {
        let task = conversation(case.messages, GenerationConfig::greedy(case.max_new_tokens), 0);
        let reply = executor.run(&task, |_, _| ()).unwrap().reply;
        let choice = &reply.choices[0];
        assert_eq!(choice.message.content, case.text);
        assert_eq!(choice.finish_reason, case.finish_reason, "{:?}", case.text);
        assert_eq!(reply.usage.prompt_tokens, case.prompt_tokens);
        assert_eq!(reply.usage.completion_tokens as usize, case.token_ids.len());
    }
}
