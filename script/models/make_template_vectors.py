"""Writes the golden renderings of chat templates: what transformers' apply_chat_template makes of the conversations with
each template of tests/vectors/text/templates. The templates are written for this project after the formats that the
families publish, with the Python that their own templates use.

Usage: make_template_vectors.py [--output tests/vectors/text]
"""

import argparse
import datetime
import pathlib
import unittest.mock

import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from template_cases import CONVERSATIONS
from vector_file import FOLDER, write

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TIME = 1_722_000_000


def main():
    """Writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER)
    output = parser.parse_args().output
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({}, unk_token=None)), **SPECIAL_TOKENS)
    templates = sorted((FOLDER / "templates").glob("*.jinja"))
    with unittest.mock.patch.object(chat_template_utils, "datetime", Clock):
        cases = [
            case(tokenizer, path, number, opened)
            for path in templates for number in range(len(CONVERSATIONS)) for opened in (True, False)
        ]
    write(output / "chat_conversations.json", CONVERSATIONS)
    write(output / "chat_templates.json", cases)


class Clock:
    """Stands in for the class datetime."""

    @staticmethod
    def now():
        """Always the same time."""
        return datetime.datetime.fromtimestamp(TIME, datetime.timezone.utc)


def case(tokenizer, path, number, opened):
    """One conversation through one template: its text, or what the template says against it. What is refused with
    nothing said is an error of Jinja2 or Python, such as an undefined content."""
    conversation = CONVERSATIONS[number]
    tools = conversation.get("tools")
    given = {"template": path.name, "conversation": number, "time": TIME, "add_generation_prompt": opened}
    try:
        text = tokenizer.apply_chat_template(
            conversation["messages"], tools=tools, chat_template=path.read_text(), add_generation_prompt=opened,
            tokenize=False,
        )
    except (jinja2.TemplateError, TypeError) as error:
        own = type(error) is jinja2.TemplateError
        return given | {"refused": str(error) if own else ""}
    return given | {"text": text}


if __name__ == "__main__":
    main()
