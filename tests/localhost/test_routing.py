"""Route templates, as ASP.NET Core reads them for the Functions host."""

import pytest

from localhost.functions import BadAppError
from localhost.routing import Route

GUID = "6f1b8a5e-0f5d-4b43-9a3a-0c8c1e0f2d11"


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/messages", "api/messages", {}),
        ("api/messages", "API/Messages", {}),  # literals match without regard to case
        ("api/messages", "api/messages/more", None),
        ("api/messages", "api", None),
        ("b/{id}", "b/x1", {"id": "x1"}),
        ("b/{id}", "b", None),
        ("b/{id?}", "b", {}),
        ("b/{id:int}", "b/12", {"id": "12"}),
        ("b/{id:int}", "b/twelve", None),
        ("b/{id:int}", "b/99999999999", None),  # an int has 32 bits
        ("b/{id:long}", "b/99999999999", {"id": "99999999999"}),
        ("b/{id:guid}", f"b/{GUID}", {"id": GUID}),
        ("b/{id:guid}", "b/6f1b", None),
        ("b/{id:alpha:minlength(2)}", "b/ab", {"id": "ab"}),  # constraints add up
        ("b/{id:alpha:minlength(2)}", "b/a", None),
        ("b/{id:length(2,3)}", "b/abcd", None),
        ("b/{id:range(1,5)}", "b/5", {"id": "5"}),
        ("b/{id:range(1,5)}", "b/6", None),
        ("b/{id:max(5)}", "b/6", None),
        ("b/{id:regex(^[a-c]+$)}", "b/abc", {"id": "abc"}),
        ("b/{id:regex(^[a-c]+$)}", "b/abd", None),
        ("b/{a}/audience/{n:int}", "b/7/audience/3", {"a": "7", "n": "3"}),
        ("files/{*rest}", "files/a/b/c", {"rest": "a/b/c"}),
        ("files/{*rest}", "files", {"rest": ""}),
    ],
)
def test_template_binds_the_path(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Route.parse(template).match(path.split("/")) == expected


def test_exact_templates_are_tried_before_open_ones() -> None:
    templates = ["b/{*rest}", "b/{id}", "b/{id:int}", "b/mine"]

    ordered = sorted((Route.parse(template) for template in templates), key=lambda route: route.precedence)

    assert [route.template for route in ordered] == ["b/mine", "b/{id:int}", "b/{id}", "b/{*rest}"]


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("admin/x", "reserved"),
        ("runtime/x", "reserved"),
        ("b/{id:colour}", "does not know the route constraint 'colour'"),
        ("b/{id", "cannot read"),
    ],
)
def test_template_that_the_host_refuses_is_refused(template: str, fault: str) -> None:
    with pytest.raises(BadAppError, match=fault):
        Route.parse(template)
