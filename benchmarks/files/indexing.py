"""The index of a large corpus beside what bm25s and sentence-transformers need alone: seconds, memory, hits.

python -m benchmarks.files.indexing [--data FOLDER] [--megabytes 200] [--work runs/bench/indexing]

The corpus is made of words whose frequencies follow Zipf's law, 5 letters or so each, in sentences and paragraphs. Each
side runs in a process of its own, one after the other. `--data` adds the hits on medquad_ghr.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runs import save

WORDS, EXPONENT = 300_000, 1.05
"""Different words of the corpus, and how steeply their frequencies fall."""
EMBEDDED = 64
"""Passages that are embedded by each side; the whole corpus would take hours."""
K = (1, 3, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/indexing"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    corpus = args.work / f"corpus-{args.megabytes}.jsonl"
    if not corpus.is_file():
        write_corpus(corpus, args.megabytes * 1_000_000)
    os.environ["DOMAINKIT_CACHE"] = str(args.work / "cache")
    shutil.rmtree(args.work / "cache", ignore_errors=True)
    sides = {side.__name__: alone(side, corpus) for side in SIDES}
    facts: dict[str, Any] = {"megabytes": args.megabytes, "sides": sides}
    if args.data and (args.data / "medquad_ghr" / "corpus.jsonl").is_file():
        facts["hits"] = alone(medquad_hits, args.data / "medquad_ghr")
    else:
        print("hits: skipped, needs --data FOLDER with medquad_ghr")
    save("indexing", facts)


def alone(side: Callable[[Path], dict[str, Any]], corpus: Path) -> dict[str, Any]:
    """What a side measures in a process of its own, with its processor seconds and its peak of memory."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_run, args=(side, corpus, answers))
    process.start()
    found: dict[str, Any] = answers.get()
    process.join()
    print(f"{side.__name__}: " + ", ".join(f"{k} {v}" for k, v in found.items()), flush=True)
    return found


def _run(side: Callable[[Path], dict[str, Any]], corpus: Path, answers: Any) -> None:
    started = time.perf_counter()
    found = side(corpus)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"wall": round(time.perf_counter() - started, 1), "processor": round(used.ru_utime + used.ru_stime, 1)}
    answers.put({**found, "peak_mib": round(used.ru_maxrss / 1024)})


