"""The package's addresses and its description, both made from `repository` in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A picture of the repository, and a link to one of its files.
_PICTURE = re.compile(r"!\[[^\]]*\]\((?P<path>(?!https?:)[^)]+)\)")
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<path>(?!https?:|#)[^)]+)\)")


class AddressesHook(MetadataHookInterface):
    """Fills in the project's URLs, and the description that a package index shows."""

    def update(self, metadata: dict[str, object]) -> None:
        """Add `urls` and `readme`.

        Args:
            metadata: The table `[project]`.
        """
        repository = str(self.config["repository"])
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["urls"] = project_urls(repository)
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": description(readme, repository),
        }


def project_urls(repository: str) -> dict[str, str]:
    """List the project's URLs.

    Args:
        repository: The repository's address, or an empty text.

    Returns:
        Label to URL; empty if there is no address.
    """
    if not repository:
        return {}
    return {
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Repository": repository,
        "Issues": f"{repository}/issues",
        "Changes": f"{repository}/blob/HEAD/docs/changelog.md",
    }


def description(readme: str, repository: str) -> str:
    """Make the README readable away from the repository, where no relative link works.

    Args:
        readme: The README's text.
        repository: The repository's address, or an empty text.

    Returns:
        The text with absolute links. If there is no address: without pictures, and
        with the text of each link in its place.
    """
    if repository:
        readme = _PICTURE.sub(
            lambda found: found[0].replace("](", f"]({repository}/raw/HEAD/"), readme
        )
        return _LINK.sub(rf"[\g<text>]({repository}/blob/HEAD/\g<path>)", readme)
    return _LINK.sub(r"\g<text>", _PICTURE.sub("", readme))
