"""Which sources a template needs: its own, those of templates that it names, and what it stands in place of."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import attrs
from jinja2 import TemplateSyntaxError

from brickwork.documents.template import Template
from brickwork.documents.templates.checking import references
from brickwork.errors import NotFoundError

#: Templates that one may need.
MOST = 100


@attrs.frozen
class Names:
    """The names that a template's sources mention."""

    template: Template

    def referenced(self) -> set[str]:
        """Keys of other templates, in whatever part and language."""
        found: set[str] = set()
        sources = [*self.template.parts.values(), *(one for parts in self.template.locales.values() for one in parts.values())]
        for source in sources:
            with suppress(TemplateSyntaxError):  # told when the template is checked
                found |= set(references(source))
        return found - {"inherited"}


class Library:
    """The templates that can be used: for each key the tenant's, then those that code ships, the last registered first."""

    def __init__(self, shipped: Mapping[str, Sequence[Template]], own: Mapping[str, tuple[int, Template]]) -> None:
        self._shipped = shipped
        self._own = own
        self._draft: Template | None = None

    def with_draft(self, template: Template) -> "Library":
        """As if `template` were the tenant's published one of its key."""
        made = Library(self._shipped, self._own)
        made._draft = template
        return made

    def published(self, key: str) -> tuple[int | None, Template, bool]:
        """The template that a key means, its version's number where it is the tenant's, and whether code ships it."""
        if key in self._own:
            number, template = self._own[key]
            return number, template, False
        shipped = self._shipped.get(key)
        if not shipped:
            known = ", ".join(sorted({*self._own, *self._shipped})[:20]) or "none"
            raise NotFoundError(f"there is no template {key[:100]!r}; there are {known}")
        return None, shipped[0], True

    def uses(self, template: Template) -> list[str]:
        """The keys of all that a template uses, directly or through others."""
        found: set[str] = set()
        left = [template]
        while left and len(found) <= MOST:
            for key in Names(left.pop()).referenced() - found - {template.key}:
                found.add(key)
                left += self._chain(key)[:1]
        return sorted(found)

    def sources(self, template: Template, part: str, locale: str) -> dict[str, str]:
        """What one part needs in one language, by the names that the sandbox uses (KEY#PART#LEVEL)."""
        found: dict[str, str] = {}
        left = [(template.key, 0)]
        while left and len(found) <= MOST:
            key, level = left.pop()
            name = f"{key}#{part}#{level}"
            chain = self._chain(key) if key != template.key or self._draft is None else (self._draft, *self._others(key))
            if name in found or level >= len(chain):
                continue
            source = chain[level].localised(locale or "en").get(part)
            if source is None:
                continue
            found[name] = source
            with suppress(TemplateSyntaxError):
                left += [(key, level + 1) if other == "inherited" else (other, 0) for other in references(source)]
        return found

    def foreign(self, sources: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether some of the sources are a tenant's."""
        keys = {name.split("#")[0] for several in sources.values() for name in several}
        return not keys.isdisjoint(self._own)

    def _chain(self, key: str) -> Sequence[Template]:
        own = (self._own[key][1],) if key in self._own else ()
        return (*own, *self._shipped.get(key, ()))

    def _others(self, key: str) -> Sequence[Template]:
        """What a draft stands in place of: not the tenant's present one, which it replaces."""
        return self._shipped.get(key, ())
