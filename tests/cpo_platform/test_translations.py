"""Every text of ours is there in Japanese, and compiled."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import unfold  # type: ignore[import-untyped]
from django.conf import settings
from django.test import Client
from django.utils import translation

from cpo_platform.translations import Entry, compile_file, read_catalogue
from tests.admin_data import make_party

ROOT: Path = settings.BASE_DIR
CATALOGUE = ROOT / "locale/ja/LC_MESSAGES/django.po"
APPS = ("cpo_platform", "tariffs", "locations", "sessions_app", "roaming", "ocpp_gateway")
FUNCTIONS = {"_", "gettext", "gettext_lazy", "say", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
GAP = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}")


def entries() -> list[Entry]:
    return read_catalogue(CATALOGUE.read_text(encoding="utf-8"))[1:]


def texts_of_code() -> Iterator[tuple[str, str]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from _text_of(node, node.func.id, str(path.relative_to(ROOT)))


def _text_of(node: ast.Call, name: str, where: str) -> Iterator[tuple[str, str]]:
    position = 1 if name in WITH_CONTEXT else 0
    if name in FUNCTIONS | WITH_CONTEXT and len(node.args) > position:
        argument = node.args[position]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield where, argument.value


def texts_of_templates() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"{%\s*translate\s+\"(.+?)\"", text):
            yield str(path.relative_to(ROOT)), found[1].replace("%", "%%")


def test_every_text_is_in_the_catalogue() -> None:
    known = {entry.message for entry in entries()}
    missing = [
        f"{path}: {text}"
        for path, text in (*texts_of_code(), *texts_of_templates())
        if text not in known and text.strip()
    ]
    assert missing == [], "add these to locale/ja, then run: manage.py compile_translations"


def texts_of_unfold() -> Iterator[str]:
    """Yield what the frame of the admin says by itself; what we do not install is left out."""
    root = Path(unfold.__file__).parent
    for path in sorted(root.rglob("*.html")):
        if not {"contrib", "unfold_crispy"} & set(path.relative_to(root).parts):
            text = path.read_text(encoding="utf-8")
            for found in re.finditer(r"{%\s*trans(?:late)?\s+([\"'])(.+?)\1", text):
                yield found[2]
    for path in sorted(root.rglob("*.py")):
        if "contrib" not in path.relative_to(root).parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from (text for _path, text in _text_of(node, node.func.id, path.name))


def test_what_the_frame_of_the_admin_says_by_itself_is_japanese_too() -> None:
    texts = set(texts_of_unfold())
    # Placeholders of date pickers and choosers among them.
    assert {"Date", "Time", "Select value"} <= texts
    with translation.override("ja"):
        assert sorted(text for text in texts if translation.gettext(text) == text) == []


@pytest.mark.django_db
def test_the_tariff_form_has_no_english_placeholder(admin_client: Client) -> None:
    make_party()
    page = admin_client.get("/admin/tariffs/tariff/add/", headers={"Accept-Language": "ja"})
    text = page.content.decode()
    assert 'placeholder="日付"' in text
    english = re.findall(r'placeholder="([A-Z][a-z ]+)"', text)
    assert english == []


def test_kept_sentences_are_written_out_where_they_are_said() -> None:
    """Otherwise nobody finds them to translate."""
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "say"
        and path.parent.name != "runner"
        and not isinstance(node.args[0], ast.Constant)
    ]
    assert hidden == []


def test_every_text_is_translated_with_all_its_gaps() -> None:
    wrong = []
    for entry in entries():
        source = entry.plural or entry.message
        if not all(entry.texts) or entry.is_fuzzy:
            wrong.append(f"not translated: {entry.message}")
        elif any(set(GAP.findall(source)) != set(GAP.findall(text)) for text in entry.texts):
            wrong.append(f"other gaps: {entry.message}")
    assert wrong == []


def test_the_compiled_catalogue_is_up_to_date() -> None:
    compiled = CATALOGUE.with_suffix(".mo").read_bytes()
    assert compiled == compile_file(CATALOGUE), "run: manage.py compile_translations"


def test_django_reads_what_we_compiled() -> None:
    with translation.override("ja"):
        assert translation.gettext("Locations") == "拠点"
        assert translation.pgettext("unit of time", "seconds") == "秒"
        text = translation.ngettext("Remove this EVSE?", "Remove %(total)s EVSEs?", 2)
        assert text % {"total": 2} == "2 件の EVSE を撤去しますか?"


@pytest.mark.django_db
def test_the_admin_speaks_the_language_of_the_browser(admin_client: Client) -> None:
    page = admin_client.get("/admin/", headers={"Accept-Language": "ja"}).content.decode()
    assert "次の手順" in page
    assert "Next steps" not in page
