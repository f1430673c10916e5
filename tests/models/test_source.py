"""A base is found wherever its files are, and its fingerprint is that of its content."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domainkit import hub_connection
from domainkit.errors import BaseModelError
from domainkit.models import source as source_module
from domainkit.models.source import Packaged, _not_found, count_parameters, resolve_base


@pytest.fixture
def copy(tiny_base: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "copy"))


def test_a_folder_s_fingerprint_depends_on_its_content_only(tiny_base: str, copy: Path) -> None:
    original = resolve_base(tiny_base)
    assert original.kind == "folder"
    assert resolve_base(str(copy)).fingerprint == original.fingerprint
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-8:] = b"\0" * 8  # same header, same size
    weights.write_bytes(data)
    assert resolve_base(str(copy)).fingerprint != original.fingerprint


def test_resolving_imports_no_torch(tiny_base: str) -> None:
    code = (
        "import sys; from domainkit.models.source import resolve_base; "
        f"resolve_base({tiny_base!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    "base, message",
    [
        ("builtin:smollm2-135n", "did you mean 'smollm2-135m'?"),
        ("./nowhere", "no such file or folder"),
        ("nowhere.gguf", "no such file or folder"),
    ],
)
def test_a_base_that_does_not_exist_is_an_error(base: str, message: str) -> None:
    with pytest.raises(BaseModelError) as caught:
        resolve_base(base)
    assert message in str(caught.value)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        source_module.BUILTIN, "smollm2-135m", Packaged("no_such_package_x", "a.gguf", "pip install x==1")
    )
    with pytest.raises(BaseModelError, match=r"'no_such_package_x' is not installed\n  next: pip install x==1"):
        resolve_base("builtin:smollm2-135m")


@pytest.mark.parametrize(
    "endpoint, reason",
    [
        ("http://127.0.0.1:9", "connection refused"),
        ("http://nobody.invalid", ".+"),
    ],  # of a name each system says its own
)
def test_a_hub_that_cannot_be_reached_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], endpoint: str, reason: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(hub_connection, "WAITS", (0.0, 0.0))
    began = time.monotonic()
    what = (
        r"^someone/some-model: neither a local file or folder nor in the hub's cache, and the hub cannot be reached: "
    )
    with pytest.raises(
        BaseModelError, match=rf"{what}{reason} \({endpoint}\)\n  next: check the network, and HTTPS_PR"
    ):
        resolve_base("someone/some-model")
    assert time.monotonic() - began < 20  # the hub's own library tries for a minute and more
    assert (
        capsys.readouterr().err
        == f"note: base someone/some-model: not on this machine, so the hub is asked ({endpoint})\n"
    )


def test_an_offline_hub_is_named_as_such() -> None:
    with pytest.raises(BaseModelError, match=r"cache, and HF_HUB_OFFLINE is set\n  next: unset .*builtin:smollm2"):
        resolve_base("someone/some-model")


@pytest.mark.parametrize(
    "kind, said",
    [
        (
            "GatedRepoError",
            "its owner decides who may download it\n  next: ask for access on its page, then log",
        ),
        ("RevisionNotFoundError", "it has no revision 'v9'\n  next: correct the revision, or use a local folder"),
        (
            "RepositoryNotFoundError",
            "the hub has no such model, or it is private\n  next: check the name, or log in",
        ),
        ("HfHubHTTPError", "HfHubHTTPError\n  next: try again, log in with `hf auth login`, or use a local folder"),
    ],
)
def test_what_the_hub_refuses_has_its_cause(kind: str, said: str) -> None:
    from huggingface_hub import errors

    refused = getattr(errors, kind).__new__(getattr(errors, kind))
    assert f"owner/name: cannot be loaded from the hub: {said}" in str(
        _not_found("owner/name", "v9", refused, offline=False)
    )


def test_pickled_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match="pickled weights only"):
        resolve_base(str(copy))


def test_an_adapter_is_refused_as_a_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(BaseModelError, match="is an adapter, not a base model"):
        resolve_base(str(tmp_path))


def test_weights_are_counted_from_the_headers(copy: Path) -> None:
    from safetensors import safe_open

    with safe_open(copy / "model.safetensors", "pt") as file:
        expected = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert count_parameters(copy) == expected > 0
