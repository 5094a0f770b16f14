/** The tables of the state file. A change of them is a new version and a migration in `database.ts`. */

export const schemaVersion = 1

/**
 * - `gatehouse` has one row. `last_version` is the last resourceVersion given; it survives restarts, so that no version is given twice.
 * - `objects`: JSON in text. `source` and `declared` say which manifest file declared the object, and what that file said;
 *   `overlay` is what people have changed of it since.
 * - `owners`: which object keeps which alive; found by the owner when it goes.
 * - `entries`: the small key-value tables. `expires_at` in milliseconds since 1970.
 */
export const schema = `
  CREATE TABLE gatehouse (
    id INTEGER PRIMARY KEY CHECK (id = 1), schema_version INTEGER NOT NULL, last_version INTEGER NOT NULL
  ) STRICT;
  INSERT INTO gatehouse VALUES (1, ${schemaVersion}, 0);

  CREATE TABLE objects (
    api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, generation INTEGER NOT NULL, created TEXT NOT NULL,
    labels TEXT NOT NULL, annotations TEXT NOT NULL, owners TEXT NOT NULL,
    spec TEXT NOT NULL, status TEXT, source TEXT, declared TEXT, overlay TEXT,
    PRIMARY KEY (api_group, kind, namespace, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE owners (
    owner TEXT NOT NULL, dependent TEXT NOT NULL, PRIMARY KEY (owner, dependent)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE entries (
    table_name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, expires_at INTEGER,
    PRIMARY KEY (table_name, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entries_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
`
