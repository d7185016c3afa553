"""Money: an exact amount and its currency (ISO 4217), never a float."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import total_ordering

import attrs

from brickwork.errors import ValidationError

#: Active codes of ISO 4217 whose minor unit has two digits.
_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD
KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

#: Digits after the decimal point, by currency code.
MINOR_DIGITS: dict[str, int] = {
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
}


@total_ordering
@attrs.frozen(order=False)
class Money:
    """An amount in a currency. Arithmetic between currencies raises `ValidationError`."""

    amount: Decimal
    currency: str

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str) -> "Money":
        """Money checked against ISO 4217: a known currency, and no more digits than its minor unit has."""
        digits = MINOR_DIGITS.get(currency)
        if digits is None:
            raise ValidationError(f"{currency!r} is no ISO 4217 currency code", field="currency")
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            raise ValidationError(f"{amount!r} is no amount; write it like '12.50'", field="amount") from None
        if not exact.is_finite() or exact.adjusted() > 24:
            raise ValidationError("an amount is finite and has at most 25 digits before the point", field="amount")
        rounded = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
        if rounded != exact:
            raise ValidationError(f"{amount} {currency} has more than the currency's {digits} decimal digits", field="amount")
        return cls(rounded, currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same(other)
        return self.amount < other.amount

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def _same(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise ValidationError(f"{self.currency} and {other.currency} can't be reckoned together", field="currency")
