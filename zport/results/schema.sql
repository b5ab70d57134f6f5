-- The results store, schema version 1. JSON columns hold JSON, "extra" what has no column.
-- A cell is known by model, agent, target and runner: one result of each in a run.

CREATE TABLE runs (
    id        INTEGER PRIMARY KEY,          -- the N of run-N.json
    started   TEXT NOT NULL,                -- UTC, ISO 8601
    ended     TEXT,                         -- none: it was cut, or still runs
    file      TEXT UNIQUE,                  -- the run file that holds the same, once it has ended
    zport     TEXT,
    "commit"  TEXT,
    host      TEXT,
    engine    TEXT,
    emulators JSON,
    extra     JSON
);

CREATE TABLE images (
    run          INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    agent        TEXT NOT NULL,
    target       TEXT NOT NULL,
    image        TEXT,
    key          TEXT,
    bytes        INTEGER,
    compressed   BOOLEAN,
    layers       JSON,
    requirements JSON,
    extra        JSON,
    PRIMARY KEY (run, agent, target)
);

CREATE TABLE cells (
    id               INTEGER PRIMARY KEY,
    run              INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    written          TEXT NOT NULL,
    model            TEXT NOT NULL,
    model_version    TEXT,
    weights          TEXT,
    agent            TEXT NOT NULL,
    framework        TEXT,
    target           TEXT NOT NULL,
    byte_order       TEXT,
    runner           TEXT NOT NULL,
    emulated         BOOLEAN NOT NULL,
    key              TEXT,
    image_key        TEXT,
    verdict          TEXT NOT NULL,
    reason           TEXT,
    compared_with    TEXT,
    tolerance        JSON,
    largest_absolute REAL,
    largest_relative REAL,
    outputs          JSON,
    differing        JSON,                  -- the first operator that differs, if one was looked for
    seconds          REAL,
    folder           TEXT,
    log              TEXT,
    extra            JSON,
    UNIQUE (model, agent, target, runner, run)
);
CREATE INDEX cells_of_run ON cells (run);
CREATE INDEX cells_of_key ON cells (key);

CREATE TABLE benches (
    id              INTEGER PRIMARY KEY,
    run             INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    cell            INTEGER REFERENCES cells ON DELETE CASCADE,  -- none: a benchmark of its own
    written         TEXT NOT NULL,
    model           TEXT NOT NULL,
    agent           TEXT NOT NULL,
    target          TEXT NOT NULL,
    runner          TEXT NOT NULL,
    emulated        BOOLEAN NOT NULL,
    scenario        TEXT,
    mode            TEXT,
    valid           BOOLEAN,
    invalid_reasons JSON,
    metric          JSON,                   -- name, unit, value
    threads         INTEGER,
    batch           INTEGER,
    cpu_level       TEXT,
    query_count     INTEGER,
    latency_ns      JSON,                   -- nanoseconds by percentile
    requested       JSON,
    settings        JSON,
    info            JSON,
    extra           JSON
);
CREATE INDEX benches_of_run ON benches (run);
CREATE INDEX benches_of_cell ON benches (cell);
