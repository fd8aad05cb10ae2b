"""What `NIM_MODEL_PROFILE` or `--model-profile` asks for: an id, a name, tags, or nothing in particular."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from argosy.core.errors import InvalidSetting
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.profiles.checks import has_tag
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.profile import Profile

_AUTOMATIC = frozenset({"", "default", "auto"})
_LONGEST_LIST = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """One profile, or all that have certain tags.

    Attributes:
        text: as it was written.
        name: an id or a name; empty when tags are asked for, or nothing is.
        tags: what the tags must say.
    """

    text: str = ""
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def automatic(self) -> bool:
        """Whether nothing in particular is asked for."""
        return not self.name and not self.tags

    def admits(self, profile: Profile | ChosenProfile) -> bool:
        """Whether a profile is what is asked for."""
        if self.name and self.name.lower() not in {profile.id, profile.name.lower()}:
            return False
        return all(has_tag(profile, key, value) for key, value in self.tags.items())


def parse(text: str) -> Wish:
    """The wish in an operator's words: `default`, an id, a name, or `key=value,…`.

    Raises:
        InvalidSetting: a tag has no name or no value.
    """
    text = text.strip()
    if text.lower() in _AUTOMATIC:
        return Wish(text)
    if "=" not in text:
        return Wish(text, name=text)
    tags = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        if not key.strip() or not value.strip():
            raise InvalidSetting(f"The profile selector {text!r} must be an id, a name, or key=value,key=value.")
        tags[key.strip()] = value.strip()
    return Wish(text, tags=tags)


def narrow(manifest: Manifest, wish: Wish) -> Manifest:
    """The manifest with only what is asked for; possibly nothing."""
    return Manifest(
        manifest.model,
        tuple(profile for profile in manifest if wish.admits(profile)),
        manifest.origin,
        manifest.context,
    )


def unknown(wish: Wish, manifests: Iterable[Manifest]) -> InvalidSetting:
    """The error for a wish that no model's profile fulfils; it lists what there is."""
    profiles = [profile for manifest in manifests for profile in manifest]
    names = list(dict.fromkeys(profile.name for profile in profiles))
    close = difflib.get_close_matches(wish.name, names, n=1, cutoff=0.6) if wish.name else []
    guess = f" Did you mean {close[0]}?" if close else ""
    listed = [f"{profile.name} ({profile.id[:12]}…)" for profile in profiles[:_LONGEST_LIST]]
    more = f" and {len(profiles) - _LONGEST_LIST} more" if len(profiles) > _LONGEST_LIST else ""
    return InvalidSetting(
        f"No profile is {wish.text!r} (--model-profile, NIM_MODEL_PROFILE).{guess} "
        f"There are: {', '.join(listed) or 'none'}{more}. All of them, with their tags: argosy profiles MODEL --json"
    )
