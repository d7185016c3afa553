"""The composition root: order, laziness, overrides, health, closing; and what importing costs."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from brickwork import Backend, Component, Platform, hookimpl
from brickwork.errors import MissingTenantError, PluginError, SettingsError, ValidationError
from brickwork.kernel.component import ComponentSettings, Health
from brickwork.kernel.context import carry
from brickwork.kernel.plugins import Plugins

LOG: list[str] = []


class Service:
    def __init__(self, name: str) -> None:
        self.name = name
        LOG.append(f"build {name}")

    def start(self) -> None:
        LOG.append(f"start {self.name}")

    def close(self) -> None:
        LOG.append(f"close {self.name}")

    def health(self) -> Health:
        if self.name == "b":
            raise ConnectionError("refused by 10.0.0.1")
        return Health(True)


def build_a(platform, settings):
    return Service("a")


def build_b(platform, settings):
    return Service("b")


def plugin(*components: Component, name: str = "p"):
    class Some:
        @hookimpl
        def brickwork_components(self):
            return components

    Some.__name__ = name
    return Some()


def component(name: str, requires: tuple[str, ...] = (), **more) -> Component:
    return Component(name=name, build=f"{__name__}:build_{name[0]}", requires=requires, **more)


@pytest.fixture(autouse=True)
def clean_log():
    LOG.clear()
    sys.modules[__name__] = sys.modules.get(__name__) or SimpleNamespace(build_a=build_a, build_b=build_b)


def make(*components: Component, wanted=None, **settings) -> Platform:
    return Platform(wanted, plugins=[plugin(*components)], settings=settings, discover=False)


def test_components_are_built_when_first_asked_for_after_what_they_require_and_closed_in_reverse():
    with make(component("a", ("b",)), component("b")) as platform:
        assert LOG == []
        platform.get("a")
        assert LOG == ["build b", "build a"]
        platform.get("a")
    assert LOG == ["build b", "build a", "close a", "close b"]
    platform.close()
    assert len(LOG) == 4


def test_a_service_that_waits_for_its_threads_to_end_can_be_closed_while_they_use_the_platform():
    platform, asked, got = make(component("a"), component("b", ("a",))), threading.Event(), list[object]()

    def work():
        asked.wait(10)
        got.append((platform.metrics, platform.get("a"), platform.get("b")))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def close():
        asked.set()
        thread.join(10)

    platform.get("b").close = close
    platform.close()
    assert got, "the thread could not go on while its service was closed"


def test_starting_builds_and_starts_in_the_order_of_requirements():
    with make(component("a", ("b",)), component("b"), wanted=["a"]) as platform:
        platform.start()
    assert LOG == ["build b", "build a", "start b", "start a", "close a", "close b"]


def test_a_component_taken_alone_brings_nothing_else():
    platform = make(component("a"), component("b"), wanted=["a"])
    assert list(platform.components) == ["a"]
    with pytest.raises(PluginError, match="not part of this platform"):
        platform.get("b")


def test_circles_and_gaps_are_told_at_start():
    with pytest.raises(PluginError, match=r"circle: .*a.*b"):
        make(component("a", ("b",)), component("b", ("a",)))
    with pytest.raises(PluginError, match="requires z"):
        make(component("a", ("z",)))
    with pytest.raises(PluginError, match="component 'z' is wanted"):
        make(wanted=["z"])


def test_the_same_name_twice_is_refused_unless_it_says_replace():
    with pytest.raises(PluginError, match="replaces=True"):
        Platform(plugins=[plugin(component("a")), plugin(component("a"), name="q")], discover=False)
    platform = Platform(plugins=[plugin(component("a")), plugin(component("a", replaces=True), name="q")], discover=False)
    assert platform.plugins.reports[-1].replaces == ("a",)


def test_a_broken_plugin_is_reported_and_stops_the_start_only_if_settings_name_it(monkeypatch):
    entry = SimpleNamespace(name="broken", dist=SimpleNamespace(name="x", version="1.0"))

    def load():
        raise ImportError("no module named y")

    entry.load = load
    monkeypatch.setattr("brickwork.kernel.plugins.entry_points", lambda group: [entry])
    platform = Platform()
    report = platform.plugins.reports[-1]
    assert (report.name, report.distribution, report.error) == ("broken", "x", "ImportError: no module named y")
    with pytest.raises(PluginError, match=r"broken.*no module named y"):
        Platform(settings={"platform": {"plugins": ["broken"]}})
    with pytest.raises(PluginError, match="not installed"):
        Platform(settings={"platform": {"plugins": ["absent"]}})


def test_a_plugin_whose_hook_returns_nonsense_leaves_nothing_behind():
    class Bad:
        @hookimpl
        def brickwork_components(self):
            return ["x"]

    with pytest.raises(PluginError, match="returns a list of Component"):
        Plugins([], [Bad()], discover=False)


def test_health_answers_for_every_backend_even_if_one_fails():
    with make(component("a"), component("b"), wanted=["a", "b"]) as platform:
        platform.start()
        health = platform.health()
    assert health["a"].ok
    assert (health["b"].ok, health["b"].detail) == (False, "ConnectionError")


def test_two_platforms_in_one_process_do_not_share_a_context():
    one, two = make(wanted=[]), make(wanted=[])
    with one.context(tenant="a", actor="x"):
        assert one.current.tenant == "a"
        assert two.current.tenant is None


def test_a_context_takes_from_the_one_outside_what_it_is_not_given():
    platform = make(wanted=[])
    with platform.context(tenant="a", actor="x", locale="de") as outer, platform.context(reason="why") as inner:
        assert (inner.tenant, inner.actor, inner.locale, inner.reason) == ("a", "x", "de", "why")
        assert inner.correlation_id == outer.correlation_id
    assert platform.current.tenant is None
    with pytest.raises(MissingTenantError):
        platform.current.require_tenant()


@pytest.mark.parametrize("tenant", ["", "a/b", "*", "-a", "x" * 65, "a b", "a'b"])
def test_a_tenant_that_could_be_something_else_is_refused(tenant):
    platform = make(wanted=[])
    with pytest.raises(ValidationError, match="tenant"), platform.context(tenant=tenant):
        pass


def test_a_context_is_carried_into_a_thread():
    platform, seen = make(wanted=[]), []
    with platform.context(tenant="a"):
        thread = threading.Thread(target=carry(lambda: seen.append(platform.current.tenant)))
    thread.start()
    thread.join()
    assert seen == ["a"]


def test_a_system_context_needs_a_reason():
    platform = make(wanted=[])
    with pytest.raises(ValidationError, match="reason"), platform.system_context(reason=" "):
        pass


def test_async_code_calls_services_in_threads_with_its_context():
    import asyncio

    platform = make(wanted=[])

    def work(x: int) -> tuple[str | None, bool, int]:
        return platform.current.tenant, threading.current_thread() is threading.main_thread(), x

    async def main() -> None:
        with platform.context(tenant="a"):
            assert await platform.aio(work, 3) == ("a", False, 3)
            assert [n async for n in platform.aio.iterate(iter(range(3)))] == [0, 1, 2]

    asyncio.run(main())


class TestSettings:
    def test_the_constructor_wins_over_variables_and_those_over_the_file(self, tmp_path, monkeypatch):
        file = tmp_path / "brickwork.toml"
        file.write_text("[web]\nport = 1\nthreads = 1\nbacklog = 1\n")
        monkeypatch.setenv("BRICKWORK_WEB__PORT", "2")
        monkeypatch.setenv("BRICKWORK_WEB__THREADS", "2")
        web = Platform(settings={"web": {"port": 3}}, settings_file=file).settings.web
        assert (web.port, web.threads, web.backlog) == (3, 2, 1)

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"web": {"port": "x"}}, r"web\.port: .*integer.*\(seen: 'x'\)"),
            ({"web": {"prot": 1}}, r"web\.prot: no such setting"),
            ({"webb": {}}, r"webb: no such setting"),
            ({"platform": {"environment": "prod"}}, r"platform\.environment: .*production.*\(seen: 'prod'\)"),
        ],
    )
    def test_a_wrong_setting_stops_the_start_with_key_value_and_what_is_accepted(self, given, told):
        with pytest.raises(SettingsError, match=told):
            Platform(settings=given)

    def test_a_secret_that_is_wrong_is_not_shown(self):
        with pytest.raises(SettingsError) as caught:
            Platform(settings={"database": {"url": ["hunter2"]}})
        assert "hunter2" not in str(caught.value)

    def test_a_file_that_is_absent_or_no_toml_is_told(self, tmp_path):
        with pytest.raises(SettingsError, match="does not exist"):
            Platform(settings_file=tmp_path / "no.toml")
        (tmp_path / "bad.toml").write_text("[web")
        with pytest.raises(SettingsError, match="not valid TOML"):
            Platform(settings_file=tmp_path / "bad.toml")

    def test_a_database_that_is_not_supported_is_told(self):
        platform = Platform(settings={"database": {"url": "mysql://x"}})
        with pytest.raises(SettingsError, match=r"mysql.*takes sqlite"):
            platform.database  # noqa: B018 - building it reads the setting


def test_importing_brickwork_imports_nothing_heavy():
    heavy = ("numpy", "sqlalchemy", "fastapi", "pydantic", "reportlab", "rapidfuzz", "pandas", "uvicorn")
    code = f"import sys, brickwork; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_platform_without_the_web_never_imports_fastapi(tmp_path):
    heavy = "{'fastapi', 'numpy'}"
    code = f"import sys; from brickwork import Platform; Platform(['entities']).entities; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "set()"


class PumpSettings(ComponentSettings):
    backend: str = "hand"


class SteamSettings(ComponentSettings):
    pressure: int = 3


class Pump:
    """A service over a port with two backends, one of which has settings."""

    def __init__(self, platform, settings):
        self.backend = platform.backend("pump", settings.backend)


class Hand:
    def __init__(self, platform, settings):
        self.settings = settings


class PumpPlugin:
    @hookimpl
    def brickwork_components(self):
        return [Component(name="pump", build=f"{__name__}:Pump", settings=PumpSettings)]

    @hookimpl
    def brickwork_backends(self):
        hand = f"{__name__}:Hand"
        return [
            Backend(port="pump", name="hand", factory=hand),
            Backend(port="pump", name="steam", factory=hand, settings=SteamSettings),
        ]


class TestBackends:
    def test_a_backend_is_chosen_and_set_by_its_section(self):
        section = {"pump": {"backend": "steam", "steam": {"pressure": 7}}}
        with Platform(["pump"], settings=section, plugins=[PumpPlugin()], discover=False) as platform:
            assert platform.get("pump").backend.settings.pressure == 7

    def test_an_absent_backend_is_told_with_what_to_install(self):
        platform = Platform(["pump"], settings={"pump": {"backend": "wind"}}, plugins=[PumpPlugin()], discover=False)
        with pytest.raises(PluginError, match=r"installed are hand, steam.*pip install brickwork-wind"):
            platform.get("pump")

    def test_a_wrong_setting_of_a_backend_names_its_path(self):
        with pytest.raises(SettingsError, match=r"pump\.steam\.pressure"):
            Platform(["pump"], settings={"pump": {"steam": {"pressure": "much"}}}, plugins=[PumpPlugin()], discover=False)
