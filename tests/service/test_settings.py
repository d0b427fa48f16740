"""Where settings come from, which one wins, and what is said of those that are wrong: the setting and the fix."""

from pathlib import Path

import pytest

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.assemble import assemble
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.serve import main
from genmb_voice_widget.service.settings import Settings, SettingsError
from genmb_voice_widget.service.settings.file import PREFIX, READERS, read_settings, variable_of
from genmb_voice_widget.service.settings.provider_kinds import KINDS, make_providers
from genmb_voice_widget.service.settings.told import ABOUT

CANARY = "canary-5b21"
KEY = f"{CANARY}-0123456789abcdef0123456789"
VOICE_LIVE = "https://a.services.ai.azure.com"
AN_AGENT = {"agent_name": "a", "agent_project_name": "p"}
APPS = {"GENMB_VOICE_ACCESS": "apps", "GENMB_VOICE_DATABASE": "voice.db"}


@pytest.fixture
def read(tmp_path):
    """Read settings from a file's text, an environment and a command line."""

    def read(text=None, environ=None, given=None):
        if text is None:
            return read_settings(None, environ or {}, given)
        path = tmp_path / "voice.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_settings(path, environ or {}, given)

    return read


def wrong(read, *sources):
    with pytest.raises(SettingsError) as error:
        read(*sources)
    assert CANARY not in str(error.value)
    assert error.value.__context__ is None or CANARY not in str(error.value.__context__)
    return error.value.sentences


def plain(settings):
    """The settings with their secrets shown."""

    def show(value):
        if isinstance(value, Secret):
            return value.reveal()
        return {name: show(each) for name, each in value.items()} if isinstance(value, dict) else value

    return {name: show(value) for name, value in vars(settings).items()}


def test_without_any_it_is_open_on_this_machine_alone_with_the_local_peer_and_in_memory(read):
    assert plain(read()) == {
        "host": "127.0.0.1",
        "port": 8000,
        "hosts": (),
        "origins": (),
        "access": "open",
        "database": None,
        "redis": None,
        "signing_key": None,
        "site_hook": None,
        "hand_out_secrets": False,
        "metrics_key": None,
        "drain_seconds": 8.0,
        "providers": {"local": {}},
    }


FILE = f"""
host = "0.0.0.0"
port = 9000
hosts = ["voice.example", "::1"]
access = "apps"
database = "postgresql://voice:{CANARY}@db.example/voice"
redis = "redis://:{CANARY}@redis.example:6379/0"
signing_key = "{KEY}"
site_hook = "shop.voice:who"
hand_out_secrets = true
metrics_key = "{CANARY}"
drain_seconds = 30

[providers.azure]
endpoint = "https://shop.openai.azure.com"
key = "{CANARY}"
deployment = "gpt-realtime"
transcription = "my-whisper"
event_filter = true

[providers.local]
"""
ENVIRON = {
    "GENMB_VOICE_HOST": "0.0.0.0",
    "GENMB_VOICE_PORT": "9000",
    "GENMB_VOICE_HOSTS": "voice.example, ::1,",
    "GENMB_VOICE_ACCESS": "apps",
    "GENMB_VOICE_DATABASE": f"postgresql://voice:{CANARY}@db.example/voice",
    "GENMB_VOICE_REDIS": f"redis://:{CANARY}@redis.example:6379/0",
    "GENMB_VOICE_SIGNING_KEY": KEY,
    "GENMB_VOICE_SITE_HOOK": "shop.voice:who",
    "GENMB_VOICE_HAND_OUT_SECRETS": "true",
    "GENMB_VOICE_METRICS_KEY": CANARY,
    "GENMB_VOICE_DRAIN_SECONDS": "30",
    "GENMB_VOICE_PROVIDERS": "azure, local",
    "GENMB_VOICE_AZURE_ENDPOINT": "https://shop.openai.azure.com",
    "GENMB_VOICE_AZURE_KEY": CANARY,
    "GENMB_VOICE_AZURE_DEPLOYMENT": "gpt-realtime",
    "GENMB_VOICE_AZURE_TRANSCRIPTION": "my-whisper",
    "GENMB_VOICE_AZURE_EVENT_FILTER": "true",
    "PATH": "/bin",
    "GENMB_VOICE_SCRIPT": "demo.toml",
    "GENMB_VOICE_HEADLESS": "1",
    "GENMB_VOICE_ENDPOINT": "https://voice.example",
    "GENMB_VOICE_KEY": CANARY,
}


