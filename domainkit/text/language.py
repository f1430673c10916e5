"""Which language a text is in, by its script and its commonest words. No model; short texts may stay unknown."""

from __future__ import annotations

import unicodedata
from collections import Counter

from domainkit.text.words import words

LEAST_HITS = 3
"""Different function words that a text must have before they say something: "in" and "van" are in many languages."""
_LETTERS = 2000
"""Of a text that are looked at for its script."""
_LISTS = {
    "English": "the of and to is that it for was on are with as be this have or by what which who when where how does "
    "do did should can many much must a an in at from not if your you they we our us i my me will would there one has",
    "German": "der die das und ist nicht ein eine zu den mit von im für auf dem des sich auch wie was wer wann wo "
    "welche welcher wird werden kann muss sind oder bei nach wenn man es",
    "French": "le la les des et est une un du que qui dans pour pas sur au avec ce il elle sont ne quel quelle quand "
    "comment où combien peut doit vous nous par ou aux",
    "Spanish": "el la los las que y es un una del en por con para no se su al lo como más qué cuál cuándo cuánto "
    "dónde quién puede debe son o está hay",
    "Italian": "il lo la gli le che di è un una per non con si del della dei sono come più quale quando dove chi "
    "quanto può deve nel alla o ed",
    "Portuguese": "o os as que e é um uma do da em para não com por se no na dos das mais como qual quando onde quem "
    "quanto pode deve são ou ao",
    "Dutch": "de het een en van is dat niet te zijn op met voor die in er aan wat wie wanneer waar hoe welke kan moet "
    "wordt of bij naar ook je",
    "Swedish": "och att det som en är på för med av till den inte om ett han var vad vem när hur vilken kan ska måste "
    "eller från",
    "Danish": "og at det som en er på for med af til den ikke om et han var hvad hvem hvornår hvor hvilken kan skal må "
    "eller fra",
    "Polish": "i w na z się nie to że do jest o co jak kto kiedy gdzie który jaka czy od po za dla przez są lub może",
    "Czech": "a v na se že je s z do o co jak kdo kdy kde který jaká pro od po za jsou nebo může podle při",
    "Turkish": "ve bir bu için ile ne nasıl kim nerede hangi kaç mı mi da de olan olarak çok var veya gibi daha",
    "Hungarian": "a az és hogy nem egy is van ez mit mi ki mikor hol hogyan melyik vagy csak meg kell lehet",
    "Finnish": "ja on ei se että oli mitä mikä kuka milloin missä miten tai myös kun ovat voi pitää jos",
    "Indonesian": "yang dan di ini itu dengan untuk tidak dari dalam adalah apa siapa kapan bagaimana berapa atau akan",
    "Russian": "и в не на что с по как это он к у из за для что кто когда где какой сколько или быть может",
    "Ukrainian": "і в не на що з по як це він до у із за для хто коли де який скільки або бути може та",
    "Bulgarian": "и в не на че с по как това той от за да се какво кой кога къде колко или може са",
    "Arabic": "في من على إلى أن ما هو هي هذا هذه التي الذي كم متى أين كيف هل لا أو مع",
    "Persian": "در از به که را این است با آن برای چه کجا چگونه چند یا باید می",
    "Hindi": "के का की में है और को से पर यह क्या कौन कब कहाँ कैसे कितना नहीं या हैं",
}
_FUNCTION_WORDS = {name: frozenset(text.split()) for name, text in _LISTS.items()}


def script_of(text: str) -> str:
    """The script of most letters, by its name in Unicode: LATIN, CYRILLIC; JAPANESE where there are kana. "" without
    letters."""
    letters = [c for c in text if c.isalpha()][:_LETTERS]
    scripts = Counter(unicodedata.name(c, "").split(" ")[0] for c in letters)
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana + scripts["CJK"] > len(letters) / 2:
        return "JAPANESE"
    return scripts.most_common(1)[0][0] if scripts else ""


def function_words(text: str) -> Counter[str]:
    """How many different words of the text are function words of each language."""
    found = set(words(text))
    hits = {name: len(found & listed) for name, listed in _FUNCTION_WORDS.items()}
    return Counter({name: count for name, count in hits.items() if count})


def language_of(text: str) -> str:
    """The language whose function words the text has most of; "" where that is not clear."""
    (best, hits), *others = [*function_words(text).most_common(2), ("", 0), ("", 0)][:2]
    return best if hits >= LEAST_HITS and all(hits > count for _, count in others) else ""


def is_other_language(text: str, original: str) -> bool:
    """Whether `text` is clearly in another language than `original`: another script, or function words of another
    language, clearly more than of the original's."""
    script, expected_script = script_of(text), script_of(original)
    if script and expected_script and script != expected_script:
        return True
    expected, hits = language_of(original), function_words(text)
    if not expected or not hits:
        return False
    best, count = hits.most_common(1)[0]
    return best != expected and count >= LEAST_HITS and 3 * hits[expected] <= 2 * count