class Stages:
    """Processor seconds by stage: they depend less than wall seconds on what else the machine does."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._at = time.process_time()

    def done(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._at = round(now - self._at, 2), now


def domainkit_lexical(corpus: Path) -> dict[str, Any]:
    """Read, split into passages, index and keep."""
    from domainkit.corpus.chunk import chunk
    from domainkit.corpus.read_files import read_documents
    from domainkit.retrieval import LexicalRetriever

    stages = Stages()
    documents = list(read_documents(corpus))
    stages.done("read")
    passages = tuple(chunk(documents, 160, overlap=20))
    stages.done("passages")
    retriever = LexicalRetriever(documents=passages, cache=True)
    retriever.prepare([])
    stages.done("index and save")
    for question in questions(p.text for p in passages):
        retriever.invoke(question)
    stages.done("100 questions")
    return {"texts": len(passages), **stages.seconds}


def domainkit_lexical_again(corpus: Path) -> dict[str, Any]:
    """The same when the index is on disk: its files are mapped."""
    return domainkit_lexical(corpus)


def bm25s_passages(corpus: Path) -> dict[str, Any]:
    """bm25s with its own tokenizer, on windows of 160 words that overlap by 20."""
    texts = []
    for line in corpus.open(encoding="utf-8"):
        words = json.loads(line)["text"].split()
        texts += [" ".join(words[i : i + 160]) for i in range(0, max(len(words) - 20, 1), 140)]
    import bm25s

    stages = Stages()
    tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
    stages.done("tokens")
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index(tokens, show_progress=False)
    index.save(str(corpus.parent / "bm25s"), show_progress=False)
    stages.done("index and save")
    for question in questions(texts):
        index.retrieve(bm25s.tokenize([question], stopwords=None, show_progress=False), k=4, show_progress=False)
    stages.done("100 questions")
    return {"texts": len(texts), **stages.seconds}


def questions(texts: Iterable[str]) -> list[str]:
    """A hundred: the first eight words of texts."""
    return [" ".join(text.split()[:8]) for _, text in zip(range(100), texts, strict=False)]


def domainkit_dense(corpus: Path) -> dict[str, Any]:
    """Vectors of some passages, in blocks into a mapped file."""
    from domainkit.retrieval import DenseRetriever

    passages = _some_passages(corpus)
    DenseRetriever(documents=passages[:8]).prepare([])
    stages = Stages()
    DenseRetriever(documents=passages, cache=True).prepare([])
    stages.done("embedding")
    return {"texts": EMBEDDED, "texts_per_processor_second": round(EMBEDDED / stages.seconds["embedding"], 1)}


def sentence_transformers(corpus: Path) -> dict[str, Any]:
    """The same passages by `SentenceTransformer.encode`."""
    from sentence_transformers import SentenceTransformer

    from domainkit.retrieval import MiniLMEmbeddings
    from domainkit.retrieval.passages import indexed_text

    texts = [indexed_text(p) for p in _some_passages(corpus)]
    model = SentenceTransformer(MiniLMEmbeddings().resolve())
    model.encode(texts[:8])
    stages = Stages()
    model.encode(texts, batch_size=32, normalize_embeddings=True)
    stages.done("embedding")
    return {"texts": EMBEDDED, "texts_per_processor_second": round(EMBEDDED / stages.seconds["embedding"], 1)}


def domainkit_dense_refused(corpus: Path) -> dict[str, Any]:
    """All passages: what `embed_hours` says of them beforehand."""
    from domainkit import errors
    from domainkit.corpus.chunk import chunk
    from domainkit.corpus.read_files import read_documents
    from domainkit.retrieval.dense import check_embedding_time
    from domainkit.retrieval.passages import indexed_text

    texts = [indexed_text(p) for p in chunk(read_documents(corpus), 160, overlap=20)]
    stages, said = Stages(), "not refused"
    try:
        check_embedding_time(texts, 1.0)
    except errors.MachineError as e:
        said = e.what
    stages.done("until it says so")
    return {"texts": len(texts), "said": said, **stages.seconds}


def _some_passages(corpus: Path) -> Any:
    from itertools import islice

    from domainkit.corpus.chunk import chunk
    from domainkit.corpus.read_files import read_documents

    return tuple(chunk(islice(read_documents(corpus), 200), 160, overlap=20)[:EMBEDDED])


SIDES: tuple[Callable[[Path], dict[str, Any]], ...] = (
    domainkit_lexical,
    domainkit_lexical_again,
    bm25s_passages,
    domainkit_dense,
    sentence_transformers,
    domainkit_dense_refused,
)


def medquad_hits(folder: Path) -> dict[str, Any]:
    """The share of questions with the gold document among the first k, by retriever, and by bm25s alone."""
    import bm25s

    from domainkit.corpus.read_files import read_documents, read_examples
    from domainkit.retrieval import build_retriever
    from domainkit.retrieval.passages import indexed_text

    documents, asked = list(read_documents(folder / "corpus.jsonl")), read_examples(folder / "test.jsonl")
    found: dict[str, list[list[str]]] = {}
    for kind in ("lexical", "dense", "fused"):
        retriever = build_retriever(documents, kind, k=max(K), cache=False)
        found[kind] = [[p.metadata["parent"] for p in row] for row in retriever.batch([e.question for e in asked])]
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index(bm25s.tokenize([indexed_text(d) for d in documents], stopwords=None, show_progress=False))
    words = bm25s.tokenize([e.question for e in asked], stopwords=None, show_progress=False)
    rows, _ = index.retrieve(words, k=max(K), show_progress=False)
    found["bm25s alone"] = [[documents[i].id for i in row] for row in rows.tolist()]
    return {
        name: {f"hit@{k}": round(float(np.mean([bool({*r[:k]} & {*e.doc_ids}) for r, e in pairs])), 3) for k in K}
        for name, ranked in found.items()
        if (pairs := list(zip(ranked, asked, strict=True)))
    }


def write_corpus(path: Path, size: int) -> None:
    """JSON Lines of documents, `size` bytes in all; the same on every machine."""
    rng = np.random.default_rng(0)
    syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    words: dict[str, None] = {}
    while len(words) < WORDS:
        for n in rng.choice([1, 2, 3, 4, 5], p=[0.05, 0.3, 0.35, 0.2, 0.1], size=10_000):
            words["".join(syllables[i] for i in rng.integers(0, len(syllables), n))] = None
    frequent_first = np.array(sorted(words, key=lambda w: len(w) + 4 * rng.random())[:WORDS], dtype=object)
    shares = np.cumsum(1 / np.arange(1, WORDS + 1) ** EXPONENT)
    written = number = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            n = int(np.clip(rng.lognormal(6.2, 0.6), 30, 6000))
            drawn = frequent_first[np.searchsorted(shares, rng.random(n) * shares[-1])]
            row = {"id": f"d{number}", "title": " ".join(drawn[:3]), "text": _prose(drawn, rng)}
            written, number = written + file.write(json.dumps(row) + "\n"), number + 1


def _prose(words: np.ndarray, rng: np.random.Generator) -> str:
    """Sentences of 6 to 24 words; every fifth ends a paragraph."""
    parts, at = [], 0
    while at < len(words):
        n = int(rng.integers(6, 25))
        sentence = " ".join(words[at : at + n])
        parts.append(sentence[0].upper() + sentence[1:] + (". " if rng.random() < 0.8 else ".\n\n"))
        at += n
    return "".join(parts).rstrip()


if __name__ == "__main__":
    main()
