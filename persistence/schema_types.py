"""The types of columns, as each database has them: for the tables and for migrations.

SQLite's INTEGER has 64 bits, PostgreSQL's 32. Text is compared by its code points everywhere.
"""

from sqlalchemy import BigInteger, LargeBinary, Text
from sqlalchemy import Integer as SqliteInteger

Integer = BigInteger().with_variant(SqliteInteger(), "sqlite")
String = Text().with_variant(Text(collation="C"), "postgresql")

__all__ = ["Integer", "LargeBinary", "String"]
