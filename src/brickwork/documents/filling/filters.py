"""Filters that write numbers, money, dates and lists as a language has them (Unicode CLDR, by Babel)."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, dates, lists, numbers


class FilterError(ValueError):
    """A value is none that the filter can write."""


def filters_for(locale: Locale) -> dict[str, Callable[..., str]]:
    """The filters, for one language."""
    made: dict[str, Callable[..., str]] = {
            "money": money, "number": number, "percent": percent, "date": day, "time": time_of_day, 
            "datetime": moment, "plural": plural, "listing": listing}  # fmt: skip
    return {name: partial(_called, function, locale) for name, function in made.items()}


def _called(function: Callable[..., str], locale: Locale, value: Any, *arguments: Any, **options: Any) -> str:
    return function(value, *arguments, locale=locale, **options)


def money(value: Any, currency: str | None = None, *, locale: Locale) -> str:
    """An amount with its currency: `Money`, {"amount": "12.50", "currency": "EUR"}, or a number and the currency."""
    amount = value
    if isinstance(value, Mapping):
        amount, currency = value.get("amount"), currency or value.get("currency")
    elif hasattr(value, "amount"):
        amount, currency = value.amount, currency or value.currency
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise FilterError(f"money needs a currency such as EUR, not {currency!r}")
    return numbers.format_currency(_decimal(amount), currency.upper(), locale=locale)


def number(value: Any, digits: int | None = None, *, locale: Locale) -> str:
    """A number, with a fixed number of digits after the point if `digits` is given (0 to 20)."""
    if digits is None:
        return numbers.format_decimal(_decimal(value), locale=locale)
    places = min(max(int(digits), 0), 20)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return numbers.format_decimal(_decimal(value), format=pattern, locale=locale)


def percent(value: Any, digits: int = 0, *, locale: Locale) -> str:
    """A share, of which 1 is the whole, as a percentage."""
    pattern = locale.percent_formats[None].pattern
    places = min(max(int(digits), 0), 20)
    if places:  # after the last digit that the language's own pattern has
        at = pattern.rindex("0") + 1
        pattern = f"{pattern[:at]}.{'0' * places}{pattern[at:]}"
    return numbers.format_percent(_decimal(value), format=pattern, locale=locale)


def day(value: Any, format: str = "medium", *, locale: Locale) -> str:
    """A date: "short", "medium", "long", "full", or a pattern of CLDR ("d. MMMM y")."""
    found = _moment(value)
    return dates.format_date(found.date() if isinstance(found, datetime) else found, format=format, locale=locale)


def time_of_day(value: Any, format: str = "short", zone: str | None = None, *, locale: Locale) -> str:
    """A time of day, in a zone if one is given."""
    if isinstance(value, time):
        return dates.format_time(value, format=format, locale=locale)
    return dates.format_time(_zoned(value, zone), format=format, locale=locale, tzinfo=_zone(zone))


def moment(value: Any, format: str = "medium", zone: str | None = None, *, locale: Locale) -> str:
    """A date with its time, in a zone (UTC if none is given)."""
    return dates.format_datetime(_zoned(value, zone), format=format, locale=locale, tzinfo=_zone(zone))


def plural(value: Any, *, locale: Locale, **forms: str) -> str:
    """The form that the language uses for a number: `n | plural(one="# visit", other="# visits")`. "#" is the number; the
    categories are those of CLDR: zero, one, two, few, many, other."""
    amount = _decimal(value)
    form = forms.get(locale.plural_form(amount), forms.get("other"))
    if form is None:
        raise FilterError("plural needs the form other=")
    return form.replace("#", numbers.format_decimal(amount, locale=locale))


def listing(value: Any, style: str = "standard", *, locale: Locale) -> str:
    """Several texts as one: "a, b and c"; `style` may be "or"."""
    if style not in ("standard", "or"):
        raise FilterError(f"a list is written as standard or or, not {style!r}")
    return lists.format_list([str(one) for one in value], style="or" if style == "or" else "standard", locale=locale)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or value is None:
        raise FilterError(f"{value!r} is no number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise FilterError(f"{str(value)[:40]!r} is no number") from None
    if not found.is_finite() or abs(found.adjusted()) > 40:
        raise FilterError(f"{str(value)[:40]!r} is no number that can be written out")
    return found


def _moment(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        text = str(value)
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        raise FilterError(f"{str(value)[:40]!r} is no date; it looks like 2026-01-31 or 2026-01-31T09:00:00Z") from None


def _zoned(value: Any, zone: str | None) -> datetime:
    found = _moment(value)
    if not isinstance(found, datetime):
        raise FilterError(f"{str(value)[:40]!r} is a date without a time")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _zone(zone: str | None) -> Any:
    if zone is None:
        return UTC
    try:
        return ZoneInfo(zone)
    except Exception:
        raise FilterError(f"{zone[:40]!r} is no time zone") from None
