"""Read and send the admin's forms as a browser would: the fields come from the page itself."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client

Fields = dict[str, list[str]]


class _FormReader(HTMLParser):
    """Collect the fields of the form with one id; a template's content is no part of it."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id, self.fields = form_id, Fields()
        self._inside = self._template = False
        self._select: tuple[str, bool] | None = None
        self._option: str | None = None
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and given.get("id") == self.form_id:
            self._inside = True
        if tag == "template":
            self._template = True
        if not self._inside or self._template:
            return
        name = given.get("name") or ""
        if tag == "input":
            self._input(given, name)
        elif tag == "textarea":
            self._text = ""
            self.fields[name] = [""]
        elif tag == "select" and "disabled" not in given:
            self._select = (name, "multiple" in given)
            self.fields.setdefault(name, [])
        elif tag == "option" and self._select and "selected" in given:
            self.fields[self._select[0]].append(given.get("value") or "")

    def _input(self, given: dict[str, str | None], name: str) -> None:
        if not name or "disabled" in given or given.get("type") in {"submit", "button"}:
            return
        if given.get("type") in {"checkbox", "radio"}:
            if "checked" in given:
                self.fields.setdefault(name, []).append(given.get("value") or "on")
            return
        self.fields.setdefault(name, []).append(given.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text is not None:
            name = list(self.fields)[-1]
            # A browser leaves out the line break after the tag.
            self.fields[name] = [self._text.removeprefix("\n")]
            self._text = None
        elif tag == "select":
            self._select = None
        elif tag == "template":
            self._template = False
        elif tag == "form":
            self._inside = False


def read_form(client: Client, url: str, form_id: str) -> Fields:
    """Return what the form of a page would send if nobody changed it."""
    response = client.get(url)
    assert response.status_code == 200, response
    reader = _FormReader(form_id)
    reader.feed(response.content.decode())
    assert reader.fields, f"{url} has no form {form_id}"
    return reader.fields


def send_form(client: Client, url: str, form_id: str, **changes: Any) -> Any:
    """Fill in fields of a page's form and send it; `None` takes a field away."""
    fields = read_form(client, url, form_id)
    for name, value in changes.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value if isinstance(value, list) else [value]
    return client.post(url, {"_save": ["Save"], **fields})


def errors_of(response: Any) -> dict[str, list[str]]:
    """Return the errors that a refused form shows, by field."""
    assert response.status_code == 200, "the form was accepted"
    errors = response.context["adminform"].form.errors
    return {name: list(texts) for name, texts in errors.items()}
