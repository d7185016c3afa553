"""Values of fields: how each kind is checked, kept as JSON, keyed for indexes and read as a Python value.

A checked value is in canonical JSON form (dates as ISO text, decimals as text), so nothing is converted between the
check and the database, and reading over HTTP converts nothing back.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, NotRequired
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, PlainValidator, StringConstraints, TypeAdapter
from typing_extensions import TypedDict

from brickwork.entities import definitions as d
from brickwork.entities.keys import boolean_key, number_key, plain_key, text_key
from brickwork.errors import ValidationError
from brickwork.kernel.money import Money

_EMAIL = re.compile(r"[A-Za-z0-9_%+-]+(?:\.[A-Za-z0-9_%+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,}\Z")
_E164 = re.compile(r"\+[1-9]\d{6,14}\Z")


class FileDescription(TypedDict):
    """What a file field keeps; the bytes lie in storage under `key`."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    size: Annotated[int, Field(ge=0)]
    media_type: Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$")]
    sha256: NotRequired[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]]


def typed_dict(name: str, fields: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    """What checks a mapping that has these fields and no others."""
    make: Any = TypedDict
    shape = make(name, fields)
    shape.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(shape)


def annotation(field: Any) -> Any:
    """The pydantic type that checks a value of `field` and gives its canonical JSON form."""
    return _ANNOTATIONS[type(field)](field)


def key_function(field: Any) -> Callable[[Any], str]:
    """What turns a canonical value of `field` into its index key."""
    kind = field.result if isinstance(field, d.ComputedField) else field.type
    return _KEYS.get(kind, plain_key)


def to_python(field: Any, value: Any) -> Any:
    """The typed value (date, Decimal, Money, …) of a canonical one."""
    if value is None:
        return None
    kind = field.result if isinstance(field, d.ComputedField) else field.type
    reader = _READERS.get(kind)
    return value if reader is None else reader(value)


def _text(field: d.TextField) -> Any:
    least = max(field.min_length, 1 if field.required else 0)
    return Annotated[str, StringConstraints(min_length=least or None, max_length=field.max_length, pattern=field.pattern)]


def _number(field: d.NumberField) -> Any:
    if field.integer:
        low = max(field.min if field.min is not None else -(2**63), -(2**63))
        high = min(field.max if field.max is not None else 2**63 - 1, 2**63 - 1)
        return Annotated[int, Field(ge=int(low), le=int(high))]
    return Annotated[FiniteFloat, Field(ge=field.min, le=field.max)]


def _decimal(field: d.DecimalField) -> Any:
    low = None if field.min is None else Decimal(str(field.min))
    high = None if field.max is None else Decimal(str(field.max))
    return Annotated[Any, PlainValidator(partial(_check_decimal, field.scale, low, high))]


def _check_decimal(scale: int, low: Decimal | None, high: Decimal | None, value: Any) -> str:
    if isinstance(value, (bool, float)) or not isinstance(value, (str, int, Decimal)):
        if not isinstance(value, float) or isinstance(value, bool):
            raise ValueError("takes a decimal number, best as text such as '12.50'")
        value = repr(value)
    try:
        number = Decimal(value)
        exact = number.quantize(Decimal(1).scaleb(-scale))
    except InvalidOperation:
        raise ValueError("takes a decimal number of at most 28 digits, such as '12.50'") from None
    if exact != number:
        raise ValueError(f"has more than {scale} digits after the point")
    if (low is not None and exact < low) or (high is not None and exact > high):
        raise ValueError(f"must lie between {low if low is not None else 'any'} and {high if high is not None else 'any'}")
    return str(exact)


def _check_money(currencies: list[str] | None, value: Any) -> dict[str, str]:
    if isinstance(value, str):
        amount, _, currency = value.strip().partition(" ")
    elif isinstance(value, Money):
        amount, currency = str(value.amount), value.currency
    elif isinstance(value, dict) and set(value) == {"amount", "currency"}:
        amount, currency = str(value["amount"]), str(value["currency"])
    else:
        raise ValueError("takes {'amount': '12.50', 'currency': 'EUR'} or '12.50 EUR'")
    if currencies is not None and currency not in currencies:
        raise ValueError(f"currency must be one of {', '.join(currencies)}")
    try:
        money = Money.of(amount, currency)
    except ValidationError as error:
        raise ValueError(error.message) from None
    return {"amount": str(money.amount), "currency": money.currency}


def _check_date(value: Any) -> str:
    if isinstance(value, datetime):
        raise ValueError("takes a date without a time")
    if isinstance(value, date):
        return value.isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except (ValueError, TypeError):
        raise ValueError("takes a date such as '2026-11-24' (ISO 8601)") from None


def _check_datetime(value: Any) -> str:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise ValueError("takes a moment such as '2026-11-24T09:30:00Z' (ISO 8601)") from None
    if moment.tzinfo is None:
        raise ValueError("needs a time zone, as in '2026-11-24T09:30:00+01:00'")
    try:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _unique_choices(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("names a choice twice")
    return values


def _check_email(value: Any) -> str:
    if isinstance(value, str) and len(value) <= 254 and _EMAIL.match(value):
        local, _, domain = value.rpartition("@")
        if len(local) <= 64:
            return f"{local}@{domain.lower()}"
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(str(value), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is no email address: {error}") from None


def _check_phone(region: str | None, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("takes a phone number as text")
    if _E164.match(value) and _possible_e164(value):
        return value
    import phonenumbers

    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException as error:
        hint = "" if region else "; begin with + and the country code"
        raise ValueError(f"is no phone number: {error}{hint}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("is no possible phone number: its length is wrong for the country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _possible_e164(value: str) -> bool:
    """Whether `phonenumbers` would find the number possible; spares bulk imports a full parse each row."""
    for size in (1, 2, 3):
        lengths = _national_lengths(int(value[1 : 1 + size]))
        if lengths:
            return len(value) - 1 - size in lengths
    return False


@lru_cache(maxsize=1000)
def _national_lengths(country_code: int) -> frozenset[int]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    region = COUNTRY_CODE_TO_REGION_CODE.get(country_code, (None,))[0]
    metadata = PhoneMetadata.metadata_for_region(region) if region else None
    if metadata is None or metadata.general_desc is None:
        return frozenset()
    return frozenset(metadata.general_desc.possible_length)


def _check_url(schemes: list[str], value: Any) -> str:
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except (ValueError, TypeError, AttributeError):
        raise ValueError("is no URL") from None
    if not isinstance(value, str) or parts.scheme not in schemes or not host or len(value) > 2048 or re.search(r"\s", value):
        raise ValueError(f"takes a URL that begins with {' or '.join(schemes)} and names a host")
    return value


def _check_reference(value: Any) -> str:
    text = getattr(value, "id", value)
    if isinstance(text, str):
        text = text.rpartition(":")[2]
    try:
        return str(text if isinstance(text, UUID) else UUID(text))
    except (ValueError, TypeError, AttributeError):
        raise ValueError("takes the id of a record") from None


def _check_json(most: int, value: Any) -> Any:
    try:
        size = len(orjson.dumps(value))
    except TypeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if size > most:
        raise ValueError(f"is {size} bytes of JSON; at most {most}")
    return value


def _choices(choices: Any) -> Any:
    return Literal[tuple(choices)]


def _plain(check: Callable[..., Any], *options: Any) -> Any:
    return Annotated[Any, PlainValidator(partial(check, *options) if options else check)]


_RESULTS: dict[str, Any] = {
    "text": str,
    "number": FiniteFloat,
    "decimal": Annotated[Any, PlainValidator(lambda value: _check_decimal(10, None, None, value).rstrip("0").rstrip("."))],
    "boolean": bool,
    "date": Annotated[Any, PlainValidator(lambda value: _check_date(value.date() if isinstance(value, datetime) else value))],
    "datetime": Annotated[Any, PlainValidator(_check_datetime)],
}

_ANNOTATIONS: dict[type, Callable[[Any], Any]] = {
    d.TextField: _text,
    d.NumberField: _number,
    d.DecimalField: _decimal,
    d.MoneyField: lambda field: _plain(_check_money, field.currencies),
    d.BooleanField: lambda field: bool,
    d.DateField: lambda field: _plain(_check_date),
    d.DatetimeField: lambda field: _plain(_check_datetime),
    d.ChoiceField: lambda field: _choices(field.choices),
    d.MultiChoiceField: lambda field: Annotated[list[_choices(field.choices)], AfterValidator(_unique_choices)],  # type: ignore[misc]
    d.EmailField: lambda field: _plain(_check_email),
    d.PhoneField: lambda field: _plain(_check_phone, field.region),
    d.UrlField: lambda field: _plain(_check_url, field.schemes),
    d.ReferenceField: lambda field: _plain(_check_reference),
    d.FileField: lambda field: FileDescription,
    d.JsonField: lambda field: _plain(_check_json, field.max_bytes),
    d.ComputedField: lambda field: _RESULTS[field.result],
}

_KEYS: dict[str, Callable[[Any], str]] = {
    "text": text_key,
    "email": text_key,
    "url": text_key,
    "number": number_key,
    "decimal": number_key,
    "boolean": boolean_key,
    "money": lambda value: plain_key(value["currency"] + number_key(value["amount"])),
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "money": lambda value: Money(Decimal(value["amount"]), value["currency"]),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "reference": UUID,
}
