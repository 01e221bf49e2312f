"""Writes tests/vectors/pipelines: tiny pipelines with random weights, and the pictures that diffusers makes with them.

Usage: python script/models/make_pipeline_vectors.py

Each pipeline is saved as diffusers has it, exported by Optimum, and run by diffusers in torch with the noise that the
executor makes. The pictures show nothing; that ours are the same shows that every part is put together alike.
"""

import json
import pathlib
import shutil
import tempfile

import diffusers
import imagehash
import numpy
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm
from optimum.exporters.onnx import main_export
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

from noise import Noise

TARGET = pathlib.Path(__file__).parents[2] / "tests/vectors/pipelines"
MERGES = ["r e", "re d</w>", "c i", "ci r", "c l", "cl e</w>", "cir cle</w>", "b l", "bl u", "blu e</w>"]
LENGTH = 16
SIZE = 32
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def tokenizer(folder, padding):
    """CLIP's byte-pair encoding with a handful of merges."""
    letters = list(bytes_to_unicode().values())
    tokens = letters + [letter + "</w>" for letter in letters] + [merge.replace(" ", "") for merge in MERGES]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary, rules = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    rules.write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    return CLIPTokenizer(str(vocabulary), str(rules), model_max_length=LENGTH, pad_token=padding)


def text_config(width, vocabulary, **more):
    return CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=LENGTH, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1, **more,
    )


def vae():
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(4, 4),
        latent_channels=4, norm_num_groups=2, layers_per_block=1, sample_size=SIZE, scaling_factor=0.2,
    )


def unet(width, **more):
    return diffusers.UNet2DConditionModel(
        sample_size=SIZE // 2, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(4, 8), norm_num_groups=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width, attention_head_dim=2, **more,
    )


def plain(folder):
    """Stable Diffusion 2 style: velocity, linear projections, DDIM with trailing steps to zero signal."""
    words = tokenizer(folder, "!")
    scheduler = diffusers.DDIMScheduler(
        **BETAS, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae(), text_encoder=CLIPTextModel(text_config(8, len(words))), tokenizer=words, scheduler=scheduler,
        unet=unet(8, use_linear_projection=True), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


def large(folder):
    """Stable Diffusion XL: two encoders, pooled prompt and sizes."""
    words = tokenizer(folder, "<|endoftext|>")
    second = tokenizer(folder, "!")
    more = {"hidden_act": "gelu", "projection_dim": 6}
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(), text_encoder=CLIPTextModel(text_config(8, len(words))), tokenizer=words, tokenizer_2=second,
        text_encoder_2=CLIPTextModelWithProjection(text_config(4, len(second), **more)), add_watermarker=False,
        scheduler=diffusers.EulerDiscreteScheduler(**BETAS, timestep_spacing="leading", steps_offset=1),
        unet=unet(
            12, addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=6 + 6 * 4,
            use_linear_projection=True,
        ),
    )


def consistent(folder):
    """A latent consistency model, which is told the guidance."""
    words = tokenizer(folder, "<|endoftext|>")
    return diffusers.LatentConsistencyModelPipeline(
        vae=vae(), text_encoder=CLIPTextModel(text_config(8, len(words))), tokenizer=words, scheduler=diffusers.LCMScheduler(**BETAS),
        unet=unet(8, time_cond_proj_dim=6), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )


PIPELINES = {"plain": plain, "large": large, "consistent": consistent}
CASES = {
    "plain": [
        {"prompt": "a red circle", "steps": 4, "guidance_scale": 6.0, "seed": 1},
        {"prompt": "", "steps": 3, "guidance_scale": 1.0, "seed": 2},
        {"prompt": "red", "negative_prompt": "Blue  circle", "steps": 3, "guidance_scale": 3.0, "seed": 3, "scheduler": "dpmpp_2m"},
        {"prompt": "red", "steps": 3, "guidance_scale": 3.0, "seed": 9, "scheduler": "euler_ancestral", "height": 64},
        {"prompt": "red", "steps": 2, "guidance_scale": 2.0, "seed": 10, "loras": [{"name": "denoiser", "scale": 0.75}]},
        {
            "prompt": "red", "steps": 2, "guidance_scale": 2.0, "seed": 11,
            "loras": [{"name": "words", "scale": -0.5}, {"name": "denoiser", "scale": 0.25}],
        },
    ],
    "large": [
        {"prompt": "red", "steps": 2, "guidance_scale": 5.0, "seed": 12, "loras": [{"name": "whole", "scale": 0.5}]},
        {"prompt": "a red circle", "steps": 4, "guidance_scale": 5.0, "seed": 4},
        {"prompt": "red", "negative_prompt": "blue", "steps": 3, "guidance_scale": 2.0, "seed": 5},
        {"prompt": "red circle", "steps": 1, "guidance_scale": 0.0, "seed": 6},
    ],
    "consistent": [{"prompt": "a blue circle", "steps": 4, "guidance_scale": 8.5, "seed": 7}],
}
RANK = 2
BLOCK = "down_blocks.1.attentions.0"
SCHEDULERS = {
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler, "euler_ancestral": diffusers.EulerAncestralDiscreteScheduler,
}