def test_the_file_and_the_environment_can_each_say_everything_and_secrets_stay_covered(read):
    from_file, from_environ = read(FILE), read(None, ENVIRON)

    assert plain(from_file) == plain(from_environ)
    assert list(from_file.providers) == ["azure", "local"]
    assert plain(from_file)["hosts"] == ("voice.example", "[::1]")
    assert plain(from_file)["providers"]["azure"]["event_filter"] is True
    assert CANARY not in repr(from_file)
    secrets = ("database", "redis", "signing_key", "metrics_key")
    assert all(isinstance(getattr(from_file, name), Secret) for name in secrets)
    assert isinstance(from_file.providers["azure"]["key"], Secret)


def test_every_setting_can_be_read_from_the_file():
    assert {*READERS, "providers"} == {*Settings.__dataclass_fields__}


def test_the_help_of_the_program_names_every_setting_and_option_with_its_variable(capsys):
    assert {*ABOUT} == {*Settings.__dataclass_fields__}
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    said = capsys.readouterr().out
    words = said.split()
    assert done.value.code == 0
    for name, about in ABOUT.items():
        assert about in said
        assert {name, f"GENMB_VOICE_{name.upper()}"} <= {*words}
    options = {variable_of(kind, name) for kind, of in KINDS.items() for name in of.options}
    assert options <= {*words}


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(read):
    environ = {"GENMB_VOICE_PORT": "9001", "GENMB_VOICE_AZURE_DEPLOYMENT": "other"}
    settings = read(FILE, environ)
    assert (settings.port, settings.providers["azure"]["deployment"]) == (9001, "other")
    assert read(FILE, environ, {"port": 9002}).port == 9002
    assert list(read(FILE, {"GENMB_VOICE_PROVIDERS": "local"}).providers) == ["local"]
    assert list(read(FILE, {}, {"providers": ["local"]}).providers) == ["local"]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (('prot = 1',), "There is no setting prot: did you mean port?"),
        (('signing-key = "x"',), "There is no setting signing-key: did you mean signing_key?"),
        ((None, {"GENMB_VOICE_PROT": "1"}), "There is no variable GENMB_VOICE_PROT: did you mean GENMB_VOICE_PORT?"),
        ((None, {"GENMB_VOICE_REDIS_URL": CANARY}), "GENMB_VOICE_REDIS_URL: did you mean GENMB_VOICE_REDIS?"),
        (("[providers.azur]",), "There is no voice service azur: did you mean azure?"),
        ((None, {"GENMB_VOICE_PROVIDERS": "opnai"}), "There is no voice service opnai: did you mean openai?"),
        (("[providers.azure]\nkye = 1",), "There is no option of azure kye: did you mean key?"),
        (("zzz = 1",), "There is no setting zzz: there are: host, port,"),
        (("[providers.local]\nx = 1",), "There is no option of local x: there are: none."),
        ((f'"{CANARY} = 1" = 1'.replace(CANARY, "a b"),), "There is no setting with that name"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_known_is_wrong_and_the_nearest_one_is_named(read, sources, said):
    [sentence] = wrong(read, *sources)

    assert said in sentence


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("port", [-1, 65536, 1.5, True, "80x", "", "٣"], "a whole number from 0 to 65535"),
        ("host", ["", "a b", "https://a", 7, "a/b"], "must be"),
        ("hosts", [7, ["a:80"], [7], ["https://a"], "*"], "must be"),
        ("origins", ["*", ["null"], ["https://A.example"], ["https://a.example/"], ["https://a.example:443"], [7]], "must be an origin such as https://app.example"),
        ("access", ["public", "", 7, "Open", ["open"]], 'must be "open" or "apps"'),
        ("database", ["", 7, f"mysql://{CANARY}@x", f"sqlite:///{CANARY}"], "must be"),
        ("redis", ["", 7, f"http://{CANARY}", f"{CANARY}:6379"], "must be"),
        ("signing_key", ["", 7, CANARY, " " * 40, f"{CANARY} {CANARY} {CANARY}", "x" * 31, "é" * 40], "at least 32 characters"),
        ("metrics_key", ["", 7, f"{CANARY} x", f"{CANARY}\n"], "must be a key"),
        ("hand_out_secrets", ["", 7, "yes", 1, "True"], "must be true or false"),
        ("site_hook", ["", 7, "module", "module:", ":who", "a b:c", "os:system()", "../x:y"], "as module:function"),
        ("drain_seconds", [0, 3, 301, -1, "x", True, "nan", "inf", "1e3"], "a number from 4 to 300"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_told_by_its_name_and_what_it_must_be_and_never_by_itself(
    read, name, values, said
):
    import json

    for value in values:
        [sentence] = wrong(read, f"{name} = {json.dumps(value)}")
        assert sentence.startswith(f"The setting {name} must ")
        assert said in sentence
        if isinstance(value, str):
            assert any(f"{PREFIX}{name.upper()} must " in each for each in wrong(read, None, {f"{PREFIX}{name.upper()}": value}))  # fmt: skip


def test_everything_that_is_wrong_is_told_at_once(read):
    text = 'port = "x"\nprot = 1\naccess = 7\n[providers.azure]\nkey = " "\n[providers.nobody]'

    assert len(wrong(read, text, {"GENMB_VOICE_HOST": "a b"})) == 6


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "host must be an address of this machine alone"),
        ({"host": "192.168.1.5"}, "host must be an address of this machine alone"),
        ({"host": "[::]"}, "host must be an address of this machine alone"),
        ({"host": "voice.example"}, "host must be an address of this machine alone"),
        ({"database": Secret(CANARY)}, 'The setting database is for access = "apps"'),
        ({"redis": Secret(CANARY)}, 'The setting redis is for access = "apps"'),
        ({"signing_key": Secret(CANARY)}, 'The setting signing_key is for access = "apps"'),
        ({"hand_out_secrets": False}, 'The setting hand_out_secrets is for access = "apps"'),
        ({"access": "apps"}, 'access = "apps" needs a database'),
        (
            {"access": "apps", "database": Secret(CANARY), "origins": ("https://a.example",)},
            "genmb-voice app change",
        ),
    ],
)
def test_what_goes_well_alone_and_not_together_is_told(read, settings, said):
    [sentence] = wrong(read, None, {}, settings)

    assert said in sentence


