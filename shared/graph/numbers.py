"""The answers of `$count`, which are numbers as plain text in the place of a JSON object. Pure."""

import base64

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def number_in(text: bytes) -> int | None:
    """The number that a body is; None for anything else. It may begin with a byte order mark."""
    digits = text.removeprefix(BYTE_ORDER_MARK).strip()
    return int(digits) if digits.isdigit() else None


def number_in_part(body: object) -> int | None:
    """The number that the body of a batch's part is.

    OData has text as a string as it is, and Microsoft's page has what is no JSON in Base64: both are read. They cannot
    be taken for each other, since digits in Base64 begin with a letter, and a mark in it has letters.
    Sources: https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_BatchRequest and
    https://learn.microsoft.com/graph/json-batching.
    """
    if isinstance(body, int) and not isinstance(body, bool):
        return body
    if not isinstance(body, str):
        return None
    number = number_in(body.encode())
    if number is not None:
        return number
    try:
        return number_in(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return None
