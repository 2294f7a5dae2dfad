"""Statements that store a row in place of the one with the same key, as both databases understand them."""

from __future__ import annotations


def upsert(table: str, key: str, others: str) -> str:
    """The statement for a table, whose values are those of the key's columns and then of the others, both comma-separated."""
    columns = f"{key}, {others}"
    marks = ", ".join("?" * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) {on_conflict(key, others)}"


def on_conflict(key: str, others: str) -> str:
    """What an insertion does where the key has a row: it gets the other columns' new values."""
    taken = ", ".join(f"{name.strip()} = excluded.{name.strip()}" for name in others.split(","))
    return f"ON CONFLICT ({key}) DO UPDATE SET {taken}"
