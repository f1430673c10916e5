"""The page in a real browser: it runs, filters by its address, and asks for nothing."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from domainkit.report import render
from domainkit.results.lookups import flips
from domainkit.results.schema import BreakEven, Cost, Estimate, Portfolio, Prices, Results, VariantCost
from tests.report.comparisons import build

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="neither chromium nor chromium-browser is on PATH")
Doms = dict[str, str]


@dataclass(frozen=True)
class Case:
    """A page to open, and what is tried in it."""

    results: Results | Portfolio
    fragment: str = ""
    after: str = ""
    """A script that runs after the page's own."""
    width: int = 1280


def chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    plain = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}")
    command = [str(CHROMIUM), *plain, *quiet, "--enable-logging=stderr", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def doms(
    tmp_path_factory: pytest.TempPathFactory, label_results: Results, answer_results: Results, rich: Results
) -> Doms:
    """Every case's page, as its elements are after its scripts ran.

    The browser is started once: each page is in a frame, and sends its elements to the page around it.
    """
    folder = tmp_path_factory.mktemp("pages")
    frames, written = [], {}
    for name, case in cases(label_results, answer_results, rich).items():
        send = f"<script>parent.postMessage({name!r} + '\\n' + document.documentElement.outerHTML, '*')</script>"
        if id(case.results) not in written:
            written[id(case.results)] = render(case.results)
        page = written[id(case.results)].replace("</body>", f"{case.after}{send}</body>")
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        frames.append(f'<iframe src="{name}.html{case.fragment}" width="{case.width}" height="900"></iframe>')
    listen = (
        "<script>addEventListener('message', (e) => { const box = document.createElement('pre');"
        " box.textContent = e.data; document.body.append(box); })</script>"
    )
    around = folder / "around.html"
    around.write_text(f"<body>{listen}{''.join(frames)}", encoding="utf-8")
    done = chromium(folder, "--dump-dom", around.as_uri())
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    boxes = re.findall(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    return dict(html.unescape(box).split("\n", 1) for box in boxes)


def cases(label: Results, answers: Results, rich: Results) -> dict[str, Case]:
    knn = label.model_copy(update={"verdict": label.verdict.model_copy(update={"choice": "tuned-knn"})})
    priced = label.model_copy(update={"cost": a_cost()})
    return {
        "plain": Case(label),
        "gains": Case(label, "#gains"),
        "losses": Case(knn, "#show=losses&a=zero-shot&b=tuned-knn"),
        "search": Case(label, "#group=cards&q=COFFEE&only=1"),
        "nothing": Case(label, "#q=no+such+words"),
        "clicks": Case(label, after=CLICKS),
        "hostile": Case(build(12, hostile=HOSTILE_ANSWERS)),
        "two": Case(Portfolio(title="Both", comparisons=(label, answers)), "#task=2&show=differ"),
        "phone": Case(rich, after=PROBE, width=360),
        "desk": Case(rich, after=PROBE),
        "slider": Case(priced, after=SLIDER),
        "cost": Case(priced, after=PROBE, width=390),
        "terms": Case(label, after=TERM),
    }


CLICKS = """<script>
      const form = document.querySelector(".filters");
      const change = () => form.show.dispatchEvent(new Event("change", { bubbles: true }));
      form.show.value = "errors"; change();
      const failed = document.querySelector(".status").textContent;
      form.show.value = "all"; change();
      document.querySelector("[data-step='1']").click();
      document.querySelector("table.sortable thead th:nth-child(2) button").click();
      document.querySelector("details summary").parentNode.open = true;
      document.title = [failed, document.querySelector(".item h3").textContent, location.hash,
        document.querySelector("table.sortable tbody th .variant-name").textContent,
        document.querySelector("table.sortable th[aria-sort]").getAttribute("aria-sort")].join(" / ");
    </script>"""
PROBE = "<script>document.title = `needs ${document.documentElement.scrollWidth} of ${innerWidth}`</script>"
SLIDER = """<script>
      const slider = document.querySelector(".volume-control input");
      const list = () => document.querySelector(".volume-list").textContent;
      const first = slider.getAttribute("aria-valuetext");
      slider.value = 3; slider.dispatchEvent(new Event("input", { bubbles: true }));
      const views = [...document.querySelectorAll(".view")].map((v) => getComputedStyle(v).display).join();
      document.querySelector(".views input[value='3']").click();
      const after = [...document.querySelectorAll(".view")].map((v) => getComputedStyle(v).display).join();
      document.title = [first, slider.getAttribute("aria-valuetext"), list(), views, after].join(" / ");
    </script>"""
TERM = """<script>
      const shown = () => [...document.querySelectorAll(".term-note:popover-open")].map((t) => t.textContent).join();
      const term = [...document.querySelectorAll("button.term")].find((b) => b.textContent === "interval");
      const before = shown(); term.focus(); const focused = document.activeElement === term; term.click();
      document.title = [before, focused, shown()].join(" / ");
    </script>"""
HOSTILE_ANSWERS = (
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "x" * 1_000_000,
    "\u202eabc\x1b",
)


def said(dom: str, css: str = "status") -> list[str]:
    return re.findall(rf'class="{css}"[^>]*>([^<]*)<', dom)


def title(dom: str) -> str:
    found = re.search(r"<title>(.*?)</title>", dom)
    assert found
    return found[1]


def test_every_page_ran_its_script(doms: Doms, label_results: Results, answer_results: Results, rich: Results) -> None:
    assert doms.keys() == cases(label_results, answer_results, rich).keys()
    assert not [name for name, dom in doms.items() if 'data-ready="yes"' not in dom]


def test_the_page_opens_with_every_question_and_the_filters(doms: Doms) -> None:
    dom = doms["plain"]
    assert said(dom) == ["240 questions"]
    assert dom.count('<article class="item">') == 20
    assert said(dom, "pages") == ["of 12"]
    assert "✓ right" in dom
    assert "also in train (exact)" in dom


@pytest.mark.parametrize("gains", [True, False])
def test_the_address_sets_the_filter(doms: Doms, label_results: Results, gains: bool) -> None:
    results = label_results
    if not gains:
        results = results.model_copy(update={"verdict": results.verdict.model_copy(update={"choice": "tuned-knn"})})
    found = len(list(flips(results, gains=gains)))
    assert said(doms["gains" if gains else "losses"]) == [f"{found} of 240 questions"]


def test_a_shared_link_combines_group_search_and_page(doms: Doms, label_results: Results) -> None:
    wanted = [i for i in label_results.items if i.group == "cards" and "coffee" in i.input]
    dom = doms["search"]
    assert said(dom) == [f"{len(wanted)} of 240 questions"]
    assert dom.count("<li>") > 0
    assert len(re.findall(r'class="who"', dom)) == 2 * min(20, len(wanted))
    assert said(doms["nothing"]) == ["0 of 240 questions"]


def test_a_person_at_the_controls_gets_what_they_ask_for(doms: Doms) -> None:
    assert title(doms["clicks"]) == "4 of 240 questions / q0020 / #page=2 / tuned / descending"


def test_a_term_is_explained_where_it_stands_when_its_key_is_pressed(doms: Doms) -> None:
    before, focused, shown = title(doms["terms"]).split(" / ")
    assert (before, focused) == ("", "true")
    assert shown.startswith("Interval The range in which the true value is expected")


def test_hostile_answers_run_nothing_and_long_ones_are_folded(doms: Doms) -> None:
    dom = doms["hostile"]
    assert "<title>owned" not in dom
    assert "<img" not in dom
    assert "&lt;img src=x" in dom
    assert "Show all 1,000,000 characters" in dom
    assert "⟨U+202E⟩abc⟨U+001B⟩" in dom


def test_two_comparisons_filter_apart(doms: Doms) -> None:
    first, second = said(doms["two"])
    assert first == "240 questions"
    assert second.endswith("of 60 questions") or second == "60 questions"


@pytest.mark.parametrize(("name", "width"), [("phone", 360), ("desk", 1280), ("cost", 390)])
def test_the_page_itself_never_scrolls_sideways(doms: Doms, name: str, width: int) -> None:
    needed, given = map(int, re.findall(r"needs (\d+) of (\d+)", title(doms[name]))[-1])
    assert needed <= given == width


def test_the_slider_tells_the_cost_at_any_volume(doms: Doms) -> None:
    assert title(doms["slider"]).split(" / ") == [
        "5,000 questions",
        "1,000 questions",
        "few-shotUSD 0.02tunedUSD 0.09",
        "block,none,none",
        "none,none,block",
    ]


def test_one_printed_page_can_be_taken_into_a_meeting(rich: Results, tmp_path: Path) -> None:
    """On Letter, which is shorter than A4: the answer, how sure, the cost, what is weak, what next, every variant."""
    from pypdfium2 import PdfDocument

    results = rich.model_copy(update={"cost": a_cost()})
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(render(results), encoding="utf-8")
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    pages = [p.get_textpage().get_text_range() for p in PdfDocument(paper)]
    first = " ".join(pages[0].split())
    for part in (results.verdict.answer, "How sure?", "What does it cost?", "Next best action", "What it rests on"):
        assert part.lower() in first.lower(), part
    assert not [text for text in results.verdict.cautions if " ".join(text.split())[:60] not in first]
    assert not [v.name for v in results.variants if v.name not in first]
    assert "Percentage points:" in first  # the last line of the sheet
    assert pages[1].startswith("Why")
    assert "Search" not in "".join(pages)


def a_cost() -> Cost:
    def priced(name: str, each: float, training: float) -> VariantCost:
        return VariantCost(
            name=name,
            paid_by="machine time",
            per_thousand=Estimate(value=1000 * each),
            per_correct=Estimate(value=2 * each),
            training=training,
        )

    return Cost(
        prices=Prices(machine_hour=0.1, training_hour=0.1),
        variants=(priced("few-shot", 2e-5, 0.0), priced("tuned", 1e-5, 0.08)),
        break_even=(
            BreakEven(variant="tuned", rival="few-shot", state="from", questions=5_000, low=4_000, high=6_000),
        ),
    )
