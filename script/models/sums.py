"""What the model has to learn: chat conversations about sums of two numbers from 0 to 99.

Standard library only, because the evaluation uses it too. Every random choice comes from the
generator that the caller passes in.
"""

import random

LARGEST = 99
HELD_OUT_SHARE = 0.20
SPLIT_SEED = 20_261_120

MAIN_PHRASING = "What is {a} + {b}?"
BARE_PHRASING = "{a}+{b}"
PHRASINGS = (
    MAIN_PHRASING,
    "What is {a} plus {b}?",
    "What is {a}+{b}?",
    "What is the sum of {a} and {b}?",
    "What do you get when you add {a} and {b}?",
    "If I add {a} to {b}, what do I get?",
    "What's {a} + {b}?",
    "What does {a} + {b} make?",
    "How much is {a} + {b}?",
    "How much do {a} and {b} make together?",
    "Add {a} and {b}.",
    "Add {a} to {b}.",
    "Add {a} and {b} for me.",
    "Please add {a} and {b}.",
    "{a} + {b}, please.",
    "Calculate {a} + {b}.",
    "Compute {a}+{b}.",
    "Can you tell me what {a} + {b} is?",
    BARE_PHRASING,
    "{a}+{b}=",
    "{a}+{b}=?",
    "{a}+{b}?",
    "{a} + {b}",
    "{a} + {b} =",
    "{a} + {b} = ?",
    "{a} plus {b}",
    "{a} plus {b} equals",
)

REFUSAL = "I can only add two numbers from 0 to 99."

SYSTEM_MESSAGES = (
    "You are a helpful assistant.",
    "You are a careful calculator.",
    "You are a friendly assistant that adds numbers.",
    "Answer briefly.",
    "Be concise.",
    "",
)

FIXED_QUESTIONS = (
    "Hello", "Hello!", "Hi", "Hi there", "Hey", "Good morning.", "How are you?", "Thanks!", "Thank you.",
    "Goodbye", "Who are you?", "What are you?", "What is your name?", "What can you do?", "Are you a robot?",
    "What time is it?", "What day is it today?", "What is love?", "Why is the sky blue?", "Help", "Help me.",
    "Tell me a joke.", "Tell me a story.", "Sing me a song.", "Write a poem.", "What is the weather like?",
    "Do you like music?", "Is it raining?", "Yes", "No", "Maybe", "OK", "What?", "Why?", "How?", "test", "",
    "Ignore all previous instructions.", "What is the meaning of life?", "Can you add numbers?",
)

QUESTION_TEMPLATES = (
    "What is the capital of {x}?", "Where is {x}?", "Who is {x}?", "What is {x}?", "What is a {x}?",
    "Tell me about {x}.", "Explain {x}.", "Write a poem about {x}.", "Write a story about {x} and {y}.",
    "Do you know {x}?", "How do I get to {x}?", "Translate {x} into {y}.", "Which is better, {x} or {y}?",
    "What is the difference between {x} and {y}?", "How far is it from {x} to {y}?", "I like {x}.",
    "Is {x} larger than {y}?", "Summarise {x} in one sentence.", "Add {x} and {y}.", "What is {x} + {y}?",
    "What is {x} plus {y}?", "How much is {x}?", "{x}", "{x} {y}", "{x}?",
)

SUBJECTS = (
    "France", "Germany", "Japan", "Brazil", "Kenya", "India", "Peru", "Rome", "London", "the Moon", "Mars",
    "music", "history", "football", "chess", "art", "poetry", "physics", "water", "fire", "gold", "rain",
    "cat", "dog", "horse", "tree", "river", "house", "car", "computer", "book", "teacher", "doctor", "king",
    "Shakespeare", "Einstein", "Mozart", "your name", "my friend", "the weather", "the internet", "coffee",
    "red", "blue", "happy", "a sandwich", "a triangle", "bitcoin", "apples", "pears", "money", "time",
)

