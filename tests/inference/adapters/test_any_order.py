"""Any order of any adapters: each answers as PEFT alone, or is refused for itself; base and others are as before."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainkit.errors import AdapterError
from domainkit.inference.local import LocalBackend
from tests.inference.adapters.test_pool import peft_alone
from tests.inference.tiny_adapters import ask, save_adapter

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT's, of biases and saved embeddings
QV = ["q_proj", "v_proj"]
LORAS: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": QV},
    "everywhere": {"target_modules": "all-linear", "use_rslora": True},
    "dora": {"target_modules": QV, "use_dora": True},
    "on the head": {"target_modules": ["q_proj", "lm_head"]},
    "a saved head": {"target_modules": QV, "modules_to_save": ["lm_head"]},
    "on the embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "saved embeddings": {"target_modules": QV, "modules_to_save": ["embed_tokens"]},
    "a saved part": {"target_modules": ["q_proj"], "modules_to_save": ["mlp"]},
    "some tokens": {"target_modules": QV, "trainable_token_indices": [40, 41, 42]},
    "one layer": {"target_modules": QV, "layers_to_transform": [1]},
    "patterns": {"target_modules": QV, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"layers.0.*v_proj": 3}},
    "a bias": {"target_modules": QV, "lora_bias": True},
    "by expression": {"target_modules": r".*layers\.[01]\.mlp\.(up|down)_proj", "exclude_modules": ["down_proj"]},
}
BROKEN = ["of no layer", "incomplete", "of the base", "not finite", "of another shape", "a bias of the base"]


@pytest.fixture(scope="module")
def folders(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from peft import IA3Config, LoraConfig, VeraConfig

    root = tmp_path_factory.mktemp("orders")
    configs: dict[str, Any] = {n: LoraConfig(r=4, task_type="CAUSAL_LM", **o) for n, o in LORAS.items()}
    configs["ia3"] = IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"])
    for key in (3, 4):  # PEFT refuses two projections in one base
        configs[f"vera {key}"] = VeraConfig(r=8, target_modules=["q_proj"], projection_prng_key=key)
    made = {
        n: save_adapter(tiny_base, root / n, i, c, 0.05 if "saved" in n else 0.3)
        for i, (n, c) in enumerate(configs.items())
    }
    for name in BROKEN:
        made[name] = broken(Path(made["plain"]), root / name)
    return made


def broken(sound: Path, folder: Path) -> str:
    shutil.copytree(sound, folder)
    config, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    values, tensors = json.loads(config.read_text()), load_file(weights)
    if folder.name == "of no layer":
        values["target_modules"] = ["q_proj", "v_proj", "input_layernorm"]
    elif folder.name == "a bias of the base":
        values["bias"] = "all"
    elif folder.name == "incomplete":
        tensors.pop(max(tensors))
    elif folder.name == "of the base":
        tensors["base_model.model.model.norm.weight"] = torch.zeros(64)
    elif folder.name == "not finite":
        tensors[max(tensors)].fill_(float("nan"))
    else:
        tensors[max(tensors)] = torch.zeros(3, 3)
    config.write_text(json.dumps(values))
    save_file(tensors, weights)
    return str(folder)


@pytest.fixture(scope="module")
def stock(tiny_base: str, folders: dict[str, str], engine: LocalBackend) -> dict[str | None, str]:
    """What PEFT alone answers with each sound adapter, and what the base answers."""
    prompt = engine.prompt_ids(ask("where is box 3?"))
    sound = {None: None, **{n: f for n, f in folders.items() if n not in BROKEN}}
    return {n: peft_alone(tiny_base, f, prompt, engine.tokenizer) for n, f in sound.items()}


@pytest.fixture(scope="module")
def engine(tiny_base: str) -> Any:
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    yield backend
    backend.close()


def test_any_order(engine: LocalBackend, folders: dict[str, str], stock: dict[str | None, str]) -> None:
    order: list[str | None] = [*folders, None, "plain", "on the head", "a saved head", None]
    random.Random(0).shuffle(order)
    for name in order:
        request = ask("where is box 3?", adapter=folders[name] if name else None)
        if name in BROKEN:
            with pytest.raises(AdapterError):
                engine.complete([request])
        else:
            assert engine.complete([request])[0].text == stock[name], f"{name}, after {order[: order.index(name)]}"


def test_all_at_once(engine: LocalBackend, folders: dict[str, str], stock: dict[str | None, str]) -> None:
    names: list[str | None] = [None, "plain", "on the head", "a saved head", "a saved part", "ia3", "of the base"] * 2
    random.Random(9).shuffle(names)
    requests = [ask("where is box 3?", adapter=folders[n] if n else None) for n in names]
    answers: list[Any] = engine.complete(requests, return_errors=True)
    for name, answer in zip(names, answers, strict=True):
        if name in BROKEN:
            assert isinstance(answer, AdapterError), name
        else:
            assert answer.text == stock[name], name


def test_an_interrupted_load_leaves_no_trace(
    engine: LocalBackend, folders: dict[str, str], stock: dict[str | None, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error at any point of a load, of any type."""
    pool = engine.engine().pool
    for target in ("peft.set_peft_model_state_dict", "peft.get_peft_model_state_dict"):
        for error in (MemoryError("no"), AssertionError()):
            for name in [n for n in pool._loaded if n]:
                pool._remove(name)
            assert engine.complete([ask("where is box 3?", adapter=folders["dora"])])[0].text == stock["dora"]
            before = [*map(id, pool._model.modules())]
            with monkeypatch.context() as patch:

                def fail(*_: Any, error: Exception = error, **__: Any) -> None:
                    raise error

                patch.setattr(target, fail)
                [failed] = engine.complete([ask("x", adapter=folders["a saved head"])], return_errors=True)
            assert isinstance(failed, Exception)
            assert [*map(id, pool._model.modules())] == before
            assert engine.complete([ask("where is box 3?", adapter=folders["dora"])])[0].text == stock["dora"]
            assert engine.complete([ask("where is box 3?")])[0].text == stock[None]
