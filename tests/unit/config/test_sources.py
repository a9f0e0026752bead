"""Where settings come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpost_server.config.faults import ConfigError
from twinpost_server.config.settings import Settings
from twinpost_server.config.sources import FLAGS, load

NEEDED = {"TWINPOST_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9092", "TWINPOST_AUTH__MODE": "none"}


def faults(
    file: Path | None = None, environment: Mapping[str, str] = NEEDED, flags: Mapping[str, object] | None = None
) -> list[str]:
    """Return what is wrong; paths of the file's directory are left out."""
    with pytest.raises(ConfigError) as refusal:
        load(file, environment, flags or {})
    directory = "" if file is None else f"{file.parent}{os.sep}"
    return [str(fault).replace(directory, "") if directory else str(fault) for fault in refusal.value.faults]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration file will be."""
    return tmp_path / "twinpost.toml"


class TestMerge:
    """What wins."""

    def test_environment_wins_over_file_and_flags_over_both(self, file: Path) -> None:
        """Each source may leave the others as they are."""
        file.write_text("[listen]\nport = 1\nhost = '127.0.0.2'\n[workers]\ncount = 4\n")
        environment = NEEDED | {"TWINPOST_LISTEN__PORT": "2", "TWINPOST_LISTEN__HOST": "127.0.0.3"}
        settings = load(file, environment, {"--port": "3"})
        assert (3, "127.0.0.3", 4) == (settings.listen.port, settings.listen.host, settings.workers.count)

    def test_no_file_is_needed(self) -> None:
        """Containers are often configured by the environment alone."""
        assert Settings.model_validate(
            {"kafka": {"bootstrap_servers": "127.0.0.1:9092"}, "auth": {"mode": "none"}}
        ) == load(None, NEEDED, {})

    def test_flag_that_was_not_given_changes_nothing(self) -> None:
        """Every flag has a setting, and `None` leaves it alone."""
        assert load(None, NEEDED, {}) == load(None, NEEDED, dict.fromkeys(FLAGS))

    def test_flag_may_be_no_text(self) -> None:
        """A switch comes as a boolean."""
        assert not load(None, NEEDED, {"--envoy": False}).envoy.enabled

    def test_bad_value_that_is_overridden_does_no_harm(self, file: Path) -> None:
        """What counts is what is in effect."""
        file.write_text("[listen]\nport = 'x'\n")
        assert 2 == load(file, NEEDED | {"TWINPOST_LISTEN__PORT": "2"}, {}).listen.port

    def test_variables_of_others_are_left_alone(self) -> None:
        """Only names that begin with TWINPOST_ are read."""
        load(None, NEEDED | {"LISTEN__PORT": "x", "twinpost_listen__prot": "x", "MY_TWINPOST_X": "x"}, {})


class TestEnvironment:
    """How variables are read."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("https://a.example", ("https://a.example",)),
            ("https://a.example, https://b.example,", ("https://a.example", "https://b.example")),
            ('["https://a.example", "https://b.example"]', ("https://a.example", "https://b.example")),
            ("*", ("*",)),
            ("", ()),
            ("[]", ()),
        ],
    )
    def test_list_is_comma_separated_or_json(self, text: str, expected: tuple[str, ...]) -> None:
        """Both are easy to write in a manifest."""
        assert expected == load(None, NEEDED | {"TWINPOST_REST__CORS_ORIGINS": text}, {}).rest.cors_origins

    @pytest.mark.parametrize(("text", "expected"), [("true", True), ("0", False), ("off", False), ("YES", True)])
    def test_switch_is_read_in_every_usual_spelling(self, text: str, expected: bool) -> None:  # noqa: FBT001
        """As elsewhere in environments."""
        assert expected == load(None, NEEDED | {"TWINPOST_GRPC__REFLECTION": text}, {}).grpc.reflection

    def test_sections_nest(self, tmp_path: Path) -> None:
        """Two underscores stand between section, section and name."""
        for name in ("cert", "key"):
            (tmp_path / name).touch()
        tls = {f"TWINPOST_LISTEN__TLS__{name.upper()}_FILE": str(tmp_path / name) for name in ("cert", "key")}
        assert tmp_path / "cert" == load(None, NEEDED | tls, {}).listen.tls.cert_file

    def test_empty_variable_clears_an_optional_setting(self, file: Path) -> None:
        """A container can do without what the file has."""
        file.write_text("[auth]\nusers_file = 'users.toml'\n")
        assert load(file, NEEDED | {"TWINPOST_AUTH__USERS_FILE": ""}, {}).auth.users_file is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TWINPOST_SERVICE_HOST", "10.96.0.12"),
            ("TWINPOST_SERVICE_PORT", "8080"),
            ("TWINPOST_SERVICE_PORT_HTTP", "8080"),
            ("TWINPOST_PORT", "tcp://10.96.0.12:8080"),
            ("TWINPOST_PORT_8080_TCP", "tcp://10.96.0.12:8080"),
            ("TWINPOST_PORT_8080_TCP_PROTO", "tcp"),
            ("TWINPOST_PORT_8080_TCP_PORT", "8080"),
            ("TWINPOST_PORT_8080_TCP_ADDR", "10.96.0.12"),
            ("TWINPOST_ADMIN_SERVICE_HOST", "10.96.0.13"),
            ("TWINPOST_ADMIN_PORT", "udp://10.96.0.13:53"),
        ],
    )
    def test_what_kubernetes_sets_beside_a_service_is_no_setting(self, name: str, value: str) -> None:
        """A Service named `twinpost` does not keep the gateway behind it from starting."""
        load(None, NEEDED | {name: value}, {})

    @pytest.mark.parametrize("name", ["TWINPOST_URL", "TWINPOST_USER", "TWINPOST_PASSWORD"])
    def test_what_the_command_for_callers_reads_is_no_setting(self, name: str) -> None:
        """`twinpost produce` and a gateway may be started from one shell."""
        load(None, NEEDED | {name: "x"}, {})