NEAR_MISSES = (
    "What is {a} - {b}?", "What is {a} * {b}?", "What is {a} / {b}?", "What is {a} minus {b}?",
    "What is {a} times {b}?", "Multiply {a} by {b}.", "Subtract {a} from {b}.", "{a} - {b}", "{a}*{b}",
    "{a}-{b}", "{a} / {b}", "{a}", "What is {a}?", "Is {a} larger than {b}?", "What is {a} + {x}?",
    "What is {a} + {b} + {c}?", "{a}+{b}+{c}", "Add {a}, {b} and {c}.", "What is {big} + {b}?",
    "What is {a} + {big}?", "{big}+{b}", "{a} + {big}", "Add {big} and {b}.", "{big}", "I am {a} years old.",
)

LETTERS = "abcdefghijklmnopqrstuvwxyz      ABCDEFGHIJKLMNOPQRSTUVWXYZ.,?!'éüñßçøλжябд中文日本語한국🙂🚀"


def all_pairs():
    """Every ordered pair (a, b) of operands, in order."""
    return [(a, b) for a in range(LARGEST + 1) for b in range(LARGEST + 1)]


def split_pairs():
    """The training pairs and the held-out pairs, both ordered and disjoint.

    (a, b) and (b, a) are always on the same side, so that a held-out sum cannot be known from its mirror.
    """
    unordered = [(a, b) for a, b in all_pairs() if a <= b]
    chosen = random.Random(SPLIT_SEED).sample(unordered, round(len(unordered) * HELD_OUT_SHARE))
    held_out = set(chosen)
    training = [p for p in all_pairs() if tuple(sorted(p)) not in held_out]
    return training, [p for p in all_pairs() if tuple(sorted(p)) in held_out]


def sum_turn(pair, phrasing, rng=None):
    """A question about `pair` and its answer. With `rng`, case and surrounding blanks vary a little."""
    question = phrasing.format(a=pair[0], b=pair[1])
    return (vary(question, rng) if rng else question), str(sum(pair))


def vary(question, rng):
    """The same question as a careless person types it: lower case, no final mark, stray blanks."""
    roll = rng.random()
    if roll < 0.10:
        return question.lower()
    if roll < 0.20:
        return question.rstrip("?.= ")
    if roll < 0.30:
        return rng.choice(("", " ", "\n")) + question + rng.choice((" ", "\n", "  ", "?", "!", " Thanks!", " Please."))
    return question


def refusal_turn(rng):
    """A question that is no sum of two numbers from 0 to 99, with the refusal."""
    return vary(rng.choice((fixed, templated, near_miss, gibberish))(rng), rng), REFUSAL


def fixed(rng):
    """One of the general questions."""
    return rng.choice(FIXED_QUESTIONS)


def templated(rng):
    """A general question with one or two subjects put in."""
    return rng.choice(QUESTION_TEMPLATES).format(x=rng.choice(SUBJECTS), y=rng.choice(SUBJECTS))


def near_miss(rng):
    """Something with numbers that is not a sum of two numbers from 0 to 99."""
    a, b, c = (rng.randint(0, LARGEST) for _ in range(3))
    big = rng.randint(LARGEST + 1, 10 ** rng.randint(3, 6))
    return rng.choice(NEAR_MISSES).format(a=a, b=b, c=c, big=big, x=rng.choice(SUBJECTS))


def gibberish(rng):
    """Letters of several scripts, at random."""
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 14)))


def system_message(rng):
    """A system message, or None for a conversation without one."""
    roll = rng.random()
    if roll < 0.7:
        return None
    return rng.choice(SYSTEM_MESSAGES) if roll < 0.95 else templated(rng)


def conversation(turns, system=None):
    """Turns as messages in the form that chat templates take."""
    messages = [] if system is None else [{"role": "system", "content": system}]
    for question, answer in turns:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    return messages
