"""The `argosy` command: one file per verb, each imported only when it is used."""

from __future__ import annotations

import importlib
import sys

import click

from argosy import __version__
from argosy.core.disk import OUT_OF_SPACE
from argosy.core.errors import ArgosyError

VERBS = (
    "serve",
    "models",
    "analyze",
    "config",
    "doctor",
    "profiles",
    "list-model-profiles",
    "list-profiles",
    "pull",
    "download-to-cache",
    "create-model-store",
    "convert",
)
_ELSEWHERE = {
    "list-model-profiles": ("profiles", "list_model_profiles"),
    "list-profiles": ("profiles", "list_model_profiles"),
}


class _Verbs(click.Group):
    """Finds a verb's `command` in the module of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the signature is click's
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module, attribute = _ELSEWHERE.get(cmd_name, (cmd_name.replace("-", "_"), "command"))
        command: click.Command = getattr(importlib.import_module(f"argosy.cli.{module}"), attribute)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="argosy")
def group() -> None:
    """Open inference microservices on the real Triton Inference Server.

    \b
    argosy serve                      serve every model in the store on port 8000
    argosy serve ./my-model.gguf      serve one more model from a file
    argosy pull org/name              fetch a model of the Hugging Face hub
    argosy profiles ./my-model        say how a model can run here, and why not otherwise
    argosy doctor                     say what this machine lacks and how to add it
    """


def main() -> None:
    """Run the command; an error Argosy raised on purpose, or a full disk, becomes one sentence and exit code 1."""
    try:
        group()
    except ArgosyError as error:
        click.echo(f"argosy: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in OUT_OF_SPACE:
            raise
        place = error.filename or "a disk that this command writes to"
        click.echo(f"argosy: {place} cannot be written: {error.strerror}. Make room and run it again.", err=True)
        sys.exit(1)
