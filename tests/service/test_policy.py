"""The one rule, as a table and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmb_voice_widget.service.policy import NOTEBOOK, Allow, Deny, Plan, Rate, decide, wait_for_slot

PRO = Plan("pro", rate=Rate(3, 60.0))


@pytest.mark.parametrize(
    ("plan", "ages", "credits", "decision"),
    [
        (NOTEBOOK, (), None, Allow(5)),
        (PRO, (), 5, Allow(5)),
        (PRO, (50.0, 1.0), 100, Allow(5)),
        (PRO, (59.0, 50.0, 1.0), 100, Deny("rate_limited", "The limit is 3 sessions in 1 minutes.", 1.0)),
        (PRO, (), 4, Deny("credits_exhausted", "A session costs 5 credits.")),
        (PRO, (59.0, 50.0, 1.0), 4, Deny("credits_exhausted", "A session costs 5 credits.")),
        (Plan("free", voice=False), (), 0, Deny("plan_required", "Voice is not part of this app's plan.")),
        (Plan("gift", credits_per_session=0), (), 0, Allow(0)),
    ],
)
def test_the_plan_comes_before_the_credits_and_the_credits_before_the_window(plan, ages, credits, decision):
    assert decide(plan, ages, credits) == decision


@given(ages=st.lists(st.floats(0, 59.999)), sessions=st.integers(1, 30))
def test_after_the_wait_there_is_room_for_one_and_just_before_it_there_is_none(ages, sessions):
    ages = sorted(ages, reverse=True)
    wait = wait_for_slot(ages, Rate(sessions, 60.0))

    def in_use(later):
        return sum(age + later < 60.0 for age in ages)

    assert in_use(wait + 1e-9) < sessions
    if wait > 0:
        assert in_use(wait - 1e-9) >= sessions


@pytest.mark.parametrize(("sessions", "seconds"), [(0, 60), (-1, 60), (1, 0)])
def test_a_rate_that_lets_nothing_through_is_not_a_rate(sessions, seconds):
    with pytest.raises(ValueError, match="at least one"):
        Rate(sessions, seconds)
