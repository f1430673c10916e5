"""Which language a short text is in, on sentences of programs that people translated into 37 languages.

python -m benchmarks.rows.languages [--data FOLDER]

The sentences are Django's translations: skipped where Django is not installed. langdetect, where it is installed, names
the same sentences. FOLDER holds English rows, none of which may be called another language.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.runs import save
from domainkit.text.language import guess_language, is_other_language, language_of

LISTED = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt_BR": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "da": "Danish",
    "pl": "Polish",
    "cs": "Czech",
    "ro": "Romanian",
    "hu": "Hungarian",
    "fi": "Finnish",
    "tr": "Turkish",
    "id": "Indonesian",
    "vi": "Vietnamese",
    "ru": "Russian",
    "uk": "Ukrainian",
    "bg": "Bulgarian",
}
"""By Django's names. Other scripts need no words."""
UNLISTED = ("ca", "nb", "sk", "hr", "lt", "et", "eu", "af", "sl", "ga", "sq")
"""Languages without a list of words: they should have no name."""
LEAST_WORDS = 5
_LEFT_OUT = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]+>")
_DETECTED = {code.partition("_")[0]: name for code, name in LISTED.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    found = importlib.util.find_spec("django")
    if found is None or found.origin is None:
        sys.exit("skipped: Django, whose translations are the sentences, is not installed (pip install django)")
    pairs = {code: list(_translations(Path(found.origin).parent, code)) for code in (*LISTED, *UNLISTED)}
    pairs["en"] = [(text, text) for text in sorted({a for of_code in pairs.values() for a, _ in of_code})]
    facts = {"named": _named(pairs), "other": _compared(pairs)}
    if args.data is not None:
        facts["english"] = _english(args.data)
    save("languages", facts)


def _translations(django: Path, code: str) -> Iterator[tuple[str, str]]:
    """(English, translation) of LEAST_WORDS words or more, without placeholders."""
    for file in sorted(django.glob(f"**/locale/{code}/LC_MESSAGES/*.po")):
        for block in file.read_text(encoding="utf-8").split("\n\n"):
            texts = {field: _field(block, field) for field in ("msgid", "msgstr")}
            if all(len(text.split()) >= LEAST_WORDS for text in texts.values()):
                yield texts["msgid"], texts["msgstr"]


def _field(block: str, name: str) -> str:
    match = re.search(rf'^{name} ((?:".*"\n?)+)', block, re.MULTILINE)
    text = "".join(ast.literal_eval(line) for line in match[1].splitlines()) if match else ""
    return _LEFT_OUT.sub(" ", text)


def _named(pairs: dict[str, list[tuple[str, str]]]) -> list[dict[str, Any]]:
    """The share of sentences that each way names right, and wrong."""
    ways: dict[str, Callable[[str], str]] = {
        "guess_language": lambda text: guess.name if (guess := guess_language(text)) else "",
        "language_of": language_of,
        **_langdetect(),
    }
    rows = []
    print(f"{'way':15} {'right':>6} {'wrong':>6} {'unlisted, named':>16} {'µs each':>8}")
    for way, name_of in ways.items():
        began = time.perf_counter()
        names = {code: [name_of(text) for _, text in of_code] for code, of_code in pairs.items()}
        seconds = time.perf_counter() - began
        listed = [(name, LISTED[code]) for code in LISTED for name in names[code]]
        unlisted = [name for code in UNLISTED for name in names[code]]
        row = {
            "way": way,
            "sentences": len(listed),
            "right": sum(name == right for name, right in listed) / len(listed),
            "wrong": sum(name not in ("", right) for name, right in listed) / len(listed),
            "unlisted": len(unlisted),
            "unlisted_named": sum(name in LISTED.values() for name in unlisted) / len(unlisted),
            "microseconds": 1e6 * seconds / (len(listed) + len(unlisted)),
        }
        rows.append(row)
        print(
            f"{way:15} {row['right']:6.3f} {row['wrong']:6.3f} {row['unlisted_named']:16.3f} {row['microseconds']:8.0f}"
        )
    return rows


def _langdetect() -> dict[str, Callable[[str], str]]:
    if importlib.util.find_spec("langdetect") is None:
        print("langdetect is not installed: skipped (pip install langdetect)")
        return {}
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0

    def name_of(text: str) -> str:
        try:
            return _DETECTED.get(detect(text), "another")
        except LangDetectException:
            return ""

    return {"langdetect": name_of}


def _compared(pairs: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Sentences that are in another language than their English original, and in that of their neighbours."""
    translated = [pair for code, of_code in pairs.items() if code != "en" for pair in of_code]
    found = sum(is_other_language(text, original) for original, text in translated)
    chance, alarms, neighbours = random.Random(0), 0, 0
    for of_code in pairs.values():
        texts = [text for _, text in of_code]
        for text in texts:
            neighbours += 1
            alarms += is_other_language(text, " ".join(chance.sample(texts, 5)))
    print(f"other than its original: {found} of {len(translated)}; than its neighbours: {alarms} of {neighbours}")
    return {"translations": len(translated), "found": found, "neighbours": neighbours, "false_alarms": alarms}


def _english(folder: Path) -> dict[str, int]:
    rows = [
        json.loads(line)
        for name in ("banking77/train.jsonl", "banking77/test.jsonl", "medquad_ghr/train.jsonl", "e2e/train.jsonl")
        if (folder / name).is_file()
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    texts = [str(row[name]) for row in rows for name in ("input", "target")]
    alarms = sum((guess := guess_language(text)) is not None and guess.name != "English" for text in texts)
    print(f"English rows called another language: {alarms} of {len(texts)}")
    return {"texts": len(texts), "false_alarms": alarms}


if __name__ == "__main__":
    main()
