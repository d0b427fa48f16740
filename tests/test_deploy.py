"""What is in deploy/, as far as it can be checked without a container runtime: it fits the program and itself."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from genmb_voice_widget import cli
from genmb_voice_widget.service import serve
from genmb_voice_widget.service.settings import MAX_BODY
from genmb_voice_widget.service.settings.file import READERS, read_settings
from genmb_voice_widget.service.settings.provider_kinds import KINDS

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TOML = DEPLOY / "voice.toml"
SECRETS = {
    "POSTGRES_PASSWORD": "canary-a",
    "SIGNING_KEY": "canary-signing-key-0123456789abcdef",
    "METRICS_KEY": "canary-b",
    "OPENAI_KEY": "canary-c",
}
COMMAND = "import sys; from genmb_voice_widget.cli import main; sys.exit(main(sys.argv[1:]))"


def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, in order."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)]


def step(word: str) -> str:
    """The last one of a kind: the one that counts."""
    return [rest for found, rest in steps() if found == word][-1]


def environment() -> dict[str, str]:
    """What the image sets, of the program's own."""
    pairs = dict(pair.split("=", 1) for pair in shlex.split(step("ENV")))
    return {name: value for name, value in pairs.items() if name.startswith("GENMB_VOICE_")}


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def filled_in(value: str) -> str:
    """What compose makes of a value, with the secrets in its environment."""
    return re.sub(r"\$\{(\w+)(?::\?|:-\w+)\}", lambda found: SECRETS[found[1]], value)


def test_the_image_is_made_of_files_that_exist_and_of_nothing_else():
    copies = [rest.split() for word, rest in steps() if word == "COPY"]
    sources = {source for *given, _ in copies for source in given if not given[0].startswith("--from")}
    assert {PROJECT["readme"], *PROJECT["license-files"]} < sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    everything, *kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert everything == "*"
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == sources


def test_what_is_installed_and_run_is_what_the_project_offers():
    [extras] = re.findall(r'"\.\[([\w,]+)\]"', " ".join(rest for word, rest in steps() if word == "RUN"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert json.loads(step("ENTRYPOINT"))[0] in PROJECT["scripts"]
    assert json.loads(step("CMD"))[0] in cli.PROGRAMS
    versions = {tuple(map(int, re.findall(r"\d+", rest)[:2])) for word, rest in steps() if word == "FROM"}
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    assert len(versions) == 1
    assert versions.pop() >= oldest


def test_the_image_has_no_secret_and_its_program_is_not_root():
    assert step("USER") not in ("root", "0")
    assert "ARG" not in [word for word, _ in steps()]
    assert [name for name in environment() if re.search("KEY|TOKEN|SECRET|PASSWORD", name)] == []


def test_the_program_as_the_image_starts_it_is_found_healthy_and_goes_when_told(tmp_path):
    kept = step("VOLUME")
    environ = {name: value.replace(kept, str(tmp_path)) for name, value in environment().items()}
    assert environ["GENMB_VOICE_DATABASE"].startswith(str(tmp_path))
    words = [sys.executable, "-c", COMMAND, *json.loads(step("CMD"))]
    environ |= {"GENMB_VOICE_PORT": "0", "GENMB_VOICE_HOST": "127.0.0.1", "GENMB_VOICE_DRAIN_SECONDS": "4"}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ | environ)
    try:
        found = (re.search(r"running on http://[\d.]+:(\d+)", line) for line in process.stderr)
        port = next(filter(None, found))[1]
        assert healthy(port) == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert healthy(port) != 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("voice.db")] == []