class TestPaths:
    """What paths are relative to."""

    def test_path_in_the_file_is_relative_to_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Wherever the command is run, and however the file is named."""
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "users.toml").touch()
        (tmp_path / "etc" / "twinpost.toml").write_text("[auth]\nmode = 'basic'\nusers_file = 'users.toml'\n")
        monkeypatch.chdir(tmp_path)
        settings = load(Path("etc/twinpost.toml"), {"TWINPOST_KAFKA__BOOTSTRAP_SERVERS": "x"}, {})
        assert tmp_path / "etc" / "users.toml" == settings.auth.users_file

    def test_other_paths_are_relative_to_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in every shell; and they are absolute from then on."""
        (tmp_path / "users.toml").touch()
        monkeypatch.chdir(tmp_path)
        environment = {"TWINPOST_KAFKA__BOOTSTRAP_SERVERS": "x", "TWINPOST_RUN_DIR": "run"}
        settings = load(None, environment, {"--users-file": "users.toml"})
        assert (tmp_path / "users.toml", tmp_path / "run") == (settings.auth.users_file, settings.run_dir)


class TestFaults:
    """What is reported."""

    def test_every_fault_of_every_source_is_in_one_report(self, file: Path) -> None:
        """Nobody has to start again and again to learn what is wrong."""
        file.write_text("""
            runn_dir = "x"
            listen = {port = 99999, prot = 4, host = true}
            [lissten]
            x = 1
            [kafka]
            sasl_password = "hunter2"
            linger_ms = true
            [limits]
            record_bytes_max = 20_000_000
            [rest]
            cors_origins = ["a", 3, 4]
        """)
        environment = {
            "TWINPOST_PORT": "9000",
            "TWINPOST_LISTEN": "3",
            "TWINPOST_WORKERS__COUNT": "two",
            "TWINPOST_REST__CORS": "x",
            "TWINPOST_REST__UNKNOWN_FIELDS": "drop",
        }
        assert [
            "twinpost.toml: runn_dir: there is no such setting; did you mean run_dir?",
            "twinpost.toml: listen.prot: there is no such setting; did you mean listen.port?",
            "twinpost.toml: lissten: there is no such setting; did you mean listen?",
            "twinpost.toml: kafka.sasl_password: there is no such setting; did you mean kafka.sasl_password_file?",
            "twinpost.toml: kafka.linger_ms: true is not accepted: expected a number, at least 0, at most 1000",
            "environment TWINPOST_LISTEN: this is a section: expected one of its settings (host, port, tls)",
            "environment TWINPOST_PORT: there is no such setting; did you mean TWINPOST_LISTEN__PORT?",
            "environment TWINPOST_REST__CORS: there is no such setting; did you mean TWINPOST_REST__CORS_ORIGINS?",
            "twinpost.toml: listen.host: true is not accepted: expected text, not empty",
            "twinpost.toml: listen.port: 99999 is not accepted: expected a whole number, at least 1, at most 65535",
            (
                "kafka.bootstrap_servers: missing: give kafka.bootstrap_servers in the file, "
                "TWINPOST_KAFKA__BOOTSTRAP_SERVERS in the environment or the flag --kafka"
            ),
            (
                "auth: no credentials are configured: set auth.users_file (make one with `twinpost user add`), "
                'or write auth.mode = "none" to let everyone write'
            ),
            (
                "limits: record_bytes_max (20000000) is above body_bytes_max (16777216): "
                "such a record could never arrive"
            ),
            "environment TWINPOST_REST__UNKNOWN_FIELDS: 'drop' is not accepted: expected one of 'refuse', 'ignore'",
            (
                'twinpost.toml: rest.cors_origins: ["a", 3, 4] is not accepted: '
                "expected a list of text (outside the file: a,b or a JSON array)"
            ),
            (
                "environment TWINPOST_WORKERS__COUNT: 'two' is not accepted: expected a whole number, at least 1, "
                "at most 256"
            ),
            "flag --log-level: 'loud' is not accepted: expected one of 'debug', 'info', 'warning', 'error'",
        ] == faults(file, environment, {"--log-level": "loud", "--port": None})

    @pytest.mark.parametrize("setting", ["run_dir", "envoy.binary"])
    def test_empty_path_in_the_file_is_not_accepted(self, file: Path, setting: str) -> None:
        """It would name the directory of the file, with all that is in it."""
        file.write_text(f'{setting} = ""\n')
        assert [
            f"twinpost.toml: {setting}: '' is not accepted: expected a path; leave the setting out for none"
        ] == faults(file)

    def test_rule_of_a_setting_says_what_to_do(self) -> None:
        """In its own words, with the place that the value comes from."""
        problem = "'localhost' is not an IP address, and Envoy listens on nothing else: for localhost write 127.0.0.1"
        assert [f"flag --host: {problem}"] == faults(None, NEEDED, {"--host": "localhost"})

    def test_value_in_the_place_of_a_section_is_said_to_be_one(self, file: Path) -> None:
        """With what the section has."""
        file.write_text("grpc = true\n")
        assert ["twinpost.toml: grpc: this is a section: expected one of its settings (reflection)"] == faults(file)

    def test_section_in_the_place_of_a_value_is_not_accepted(self, file: Path) -> None:
        """The setting is named, and what it takes."""
        file.write_text("[grpc.reflection]\nx = 1\n")
        assert [
            'twinpost.toml: grpc.reflection: {"x": 1} is not accepted: expected true or false',
        ] == faults(file)

    def test_rule_over_several_sections_is_reported(self) -> None:
        """Once each of them is right by itself."""
        environment = NEEDED | {"TWINPOST_KAFKA__LINGER_MS": "1000", "TWINPOST_TIMEOUTS__REQUEST_TIMEOUT_S": "1"}
        (fault,) = faults(None, environment)
        assert fault.startswith(
            "settings: kafka.linger_ms (1000), five times as long under heavy load, is half of timeouts"
        )

    def test_name_like_no_other_is_still_a_fault(self) -> None:
        """Without a guess."""
        assert [
            (
                "environment TWINPOST_QQQ: there is no such setting: "
                "remove it; `twinpost check-config` lists what there is"
            ),
        ] == faults(None, NEEDED | {"TWINPOST_QQQ": "1"})

    def test_list_that_is_no_json_is_not_accepted(self) -> None:
        """An opening bracket promises JSON."""
        (fault,) = faults(None, NEEDED | {"TWINPOST_REST__CORS_ORIGINS": "[a"})
        assert fault.startswith(
            "environment TWINPOST_REST__CORS_ORIGINS: '[a' is not accepted: expected a list of text"
        )

    def test_place_of_a_syntax_error_is_named(self, file: Path) -> None:
        """Line and column; what may stand in the file is not reported as missing, what stands elsewhere is checked."""
        file.write_text("[kafka]\nbootstrap_servers = a:1\n")
        assert [
            "twinpost.toml: is not TOML: Invalid value (at line 2, column 21)",
            "flag --port: 'x' is not accepted: expected a whole number, at least 1, at most 65535",
        ] == faults(file, {}, {"--port": "x"})

    @pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000], ids=["long", "deep"])
    def test_file_that_python_cannot_read_is_a_fault(self, file: Path, value: str) -> None:
        """TOML has no bounds for numbers and nesting; its reader has."""
        file.write_text(f"x = {value}")
        problem = "has a number that is too long, or is nested too deep, to be read"
        assert [f"twinpost.toml: {problem}"] == faults(file, {})

    @pytest.mark.parametrize("value", [f"1{'0' * 400}", f"0x{'f' * 5000}"], ids=["1e400", "hexadecimal"])
    @pytest.mark.parametrize(
        "setting", ["listen.port", "kafka.linger_ms", "limits.connections_max", "workers.restart_limit"]
    )
    def test_huge_number_is_a_fault(self, file: Path, setting: str, value: str) -> None:
        """No float can hold it, or no Python print it."""
        section, name = setting.split(".")
        file.write_text(f"[{section}]\n{name} = {value}\n")
        (fault,) = faults(file, NEEDED)
        assert fault.startswith(f"twinpost.toml: {setting}: ")
        assert " is not accepted: expected a" in fault

    def test_list_nested_too_deep_is_not_accepted(self) -> None:
        """JSON's reader has a bound as well."""
        (fault,) = faults(None, NEEDED | {"TWINPOST_REST__CORS_ORIGINS": "[" * 100_000})
        assert "is not accepted: expected a list of text" in fault

    def test_missing_file_is_a_fault(self, file: Path) -> None:
        """One, not a dozen of missing settings."""
        expected = "cannot be read: No such file or directory; give the path of a TOML file that this user may read"
        assert [f"twinpost.toml: {expected}"] == faults(file, {})

    def test_directory_is_no_file(self, tmp_path: Path) -> None:
        """A mount that went wrong often makes one."""
        (fault,) = faults(tmp_path, {})
        assert "cannot be read: Is a directory" in fault

    def test_file_that_is_not_utf_8_is_a_fault(self, file: Path) -> None:
        """TOML is UTF-8."""
        file.write_bytes(b"# \xff")
        assert ["twinpost.toml: is not UTF-8 at byte 2: expected a TOML file"] == faults(file, {})


