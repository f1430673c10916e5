"""The vLLM command names adapters as the server backend does, and refuses what vLLM cannot serve."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError, ConfigError
from domainkit.export.vllm import adapter_name, serve_command
from tests.inference.server.conftest import lora_folder


@pytest.fixture(scope="module")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters in folders of the same name."""
    parent = tmp_path_factory.mktemp("adapters")
    return [lora_folder(parent / str(seed) / "legal", tiny_base, seed) for seed in (1, 2)]


def test_the_command_names_adapters_as_the_backend_asks_for_them(
    adapters: list[Path], tiny_base: str, tmp_path: Path
) -> None:
    wide = lora_folder(tmp_path / "wide one", tiny_base, 3, rank=24)
    words = shlex.split(serve_command(tiny_base, [adapters[0], wide], quantization="nf4", port=9000))
    assert words[:7] == ["vllm", "serve", tiny_base, "--host", "127.0.0.1", "--port", "9000"]
    assert words[words.index("--quantization") + 1] == "bitsandbytes"
    assert words[words.index("--max-lora-rank") + 1] == "32"
    assert words[words.index("--max-loras") + 1] == "2"
    start = words.index("--lora-modules")
    assert words[start + 1 : start + 3] == [f"{adapter_name(a)}={a.resolve()}" for a in (adapters[0], wide)]
    assert Adapter.load(wide, need_card=False).weights_sha256.startswith(adapter_name(wide).rsplit("-", 1)[1])
    assert "--enable-lora" not in serve_command(tiny_base, [])
    assert "--quantization" not in serve_command(tiny_base, [])


def test_what_vllm_cannot_serve_is_refused_with_a_next_step(
    tiny_base: str, adapters: list[Path], tmp_path: Path
) -> None:
    dora = lora_folder(tmp_path / "dora", tiny_base, 4, use_dora=True)
    with pytest.raises(AdapterError, match=r"is DoRA, which vLLM does not serve(.|\n)*merge it into its base"):
        serve_command(tiny_base, [dora])
    scaled = lora_folder(tmp_path / "scaled", tiny_base, 5, alpha_pattern={"q_proj": 3})
    with pytest.raises(AdapterError, match="scales its layers differently"):
        serve_command(tiny_base, [scaled])
    # EVA's ranks with the alphas that keep one scale.
    config = json.loads((scaled / "adapter_config.json").read_text())
    even = {"rank_pattern": {"q_proj": 8}, "alpha_pattern": {"q_proj": 8 * config["lora_alpha"] / config["r"]}}
    (scaled / "adapter_config.json").write_text(json.dumps(config | even))
    assert "--enable-lora" in serve_command(tiny_base, [scaled])
    (scaled / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": "pissa"}))
    with pytest.raises(AdapterError, match="init_lora_weights=pissa, which changes the base's weights"):
        serve_command(tiny_base, [scaled])
    (scaled / "adapter_config.json").write_text(json.dumps(config | {"alora_invocation_tokens": [1]}))
    with pytest.raises(AdapterError, match=r"alora_invocation_tokens=\[1\] in adapter_config\.json is not computed"):
        serve_command(tiny_base, [scaled])
    with pytest.raises(ConfigError, match=r"trained on int8 weights, and vLLM's bitsandbytes loads 4-bit ones"):
        serve_command(tiny_base, [adapters[0]], quantization="int8")
    with pytest.raises(ConfigError, match="the adapters name no base"):
        serve_command(None, adapters)
    with pytest.raises(ConfigError, match="vLLM does not serve builtin:smollm2-135m"):
        serve_command("builtin:smollm2-135m", adapters)
