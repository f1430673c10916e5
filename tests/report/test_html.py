from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from domainkit.report import render, to_markdown
from domainkit.results.schema import Estimate, Leak, Portfolio, Results, Usage

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    "</script><img src=x onerror=alert(2)>",
    "<!--<script>",
    "{{ 7*7 }}",
    '" onmouseover="alert(3)',
    "a\u2028b & c",
)


class Page(HTMLParser):
    """Elements with their attributes, text outside scripts, and the scripts' text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]


@pytest.fixture(scope="module")
def page(label_results: Results) -> Page:
    return Page(render(label_results))


def with_hostile_words(results: Results, words: str) -> Results:
    """`words` in every text a file can carry."""
    old = {"tuned": words, "zero-shot": f"{words} base"}
    text = results.model_dump(mode="json")

    def swap(value):  # type: ignore[no-untyped-def]
        if isinstance(value, dict):
            return {old.get(k, k): swap(v) for k, v in value.items()}
        if isinstance(value, list):
            return [swap(v) for v in value]
        return old.get(value, value) if isinstance(value, str) else value

    text = swap(text)
    text["task"] |= {"name": words, "source": words, "why_kind": words}
    text["verdict"] |= {
        "answer": words,
        "headline": words,
        "reasons": [words],
        "cautions": [words],
        "next_steps": [words],
    }
    text |= {
        "left_out": {words: words},
        "created": words,
        "environment": {words: words, "command": words},
        "model": {words: [words]},
    }
    text["leaks"] = [{"level": "exact", "count": 1, "pairs": [{"test": words, "source": words, "text": words}]}]
    text["passages"] = {k: {"title": words, "text": words} for k in text["passages"]}
    for variant in text["variants"]:
        variant |= {
            "description": words,
            "groups": {words: variant["metrics"]["label_accuracy"]},
            "retrieval": {words: {"value": None, "reason": words}},
        }
        variant["metrics"][words] = {"value": None, "reason": words}
    for item in text["items"]:
        item |= {"id": words, "input": words, "target": words, "references": [words], "group": words}
        for answer in item["answers"].values():
            answer |= {"text": words, "error": words}
    return Results.model_validate(text)


def test_the_page_loads_nothing(page: Page) -> None:
    assert not [tag for tag, attrs in page.elements if "src" in attrs or "srcset" in attrs]
    assert {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "img", "base", "video", "audio"} == set()
    assert all(href == "data:," or href.startswith("#") for href in page.attributes("href"))
    policy = next(
        a["content"] or "" for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:")


def test_the_style_names_no_address(label_results: Results) -> None:
    style = render(label_results).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_ids_are_unique_and_every_anchor_and_label_has_its_target(page: Page) -> None:
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for href in page.attributes("href"):
        assert href == "data:," or href[1:] in ids
    for names in page.attributes("aria-labelledby"):
        assert set(names.split()) <= set(ids)


def test_several_comparisons_share_one_page_without_sharing_ids(
    label_results: Results, answer_results: Results
) -> None:
    both = Page(render(Portfolio(title="Two tasks", comparisons=(label_results, answer_results))))
    ids = both.attributes("id")
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in both.attributes("href") if href != "data:,"} <= set(ids)
    assert "Bank support routing" in both.text
    assert "Pump manual questions" in both.text


def test_the_verdict_comes_first(label_results: Results, page: Page) -> None:
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", render(label_results))
    first = ["Prompt, retrieve or fine-tune?", "Variants", "Quality and time", "Groups", "Wins and losses"]
    assert heads == [*first, "Every answer", "Retrieval", "Leakage", "How it was made", "Terms"]
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert {"main", "header", "nav", "footer"} <= {tag for tag, _ in page.elements}


def test_every_chart_has_a_name_and_a_description(page: Page) -> None:
    charts = [attrs for tag, attrs in page.elements if tag == "svg" and attrs.get("role") == "img"]
    assert len(charts) == 2 + 4 + 4 + 2  # forest, time and latency for two screens, four groups, two that retrieve
    assert all(attrs["aria-labelledby"] for attrs in charts)
    assert all("aria-hidden" in attrs for tag, attrs in page.elements if tag == "svg" and attrs.get("role") != "img")


def test_a_missing_value_is_a_dash_with_its_reason(page: Page) -> None:
    assert "a classical model is not timed alone" in page.text
    assert "the variant reports no token counts" in page.text
    assert "the corpus has no index the agent could search; give --corpus" in page.text
    assert "None" not in page.text
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_stays_text(label_results: Results, page: Page, words: str) -> None:
    hostile = with_hostile_words(label_results.model_copy(update={"items": label_results.items[:3]}), words)
    made = Page(render(hostile))
    assert {tag for tag, _ in made.elements} <= {tag for tag, _ in page.elements} | {"p"}
    assert not [name for _, attrs in made.elements for name in attrs if name.startswith("on")]
    assert len(made.scripts) == 2  # the data and the page's own
    data = json.loads(made.scripts[0])
    shown = words.replace("\u2028", "⟨U+2028⟩")
    assert shown in data["strings"]
    assert shown in made.text
    assert made.scripts[1] == page.scripts[1]


def test_a_bare_comparison_still_makes_a_page(label_results: Results) -> None:
    bare = [
        v.model_copy(
            update={
                "metrics": {"label_accuracy": Estimate(value=None, reason="no item was answered")},
                "groups": {},
                "usage": Usage(),
                "difference": None,
                "retrieval": {},
            }
        )
        for v in label_results.variants[:2]
    ]
    verdict = label_results.verdict.model_copy(update={"answer": "cannot tell yet", "choice": "", "tied": ()})
    made = Page(
        render(
            label_results.model_copy(
                update={
                    "variants": tuple(bare),
                    "items": (),
                    "training": None,
                    "leaks": (),
                    "model": {},
                    "environment": {},
                    "passages": {},
                    "verdict": verdict,
                    "left_out": {},
                }
            )
        )
    )
    assert "no item was answered" in made.text
    assert "No check for leakage is in the results file." in made.text
    assert "Recommended variant" not in made.text


def test_a_check_without_finds_says_so(label_results: Results) -> None:
    clean = label_results.model_copy(update={"leaks": (Leak(level="exact", count=0), Leak(level="near", count=0))})
    assert "No test question was found in the training rows." in Page(render(clean)).text


def test_many_groups_are_all_in_the_table_and_the_largest_drawn(build_results: Callable[..., Results]) -> None:
    results = build_results(40)
    many = {f"group {k:02d}": Estimate(value=0.5, low=0.3, high=0.7, n=k) for k in range(30)}
    variants = tuple(v.model_copy(update={"groups": many}) for v in results.variants)
    made = Page(render(results.model_copy(update={"variants": variants})))
    assert "the 12 largest of 30 are drawn" in made.text
    assert all(name in made.text for name in many)
    assert "group-11-title" in made.attributes("id")
    assert "group-12-title" not in made.attributes("id")


def test_the_page_has_every_element(rich: Results) -> None:
    page = render(rich)
    for said in (
        "Next best action",
        "After that",
        "dropped after 60",
        "Every variant against every other",
        "Learning curve",
        "Where questions are lost",
        "side by side",
        "Without the leaked questions the verdict stays the same.",
        "not checked against the training rows: the MiniLM package is not installed",
        "used for 7 different comparisons and 1 for choosing settings",
        "first on 2026-02-01",
        "A race: after every 20 questions",
        "The training recipe",
        '86.0 <small class="quiet">seed 1</small>',
        "reading 0.40 s, writing 0.20 s",
        "Memory of the process while answering, MiB: ",
        "tuned 1,200",
    ):
        assert said in page, said
    assert "&lt;b&gt;How do I&lt;/b&gt; add my daughter?" in page
    assert "<b>How do I" not in page


def test_an_older_file_has_no_newer_sections(label_results: Results) -> None:
    page = render(label_results.model_copy(update={"items": ()}))
    for said in (
        "Next best action",
        "dropped after",
        "Every variant against every other",
        "Learning curve",
        "Where questions are lost",
    ):
        assert said not in page


def test_the_page_has_both_sections_in_order(full: Results) -> None:
    page = render(full)
    places = [
        page.index(f'<section id="{name}"')
        for name in ("variants", "cost", "volume", "forgetting", "leakage", "origin")
    ]
    assert places == sorted(places)
    assert "tuned becomes cheaper than knn-few-shot from about 2,400 questions (2,100 to 2,700)." in page
    assert "Defaults of domainkit: machine.cpu_hour." in page
    assert "Gate: cannot tell yet" in page
    assert page.count('class="volume-chart') == 2
    assert 'value="3"' in page  # quality against cost is the third view


def test_without_them_the_page_says_nothing_of_them(label_results: Results) -> None:
    page = render(label_results)
    assert 'id="volume"' not in page
    assert 'id="forgetting"' not in page
    assert "## Cost" not in to_markdown(label_results)


def test_hostile_names_and_answers_stay_text(hostile_full: Results) -> None:
    page = render(hostile_full)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in page
    text = to_markdown(hostile_full)
    assert "<script>" not in text
    assert "\u202e" not in text
    block = re.search(r'<script type="application/json" class="volume-data">(.*?)</script>', page, re.DOTALL)
    assert block
    assert [li["name"] for li in json.loads(block[1])["lines"]][1] == "<script>alert(1)</script>\u202e"
