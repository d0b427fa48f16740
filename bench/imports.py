"""What `from genmb_voice_widget import VoiceAgent` costs over `import anywidget`, in fresh interpreters."""

import subprocess
import sys

from report import Row

RUNS = 15


def cpu_ms(code: str) -> float:
    """CPU time of a fresh interpreter that runs the code, in milliseconds."""
    timed = f"import time; {code}; print(time.process_time() * 1000)"
    return float(
        subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout
    )


def measure() -> list[Row]:
    """Interleaved, so that a noisy moment hits both."""
    bare, ours = [], []
    for _ in range(RUNS):
        bare.append(cpu_ms("import anywidget"))
        ours.append(cpu_ms("import anywidget; from genmb_voice_widget import VoiceAgent"))
    over = sorted(ours)[RUNS // 2] - sorted(bare)[RUNS // 2]
    return [Row(f"import VoiceAgent (+{over:.0f} ms; aim +45 ms)", ours, "import anywidget", bare, "ms CPU")]
