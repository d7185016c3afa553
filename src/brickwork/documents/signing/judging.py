"""The rules by which changes after a signature are judged: pyHanko's, and annotations where a certification allows them."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import attrs
from pyhanko.pdf_utils import generic
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    ModificationLevel,
    QualifiedWhitelistRule,
    ReferenceUpdate,
    StandardDiffPolicy,
)
from pyhanko.sign.fields import MDPPerm

from brickwork.documents.signing.changes import ANNOTATING, FILLING, UPKEEP
from brickwork.documents.signing.objects import Objects, pages_of, shape
from brickwork.documents.signing.opening import entry
from brickwork.documents.signing.report import Change

_LEVELS: dict[Any, Literal["none", "forms", "annotations"]] = {
    MDPPerm.NO_CHANGES: "none",
    MDPPerm.FILL_FORMS: "forms",
    MDPPerm.ANNOTATE: "annotations",
}


class AnnotationRule(QualifiedWhitelistRule):
    """Allows annotations other than fields to be added, changed and removed, and nothing with them."""

    def apply_qualified(self, old: Any, new: Any) -> Iterable[tuple[ModificationLevel, ReferenceUpdate]]:
        for ref in self._references(old, new):
            yield ModificationLevel.ANNOTATIONS, ReferenceUpdate(ref)

    def _references(self, old: Any, new: Any) -> Iterator[Any]:
        after = dict(pages_of(Objects(new)))
        for key, page in pages_of(Objects(old)):
            if key in after and _without_annotations(page) == _without_annotations(after[key]):
                yield from self._page(page, after[key], old, new)

    def _page(self, page: Any, now: Any, old: Any, new: Any) -> Iterator[Any]:
        before, after = _listed(page), _listed(now)
        if _annotation_keys(before) == _annotation_keys(after) and not any(_kept(one, new) for one in after):
            return
        if now.container_ref is not None:
            yield now.container_ref
        array = now.raw_get("/Annots") if "/Annots" in now else None
        if isinstance(array, generic.IndirectObject):
            yield array.reference
        for item in after:
            value = item.get_object() if isinstance(item, generic.IndirectObject) else item
            if not isinstance(value, generic.DictionaryObject) or entry(value, "/Subtype") == "/Widget":
                continue
            if isinstance(item, generic.IndirectObject) and _is_annotation(item, old):
                yield item.reference
            fresh = new.collect_dependencies(value, since_revision=new.revision)
            yield from (ref for ref in fresh if old.is_ref_unassignable(ref))


def policy_for(signature: Any) -> Any:
    """The rules for changes after a signature of pyHanko's."""
    if signature.docmdp_level != MDPPerm.ANNOTATE:
        return DEFAULT_DIFF_POLICY
    rules = [*DEFAULT_DIFF_POLICY.global_rules, AnnotationRule()]
    return StandardDiffPolicy(global_rules=rules, form_rule=DEFAULT_DIFF_POLICY.form_rule)


def certification(signature: Any) -> Literal["none", "forms", "annotations"] | None:
    """What a certification allows: "none", "forms" or "annotations"; None where there is none."""
    return _LEVELS.get(signature.docmdp_level)


def judged(changes: Iterable[Change], signature: Any) -> list[Change]:
    """The changes, each with whether the signature allows it."""
    level, lock = certification(signature), signature.fieldmdp
    allowed = UPKEEP if level == "none" else UPKEEP | FILLING | ANNOTATING if level == "annotations" else UPKEEP | FILLING

    def fits(change: Change) -> bool:
        if change.kind not in allowed:
            return False
        locked = lock is not None and change.name is not None and lock.is_locked(change.name)
        return not (locked and change.kind in FILLING and change.kind != "signature_field_added")

    return [attrs.evolve(change, allowed=fits(change)) for change in changes]


def _without_annotations(page: Any) -> Any:
    return shape({key: value for key, value in page.items() if key != "/Annots"})


def _listed(page: Any) -> list[Any]:
    array = entry(page, "/Annots", ())
    return [array.raw_get(n) for n in range(len(array))] if isinstance(array, generic.ArrayObject) else []


def _annotation_keys(items: list[Any]) -> list[Any]:
    return [Objects.key(item) for item in items]


def _kept(item: Any, new: Any) -> bool:
    """Whether an annotation was written in the newer revision."""
    return isinstance(item, generic.IndirectObject) and item.reference in new.explicit_refs_in_revision()


def _is_annotation(item: Any, old: Any) -> bool:
    """Whether an object was an annotation before, or is new: what was something else may not become one."""
    if old.is_ref_unassignable(item.reference):
        return True
    value = old(item.reference)
    return isinstance(value, generic.DictionaryObject) and not isinstance(value, generic.StreamObject) and "/Subtype" in value
