import orjson

from bench.texts import LONGEST, SHORTEST, embedding_bodies, sentences, token_prompts, write_lines


def test_sentences_are_repeatable_and_different() -> None:
    """The same seed gives the same sentences, all different, all of 6 to 40 words."""
    texts = sentences(300)
    assert texts == sentences(300)
    assert len(set(texts)) == 300
    lengths = {len(text.split()) for text in texts}
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST
    assert len(lengths) > 25


def test_token_prompts_of_two_seeds_share_nothing() -> None:
    """No prompt begins like one of another round, so no prefix cache can answer."""
    first, second = token_prompts(50, 16, range(300, 49152), 1), token_prompts(50, 16, range(300, 49152), 2)
    assert all(len(prompt) == 16 for prompt in first)
    assert not {tuple(prompt[:4]) for prompt in first} & {tuple(prompt[:4]) for prompt in second}


def test_bodies_of_one_sentence_hold_a_string() -> None:
    """One text a request is sent as a string, as most clients do."""
    body = orjson.loads(embedding_bodies(["a b"], 1, "m", "base64")[0])
    assert body == {"model": "m", "input": "a b", "encoding_format": "base64"}


def test_bodies_are_all_full() -> None:
    """A rest too small for a request is dropped, so that every request has the same number of texts."""
    bodies = embedding_bodies(list("abcde"), 2, "m", "float")
    assert [orjson.loads(body)["input"] for body in bodies] == [["a", "b"], ["c", "d"]]


def test_one_body_a_line(tmp_path) -> None:
    """The file for wrk has exactly one line for each body, even of texts with line breaks."""
    bodies = embedding_bodies(["one\ntwo", "three"], 1, "m", "float")
    path = write_lines(tmp_path / "sub" / "bodies", bodies)
    assert path.read_bytes().splitlines() == bodies
