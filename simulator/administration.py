"""What a tenant's administrator decides, how Graph behaves, and what Graph was asked."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from simulator.graph.figures import GraphSummary
from simulator.graph.installations import Holding
from simulator.graph.refusing import Order, Reason
from simulator.graph.roles import CONSENTED
from simulator.graph.rules import RULES
from simulator.groups import Group
from simulator.judge import Judge, Who
from simulator.places import Person, Traits


class Administration(Judge):
    """The verbs about Entra and Graph."""

    # People and groups.

    def change_people(self, people: Collection[Who] | None = None, **traits: bool | str) -> list[Person]:
        """Change some of `places.Traits`, such as `licensed` or `mailbox_zone`, of people, or of all."""
        unknown = traits.keys() - Traits.__optional_keys__
        if unknown:
            raise ValueError(f"A person has no {', '.join(sorted(unknown))} to change.")
        chosen = [self.person(who) for who in (self.world.directory.people.values() if people is None else people)]
        for person in chosen:
            for name, value in traits.items():
                setattr(person, name, value)
        return chosen

    def add_group(
        self,
        name: str,
        *,
        members: Collection[Who] = (),
        groups: Collection[Group | str] = (),
        tenant_id: str | None = None,
    ) -> Group:
        """Add a group of people and of other groups."""
        inside = [self._group(each).id for each in groups]
        return self.world.directory.add_group(
            name, members=self.object_ids(members), groups=inside, tenant_id=tenant_id
        )

    def join_group(
        self, group: Group | str, *, members: Collection[Who] = (), groups: Collection[Group | str] = ()
    ) -> Group:
        """Put people and groups into a group."""
        found = self._group(group)
        found.members = list(dict.fromkeys((*found.members, *self.object_ids(members))))
        found.groups = list(dict.fromkeys((*found.groups, *(self._group(each).id for each in groups))))
        return found

    def leave_group(self, group: Group | str, *, members: Collection[Who]) -> Group:
        """Take people out of a group."""
        found = self._group(group)
        gone = set(self.object_ids(members))
        found.members = [each for each in found.members if each not in gone]
        return found

    # The app in the tenant.

    def consent(self, roles: Collection[str] | None = None, *, tenant_id: str | None = None) -> list[str]:
        """Have new tokens for Graph carry these roles, or the usual ones; a token already issued keeps its own."""
        chosen = CONSENTED if roles is None else tuple(roles)
        self.world.graph.consent(tenant_id or self.world.config.tenant_id, chosen)
        return list(chosen)

    def set_catalog(
        self,
        *,
        listed: bool = True,
        version: str | None = None,
        new_id: bool = False,
        self_managed: bool = True,
        tenant_id: str | None = None,
    ) -> dict[str, Any]:
        """Change the app in the catalogue and return it; `new_id` uploads it anew, and old installs do not count.

        With `self_managed=False` its manifest does not name our registration in `webApplicationInfo`.
        """
        tenant_id = tenant_id or self.world.config.tenant_id
        app = self.world.graph.catalog(tenant_id)
        app.listed, app.self_managed = listed, self_managed
        app.version = version or app.version
        if new_id:
            app.upload += 1
            self.world.graph.installations.forget_app(tenant_id)
        return {**app.as_resource(), "version": app.version, "listed": app.listed}

    def refuse_installs(
        self, reason: Reason | str, people: Collection[Who] | None = None, *, times: int | None = None
    ) -> None:
        """Refuse `POST .../installedApps` for people (for all unless named), each so many times or until allowed.

        `reason` is one of `graph.refusing.Reason`; a team or a chat is named by its group's or its own id.
        """
        named = frozenset(self._holder(who) for who in people or ())
        self.world.graph.orders.append(Order(Reason(reason), named, times))

    def allow_installs(self) -> None:
        """Take back every `refuse_installs`."""
        self.world.graph.orders.clear()

    def installations(self) -> dict[str, Holding]:
        """By object id, group id or chat id: who has or had the app, and how often it was installed by Graph."""
        return {holding.holder: holding for holding in self.world.graph.installations.all()}

    # Graph itself.

    def set_graph(self, **habits: Any) -> None:
        """Change fields of `graph.state.Habits`: `listing_lag_s`, `notify`, `notify_delay_s`, `page_limit`, ..."""
        self.world.graph.habits = replace(self.world.graph.habits, **habits)

    def set_graph_limits(
        self,
        *,
        on: bool = True,
        per_tenant: Mapping[str, float] | None = None,
        per_app: Mapping[str, float] | None = None,
        per_resource: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Set Graph's limits anew, in requests per second by the kinds of `graph.rules.RULES`; `on=False` lifts all."""
        named = {*(per_tenant or {}), *(per_app or {}), *(per_resource or {})}
        if unknown := named - RULES.keys():
            raise ValueError(f"Graph has no limit {', '.join(sorted(unknown))}; there are: {', '.join(RULES)}.")
        rules = dict(RULES)
        changes: dict[str, Mapping[str, Any]] = {
            "per_tenant": per_tenant or {},
            "per_app": per_app or {},
            "per_resource": {kind: {**RULES[kind].per_resource, **each} for kind, each in (per_resource or {}).items()},
        }
        for field, values in changes.items():
            for kind, value in values.items():
                rules[kind] = replace(rules[kind], **{field: value})
        self.world.graph.limits.change(on=on, rules=rules)

    def graph_summary(self) -> GraphSummary:
        """What Graph was asked, and how it answered."""
        return self.world.graph.counts.summary()

    def clear_graph_summary(self) -> None:
        """Count anew what Graph is asked, and each holder's installs; who has the app stays as it is."""
        self.world.graph.counts.clear()
        self.world.graph.installations.clear_counts()

    def _group(self, group: Group | str) -> Group:
        found = group if isinstance(group, Group) else self.world.directory.groups.get(group)
        if found is None:
            raise LookupError(f"No group has the id {group}.")
        return found

    def _holder(self, who: Who) -> str:
        directory = self.world.directory
        if isinstance(who, str) and (who in directory.chats or directory.team_of(who) is not None):
            return who
        return self.person(who).object_id
