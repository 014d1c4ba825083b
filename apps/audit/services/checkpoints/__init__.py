"""Signed checkpoints of the audit chains, in a file outside the database.

An attacker who controls the database can rewrite a chain together with its head, or truncate it,
and keep it consistent. A checkpoint therefore stores the bounds of all chains, signed with a key
that the database does not have. Each checkpoint contains the signature of the previous one, so a
copy of the file proves later changes.

`file` defines and reads the file's lines, `writer` appends them, `verification` compares the
database with them.
"""
