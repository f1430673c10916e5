"""Words of a question that name nothing, by language: pronouns, and the words that every question has."""

from __future__ import annotations

PRONOUNS = {
    "English": "it its he him his she her hers they them their theirs this that these those such here",
    "German": "er sie ihm ihn ihr ihre ihren ihrem ihrer ihres sein seine seinen seinem dies diese dieser dieses "
    "diesem diesen jene jener dort hier damit dafür davon dabei",
    "French": "il elle ils elles lui leur leurs son sa ses ce cet cette ces celui celle cela ça ici",
    "Spanish": "él ella ellos ellas su sus este esta estos estas ese esa esos eso esto aquí",
}
EMPTY = {
    "English": "what which who whom whose when where why how is are was were be been being am do does did done can "
    "could may might must shall should will would have has had the a an of in on at to for from by with about into "
    "onto over under after before during and or but if then so than as not no yes much many long often far old big "
    "large small high low more most less least few kind sort type name thing things one ones someone somebody anyone "
    "anything something happen happens called mean means true cost costs say said work works need needs get gets make "
    "makes use used there take takes",
    "German": "was wer wen wem wessen wann wo wohin woher warum wie wieviel ist sind war waren wird werden kann können "
    "muss müssen soll hat haben der die das den dem des ein eine einen einem einer und oder aber für von mit bei zu "
    "zum zur im in am viel viele lange oft hoch kostet heißt bedeutet gibt passiert nicht man es",
    "French": "que quoi qui quel quelle quels quelles quand où pourquoi comment combien est sont était a ont doit peut "
    "le la les l d un une des de du et ou mais pour avec par sur dans en coûte t on",
    "Spanish": "qué quién cuál cuáles cuándo dónde cómo cuánto cuánta es son fue tiene puede debe el la los las un una "
    "de del y o para con por en cuesta le les lo se",
}
ASKING = {
    "English": "what whats which who whos whom whose when where why how is are was were do does did can could may must "
    "should will would has have",
    "German": "was welche welcher welches welchen welchem wer wen wem wessen wann wo wohin woher warum wie wieviel "
    "womit wofür worauf",
    "French": "que qu quoi qui quel quelle quels quelles quand où pourquoi comment combien",
    "Spanish": "qué quién quiénes cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas",
}
PRONOUNS_OF = {language: frozenset(text.split()) for language, text in PRONOUNS.items()}
ASKING_OF = {language: frozenset(text.split()) for language, text in ASKING.items()}
EMPTY_OF = {language: frozenset(text.split()) for language, text in EMPTY.items()}
