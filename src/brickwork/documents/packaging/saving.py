"""The finished file: the same bytes for the same document, encrypted where that is asked for."""

import io
import warnings
from typing import Any

import attrs

from brickwork.documents.packaging.library import library
from brickwork.errors import ValidationError


@attrs.frozen
class Permissions:
    """What someone with the user password may do (ISO 32000-2, table 22). Viewers are asked to heed it; nothing forces them."""

    print: bool = True
    #: Copy text and images. Reading aloud is always allowed, as the standard demands.
    copy: bool = True
    annotate: bool = True
    fill_forms: bool = True
    #: Insert, remove and turn pages.
    assemble: bool = False
    #: Change anything else.
    modify: bool = False


@attrs.frozen
class Encryption:
    """How a file is encrypted; passwords stay out of messages."""

    user_password: str = attrs.field(repr=False)
    owner_password: str = attrs.field(repr=False)
    permissions: Permissions

    @classmethod
    def of(cls, user_password: str, owner_password: str, permissions: Permissions | None) -> "Encryption":
        """Check and make one; raises `ValidationError`."""
        if not owner_password:
            raise ValidationError("an empty owner password gives everybody all permissions", field="owner_password")
        if owner_password == user_password:
            raise ValidationError("the owner password is the user's, which then gives all permissions", field="owner_password")
        for field, password in (("user_password", user_password), ("owner_password", owner_password)):
            if len(password.encode()) > 127:
                raise ValidationError("a password has at most 127 bytes in UTF-8 (ISO 32000-2, 7.6.4.3.3)", field=field)
        return cls(user_password, owner_password, permissions or Permissions())

    def settings(self) -> Any:
        """As pikepdf takes them."""
        pikepdf, may = library(), self.permissions
        allow = pikepdf.Permissions(
            accessibility=True,
            extract=may.copy,
            modify_annotation=may.annotate,
            modify_assembly=may.assemble,
            modify_form=may.fill_forms,
            modify_other=may.modify,
            print_lowres=may.print,
            print_highres=may.print,
        )
        return pikepdf.Encryption(user=self.user_password, owner=self.owner_password, R=6, allow=allow)


def serialize(pdf: Any, encryption: Encryption | None) -> bytes:
    """The file's bytes."""
    pikepdf = library()
    out = io.BytesIO()
    packed = pikepdf.ObjectStreamMode.generate
    how = {"deterministic_id": True} if encryption is None else {"encryption": encryption.settings()}
    with warnings.catch_warnings():  # a file may come with widgets that its form doesn't know; they stay as they are
        warnings.simplefilter("ignore", pikepdf.exceptions.PageCopyWarning)
        pdf.save(out, object_stream_mode=packed, **how)
    return out.getvalue()
