"""Writes the golden vectors of text inference: what transformers makes of the checkpoint, in torch.

Usage: make_vectors.py [--checkpoint FOLDER] [--output tests/vectors/text]
"""

import argparse
import pathlib

import torch

import train_sums
from make_sum_chat import CHECKPOINT
from torch_chat import TorchChat
from vector_cases import DIALOGUES, PROMPTS, SHORT_PROMPTS
from vector_file import FOLDER, write

LEAST_MARGIN = 0.05
LOGIT_PROMPTS = (PROMPTS[0], PROMPTS[-1])


def main():
    """Writes the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=CHECKPOINT)
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER)
    arguments = parser.parse_args()
    train_sums.configure_torch()
    chat = TorchChat(arguments.checkpoint)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write(arguments.output / "chat_renderings.json", renderings(chat))
    write(arguments.output / "greedy.json", greedy_answers(chat))
    write(arguments.output / "logits.json", [last_logits(chat, messages) for messages in LOGIT_PROMPTS])


def renderings(chat):
    """Each dialogue as text and as token ids, with and without the opening of an answer."""
    return [rendering(chat, messages, opened) for messages in DIALOGUES for opened in (True, False)]


def rendering(chat, messages, opened):
    """One dialogue through transformers' apply_chat_template."""
    rendered = {
        kind: chat.tokenizer.apply_chat_template(messages, add_generation_prompt=opened, tokenize=kind == "token_ids")
        for kind in ("text", "token_ids")
    }
    return {"messages": messages, "add_generation_prompt": opened} | rendered


def greedy_answers(chat):
    """Every prompt to its natural end, and some cut short."""
    full = [greedy(chat, messages, train_sums.MAX_NEW_TOKENS) for messages in PROMPTS]
    return full + [greedy(chat, messages, limit) for messages, limit in SHORT_PROMPTS]


def greedy(chat, messages, limit):
    """One answer by transformers' generate. `token_ids` has the end-of-turn mark, `text` has not."""
    prompt = chat.prompt_ids(messages)
    ids = torch.tensor([prompt])
    run = chat.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit,
        return_dict_in_generate=True, output_logits=True,
    )
    require_margin(messages, run.logits)
    new = run.sequences[0, len(prompt):].tolist()
    stopped = new[-1] == chat.tokenizer.eos_token_id
    return {
        "messages": messages,
        "max_new_tokens": limit,
        "prompt_tokens": len(prompt),
        "token_ids": new,
        "text": chat.tokenizer.decode(new, skip_special_tokens=True),
        "finish_reason": "stop" if stopped else "length",
    }


def require_margin(messages, logits):
    """Refuses a prompt whose best two tokens are so close that another engine may rightly choose the other."""
    for step in logits:
        first, second = step[0].topk(2).values.tolist()
        if first - second < LEAST_MARGIN:
            raise SystemExit(f"too close to call, choose another prompt: {messages}")


def last_logits(chat, messages):
    """Logits after the last token of the prompt, the whole vocabulary."""
    ids = chat.prompt_ids(messages)
    return {"messages": messages, "token_ids": ids, "logits": chat.logits(ids)[-1].tolist()}


if __name__ == "__main__":
    main()