def picture(pipeline, case):
    """What diffusers makes of a case, with the executor's noise."""
    width, height = case.get("width", 64), case.get("height", 64)
    noise = Noise(case["seed"], 0)
    for module in (scheduling_lcm, scheduling_euler_ancestral_discrete):
        module.randn_tensor = lambda shape, **_: torch.from_numpy(noise.take(tuple(shape)))
    latents = torch.from_numpy(noise.take((1, 4, height // 2, width // 2)))
    if "scheduler" in case:
        pipeline.scheduler = SCHEDULERS[case["scheduler"]].from_config(pipeline.scheduler.config)
    options = {"negative_prompt": case["negative_prompt"]} if "negative_prompt" in case else {}
    pictures = pipeline(
        prompt=case["prompt"], num_inference_steps=case["steps"], guidance_scale=case["guidance_scale"], latents=latents,
        width=width, height=height, output_type="np", **options,
    ).images
    return (pictures[0] * 255).round().astype(numpy.uint8)


class Lora:
    """A small change to some modules of a pipeline, in a file and in torch."""

    def __init__(self, name, part, modules, spelling, alpha=None, dtype=torch.float32):
        self.name, self.part, self.modules, self.spelling = name, part, modules, spelling
        self.alpha, self.dtype = alpha, dtype

    def pairs(self, pipeline):
        """Up and down of each module, always the same."""
        random = torch.Generator().manual_seed(len(self.name))
        for name in self.modules:
            weight = getattr(pipeline, self.part).get_submodule(name).weight
            outputs, inputs, kernel = weight.shape[0], weight.shape[1], weight.shape[2:]
            down = torch.randn((RANK, inputs, *kernel), generator=random).to(self.dtype)
            up = torch.randn((outputs, RANK, *(1 for _ in kernel)), generator=random).to(self.dtype)
            yield name, weight, down, up

    def save(self, pipeline):
        """Writes the file, in the spelling of kohya's scripts or of peft."""
        tensors = {}
        for name, _, down, up in self.pairs(pipeline):
            if self.spelling == "kohya":
                module = {"unet": "lora_unet_", "text_encoder": "lora_te_"}[self.part] + name.replace(".", "_")
                tensors |= {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}
                tensors[f"{module}.alpha"] = torch.tensor(self.alpha or RANK, dtype=torch.float32)
            else:
                module = f"{self.part}.{name}"
                tensors |= {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
        save_file(tensors, TARGET / f"{self.name}.safetensors")

    def add(self, pipeline, scale):
        """Changes the pipeline's weights."""
        with torch.no_grad():
            for _, weight, down, up in self.pairs(pipeline):
                change = (up.float().flatten(1) @ down.float().flatten(1)).reshape(weight.shape)
                weight.add_(change * scale * (self.alpha or RANK) / RANK)


def vary(module):
    """Random weights of a size at which every part counts."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.15)


def forget_origin(folder):
    """Removes where the pipeline was saved before its export, which is different each time."""
    for path in folder.rglob("*.json"):
        values = json.loads(path.read_text())
        if values.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(values, indent=2) + "\n")


def make(name):
    """Exports one pipeline and returns its cases with their pictures."""
    torch.manual_seed(len(name))
    with tempfile.TemporaryDirectory() as temporary:
        pipeline = PIPELINES[name](pathlib.Path(temporary))
        pipeline.set_progress_bar_config(disable=True)
        for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
            if getattr(pipeline, part, None) is not None:
                vary(getattr(pipeline, part).eval())
        saved = pathlib.Path(temporary) / "saved"
        pipeline.save_pretrained(saved)
        folder = TARGET / name
        shutil.rmtree(folder, ignore_errors=True)
        main_export(str(saved), output=folder, task="text-to-image", opset=18, do_validation=False)
        shutil.rmtree(folder / "vae_encoder", ignore_errors=True)
        forget_origin(folder)
        original = pipeline.scheduler
        cases = []
        for case in CASES[name]:
            pipeline.scheduler = original
            for lora in case.get("loras", []):
                LORAS[lora["name"]].save(pipeline)
                LORAS[lora["name"]].add(pipeline, lora["scale"])
            pixels = picture(pipeline, case)
            for lora in case.get("loras", []):
                LORAS[lora["name"]].add(pipeline, -lora["scale"])
            Image.fromarray(pixels).save(TARGET / f"{name}-{case['seed']}.png")
            cases.append({**case, "pipeline": name, "phash": str(imagehash.phash(Image.fromarray(pixels)))})
        return cases


LORAS = {
    "denoiser": Lora(
        "denoiser", "unet",
        [f"{BLOCK}.transformer_blocks.0.attn1.to_q", f"{BLOCK}.transformer_blocks.0.attn2.to_out.0", f"{BLOCK}.proj_in",
         "down_blocks.0.resnets.0.conv1", "mid_block.resnets.0.time_emb_proj"],
        "kohya", alpha=1.0, dtype=torch.float16,
    ),
    "words": Lora("words", "text_encoder", ["text_model.encoder.layers.1.self_attn.v_proj", "text_model.encoder.layers.0.mlp.fc1"], "kohya"),
    "whole": Lora("whole", "unet", [f"{BLOCK}.transformer_blocks.0.ff.net.2", f"{BLOCK}.transformer_blocks.0.attn2.to_k"], "peft"),
}


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    cases = [case for name in PIPELINES for case in make(name)]
    (TARGET / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
