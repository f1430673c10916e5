"""The page in a real browser: it runs, filters by its address, and asks for nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from domainkit.report import render
from domainkit.results.lookups import flips
from domainkit.results.schema import BreakEven, Cost, Estimate, Portfolio, Prices, Results, VariantCost

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="neither chromium nor chromium-browser is on PATH")
Load = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(results: Results | Portfolio, fragment: str = "", after: str = "", frame: int = 0) -> str:
        """The page's elements after its script ran; fails on anything the browser's console says.

        `frame` shows it in a frame of that width, since the browser's window has a least width; the frame's message is
        returned.
        """
        page = tmp_path / "report.html"
        page.write_text(render(results).replace("</body>", f"{after}</body>"), encoding="utf-8")
        if frame:
            listen = "<script>addEventListener('message', (e) => document.body.append(e.data))</script>"
            page = tmp_path / "frame.html"
            page.write_text(
                f'<body>{listen}<iframe src="report.html" width="{frame}" height="900"></iframe>', encoding="utf-8"
            )
        quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
        done = subprocess.run(
            [
                str(CHROMIUM),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                *quiet,
                f"--user-data-dir={tmp_path / 'profile'}",
                "--enable-logging=stderr",
                "--dump-dom",
                page.as_uri() + fragment,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not console
        assert frame or 'data-ready="yes"' in done.stdout
        return done.stdout

    return load


def said(dom: str, css: str = "status") -> list[str]:
    return re.findall(rf'class="{css}"[^>]*>([^<]*)<', dom)


def test_the_page_opens_with_every_question_and_the_filters(load: Load, label_results: Results) -> None:
    dom = load(label_results)
    assert said(dom) == ["240 questions"]
    assert dom.count('<article class="item">') == 20
    assert said(dom, "pages") == ["of 12"]
    assert "✓ right" in dom
    assert "also in train (exact)" in dom


@pytest.mark.parametrize(("fragment", "gains"), [("#gains", True), ("#show=losses&a=zero-shot&b=tuned-knn", False)])
def test_the_address_sets_the_filter(load: Load, label_results: Results, fragment: str, gains: bool) -> None:
    results = label_results
    if not gains:
        results = results.model_copy(update={"verdict": results.verdict.model_copy(update={"choice": "tuned-knn"})})
    found = len(list(flips(results, gains=gains)))
    assert said(load(label_results, fragment)) == [f"{found} of 240 questions"]


def test_a_shared_link_combines_group_search_and_page(load: Load, label_results: Results) -> None:
    wanted = [i for i in label_results.items if i.group == "cards" and "coffee" in i.input]
    dom = load(label_results, "#group=cards&q=COFFEE&only=1")
    assert said(dom) == [f"{len(wanted)} of 240 questions"]
    assert dom.count("<li>") > 0
    assert len(re.findall(r'class="who"', dom)) == 2 * min(20, len(wanted))
    assert said(load(label_results, "#q=no+such+words")) == ["0 of 240 questions"]


def test_a_person_at_the_controls_gets_what_they_ask_for(load: Load, label_results: Results) -> None:
    clicks = """<script>
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
    dom = load(label_results, after=clicks)
    assert "<title>4 of 240 questions / q0020 / #page=2 / tuned / descending</title>" in dom


def test_hostile_answers_run_nothing_and_long_ones_are_folded(
    load: Load, build_results: Callable[..., Results]
) -> None:
    hostile = (
        "<img src=x onerror=\"document.title='owned'\">",
        "<script>document.title='owned'</script>",
        "x" * 1_000_000,
        "\u202eabc\x1b",
    )
    dom = load(build_results(12, hostile=hostile))
    assert "<title>owned" not in dom
    assert "<img" not in dom
    assert "&lt;img src=x" in dom
    assert "Show all 1,000,000 characters" in dom
    assert "⟨U+202E⟩abc⟨U+001B⟩" in dom


def test_two_comparisons_filter_apart(load: Load, label_results: Results, answer_results: Results) -> None:
    dom = load(Portfolio(title="Both", comparisons=(label_results, answer_results)), "#task=2&show=differ")
    first, second = said(dom)
    assert first == "240 questions"
    assert second.endswith("of 60 questions") or second == "60 questions"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_itself_never_scrolls_sideways(load: Load, rich: Results, width: int) -> None:
    probe = "<script>parent.postMessage(`needs ${document.documentElement.scrollWidth} of ${innerWidth}`, '*')</script>"
    dom = load(rich, after=probe, frame=width)
    needed, given = map(int, re.findall(r"needs (\d+) of (\d+)", dom)[-1])
    assert needed <= given == width


def test_the_slider_tells_the_cost_at_any_volume(load: Load, label_results: Results) -> None:
    priced = label_results.model_copy(update={"cost": a_cost()})
    move = """<script>
      const slider = document.querySelector(".volume-control input");
      const list = () => document.querySelector(".volume-list").textContent;
      const first = slider.getAttribute("aria-valuetext");
      slider.value = 3; slider.dispatchEvent(new Event("input", { bubbles: true }));
      const views = [...document.querySelectorAll(".view")].map((v) => getComputedStyle(v).display).join();
      document.querySelector(".views input[value='3']").click();
      const after = [...document.querySelectorAll(".view")].map((v) => getComputedStyle(v).display).join();
      document.title = [first, slider.getAttribute("aria-valuetext"), list(), views, after].join(" / ");
    </script>"""
    dom = load(priced, after=move)
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title
    assert title[1].split(" / ") == [
        "5,000 questions",
        "1,000 questions",
        "few-shotUSD 0.02tunedUSD 0.09",
        "block,none,none",
        "none,none,block",
    ]


def test_the_cost_section_fits_a_phone(load: Load, label_results: Results) -> None:
    probe = "<script>parent.postMessage(`needs ${document.documentElement.scrollWidth} of ${innerWidth}`, '*')</script>"
    dom = load(label_results.model_copy(update={"cost": a_cost()}), after=probe, frame=390)
    needed, given = map(int, re.findall(r"needs (\d+) of (\d+)", dom)[-1])
    assert needed <= given == 390


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
