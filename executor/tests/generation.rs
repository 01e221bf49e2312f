//! Answers of the repository's small model: the same on every run, cut where the task says, whatever the input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sum_chat;

use std::collections::BTreeSet;

use sum_chat::{ask, conversation, executor, flat};
use xenon_executor::Executor;
use xenon_protocol::{
    error_code::ErrorCode,
    result::{ChatReply, FinishReason, result_hash},
    task::{GenerationConfig, Message, TaskSpec},
};

const SUM: &str = "What is 17 + 25?";

fn run(executor: &mut Executor, task: &TaskSpec) -> ChatReply {
    executor.run(task, |_, _| ()).unwrap().reply
}

fn text(executor: &mut Executor, task: &TaskSpec) -> String {
    run(executor, task).choices.remove(0).message.content
}

#[test]
fn a_model_that_is_not_installed_is_an_error_that_names_those_that_are() {
    let mut executor = executor(1);
    for name in ["xenon/other", "xenon/sum-chat-1m@99"] {
        let TaskSpec::Gpt(mut task) = ask(SUM, GenerationConfig::greedy(1));
        task.model = name.parse().unwrap();
        let error = executor.run(&TaskSpec::Gpt(task), |_, _| ()).unwrap_err();
        assert_eq!((error.code(), error.error_code()), ("XE-021", ErrorCode::ModelUnavailable));
        assert!(error.to_string().contains("xenon/sum-chat-1m@1"));
    }
}

#[test]
fn a_task_that_would_not_parse_does_not_run() {
    let error = executor(1).run(&ask(SUM, GenerationConfig::greedy(0)), |_, _| ()).unwrap_err();
    assert_eq!((error.code(), error.error_code()), ("XP-103", ErrorCode::InvalidArguments));
}

#[test]
fn a_conversation_beyond_the_context_is_too_large() {
    let mut executor = executor(1);
    let prompt = run(&mut executor, &ask(SUM, GenerationConfig::greedy(1))).usage.prompt_tokens;
    let room = 512 - prompt;
    run(&mut executor, &ask(SUM, GenerationConfig::greedy(room)));
    for task in [ask(SUM, GenerationConfig::greedy(room + 1)), ask(&"9".repeat(600), GenerationConfig::greedy(1))] {
        let error = executor.run(&task, |_, _| ()).unwrap_err();
        assert_eq!((error.code(), error.error_code()), ("XE-031", ErrorCode::TaskTooLarge));
    }
}

#[test]
fn the_result_is_the_hash_of_the_canonical_reply() {
    let output = executor(1).run(&ask(SUM, GenerationConfig::greedy(8)), |_, _| ()).unwrap();
    assert_eq!(output.bytes, output.reply.to_bytes());
    assert_eq!(output.result, result_hash(&output.bytes));
    assert_eq!(serde_json::from_slice::<ChatReply>(&output.bytes).unwrap(), output.reply);
}

#[test]
fn the_thread_count_does_not_change_a_byte() {
    let tasks = [ask(SUM, GenerationConfig::greedy(16)), ask("Tell me a story.", flat(64))];
    for task in tasks {
        let bytes = |threads| executor(threads).run(&task, |_, _| ()).unwrap().bytes;
        assert_eq!(bytes(1), bytes(2));
    }
}

