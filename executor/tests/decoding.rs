//! The generation loop over a decoder whose logits depend on each row's own tokens only: what shares passes gets what it
//! would get alone, and every answer ends where its task says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "decoding/fake.rs"]
mod fake;
mod sum_chat;

use std::{collections::BTreeMap, sync::LazyLock};

use fake::FakeDecoder;
use proptest::{collection::vec, option, prelude::*};
use sum_chat::{MODEL, ask, flat, folder, models_dir};
use xenon_executor::{
    Device,
    model::{GenerationDefaults, ModelConfig, ModelFolder, ModelStore},
    runtime,
    text::{Generated, Request, TextModel, TextTokenizer, generate, generate_all},
};
use xenon_protocol::{
    result::FinishReason,
    task::{GenerationConfig, GptTask, Message, TaskSpec},
};

const END: u32 = 2;

static TOKENIZER: LazyLock<TextTokenizer> =
    LazyLock::new(|| TextTokenizer::read(&ModelFolder::open(&folder()).unwrap().tokenizer()).unwrap());

/// Tokens of the small model's tokenizer.
const VOCABULARY: usize = 512;

type Texts = BTreeMap<(usize, u32), String>;

fn config(end_tokens: &[u32]) -> ModelConfig {
    ModelConfig { context: 4096, end_tokens: end_tokens.to_vec(), defaults: GenerationDefaults::default() }
}

fn task(generation_config: GenerationConfig, seed: u64) -> GptTask {
    GptTask { seed, ..GptTask::new(MODEL.parse().unwrap(), vec![Message::user("")], generation_config) }
}

fn run(
    decoder: &mut FakeDecoder,
    end_tokens: &[u32],
    requests: &[Request<'_>],
) -> (Vec<Option<Vec<Generated>>>, Texts) {
    let mut texts = Texts::new();
    let results = generate_all(decoder, &TOKENIZER, &config(end_tokens), requests, |request, sequence, text| {
        texts.entry((request, sequence)).or_default().push_str(text);
    });
    (results.into_iter().map(Result::ok).collect(), texts)
}

fn alone(task: &GptTask, prompt: &[u32], end_tokens: &[u32]) -> Vec<Generated> {
    run(&mut FakeDecoder::new(VOCABULARY), end_tokens, &[Request { task, prompt }]).0.remove(0).unwrap()
}

/// The same, and the most rows that a pass of it had.
fn alone_with_rows(task: &GptTask, prompt: &[u32], end_tokens: &[u32]) -> (Vec<Generated>, usize) {
    let mut decoder = FakeDecoder::new(VOCABULARY);
    let answer = run(&mut decoder, end_tokens, &[Request { task, prompt }]).0.remove(0).unwrap();
    (answer, decoder.passes.iter().copied().max().unwrap())
}

/// Where the definition says that a text ends: before the stop string that is complete first, of several the longest.
fn cut<'a>(stops: &[String], text: &'a str) -> &'a str {
    let mut ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    let stop = |end: usize| stops.iter().filter(|stop| text[..end].ends_with(*stop)).map(String::len).max();
    let found = ends.find_map(|end| Some(end - stop(end)?));
    &text[..found.unwrap_or(text.len())]
}

prop_compose! {
    fn sampled()(
        max_new_tokens in 1..24_u32,
        do_sample in any::<bool>(),
        sequences in 1..4_u32,
        top_k in option::of(1..40_u32),
        repetition_penalty in option::of(0.8..1.5),
        stop_strings in option::of(vec("[a-e ]{1,2}", 1..3)),
    ) -> GenerationConfig {
        GenerationConfig {
            do_sample,
            num_return_sequences: if do_sample { sequences } else { 1 },
            top_k: top_k.filter(|_| do_sample),
            repetition_penalty,
            stop_strings,
            ..GenerationConfig::greedy(max_new_tokens)
        }
    }
}

prop_compose! {
    fn searched()(
        max_new_tokens in 1..10_u32,
        num_beams in 2..5_u32,
        wanted in 1..5_u32,
        stop_strings in option::of(vec("[a-e ]{1,2}", 1..3)),
    ) -> GenerationConfig {
        GenerationConfig {
            num_beams,
            num_return_sequences: wanted.min(num_beams),
            stop_strings,
            ..GenerationConfig::greedy(max_new_tokens)
        }
    }
}

fn tasks() -> impl Strategy<Value = GptTask> {
    (prop_oneof![sampled(), searched()], 0..9_u64).prop_map(|(generation, seed)| task(generation, seed))
}

/// Prompts of two lengths, so that some requests share passes and some do not.
fn prompts() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![vec(0..512_u32, 3), vec(0..512_u32, 5)]
}

/// A third of the vocabulary ends an answer in some runs, so that answers end at different times.
fn ends() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![Just(vec![]), Just(vec![END]), Just((0..40).map(|n| n * 12).collect())]
}

