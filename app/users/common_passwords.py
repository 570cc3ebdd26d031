"""Passwords that everybody tries first: a short list of words, and rules for what people make of them.

A list of the million most used passwords is a large file of somebody else's; nearly all of its entries of eight
characters and more are one common word with digits behind it, a run of the keyboard, or a repetition. That is what is
recognised here. Length is the better protection: a phrase of several words passes whatever it consists of.
"""

_TEXT = """
abcdef access account admin administrator amanda america andrea angel anthony apple arsenal asdfgh ashley august
austin autumn baby bailey banana barcelona baseball basketball batman biteme blink butterfly buster changeit
changeme charlie cheese chelsea chicken chocolate chris christ christmas coffee company computer cookie corvette
cowboy daniel daniela database december default demo diamond dragon eagle eagles elephant england enter family
fender ferrari florida flower flowers football forever freedom friend friends gandalf geheim george ginger google
guest hannah happy harley heaven hello hockey hunter iceman iloveyou internet jackson jasmine jennifer jessica
jesus jordan joshua july june junior justin killer kitten lakers letmein letmeinplease liverpool login london
loveme lovely lover maggie manager marina martin master matrix matthew maverick mercedes merlin michael michelle
microsoft minecraft monday money monkey monster morgan mother mustang naruto nicole november nothing october
office orange packers parola pass passe passport passphrase passw0rd passwort password peanut pepper peter phoenix
pokemon prince princess private purple qazwsx qwert qwerty qwertz qwertyuiop rainbow ranger readonly rockyou root
samantha samsung samuel school scooter secret security senha september server service shadow silver simple
snoopy soccer soleil sophie spiderman spring starwars steelers stella summer sunday sunflower sunshine superman
superstar support sweety system taylor temp temporary tennis test tester testing thomas thunder tigger tinkerbell
topsecret trustno trustnoone turtle twitter user username vanilla victoria wachtwoord welcome whatever william
willkommen winner winter wizard wordpass xbox yankees yellow zaq zaqwsx
"""
WORDS = frozenset(_TEXT.split())
RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "a1b2c3d4e5f6g7h8i9j0",
    "!@#$%^&*()_+",
    '!"§$%&/()=?',
)
_DISGUISE = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
_PLAIN = str.maketrans({"1": "l"})


def is_common(password: str) -> bool:
    """Whether this is one of the first things that anybody would try."""
    text = password.casefold()
    return _repeats(text) or _runs(text) or any(_is_words(form) for form in _forms(text))


def _forms(text: str) -> set[str]:
    """The password without what people put around a word, and with digits read as the letters they stand for."""
    around = "".join(chr(code) for code in range(33, 127) if not chr(code).isalpha())
    bare = {text.strip(around), text.rstrip(around)}
    forms = bare | {text}
    for form in tuple(forms):
        forms.add(form.translate(_PLAIN).translate(_DISGUISE))
        forms.add(form.translate(_DISGUISE))
    forms |= {form.strip(around) for form in tuple(forms)}
    return {"".join(letter for letter in form if letter.isalpha()) for form in forms}


def _is_words(letters: str) -> bool:
    """One word of the list, the same twice, or two of them, as in "adminadmin" and "welcomehome"."""
    if letters in WORDS:
        return True
    return any(letters[:at] in WORDS and letters[at:] in WORDS for at in range(3, len(letters) - 2))


def _repeats(text: str) -> bool:
    """One to four characters over and over: "aaaaaaaa", "abcabcabc"."""
    return any(text == (text[:length] * len(text))[: len(text)] for length in range(1, 5)) if text else True


def _runs(text: str) -> bool:
    """A stretch of the alphabet, the digits or the keyboard, forwards or backwards, alone or twice."""
    half = text[: len(text) // 2]
    shapes = {text, text[::-1]}
    if half and half * 2 == text:
        shapes |= {half, half[::-1]}
    return any(shape in run for shape in shapes for run in RUNS)
