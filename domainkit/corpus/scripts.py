"""Scripts that are written without spaces between words. In their text a character, or a pair of them, stands for a
word."""

from __future__ import annotations

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters with their marks of repetition, extensions and compatibility forms."""
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
"""Hiragana and Katakana, half-width forms too."""
THAI, LAO, MYANMAR, KHMER = "\u0e00-\u0e7f", "\u0e80-\u0eff", "\u1000-\u109f", "\u1780-\u17ff"

UNSPACED = HAN + KANA + THAI + LAO + MYANMAR + KHMER
"""All of them, as the inside of a character class of a regular expression."""
