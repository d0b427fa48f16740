"""The register of apps: one page of rules for wherever it is kept."""

from dataclasses import replace

import pytest
from harness.apps_memory import MemoryApps

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.access.app_keys import hash_key, new_key
from genmb_voice_widget.service.access.apps import App
from genmb_voice_widget.service.access.apps_sql import SqlApps
from genmb_voice_widget.service.database.postgres import PostgresDatabase
from genmb_voice_widget.service.database.sqlite import SqliteDatabase

pytest_plugins = ["harness.postgres_plugin"]

SHOP = App("shop", "alice", "pro", ("https://shop.example", "http://localhost:3000"), "hash-1")
OTHER = App("other", "bob", "business", (), "hash-2")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def apps(request, tmp_path):
    if request.param == "memory":
        yield MemoryApps()
    elif request.param == "sqlite":
        database = SqliteDatabase(tmp_path / "voice.db")
        yield SqlApps(database)
        await database.close()
    else:
        database = PostgresDatabase(Secret(request.getfixturevalue("postgres").database()))
        yield SqlApps(database)
        await database.close()


async def test_an_app_is_found_as_it_was_entered(apps):
    assert await apps.find("shop") is None
    assert await apps.add(SHOP)
    assert await apps.find("shop") == SHOP
    assert await apps.find("Shop") is None
    assert await apps.find("sho_") is None


async def test_an_id_is_taken_once_for_good(apps):
    assert await apps.add(SHOP)
    assert not await apps.add(replace(OTHER, id="shop"))
    await apps.revoke("shop")
    assert not await apps.add(SHOP)
    assert (await apps.find("shop")).owner == "alice"


async def test_a_revoked_app_is_still_found_and_says_so(apps):
    await apps.add(SHOP)
    assert await apps.revoke("shop")
    assert await apps.revoke("shop")
    assert await apps.find("shop") == replace(SHOP, revoked=True)
    assert not await apps.revoke("nobody")


async def test_an_app_gets_another_plan_origins_key_and_need_of_tokens_but_no_other_owner(apps):
    await apps.add(SHOP)
    changed = App("shop", "mallory", "business", ("https://new.example",), "hash-3", tokens_only=True)
    assert await apps.change(changed)
    assert await apps.find("shop") == replace(changed, owner="alice")
    assert not await apps.change(replace(changed, id="nobody"))


async def test_a_revoked_app_is_not_changed_and_not_brought_back(apps):
    await apps.add(SHOP)
    await apps.revoke("shop")
    assert not await apps.change(replace(SHOP, plan="business"))
    assert await apps.find("shop") == replace(SHOP, revoked=True)


async def test_the_apps_are_listed_in_the_order_in_which_they_were_entered(apps):
    for app in (SHOP, OTHER, replace(OTHER, id="a")):
        await apps.add(app)
    await apps.revoke("other")

    assert [app.id for app in await apps.all()] == ["shop", "other", "a"]


async def test_an_origin_is_known_exactly_while_an_app_that_is_not_revoked_has_it(apps):
    await apps.add(SHOP)
    await apps.add(replace(OTHER, origins=("https://shop.example",)))
    known = ["https://shop.example", "http://localhost:3000"]
    unknown = [
        "https://shop_example",
        "https://%",
        "%",
        "",
        'https://shop.example", "',
        "shop.example",
        "localhost:3000",
    ]
    unknown += [
        "https://shop.exampl",
        "https://SHOP.example",
        "http%",
        'https://shop.example", "http://localhost:3000',
    ]
    assert [await apps.origin_known(origin) for origin in known] == [True, True]
    assert [origin for origin in unknown if await apps.origin_known(origin)] == []
    await apps.revoke("shop")
    assert [await apps.origin_known(origin) for origin in known] == [True, False]


async def test_an_apps_origins_keep_their_order_and_those_of_a_change_take_their_place(apps):
    many = tuple(f"https://{name}.example" for name in ("m", "z", "a", "shop"))
    await apps.add(replace(SHOP, origins=many))
    await apps.add(replace(OTHER, origins=many[::-1]))
    assert [app.origins for app in await apps.all()] == [many, many[::-1]]
    await apps.change(replace(SHOP, origins=("https://b.example", *many[:1])))
    assert (await apps.find("shop")).origins == ("https://b.example", many[0])
    assert (await apps.find("other")).origins == many[::-1]


async def test_an_origin_is_looked_up_in_an_index_however_many_apps_there_are(tmp_path):
    database = SqliteDatabase(tmp_path / "voice.db")
    asked = []

    class Watched:
        async def transact(self, work):
            class Watching:
                def __init__(self, tx):
                    self.now, self._tx = tx.now, tx

                async def rows(self, statement, *values):
                    asked.extend(await self._tx.rows(f"EXPLAIN QUERY PLAN {statement}", *values))
                    return await self._tx.rows(statement, *values)

            return await database.transact(lambda tx: work(Watching(tx)))

    assert not await SqlApps(Watched()).origin_known("https://made-up.example")
    await database.close()
    assert asked
    assert [step for *_, step in asked if not step.startswith("SEARCH ")] == []


async def test_only_a_keys_hash_is_kept(apps):
    key = new_key("shop")
    await apps.add(replace(SHOP, key_hash=hash_key(key)))

    assert key.reveal() not in repr(await apps.all())
    assert key.reveal().removeprefix("gvk_shop_") not in repr(await apps.all())
