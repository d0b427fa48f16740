import subprocess
import sys

import pytest

import genmb_voice_widget


def modules_after(code):
    script = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_these_are_the_public_names():
    assert sorted(genmb_voice_widget.__all__) == [
        "Allowance",
        "AzureSemanticVad",
        "AzureVoice",
        "Envelope",
        "NoFrontEnd",
        "Problem",
        "Prompt",
        "SemanticVad",
        "ServerVad",
        "Session",
        "Turn",
        "Usage",
        "VoiceAgent",
        "VoiceError",
        "WaitTimeout",
        "inject_sdk",
        "spoken",
    ]
    assert dir(genmb_voice_widget) == sorted(genmb_voice_widget.__all__)


@pytest.mark.parametrize("name", genmb_voice_widget.__all__)
def test_each_public_name_is_there_and_documented(name):
    assert getattr(genmb_voice_widget, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Voice'"):
        genmb_voice_widget.Voice  # noqa: B018


def test_importing_the_package_imports_nothing_else_of_it():
    loaded = {
        name for name in modules_after("import genmb_voice_widget") if name.startswith("genmb_voice_widget")
    }
    assert loaded == {"genmb_voice_widget"}


def test_importing_the_agent_imports_no_server_and_no_http_client():
    loaded = modules_after("from genmb_voice_widget import VoiceAgent")
    heavy = {
        "httpx",
        "fastapi",
        "pydantic",
        "starlette",
        "websockets",
        "aiortc",
        "numpy",
        "uvicorn",
        "ipykernel",
    }
    assert not heavy & loaded
    assert "genmb_voice_widget.service" not in loaded
