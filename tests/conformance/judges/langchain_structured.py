"""`ChatNVIDIA.with_structured_output` of langchain-nvidia-ai-endpoints, and each of the dialects it falls back to."""

from __future__ import annotations

import enum
import json
import sys
from functools import partial
from typing import Any

from langchain_nvidia_ai_endpoints import ChatNVIDIA
from pydantic import BaseModel, Field

from tests.conformance.judges.checking import main, refused

ASK = "Extract the city and the temperature as JSON: It is 21 degrees in Oslo."
SUM = "What is 37 plus 45?"
PLACE = {
    "title": "place",
    "type": "object",
    "properties": {"city": {"type": "string"}, "temperature": {"type": "integer"}},
    "required": ["city", "temperature"],
    "additionalProperties": False,
}


class Weather(BaseModel):
    """The weather somewhere."""

    city: str = Field(description="where")
    temperature: int = Field(description="degrees")
    sky: str | None = Field(default=None, description="what it looks like")


class Colour(BaseModel):
    """Something the question says nothing about."""

    red: bool
    shade: int


class Either(BaseModel):
    """One of two."""

    output: Weather | Colour


class Sky(enum.Enum):
    """Choices whose letters come nowhere in the question."""

    SUNNY = "sunny"
    RAINY = "rainy"
    FOGGY = "foggy"


def chat(root: str, **fields: Any) -> ChatNVIDIA:
    """A greedy client with room for an object."""
    options: dict[str, Any] = {"max_completion_tokens": 256, "temperature": 0, **fields}
    return ChatNVIDIA(base_url=f"{root}/v1", model="abacus", **options)


def last(runnable: Any, ask: str = ASK) -> Any:
    """The last of the growing objects that a structured stream yields."""
    found = list(runnable.stream(ask))
    return found[-1] if found else None


async def alast(runnable: Any, ask: str = ASK) -> Any:
    """`last`, asynchronously."""
    found = [item async for item in runnable.astream(ask)]
    return found[-1] if found else None


async def everyway(runnable: Any, ask: str = ASK) -> list[Any]:
    """The object by each of the client's four ways to ask."""
    return [runnable.invoke(ask), last(runnable, ask), await runnable.ainvoke(ask), await alast(runnable, ask)]


async def check_pydantic(root: str) -> None:
    """A pydantic class comes back filled, whole and streamed."""
    for found in await everyway(chat(root).with_structured_output(Weather)):
        assert isinstance(found, Weather)
        assert (found.city, found.temperature) == ("Oslo", 21)


async def check_schema(root: str) -> None:
    """A JSON Schema comes back as a dictionary, whole and streamed."""
    for found in await everyway(chat(root).with_structured_output(PLACE)):
        assert found == {"city": "Oslo", "temperature": 21}


async def check_enumeration(root: str) -> None:
    """One of the choices comes back, whole and streamed."""
    for found in await everyway(chat(root).with_structured_output(Sky), "How is the sky?"):
        assert found in Sky


async def check_union(root: str) -> None:
    """A class that holds one of two others comes back as one of them."""
    for found in await everyway(chat(root).with_structured_output(Either)):
        assert isinstance(found, Either)
        assert isinstance(found.output, Weather | Colour)


async def check_against_the_grain(root: str) -> None:
    """The schema holds even when the question asks for something else."""
    for found in await everyway(chat(root).with_structured_output(Colour), SUM):
        assert isinstance(found, Colour)


async def check_incomplete(root: str) -> None:
    """Three tokens make no object: nothing comes back, and no error."""
    for schema in (Weather, Sky):
        runnable = chat(root, max_completion_tokens=3).with_structured_output(schema)
        assert await everyway(runnable) == [None] * 4


def check_guided_json_at_the_top(root: str) -> None:
    """The first fallback: `guided_json` as a field of the request."""
    answer = chat(root).invoke(ASK, guided_json=PLACE)
    assert json.loads(answer.content) == {"city": "Oslo", "temperature": 21}
    assert Colour.model_validate_json(chat(root).invoke(SUM, guided_json=Colour.model_json_schema()).content)


def check_guided_choice_at_the_top(root: str) -> None:
    """`guided_choice` as a field of the request gives one of the choices and nothing else."""
    assert chat(root).invoke("Hello", guided_choice=["starboard", "port"]).content in {"starboard", "port"}


def check_guided_regex_at_the_top(root: str) -> None:
    """`guided_regex` as a field of the request."""
    answer = chat(root).invoke("Hello", guided_regex="[0-9]{3}-[a-c]{2}").content
    assert len(answer) == 6
    assert answer[:3].isdigit()
    assert answer[3] == "-"


def check_guided_json_in_nvext(root: str) -> None:
    """The second fallback: the same in `nvext`, whole and streamed."""
    nvext = {"guided_json": PLACE}
    assert json.loads(chat(root).invoke(ASK, nvext=nvext).content) == {"city": "Oslo", "temperature": 21}
    text = "".join(chunk.content for chunk in chat(root).stream(ASK, nvext=nvext))
    assert json.loads(text) == {"city": "Oslo", "temperature": 21}


def check_guided_choice_in_nvext(root: str) -> None:
    """`guided_choice` in `nvext`."""
    nvext = {"guided_choice": ["starboard", "port"]}
    assert chat(root).invoke("Hello", nvext=nvext).content in {"starboard", "port"}


def check_json_schema_format(root: str) -> None:
    """The third fallback: OpenAI's `response_format` with a schema."""
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE, "strict": True}}
    answer = chat(root).invoke(ASK, response_format=form)
    assert json.loads(answer.content) == {"city": "Oslo", "temperature": 21}
    assert answer.response_metadata["finish_reason"] == "stop"


def check_json_object_format(root: str) -> None:
    """OpenAI's `response_format` without a schema gives some object."""
    answer = chat(root).invoke(ASK, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.content), dict)


def check_bad_schemas_refused(root: str) -> None:
    """What is no schema is refused by name in each dialect."""
    client, wrong = chat(root), {"type": "harbour"}
    refused(partial(client.invoke, ASK, guided_json=wrong), "400", "guided_json")
    refused(partial(client.invoke, ASK, nvext={"guided_json": wrong}), "400", "nvext")
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": wrong}}
    refused(partial(client.invoke, ASK, response_format=form), "400", "response_format")
    refused(partial(client.invoke, ASK, guided_regex="(["), "400", "guided_regex")
    refused(partial(client.invoke, ASK, guided_choice=[]), "400", "guided_choice")


def check_two_shapes_refused(root: str) -> None:
    """An answer cannot follow two rules at once."""
    refused(partial(chat(root).invoke, ASK, guided_regex="a+", guided_choice=["b"]), "400", "guided_")


if __name__ == "__main__":
    main(sys.modules[__name__])
