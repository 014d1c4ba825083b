"""The ingest pipeline: from decoded points to committed rows of `robot_telemetry`.

Each request runs through these steps in its own thread:

1. decode: `protocols/` reads JSON, NDJSON or line protocol into a `DecodedBatch` of points.
2. check and encode: `encoding` validates the points, `robot_cache` resolves their robots, and the
   result is an `EncodedBatch` of `EncodedPoint`s, packed for PostgreSQL's binary COPY.
3. group commit: `group_commit` collects the `PendingWrite`s of one organization that wait at the
   same time. One of the waiting threads writes the whole group.
4. write: `writer` stores the group in one transaction, `small_batch` does it in one statement.
   The transaction also verifies the cached API keys and robots, and enqueues `pending_work`.
5. after commit: `after_commit` updates `last_seen` and publishes the new values to live pages.

`backpressure` bounds the bytes that all of this occupies; `fair_share` shares threads and
interpreter between organizations. A receiver of another format reads its body inside
`reserved_body()` and decodes it into a `DecodedBatch`: in a turn of `fair_share`, or in the
`decode` that it passes to `telemetry_ingest()`. It words the result as its clients expect.

`services/telemetry.py` drives the
pipeline and reports each point as accepted, duplicate or rejected.
"""
