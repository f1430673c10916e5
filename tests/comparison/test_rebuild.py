"""A part of a record that is not there is named with the next step; tests/winner asks what was built again."""

from __future__ import annotations

import pytest

from domainkit.comparison.rebuild import check_base, check_embeddings
from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.results.variants import MeasuredBase
from domainkit.retrieval import MiniLMEmbeddings


def test_a_base_is_known_by_its_fingerprint(tiny_base: str, tiny_pair: str) -> None:
    from domainkit.models.source import resolve_base

    fingerprint = resolve_base(tiny_base).fingerprint
    measured = MeasuredBase(name="/nowhere", revision=None, quantization="none", fingerprint=fingerprint)
    check_base(measured, tiny_base)
    with pytest.raises(BaseModelError) as error:
        check_base(measured, tiny_pair)
    assert f"{tiny_pair}: is not the base that was measured (fingerprint " in str(error.value)
    assert "next: use the same files of /nowhere as the comparison" in str(error.value)
    with pytest.raises(BaseModelError) as error:
        check_base(measured, None)
    assert "/nowhere: the base that was measured is not here: no such file or folder" in str(error.value)
    assert "load_winner(…, base=FOLDER) or `domainkit ask --base FOLDER` names its place" in str(error.value)


@pytest.mark.real
def test_the_embedding_model_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    check_embeddings(MiniLMEmbeddings().identity())
    with pytest.raises(ConfigError, match="builtin:minilm: the embedding model is not the one that was measured"):
        check_embeddings("sha256:other")
    monkeypatch.setattr("domainkit.retrieval.embeddings._PACKAGE", "not_installed_here")
    with pytest.raises(MachineError, match="the MiniLM package is not installed\n  next: pip install"):
        check_embeddings("sha256:other")