#[test]
fn a_seed_gives_the_same_bytes_every_time_and_another_seed_gives_others() {
    let mut executor = executor(1);
    let mut bytes = |seed| {
        let task = conversation(vec![Message::user("Tell me a story.")], flat(32), seed);
        executor.run(&task, |_, _| ()).unwrap().bytes
    };
    let first: Vec<_> = (0..5).map(&mut bytes).collect();
    let second: Vec<_> = (0..5).map(&mut bytes).collect();
    assert_eq!(first, second);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn several_sequences_differ_and_the_first_is_the_one_drawn_alone() {
    let mut executor = executor(1);
    let several = GenerationConfig { num_return_sequences: 3, ..flat(24) };
    let reply = run(&mut executor, &ask(SUM, several));
    let alone = run(&mut executor, &ask(SUM, flat(24)));
    assert_eq!(reply.choices[0], alone.choices[0]);
    let texts: BTreeSet<_> = reply.choices.iter().map(|choice| &choice.message.content).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(reply.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn the_pieces_of_each_choice_make_up_its_text() {
    let mut executor = executor(1);
    let generation = GenerationConfig { num_return_sequences: 3, ..flat(48) };
    let mut pieces = [const { String::new() }; 3];
    let task = ask("日本 🙂", generation);
    let output = executor.run(&task, |choice, piece| pieces[choice as usize] += piece).unwrap();
    let texts: Vec<_> = output.reply.choices.iter().map(|choice| choice.message.content.clone()).collect();
    assert_eq!(texts, pieces);
    assert!(texts.iter().any(|text| !text.is_ascii()), "the model wrote no character of several bytes: {texts:?}");
}

#[test]
fn max_new_tokens_cuts_the_answer() {
    let mut executor = executor(1);
    let whole = run(&mut executor, &ask(SUM, flat(64)));
    for limit in 1..4 {
        let reply = run(&mut executor, &ask(SUM, flat(limit)));
        assert_eq!(reply.choices[0].finish_reason, FinishReason::Length);
        assert_eq!(reply.usage.completion_tokens, limit);
        assert!(
            whole.choices[0].message.content.starts_with(reply.choices[0].message.content.trim_end_matches('\u{fffd}'))
        );
    }
}

#[test]
fn usage_counts_the_conversation_and_every_token_generated() {
    let reply = run(&mut executor(1), &ask(SUM, GenerationConfig { num_return_sequences: 2, ..flat(3) }));
    assert_eq!(reply.usage.completion_tokens, 6);
    assert_eq!(reply.usage.total_tokens, reply.usage.prompt_tokens + 6);
}

#[test]
fn a_stop_string_ends_the_answer_and_is_not_part_of_it() {
    let mut executor = executor(1);
    let whole = text(&mut executor, &ask(SUM, flat(48)));
    let characters: Vec<char> = whole.chars().collect();
    let stop: String = characters[5..8].iter().collect();
    let end = whole.find(&stop).unwrap();
    let mut streamed = String::new();
    let task = ask(SUM, GenerationConfig { stop_strings: Some(vec!["never".to_owned(), stop]), ..flat(48) });
    let output = executor.run(&task, |_, piece| streamed += piece).unwrap();
    assert_eq!(output.reply.choices[0].message.content, whole[..end]);
    assert_eq!(output.reply.choices[0].finish_reason, FinishReason::Stop);
    assert_eq!(streamed, whole[..end]);
}

#[test]
fn odd_conversations_are_answered() {
    let mut executor = executor(1);
    let long = "a".repeat(300);
    let contents = [
        "",
        " ",
        "\n\n",
        "\u{0}",
        "e\u{301}",
        "🙂👩‍👩‍👧",
        "<|im_end|>",
        "<|im_start|>system\n",
        "{{ x }} {% y %}",
        "\u{feff}\u{202e}",
        &long,
    ];
    for content in contents {
        for message in [Message::system(content), Message::user(content), Message::assistant(content)] {
            let reply = run(&mut executor, &conversation(vec![message], GenerationConfig::greedy(4), 0));
            assert!((1..=4).contains(&reply.usage.completion_tokens), "{content:?}");
        }
    }
}

#[test]
fn a_task_leaves_nothing_behind_for_the_next() {
    let mut executor = executor(1);
    let task = ask(SUM, flat(16));
    let alone = executor.run(&task, |_, _| ()).unwrap();
    executor.run(&ask("Something else entirely", flat(40)), |_, _| ()).unwrap();
    assert_eq!(executor.run(&task, |_, _| ()).unwrap(), alone);
}

#[test]
fn a_repetition_penalty_has_an_effect() {
    let mut executor = executor(1);
    let plain = text(&mut executor, &ask(SUM, GenerationConfig::greedy(16)));
    let said = Message::assistant(plain.clone());
    let mut again = |generation| {
        let messages = vec![Message::user(SUM), said.clone(), Message::user(SUM)];
        text(&mut executor, &conversation(messages, generation, 0))
    };
    assert_eq!(again(GenerationConfig::greedy(16)), plain);
    let penalised = GenerationConfig { repetition_penalty: Some(10.0), ..GenerationConfig::greedy(16) };
    assert_ne!(again(penalised), plain);
}

#[test]
fn an_executor_can_move_to_another_thread() {
    let mut executor = executor(1);
    let task = ask(SUM, GenerationConfig::greedy(4));
    let here = executor.run(&task, |_, _| ()).unwrap();
    let there = std::thread::spawn(move || executor.run(&task, |_, _| ()).unwrap()).join().unwrap();
    assert_eq!(here, there);
}
