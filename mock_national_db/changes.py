"""Changes at run time: submitted once, applied whole or not at all, told to followers in order.

Owns versions, conflicts, idempotency and the feed. Refuses to know which changes are allowed (`rules`), SQL (`store`)
and HTTP.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

from mock_national_db import wire
from mock_national_db.change_requests import ChangeRequest, CivilStatus, Correction, Death, Move
from mock_national_db.live import LiveNation, block_of, write_moment
from mock_national_db.lookups import NOT_FOUND, Answer
from mock_national_db.person import VIETNAM_TIME
from mock_national_db.requests import FeedRequest
from mock_national_db.rules import Edits, RefusedChangeError, Rules
from mock_national_db.store import BlockState, Entry, HouseholdRow, PersonRow, Store, Write
from mock_national_db.wire import Json


class KeyReusedError(Exception):
    """The idempotency key came with another body before."""


class Changes:
    """Submissions and the feed. All of it runs on one event loop, so nothing happens in between."""

    def __init__(self, *, live: LiveNation, store: Store, clock: Callable[[], datetime]) -> None:
        """`clock` gives aware moments."""
        self._live = live
        self._store = store
        self._clock = clock
        self._rules = Rules(live=live, counter=store.next_of, today=lambda: clock().astimezone(VIETNAM_TIME).date())
        self._feed_id = store.feed_id()
        self._grown = asyncio.Event()

    def submit(self, request: ChangeRequest) -> Answer:
        """Carry out a change, or say why not; a repetition gets the first answer and does nothing.

        Raises KeyReusedError, and sqlite3.Error with nothing changed.
        """
        substance = blake2b(request.substance(), digest_size=16).digest()
        earlier = self._store.answered(request.idempotency_key)
        if earlier is not None:
            if earlier[0] != substance:
                raise KeyReusedError
            return Answer({"MaYeuCau": request.request_id, **earlier[1]}, 0)
        write = Write()
        touched: set[int] = set()
        answer = self._decide(request, write, touched)
        self._store.commit(write, key=request.idempotency_key, substance=substance, answer=answer)
        self._live.forget(touched)
        if write.entries:
            self._grown.set()
            self._grown = asyncio.Event()
        return Answer({"MaYeuCau": request.request_id, **answer}, 0)

    async def read(self, request: FeedRequest) -> Answer:
        """Return a page of the feed, waiting for a change where there is none and the caller wants to."""
        earliest, latest = self._store.bounds()
        if request.cursor is None:
            return self._page(request, "CO_THAY_DOI", [], latest)
        feed, _, position = request.cursor.rpartition(".")
        after = int(position)
        if (feed or self._feed_id) != self._feed_id or after > latest:
            return self._page(request, "CON_TRO_KHONG_BIET", [], latest)
        if after < earliest:
            return self._page(request, "CON_TRO_QUA_CU", [], latest)
        if after == latest and request.wait_seconds:
            try:
                await asyncio.wait_for(self._grown.wait(), request.wait_seconds)
            except TimeoutError:
                return self._page(request, "CO_THAY_DOI", [], after)
        page = self._store.page(after, request.limit)
        return self._page(request, "CO_THAY_DOI", page.entries, page.position, more=page.more)

    def release(self) -> None:
        """Answer whoever waits for a change: the mock is stopping."""
        self._grown.set()

    def _decide(self, request: ChangeRequest, write: Write, touched: set[int]) -> Json:
        index = self._live.index_of(request.personal_number)
        if index is None:
            return NOT_FOUND
        record = wire.citizen(self._live.person(index))
        if record["PhienBan"] != request.base_version:
            return self._conflict(request, index, record)
        try:
            edits = self._rules.edits(index, request.content)
        except RefusedChangeError as refused:
            return {"KetQua": "TU_CHOI", "LyDo": str(refused)}
        self._apply(edits, request.kind, write, touched)
        _, latest = self._store.bounds()
        state = next((row.state for row in write.people if row.person == edits.subject), None)
        newborn = edits.subject != index
        return {
            "KetQua": "DA_AP_DUNG",
            "SoDinhDanh": state["number"] if newborn and state is not None else request.personal_number,
            "PhienBan": request.base_version if state is None else state.get("version", request.base_version),
            "ConTro": self._cursor(latest + len(write.entries)),
        }

    def _conflict(self, request: ChangeRequest, index: int, record: Json) -> Json:
        answer: Json = {
            "KetQua": "XUNG_DOT",
            "SoDinhDanh": request.personal_number,
            "PhienBan": record["PhienBan"],
        }
        changed = self._store.changed_since(index, request.base_version, record["PhienBan"])
        if changed is not None:
            answer["TruongDaDoi"] = list(changed)
        answer["TruongKhacNhau"] = [
            field for field, value in _proposed(request).items() if not _agrees(record.get(field), value)
        ]
        return answer

    def _apply(self, edits: Edits, kind: str, write: Write, touched: set[int]) -> None:
        """Turn edits into rows: new versions for everyone whose record comes to read differently."""
        live = self._live
        edited = {block_of(index) for index in edits.people} | {block for block, _ in edits.homes.values()}
        shown_in = edited.union(*(self._store.linked(block) for block in edited), {other for _, other in edits.links})
        before = {index: wire.citizen(live.person(index)) for block in shown_in for index in live.everyone(block)}
        now = self._clock().astimezone(VIETNAM_TIME)
        states = {block: BlockState(live.states(block), live.addresses(block)) for block in shown_in}
        for index, values in edits.people.items():
            people = states[block_of(index)].people
            # A newborn's record is read before it has its first version below.
            start = {} if index in before else {"version": 0, "updated_at": write_moment(now)}
            people[index] = {**start, **people.get(index, {}), **values}
        for key, (block, address) in edits.homes.items():
            states[block].households[key] = address
            write.households.append(HouseholdRow(key, block, address))
        live.preview(states)
        try:
            after = {index: wire.citizen(live.person(index)) for block in shown_in for index in live.everyone(block)}
        finally:
            live.preview({})
        for index in sorted(before.keys() | after.keys()):
            fields = wire.changed_fields(before.get(index, {}), after.get(index, {}))
            if not fields and index not in edits.people:
                continue
            state = dict(states[block_of(index)].people.get(index, {}))
            if fields:
                state["version"] = before.get(index, {"PhienBan": 0})["PhienBan"] + 1
                state["updated_at"] = write_moment(now)
                number = (after.get(index) or before[index])["SoDinhDanh"]
                gone = index not in after
                write.entries.append(Entry(index, number, state["version"], kind, gone, wire.moment(now), fields))
            number = state.get("number")
            write.people.append(PersonRow(index, block_of(index), number, state))
            touched.add(block_of(index))
        touched |= edited
        write.links = edits.links
        write.counters = edits.counters

    def _page(self, request: FeedRequest, result: str, entries: list[Entry], at: int, *, more: bool = False) -> Answer:
        changes = [
            {
                "SoDinhDanh": entry.number,
                "PhienBan": entry.version,
                "LoaiThayDoi": entry.kind,
                "ThoiDiem": entry.moment,
                "DaHuy": entry.withdrawn,
            }
            for entry in entries
        ]
        body: dict[str, Any] = {"MaYeuCau": request.request_id, "KetQua": result, "ThayDoi": changes}
        return Answer({**body, "ConTro": self._cursor(at), "ConNua": more}, 0)

    def _cursor(self, position: int) -> str:
        return f"{self._feed_id}.{position}"


def _proposed(request: ChangeRequest) -> Mapping[str, Any]:
    """Return the fields of a record which a change proposes, as the record would show them."""
    said = request.proposed
    match request.content:
        case Move():
            return {field: said[field] for field in ("ThuongTru", "NoiOHienTai") if field in said}
        case CivilStatus(status, spouse):
            status_field = {"TinhTrangHonNhan": int(status)}
            return status_field if spouse is None else {**status_field, "VoChong": {"SoDinhDanh": spouse}}
        case Correction():
            return said
        case Death():
            return {"NgayMat": said["NgayMat"]}
        case _:
            return {}


def _agrees(held: Any, proposed: Any) -> bool:
    """Tell whether a held value says everything that is proposed."""
    if isinstance(proposed, dict):
        return isinstance(held, dict) and all(_agrees(held.get(field), value) for field, value in proposed.items())
    return bool(held == proposed)
