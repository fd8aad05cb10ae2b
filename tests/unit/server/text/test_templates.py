from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator

import psutil
import pytest

from argosy.core.deadline import Deadline
from argosy.core.errors import DeadlineExceeded, InvalidModelEntry, InvalidRequest
from argosy.server.text.templates import ChatTemplates, TemplateOptions

HELLO = [{"role": "user", "content": "hello"}]
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
SLOW_ON_DEMAND = "{% if messages[0].content == 'slow' %}" + ENDLESS + "{% endif %}{{ messages[0].content }}"


def renderers() -> list[psutil.Process]:
    """The rendering processes of this one; other tests may have left it children to reap."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "argosy.server.text.renderer" in child.cmdline():
                found.append(child)
    return found


@pytest.fixture
async def templates() -> AsyncIterator[ChatTemplates]:
    ready = ChatTemplates(TemplateOptions(render_seconds=1.0))
    yield ready
    await ready.stop()


async def test_a_conversation_becomes_a_prompt(templates: ChatTemplates) -> None:
    """With the model's own tokens and the turn opened for the assistant."""
    source = (
        "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    await templates.load("m", source, bos_token="<s>", eos_token="</s>")
    assert await templates.render("m", HELLO) == "<s><user>hello</s><assistant>"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% if", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ ''|attr('__class__') }}", "SecurityError"),
        ("{{ messages['__class__'] }}", "SecurityError"),
        ("{{ messages.append(1) }}", "SecurityError"),
        ("{{ '%s'.format.__globals__ }}", "SecurityError"),
        ("{{ 'a' * 10 ** 12 }}", "MemoryError"),
        ("{{ nothing.at.all }}", "UndefinedError"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        (ENDLESS, "takes longer than"),
        ("{% import 'os' as os %}", "TypeError"),
    ],
)
async def test_a_bad_template_is_refused_at_load(templates: ChatTemplates, source: str, reason: str) -> None:
    """V13: broken, forbidden, endless or greedy; the next template loads and renders as if nothing had been."""
    with pytest.raises(InvalidModelEntry, match=reason):
        await templates.load("bad", source)
    assert not templates.has("bad")
    await templates.load("good", "{{ messages[0].content }}")
    assert await templates.render("good", HELLO) == "hello"


async def test_a_template_that_refuses_speaks_to_the_client(templates: ChatTemplates) -> None:
    """Its own words, and the field to change."""
    source = "{% if messages|length > 1 %}{{ raise_exception('One turn only.') }}{% endif %}{{ messages[0].content }}"
    await templates.load("m", source)
    with pytest.raises(InvalidRequest, match="One turn only") as caught:
        await templates.render("m", [*HELLO, *HELLO])
    assert caught.value.param == "messages"


async def test_a_template_that_breaks_on_a_conversation_is_the_clients_to_fix(templates: ChatTemplates) -> None:
    """Without the sandbox's own text."""
    await templates.load("m", "{{ messages[0].content.upper() if messages[0].content != 'x' else missing.attribute }}")
    with pytest.raises(InvalidRequest) as caught:
        await templates.render("m", [{"role": "user", "content": "x"}])
    assert "missing" not in caught.value.message


async def test_a_rendering_that_takes_too_long_is_stopped(templates: ChatTemplates) -> None:
    """The process is replaced and keeps every template."""
    await templates.load("m", SLOW_ON_DEMAND)
    await templates.load("other", "{{ messages|length }}")
    with pytest.raises(InvalidRequest, match="takes too long"):
        await templates.render("m", [{"role": "user", "content": "slow"}])
    assert await templates.render("m", HELLO) == "hello"
    assert await templates.render("other", HELLO) == "1"


async def test_a_deadline_ends_a_rendering_sooner(templates: ChatTemplates) -> None:
    """As the request's own deadline, not as a fault of the messages."""
    await templates.load("m", SLOW_ON_DEMAND)
    with pytest.raises(DeadlineExceeded):
        await templates.render("m", [{"role": "user", "content": "slow"}], deadline=Deadline.after(0.1))


async def test_many_conversations_at_once_get_their_own_prompts(templates: ChatTemplates) -> None:
    """Also when some callers leave while they wait."""
    await templates.load("m", "{{ messages[0].content }}")
    tasks = [
        asyncio.create_task(templates.render("m", [{"role": "user", "content": str(number)}])) for number in range(40)
    ]
    await asyncio.sleep(0)
    for task in tasks[::4]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, asyncio.CancelledError) if number % 4 == 0 else result == str(number)


async def test_a_killed_process_is_replaced(templates: ChatTemplates) -> None:
    """The rendering that saw it fails, the next works."""
    await templates.load("m", "{{ messages[0].content }}")
    (child,) = renderers()
    child.kill()
    child.wait(10)
    with pytest.raises(InvalidRequest):
        await templates.render("m", HELLO)
    assert await templates.render("m", HELLO) == "hello"


async def test_a_model_without_a_template_says_so(templates: ChatTemplates) -> None:
    """And names the route that works."""
    with pytest.raises(InvalidRequest, match="/v1/completions"):
        await templates.render("nothing", HELLO)


async def test_stop_leaves_no_process(templates: ChatTemplates) -> None:
    """Twice is as good as once."""
    await templates.load("m", "x")
    (child,) = renderers()
    await templates.stop()
    await templates.stop()
    assert not child.is_running()


def test_the_process_ends_with_the_server() -> None:
    """Even when the server is killed in the middle of an endless rendering."""
    code = textwrap.dedent(f"""
        import asyncio, os, signal, psutil
        from argosy.server.text.templates import ChatTemplates, TemplateOptions

        async def main():
            templates = ChatTemplates(TemplateOptions(render_seconds=2.0))
            await templates.load("m", {SLOW_ON_DEMAND!r})
            print(psutil.Process().children()[0].pid, flush=True)
            asyncio.create_task(templates.render("m", [{{"role": "user", "content": "slow"}}]))
            await asyncio.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    pid = int(done.stdout)
    assert pid != os.getpid()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(20)
    assert not psutil.pid_exists(pid)


async def test_the_process_sees_none_of_our_environment(
    templates: ChatTemplates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in a variable cannot leak into a template."""
    monkeypatch.setenv("ARGOSY_API_KEYS", "secret")
    await templates.load("m", "x")
    (child,) = renderers()
    assert "ARGOSY_API_KEYS" not in child.environ()
