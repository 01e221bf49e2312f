"""Trains the picture model proper: text encoder and denoising UNet together, on latents that the autoencoder made."""

import copy
import time

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import clip_tokenizer
from convolution_muon import Optimizers, warm_cosine

# Steps of each stage, and the share of the learning rates in it. A stage starts from the averaged weights of the one before.
STAGES = ((2400, 1.0), (1600, 0.6))
BATCH = 64
MATRIX_RATE = 6e-3
OTHER_RATE = 3e-3
WARM_UP = 100
EMPTY_PROMPT_SHARE = 0.1
AVERAGE_DECAY = 0.998
CHECKPOINT_EVERY = 250
WIDTH = 48
NOISE = {
    "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    "prediction_type": "epsilon", "clip_sample": False,
}


def new_text_encoder(tokenizer):
    """An untrained CLIP text model of 2 layers."""
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, projection_dim=WIDTH, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=clip_tokenizer.LENGTH, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    ))


def new_unet():
    """An untrained UNet of two levels, 16×16 and 8×8; the text is attended to at the lower one."""
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, norm_num_groups=4, block_out_channels=(24, WIDTH),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=4,
    )


class Denoiser(torch.nn.Module):
    """Text encoder and UNet as one module: what is trained, and what is averaged."""

    def __init__(self, tokenizer):
        super().__init__()
        self.text_encoder = new_text_encoder(tokenizer)
        self.unet = new_unet()

    def forward(self, latents, timesteps, ids):
        """The noise in `latents`, given the prompts' token ids."""
        return self.unet(latents, timesteps, self.text_encoder(ids).last_hidden_state).sample

    def save(self, folder):
        """Both models below `folder`, each in its own folder."""
        self.text_encoder.save_pretrained(folder / "text_encoder")
        self.unet.save_pretrained(folder / "unet")


class Training:
    """The state of one training run; `average` is the running mean of the weights, and the result."""

    def __init__(self, denoiser, steps, share, tokenizer, latents, prompts):
        self.denoiser = copy.deepcopy(denoiser).train().requires_grad_(True)
        self.average = copy.deepcopy(denoiser).eval().requires_grad_(False)
        self.optimizers = Optimizers(self.denoiser, share * MATRIX_RATE, share * OTHER_RATE, warm_cosine(steps, WARM_UP))
        self.noise = DDPMScheduler(**NOISE)
        self.latents, self.ids = latents, clip_tokenizer.token_ids(tokenizer, prompts)
        self.empty = clip_tokenizer.token_ids(tokenizer, [""])[0]

    def batch(self):
        """Latents and token ids of random examples, some with the empty prompt."""
        places = torch.randint(len(self.latents), (BATCH,))
        ids = self.ids[places]
        ids[torch.rand(BATCH) < EMPTY_PROMPT_SHARE] = self.empty
        return self.latents[places], ids

    def loss(self):
        """Mean squared error of the predicted noise; the time steps are spread evenly over the batch."""
        latents, ids = self.batch()
        noise = torch.randn_like(latents)
        shares = (torch.arange(BATCH) + torch.rand(BATCH)) / BATCH
        timesteps = (shares * self.noise.config.num_train_timesteps).long()
        predicted = self.denoiser(self.noise.add_noise(latents, noise, timesteps), timesteps, ids)
        return torch.nn.functional.mse_loss(predicted, noise)

    def step(self, number):
        """One update; returns the loss before it."""
        loss = self.loss()
        self.optimizers.step(loss)
        decay = min(AVERAGE_DECAY, (1 + number) / (10 + number))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.denoiser.parameters()), 1 - decay)
        return loss.item()


def train(tokenizer, latents, prompts, checkpoint):
    """Trains on scaled latents; saves the averaged weights in `checkpoint` now and then, and at the end."""
    denoiser = Denoiser(tokenizer)
    for stage in range(len(STAGES)):
        denoiser = train_stage(stage, denoiser, tokenizer, latents, prompts, checkpoint)


def train_stage(stage, denoiser, tokenizer, latents, prompts, checkpoint):
    """Trains one stage from the given weights; returns the averaged ones."""
    torch.manual_seed(stage)
    steps, share = STAGES[stage]
    training, started, losses = Training(denoiser, steps, share, tokenizer, latents, prompts), time.monotonic(), []
    for step in range(steps):
        losses.append(training.step(step))
        if (step + 1) % 50 == 0:
            mean = sum(losses[-50:]) / 50
            print(f"stage {stage + 1}  {step + 1:4d}/{steps}  loss {mean:.4f}  {time.monotonic() - started:5.0f} s", flush=True)
        if (step + 1) % CHECKPOINT_EVERY == 0:
            training.average.save(checkpoint)
    training.average.save(checkpoint)
    return training.average
