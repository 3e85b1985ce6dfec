"""Records of the first schema, as published, read as records of today's."""

import json

import jsonschema
import pytest

import prk
from prk.records import build, migrate, placement, read
from tests.launch import ROOT
from tests.older import unpacked

SCHEMAS = {n: json.loads((ROOT / f"prk/records/schema-{n}.json").read_text()) for n in (1, 2)}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return sorted((unpacked(tmp_path_factory.mktemp("older")) / "records").glob("*.json"))


def test_every_published_record_is_read_and_keeps_what_it_says(published):
    assert len(published) == 480
    for path in published:
        old, new = json.loads(path.read_text()), read.read(path)
        jsonschema.validate(new, SCHEMAS[2], cls=jsonschema.Draft202012Validator)
        assert new["metrics"]["rate"]["unit"] == old["unit"]
        assert max(new["metrics"]["rate"]["values"]) == pytest.approx(old["rate"]["max"], rel=1e-12)
        assert placement.members(new["placement"]) == [
            {"host": p["host"], "cpus": p["cpus"]} for p in old["placement"]
        ]


def test_the_older_schema_still_describes_what_was_published(published):
    jsonschema.validate(json.loads(published[0].read_text()), SCHEMAS[1])


def test_each_schema_is_kept_and_the_newest_is_written():
    assert max(SCHEMAS) == migrate.VERSION
    assert set(migrate.STEPS) == {1}
    assert set(SCHEMAS[2]["properties"]["status"]["enum"]) == set(build.STATES)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[1, 2]", "no record"),
        ("{", "truncated"),
        ('{"schema": 99}', "schema 99"),
        ('{"schema": 1}', "lacks"),
        ('{"schema": "1"}', "schema"),
    ],
)
def test_a_file_that_is_no_record_says_why(tmp_path, content, why):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=why):
        read.read(path)


def test_a_file_that_is_not_there_says_why(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read.read(tmp_path / "none.json")


def test_the_version_is_the_package_s():
    assert build.prk_version() == prk.__version__
