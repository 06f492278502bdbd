from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rewardgen.llm.settings import EndpointSettings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": ""}, "model"),
        ({"base_url": "localhost:8000/v1"}, "must begin with http"),
        ({"base_url": "ftp://host/v1"}, "must begin with http"),
        ({"base_url": "http:///v1"}, "must begin with http"),
        ({"base_url": "http://host:port/v1"}, "[Pp]ort"),
        ({"base_url": "http://me:secret@host/v1"}, "plain address"),
        ({"base_url": "http://host/v1?key=secret"}, "plain address"),
        ({"base_url": "http://host/v1/chat/completions/"}, "must end before /chat/completions"),
        ({"api_key_env": "sk-0123456789"}, "api_key_env"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"usd_per_mtok": (1.0, -1.0)}, "usd_per_mtok"),
        ({"usd_per_mtok": (1.0,)}, "usd_per_mtok"),
        ({"max_cost_usd": 0.0}, "max_cost_usd"),
        ({"max_cost_usd": float("inf")}, "max_cost_usd"),
        ({"unpriced": True, "max_cost_usd": 1.0}, "without a price no cap can be kept"),
        ({"unpriced": True, "usd_per_mtok": (1.0, 1.0)}, "exclude each other"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"api_key": "sk-0123456789"}, "api_key"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EndpointSettings.model_validate({"model": "m", **values})


def test_address() -> None:
    assert EndpointSettings(model="m").url == "https://api.openai.com/v1"
    assert EndpointSettings(model="m", base_url="http://[::1]:1/v1/").url == "http://[::1]:1/v1"


def test_survives_json() -> None:
    settings = EndpointSettings(model="m", usd_per_mtok=(1.0, 2.0), max_cost_usd=3.0)
    assert EndpointSettings.model_validate_json(settings.model_dump_json()) == settings
