"""How seven languages speak of a text that lies before them; other scripts by whole phrases."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class _Words:
    nouns: str
    """What a text or a part of it is called."""
    before: str
    """Words that point at it, before the noun."""
    after: str
    """Such words after the noun; "" where the language has none."""
    inside: str
    """ "in the", "according to the": before the noun they mean the text, unless the domain has such a thing itself."""


_LANGUAGES = (
    _Words(
        nouns="text|passage|excerpt|document|article|paragraph|section|context|snippet|extract|quote|quotation|sentence|"
        "page|chapter|figure|table|chart|diagram|image|authors?|speaker|narrator|source|material|content",
        before=r"(?:this|these|above|following|given|provided|preceding|aforementioned|mentioned|quoted) ",
        after=r" (?:above|below|given here|provided|quoted|mentioned)",
        inside=r"(?:according to|in|from|by|per|based on|does|do|did|of|throughout|within|under) the ",
    ),
    _Words(
        nouns="text|textes|abschnitts?|dokuments?|artikels?|auszug|absatz|satz|zitat|tabelle|abbildung|kapitels?",
        before=r"(?:diese[mrns]?|oben\w*|obige[mrns]?|folgende[mrns]?|vorliegende[mrns]?|gegebene[mrns]?) ",
        after=r" (?:oben|unten)",
        inside=r"(?:laut|laut dem|gemäß|gemäß dem|im|in dem|in der|aus dem|nach dem) ",
    ),
    _Words(
        nouns="texte|passage|extrait|document|article|paragraphe|section|contexte|citation|phrase|figure|tableau|"
        "chapitre|auteur",
        before=r"(?:ce|cet|cette) ",
        after=r" (?:ci-dessus|ci-dessous|suivante?|fournie?|donnée?)",
        inside=r"(?:selon|dans|d'après) (?:le |la |l')",
    ),
    _Words(
        nouns="texto|pasaje|extracto|fragmento|documento|artículo|párrafo|sección|contexto|cita|figura|tabla|capítulo|"
        "autor",
        before=r"(?:este|esta|dicho|dicha) ",
        after=r" (?:anterior|siguiente|proporcionad[oa]|dad[oa])",
        inside=r"(?:según|en|de acuerdo con) (?:el|la) ",
    ),
    _Words(
        nouns="testo|brano|estratto|documento|articolo|paragrafo|sezione|contesto|citazione|figura|tabella|capitolo|"
        "autore",
        before=r"(?:questo |questa |quest'|in questo |nel seguente )",
        after=r" (?:sopra|precedente|seguente|fornit[oa])",
        inside=r"(?:(?:secondo|in base a) (?:il |la |lo |l')|nel |nella |nell'|dal |dalla )",
    ),
    _Words(
        nouns="texto|trecho|excerto|documento|artigo|parágrafo|seção|secção|contexto|citação|figura|tabela|capítulo|"
        "autor",
        before=r"(?:neste|deste|este|esta|nesta|desta) ",
        after=r" (?:acima|abaixo|fornecid[oa]|anterior)",
        inside=r"(?:(?:segundo|conforme|de acordo com) (?:o|a)|no|na) ",
    ),
    _Words(
        nouns="tekst|passage|fragment|document|artikel|alinea|sectie|context|citaat|zin|figuur|tabel|hoofdstuk|auteur",
        before=r"(?:deze|dit|bovenstaande|volgende|gegeven) ",
        after=r" (?:hierboven|hieronder)",
        inside=r"(?:volgens|in|uit) (?:de|het) ",
    ),
)
_PHRASES = (
    r"\bthe (?:text|passage|document|article|author|section|excerpt) "
    r"(?:say|state|mention|describe|explain|give|list|recommend|discuss|refer|tell|note)\w*\b",
    r"\b(?:mentioned|described|stated|listed|shown|given|noted|quoted) (?:above|below|here|earlier|previously)\b",
    r"\b(?:see|refer to|as in|shown in) (?:fig\.?|figure|table|chart|section|page|chapter|appendix) [\dIVXA-D]",
    r"\b(?:fig\.|figure|table|abb\.|abbildung|tabelle|tableau|tabla|tabella|tabela|tabel) ?\d",
    r"\b(?:oben|unten|hier) (?:genannt|erwähnt|beschrieben|aufgeführt)",
    r"\bci-(?:dessus|dessous)\b|\b(?:mencionad|descrit)[oa]s? (?:arriba|anteriormente|acima)\b",
    r"(?:この|本|上記の|上の|以下の|次の|与えられた)(?:文章|文書|文|記事|資料|節|表|図|段落|テキスト)|上記|文中|本文",
    r"(?:本|上|下|该|這篇|这篇|以上|上述)(?:文章|文档|文件|段落|文)|文中|(?:根据|根據)(?:文章|文档|文本|段落)",
    r"(?:이|위|다음|본) ?(?:글|문서|본문|지문|기사)|(?:النص|الوثيقة|الفقرة|المقال) (?:أعلاه|السابق|التالي)",
    r"\b(?:в|из|согласно) (?:(?:этом|этого|данном|данному|приведенном|приведённом) )?"
    r"(?:тексте?|текста|документе|документу|отрывке|отрывку)\b",
)
_POINTING = [rf"\b{w.before}(?:{w.nouns})\b|\b(?:{w.nouns}){w.after}\b" for w in _LANGUAGES]
POINTS_AT_THE_TEXT = re.compile("|".join((*_POINTING, *_PHRASES)), re.IGNORECASE)
"""These mean the document before the writer, unless the document itself uses the words."""
INSIDE_THE_TEXT = re.compile("|".join(rf"\b{w.inside}(?P<noun{i}>{w.nouns})\b" for i, w in enumerate(_LANGUAGES)), re.I)
"""These do where the domain has no such thing itself: a restaurant has tables, an office documents."""