class TestFiles:
    """Files that settings name."""

    def test_every_missing_file_is_reported(self, file: Path) -> None:
        """A gateway does not start and then find out."""
        file.write_text("""
            [listen.tls]
            cert_file = "tls.crt"
            key_file = "tls.key"
            [kafka]
            bootstrap_servers = "x"
            security_protocol = "SASL_SSL"
            sasl_mechanism = "PLAIN"
            sasl_username = "x"
            sasl_password_file = "password"
            ssl_ca_file = "ca.pem"
            [auth]
            users_file = "users.toml"
            [envoy]
            binary = "envoy"
        """)
        problem = "does not exist: make it, or mend the path"
        assert [
            f"twinpost.toml: listen.tls.cert_file: 'tls.crt' {problem}",
            f"twinpost.toml: listen.tls.key_file: the file it names {problem}",
            f"twinpost.toml: kafka.sasl_password_file: the file it names {problem}",
            f"twinpost.toml: kafka.ssl_ca_file: 'ca.pem' {problem}",
            f"twinpost.toml: auth.users_file: 'users.toml' {problem}",
            f"twinpost.toml: envoy.binary: 'envoy' {problem}",
        ] == faults(file, {})

    def test_directory_is_not_accepted_as_a_file(self, tmp_path: Path) -> None:
        """The path exists and is of no use all the same."""
        (fault,) = faults(None, NEEDED, {"--run-dir": "x", "--users-file": str(tmp_path), "--auth-mode": "basic"})
        assert f"flag --users-file: '{tmp_path}' is not a file: expected the path of one" == fault

    def test_run_directory_need_not_exist(self, tmp_path: Path) -> None:
        """It is made at the start."""
        assert tmp_path / "x" == load(None, NEEDED, {"--run-dir": str(tmp_path / "x")}).run_dir

    def test_envoy_must_be_executable(self, tmp_path: Path) -> None:
        """A file that cannot be run is no Envoy."""
        envoy = tmp_path / "envoy"
        envoy.touch(0o644)
        (fault,) = faults(None, NEEDED | {"TWINPOST_ENVOY__BINARY": str(envoy)})
        assert fault.endswith("may not be run by this user: mend its permissions")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_file_must_be_readable(self, tmp_path: Path) -> None:
        """By the user that runs the gateway."""
        ca = tmp_path / "ca.pem"
        ca.touch(0o000)
        (fault,) = faults(None, NEEDED | {"TWINPOST_KAFKA__SSL_CA_FILE": str(ca)})
        assert fault.endswith("may not be read by this user: mend its permissions")

    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("x" * 5000, "cannot be looked at: File name too long"),
            ("x\0y", "cannot be looked at: embedded null byte"),
            ("/dev/null/x", "does not exist: make it, or mend the path"),
            ("/dev/null", "is not a file: expected the path of one"),
        ],
    )
    def test_path_that_leads_to_no_file_is_a_fault(self, path: str, problem: str) -> None:
        """Not a traceback."""
        (fault,) = faults(None, NEEDED | {"TWINPOST_KAFKA__SSL_CA_FILE": path})
        assert fault.endswith(problem)


