"""Settings: what they are, where they come from, and what is said about a wrong one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from salon.actors.limits import Limits
from salon.actors.model import Participant
from salon.web.settings.group import SettingsError
from salon.web.settings.loading import LISTS, SECTIONS, load, rows
from salon.web.settings.model import AuthSettings, Settings
from salon.web.settings.store import StoreSettings
from salon.web.settings.text import render

TEST_CONFIG = Path(__file__).parents[1] / "config_test.yaml"
TOKEN = "Xy9-t0ken.of_somebody~which+nobody/sees"

in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "salon.yaml"


def settings_in(
    file: Path, text: str = "", environment: dict[str, str] | None = None, **flags: object
) -> Settings:
    file.write_text(text, encoding="utf-8")
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load(file, given, environment or {})[0]


def problems_in(file: Path, text: str = "", environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings_in(file, text, environment)
    return [problem.replace(str(file), "salon.yaml") for problem in caught.value.problems]


class TestDefaults:
    def test_a_fresh_install_needs_no_settings(self, data_home: Path) -> None:
        fresh, places = load(environment={})
        assert fresh == Settings()
        assert places == {}
        assert fresh.store.path == data_home / "salon" / "salon.db"
        assert fresh.key_file == data_home / "salon" / "salon.db.key"
        assert (fresh.server.host, fresh.server.port) == ("127.0.0.1", 8000)
        assert fresh.auth.guests
        assert fresh.auth.static_tokens == {}

    def test_without_a_data_folder_of_its_own_the_store_is_under_the_home_folder(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "/home/ada")
        monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
        assert StoreSettings().url == "sqlite:////home/ada/.local/share/salon/salon.db"

    def test_without_any_home_a_store_has_to_be_named(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def homeless(_: Path) -> Path:
            raise RuntimeError

        monkeypatch.delenv("XDG_DATA_HOME")
        monkeypatch.setattr(Path, "expanduser", homeless)
        assert problems_in(file) == ["store.url: there is no home directory to keep it in; set it"]
        assert settings_in(file, "", {"SALON_STORE": "memory:"}).store.path is None

    def test_a_database_has_a_key_and_files_of_its_own_and_shows_no_password(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", "/data")

        def beside(url: str) -> str:
            store = StoreSettings(url=url)
            assert (store.kind, store.path) == ("postgresql", None)
            assert "secret" not in store.shown
            return str(store.beside)

        one = beside("postgresql://ada:secret@db/salon")
        assert one.startswith("/data/salon/postgresql-")
        assert one == beside("postgres://ben@db/salon?sslmode=require&password=secret")
        others = (
            "postgresql://db/other",
            "postgresql://db2/salon",
            "postgresql:///salon?host=/run",
        )
        assert len({one, *map(beside, others)}) == 4

    def test_the_limits_are_those_of_the_contract(self) -> None:
        assert Settings().limits.model_dump() == {
            "max_participants": 100,
            "queue_size": 1000,
            "queue_share": 250,
            "max_message_size": 10_000,
            "edit_window": 0,
            "max_frame_size": 131_072,
            "max_body_size": 262_144,
            "json_depth": 32,
            "resume_limit": 1000,
            "message_rate": 20,
            "message_burst": 100,
            "search_rate": 5,
            "frame_rate": 0,
            "conversations_per_hour": 0,
            "sign_ins_per_hour": 600,
            "guests_per_hour": 0,
            "connections_per_person": 20,
            "connections_per_address": 0,
            "handshake_timeout": 10,
            "drain_timeout": 8,
            "restart_time": 5,
            "reconnect_rate": 500,
            "presence_grace": 5,
            "presence_interval": 1,
            "typing_timeout": 5,
            "run_grace": 30,
            "run_timeout": 300,
            "open_runs": 10,
            "file_size": 25_000_000,
            "files_per_message": 10,
            "unsent_files": 50,
            "uploads_per_person": 10,
            "file_quota": 1_000_000_000,
            "picture_pixels": 50_000_000,
            "idle_timeout": 60,
            "restarts_per_minute": 5,
            "heartbeat": 25,
        }

    def test_the_engine_gets_its_limits_and_has_the_same_defaults(self) -> None:
        assert Settings().engine_limits() == Limits()
        changed = {field.name: 7 for field in dataclasses.fields(Limits)}
        assert Settings.model_validate({"limits": changed}).engine_limits() == Limits(**changed)

    def test_every_setting_says_what_it_is_for(self) -> None:
        for row in rows():
            assert row.description.endswith("."), row

    def test_the_list_of_settings_is_the_same_on_every_machine(self) -> None:
        store = next(row for row in rows() if row.section == "store")
        assert store.default == "sqlite:///~/.local/share/salon/salon.db"
        assert {row.section for row in rows()} == set(SECTIONS)
        assert {*SECTIONS, *LISTS} == set(Settings.model_fields)


class TestSources:
    def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
        self, file: Path
    ) -> None:
        text = "server: {host: in-file, port: 1}\nlimits: {queue_size: 1, queue_share: 1}"
        environment = {"SALON_SERVER__PORT": "2", "SALON_LIMITS__QUEUE_SIZE": "2"}
        result = settings_in(file, text, environment, server__port=3)
        assert (result.server.host, result.server.port) == ("in-file", 3)
        assert (result.limits.queue_size, result.limits.queue_share) == (2, 1)
        assert result.limits.resume_limit == 1000

    def test_each_value_knows_where_it_was_given(self, file: Path) -> None:
        file.write_text("server:\n  host: ''\n\nlimits:\n  queue_size: 5\n".replace("''", "h"))
        environment = {"SALON_STORE": "memory:", "SALON_LOGGING__LEVEL": "debug"}
        _, places = load(file, {"server.port": 1, "store.url": None}, environment)
        assert places == {
            "server.host": f"{file}, line 2",
            "server.port": "--port",
            "limits.queue_size": f"{file}, line 5",
            "store.url": "SALON_STORE",
            "logging.level": "SALON_LOGGING__LEVEL",
        }

    def test_a_variable_names_the_file_unless_a_flag_does(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
        one.write_text("server: {port: 1}")
        two.write_text("server: {port: 2}")
        environment = {"SALON_CONFIG": str(one)}
        assert load(environment=environment)[0].server.port == 1
        assert load(two, environment=environment)[0].server.port == 2

    def test_short_variables_stand_for_the_three_that_everybody_sets(self, file: Path) -> None:
        short = {"SALON_HOST": "::", "SALON_PORT": "80", "SALON_STORE": "memory:"}
        result = settings_in(file, "", short)
        assert (result.server.host, result.server.port, result.store.url) == ("::", 80, "memory:")
        both = short | {"SALON_SERVER__PORT": "81"}
        assert settings_in(file, "", both).server.port == 81

    def test_lists_and_mappings_come_as_json_and_lists_with_commas_too(self, file: Path) -> None:
        environment = {
            "SALON_AUTH__STATIC_TOKENS": '{"t": {"id": "ada", "name": "Ada"}}',
            "SALON_SERVER__ALLOWED_ORIGINS": "https://a.example, HTTPS://B.example:8443/",
        }
        result = settings_in(file, "", environment)
        assert [who.id for who in result.auth.static_tokens.values()] == ["ada"]
        assert result.server.allowed_origins == ("https://a.example", "https://b.example:8443")

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("SALON_PORT", ""),  # unset, as compose files do it
            ("SALON_PORT", "tcp://10.0.0.1:8000"),  # Kubernetes, beside a service called "salon"
            ("SALON_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("SALON_SERVICE_HOST", "10.0.0.1"),
            ("SALON_SERVICE_PORT_HTTP", "8000"),
            ("SALON_IMAGE", "1.2.3"),  # somebody else's
            ("OTHER_LIMITS__QUEUE_SIZE", "5"),
        ],
    )
    def test_what_is_not_meant_for_us_is_left_alone(
        self, file: Path, variable: str, text: str
    ) -> None:
        assert settings_in(file, "", {variable: text}) == Settings()

    def test_an_empty_section_is_as_good_as_none(self, file: Path) -> None:
        assert settings_in(file, "limits:\n# queue_size: 5\n") == Settings()

    def test_settings_made_directly_look_at_no_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SALON_SERVER__PORT", "9")
        assert Settings().server.port == 8000

    def test_settings_never_change(self) -> None:
        with pytest.raises(ValidationError):
            Settings().server.port = 9  # type: ignore[misc]

    def test_a_key_file_is_named_or_beside_the_store_or_there_is_none(self) -> None:
        on_disk, forgetful = {"url": "sqlite:///a/b.db"}, {"url": "memory:"}
        named = {"key_file": "k"}
        for store, auth, expected in [
            (on_disk, {}, Path("a/b.db.key")),
            (on_disk, named, Path("k")),
            (forgetful, named, Path("k")),
            (forgetful, {}, None),
        ]:
            assert Settings.model_validate({"store": store, "auth": auth}).key_file == expected

    def test_the_configuration_of_the_tests_has_the_people_of_the_tests(self) -> None:
        result, _ = load(TEST_CONFIG, environment={})
        who = {
            token.get_secret_value(): (identity.participant, identity.admin)
            for token, identity in result.auth.static_tokens.items()
        }
        for number, name in enumerate(("Ada", "Bob", "Cleo", "Dan", "Eve"), 1):
            expected = (Participant(f"test_user_{number}", name), False)
            assert who[f"test_token_{number}"] == expected
        assert who["admin_token"][1]
        assert who["agent_token"][0].type == "agent"


class TestProblems:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "limits: {queue_size: -5}",
                "limits.queue_size: -5 given, allowed is at least 0 (from salon.yaml, line 1)",
            ),
            (
                "cluster: {nats: 'http://me:s3cret@host'}",
                "cluster.nats.0: *** given, allowed is nats://[USER:PASSWORD@]HOST[:PORT], or tls:// where TLS is a must"
                " (from salon.yaml, line 1)",
            ),
            (
                "cluster: {nats: 'nats://host'}\nstore: {url: 'memory:'}",
                "cluster: allowed is store.url of postgresql://… where cluster.nats is set: all nodes share one database",
            ),
            (
                "cluster: {nats: 'nats://host'}\nstore: {url: 'postgresql://host/db'}",
                "cluster: allowed is auth.key_file where cluster.nats is set: all nodes need a copy of the same one",
            ),
            (
                "limits:\n  queue_size: many",
                "limits.queue_size: 'many' given, allowed is a whole number (from salon.yaml, line 2)",
            ),
            (
                "limits: {message_rate: .inf}",
                "limits.message_rate: inf given, allowed is a number (from salon.yaml, line 1)",
            ),
            (
                "limits: {queue_size: yes}",
                "limits.queue_size: True given, allowed is a number (from salon.yaml, line 1)",
            ),
            (
                "server: {port: 70000}",
                "server.port: 70000 given, allowed is at most 65535 (from salon.yaml, line 1)",
            ),
            (
                "server: {allowed_origins: [chat.example]}",
                "server.allowed_origins.0: 'chat.example' given, allowed is SCHEME://HOST[:PORT],"
                " such as https://chat.example.org, or * (from salon.yaml, line 1)",
            ),
            (
                "server: {host: a..b}",
                "server.host: 'a..b' given, allowed is an address or a host name"
                " (from salon.yaml, line 1)",
            ),
            (
                "server: {tls_key: key.pem}",
                "server: allowed is tls_certificate and tls_key together, or neither",
            ),
            (
                "store: {url: 'sqlite://'}",
                "store.url: 'sqlite://' given, allowed is sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:"
                " (from salon.yaml, line 1)",
            ),
            (
                "store: {url: 'sqlite:///:memory:'}",
                "store.url: 'sqlite:///:memory:' given, allowed is sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:"
                " (from salon.yaml, line 1)",
            ),
            (
                "logging: {format: xml}",
                "logging.format: 'xml' given, allowed is 'console' or 'json'"
                " (from salon.yaml, line 1)",
            ),
            (
                "auth: {guests: perhaps}",
                "auth.guests: 'perhaps' given, allowed is true or false (from salon.yaml, line 1)",
            ),
            (
                "limits: 5",
                "limits: a section with keys of its own is needed here (from salon.yaml, line 1)",
            ),
            (
                "[]",
                "salon.yaml: its sections have to be of server, store, auth, limits, files, logging, moderation,"
                " retention, telemetry, cluster",
            ),
            (
                "limits: {queue_size: 1}\nstore:\n  url: memory:",
                "salon.yaml, line 3, column 14: not YAML: mapping values are not allowed here;"
                " a value that ends in a colon or begins with a sign needs quotes",
            ),
            (
                "limits: {queue_size: 1, queue_size: 2}",
                "limits.queue_size: given twice (from salon.yaml, line 1 and salon.yaml, line 1)",
            ),
        ],
    )
    def test_a_bad_value_is_named_with_what_is_allowed_and_where_it_stands(
        self, file: Path, text: str, problem: str
    ) -> None:
        assert problems_in(file, text) == [problem]

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ("limits: {queu_size: 5}", "limits.queue_size"),
            ("limts: {queue_size: 5}", "limits.queue_size"),
            ("server: {queue_size: 5}", "limits.queue_size"),
            ("queue_size: 5", "limits.queue_size"),
            ("sever: 5", "server"),
        ],
    )
    def test_a_wrong_key_is_named_with_the_nearest_right_one(
        self, file: Path, wrong: str, right: str
    ) -> None:
        (problem,) = problems_in(file, wrong)
        assert f"no such setting; did you mean {right}? (from salon.yaml, line 1)" in problem

    @pytest.mark.parametrize(
        ("variable", "problem"),
        [
            (
                "SALON_LIMITS__QUEU_SIZE",
                "limits.queu_size: no such setting; did you mean limits.queue_size?"
                " (from SALON_LIMITS__QUEU_SIZE)",
            ),
            (
                "SALON_LIMITS_QUEUE_SIZE",
                "SALON_LIMITS_QUEUE_SIZE: no such setting; did you mean SALON_LIMITS__QUEUE_SIZE?",
            ),
            ("SALON_PROT", "SALON_PROT: no such setting; did you mean SALON_PORT?"),
        ],
    )
    def test_a_misspelt_variable_is_not_passed_over(
        self, file: Path, variable: str, problem: str
    ) -> None:
        assert problems_in(file, "", {variable: "5"}) == [problem]

    def test_all_problems_are_told_at_once(self, file: Path) -> None:
        text = "limits: {queue_size: x, nonsense: 1}\nserver: {port: -1}"
        found = problems_in(file, text, {"SALON_AUTH__SESSION_DAYS": "0"})
        for key in ("limits.queue_size", "limits.nonsense", "server.port", "auth.session_days"):
            assert sum(problem.startswith(f"{key}: ") for problem in found) == 1

    def test_a_file_that_is_not_there_is_named_by_whoever_named_it(self, tmp_path: Path) -> None:
        missing = tmp_path / "none.yaml"
        expected = f"{missing} cannot be read: No such file or directory"
        with pytest.raises(SettingsError, match=f"^--config: {expected}$"):
            load(missing, environment={})
        with pytest.raises(SettingsError, match=f"^SALON_CONFIG: {expected}$"):
            load(environment={"SALON_CONFIG": str(missing)})

    def test_a_file_that_is_no_text_is_refused(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(SettingsError, match="not UTF-8"):
            load(file, environment={})

    @in_a_folder
    @given(st.text(max_size=60), st.sampled_from(["{}", "limits: {}", "server:\n  port: {}"]))
    @example("2024-13-45", "{}")
    @example("\x00", "{}")
    @example("[[", "auth: {{static_tokens: {}}}")
    def test_whatever_a_file_holds_there_are_settings_or_lines_about_them(
        self, file: Path, text: str, frame: str
    ) -> None:
        file.write_text(frame.replace("{}", text), encoding="utf-8", errors="replace")
        problems: tuple[str, ...] = ("none",)
        try:
            load(file, environment={})
        except SettingsError as error:
            problems = error.problems
        assert problems
        assert all(len(problem.splitlines()) == 1 for problem in problems)


class TestProviders:
    FILE = """
