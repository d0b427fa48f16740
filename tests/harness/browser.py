"""Headless Chromium with a WAV file for a microphone."""

import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--expose-gc",
]


def executable() -> str:
    """The system's Chromium; the tests never download a browser of their own."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("no Chromium here: run `make install`")


def silence(path: Path) -> Path:
    """Write a second of silence; without a file Chromium's fake microphone beeps, which is a sound to answer to."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 48_000))
    return path


@asynccontextmanager
async def chromium(
    microphone: Path | None = None,
    *,
    allow_microphone: bool = True,
    devices: bool = True,
    flags: tuple[str, ...] = (),
) -> AsyncIterator[Browser]:
    """Launch one browser.

    `microphone` is played once from its start at each `getUserMedia`, then silence. Without `allow_microphone` the permission
    prompt is dismissed, as by a person; without `devices` the machine has no microphone at all.
    """
    arguments = [*QUIET, *flags]
    if devices:
        arguments.append("--use-fake-device-for-media-stream")
    if allow_microphone:
        arguments.append("--use-fake-ui-for-media-stream")
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(), headless=True, chromium_sandbox=False, args=arguments
        )
        try:
            yield browser
        finally:
            await browser.close()