class TestSecrets:
    """What a report must not show."""

    @pytest.mark.parametrize(
        "name",
        [
            "TWINPOST_KAFKA__SASL_PASSWORD",
            "TWINPOST_KAFKA__SASL_PASSWORD_FILE",
            "TWINPOST_LISTEN__TLS__KEY_FILE",
            "TWINPOST_GATEWAY_PASSWORD",
        ],
    )
    def test_secret_in_the_wrong_place_is_not_shown(self, name: str) -> None:
        """The password itself where its file was asked for, or under a name that does not exist."""
        assert "hunter2" not in "".join(faults(None, NEEDED | {name: "hunter2"}))

    def test_secret_of_the_wrong_type_is_not_shown(self, file: Path) -> None:
        """A number may be a password too."""
        file.write_text("[kafka]\nsasl_password_file = 4711\n")
        (fault,) = faults(file)
        assert "twinpost.toml: kafka.sasl_password_file: this value is not accepted: expected a path" == fault


VARIABLES = st.dictionaries(
    st.sampled_from(["LISTEN__PORT", "LISTEN", "REST__CORS_ORIGINS", "AUTH__USERS_FILE", "LOG__LEVEL", "_", "A__B__C"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)


@given(VARIABLES)
def test_no_environment_raises_anything_but_faults(variables: dict[str, str]) -> None:
    """Whatever stands in the variables is a setting or a fault."""
    environment = NEEDED | {f"TWINPOST_{name}": value for name, value in variables.items()}
    try:
        load(None, environment, {})
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - either outcome is right