auth:
  providers:
    google:
      issuer: https://accounts.google.com
      client_id: id-1
    our-own:
      issuer: https://id.example.org/realms/main
      client_id: id-2
      client_secret: from-the-file
      label: Our own
      scopes: [openid, email]
      admins: [ada]
      domains: ["@Example.org"]
"""

    def test_they_stand_in_a_file_and_say_as_little_as_they_need(self, file: Path) -> None:
        providers = settings_in(file, self.FILE).auth.providers
        assert list(providers) == ["google", "our-own"]
        google, own = providers.values()
        assert (google.issuer, google.client_id) == ("https://accounts.google.com", "id-1")
        assert google.client_secret is None
        assert google.scopes == ("openid", "profile", "email")
        assert (google.admins, google.domains) == ((), ())
        assert own.client_secret is not None
        assert own.client_secret.get_secret_value() == "from-the-file"
        assert (own.scopes, own.admins) == (("openid", "email"), ("ada",))
        assert own.domains == ("example.org",)

    def test_a_variable_of_its_own_gives_one_thing_such_as_the_secret(self, file: Path) -> None:
        environment = {
            "SALON_AUTH__PROVIDERS__OUR_OWN__CLIENT_SECRET": "[from the environment",
            "SALON_AUTH__PROVIDERS__GOOGLE__ADMINS": "1, boss@example.org",
            "SALON_AUTH__PROVIDERS__NEW__ISSUER": "http://localhost:9000",
            "SALON_AUTH__PROVIDERS__NEW__CLIENT_ID": "id-3",
        }
        providers = settings_in(file, self.FILE, environment).auth.providers
        secret = providers["our-own"].client_secret
        assert secret is not None
        assert secret.get_secret_value() == "[from the environment"
        assert providers["our-own"].label == "Our own"
        assert providers["google"].admins == ("1", "boss@example.org")
        assert providers["new"].issuer == "http://localhost:9000"

    def test_all_of_them_come_as_json_too_and_the_longer_name_wins(self, file: Path) -> None:
        environment = {
            "SALON_AUTH__PROVIDERS__ONE__CLIENT_ID": "longer",
            "SALON_AUTH__PROVIDERS": '{"one": {"issuer": "https://a.example", "client_id": "x"}}',
        }
        providers = settings_in(file, self.FILE, environment).auth.providers
        assert list(providers) == ["google", "our-own", "one"]
        assert providers["one"].client_id == "longer"

    def test_the_settings_in_force_are_shown_without_secrets_and_can_be_loaded(
        self, file: Path
    ) -> None:
        file.write_text(self.FILE)
        variable = "SALON_AUTH__PROVIDERS__GOOGLE__CLIENT_SECRET"
        result, places = load(file, environment={variable: "of-google"})
        shown = render(result, places)
        assert "from-the-file" not in shown
        assert "of-google" not in shown
        assert f"      issuer: https://accounts.google.com  # from {file}, line 5\n" in shown
        assert f"      # client_secret: ***  # from {variable}\n" in shown
        again = settings_in(file, shown).auth.providers
        for name, provider in result.auth.providers.items():
            assert again[name] == provider.model_copy(update={"client_secret": None})

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "x: {client_id: a}",
                "auth.providers.x.issuer: missing (from salon.yaml, line 3)",
            ),
            (
                "x: {issuer: 'http://id.example', client_id: a}",
                "auth.providers.x.issuer: 'http://id.example' given, allowed is https://HOST[/PATH],"
                " or http for this machine, as the provider writes it (from salon.yaml, line 3)",
            ),
            (
                "x: {issuer: 'https://a:b@id.example', client_id: a}",
                "auth.providers.x.issuer: 'https://a:b@id.example' given, allowed is"
                " https://HOST[/PATH], or http for this machine, as the provider writes it"
                " (from salon.yaml, line 3)",
            ),
            (
                "x: {issuer: 'https://a.example', client_id: ''}",
                "auth.providers.x.client_id: '' given, allowed is 1 to 500 visible"
                " characters (from salon.yaml, line 3)",
            ),
            (
                "x:\n      issuer: https://a.example\n      client_id: a\n      client_secret: 12345",
                "auth.providers.x.client_secret: *** given, allowed is text; put quotes around it"
                " (from salon.yaml, line 6)",
            ),
            (
                "x: {issuer: 'https://a.example', client_id: a, client_secret: ' '}",
                "auth.providers.x.client_secret: *** given, allowed is a secret, or no such key at all"
                " (from salon.yaml, line 3)",
            ),
            (
                "x: {issuer: 'https://a.example', client_id: a, secret: hidden}",
                "auth.providers.x.secret: no such key; there are kind, issuer, client_id, client_secret,"
                " label, scopes, admins, admin_claims and domains (from salon.yaml, line 3)",
            ),
            (
                "x: {issuer: 'https://a.example', client_id: a, scopes: [email]}",
                "auth.providers.x.scopes: ['email'] given, allowed is a list with openid in it"
                " (from salon.yaml, line 3)",
            ),
            (
                "X_1: {issuer: 'https://a.example', client_id: a}",
                "auth.providers.X_1.[key]: *** given, allowed is a name of 1 to 32 characters,"
                " each of a-z, 0-9 and - (from salon.yaml, line 3)",
            ),
            ("x: hidden", "auth.providers.x: *** given, allowed is keys with values"),
            ("x:", "auth.providers.x: *** given, allowed is keys with values"),
            ("x: {}", "auth.providers.x.issuer: missing (from salon.yaml, line 3)"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line_and_no_secret(
        self, file: Path, text: str, problem: str
    ) -> None:
        found = problems_in(file, f"auth:\n  providers:\n    {text}")
        assert found[0].startswith(problem)
        assert "hidden" not in "\n".join(found)

    def test_somebody_with_a_static_token_cannot_be_one_of_a_providers(self, file: Path) -> None:
        one = "{issuer: 'https://a.example', client_id: a}"
        tokens = "static_tokens: {t: {id: 'house:ada', name: Ada}}"
        [problem] = problems_in(file, f"auth: {{providers: {{house: {one}}}, {tokens}}}")
        assert problem == (
            "auth: allowed is ids in static_tokens that do not begin with house:,"
            " as the provider's people do"
        )
        settings_in(file, f"auth: {{providers: {{house-2: {one}}}, {tokens}}}")

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("https://Chat.Example.org/", "https://chat.example.org"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://chat.example.org/path", None),
            ("chat.example.org", None),
            ("*", None),
        ],
    )
    def test_the_public_address_is_an_origin(
        self, file: Path, given: str, kept: str | None
    ) -> None:
        environment = {"SALON_SERVER__PUBLIC_URL": given}
        if kept is not None:
            assert settings_in(file, "", environment).server.public_url == kept
        else:
            [problem] = problems_in(file, "", environment)
            assert problem.startswith(f"server.public_url: {given!r} given, allowed is SCHEME://")


class TestSecrets:
    @pytest.mark.parametrize(
        "frame",
        [
            "auth: {static_tokens: {%s: {id: 5, name: ''}}}",
            "auth: {static_tokens: {%s: {id: ada, nam: Ada, password: hidden}}}",
            "auth: {static_tokens: {%s: nobody}}",
            "auth: {static_tokens: {'%s with spaces': {id: ada, name: Ada}}}",
            "auth: {static_tokens: %s}",
            "auth: {static_tokens: [%s]}",
            "auth:\n  static_tokens:\n  %s: {id: ada, name: Ada}",
            "auth: %s",
        ],
    )
    def test_no_problem_shows_a_token(self, file: Path, frame: str) -> None:
        shown = "\n".join(problems_in(file, frame % TOKEN))
        assert shown
        assert TOKEN not in shown
        assert "hidden" not in shown

    def test_the_key_of_a_bad_identity_is_named(self, file: Path) -> None:
        text = f"auth:\n  static_tokens:\n    {TOKEN}: {{id: 'a b', nam: Ada}}"
        assert problems_in(file, text) == [
            "auth.static_tokens.***.id: *** given, allowed is 1 to 128 characters, all visible"
            " (from salon.yaml, line 2)",
            "auth.static_tokens.***.name: missing (from salon.yaml, line 2)",
            "auth.static_tokens.***.nam: no such key; there are id, name, admin and type"
            " (from salon.yaml, line 2)",
        ]

    def test_no_text_of_the_settings_shows_a_token(self, file: Path) -> None:
        text = f"auth:\n  static_tokens:\n    {TOKEN}: {{id: ada, name: Ada}}"
        result = settings_in(file, text)
        assert any(each.get_secret_value() == TOKEN for each in result.auth.static_tokens)
        for shown in (repr(result), str(result), result.model_dump_json(), render(result, {})):
            assert TOKEN not in shown
            assert "Ada" in shown

    def test_a_bad_token_is_not_shown_by_pydantic_either(self) -> None:
        bad: Any = {"static_tokens": {"t": {"id": TOKEN, "name": "Ada", "admin": TOKEN}}}
        with pytest.raises(ValidationError) as caught:
            AuthSettings.model_validate(bad)
        assert TOKEN not in str(caught.value)


counts = st.integers(0, 10**9)
sections = st.fixed_dictionaries(
    {},
    optional={
        "server": st.fixed_dictionaries(
            {},
            optional={
                "host": st.sampled_from(
                    ["::1", "fe80::1%eth0", "10.0.0.1", "1", "yes", "chat.example"]
                ),
                "port": st.integers(0, 65_535),
                "allowed_origins": st.lists(
                    st.sampled_from(["*", "https://a.example", "http://b:1"])
                ),
            },
        ),
        "store": st.fixed_dictionaries(
            {"url": st.just("memory:") | st.sampled_from(["sqlite:///a b", "sqlite:////ä#'\""])}
        ),
        "auth": st.fixed_dictionaries(
            {}, optional={"guests": st.booleans(), "key_file": st.none() | st.just("k: #")}
        ),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "queue_size": counts,
                "message_rate": counts | st.floats(0, 10**9),
                "heartbeat": counts | st.floats(0, 10**9),
            },
        ),
        "logging": st.fixed_dictionaries(
            {}, optional={"level": st.sampled_from(["debug", "info"])}
        ),
    },
)


class TestRender:
    @in_a_folder
    @given(sections)
    def test_what_is_shown_can_be_loaded_again(self, file: Path, given: dict[str, Any]) -> None:
        result = Settings.model_validate(given)
        file.write_text(render(result, {}), encoding="utf-8")
        assert load(file, environment={})[0] == result

    def test_agents_can_be_shown_and_taken_again(self, file: Path) -> None:
        given = {"id": "cook", "name": "Cook", "kind": "script", "answers": ["Yes: no", "- #"]}
        echo = {"id": "echo", "name": "Echo", "kind": "echo", "limits": {"runs": 1}}
        environment = {"SALON_AGENTS": json.dumps([given, echo])}
        result, places = load(environment=environment)
        assert [agent.id for agent in result.agents] == ["cook", "echo"]
        assert result.agents[0].answers == ("Yes: no", "- #")
        assert result.agents[1].limits.runs == 1
        shown = render(result, places)
        assert "agents:  # from SALON_AGENTS" in shown
        file.write_text(shown, encoding="utf-8")
        assert load(file, environment={})[0] == result

    def test_webhooks_can_be_shown_and_taken_again_without_their_secrets(self, file: Path) -> None:
        secret = "whsec_" + "A" * 32
        hidden = {"url": "https://b.example/in", "secret": f"{secret} {secret}"}
        given = {"url": "https://a.example/in", "secret_env": "HOOK", "events": ["message"]}
        result, places = load(environment={"SALON_WEBHOOKS": json.dumps([given, hidden])})
        shown = render(result, places)
        assert secret not in shown
        assert "# - {url: 'https://b.example/in', secret: '***'" in shown
        file.write_text(shown, encoding="utf-8")
        assert load(file, environment={})[0].webhooks == result.webhooks[:1]

    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"secret": "secret-text"}, "1 to 4 secrets"),
            ({}, "either secret or secret_env"),
            ({"secret_env": "HOOK", "url": "http://a.example"}, "allow_private"),
            ({"secret_env": "HOOK", "url": "https://u:p@a.example"}, "without a user"),
            ({"secret_env": "HOOK", "events": ["typing"]}, "types of events: "),
            ({"secret_env": "HOOK", "event": "*"}, "no such key; there are url, "),
        ],
    )
    def test_a_wrong_webhook_is_refused_and_shows_no_secret(
        self, wrong: dict[str, Any], word: str
    ) -> None:
        given = [{"url": "https://a.example/in", **wrong}]
        with pytest.raises(SettingsError) as caught:
            load(environment={"SALON_WEBHOOKS": json.dumps(given)})
        assert word in str(caught.value)
        assert "(from SALON_WEBHOOKS)" in str(caught.value)
        assert "secret-text" not in str(caught.value)

    def test_each_line_says_where_it_came_from(self) -> None:
        shown = render(Settings(), {"server.port": "SALON_PORT"}).splitlines()
        assert "  port: 8000  # from SALON_PORT" in shown
        assert "  host: 127.0.0.1  # default" in shown
        assert "  # TCP port; 0 picks a free one." in shown

    def test_it_is_yaml_with_every_setting(self) -> None:
        shown = yaml.safe_load(render(Settings(), {}))
        for name in LISTS:
            assert shown.pop(name) == []
        assert {(row.section, row.name) for row in rows()} == {
            (section, name) for section, names in shown.items() for name in names
        }
