"""The conversations of the golden renderings of chat templates."""

from vector_cases import said

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Says what the weather is.\nIn <b>one</b> word & \"quoted\".",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Which city, e.g. 東京"},
                "days": {"type": "integer", "minimum": 1, "default": 1},
                "units": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": ["number", "string"]}}, "required": ["a", "b"]},
        "return": {"type": "number"},
    },
}


def call(name, identifier, **arguments):
    """One call of a function."""
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = said("What is the weather in 東京?", system="  Use tools. ")
CALLED = {"role": "assistant", "tool_calls": [call("get_weather", "call00001", city="東京", days=2, exact=0.5)]}
ANSWERED = {"role": "tool", "content": "sunny\n25 °C", "tool_call_id": "call00001", "name": "get_weather"}
TWICE = {
    "role": "assistant", "content": None,
    "tool_calls": [call("add", "call00002", a=1, b=-2.5), call("add", "call00003", a=1e-7, b="x\n\"y\"", c=[None, True, {}])],
}
SUMS = [
    {"role": "tool", "content": "-1.5", "tool_call_id": "call00002"},
    {"role": "tool", "content": "", "tool_call_id": "call00003", "name": "add"},
]

CONVERSATIONS = (
    {"messages": said("What is 17 + 25?")},
    {"messages": said("What is 17 + 25?", system="You are a helpful assistant.")},
    {"messages": said("Hello", "Hi.", "And now?", "<think>\nhm\n</think>\n\nStill hi.", "Good.", system=" Be brief.\n")},
    {"messages": said("Hello", " Hi. ")},
    {"messages": said("", "", "")},
    {"messages": said("  naïve café: 日本語, e\u0301, 🙂 it's \"a\" \\ <b>&amp;</b> {{ x }} {% y %}\n\n")},
    {"messages": said("one") + said("two")},
    {"messages": said("one") + [{"role": "system", "content": "late"}] + said("two")},
    {"messages": said("What is 17 + 25?"), "tools": [WEATHER, ADD]},
    {"messages": ASKED, "tools": [WEATHER]},
    {"messages": [*ASKED, CALLED, ANSWERED], "tools": [WEATHER]},
    {"messages": [*ASKED, CALLED, ANSWERED, *said("Thanks.")[:1]], "tools": [WEATHER, ADD]},
    {"messages": [*said("Add."), TWICE, *SUMS, {"role": "assistant", "content": "Done."}], "tools": [ADD]},
    {"messages": [*said("Add."), TWICE | {"content": "I add."}, *SUMS], "tools": [ADD]},
)
