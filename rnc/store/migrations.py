"""The SQL that upgrades a store to the next schema version; the first command that writes to the store runs it."""

UPGRADES = {
    1: """
        ALTER TABLE run ADD COLUMN execution VARCHAR;
        ALTER TABLE run ADD COLUMN data JSON;
        CREATE TABLE epoch (
            run_id VARCHAR, epoch INTEGER, learning_rate DOUBLE, train_loss DOUBLE,
            train_seconds DOUBLE, measure_seconds DOUBLE, images_per_second DOUBLE
        );
        UPDATE schema_version SET version = 2;
    """,
    2: """
        ALTER TABLE condition ADD COLUMN objective VARCHAR;
        ALTER TABLE condition ADD COLUMN momentum DOUBLE;
        ALTER TABLE condition ADD COLUMN restarts INTEGER;
        ALTER TABLE condition ADD COLUMN schedule VARCHAR;
        ALTER TABLE condition ADD COLUMN target_class INTEGER;
        ALTER TABLE epoch ADD COLUMN attack_seconds DOUBLE;
        ALTER TABLE epoch ADD COLUMN store_seconds DOUBLE;
        CREATE TABLE lab_result (
            key VARCHAR, saved_at TIMESTAMP, title VARCHAR, request JSON, summary JSON, content BLOB
        );
        UPDATE schema_version SET version = 3;
    """,
    3: """
        CREATE TABLE run_mark (run_id VARCHAR, tags VARCHAR[], note VARCHAR, archived_at TIMESTAMP);
        UPDATE schema_version SET version = 4;
    """,
}
