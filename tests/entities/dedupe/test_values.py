"""Values are compared in one form, however they were written."""

import datetime
from decimal import Decimal

import pytest

from brickwork.entities.dedupe.values import fold_date, fold_number, fold_text, soundex


@pytest.mark.parametrize(
    ("value", "folded"),
    [
        ("  O'Brien-Smith,  JR. ", "o'brien-smith, jr"),
        ("Müller", "muller"),
        ("Straße", "strasse"),
        ("Łódź", "łodz"),
        ("李小龍", "李小龍"),
        (12.0, "12"),
        (12.5, "12.5"),
        (["red", "oak"], "red oak"),
        (False, "false"),
        ("--", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_text_is_folded(value, folded):
    assert fold_text(value) == folded


@pytest.mark.parametrize(
    ("value", "folded"),
    [
        (datetime.date(1980, 2, 11), "19800211"),
        (datetime.date(80, 2, 11), "00800211"),
        (datetime.datetime(1980, 2, 11, 23, 59), "19800211"),
        ("1980-02-11", "19800211"),
        ("1980/2/11", "19800211"),
        ("1980-02-11T08:00:00Z", "19800211"),
        ("11.2.1980", "19800211"),
        ("19800231", "19800231"),
        (19800211, "19800211"),
        (19800211.0, "19800211"),
        ("11 Feb 1980", None),
        ("198002", None),
        ("", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_dates_become_eight_digits(value, folded):
    assert fold_date(value) == folded


@pytest.mark.parametrize(
    ("value", "folded"),
    [(1, 1.0), (" 2.5 ", 2.5), (Decimal("3.25"), 3.25), ("many", None), ("inf", None), (None, None), ([1], None)],
)
def test_numbers_become_floats(value, folded):
    assert fold_number(value) == folded


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("robert", "R163"),
        ("rupert", "R163"),
        ("rubin", "R150"),
        ("ashcraft", "A261"),
        ("tymczak", "T522"),
        ("pfister", "P236"),
        ("honeyman", "H555"),
        ("lee", "L000"),
        ("李", None),
    ],
)
def test_soundex_gives_the_codes_of_the_national_archives(name, code):
    assert soundex(name) == code
