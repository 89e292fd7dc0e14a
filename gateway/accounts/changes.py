"""What every method on accounts has in common: parsing, one transaction, and the first answer to a repetition.

A change and the memory of its answer are one transaction, so that a repetition after a lost answer neither does it
twice nor is refused. Before it is committed, what it is about to change is on record: a change that nobody can find
the record of must be impossible (docs/decisions/0020).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.protobuf.message import Message

from gateway.accounts.model import Account
from gateway.accounts.ports import (
    AccountReader,
    AccountStore,
    AccountsUnavailableError,
    AccountTransaction,
    FirstAnswer,
    Intents,
)
from gateway.calls.inquiry import Answer, AuditClass, Disclosure, Inquiry, Method, Question
from gateway.calls.validation import check_request_id, decode
from gateway.errors import ConflictError, InvalidRequestError, NotFoundError, Reason, UnavailableError, Violation
from gateway.ports import Clock

SHOW_AGAIN_SECONDS = 600.0
"""How long the repetition of a change shows a key again: an answer may be lost on the way."""

MAX_PAGE = 500
_DEFAULT_PAGE = 100
_SECRET_FIELD = "secret_key"  # noqa: S105  the name of a field
_RETRY_AFTER_SECONDS = 1.0

CHANGERS = frozenset({"operator", "administrator"})
READERS = frozenset({"viewer", *CHANGERS})


@dataclass(frozen=True, slots=True)
class Result:
    """What a method answers, and what it concerned."""

    response: Message = field(repr=False)
    target: str = ""
    further: Sequence[str] = ()
    """What else it concerned, where one call changes several entries."""

    @property
    def targets(self) -> Sequence[str]:
        """All that it concerned; each gets a record of its own."""
        return (self.target, *self.further)


Check: TypeAlias = Callable[[Any], Sequence[Violation]]
ReadHandler: TypeAlias = Callable[[AccountReader, Any, Account], Awaitable[Result]]
ChangeHandler: TypeAlias = Callable[[AccountTransaction, Any, Account], Awaitable[Result]]


class Desk:
    """Turns handlers into methods of the pipeline."""

    def __init__(self, *, store: AccountStore, intents: Intents, clock: Clock) -> None:
        self._store = store
        self._intents = intents
        self._clock = clock

    def reading(
        self,
        name: str,
        scope: str,
        request: type[Message],
        handler: ReadHandler,
        *,
        check: Check,
        roles: frozenset[str],
    ) -> Method:
        """A method that changes nothing. `handler` runs in one view of the store."""

        async def handle(question: Question, inquiry: Inquiry) -> Answer:
            assert inquiry.account is not None
            try:
                async with self._store.reading() as reader:
                    result = await handler(reader, question.message, inquiry.account)
            except AccountsUnavailableError as error:
                raise _unavailable(error) from error
            return _answer(result)

        return _method(name, scope, request, check=check, handle=handle, roles=roles)

    def changing(
        self,
        name: str,
        scope: str,
        request: type[Message],
        response: type[Message],
        handler: ChangeHandler,
        *,
        check: Check,
        roles: frozenset[str],
    ) -> Method:
        """A method that changes something, once for each `request_id`. `handler` runs in one transaction."""

        async def handle(question: Question, inquiry: Inquiry) -> Answer:
            assert inquiry.account is not None
            try:
                async with self._store.change() as change:
                    result = await self._once(change, handler, question, inquiry.account, response=response)
                    if change.changes:
                        await self._intents.intended(inquiry, result.targets)
            except AccountsUnavailableError as error:
                raise _unavailable(error) from error
            return _answer(result)

        return _method(name, scope, request, check=check, handle=handle, roles=roles)

    async def _once(
        self,
        change: AccountTransaction,
        handler: ChangeHandler,
        question: Question,
        asker: Account,
        *,
        response: type[Message],
    ) -> Result:
        request_id = question.request_id
        if not request_id:
            return await handler(change, question.message, asker)
        body = question.message.SerializeToString(deterministic=True)
        # The request's type is unique to its method.
        digest = hashlib.sha256(question.message.DESCRIPTOR.full_name.encode() + b"\0" + body).digest()
        first = await change.first_answer(asker.name, request_id)
        if first is not None:
            if first.digest != digest:
                raise ConflictError(Reason.REQUEST_ID_REUSED)
            return Result(response.FromString(first.secret_answer or first.answer), f"repeated {request_id}")
        result = await handler(change, question.message, asker)
        whole = result.response.SerializeToString()
        bare = response.FromString(whole)
        secret = _SECRET_FIELD in bare.DESCRIPTOR.fields_by_name and bool(getattr(bare, _SECRET_FIELD))
        if secret:
            bare.ClearField(_SECRET_FIELD)
        await change.keep_answer(
            asker.name,
            request_id,
            FirstAnswer(digest, bare.SerializeToString(), whole if secret else None),
            secret_until=self._clock.now() + SHOW_AGAIN_SECONDS,
        )
        return result


def found(entry: Any, kind: str) -> Any:
    """The entry. Raises `NotFoundError` where there is none."""
    if entry is None:
        raise NotFoundError(Reason.RESOURCE_NOT_FOUND, metadata={"kind": kind})
    return entry


def check_page(message: Any) -> list[Violation]:
    """What is wrong with `page_size` and `page_token`."""
    wrong = []
    if not 0 <= message.page_size <= MAX_PAGE:
        wrong.append(Violation("page_size", f"must be 0 to {MAX_PAGE}", f"phải từ 0 đến {MAX_PAGE}"))
    if message.page_token and _key_in(message.page_token) is None:
        wrong.append(Violation("page_token", "is not a token of this list", "không phải mã trang của danh sách này"))
    return wrong


async def page_of(reader: AccountReader, kind: Any, message: Any, **equal: str) -> tuple[list[Any], str]:
    """The entries of a checked page request, and the token of the next page, empty on the last."""
    size = message.page_size or _DEFAULT_PAGE
    filters = {name: value for name, value in equal.items() if value}
    after = (_key_in(message.page_token) or ()) if message.page_token else ()
    entries = await reader.page(kind, after=after, limit=size + 1, **filters)
    token = (
        "" if len(entries) <= size else base64.urlsafe_b64encode(json.dumps(entries[size - 1].key).encode()).decode()
    )
    return entries[:size], token


def _key_in(token: str) -> tuple[str, ...] | None:
    """The key in a page token. A token is a position, not a right: every list filters by itself."""
    try:
        key = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    if not isinstance(key, list) or not 1 <= len(key) <= 2 or not all(isinstance(part, str) for part in key):
        return None
    return tuple(key)


def _method(
    name: str,
    scope: str,
    request: type[Message],
    *,
    check: Check,
    handle: Callable[[Question, Inquiry], Awaitable[Answer]],
    roles: frozenset[str],
) -> Method:
    def parse(data: bytes) -> Question:
        message: Any = decode(data, request)
        request_id = getattr(message, "request_id", "")
        violations = [*check(message), *check_request_id(request_id)]
        if violations:
            raise InvalidRequestError(violations)
        return Question(message, (), (), None, request_id)

    return Method(
        name=name,
        scope=scope,
        cost=lambda _: 1,
        audit=AuditClass.PER_CALL,
        parse=parse,
        handle=handle,
        admin_roles=roles,
    )


def _answer(result: Result) -> Answer:
    return Answer(result.response, tuple(Disclosure(None, target=target) for target in result.targets))


def _unavailable(error: AccountsUnavailableError) -> UnavailableError:
    return UnavailableError(Reason.ACCOUNTS_UNAVAILABLE, retry_after_seconds=_RETRY_AFTER_SECONDS, cause=str(error))
