"""Backend types: ours by name, others' by entry point."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from relay.backends import registry, webhook
from relay.backends.base import Backend, Door, Registered, Settings
from relay.errors import RelayError
from relay.values import Secret


def plug_in(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("pigeon", value, registry.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: EntryPoints([point]))


REGISTERED = Registered(Settings, Backend)  # type: ignore[type-abstract]


@pytest.mark.parametrize("name", registry.TYPES)
def test_each_type_is_named_alike_everywhere(name: str) -> None:
    registered = registry.Types()[name]
    assert registered.settings.__struct_config__.tag == registered.backend.type == name
    assert registered.settings.__doc__


def test_only_what_is_named_is_imported() -> None:
    code = "import sys; from relay.backends import registry; registry.find('console'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "relay.backends.console" in done.stdout
    assert "relay.backends.slack" not in done.stdout


def test_an_unknown_type_is_nobodys() -> None:
    assert registry.find("pigeon") is None
    assert set(registry.TYPES) <= set(registry.names())


def test_another_package_adds_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, f"{__name__}:REGISTERED")
    assert registry.find("pigeon") is REGISTERED
    assert "pigeon" in registry.names()


@pytest.mark.parametrize("value", ["no_such_package:X", f"{__name__}:NOTHING", f"{__name__}:plug_in"])
def test_a_broken_package_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    plug_in(monkeypatch, value)
    with pytest.raises(RelayError, match="pigeon"):
        registry.find("pigeon")


async def test_settings_become_their_backend(door: Door) -> None:
    settings = webhook.Settings(url=Secret("http://h/x"))
    backend = registry.build(settings, door)
    assert isinstance(backend, webhook.Webhook)
    assert backend.settings is settings


def test_settings_nobody_registered_are_refused() -> None:
    class Pigeon(Settings, frozen=True, tag="pigeon"):
        pass

    door: Any = None
    with pytest.raises(RelayError):
        registry.build(Pigeon(), door)


def test_the_shapes_alone_import_quickly() -> None:
    code = "import sys, relay.backends.base; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
