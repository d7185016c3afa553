"""Paths of a definition as Kong's regular expressions, with priorities that keep the definition's order.

Kong's plain paths are prefixes of text, so that /patients takes /patientsx too; its regular expressions (with ~) are anchored at
the start and, of equal routes, taken by `regex_priority`. So every path becomes one or two of them.
"""

import re

import attrs

#: Orders paths: of two that take the same request, the larger is the more specific.
Rank = tuple[int, ...]
_LITERAL, _PARAMETER, _END, _TAIL = 3, 2, 1, 0
#: What regular expressions of PCRE and of Rust give a meaning.
_SPECIAL = re.compile(r"([.+*?()|\[\]{}^$\\])")


def escaped(text: str) -> str:
    """A regular expression of just this text."""
    return _SPECIAL.sub(r"\\\1", text)


@attrs.frozen
class Pattern:
    """A path of the definition, taken apart. A step of None is a parameter."""

    steps: tuple[str | None, ...]
    open_ended: bool

    @classmethod
    def of(cls, path: str) -> "Pattern":
        """As the routing of the embedded proxy takes it apart."""
        open_ended = path.endswith("*")
        steps = [step for step in path.removesuffix("*").split("/")[1:] if step]
        if not open_ended and path.endswith("/"):
            steps.append("")
        return cls(tuple(None if step.startswith("{") else step for step in steps), open_ended)

    def below(self, step: str) -> "Pattern":
        """The same, with one more step before the open end."""
        return attrs.evolve(self, steps=(*self.steps, step))

    @property
    def rank(self) -> Rank:
        steps = [_PARAMETER if step is None else _LITERAL for step in self.steps]
        return (*steps, _TAIL if self.open_ended else _END)

    @property
    def regexes(self) -> list[str]:
        base = "".join("/[^/]+" if step is None else "/" + escaped(step) for step in self.steps)
        if not self.open_ended:
            return [f"~{base}$"]
        return [f"~{base}$", f"~{base}/"] if base else ["~/"]

    def overlaps(self, other: "Pattern") -> bool:
        """Whether some path fits both."""
        if any(one != two and None not in (one, two) for one, two in zip(self.steps, other.steps, strict=False)):
            return False
        short, long = sorted((self, other), key=lambda pattern: len(pattern.steps))
        return short.open_ended or (len(short.steps) == len(long.steps))
