"""The tenant of a storm: its accounts and groups as the directory has them, and whom an ask means by them."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.domain.pages import Skip
from shared.domain.recipients import RecipientKind, recipient_key
from tests.twins.directory import Account, Groups, transitive_members
from tests.twins.world import object_id

GROUPS = tuple(f"0000000{digit}-9999-0000-0000-000000000000" for digit in "1234")
UNKNOWN_GROUP = "0000000f-9999-0000-0000-000000000000"
LATE_GROUP = "0000000e-9999-0000-0000-000000000000"
"""A group that is made while the storm goes on; until then the directory does not know it."""
SHARED_MAIL = "both@contoso.test"
"""The mail of two people, and so nobody's."""
UNKNOWN_NAMES = ("nobody@contoso.test", SHARED_MAIL, "u7@elsewhere.test")


def user_key(number: int) -> str:
    """The key of the person with this number."""
    return recipient_key(RecipientKind.USER, object_id(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Accounts by their numbers, and groups; the late group is there from `late_at` on, in seconds from the start."""

    accounts: tuple[Account, ...] = ()
    groups: Groups = field(default_factory=dict)
    late_at: float = 0.0
    late_group: tuple[Account, ...] = ()

    def members(self, groups: Iterable[str]) -> list[Account]:
        """All accounts in these groups, in those inside them, and in the late one."""
        known: Groups = {**self.groups, LATE_GROUP: self.late_group}
        found = transitive_members(known, [group for group in groups if group in known])
        return [one for one in found if isinstance(one, Account)]

    def key_of(self, name: str) -> str:
        """The recipient whom a sign-in name or a mail stands for: a person, or nobody but the name."""
        found = [one for one in self.accounts if name in (one.upn, one.mail)]
        return recipient_key(RecipientKind.USER, found[0].id) if len(found) == 1 else name_key(name)


def name_key(name: str) -> str:
    """The key of somebody by name alone."""
    return recipient_key(RecipientKind.NAME, name)


def is_meant(account: Account) -> bool:
    """Whether somebody in a group, or in the tenant, is meant by it."""
    return account.is_enabled and not account.is_guest


def count_skipped(accounts: Iterable[Account]) -> Counter[Skip]:
    """How many of these accounts are left out, each once, and why."""
    left_out = dict.fromkeys(one for one in accounts if not is_meant(one))
    return Counter(Skip.GUESTS if one.is_guest else Skip.DISABLED for one in left_out)


def draw_tenant(dice: random.Random, *, people: int, until: float) -> Tenant:
    """A tenant of so many people, some of them guests or disabled, in four groups that overlap and nest."""
    accounts = tuple(
        Account(
            object_id(number),
            is_guest=dice.random() < 0.15,
            is_enabled=dice.random() > 0.1,
            upn=f"u{number}@contoso.test",
            mail=SHARED_MAIL if number in (1, 2) else f"p{number}@contoso.test",
        )
        for number in range(people)
    )

    def some() -> list[Account]:
        return dice.sample(accounts, min(people, dice.choice([0, 1, people // 3, people // 2])))

    groups: dict[str, tuple[Account | str, ...]] = {
        group: (*some(), *(inner for inner in GROUPS[place + 1 :] if dice.random() < 0.3))
        for place, group in enumerate(GROUPS)
    }
    return Tenant(
        accounts=accounts,
        groups=groups,
        late_at=dice.uniform(0, until),
        late_group=tuple(some()),
    )
