"""A pack holds what its variant needs and nothing else, opens elsewhere, and answers as the run did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainkit import load_variant, load_winner
from domainkit.errors import ConfigError
from domainkit.winner.pack import pack
from tests.cli.command import domainkit
from tests.winner.conftest import VARIANTS, questions, rows_of

pytestmark = pytest.mark.real
ROWS = {"classical": 15, "few-shot": 3, "knn-few-shot": 15, "tuned-knn": 15}
"""Solved examples in a pack of the variant."""
PASSAGES = {"rag", "tuned-rag", "tuned-context", "agent", "tuned-agent"}


@pytest.mark.parametrize("name", [v for v in VARIANTS if v != "oracle-rag"])
def test_a_pack_answers_as_the_run_did_without_the_run_or_the_cache(
    run: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(run, tmp_path / "first", variant=name)
    place = shutil.move(tmp_path / "first", tmp_path / "the pack")
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "empty"))
    loaded = load_winner(place)
    assert loaded.name == name
    assert [a.text for a in loaded.batch(questions(run))] == [row["text"] for row in rows_of(run, name)]
    assert not (tmp_path / "empty" / "indexes").exists()  # its own indexes were read
    manifest = json.loads((place / "pack.json").read_text("utf-8"))
    assert manifest["examples"] == ROWS.get(name, 0)
    assert manifest["passages"] == (3 if name in PASSAGES else 0)
    weights = [f for f in manifest["files"] if f.endswith(".safetensors")]
    assert len(weights) == (1 if name.startswith("tuned-") or name == "tuned" else 0) + (name == "tuned-encoder")
    assert bool(list(place.glob("indexes/*"))) == ("knn" in name or name in PASSAGES)


@pytest.fixture
def packed(run: Path, tmp_path: Path) -> Path:
    return pack(run, tmp_path / "pack", variant="tuned-rag").folder


def error_of(place: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_winner(place)
    return str(error.value)


def test_a_pack_has_no_test_question_and_no_place_of_this_machine(run: Path, packed: Path) -> None:
    asked = [q if isinstance(q, str) else q["question"] for q in questions(run)]
    texts = [f.read_bytes() for f in packed.rglob("*") if f.is_file()]
    assert not [q for q in asked for text in texts if q.encode() in text]
    assert not [text for text in texts if str(run.parent).encode() in text]
    page = (packed / "README.md").read_text("utf-8")
    assert "- passages of the documents, as text: 3" in page
    assert "label accuracy: " in page
    verdict = json.loads((packed / "verdict.json").read_text("utf-8"))
    assert (verdict["items"], len(verdict["variants"])) == ([], len(VARIANTS))


@pytest.mark.parametrize(
    "name", ["variants.json", "README.md", "adapter/adapter_model.safetensors", "adapter/card.json"]
)
def test_a_changed_or_missing_file_is_named(packed: Path, name: str) -> None:
    with (packed / name).open("ab") as file:
        file.write(b" ")
    assert f"{packed / name}: is not what the pack was written with\n  next: copy the pack again" in error_of(packed)
    (packed / name).unlink()
    assert f"{packed / name}: is missing from the pack" in error_of(packed)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "adapter/../../x", "a\\..\\x", "C:x", "", ".", "adapter//x", "link/x"]
)
def test_a_path_that_leads_out_is_refused(packed: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("secret")
    (packed / "link").symlink_to(tmp_path)
    file = packed / "pack.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["files"][name] = {"sha256": "0", "bytes": 6}
    file.write_text(json.dumps(manifest), encoding="utf-8")
    assert "which is not a plain path inside the pack\n  next: use only packs" in error_of(packed)


def test_a_record_that_names_other_files_is_refused(packed: Path, tmp_path: Path) -> None:
    def rewrite(**fields: Any) -> None:
        from domainkit.storage import sha256_file

        record = json.loads((packed / "variants.json").read_text("utf-8"))
        (packed / "variants.json").write_text(json.dumps({**record, **fields}), encoding="utf-8")
        manifest = json.loads((packed / "pack.json").read_text("utf-8"))
        place = packed / "variants.json"
        manifest["files"]["variants.json"] = {"sha256": sha256_file(place), "bytes": place.stat().st_size}
        (packed / "pack.json").write_text(json.dumps(manifest), encoding="utf-8")

    adapter = json.loads((packed / "variants.json").read_text("utf-8"))["adapter"]
    rewrite(adapter={**adapter, "folder": str(tmp_path)})
    assert "adapter_model.safetensors', which is not in pack.json" in error_of(packed)
    rewrite(adapter=adapter, passages={"file": "../x", "sha256": "0", "rows": 1})
    assert "names the file '../x', which is not in pack.json" in error_of(packed)


def test_damage_and_strangers(packed: Path) -> None:
    stranger = packed / "adapter" / "tokenizer.json"
    stranger.write_text("{}")
    assert f"{stranger}: is not a file of the pack\n  next: move it out" in error_of(packed)
    stranger.unlink()
    (packed / "my notes.txt").write_text("beside the files nothing is read")
    assert load_winner(packed).name == "tuned-rag"
    assert "'few-shot' is not a variant of this pack" in _refused(lambda: load_variant(packed, "few-shot"))
    manifest = packed / "pack.json"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace("domainkit.pack/1", "domainkit.pack/2"), encoding="utf-8")
    assert "is of the format 'domainkit.pack/2', and this version reads domainkit.pack/1" in error_of(packed)
    manifest.write_text(text[:50], encoding="utf-8")
    assert "pack.json: cannot be read: " in error_of(packed)


def _refused(call: Any) -> str:
    with pytest.raises(ConfigError) as error:
        call()
    return str(error.value)


def test_what_cannot_be_packed(run: Path, packed: Path, tmp_path: Path) -> None:
    said = _refused(lambda: pack(run, tmp_path / "a", variant="oracle-rag"))
    assert "'oracle-rag' is given the right document, which only the comparison's own questions have" in said
    said = _refused(lambda: pack(run, tmp_path / "a", variant="knn-few-shot", with_examples=False))
    assert "'knn-few-shot' shows the model solved examples, so it cannot be packed without them" in said
    assert "pack one of: trivial, tuned-encoder, zero-shot, rag, tuned, tuned-rag" in said
    said = _refused(lambda: pack(run, tmp_path / "a", variant="classical", with_examples=False))
    assert "'classical' learns from solved examples" in said
    assert "is a pack already\n  next: copy the folder" in _refused(lambda: pack(packed, tmp_path / "a"))
    assert "the comparison has no winner." in _refused(lambda: pack(run, tmp_path / "a"))
    assert not (tmp_path / "a").exists()
    own = tmp_path / "thesis"
    own.mkdir()
    (own / "thesis.tex").write_text("years")
    said = _refused(lambda: pack(run, own, variant="trivial"))
    assert f"out={own}: exists and is not a pack, so it is not replaced" in said
    assert [f.name for f in own.iterdir()] == ["thesis.tex"]


def test_the_command_packs_asks_and_replaces_its_own(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "a pack"
    for name in ("rag", "zero-shot"):
        done = domainkit("pack", run, "--out", place, "--variant", name, "--without-examples")
        assert done.returncode == 0, done.stderr
        assert f"{name} in {place}: " in done.stdout
        assert f"domainkit ask --run '{place}' 'your question'" in done.stdout
    assert not (place / "indexes").exists()
    asked = domainkit("ask", "--run", place, "a amber 0?")
    assert asked.returncode == 0, asked.stderr
    assert domainkit("ask", "--run", run, "--variant", "zero-shot", "a amber 0?").stdout == asked.stdout
