"""Several nodes share the window: exactly as many get a slot as may, whatever their clocks say and Redis does.

The long form is tests/soak/window_processes.py.
"""

import pytest
from soak.window_processes import ALWAYS, EVERYSEC, LIMIT, WRONG, trials

from genmb_voice_widget.service.policy import PLANS


def test_the_limit_of_the_trials_is_that_of_the_plans():
    assert {(plan.rate.sessions, plan.rate.seconds) for plan in PLANS.values()} == {(LIMIT, 3600.0)}


@pytest.mark.parametrize(
    ("options", "end"),
    [(EVERYSEC, ""), (EVERYSEC, "stop"), (ALWAYS, "kill")],
    ids=["undisturbed", "Redis restarted", "Redis killed"],
)
def test_processes_whose_clocks_are_hours_apart_get_exactly_the_limit_between_them(options, end):
    outcomes = trials("ours", WRONG, options, end, 3)

    assert [(outcome.admitted, outcome.more) for outcome in outcomes] == [(LIMIT, 0)] * 3
    assert not end or all(outcome.held and outcome.later for outcome in outcomes), "Redis ended in between"
