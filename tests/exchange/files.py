"""Files of lists, as a person gets them."""

import csv
import io
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from cpo_platform.common.admin import Admin


def lists() -> list[type[Model]]:
    return [model for model, pages in admin.site._registry.items() if isinstance(pages, Admin)]


def address(model: type[Model], page: str = "export") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def model_of(label: str) -> type[Model]:
    return next(model for model in lists() if model._meta.label_lower == label)


def body(client: Client, url: str, kind: str = "csv") -> bytes:
    answer: Any = client.post(url, {"format": kind})
    assert answer.status_code == 200, answer
    assert answer.streaming
    assert "attachment" in answer["Content-Disposition"]
    content: bytes = b"".join(answer.streaming_content)
    return content


def rows(client: Client, url: str) -> list[dict[str, str]]:
    text = body(client, url).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))
