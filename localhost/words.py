"""The demo's verdict for people."""

from localhost.digest_verdict import Digest
from localhost.verdict import Verdict


def in_words(verdict: Verdict) -> str:
    """Return the report for people."""
    refused = ", ".join(f"{number} {reason}" for reason, number in verdict.undeliverable.items()) or "none"
    what, later = "message" if verdict.digest is None else "digest", f"{verdict.deferred:,} of them by a later try"
    lines = [
        f"{verdict.sent:,} of {verdict.people:,} people have the {what}, {later}",
        *_digest_in_words(verdict.digest),
        *_installs_in_words(verdict),
        f"undeliverable: {refused}; lost: {verdict.lost}; twice: {verdict.duplicates}",
        f"{verdict.rate:.1f} messages per second, {verdict.seconds:.1f} s in all",
        f"{verdict.requests:,} requests, {verdict.throttled:,} of them throttled",
        *_memory_in_words(verdict),
        *(f"DISAGREEMENT: {sentence}" for sentence in verdict.disagreements),
    ]
    return "\n".join(lines)


def _installs_in_words(verdict: Verdict) -> list[str]:
    if not verdict.installed_now:
        return []
    return [
        f"{verdict.installed_now:,} were given the app first, {verdict.installed_twice} of them twice; "
        f"{verdict.before_first:,} had it when the first message arrived"
    ]


def _digest_in_words(digest: Digest | None) -> list[str]:
    if digest is None:
        return []
    return [
        f"for {digest.recipients:,} something had gathered; {digest.right:,} cards tell exactly that: "
        f"{digest.shown:,} items, and {digest.counted:,} counted",
        f"{digest.dropped:,} items were dropped, {digest.replaced:,} of them replaced, {digest.expired:,} expired, "
        f"{digest.rejected:,} rejected; {digest.waiting:,} still wait",
    ]


def _memory_in_words(verdict: Verdict) -> list[str]:
    told = ", ".join(f"{reading:.0f}" for reading in verdict.memory if reading is not None)
    return [f"memory at the start, a tenth, a half, the end: {told} MiB"] if told else []
