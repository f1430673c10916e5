"""The commonest words of each language: one table, for all that asks for the language of a text."""

from __future__ import annotations

_LISTS = {
    "English": "the of and to is that it for was on are with as be this have or by what which who when where how "
    "does do did should can many much must a an in at from not if your you they we our us i my me will "
    "would there one has had but were all her she their him been no more out so up said its about than "
    "into them only why am",
    "German": "der die das und ist nicht ein eine zu den mit von im für auf dem des sich auch wie was wer wann wo "
    "welche welcher wird werden kann muss sind oder bei nach wenn man es einen als an aus er hat dass sie "
    "noch um am so war ich wir haben mein meine warum mir mich kein",
    "French": "le la les des et est une un du que qui dans pour pas sur au avec ce il elle sont ne quel quelle "
    "quand comment où combien peut doit vous nous par ou aux de plus je se mon ma mes ai été mais "
    "pourquoi cette leur être puis cela",
    "Spanish": "el la los las que y es un una del en por con para no se su al lo como más qué cuál cuándo cuánto "
    "dónde quién puede debe son o está hay de pero sus le ya este sí porque esta mi cómo ha he muy sin "
    "sobre me fue puedo",
    "Italian": "il lo la gli le che di è un una per non con si del della dei sono come più quale quando dove chi "
    "quanto può deve nel alla o ed i e in da ma mi ho anche questo delle mio mia perché cosa al ha posso "
    "essere",
    "Portuguese": "o os as que e é um uma do da em para não com por se no na dos das mais como qual quando onde quem "
    "quanto pode deve são ou ao a de mas foi ele seu sua ser muito já eu também só pelo pela até isso ela "
    "meu minha você está posso",
    "Dutch": "de het een en van is dat niet te zijn op met voor die in er aan wat wie wanneer waar hoe welke kan "
    "moet wordt of bij naar ook je ik als maar om dan zou mijn men dit zo door over ze zich tot waarom "
    "heeft geen deze was worden",
    "Swedish": "och att det som en är på för med av till den inte om ett han var vad vem när hur vilken kan ska "
    "måste eller från i jag har men de så min mitt vi du mig hon inga varför",
    "Danish": "og at det som en er på for med af til den ikke om et han var hvad hvem hvornår hvor hvilken kan skal "
    "må eller fra i jeg har men de så min mit hvordan når vi du mig hun hvorfor",
    "Polish": "i w na z się nie to że do jest o co jak kto kiedy gdzie który jaka czy od po za dla przez są lub "
    "może ale mnie tak mój moja już być dlaczego mam tego tym był jego",
    "Czech": "a v na se že je s z do o co jak kdo kdy kde který jaká pro od po za jsou nebo může podle při to k i "
    "ale jsem by si mi můj moje proč když není jeho být tak mám",
    "Turkish": "ve bir bu için ile ne nasıl kim nerede hangi kaç mı mi da de olan olarak çok var veya gibi daha ama "
    "ben o kadar değil neden benim sonra her",
    "Hungarian": "a az és hogy nem egy is van ez mit mi ki mikor hol hogyan melyik vagy csak meg kell lehet de ha már "
    "volt el miért nekem azt mint",
    "Finnish": "ja on ei se että oli mitä mikä kuka milloin missä miten tai myös kun ovat voi pitää jos en hän ole "
    "niin mutta minä sen mun kuin miksi minun olen",
    "Indonesian": "yang dan di ini itu dengan untuk tidak dari dalam adalah apa siapa kapan bagaimana berapa atau akan "
    "pada saya ke ada bisa kami sudah juga mengapa oleh",
    "Russian": "и в не на что с по как это он к у из за для кто когда где какой сколько или быть может я но то все "
    "так его же вы мы бы мне от был есть ли если почему мой моя нет уже",
    "Ukrainian": "і в не на що з по як це він до у із за для хто коли де який скільки або бути може та я але то все "
    "так його ви ми мені від був є чи якщо чому мій моя немає вже",
    "Bulgarian": "и в не на че с по как това той от за да се какво кой кога къде колко или може са",
    "Arabic": "في من على إلى أن ما هو هي هذا هذه التي الذي كم متى أين كيف هل لا أو مع",
    "Persian": "در از به که را این است با آن برای چه کجا چگونه چند یا باید می",
    "Hindi": "के का की में है और को से पर यह क्या कौन कब कहाँ कैसे कितना नहीं या हैं",
    "Romanian": "și de în la a nu este o un cu pe că care din să se mai pentru ce sunt am dar fi sau cum unde când "
    "mea meu lui fost prin",
    "Vietnamese": "là và của có không cho tôi được một trong các với này đã như người những khi để đến làm thế nào tại "
    "sao",
}
FUNCTION_WORDS = {name: frozenset(text.split()) for name, text in _LISTS.items()}
"""By language, in the form that `domainkit.text.words` gives."""
