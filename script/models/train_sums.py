"""Trains the model: a small Llama that learns sums as chat, on one thread, the same weights at every run."""

import math
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from batches import IGNORED, Batches
from chat_tokenizer import END, PAD

SEED = 1
PLAIN_STEPS = 150
STEPS = 1500
WARM_UP = 30
MATRIX_RATE = 2e-2
OTHER_RATE = 3e-3
MAX_NEW_TOKENS = 32


def configure_torch():
    """One thread, deterministic kernels, fixed seed."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)


def new_model(tokenizer):
    """An untrained model: 4 layers, 4 query heads that share 2 key-value heads, tied embeddings."""
    end, pad = (tokenizer.convert_tokens_to_ids(t) for t in (END, PAD))
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=384, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=end, pad_token_id=pad,
    ))
    model.generation_config.update(
        do_sample=False, max_new_tokens=MAX_NEW_TOKENS, bos_token_id=None, eos_token_id=end, pad_token_id=pad
    )
    return model


def loss_of(model, ids, labels):
    """Mean cross-entropy of the labelled tokens; only their logits are computed.

    No attention mask: padding is on the right, and no token looks to its right.
    """
    hidden = model.model(ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:] != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), labels[:, 1:][wanted])


def optimizers_for(model):
    """Muon for the layers' matrices (it learns sums in a fifth of AdamW's steps), AdamW for the rest."""
    matrices = [p for p in model.model.layers.parameters() if p.dim() == 2]
    others = [model.model.embed_tokens.weight] + [p for p in model.parameters() if p.dim() == 1]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return muon, torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.98), weight_decay=0.0)


def rate_factor(step):
    """Share of the full learning rate: linear warm-up, then cosine to zero."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * 0.5 * (1 + math.cos(math.pi * step / STEPS))


def train(tokenizer):
    """A trained model; progress is printed every 50 steps."""
    configure_torch()
    model, batches, started = new_model(tokenizer), Batches(tokenizer, SEED), time.monotonic()
    optimizers = optimizers_for(model)
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, rate_factor) for o in optimizers]
    for step in range(STEPS):
        batch = batches.plain() if step < PLAIN_STEPS else batches.mixed()
        loss = one_step(model, optimizers, schedules, batch)
        if (step + 1) % 50 == 0:
            print(f"step {step + 1:4d}/{STEPS}  loss {loss:.4f}  {time.monotonic() - started:5.0f} s", flush=True)
    return model.eval()


def one_step(model, optimizers, schedules, batch):
    """One update; returns the loss before it."""
    loss = loss_of(model, *batch)
    model.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for part in (*optimizers, *schedules):
        part.step()
    return loss.item()
