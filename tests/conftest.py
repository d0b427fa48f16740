"""What holds for every test: no claim about time, for a machine that has other work is slow at anything.

The interop tests run in an environment without hypothesis.
"""

import importlib.util

pytest_plugins = ["harness.faults_plugin"]

if importlib.util.find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    unhurried = settings(settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("untimed", unhurried)
    settings.load_profile("untimed")
