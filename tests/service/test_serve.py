"""The endpoint as a program: the options it takes, what a plain page gets from it, and that it goes when told to."""

import signal
import sys

import httpx
import pytest

from genmb_voice_widget.service import serve


def test_a_plain_page_gets_the_demonstration_the_script_and_the_routes_from_one_origin(serving):
    with serving() as (url, process), httpx.Client(base_url=url, trust_env=False) as http:
        assert url.startswith("http://127.0.0.1:")
        page = http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert '<script src="/sdk.js">' in page.text
        script = http.get("/sdk.js")
        assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "genmb" in script.text
        assert http.get("/healthz").json() == {"status": "ok"}
        refused = http.post(
            "/v1/sessions", json={"provider": "elsewhere", "session": {"type": "realtime"}, "sdp": "v=0"}
        )
        assert "This endpoint has: local" in refused.json()["detail"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_origins_that_were_named_may_call_and_no_others(serving):
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    named = ["--allow-origin", "https://one.example", "--allow-origin", "http://localhost:3000"]
    with serving(*named) as (url, _), httpx.Client(base_url=url, trust_env=False) as http:
        granted = {
            origin: http.options("/v1/sessions", headers={"Origin": origin} | ask).is_success
            for origin in ("https://one.example", "http://localhost:3000", "https://other.example", url)
        }
    assert granted == {
        "https://one.example": True,
        "http://localhost:3000": True,
        "https://other.example": False,
        url: False,
    }


def test_requests_that_call_it_by_a_name_it_was_not_given_are_refused(serving):
    with serving("--allow-host", "Voice.example") as (url, _), httpx.Client(trust_env=False) as http:
        port = url.rpartition(":")[2]
        expected = ["127.0.0.1", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "voice.example"]
        for host in expected:
            assert http.get(f"{url}/healthz", headers={"Host": host}).status_code == 200, host
        others = [f"rebound.example:{port}", "localhost.rebound.example", "voice.example.evil", "", ":80"]
        for host in others:
            refused = http.get(f"{url}/healthz", headers={"Host": host})
            assert (refused.status_code, refused.json()["code"]) == (400, "bad_request"), host
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["cache-control"] == "no-store"


def test_the_address_that_it_listens_on_is_a_name_that_it_is_called_by(serving):
    with serving("--host", "127.0.0.2") as (url, _):
        assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "options",
    [
        ["--allow-origin", "*"],
        ["--allow-origin", "https://app.example/"],
        ["--allow-origin", "app.example"],
        ["--allow-origin", "https://App.example"],
        ["--provider", "nobody"],
        ["--port", "many"],
        ["--port", "99999"],
        ["--port", "-1"],
        ["--allow-host", "*"],
        ["--allow-host", "app.example:443"],
        ["--allow-host", "https://app.example"],
    ],
)
def test_an_option_that_could_never_work_is_refused_at_once(options, capsys):
    with pytest.raises(SystemExit) as exit:
        serve.main(options)

    assert exit.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_without_a_server_installed_the_program_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match=r"pip install 'genmb-voice-widget\[service\]'"):
        serve.main([])
