"""Export: complete files that an import reads back."""

import csv
import json

import pytest

from brickwork.errors import ValidationError

RECORDS = [
    {
        "family_name": 'O"Kafor, Ann',
        "given_name": "=cmd()",
        "birth_date": "1980-02-11",
        "weight": "81.50",
        "height": 1.85,
        "mrn": "M1",
        "phone": "+4930123456",
        "allergies": ["nuts", "latex"],
        "active": False,
        "fee": {"amount": "-12.50", "currency": "EUR"},
        "admitted": "2026-01-02T08:00:00.000000Z",
        "extra": {"a": [1, "x;y"]},
    },
    {"family_name": "二郎\nline", "mrn": "M2", "active": True, "given_name": "'=quoted"},
]


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.csv.gz"])
def test_what_is_exported_is_imported_as_it_was(clinic, tmp_path, name):
    clinic.bulk.create_many("patient", RECORDS)
    report = clinic.transfer.export_file("patient", tmp_path / name)
    assert report.rows == 2
    before = [record.data for record in clinic.query("patient")]
    clinic.bulk.delete_many("patient", [record.id for record in clinic.query("patient")])
    assert clinic.transfer.import_file("patient", report.path).rejected == 0
    assert [record.data for record in clinic.query("patient")] == before


def test_would_be_formulas_are_guarded_in_csv(clinic, tmp_path):
    clinic.bulk.create_many("patient", RECORDS)
    path = clinic.transfer.export_file("patient", tmp_path / "p.csv").path
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["given_name"] == "'=cmd()"
    assert rows[0]["fee"] == "-12.50 EUR"
    assert rows[0]["phone"] == "+4930123456"


def test_sensitive_fields_leave_only_when_asked_for_and_exports_are_audited(clinic, tmp_path, platform):
    clinic.create("patient", {"family_name": "x", "insurance_no": "A-77"})
    path = clinic.transfer.export_file("patient", tmp_path / "p.jsonl").path
    assert "insurance_no" not in path.read_text()
    with pytest.raises(ValidationError, match="include_sensitive"):
        clinic.transfer.export_file("patient", tmp_path / "q.jsonl", fields=["insurance_no"])
    clinic.transfer.export_file("patient", path, include_sensitive=True)
    assert json.loads(path.read_text())["insurance_no"] == "A-77"
    notes = platform.audit.entries(action="export").items
    assert [note.after["rows"] for note in notes] == [1, 1]


def test_a_filter_limits_what_is_exported_and_an_error_leaves_no_file(clinic, tmp_path):
    clinic.bulk.create_many("patient", RECORDS)
    assert clinic.transfer.export_file("patient", tmp_path / "p.csv", where={"mrn": "M2"}).rows == 1
    for options in ({"where": {"colour": 1}}, {"fields": ["colour"]}):
        with pytest.raises(ValidationError):
            clinic.transfer.export_file("patient", tmp_path / "no.csv", **options)
    assert sorted(p.name for p in tmp_path.glob("*.csv*")) == ["p.csv"]
    assert not list(tmp_path.glob(".*"))
