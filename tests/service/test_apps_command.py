"""`genmb-voice app`: what it does to the database that endpoints use, and what it says when it does nothing."""

import asyncio
import re
import sqlite3

import pytest
from harness.ledgers import wish

from genmb_voice_widget import cli
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service import app_command
from genmb_voice_widget.service.access.app_keys import app_of, hash_key
from genmb_voice_widget.service.access.apps_sql import SqlApps
from genmb_voice_widget.service.database.sqlite import SqliteDatabase
from genmb_voice_widget.service.ledger.sql import SqlLedger

ADD = ("add", "shop", "--owner", "alice", "--plan", "pro", "--origin", "https://shop.example")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "voice.toml"
    path.write_text(f'access = "apps"\ndatabase = "{tmp_path / "voice.db"}"\n')
    return path


@pytest.fixture
def run(config, capsys, monkeypatch):
    """Run a command: its exit status, what it printed, and what it said."""
    monkeypatch.setattr(app_command, "UNTIL_HEARD", 0.0)
    for name in [name for name in __import__("os").environ if name.startswith("GENMB_VOICE_")]:
        monkeypatch.delenv(name)

    def run(*arguments):
        status = cli.main(["app", *arguments[:1], "--config", str(config), *arguments[1:]])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def apps(tmp_path):
    def apps():
        async def read():
            database = SqliteDatabase(tmp_path / "voice.db")
            try:
                return await SqlApps(database).all()
            finally:
                await database.close()

        return asyncio.run(read())

    return apps


def audit(tmp_path):
    with sqlite3.connect(tmp_path / "voice.db") as connection:
        return connection.execute(
            "SELECT action, outcome, app, via, session FROM audit ORDER BY id"
        ).fetchall()


def test_an_app_is_entered_and_its_key_is_printed_once_alone(run, apps, tmp_path):
    status, printed, said = run(*ADD)
    [app] = apps()
    key = printed.strip()

    assert (status, app_of(key), app.key_hash) == (0, "shop", hash_key(Secret(key)))
    assert (app.id, app.owner, app.plan, app.origins) == ("shop", "alice", "pro", ("https://shop.example",))
    assert key not in said
    assert key not in run("list")[1]
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_app_without_a_name_is_given_one(run, apps):
    run("add", "--owner", "alice", "--plan", "free")

    assert re.fullmatch(r"app-[0-9a-f]{8}", apps()[0].id)


def test_an_id_that_is_taken_is_told_with_what_to_do(run, apps):
    run(*ADD)
    status, printed, said = run("add", "shop", "--owner", "mallory", "--plan", "business")

    assert (status, printed) == (1, "")
    assert said == "There is an app shop already: genmb-voice app change shop changes it.\n"
    assert apps()[0].owner == "alice"


def test_an_owner_is_given_credits_by_the_name_of_an_app(run):
    run(*ADD)
    run("add", "second", "--owner", "alice", "--plan", "pro")
    assert run("credit", "shop", "50")[2] == "alice, the owner of shop, has 50 credits.\n"
    assert run("credit", "second", "7")[2] == "alice, the owner of second, has 57 credits.\n"
    assert run("list")[1].splitlines() == [
        "shop\talice\tpro\t57\torigin\thttps://shop.example",
        "second\talice\tpro\t57\tnone\t",
    ]


def test_an_app_is_changed_in_what_was_named_and_in_nothing_else(run, apps):
    run(*ADD)
    before = apps()[0]
    run("change", "shop", "--plan", "business")
    run("change", "shop", "--origin", "https://new.example", "--origin", "https://shop.example")
    assert apps()[0].origins == ("https://shop.example", "https://new.example")
    run("change", "shop", "--without-origin", "https://shop.example")
    after = apps()[0]
    assert (after.plan, after.origins, after.key_hash) == (
        "business",
        ("https://new.example",),
        before.key_hash,
    )
    key = run("change", "shop", "--new-key")[1].strip()
    assert apps()[0].key_hash == hash_key(Secret(key)) != before.key_hash


def test_a_change_that_changes_nothing_is_told(run):
    run(*ADD)
    for nothing in (
        (),
        ("--plan", "pro"),
        ("--origin", "https://shop.example"),
        ("--without-origin", "https://x.example"),
    ):
        status, _, said = run("change", "shop", *nothing)
        assert (status, said) == (1, "That is how the app shop is already.\n")


def test_an_app_whose_pages_need_a_token_is_entered_changed_and_listed_as_one(run, apps):
    said = run(*ADD, "--tokens-only")[2]
    assert "there are none before signing_key is set" in said
    assert apps()[0].tokens_only
    assert run("list")[1] == "shop\talice\tpro\t0\ttoken\thttps://shop.example\n"
    assert run("change", "shop", "--tokens-only")[0] == 1
    run("change", "shop", "--plan", "business")
    assert apps()[0].tokens_only
    assert "signing_key" not in run("change", "shop", "--no-tokens-only")[2]
    assert not apps()[0].tokens_only
    run("change", "shop", "--tokens-only")
    assert apps()[0].tokens_only


def test_where_tokens_are_signed_nothing_is_said_of_a_missing_key(run, config):
    config.write_text(config.read_text() + f'signing_key = "{"x" * 32}"\n')
    assert "signing_key" not in run(*ADD, "--tokens-only")[2]


def test_the_list_says_what_stands_where_beside_its_lines_and_not_among_them(run):
    run(*ADD)
    _, printed, said = run("list")
    assert said.strip().split("\t") == ["id", "owner", "plan", "credits left", "pages ask by", "origins"]
    assert len(printed.strip().split("\t")) == 6