def test_a_variable_of_a_service_that_was_not_chosen_is_told(read):
    [sentence] = wrong(read, None, {"GENMB_VOICE_AZURE_KEY": CANARY})

    assert "azure is not among the providers" in sentence
    assert "GENMB_VOICE_PROVIDERS" in sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'key = "{CANARY}', "is not TOML (end of document)"),
        (f"x = 1\nkey = {CANARY}", "is not TOML (line 2, column"),
        (f"{CANARY}", "is not TOML"),
        (f'signing_key = "{CANARY}"\nsigning_key = "{CANARY}"', "is not TOML"),
        (b'key = "\xff"', "is not UTF-8 text"),
        (f'providers = ["{CANARY}"]', "must have a table for each service"),
        (f'[providers]\nlocal = "{CANARY}"', "must have a table for each service"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told_by_the_place_and_not_by_what_is_there(read, text, said):
    assert any(said in sentence for sentence in wrong(read, text))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"voice\.toml cannot be read: No such file"):
        read_settings(tmp_path / "voice.toml", {})
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path, {})


# Options of the services


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("azure", {"key": Secret(CANARY)}, "The voice service azure: needs an endpoint"),
        ("azure", {"endpoint": "https://a.openai.azure.com"}, "needs either a key, or entra = true"),
        ("voice-live", {"key": Secret(CANARY)}, "needs an endpoint"),
        ("voice-live", {"endpoint": VOICE_LIVE}, "needs either a key, or entra = true"),
        ("voice-live", {"endpoint": VOICE_LIVE, "entra": True, "agent_name": "a"}, "agent_project_name"),
        ("voice-live", {"endpoint": VOICE_LIVE, "entra": True, "agent_version": "1"}, "agent_project_name"),
        ("voice-live", {"endpoint": VOICE_LIVE, "key": Secret(CANARY)} | AN_AGENT, "by Entra alone"),
        ("voice-live", {"endpoint": VOICE_LIVE, "entra": True, "model": "m"} | AN_AGENT, "a model or an agent"),
        ("voice-live", {"endpoint": VOICE_LIVE, "key": Secret(CANARY), "api_version": "1"}, "API version"),
        ("voice-live", {"endpoint": "https://a.example", "key": Secret(CANARY)}, "the resource's address alone"),
        ("azure", {"endpoint": "https://a.openai.azure.com", "key": Secret(CANARY), "entra": True}, "needs either"),
        ("azure", {"endpoint": f"https://{CANARY}.evil.example", "key": Secret(CANARY)}, "The voice service azure: An Azure endpoint"),
        ("openai", {}, "The voice service openai: needs a key"),
        ("openai-compatible", {}, "The voice service openai-compatible: needs a base_url"),
        ("openai-compatible", {"base_url": f"http://{CANARY}.example/v1"}, "begins with https://"),
        ("openai", {"key": Secret(CANARY), "safety_identifier": f"{CANARY} {CANARY}"}, "The voice service openai: A safety"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_told_when_the_service_is_made(kind, options, said):
    with pytest.raises(SettingsError) as error:
        make_providers({kind: options})

    assert said in str(error.value)
    assert CANARY not in str(error.value)


def test_services_over_the_network_share_their_connections():
    made = make_providers(
        {
            "openai": {"key": Secret(CANARY)},
            "azure": {"endpoint": "https://a.openai.azure.com", "key": Secret(CANARY)},
            "openai-compatible": {"base_url": "https://models.example/v1"},
            "voice-live": {"endpoint": VOICE_LIVE, "key": Secret(CANARY)},
            "local": {},
        }
    )

    assert list(made)[:3] == ["openai", "azure", "openai-compatible"]
    *others, _ = made.values()
    assert len({id(provider._upstream) for provider in others}) == 1
    assert set(made) == set(KINDS)


# The owner's function


def apps(tmp_path, **others):
    database = Secret(str(tmp_path / "voice.db"))
    return Settings(access="apps", database=database, **others)


def test_the_owners_function_is_found_beside_where_the_program_was_started(tmp_path, monkeypatch):
    (tmp_path / "shop_site_a.py").write_text("def who(headers, cookies): return 'shop'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path])

    assert assemble(apps(tmp_path, site_hook="shop_site_a:who"), Drain()).state.access.cookies
    assert not assemble(apps(tmp_path), Drain()).state.access.cookies


@pytest.mark.parametrize(
    ("code", "hook", "said"),
    [
        ("", "shop_site_b:who", "shop_site_b has no function who"),
        ("who = 7", "shop_site_c:who", "shop_site_c has no function who"),
        (f"raise ValueError('{CANARY}')", "shop_site_d:who", "shop_site_d fails with ValueError"),
        (None, "shop_site_e:who", "shop_site_e fails with ModuleNotFoundError"),
    ],
)
def test_an_owners_function_that_cannot_be_had_is_told_at_the_start(tmp_path, monkeypatch, code, hook, said):
    if code is not None:
        (tmp_path / f"{hook.partition(':')[0]}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with pytest.raises(SettingsError, match=said) as error:
        assemble(apps(tmp_path, site_hook=hook), Drain())

    assert CANARY not in str(error.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_database_for_several_nodes_without_a_window_for_several_is_refused(scheme):
    address = Secret(f"{scheme}://voice:{CANARY}@127.0.0.1:1/voice")
    with pytest.raises(SettingsError, match="needs redis too, or GENMB_VOICE_REDIS") as error:
        assemble(Settings(access="apps", database=address), Drain())
    assert CANARY not in str(error.value)
    assemble(Settings(access="apps", database=address, redis=Secret("redis://127.0.0.1:1/0")), Drain())


@pytest.mark.parametrize("address", ["redis://:{}@127.0.0.1:x/0", "redis://:{}@[::1/0", "unix://?db={}"])
def test_an_address_of_redis_that_cannot_be_is_a_sentence_without_its_password(tmp_path, address):
    with pytest.raises(SettingsError, match=r"The setting redis: The Redis URL is not understood\.") as error:
        assemble(apps(tmp_path, redis=Secret(address.format(CANARY))), Drain())
    assert CANARY not in str(error.value)


def test_a_window_in_memory_is_told_at_the_start_once_and_only_where_apps_have_limits(tmp_path, caplog):
    assemble(Settings(), Drain())
    assemble(apps(tmp_path, redis=Secret("redis://127.0.0.1:1/0")), Drain())
    assert not caplog.records
    assemble(apps(tmp_path), Drain())
    [record] = caplog.records
    assert "counted in memory" in record.getMessage()
    assert "redis" in record.getMessage()


@pytest.mark.parametrize("missing", ["redis", "psycopg", "prometheus_client", "jwt"])
def test_what_is_not_installed_is_told_with_what_to_install(tmp_path, monkeypatch, missing):
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("window.redis", "database.postgres", "metrics"):
        monkeypatch.delitem(sys.modules, f"genmb_voice_widget.service.{name}", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    settings = {
        "redis": apps(tmp_path, redis=Secret("redis://127.0.0.1:1/0")),
        "psycopg": Settings(access="apps", database=Secret("postgresql://127.0.0.1:1/x")),
        "prometheus_client": apps(tmp_path, metrics_key=Secret(CANARY)),
        "jwt": apps(tmp_path, signing_key=Secret(KEY)),
    }
    with pytest.raises(SettingsError, match=r"pip install 'genmb-voice-widget\[service\]'"):
        assemble(settings[missing], Drain())


def test_the_settings_file_is_shown_by_its_path_only(read, tmp_path):
    with pytest.raises(SettingsError) as error:
        read_settings(Path(tmp_path / "x"), {"GENMB_VOICE_SIGNING_KEY": CANARY})

    assert CANARY not in repr(error.value)
