"""The same training with TRL's SFTTrainer: the same rows, LoRA, rate and steps; float32 or NF4.

python benchmarks/decision/trl_sft.py --base FOLDER --train train.jsonl --out ADAPTER [--epochs 2] [--nf4]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

BATCH, RATE = 16, 1e-3


def load(base: str, *, nf4: bool) -> Any:
    if not nf4:
        return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return AutoModelForCausalLM.from_pretrained(base, quantization_config=quantization, dtype=torch.float32)


def dataset(path: Path) -> Dataset:
    """Prompt and completion as messages: the loss is that of the completion alone, as in ours."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["input"]}],
                "completion": [{"role": "assistant", "content": row["target"]}],
            }
            for row in rows
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("base", "train", "out"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--nf4", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    arguments = SFTConfig(
        output_dir=f"{args.out}.work",
        num_train_epochs=args.epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        logging_steps=5,
        save_strategy="no",
        report_to=[],
        seed=0,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        gradient_checkpointing=False,
    )
    trainer = SFTTrainer(
        model=load(str(args.base), nf4=args.nf4),
        args=arguments,
        train_dataset=dataset(args.train),
        processing_class=AutoTokenizer.from_pretrained(args.base),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    start = time.perf_counter()
    found = trainer.train()
    seconds = time.perf_counter() - start
    trainer.save_model(str(args.out))
    facts = {"seconds": seconds, "steps": found.global_step}
    args.out.with_suffix(".json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
