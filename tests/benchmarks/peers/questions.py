"""Questions whose vectors are near where they mean the same, and some that are near and mean something else."""

from itertools import count

POLITE = ("please", "kindly", "hello", "hi", "well", "so", "okay", "hey")
ALIKE = (
    ("How do I install {0}?", "How do I uninstall {0}?"),
    ("How do I convert {0} to {1}?", "How do I convert {1} to {0}?"),
    ("Which {0} is safe for children?", "Which {0} is not safe for children?"),
    ("Is {0} free with plan 15?", "Is {0} free with plan 51?"),
    ("Where did {0} rise in May?", "Where did {0} fall in May?"),
)
THINGS = (
    "pandas", "redis", "nginx", "docker", "kafka", "tea", "rice", "silver", "copper", "wool",
    "paint", "glue", "soap", "honey", "maize", "paper", "cotton", "cement", "timber", "sugar",
)  # fmt: skip


class Questions:
    """Texts, and what each means: a number that texts of the same meaning share."""

    def __init__(self) -> None:
        self._meanings: dict[str, int] = {}
        self._numbers, self._rewordings = count(), count(1)

    def new(self, wanted: int) -> list[str]:
        """No two of them near: 20 topics with 20 parts each, questions of one part are 0.65 alike."""
        numbers = [next(self._numbers) for _ in range(wanted)]
        return [self._add(f"Question number {n} of many? [g{n % 20}/{n % 400}/{n}]", n) for n in numbers]

    def reworded(self, texts: list[str], wanted: int) -> list[str]:
        """So many, of these texts in turn, each in words that were not there before: 0.98 alike."""
        return [self._reword(texts[at % len(texts)]) for at in range(wanted)]

    def alike(self) -> tuple[list[str], list[str]]:
        """A hundred questions, and to each another that is 0.98 alike and wants another answer."""
        pairs = [
            [f"{form.format(thing, THINGS[at - 1])} [galike{kind}/{at}:0.98]" for form in forms]
            for kind, forms in enumerate(ALIKE)
            for at, thing in enumerate(THINGS)
        ]
        first, second = ([self._add(text, next(self._numbers)) for text in texts] for texts in zip(*pairs, strict=True))
        return first, second

    def right(self, text: str, answer: str) -> bool:
        """Whether the provider gave this answer to a question of the same meaning."""
        return self._meanings.get(answer.removeprefix("answer to: ")) == self._meanings[text]

    def _add(self, text: str, meaning: int) -> str:
        self._meanings[text] = meaning
        return text

    def _reword(self, text: str) -> str:
        words = " ".join(POLITE[int(digit)] for digit in f"{next(self._rewordings):o}")
        return self._add(f"{words} {text[0].lower()}{text[1:]}", self._meanings[text])