#[test]
fn logits_that_are_no_distribution_end_their_own_request_only() {
    let (good, bad) = (task(flat(5), 1), task(flat(5), 1));
    let mut decoder = FakeDecoder { damaged: Some(9), ..FakeDecoder::new(VOCABULARY) };
    let requests = [Request { task: &bad, prompt: &[9, 1] }, Request { task: &good, prompt: &[8, 1] }];
    let results = generate(&mut decoder, &TOKENIZER, &config(&[]), &requests, |_, _, _| ()).unwrap();
    assert_eq!(results[0].as_ref().unwrap_err().code(), "XE-042");
    assert_eq!(results[1].as_ref().unwrap(), &alone(&good, &[8, 1], &[]));
}

#[test]
fn a_decoder_that_fails_for_one_request_is_that_requests_error() {
    let task = task(GenerationConfig { num_return_sequences: 2, ..flat(5) }, 0);
    let mut decoder = FakeDecoder { failing_pass: Some(1), ..FakeDecoder::new(VOCABULARY) };
    let request = Request { task: &task, prompt: &[1] };
    let results = generate_all(&mut decoder, &TOKENIZER, &config(&[]), &[request], |_, _, _| ());
    assert_eq!(results[0].as_ref().unwrap_err().code(), "XE-041");
}

#[test]
fn requests_share_passes_until_each_ends() {
    let tasks =
        [task(GenerationConfig::greedy(3), 0), task(GenerationConfig { num_return_sequences: 2, ..flat(5) }, 0)];
    let requests: Vec<_> = tasks.iter().map(|task| Request { task, prompt: &[1, 2] }).collect();
    let mut decoder = FakeDecoder::new(VOCABULARY);
    run(&mut decoder, &[], &requests);
    assert_eq!(decoder.passes, [2, 3, 3, 2, 2]);
}

/// A short answer's last piece does not wait for the answers that it shares passes with.
#[test]
fn an_answer_is_given_out_whole_when_it_ends() {
    let last = alone(&task(flat(4), 3), &[1, 2], &[]).remove(0).text.pop().unwrap();
    let holding = GenerationConfig { stop_strings: Some(vec![format!("{last}, and so on")]), ..flat(4) };
    let tasks = [task(holding, 3), task(flat(9), 4)];
    let requests: Vec<_> = tasks.iter().map(|task| Request { task, prompt: &[1, 2] }).collect();
    let mut order = Vec::new();
    let mut decoder = FakeDecoder::new(VOCABULARY);
    let results = generate_all(&mut decoder, &TOKENIZER, &config(&[]), &requests, |request, _, _| order.push(request));
    assert!(results[0].as_ref().unwrap()[0].text.ends_with(last));
    let last = |request| order.iter().rposition(|other| *other == request).unwrap();
    assert!(last(0) < last(1));
}

