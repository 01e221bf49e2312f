"""The questions by which the model is judged, the same for every engine that can run it."""

import random

import sums

EXAM_SEED = 99
MIXED_QUESTIONS = 2_000
REFUSAL_QUESTIONS = 500
END = "<|im_end|>"


def sections():
    """Name of each section -> list of (messages, expected answer). No sum in it was ever trained on."""
    rng = random.Random(EXAM_SEED)
    _, held_out = sums.split_pairs()
    return {
        "held-out sums, main phrasing": [main_question(pair) for pair in held_out],
        "held-out sums, mixed phrasings": [mixed_question(held_out, rng) for _ in range(MIXED_QUESTIONS)],
        "questions to refuse": [question(sums.refusal_turn(rng), rng) for _ in range(REFUSAL_QUESTIONS)],
    }


def main_question(pair):
    """`What is a + b?` without a system message."""
    asked, answer = sums.sum_turn(pair, sums.MAIN_PHRASING)
    return [{"role": "user", "content": asked}], answer


def mixed_question(pairs, rng):
    """A pair in any phrasing, with or without a system message."""
    return question(sums.sum_turn(rng.choice(pairs), rng.choice(sums.PHRASINGS), rng), rng)


def question(turn, rng):
    """One turn as a conversation, with or without a system message."""
    *messages, reply = sums.conversation([turn], sums.system_message(rng))
    return messages, reply["content"]


def grade(engine):
    """Asks everything; prints and returns section -> (right, asked, the first wrong answers).

    `engine(list of conversations)` returns the raw text of each answer. Right means the expected
    answer and the end-of-turn mark, to the letter.
    """
    results = {}
    for name, questions in sections().items():
        answers = engine([messages for messages, _ in questions])
        wrong = [
            (messages[-1]["content"], answer)
            for (messages, expected), answer in zip(questions, answers, strict=True)
            if answer != expected + END
        ]
        results[name] = (len(questions) - len(wrong), len(questions), wrong[:5])
        print(describe(name, *results[name]), flush=True)
    return results


def describe(name, right, asked, wrong):
    """One line per section, with a few of the wrong answers."""
    line = f"{name}: {right} of {asked} right ({100 * right / asked:.2f} %)"
    return line + "".join(f"\n    wrong: {asked!r} -> {answer!r}" for asked, answer in wrong)