def test_an_app_is_revoked_for_good(run, apps):
    run(*ADD)
    assert run("revoke", "shop")[0] == 0
    assert apps()[0].revoked
    assert run("list")[1] == "shop\talice\trevoked\t0\torigin\thttps://shop.example\n"
    assert "which is for good" not in run("revoke", "shop")[2]
    for command in (("change", "shop", "--plan", "free"), ("credit", "shop", "5")):
        status, _, said = run(*command)
        assert (status, "is revoked, which is for good" in said) == (1, True)


@pytest.fixture
def ledger(tmp_path):
    """Ask the account, between commands."""

    def ledger(work):
        async def ask():
            database = SqliteDatabase(tmp_path / "voice.db")
            try:
                return await work(SqlLedger(database))
            finally:
                await database.close()

        return asyncio.run(ask())

    return ledger


def test_the_sessions_of_an_app_that_is_revoked_are_ended_and_what_was_charged_stays(run, ledger):
    run(*ADD)
    run("add", "other", "--owner", "alice", "--plan", "pro")
    run("credit", "shop", "50")

    async def stand(ledger):
        for name, app in (("proven", "shop"), ("new", "shop"), ("foreign", "other")):
            await ledger.hold(wish(name, app=app, owner="alice"))
        await ledger.step("proven", "capture")

    async def phases(ledger):
        return [(await ledger.find(name)).phase for name in ("proven", "new", "foreign")]

    ledger(stand)
    assert run("revoke", "shop")[2].splitlines()[1:] == [
        "Its sessions that stood are hung up by the endpoints: 2."
    ]
    assert ledger(phases) == ["ending", "closing", "reserved"]
    assert run("revoke", "shop")[2].splitlines()[1:] == ["None of its sessions stood."]


def test_a_session_that_an_endpoint_lets_start_before_it_hears_of_the_revocation_is_ended_too(
    run, ledger, monkeypatch, tmp_path
):
    run(*ADD)
    run("credit", "shop", "50")

    async def meanwhile(seconds):
        database = SqliteDatabase(tmp_path / "voice.db")
        await SqlLedger(database).hold(wish("late", app="shop", owner="alice"))
        await database.close()

    monkeypatch.setattr(app_command.asyncio, "sleep", meanwhile)
    run("revoke", "shop")
    monkeypatch.undo()

    async def phase(ledger):
        return (await ledger.find("late")).phase

    assert ledger(phase) == "closing"


@pytest.mark.parametrize(
    "command", [("revoke", "nobody"), ("credit", "nobody", "5"), ("change", "nobody", "--new-key")]
)
def test_an_app_that_does_not_exist_is_told(run, command):
    assert run(*command) == (1, "", "There is no app nobody: genmb-voice app list shows those there are.\n")


def test_each_change_is_a_line_of_the_audit_and_looking_is_none(run, tmp_path):
    for command in (
        ADD,
        ("credit", "shop", "5"),
        ("list",),
        ("change", "shop", "--plan", "free"),
        ("revoke", "shop"),
        ADD,
    ):
        run(*command)

    assert audit(tmp_path) == [
        ("app_added", "ok", "shop", "command", None),
        ("grant", "ok", "shop", "command", None),
        ("app_changed", "ok", "shop", "command", None),
        ("app_revoked", "ok", "shop", "command", None),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "Shop", "--owner", "a", "--plan", "pro"),
        ("add", "a_b", "--owner", "a", "--plan", "pro"),
        ("add", "-", "--owner", "a", "--plan", "pro"),
        ("add", "x" * 41, "--owner", "a", "--plan", "pro"),
        ("add", "shop", "--plan", "pro"),
        ("add", "shop", "--owner", "a"),
        ("add", "shop", "--owner", " ", "--plan", "pro"),
        ("add", "shop", "--owner", "a", "--plan", "gold"),
        ("add", "shop", "--owner", "a", "--plan", "pro", "--origin", "https://Shop.example"),
        ("add", "shop", "--owner", "a", "--plan", "pro", "--origin", "*"),
        ("credit", "shop", "0"),
        ("credit", "shop", "-5"),
        ("credit", "shop", "1.5"),
        ("credit", "shop", "9" * 30),
        ("credit", "shop"),
        ("remove", "shop"),
        (),
    ],
)
def test_what_is_not_understood_does_nothing(run, arguments, tmp_path):
    with pytest.raises(SystemExit) as exit:
        run(*arguments) if arguments else cli.main(["app"])

    assert exit.value.code == 2
    assert not (tmp_path / "voice.db").exists()


def test_without_a_database_it_says_where_to_name_one(config, capsys, monkeypatch):
    monkeypatch.delenv("GENMB_VOICE_DATABASE", raising=False)

    assert cli.main(["app", "list"]) == 2
    assert "GENMB_VOICE_DATABASE" in capsys.readouterr().err


def test_a_database_that_cannot_be_asked_is_told_in_a_sentence(run, config, tmp_path):
    config.write_text(f'access = "apps"\ndatabase = "{tmp_path / "no-such-folder" / "voice.db"}"\n')
    status, printed, said = run("list")

    assert (status, printed) == (1, "")
    assert said.endswith(".\n")
    assert "Traceback" not in said


def test_the_settings_may_stand_in_the_environment_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_DATABASE", str(tmp_path / "voice.db"))

    assert cli.main(["app", *ADD]) == 0
    assert capsys.readouterr().out.startswith("gvk_shop_")
