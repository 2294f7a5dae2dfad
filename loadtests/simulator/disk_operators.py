"""The process's access to the disk where operators' services run: webhooks, tokens, erasures, holds, retention.

As with the real store, there is one writer: what is saved takes effect in the order of the calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from .disk import DiskPort

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.future import Future
    from salon.actors.store import Changes

PURGE = 0.3  # seconds until a disk has lost what was deleted


def _read(name: str) -> Callable[..., Future[Any]]:
    """A read of that name, which takes its time and may be told to fail."""

    def read(self: OperatorsPort, *arguments: Any, **more: Any) -> Future[Any]:
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: getattr(self.disk, name)(*arguments, **more), fault, 0.25)

    return read


def _save(name: str) -> Callable[..., Future[Any]]:
    """A write of that name, which takes as long as an append and may be told to fail."""

    def save(self: OperatorsPort, *arguments: Any, **more: Any) -> Future[Any]:
        fault = self.saves.popleft() if self.saves else None
        return self._do(lambda: getattr(self.disk, name)(*arguments, **more), fault, 1.0)

    return save


class OperatorsPort(DiskPort):
    """One process's store with everything that `web/app.py` uses of it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._told: list[Callable[[], None]] = []
        self._written = 0.0  # when the last write takes effect that was asked for
        self._purged = 0.0

    common_log, log_end = _read("common_log"), _read("log_end")
    sequence_at, owed = _read("sequence_at"), _read("owed")
    webhooks, webhook_lags = _read("webhooks"), _read("webhook_lags")
    save_webhook, move_webhook = _save("save_webhook"), _save("move_webhook")
    delete_webhook = _save("delete_webhook")
    save_webhook_lag, end_webhook_lag = _save("save_webhook_lag"), _save("end_webhook_lag")

    traces, expired = _read("traces"), _read("expired")
    retained, expired_in = _read("retained"), _read("expired_in")
    person, erasures, holds = _read("person"), _read("erasures"), _read("holds")
    save_erasure, save_hold = _save("save_erasure"), _save("save_hold")

    revoked_tokens, tokens = _read("revoked_tokens"), _read("tokens")
    all_access, names_since, name_of = _read("all_access"), _read("names_since"), _read("name_of")
    revoke_token, save_token = _save("revoke_token"), _save("save_token")
    revoke_issued = _save("revoke_issued")
    set_blocked, set_revoked = _save("set_blocked"), _save("set_revoked")
    rename, participant_of = _save("rename"), _read("participant_of")
    file, file_use = _read("file"), _read("file_use")

    def forget_person(self, participant_id: str) -> Future[None]:
        """As `Disk.forget_person`; the disk still has something of it for a moment."""

        def work() -> Future[None]:
            self._purged = trio.current_time() + PURGE
            return self.disk.forget_person(participant_id)

        fault = self.saves.popleft() if self.saves else None
        return self._do(work, fault, 1.0)

    @property
    def erasing(self) -> bool:
        """Whether the disk may still have something of what was deleted before."""
        return trio.current_time() < self._purged

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called after each commit of this process."""
        self._told.append(told)

    def append(self, changes: Changes) -> Future[Any]:
        """As `DiskPort.append`, and tell those who follow the log."""

        def work() -> Future[Any]:
            outcome = self.disk.commit(changes)
            self._log_has_grown()
            return outcome

        fault = self.appends.popleft() if self.appends else None
        return self._do(work, fault, 1.0)

    def _log_has_grown(self) -> None:
        for told in self._told:
            told()

    def _moment(self, seconds: float, share: float) -> float:
        moment = super()._moment(seconds, share)
        if share < 1.0:
            return moment
        self._written = max(self._written, moment)
        return self._written
