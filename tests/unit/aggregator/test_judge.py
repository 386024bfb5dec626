"""The judge keeps every reason in the rules' order, and takes no person for a bot."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.judge import (
    PLAIN_RULES,
    AgentKind,
    Context,
    Judgement,
    NamedAgent,
    NamedAgents,
    Rules,
    judge,
    load_named_agents,
)
from link_events.events import Click
from link_events.reasons import LinkState, Reason, Verdict
from stage.events import PLAIN_CLICK, clicks
from stage.requirements import Requirement, need, shared_data

CONTEXT: Final = Context(load_named_agents())
NOBODY: Final = Context(NamedAgents("0", ()))

_IPHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK: Final = "AppleWebKit/537.36 (KHTML, like Gecko)"
IN_APP_BROWSERS: Final = (
    f"{_IPHONE} Mobile/15E148 [LinkedInApp]/9.21.1822",
    f"{_IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/456.0.0.38.105;FBDV/iPhone14,5;FBMD/iPhone]",
    f"{_IPHONE} Mobile/15E148 WhatsApp/2.23.10.77",
    f"{_IPHONE} Version/16.5 Mobile/15E148 Safari/604.1 [Pinterest/iOS]",
    f"{_IPHONE} Version/16.5 Mobile/15E148 Safari/605.1 TeamsMobile-iOS",
    f"Mozilla/5.0 (Linux; Android 15; CPH2581 Build/AP3A.240617.008; wv) {_BLINK} Instagram 361.0.0.46.88 Android",
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A; wv) {_BLINK} Chrome/124.0.0.0 MetaIAB Facebook",
    f"Mozilla/5.0 (Linux; Android 5.0; SM-G900F Build/LRX21T; wv) {_BLINK} Chrome/63.0.3239.111;KAKAOTALK 1600306",
    f"Mozilla/5.0 (Linux; Android 7.0; CUBOT_NOTE_S Build/NRD90M) {_BLINK} Chrome/62.0.3202.84 Mobile Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_BLINK} Slack/4.36.140 Sonic Slack_SSB/4.36.140",
)
"""People whom lists of bots are known to have mistaken, in the browsers of the apps that posts are read in."""


def _reasons(click: Click) -> tuple[str, ...]:
    return judge(click, CONTEXT, PLAIN_RULES).reasons


def test_a_persons_click_is_counted_without_reasons() -> None:
    """What nothing speaks against counts."""
    assert judge(PLAIN_CLICK, CONTEXT, PLAIN_RULES) == Judgement(Verdict.COUNTED, (), "plain-2")


@pytest.mark.parametrize(
    ("click", "reason"),
    [
        (replace(PLAIN_CLICK, link_state=LinkState.DISABLED), Reason.INACTIVE_LINK),
        (replace(PLAIN_CLICK, link_state=LinkState.EXPIRED), Reason.INACTIVE_LINK),
        (replace(PLAIN_CLICK, method="HEAD"), Reason.METHOD_HEAD),
        (replace(PLAIN_CLICK, method="POST"), Reason.METHOD_OTHER),
        (replace(PLAIN_CLICK, method="get"), Reason.METHOD_OTHER),
        (replace(PLAIN_CLICK, method=""), Reason.METHOD_OTHER),
        (replace(PLAIN_CLICK, signals={"sec-purpose": "prefetch"}), Reason.PREFETCH),
        (replace(PLAIN_CLICK, signals={"sec-purpose": "prefetch;prerender"}), Reason.PREFETCH),
        (replace(PLAIN_CLICK, signals={"sec-purpose": "Prerender"}), Reason.PREFETCH),
        (replace(PLAIN_CLICK, signals={"purpose": "prefetch"}), Reason.PREFETCH),
        (replace(PLAIN_CLICK, signals={"x-moz": "prefetch"}), Reason.PREFETCH),
        (replace(PLAIN_CLICK, signals={"purpose": "preview"}), Reason.PREVIEW_HEADER),
        (replace(PLAIN_CLICK, signals={"x-purpose": "Preview"}), Reason.PREVIEW_HEADER),
        (replace(PLAIN_CLICK, user_agent=None), Reason.USER_AGENT_MISSING),
        (replace(PLAIN_CLICK, user_agent=""), Reason.USER_AGENT_MISSING),
        (replace(PLAIN_CLICK, user_agent=" \t"), Reason.USER_AGENT_MISSING),
        (
            replace(PLAIN_CLICK, user_agent="Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
            "named_bot:Slackbot",
        ),
        (replace(PLAIN_CLICK, user_agent="WhatsApp/2.23.20.0 A"), "named_bot:WhatsApp"),
        (replace(PLAIN_CLICK, user_agent="whatsapp/2.2123.8 n"), "named_bot:WhatsApp"),
        (replace(PLAIN_CLICK, user_agent="curl/8.5.0"), "named_bot:curl"),
        (replace(PLAIN_CLICK, self_click=True), Reason.SELF_CLICK),
        (replace(PLAIN_CLICK, test=True), Reason.TEST),
    ],
)
def test_one_reason_is_enough(click: Click, reason: str) -> None:
    """Each check keeps a click from counting on its own, and says why."""
    assert judge(click, CONTEXT, PLAIN_RULES) == Judgement(Verdict.NOT_COUNTED, (reason,), "plain-2")


@pytest.mark.parametrize(
    "signals",
    [
        {"sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site"},
        {"purpose": "navigation"},
        {"x-moz": "livebookmarks"},
        {"x-purpose": ""},
        {"sec-fetch-mode": "prefetch"},
    ],
)
def test_other_signals_say_nothing_today(signals: dict[str, str]) -> None:
    """Only the headers that announce a prefetch or a preview are asked for one."""
    assert _reasons(replace(PLAIN_CLICK, signals=signals)) == ()


def test_every_reason_is_kept_in_the_order_of_the_rules() -> None:
    """The first reason decides; the others stay to be read."""
    click = replace(
        PLAIN_CLICK,
        link_state=LinkState.EXPIRED,
        method="HEAD",
        signals={"x-purpose": "preview", "sec-purpose": "prefetch"},
        user_agent="Twitterbot/1.0",
        test=True,
    )
    expected = ("inactive_link", "method_head", "prefetch", "preview_header", "named_bot:Twitterbot", "test")
    assert _reasons(click) == expected


def test_a_missing_user_agent_and_another_method_stand_in_order_too() -> None:
    """The reasons that cannot stand beside the ones above."""
    assert _reasons(replace(PLAIN_CLICK, method="PUT", user_agent=None)) == ("method_other", "user_agent_missing")


def test_the_rules_read_as_the_list_of_what_is_asked() -> None:
    """The order is fixed under a version: whoever changes it changes the version."""
    assert PLAIN_RULES.version == "plain-2"
    assert [check.__name__ for check in PLAIN_RULES.checks] == [
        "inactive_link",
        "method_head",
        "method_other",
        "prefetch",
        "preview_header",
        "user_agent_missing",
        "named_bot",
        "self_click",
        "marked_test",
    ]


def test_without_rules_everything_counts_under_their_version() -> None:
    """The judge has no opinion of its own."""
    click = replace(PLAIN_CLICK, method="HEAD", test=True)
    assert judge(click, CONTEXT, Rules("none", ())) == Judgement(Verdict.COUNTED, (), "none")


@given(clicks())
def test_a_verdict_is_a_function_of_click_context_and_rules(click: Click) -> None:
    """Any click is judged, the same each time, and is not counted exactly where there is a reason."""
    judgement = judge(click, CONTEXT, PLAIN_RULES)
    assert judge(replace(click), Context(load_named_agents()), PLAIN_RULES) == judgement
    assert (judgement.verdict is Verdict.COUNTED) == (judgement.reasons == ())
    assert all(reason.partition(":")[0] in set(Reason) for reason in judgement.reasons)


@given(clicks(), st.sampled_from(["curl/8.5.0", "GPTBot/1.0", PLAIN_CLICK.user_agent]))
def test_the_named_agents_come_from_the_context(click: Click, user_agent: str) -> None:
    """Another version of the list may give another verdict; the rules hold no names."""
    reasons = judge(replace(click, user_agent=user_agent), NOBODY, PLAIN_RULES).reasons
    assert not any(reason.startswith(Reason.NAMED_BOT) for reason in reasons)


def test_the_first_agent_of_the_list_names_the_bot() -> None:
    """A bot that repeats another's name is told by standing before it."""
    special = NamedAgent("special", AgentKind.CRAWLER, anywhere=("bot/2",), at_start=())
    plain = NamedAgent("plain", AgentKind.CRAWLER, anywhere=("bot",), at_start=("b",))
    click = replace(PLAIN_CLICK, user_agent="Bot/2")
    assert judge(click, Context(NamedAgents("1", (special, plain))), PLAIN_RULES).reasons == ("named_bot:special",)
    assert judge(click, Context(NamedAgents("1", (plain, special))), PLAIN_RULES).reasons == ("named_bot:plain",)


@pytest.mark.parametrize("user_agent", IN_APP_BROWSERS)
def test_people_in_the_browsers_of_apps_are_counted(user_agent: str) -> None:
    """LinkedIn's app is where the posts are read: its people must never be its bot."""
    assert _reasons(replace(PLAIN_CLICK, user_agent=user_agent)) == ()


def test_no_modern_browser_is_a_named_bot() -> None:
    """Of 8 000 user agents of real phones and computers, not one is taken for a bot."""
    corpus = shared_data() / "user_agents" / "humans_modern_devices.txt"
    need(Requirement.DATA, present=corpus.is_file(), reason=f"there is no file {corpus}")
    people = [line for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    mistaken = {agent: found for agent in people if (found := _reasons(replace(PLAIN_CLICK, user_agent=agent)))}
    assert len(people) >= 1_000
    assert mistaken == {}
