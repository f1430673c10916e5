"""python -m benchmarks.rows.make_rows [--calls 20]: what the filters of `make` let pass.

Side by side: the sample domain's 360 questions, which people's hands wrote, each with the sentence that holds its
answer; and what the packaged SmolLM2-135M writes about the same articles, with its quotes held to the sentences of the
section, and without. Five rows of each outcome are printed to be looked at.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from benchmarks.runs import save
from domainkit import DomainLLM, make, read_documents
from domainkit.synthesis.candidate import Candidate
from domainkit.synthesis.documents.quotes import find_quote
from domainkit.synthesis.documents.sections import sections_of
from domainkit.synthesis.filters import FILTERS, FORM, Context
from domainkit.synthesis.result import MadeRows
from domainkit.visible import visible

DOMAIN = Path(__file__).parents[2] / "examples" / "tallowmere"
SHOWN = 5
ASKS_A_MODEL = ("judge", "closed book")


class WithoutGrammar(BaseChatModel):
    """The packaged model, asked for JSON as any other chat model is: by the prompt alone."""

    llm: DomainLLM

    @property
    def _llm_type(self) -> str:
        return "without grammar"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self.llm._generate(messages, max_tokens=220)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="requests to the model, one row each")
    args = parser.parse_args()
    counts = {"people": people()}
    facts: dict[str, Any] = {}
    llm = DomainLLM()
    for name, writer in (("smollm2", llm), ("smollm2 without grammar", WithoutGrammar(llm=llm))):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            made = make(
                DOMAIN / "articles", writer, out=folder, rows=1000, per_request=1, test_share=0, budget_calls=args.calls
            )
        counts[name] = outcome(made)
        facts[name] = {"seconds": time.perf_counter() - start, "kept": kept(made), "dropped": some(made)}
        show(name, made)
    print_table(counts)
    save("make_rows", {"calls": args.calls, "counts": counts, "rows": facts})


def people() -> dict[str, int]:
    """The sample domain's own questions, as if a writer had written them."""
    sections = {s.document.id: s for s in sections_of(read_documents(DOMAIN / "articles"))}
    candidates = []
    for file in ("answers_train.jsonl", "answers_test.jsonl"):
        for line in (DOMAIN / file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            section = sections[row["doc_ids"][0]]
            quote = next(s for s in section.sentences if row["target"].lower() in s.lower())
            place = find_quote(quote, section.document.text)
            candidates.append(Candidate(section, row["input"], row["target"], quote, place))
    counts = {"written": len(candidates)}
    for name in (n for n in FILTERS if n not in (*ASKS_A_MODEL, "duplicate")):
        reasons = FILTERS.load(name)(candidates, Context())
        counts[name] = sum(reason is not None for reason in reasons)
        candidates = [c for c, reason in zip(candidates, reasons, strict=True) if reason is None]
    return counts | {"kept": len(candidates)}


def outcome(made: MadeRows) -> dict[str, int]:
    taken = {name: sum(kinds.values()) for name, kinds in made.taken().items()}
    return {"written": made.written, **taken, "kept": len(made.rows)}


def kept(made: MadeRows) -> list[dict[str, Any]]:
    return [{**row, "document": Path(row["document"]).name} for row in made.rows[:SHOWN]]


def some(made: MadeRows) -> list[dict[str, Any]]:
    """A dropped row of each filter first."""
    first = {d.filter: d for d in reversed(made.dropped)}
    return [{**d.record(), "document": Path(d.section.document.source).name} for d in first.values()][:SHOWN]


def show(name: str, made: MadeRows) -> None:
    print(f"\n{name}: kept")
    for row in made.rows[:SHOWN]:
        print(visible(f"  Q {row['input']}\n  A {row['target']}\n  “{row['quote']}”"))
    print(f"{name}: dropped")
    for row in some(made):
        print(visible(f"  [{row['filter']}: {row['reason']}] Q {row['question'][:160]}\n  A {row['answer'][:160]}"))


def print_table(counts: dict[str, dict[str, int]]) -> None:
    print(f"\n{'':28}" + "".join(f"{name:>26}" for name in counts))
    for row in ("written", FORM, *(n for n in FILTERS if n not in ASKS_A_MODEL), "kept"):
        print(f"{row:28}" + "".join(cells(row, counts.values())))
    for name, outcomes in counts.items():
        print(f"{name}: {outcomes['kept'] / max(1, outcomes['written']):.0%} kept")


def cells(row: str, columns: Iterable[dict[str, int]]) -> Iterable[str]:
    return (f"{Counter(column)[row]:>26}" for column in columns)


if __name__ == "__main__":
    main()
