"""Runs the trained checkpoint in torch with transformers' own generate: the reference for the exported graph."""

import itertools

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


class TorchChat:
    """A checkpoint folder as `save_pretrained` wrote it."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def prompt_ids(self, messages):
        """The prompt up to the place where the assistant speaks."""
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True)

    def answers(self, conversations):
        """The raw answer, end-of-turn mark included, to each conversation; prompts of equal length run together."""
        prompts = [self.prompt_ids(messages) for messages in conversations]
        answers = [None] * len(prompts)
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for _, group in itertools.groupby(by_length, key=lambda i: len(prompts[i])):
            group = list(group)
            for i, answer in zip(group, self.generate([prompts[i] for i in group]), strict=True):
                answers[i] = answer
        return answers

    def generate(self, prompts):
        """Raw answers to prompts of equal length."""
        ids = torch.tensor(prompts)
        new = self.model.generate(ids, attention_mask=torch.ones_like(ids))[:, ids.shape[1]:]
        return [self.tokenizer.decode(row).replace(self.tokenizer.pad_token, "") for row in new]

    def logits(self, ids):
        """Logits at every position of one prompt, [tokens, vocabulary]."""
        with torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0]
