"""Muon for convolution kernels as well as matrices, AdamW for everything else, under one learning-rate schedule."""

import math

import torch


class Optimizers:
    """Updates a model's parameters; kernels are taken as matrices of output channels by everything else.

    `matrix_rate` and `other_rate` are the full learning rates; `factor(step)` is the share of them at a step.
    """

    def __init__(self, model, matrix_rate, other_rate, factor):
        embedded = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
        self.model = model
        self.matrices = [p for p in model.parameters() if p.dim() >= 2 and id(p) not in embedded]
        self.flat = [torch.nn.Parameter(p.data.view(len(p), -1)) for p in self.matrices]
        others = [p for p in model.parameters() if p.dim() < 2 or id(p) in embedded]
        self.parts = [
            torch.optim.Muon(self.flat, lr=matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.schedules = [torch.optim.lr_scheduler.LambdaLR(part, factor) for part in self.parts]

    def step(self, loss):
        """One update that lowers `loss`."""
        self.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for flat, whole in zip(self.flat, self.matrices):
            flat.grad = whole.grad.reshape(flat.shape)
        for part in (*self.parts, *self.schedules):
            part.step()


def warm_cosine(steps, warm_up):
    """Share of the full learning rate at a step: linear warm-up, then cosine to zero."""
    return lambda step: min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
