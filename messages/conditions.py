"""The header `If-Match`, by which of two editors the second does not undo what the first one did."""


def names_version(if_match: str | None, version: str | None) -> bool:
    """Whether the header names the version that stands (None where nothing does); without a header any will do."""
    if if_match is None:
        return True
    # What passes a proxy that compresses has become a weak tag; a hash of the words is as good.
    tags = [tag.strip().removeprefix("W/") for tag in if_match.split(",")]
    return version is not None and not {"*", tag_of(version)}.isdisjoint(tags)


def tag_of(version: str) -> str:
    """A version as an ETag."""
    return f'"{version}"'
