"""The same training and answers with the stock libraries: NF4 base, PEFT LoRA, transformers.Trainer, padded generate.

python benchmarks/decision/stock_lora.py --base FOLDER --train train.jsonl --test test.jsonl --out stock.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Trainer, TrainingArguments


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load(base: str) -> tuple[Any, Any]:
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=quantization, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(base)


def encode(tokenizer: Any, row: dict[str, Any]) -> dict[str, list[int]]:
    prompt = [{"role": "user", "content": row["input"]}]
    head = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(head, add_special_tokens=False)["input_ids"]
    target = tokenizer(row["target"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    return {"input_ids": ids + target, "labels": [-100] * len(ids) + target}


def collate(features: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    width = max(len(f["input_ids"]) for f in features)
    pad = [width - len(f["input_ids"]) for f in features]
    return {
        "input_ids": torch.tensor([f["input_ids"] + [2] * p for f, p in zip(features, pad, strict=True)]),
        "attention_mask": torch.tensor(
            [[1] * len(f["input_ids"]) + [0] * p for f, p in zip(features, pad, strict=True)]
        ),
        "labels": torch.tensor([f["labels"] + [-100] * p for f, p in zip(features, pad, strict=True)]),
    }


def train(
    model: Any, tokenizer: Any, data: list[dict[str, Any]], args: argparse.Namespace
) -> tuple[Any, dict[str, Any]]:
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    encoded = [encode(tokenizer, row) for row in data]
    arguments = TrainingArguments(
        output_dir=str(args.out) + ".work",
        num_train_epochs=args.epochs,
        per_device_train_batch_size=16,
        learning_rate=5e-4,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        logging_steps=20,
        save_strategy="no",
        report_to=[],
        seed=0,
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
    )
    start = time.perf_counter()
    found = Trainer(model=model, args=arguments, train_dataset=encoded, data_collator=collate).train()
    seconds = time.perf_counter() - start
    return model, {
        "train_seconds": seconds,
        "steps": found.global_step,
        "tokens_per_epoch": sum(len(e["input_ids"]) for e in encoded),
    }


@torch.inference_mode()
def answer(model: Any, tokenizer: Any, data: list[dict[str, Any]]) -> tuple[list[str], float]:
    model.eval()
    tokenizer.padding_side = "left"
    texts: list[str] = []
    start = time.perf_counter()
    for i in range(0, len(data), 16):
        heads = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": r["input"]}], add_generation_prompt=True, tokenize=False
            )
            for r in data[i : i + 16]
        ]
        batch = tokenizer(heads, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        out = model.generate(**batch, max_new_tokens=20, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        texts += tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("base", "train", "test", "out"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--epochs", type=float, default=4)
    args = parser.parse_args()
    torch.manual_seed(0)
    model, tokenizer = load(str(args.base))
    train_rows, test_rows = rows(args.train), rows(args.test)
    model, facts = train(model, tokenizer, train_rows, args)
    texts, seconds = answer(model, tokenizer, test_rows)
    labels = {r["target"] for r in train_rows}
    facts |= {
        "answer_seconds": seconds,
        "accuracy": sum(t.strip() == r["target"] for t, r in zip(texts, test_rows, strict=True)) / len(texts),
        "valid_labels": sum(t.strip() in labels for t in texts) / len(texts),
        "epochs": args.epochs,
        "train_rows": len(train_rows),
        "test_rows": len(test_rows),
    }
    args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
