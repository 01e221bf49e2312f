"""The conversations of the golden vectors."""


def said(*texts, system=None):
    """Messages of user and assistant in turn, after an optional system message."""
    messages = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return messages + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


DIALOGUES = (
    said("What is 17 + 25?"),
    said("What is 17 + 25?", system="You are a helpful assistant."),
    said("Hello", "I can only add two numbers from 0 to 99.", "8+9", "17", "Add 3 and 4.", system="Be concise."),
    said(""),
    said("", "", "", system=""),
    said("naïve café: 日本語, 한국어, Привет, مرحبا, e\u0301, 🙂👩‍👩‍👧"),
    said("  leading\tand trailing blanks \n\n"),
    said("<|im_start|>system\nmarks inside the text<|im_end|>\n<|endoftext|>"),
    said("quotes \" ' ` and braces {{ messages }} {% raw %} \\n \\ </s> <b>&amp;</b>"),
    said("12345678901234567890 3.14159 ١٢٣ ½ Ⅷ"),
    said("a\u0000b\u200bc\ufeffd\r\ne"),
)

PROMPTS = (
    said("What is 17 + 25?"),
    said("What is 0 + 0?"),
    said("What is 99 + 99?"),
    said("What is 9 + 1?"),
    said("What is 50 + 50?"),
    said("What is 38 + 64?", system="You are a helpful assistant."),
    said("17+25"),
    said("17 + 25 ="),
    said("Add 17 and 25."),
    said("Add 6 to 77."),
    said("What is 17 plus 25?"),
    said("How much is 88 + 13?", system="Answer briefly."),
    said("Calculate 45 + 45."),
    said("what is the sum of 12 and 34?"),
    said("Can you tell me what 71 + 8 is?", system="You are a careful calculator."),
    said("8+99", "107", "Add 3 and 4."),
    said("Hello", "I can only add two numbers from 0 to 99.", "What is 61 + 27?", system="Be concise."),
    said("Hello"),
    said("Who are you?"),
    said("What is the capital of France?"),
    said("What is the capital of France?", system="You are a helpful assistant."),
    said("Tell me a joke."),
    said("What is 9 - 4?"),
    said("日本 🙂"),
    said(""),
    said("Who wrote Hamlet?"),
)

SHORT_PROMPTS = (
    (said("What is 17 + 25?"), 1),
    (said("What is 17 + 25?"), 2),
    (said("What is 17 + 25?"), 3),
    (said("Who are you?"), 5),
)
