"""Fields for signatures: where they are, what signing in them locks, and adding them to a document."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import attrs

from brickwork.documents.signing.errors import SigningError
from brickwork.documents.signing.opening import Limits, entry, open_reader, open_writer, reading
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from pyhanko.sign.fields import FieldMDPSpec, SigFieldSpec

#: What may be done to a document after it was certified: nothing, filling in forms and signing, annotating as well.
Permission = Literal["none", "forms", "annotations"]


@attrs.frozen
class Place:
    """A box on a page (from 1), in points from the lower left corner of its media box."""

    page: int
    x: float
    y: float
    width: float
    height: float

    def __attrs_post_init__(self) -> None:
        if self.page < 1:
            raise ValidationError(f"pages are counted from 1, not {self.page}", field="page")
        if self.width <= 0 or self.height <= 0:
            raise ValidationError("a box has a width and a height above 0", field="place")

    @property
    def box(self) -> tuple[float, float, float, float]:
        return (self.x, self.y, self.x + self.width, self.y + self.height)


@attrs.frozen
class Lock:
    """Fields of the form that nobody may change once the signature is there: all, only those named, or all except those."""

    which: Literal["all", "only", "except"] = "all"
    fields: tuple[str, ...] = attrs.field(default=(), converter=tuple)

    def __attrs_post_init__(self) -> None:
        if self.which not in ("all", "only", "except"):
            raise ValidationError(f"a lock is for all, only or except, not {self.which!r}", field="lock")
        if (self.which == "all") != (not self.fields):
            raise ValidationError("fields are named for a lock of only or except, and for no other", field="lock")


@attrs.frozen
class Field:
    """A field for a signature. Without a place it is invisible."""

    name: str
    place: Place | None = None
    lock: Lock | None = None
    #: What readers show when the pointer is on it.
    tip: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.name or "." in self.name or len(self.name) > 120:
            raise ValidationError("a field's name has 1 to 120 characters and no dot", field="field")


@attrs.frozen
class FieldState:
    """A field for signatures as a document has it."""

    name: str
    signed: bool
    visible: bool


def signature_fields(pdf: bytes, *, limits: Limits | None = None) -> list[FieldState]:
    """The document's fields for signatures, without those of timestamps. Raises `DocumentUnreadableError`,
    `DocumentPasswordError`, `TooLargeError`."""
    return states(open_reader(pdf, limits or Limits()))


def add_fields(pdf: bytes, fields: Iterable[Field], *, limits: Limits | None = None) -> bytes:
    """The document with these fields; its bytes stay as they are, with an update after them. Raises `SigningError` where a name
    is taken, or where the document is signed: a signature may forbid new fields, so they are added ahead of the first."""
    from pyhanko.sign.fields import append_signature_field

    fields, limits = list(fields), limits or Limits()
    reader = open_reader(pdf, limits)
    with reading():
        signed = bool(reader.embedded_signatures)
    if signed:
        raise SigningError("the document is signed; fields are added before the first signature", field="fields")
    if not fields:
        return pdf
    writer = open_writer(pdf, limits)
    for field in fields:
        if field.name in names(writer):
            raise SigningError(f"there is a field {field.name!r} already", field="fields")
        check_page(writer, field.place)
        with reading():
            append_signature_field(writer, specification(field))
    out = io.BytesIO()
    with reading():
        writer.write(out)
    return out.getvalue()


def states(handler: Any) -> list[FieldState]:
    """The fields of a reader or writer."""
    from pyhanko.sign.fields import enumerate_sig_fields

    found = []
    with reading():
        for name, value, reference in enumerate_sig_fields(handler):
            field = reference.get_object()
            if value is not None and entry(value.get_object(), "/Type") == "/DocTimeStamp":
                continue
            found.append(FieldState(name, value is not None, size_of(field) is not None))
    return found


def names(handler: Any) -> set[str]:
    """The names of all fields at the top of the form."""
    with reading():
        form = entry(handler.root, "/AcroForm", {})
        return {str(entry(one.get_object(), "/T", "")) for one in entry(form, "/Fields", ())}


def check_page(handler: Any, place: Place | None) -> None:
    """Raises `ValidationError` for a page that isn't there."""
    with reading():
        pages = int(handler.root["/Pages"]["/Count"])
    if place is not None and place.page > pages:
        raise ValidationError(f"there is no page {place.page}; the document has {pages}", field="page")


def specification(field: Field) -> "SigFieldSpec":
    """The field as pyHanko wants it."""
    from pyhanko.sign.fields import InvisSigSettings, SigFieldSpec

    page, box = (field.place.page - 1, field.place.box) if field.place else (0, None)
    return SigFieldSpec(
        sig_field_name=field.name,
        on_page=page,
        box=box,  # type: ignore[arg-type]  # any numbers will do
        field_mdp_spec=lock_specification(field.lock) if field.lock else None,
        readable_field_name=field.tip,
        invis_sig_settings=InvisSigSettings(),
    )


def lock_specification(lock: Lock) -> "FieldMDPSpec":
    from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec

    action = {"all": FieldMDPAction.ALL, "only": FieldMDPAction.INCLUDE, "except": FieldMDPAction.EXCLUDE}[lock.which]
    return FieldMDPSpec(action, fields=list(lock.fields) or None)


def size_of(field: Any) -> tuple[float, float] | None:
    """Width and height of a field; None where it is invisible."""
    kids = entry(field, "/Kids", ())
    widget = field if "/Rect" in field or not kids else kids[0]
    left, bottom, right, top = (float(value) for value in entry(widget, "/Rect", (0, 0, 0, 0)))
    return (abs(right - left), abs(top - bottom)) if left != right and bottom != top else None