#[test]
fn beams_share_passes_too() {
    let tasks = [task(GenerationConfig { num_beams: 3, ..GenerationConfig::greedy(3) }, 0), task(flat(2), 0)];
    let requests: Vec<_> = tasks.iter().map(|task| Request { task, prompt: &[1, 2] }).collect();
    let mut decoder = FakeDecoder::new(VOCABULARY);
    run(&mut decoder, &[], &requests);
    assert_eq!(decoder.passes, [2, 4, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_shares_passes_gets_what_it_would_get_alone(
        requests in vec((tasks(), prompts()), 1..5),
        end_tokens in ends(),
        most_rows in prop_oneof![Just(usize::MAX), 1..8_usize],
    ) {
        let borrowed: Vec<_> = requests.iter().map(|(task, prompt)| Request { task, prompt }).collect();
        let mut decoder = FakeDecoder { most_rows, ..FakeDecoder::new(VOCABULARY) };
        let (results, texts) = run(&mut decoder, &end_tokens, &borrowed);
        for (index, ((task, prompt), result)) in requests.iter().zip(results).enumerate() {
            let (expected, rows) = alone_with_rows(task, prompt, &end_tokens);
            // Exactly those fail that have not the room alone either.
            prop_assert_eq!(result.is_none(), rows > most_rows);
            let Some(result) = result else { continue };
            prop_assert_eq!(&result, &expected);
            for (sequence, generated) in (0..).zip(&result) {
                let streamed = texts.get(&(index, sequence)).map_or("", String::as_str);
                prop_assert_eq!(&generated.text, streamed);
            }
        }
    }

    /// A pass that fails once costs nobody an answer who can do without company.
    #[test]
    fn only_who_needs_several_rows_fails_with_a_pass_of_several(
        requests in vec((tasks(), prompts()), 1..5),
        end_tokens in ends(),
        failing_pass in 0..6_usize,
    ) {
        let borrowed: Vec<_> = requests.iter().map(|(task, prompt)| Request { task, prompt }).collect();
        let mut decoder = FakeDecoder { failing_pass: Some(failing_pass), ..FakeDecoder::new(VOCABULARY) };
        let (results, _) = run(&mut decoder, &end_tokens, &borrowed);
        for ((task, prompt), result) in requests.iter().zip(results) {
            let (expected, rows) = alone_with_rows(task, prompt, &end_tokens);
            prop_assert!(result.is_some() || rows > 1);
            prop_assert!(result.is_none_or(|result| result == expected));
        }
    }

    #[test]
    fn an_answer_ends_where_its_task_says(
        generation in prop_oneof![sampled(), searched()],
        prompt in prompts(),
        end_tokens in ends(),
    ) {
        let stops = generation.stop_strings.clone().unwrap_or_default();
        let (limit, wanted) = (generation.max_new_tokens as usize, generation.num_return_sequences as usize);
        let answers = alone(&task(generation, 3), &prompt, &end_tokens);
        prop_assert_eq!(answers.len(), wanted);
        for answer in answers {
            let ended = answer.tokens.iter().position(|token| end_tokens.contains(token));
            prop_assert!(ended.is_none_or(|at| at + 1 == answer.tokens.len()));
            prop_assert!(answer.tokens.len() <= limit);
            let words = &answer.tokens[..ended.unwrap_or(answer.tokens.len())];
            let whole = TOKENIZER.decode(words).unwrap();
            prop_assert_eq!(&answer.text, cut(&stops, &whole));
            let stopped = ended.is_some() || answer.text.len() < whole.len();
            prop_assert_eq!(answer.finish_reason == FinishReason::Stop, stopped);
            prop_assert!(stopped || answer.tokens.len() == limit);
        }
    }

    #[test]
    fn a_stop_string_cuts_the_answer_that_there_is_without_it(
        seed in 0..99_u64,
        stops in vec("[a-e ]{1,2}", 1..4),
        prompt in prompts(),
    ) {
        let whole = alone(&task(flat(30), seed), &prompt, &[END]).remove(0);
        let stopping = GenerationConfig { stop_strings: Some(stops.clone()), ..flat(30) };
        let answer = alone(&task(stopping, seed), &prompt, &[END]).remove(0);
        prop_assert!(whole.tokens.starts_with(&answer.tokens));
        prop_assert_eq!(answer.text, cut(&stops, &whole.text));
    }
}

fn model() -> TextModel {
    let runtime = runtime::load(None).unwrap();
    let store = ModelStore::open(&models_dir()).unwrap();
    let provider = Device::Cpu.provider(runtime).unwrap();
    TextModel::load(runtime, provider, Some(1), store.find(&MODEL.parse().unwrap()).unwrap()).unwrap()
}

fn question(text: &str, generation: GenerationConfig) -> GptTask {
    let TaskSpec::Gpt(task) = ask(text, generation) else { panic!("a chat") };
    task
}

#[test]
fn the_small_model_answers_several_tasks_as_it_answers_each() {
    let mut model = model();
    let searched = GenerationConfig { num_beams: 3, num_return_sequences: 2, ..GenerationConfig::greedy(8) };
    let tasks = [
        question("What is 17 + 25?", GenerationConfig::greedy(8)),
        question("What is 38 + 41?", GenerationConfig { num_return_sequences: 2, ..flat(12) }),
        question("Hello", GenerationConfig::greedy(16)),
        question("What is 99 + 99?", searched),
        question(&"9".repeat(600), GenerationConfig::greedy(1)),
    ];
    let references: Vec<_> = tasks.iter().collect();
    let mut texts = Texts::new();
    let together = model.answer_all(&references, |index, choice, text| {
        texts.entry((index, choice)).or_default().push_str(text);
    });
    assert_eq!(together.len(), tasks.len());
    for (index, (task, reply)) in tasks.iter().zip(together).enumerate() {
        match (reply, model.answer(task, |_, _| ())) {
            (Ok(reply), Ok(alone)) => {
                assert_eq!(reply, alone);
                for choice in reply.choices {
                    assert_eq!(choice.message.content, texts.remove(&(index, choice.index)).unwrap_or_default());
                }
            }
            (Err(error), Err(alone)) => assert_eq!((error.code(), index), (alone.code(), 4)),
            (reply, alone) => panic!("{reply:?} {alone:?}"),
        }
    }
}

#[test]
fn the_small_model_finds_sums_with_beams() {
    let mut model = model();
    for (sum, answer) in [("What is 17 + 25?", "42"), ("What is 99 + 99?", "198")] {
        let searched = GenerationConfig { num_beams: 4, num_return_sequences: 4, ..GenerationConfig::greedy(8) };
        let reply = model.answer(&question(sum, searched), |_, _| ()).unwrap();
        assert_eq!(reply.choices.len(), 4);
        assert_eq!(reply.choices[0].message.content, answer);
    }
}

#[test]
fn what_the_small_model_cannot_do_is_refused_by_name() {
    let mut model = model();
    let task = question("Hello", GenerationConfig::greedy(1));
    let tool = serde_json::from_str(r#"{"type": "function", "function": {"name": "f"}}"#).unwrap();
    let with_tools = GptTask { tools: Some(vec![tool]), ..task.clone() };
    let error = model.answer(&with_tools, |_, _| ()).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("tools")), ("XE-033", true));
    let eight_bits = GptTask { quantize_bits: 8.try_into().ok(), ..task };
    let error = model.answer(&eight_bits, |_, _| ()).unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("quantize_bits 8")), ("XE-034", true));
}
