"""Import: upserts, natural keys, rejects, dry runs, resuming, and files that are wrong."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from brickwork.entities import Column
from brickwork.entities.files import FileFormatError
from brickwork.errors import ValidationError


@pytest.fixture
def write(tmp_path):
    def write(text, name="patients.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_rows_become_records(clinic, write):
    path = write("family_name,birth_date,allergies,fee,active,mrn\nOkafor,1980-02-11,nuts;latex,12.50 EUR,no,M1\nIto,,,,,M2\n")
    report = clinic.transfer.import_file("patient", path)
    assert (report.rows, report.created, report.rejected) == (2, 2, 0)
    okafor, ito = clinic.query("patient", sort=["id"])
    assert okafor.data["allergies"] == ["nuts", "latex"]
    assert okafor.data["fee"] == {"amount": "12.50", "currency": "EUR"}
    assert (okafor["active"], okafor.created_by) == (False, "user:ito")
    assert ito.data == {"family_name": "Ito", "mrn": "M2"}


def test_with_a_key_rows_change_the_records_they_name_and_running_it_again_changes_nothing(clinic, write):
    clinic.create("patient", {"family_name": "Old", "mrn": "M1", "ward": "icu"})
    path = write("mrn,family_name\nM1,New\nM2,Other\nM2,Other again\n")
    report = clinic.transfer.import_file("patient", path, key="mrn")
    assert (report.created, report.updated) == (1, 1)
    assert clinic.query("patient", {"mrn": "M1"}).items[0].data | {"active": True} == {
        "family_name": "New",
        "mrn": "M1",
        "ward": "icu",
        "active": True,
    }
    assert clinic.query("patient", {"mrn": "M2"}).items[0]["family_name"] == "Other again"
    versions = {r.id: r.version for r in clinic.query("patient")}
    again = clinic.transfer.import_file("patient", write("mrn,family_name\nM1,New\nM2,Other again\n", "b.csv"), key="mrn")
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    assert {r.id: r.version for r in clinic.query("patient")} == versions


def test_a_group_of_fields_can_be_the_key(clinic, write):
    path = write("family_name,given_name,birth_date,ward\nOkafor,Ann,1980-01-01,er\nOkafor,Ann,1980-01-01,icu\n")
    report = clinic.transfer.import_file("patient", path, key="family_name+given_name+birth_date")
    assert (report.created, report.unchanged) == (1, 1)
    assert clinic.query("patient").items[0]["ward"] == "icu"


def test_columns_are_mapped_dates_read_and_others_left_out(clinic, write):
    path = write("surname;born;remark\nOkafor;11.02.1980;x\n")
    mapping = {"surname": "family_name", "born": Column("birth_date", date_format="%d.%m.%Y"), "remark": None}
    clinic.transfer.import_file("patient", path, mapping=mapping)
    assert clinic.query("patient").items[0].data["birth_date"] == "1980-02-11"


def test_links_are_resolved_by_natural_key(clinic, write):
    house = clinic.create("surgeon", {"name": "House", "code": "H"})
    clinic.create("surgeon", {"name": "Twin", "code": "T1"})
    clinic.create("surgeon", {"name": "Twin", "code": "T2"})
    clinic.create("patient", {"family_name": "Parent", "mrn": "P"})
    path = write("family_name,mrn,doctor,relatives\nA,1,House,P\nB,2,Nobody,\nC,3,Twin,\nD,4,,P;Q\n")
    mapping = {"doctor": Column("surgeon", by="name"), "relatives": Column("relative", by="mrn")}
    rejects = path.with_name("rejects.jsonl")
    report = clinic.transfer.import_file("patient", path, mapping=mapping, rejects=rejects)
    assert report.rejected == 3
    a = clinic.query("patient", {"mrn": "1"}).items[0]
    assert a["surgeon"] == house.id
    assert [n.ref.id for n in clinic.relations.neighbours(a.ref, ["relative"])] == [
        clinic.query("patient", {"mrn": "P"}).items[0].id
    ]
    reasons = {line["number"]: line["reasons"][0] for line in map(json.loads, rejects.read_text().splitlines())}
    assert "no surgeon with name 'Nobody'" in reasons[2]
    assert "2 records of type surgeon" in reasons[3]
    assert "no patient with mrn 'Q'" in reasons[4]


def test_wrong_rows_go_to_a_file_with_line_and_reason_and_the_others_are_imported(clinic, write):
    path = write('family_name,birth_date,mrn\nA,1980-13-01,1\nB,1980-01-01,2\nC\n"D\nd",1980-01-01,2\nE,,\n')
    rejects = path.with_name("rejects.jsonl")
    report = clinic.transfer.import_file("patient", path, rejects=rejects)
    assert (report.created, report.rejected, report.rejects) == (2, 3, rejects)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["number"], line["line"]) for line in lines] == [(1, 2), (3, 4), (4, 5)]
    assert "birth_date" in lines[0]["reasons"][0]
    assert "has 1 cells; the header names 3" in lines[1]["reasons"][0]
    assert "mrn" in lines[2]["reasons"][0]


def test_an_import_may_stop_at_the_first_wrong_rows(clinic, write):
    path = write("family_name,ward\nA,er\nB,morgue\n")
    with pytest.raises(ValidationError, match="line 3") as caught:
        clinic.transfer.import_file("patient", path, on_error="stop")
    assert caught.value.field == "line 3"
    assert clinic.count("patient") == 0


def test_a_dry_run_tells_everything_and_writes_nothing(clinic, write):
    clinic.create("patient", {"family_name": "x", "mrn": "M1"})
    path = write("family_name,mrn\nA,M1\nB,M2\nC,M2\n")
    report = clinic.transfer.import_file("patient", path, dry_run=True)
    assert (report.created, report.rejected, report.dry_run) == (1, 2, True)
    assert clinic.count("patient") == 1
    assert clinic.transfer.import_file("patient", path).created == 1


def test_a_file_without_key_is_not_imported_twice_unless_asked(clinic, write):
    path = write("family_name\nA\n")
    clinic.transfer.import_file("patient", path)
    with pytest.raises(ValidationError, match="imported before"):
        clinic.transfer.import_file("patient", path)
    assert clinic.transfer.import_file("patient", path, again=True).created == 1


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        ("family_name,colour\nA,red\n", {}, "colour"),
        ("given_name\nA\n", {}, "family_name"),
        ("family_name\nA\n", {"mapping": {"x": "family_name"}}, "no column x"),
        ("family_name\nA\n", {"key": "family_name"}, "no unique field"),
        ("", {}, "is empty"),
        ("a,a\n1,2\n", {}, "named twice"),
        ("family_name,doctor\nA,x\n", {"mapping": {"doctor": Column("surgeon", by="licence")}}, "no unique or indexed"),
    ],
)
def test_what_cannot_fit_is_refused_before_the_first_row(clinic, write, text, options, match):
    with pytest.raises(ValidationError, match=match):
        clinic.transfer.import_file("patient", write(text), **options)
    assert clinic.count("patient") == 0


def test_a_wrong_encoding_is_told_with_its_place(clinic, write):
    path = write("family_name\nMüller\n", encoding="latin-1")
    with pytest.raises(FileFormatError, match=r"offset 13, line 2.*cp1252"):
        clinic.transfer.import_file("patient", path)
    assert clinic.transfer.import_file("patient", path, encoding="latin-1").created == 1
    assert clinic.query("patient").items[0]["family_name"] == "Müller"


def test_a_field_of_two_gigabytes_is_refused_without_being_read_into_memory(clinic, tmp_path):
    path = tmp_path / "big.csv"
    with path.open("wb") as file:  # a sparse file: the size is real, the disk is not used
        file.write(b"family_name,given_name\nA,")
        file.truncate(2 << 30)
        file.seek(0, 2)
        file.write(b"\nB,b\n")
    rejects = tmp_path / "rejects.jsonl"
    report = clinic.transfer.import_file("patient", path, rejects=rejects)
    assert (report.created, report.rejected) == (1, 1)
    assert "longer than" in rejects.read_text()


def test_json_lines_and_xlsx_are_read_too(clinic, write, tmp_path):
    path = write('{"family_name": "A", "allergies": ["nuts"], "fee": {"amount": "1", "currency": "EUR"}}\n[1]\n', "p.jsonl")
    assert clinic.transfer.import_file("patient", path).rejected == 1
    exported = clinic.transfer.export_file("patient", tmp_path / "p.xlsx", fields=["family_name", "allergies", "fee"])
    assert clinic.transfer.import_file("patient", exported.path).created == 1
    first, second = clinic.query("patient")
    assert first.data == second.data


def test_an_import_that_was_killed_goes_on_where_it_stopped(clinic, platform, write):
    """A child process kills itself with SIGKILL after its third chunk has been committed."""
    path = write("family_name,mrn\n" + "".join(f"F{n},M{n}\n" for n in range(6000)))
    script = textwrap.dedent("""
        import json, os, signal, sys
        from brickwork import Platform
        platform = Platform(settings=json.loads(sys.argv[1]))
        def progress(rows, done, size):
            if rows == 3000:
                os.kill(os.getpid(), signal.SIGKILL)
        with platform.context(tenant="st-marys", actor="user:ito"):
            platform.entities.transfer.import_file("patient", sys.argv[2], progress=progress)
    """)
    settings = {
        "database": platform.settings.database.model_dump(),
        "platform": {"data_dir": str(platform.settings.platform.data_dir)},
    }
    done = subprocess.run([sys.executable, "-c", script, json.dumps(settings), str(path)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert clinic.count("patient") == 3000
    report = clinic.transfer.import_file("patient", path)
    assert (report.resumed_at, report.rows, report.created) == (3000, 6000, 6000)
    assert clinic.count("patient") == 6000