def healthy(port: str) -> int:
    """The exit status of the image's own check."""
    check = json.loads(step("HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "python"
    assert f"127.0.0.1:{environment()['GENMB_VOICE_PORT']}/healthz" in check[-1]
    words = [word.replace(f":{environment()['GENMB_VOICE_PORT']}/", f":{port}/") for word in check[1:]]
    return subprocess.run([sys.executable, *words], stderr=subprocess.DEVNULL, check=False).returncode


@pytest.mark.parametrize("examples", [False, True])
def test_every_setting_of_the_example_file_is_one_and_goes_with_those_of_the_compose_file(examples, tmp_path):
    text = TOML.read_text()
    config = tmp_path / "voice.toml"
    config.write_text(re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE) if examples else text)
    for name in ("voice-1", "voice-2"):
        given = compose()["services"][name]["environment"]
        environ = environment() | {variable: filled_in(value) for variable, value in given.items()}
        settings = read_settings(config, environ)
        assert (settings.access, settings.host, settings.port) == ("apps", "0.0.0.0", 8000)
        assert next(iter(settings.providers)) == "openai"
        assert settings.providers["openai"]["key"].reveal() == SECRETS["OPENAI_KEY"]
        assert (settings.site_hook is not None) == examples
        assert ("azure" in settings.providers) == examples


def test_no_file_has_a_secret_and_whoever_starts_the_nodes_must_give_each():
    texts = "".join(path.read_text() for path in DEPLOY.iterdir() if path.name != ".env")
    assert set(re.findall(r"\$\{(\w+):\?\}", texts)) == set(SECRETS)
    for name in SECRETS:
        assert f"${{{name}}}" not in texts
        assert f"${{{name}:-" not in texts
    assert {name for name in tomllib.loads(TOML.read_text()) if name in READERS}.isdisjoint(
        {"database", "redis", "signing_key", "metrics_key"}
    )


def test_the_nodes_are_alike_and_what_they_need_is_among_the_services_and_volumes():
    made = compose()
    services, nodes = made["services"], [made["services"][name] for name in ("voice-1", "voice-2")]
    assert nodes[0] == nodes[1]
    node = nodes[0]
    assert (
        ROOT / "deploy" / node["build"]["context"] / node["build"]["dockerfile"]
    ).resolve() == DEPLOY / "Dockerfile"
    hosts = {
        found
        for value in node["environment"].values()
        for found in re.findall(r"(?:@|redis://)(\w+):\d+", value)
    }
    assert hosts == set(node["depends_on"]) <= set(services)
    assert all("healthcheck" in services[host] for host in hosts)
    mounted = [volume for service in services.values() for volume in service["volumes"]]
    for place in (volume.split(":")[0] for volume in mounted):
        assert place in made["volumes"] or (DEPLOY / place).is_file(), place
    config = dict(volume.split(":")[:2] for volume in node["volumes"])["./voice.toml"]
    serve._parser(KINDS).parse_args(node["command"][1:])
    assert node["command"] == ["serve", "--config", config]
    assert node["read_only"] is True
    assert (
        float(node["stop_grace_period"].removesuffix("s")) > tomllib.loads(TOML.read_text())["drain_seconds"]
    )


def test_the_stores_are_reached_by_the_nodes_alone_and_redis_forgets_nothing():
    made = compose()
    assert [name for name, service in made["services"].items() if "ports" in service] == ["balancer"]
    assert made["networks"]["stores"]["internal"] is True
    for name in ("redis", "postgres"):
        assert made["services"][name]["networks"] == ["stores"]
        [volume] = made["services"][name]["volumes"]
        assert volume.split(":")[0] in made["volumes"]
    words = made["services"]["redis"]["command"][1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")


def test_the_balancer_knows_the_nodes_their_port_and_where_they_say_that_they_go():
    text = (DEPLOY / "Caddyfile").read_text()
    [upstreams] = re.findall(r"reverse_proxy (.+) \{", text)
    port = tomllib.loads(TOML.read_text())["port"]
    assert upstreams.split() == [
        f"{name}:{port}" for name in compose()["services"] if name.startswith("voice-")
    ]
    assert "health_uri /readyz" in text
    assert f"max_size {MAX_BODY // 1024}KiB" in text
