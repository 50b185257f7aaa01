"""What we describe is what we serve, and what is committed is what we describe."""

import re
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, resolve
from jsonschema import Draft202012Validator

from roaming.ocpi import urls
from roaming.ocpi.description.generator import as_yaml, describe
from roaming.ocpi.description.operations import operations
from roaming.ocpi.versions import VERSIONS
from roaming.ocpi.views.base import UnknownUrlView
from tests.conformance.collecting import ROOT

METHODS = ("get", "post", "put", "patch", "delete")
every_version = pytest.mark.parametrize("number", list(VERSIONS))


def view_of(match: Any) -> Any:
    callback = getattr(match, "callback", None) or match.func
    return getattr(callback, "cls", None) or callback.view_class


def served(pattern: URLPattern) -> set[str]:
    return {method for method in METHODS if hasattr(view_of(pattern), method)}


def resolved(path: str) -> Any:
    return resolve(re.sub(r"\{\w+\}", "X1", path))


@every_version
def test_what_is_committed_is_what_we_describe(number: str) -> None:
    committed = ROOT / "docs" / "openapi" / f"ocpi-{number}.yaml"
    assert committed.read_text(encoding="utf-8") == as_yaml(number), "run `make openapi`"


@every_version
def test_what_is_described_is_served(number: str) -> None:
    for operation in operations(number):
        match = resolved(operation.path)
        assert view_of(match) is not UnknownUrlView, operation.path
        assert hasattr(view_of(match), operation.method.lower()), operation


@every_version
def test_what_is_served_is_described(number: str) -> None:
    described = {
        (view_of(resolved(operation.path)), operation.method.lower())
        for operation in operations(number)
    }
    prefix = f"^{number}".replace(".", r"\.")
    patterns = [pattern for pattern in urls.urlpatterns if str(pattern.pattern).startswith(prefix)]
    assert len(patterns) > len(VERSIONS[number].modules)
    for pattern in patterns:
        for method in served(pattern):
            assert (view_of(pattern), method) in described, (pattern, method)


@every_version
def test_every_schema_is_one_and_every_reference_leads_somewhere(number: str) -> None:
    description = describe(number)
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    text = yaml.safe_dump(description)
    for kind, name in set(re.findall(r"#/components/(\w+)/([\w-]+)", text)):
        assert name in description["components"][kind]


@every_version
def test_the_page_and_the_file_are_open_to_everyone(number: str) -> None:
    page = Client().get(f"/ocpi-docs/{number}/")
    assert page.status_code == 200
    text = page.content.decode()
    for operation in operations(number):
        assert f'id="{operation.id}"' in text
    # Nothing is fetched from anywhere else: the page works in a closed network.
    assert not re.search(r'(src|href)="(https?:)?//', text)
    file = Client().get(f"/ocpi-docs/ocpi-{number}.yaml")
    assert yaml.safe_load(file.content)["info"]["version"] == number


def test_the_newest_version_is_shown_first_and_an_unknown_one_is_not_there() -> None:
    assert b"<h1>OCPI 2.3.0</h1>" in Client().get("/ocpi-docs/").content
    assert Client().get("/ocpi-docs/9.9/").status_code == 404
    assert Client().get("/ocpi-docs/ocpi-9.9.yaml").status_code == 404
